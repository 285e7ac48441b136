//! `DwsDataSource`: one external data source of a DWS cluster.

use std::fmt;
use std::str::FromStr;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::data_source_status::{Coordinates, DwsDataSourceStatus, ImportRecord, Observed};
pub use super::operation::{
    AttemptOutcome, LastAttempt, Operation, OperationType, PlanAction, PlannedChange, Retry, RetryClass,
};
pub use super::requested::Requested;
pub use super::secret_version::SecretVersion;
use super::{patterns, rules};

/// The kinds of external data source; the words are the cloud's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DataSourceType {
    /// Object storage, reached through an IAM agency.
    Obs,
    /// An MRS cluster, reached with an account and its password.
    Mrs,
    /// `LakeFormation`.
    LakeFormation,
}

impl DataSourceType {
    /// The cloud's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Obs => "OBS",
            Self::Mrs => "MRS",
            Self::LakeFormation => "LAKE_FORMATION",
        }
    }
}

/// What happens to the cloud's data source when this object is deleted: Delete or Retain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Delete it (the default).
    #[default]
    Delete,
    /// Keep it.
    Retain,
}

impl fmt::Display for DeletionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delete => "Delete",
            Self::Retain => "Retain",
        })
    }
}

/// Whether the operator manages the data source or only reads it: Manage or Observe. Unset means Manage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Create, change and delete it (the default).
    #[default]
    Manage,
    /// Read it and show its state; write nothing to the cloud, whatever happens.
    Observe,
}

/// What the operator may do about a change that only deleting and creating anew can make: Never, `OnApproval` or Always. Unset means Never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ReplacementPolicy {
    /// Show the plan and do nothing (the default).
    #[default]
    Never,
    /// Replace once the annotation `dws.huaweicloud.com/approve` holds the id of the plan.
    OnApproval,
    /// Replace at once.
    Always,
}

/// What happens if there is nothing to import: Required or `IfExists`. Unset means Required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ImportPolicy {
    /// Wait for it (the default).
    #[default]
    Required,
    /// Create it.
    IfExists,
}

/// A data source that exists in the cloud already.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::one_import_key())]
pub struct Import {
    /// Its id in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::REMOTE_ID))]
    pub id: Option<String>,
    /// Its name in the DWS cluster, which must be `dataSourceName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::DATA_SOURCE_NAME))]
    pub name: Option<String>,
    /// What happens if there is none: Required waits for it, `IfExists` creates it. Unset means Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ImportPolicy>,
}

/// A key of a Secret in the object's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::OBJECT_NAME))]
    pub name: String,
    /// The key within the Secret; its value is used as it is, without trimming.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::SECRET_KEY))]
    pub key: String,
}

/// Where the password comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPwd {
    /// A key of a Secret in the namespace of this object.
    pub secret_key_ref: SecretKeyRef,
}

/// The kinds of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ProviderKind {
    /// A provider of the object's own namespace.
    DwsProvider,
    /// A provider lent by the cluster's administrators.
    ClusterDwsProvider,
}

/// Which provider to use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRef {
    /// `DwsProvider` for one in this namespace, `ClusterDwsProvider` for one that is lent to this namespace.
    pub kind: ProviderKind,
    /// The name of the provider.
    #[schemars(length(min = 1, max = patterns::OWN_NAME_MAX), regex(pattern = patterns::OBJECT_NAME))]
    pub name: String,
}

impl ProviderKind {
    /// The kind, as in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DwsProvider => "DwsProvider",
            Self::ClusterDwsProvider => "ClusterDwsProvider",
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Kind/name`, as in the status and in the intent.
impl fmt::Display for ProviderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// A text is not `DwsProvider/name` or `ClusterDwsProvider/name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("not a provider as Kind/name")]
pub struct InvalidProviderRef;

