//! `DwsDataSource`: one external data source of a DWS cluster.

use jiff::Timestamp;
use kube::KubeSchema;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Condition;

/// The kinds of external data source; the words are the cloud's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DataSourceType {
    /// Object storage, reached through an IAM agency.
    Obs,
    /// A MapReduce Service cluster, reached with an account and its password.
    Mrs,
    /// `LakeFormation`.
    LakeFormation,
}

/// What happens to the cloud's data source when the object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Delete it (the default).
    Delete,
    /// Keep it.
    Retain,
}

/// A key of a Secret in the object's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The name of the Secret.
    pub name: String,
    /// The key within the Secret.
    pub key: String,
}

/// Where the password comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPwd {
    /// A key of a Secret in the object's own namespace.
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
    /// `DwsProvider` or `ClusterDwsProvider`.
    pub kind: ProviderKind,
    /// The name of the provider.
    pub name: String,
}

/// What the data source shall be; it mirrors the body of the cloud's create request.
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
    doc = "An external data source of a Huawei Cloud GaussDB(DWS) cluster."
)]
#[serde(rename_all = "camelCase")]
pub struct DwsDataSourceSpec {
    /// The id of the DWS cluster (a UUID).
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
    /// The type of the data source.
    #[serde(rename = "type")]
    pub type_: DataSourceType,
    /// The name of the data source in the DWS cluster.
    pub data_source_name: String,
    /// MRS: the id of the MRS cluster.
    #[serde(rename = "dataSourceID", default, skip_serializing_if = "Option::is_none")]
    pub data_source_id: Option<String>,
    /// MRS: the account; OBS: the IAM agency.
    pub user_name: String,
    /// MRS: where the password of `userName` comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_pwd: Option<UserPwd>,
    /// OBS: the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_info: Option<String>,
    /// A description; the operator appends its ownership marker to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the first accepted create restarts the DWS cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<bool>,
    /// Which provider to use; by default `DwsProvider/default` here, else `ClusterDwsProvider/default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<ProviderRef>,
    /// What happens to the cloud's data source when the object is deleted; Delete by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// What the operator knows of the data source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DwsDataSourceStatus {
    /// The generation of the spec that the verdict is about; -1 before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The id of the data source in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The id of the last job.
    #[serde(rename = "jobID", default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Where the data source lives; written with the id and used for every later call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Coordinates>,
    /// The operation that is under way, or the last one if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// How the last attempt to create ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<LastAttempt>,
    /// What the cloud's list said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// The version of the password's Secret that the last attempt used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVersion>,
    /// When and why the operator tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The generation with which the one restart that a create may ask for was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_generation: Option<i64>,
    /// When the cloud was last compared with the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync_time: Option<Timestamp>,
    /// Ready, and Reconciling or Stalled while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Where a data source lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coordinates {
    /// The provider, as `Kind/name`.
    pub provider: String,
    /// The DWS endpoint, as a URL.
    pub endpoint: String,
    /// The project id.
    #[serde(rename = "projectID")]
    pub project_id: String,
    /// The DWS cluster id.
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
}

/// What kind of operation is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationType {
    /// A create job runs.
    Create,
    /// A delete job runs.
    Delete,
    /// A failed create is removed, then created anew.
    Replace,
}

/// An operation of the cloud, followed by its job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Create, Delete or Replace.
    #[serde(rename = "type")]
    pub type_: OperationType,
    /// When the request was accepted.
    pub started_at: Timestamp,
    /// The generation of the spec that the operation carries out.
    pub generation: i64,
    /// The progress that the job reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Replace: the id of the failed record that goes first.
    #[serde(rename = "oldID", default, skip_serializing_if = "Option::is_none")]
    pub old_id: Option<String>,
    /// The job's `failed_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_code: Option<String>,
    /// The job's `failed_detail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_detail: Option<String>,
}

/// How an attempt to create ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AttemptOutcome {
    /// The cloud accepted it.
    Created,
    /// The cloud refused it; nothing was created.
    Rejected,
    /// Its answer was lost and the data source was found in the list.
    Recovered,
    /// Its answer was lost and the data source did not show in the list.
    Absent,
}

/// The last attempt to create.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastAttempt {
    /// The attempt's id, as in the intent annotation.
    pub id: String,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Until when an attempt whose answer was lost may still show an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_until: Option<Timestamp>,
}

/// The cloud's list item, as far as it tells the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// The cloud's `status`, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The cloud's `configure_status`, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configure_status: Option<String>,
    /// The account or agency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// When it was created, as the cloud writes it (without a zone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When it was updated, as the cloud writes it (without a zone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    /// Why it failed, in the cloud's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_reason: Option<String>,
}

/// A version of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// The Secret's uid.
    pub uid: String,
    /// The Secret's resourceVersion.
    pub resource_version: String,
}

/// What kind of trouble is being retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RetryClass {
    /// The network or the cloud failed.
    Transient,
    /// The DWS cluster runs another operation.
    Busy,
    /// The cloud throttles.
    Throttled,
    /// The DWS cluster does not exist.
    ClusterMissing,
    /// The credentials are refused.
    Credentials,
    /// Somebody has to change something.
    Terminal,
}

/// When and why the operator tries again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How many tries have failed in a row.
    pub attempts: i32,
    /// What kind of trouble.
    pub class: RetryClass,
    /// When the first of them failed.
    pub since: Timestamp,
    /// When the next try is due.
    pub next_retry_time: Timestamp,
    /// The cloud's last error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_code: Option<String>,
    /// The cloud's id of the last failed request, for its support.
    #[serde(rename = "lastRequestID", default, skip_serializing_if = "Option::is_none")]
    pub last_request_id: Option<String>,
}
