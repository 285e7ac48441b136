//! `DwsProvider` and `ClusterDwsProvider`: region, endpoint, project and credentials.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Condition;

/// A Secret by name; it lives beside its provider (a cluster provider's in the operator's namespace).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The name of the Secret.
    pub name: String,
}

/// Whether the operator marks what it creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OwnershipMarker {
    /// Append a marker to the description (the default).
    Description,
    /// Leave the description alone; what was created by an unanswered request cannot be told from somebody else's.
    None,
}

/// An access key, permanent or temporary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeyAuth {
    /// The Secret with the keys `accessKey`, `secretKey` and, for a temporary one, `securityToken`.
    pub secret_ref: SecretRef,
}

/// An IAM user and password, exchanged for tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordAuth {
    /// The name of the account (IAM domain).
    pub domain_name: String,
    /// The name of the IAM user.
    pub user_name: String,
    /// The Secret with the key `password`.
    pub secret_ref: SecretRef,
}

/// How the operator authenticates; exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// An access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeyAuth>,
    /// An IAM user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordAuth>,
}

/// What both kinds of provider have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The region, for example `eu-west-101`.
    pub region: String,
    /// The project id; by default the one project that IAM lists for the region.
    #[serde(rename = "projectID", default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The DWS endpoint, where the region's is not the one to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The IAM endpoint, where the region's is not the one to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_endpoint: Option<String>,
    /// A Secret whose key `ca.crt` holds the certificates to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_secret_ref: Option<SecretRef>,
    /// How to authenticate.
    pub auth: Auth,
    /// Whether the operator marks what it creates; Description by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership_marker: Option<OwnershipMarker>,
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
    doc = "Region, endpoint, project and credentials for the data sources of its own namespace."
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
    doc = "Region, endpoint, project and credentials, lent to the data sources of selected namespaces."
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterDwsProviderSpec {
    /// How to reach the cloud.
    #[serde(flatten)]
    pub access: Access,
    /// Which namespaces may use the provider; an empty selector is every namespace.
    pub namespace_selector: LabelSelector,
    /// Which DWS clusters may be used through the provider; all of them if unset.
    #[serde(rename = "clusterIDs", default, skip_serializing_if = "Option::is_none")]
    pub cluster_ids: Option<Vec<String>>,
}

/// What the operator knows of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// The generation of the spec that the verdict is about; -1 before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The DWS endpoint in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The project in use.
    #[serde(rename = "projectID", default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Ready, and Reconciling or Stalled while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
