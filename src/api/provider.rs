//! `DwsProvider` and `ClusterDwsProvider`: region, endpoint, project and credentials.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::breaker::Breaker;
use super::conditions::{self, Condition};
use super::provider_auth::Auth;
use super::rate_limit::RateLimit;
use super::text::{SENTENCE_MAX, WORD_MAX};
use super::{patterns, rules, selector};

/// A Secret by name; it lives beside its provider (a cluster provider's in the operator's namespace).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The name of the Secret, in the namespace of the provider; for a `ClusterDwsProvider` in the operator's.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::OBJECT_NAME))]
    pub name: String,
}

/// Whether the operator appends its ownership marker to the description of what it creates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OwnershipMarker {
    /// Append a marker to the description (the default).
    #[default]
    Description,
    /// Leave the description alone; what was created by an unanswered request cannot be told from somebody else's.
    None,
}

/// What both kinds of provider have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::project_fixed(), validation = rules::marker_fixed())]
pub struct Access {
    /// The region, for example `eu-west-101`. It cannot change.
    #[schemars(length(max = 63), regex(pattern = patterns::REGION))]
    #[x_kube(validation = rules::region_fixed())]
    pub region: String,
    /// The id of the project; unset means the one project that IAM lists for the region. It cannot be added,
    /// changed or removed later.
    #[serde(rename = "projectID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::PROJECT_ID))]
    pub project_id: Option<String>,
    /// The ids of other projects that data sources may be in, by their own `projectID` (at most 64). What exists in a project that is taken
    /// off the list is still observed and deleted; nothing new is created there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(max = 64), regex(pattern = patterns::PROJECT_ID)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub projects: Option<Vec<String>>,
    /// The base URL of DWS; unset means the region's. Its domain must be one that the operator allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = rules::endpoint_is_a_bare_url())]
    pub endpoint: Option<String>,
    /// The base URL of IAM; unset means the region's. Its domain must be one that the operator allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = rules::endpoint_is_a_bare_url())]
    pub iam_endpoint: Option<String>,
    /// The base URL of STS, which `auth` asks for the agencies that it names by URN; unset means the region's. Its domain must be one
    /// that the operator allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = rules::endpoint_is_a_bare_url())]
    pub sts_endpoint: Option<String>,
    /// A Secret whose key `ca.crt` holds the certificates (PEM) to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_secret_ref: Option<SecretRef>,
    /// How the operator authenticates: exactly one of its sources, and an agency to assume with it.
    pub auth: Auth,
    /// Whether the operator appends its ownership marker to the description of what it creates: Description or None. Unset means Description.
    /// It cannot change. With None, what an unanswered request created cannot be told from somebody else's and needs a human.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership_marker: Option<OwnershipMarker>,
    /// Whether data sources that exist already may be taken over or observed through this provider. Unset means true for a `DwsProvider` and
    /// false for a `ClusterDwsProvider`, through which one namespace could reach what is another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_import: Option<bool>,
    /// How many requests a second the operator makes at most; unset means no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

impl Access {
    /// The names of the Secrets that it is made of.
    pub fn secret_names(&self) -> impl Iterator<Item = &str> {
        let key = self.auth.access_key.iter().map(|auth| &auth.secret_ref);
        let password = self.auth.password.iter().map(|auth| &auth.secret_ref);
        let references = key.chain(password).chain(&self.ca_bundle_secret_ref);
        references.map(|reference| reference.name.as_str())
    }
}

/// Region, endpoint, project and credentials for the data sources of one namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "dws.huaweicloud.com",
    version = "v1alpha1",
    kind = "DwsProvider",
    plural = "dwsproviders",
    shortname = "dwsp",
    category = "huaweicloud",
    namespaced,
    status = "ProviderStatus",
    derive = "PartialEq",
    doc = "Region, endpoint, project and credentials for the data sources of its own namespace.",
    printcolumn(
        name = "Region",
        type_ = "string",
        json_path = ".spec.region",
        description = "The region of Huawei Cloud"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether it can be used: endpoint, project and Secrets are there, and the credentials are not known to be refused"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is Ready or not, in one word"
    ),
    printcolumn(
        name = "Users",
        type_ = "integer",
        json_path = ".status.users",
        description = "How many data sources use it"
    ),
    printcolumn(
        name = "Project",
        type_ = "string",
        json_path = ".status.projectID",
        priority = 1,
        description = "The id of the project in use"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.endpoint",
        priority = 1,
        description = "The DWS endpoint in use"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::name_fits()
)]
#[serde(rename_all = "camelCase")]
pub struct DwsProviderSpec {
    /// How to reach the cloud.
    #[serde(flatten)]
    pub access: Access,
}

/// Region, endpoint, project and credentials, lent to namespaces.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "dws.huaweicloud.com",
    version = "v1alpha1",
    kind = "ClusterDwsProvider",
    plural = "clusterdwsproviders",
    shortname = "cdwsp",
    category = "huaweicloud",
    status = "ProviderStatus",
    derive = "PartialEq",
    doc = "Region, endpoint, project and credentials, lent to the data sources of selected namespaces.",
    printcolumn(
        name = "Region",
        type_ = "string",
        json_path = ".spec.region",
        description = "The region of Huawei Cloud"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether it can be used: endpoint, project and Secrets are there, and the credentials are not known to be refused"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is Ready or not, in one word"
    ),
    printcolumn(
        name = "Users",
        type_ = "integer",
        json_path = ".status.users",
        description = "How many data sources use it"
    ),
    printcolumn(
        name = "Project",
        type_ = "string",
        json_path = ".status.projectID",
        priority = 1,
        description = "The id of the project in use"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.endpoint",
        priority = 1,
        description = "The DWS endpoint in use"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::name_fits()
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterDwsProviderSpec {
    /// How to reach the cloud.
    #[serde(flatten)]
    pub access: Access,
    /// The labels of the namespaces that may use the provider; an empty selector admits every namespace.
    #[schemars(schema_with = "selector::schema")]
    pub namespace_selector: LabelSelector,
    /// The ids of the DWS clusters that may be used through the provider (UUIDs in lower case, at most 256); unset
    /// means all of them.
    #[serde(rename = "clusterIDs", default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(max = 36), regex(pattern = patterns::UUID)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub cluster_ids: Option<Vec<String>>,
}

/// What the operator knows of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// The last generation of the spec with a final verdict, Ready or Stalled; -1 before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// The base URL of DWS in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SENTENCE_MAX))]
    pub endpoint: Option<String>,
    /// The id of the project in use.
    #[serde(rename = "projectID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub project_id: Option<String>,
    /// How many data sources use the provider: those that hold something in the cloud through it, or may do so. It is kept as long as there is
    /// one. The number follows within about half a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub users: Option<i64>,
    /// When the temporary credential or token in use expires; it is renewed well before. Absent for a credential that does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_expiry: Option<Timestamp>,
    /// Whether the credentials are used, or kept back because the cloud refused them. It is written when that changes and when a try was refused
    /// again. Absent as long as there are no credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Ready, and Reconciling or Stalled while they hold.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "conditions::known"
    )]
    #[schemars(
        length(max = conditions::MAX),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}