impl FromStr for ProviderRef {
    type Err = InvalidProviderRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once('/').ok_or(InvalidProviderRef)?;
        let kind = match kind {
            "DwsProvider" => ProviderKind::DwsProvider,
            "ClusterDwsProvider" => ProviderKind::ClusterDwsProvider,
            _ => return Err(InvalidProviderRef),
        };
        if name.is_empty() || name.contains('/') {
            return Err(InvalidProviderRef);
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// What the data source shall be; it mirrors the body of the cloud's create request.
///
/// Once the data source exists in the cloud, what only a new one could bring about may change only if `replacementPolicy` allows to replace it.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "dws.huaweicloud.com",
    version = "v1alpha1",
    kind = "DwsDataSource",
    plural = "dwsdatasources",
    shortname = "dwsds",
    category = "huaweicloud",
    namespaced,
    status = "DwsDataSourceStatus",
    derive = "PartialEq",
    doc = "An external data source of a Huawei Cloud GaussDB(DWS) cluster.",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type", description = "OBS, MRS or LAKE_FORMATION"),
    printcolumn(
        name = "DataSource",
        type_ = "string",
        json_path = ".spec.dataSourceName",
        description = "The name of the data source in the DWS cluster"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether the cloud holds what the spec asks for"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is Ready or not, in one word"
    ),
    printcolumn(
        name = "ID",
        type_ = "string",
        json_path = ".status.id",
        priority = 1,
        description = "The id of the data source in the cloud"
    ),
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = ".spec.clusterID",
        priority = 1,
        description = "The id of the DWS cluster"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1,
        description = "Why it is Ready or not, in a sentence"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.clusterID",
    selectable = ".spec.type",
    selectable = ".spec.dataSourceName",
    validation = rules::name_fits(),
    validation = rules::fixed_while_it_exists(),
    validation = rules::provider_fixed_after_attempt(),
    validation = rules::project_fixed_after_attempt()
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::mrs_needs_data_source_id(),
    validation = rules::mrs_needs_password(),
    validation = rules::obs_needs_connect_info(),
    validation = rules::obs_takes_no_password(),
    validation = rules::import_needs_deletion_policy(),
    validation = rules::import_by_its_own_name()
)]
pub struct DwsDataSourceSpec {
    /// The id of the DWS cluster: a UUID in lower case (`cluster_id` in the cloud's URL).
    #[serde(rename = "clusterID")]
    #[schemars(length(max = 36), regex(pattern = patterns::UUID))]
    pub cluster_id: String,
    /// The type of the data source: OBS, MRS or `LAKE_FORMATION`.
    #[serde(rename = "type")]
    pub type_: DataSourceType,
    /// The name of the data source in the DWS cluster: 1 to 64 letters, digits and underscores (`data_source_name`).
    /// The cloud does not tell upper from lower case.
    #[schemars(length(max = 64), regex(pattern = patterns::DATA_SOURCE_NAME))]
    pub data_source_name: String,
    /// MRS, required there: the id of the MRS cluster (`data_source_id`).
    #[serde(rename = "dataSourceID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::REMOTE_ID))]
    pub data_source_id: Option<String>,
    /// MRS: the account in MRS Manager; OBS: the name of the IAM agency (`user_name`).
    #[schemars(length(max = 64), regex(pattern = patterns::USER_NAME))]
    pub user_name: String,
    /// MRS, required there: where the password of `userName` comes from (`user_pwd`). The cloud takes no password
    /// of fewer than 8 characters. It cannot change a password either: another one in the Secret is noticed by a keyed hash (`status.secret.hmac`),
    /// at the next comparison with the cloud, and told as Drifted or carried out as a replacement, as `replacementPolicy` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_pwd: Option<UserPwd>,
    /// OBS, required there: the name of the database, for example `gaussdb` (`connect_info`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = patterns::ONE_LINE))]
    pub connect_info: Option<String>,
    /// A description of at most 224 characters in one line, without any of !<>'=& and without "[k8s:"; the operator
    /// appends its ownership marker to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = patterns::DESCRIPTION_MAX), regex(pattern = patterns::DESCRIPTION))]
    #[x_kube(validation = rules::no_forged_marker())]
    pub description: Option<String>,
    /// Whether the cloud restarts the DWS cluster; the restart interrupts all of its users. It is asked for with the first accepted create
    /// and with the update that an edit of an OBS `userName` causes, at most once for each generation of the spec. To set it on a data source that
    /// is Ready restarts nothing: use the annotation `dws.huaweicloud.com/reboot-requested-at` for that. Unset means false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<bool>,
    /// Which provider to use. Unset means `DwsProvider/default` in this namespace or, if there is none,
    /// `ClusterDwsProvider/default`. It cannot change once a create was attempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<ProviderRef>,
    /// What happens to the cloud's data source when this object is deleted: Delete or Retain. Unset means what the annotation
    /// `dws.huaweicloud.com/deletion-policy` of the Namespace says or, if there is none, the operator's `--deletion-policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Whether the operator manages the data source (Manage) or only reads it (Observe), and then writes nothing to the cloud, whatever happens.
    /// Unset means Manage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,
    /// A data source that exists already and is to be taken over or observed. It needs an explicit deletionPolicy to be taken over, and a
    /// provider that allows imports. It is ignored once the data source is recorded as this object's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// What the operator may do about a change that only deleting and creating anew can make: Never shows it in `status.plan` and does nothing,
    /// `OnApproval` waits until the annotation `dws.huaweicloud.com/approve` holds the plan's id, Always replaces at once, once for each generation
    /// of the spec and each new password. It also holds for drift that nobody asked for. A replacement interrupts: the foreign server in the
    /// database goes with its grants and foreign tables, and they have to be set up again. Unset means Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement_policy: Option<ReplacementPolicy>,
    /// How often the cloud is compared with the spec, for example 30m: 0s for never, else at least 10s. Unset means the operator's
    /// `--resync-period`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = patterns::DURATION))]
    #[x_kube(validation = rules::resync_is_off_or_slow())]
    pub resync_period: Option<String>,
    /// The id of the project that the DWS cluster is in. Unset means the provider's own; another one must be among the provider's `projects`.
    /// It cannot change once a create was attempted.
    #[serde(rename = "projectID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::PROJECT_ID))]
    pub project_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_written_and_read_as_kind_and_name() {
        for text in ["DwsProvider/default", "ClusterDwsProvider/eu.west-1"] {
            assert_eq!(text.parse::<ProviderRef>().unwrap().to_string(), text);
        }
        for text in ["", "default", "DwsProvider/", "Secret/default", "DwsProvider/a/b"] {
            assert_eq!(text.parse::<ProviderRef>(), Err(InvalidProviderRef), "{text}");
        }
    }
}
