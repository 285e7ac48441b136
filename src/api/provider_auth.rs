//! How a provider authenticates: where its credentials come from, and the agency that is assumed with them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provider::SecretRef;
use super::{patterns, rules};

/// The shortest life of temporary credentials, in seconds (IAM and STS).
pub const DURATION_MIN: i32 = 900;
/// The longest life of temporary credentials, in seconds (IAM; an agency may allow less).
pub const DURATION_MAX: i32 = 86_400;

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
    /// The name of the account (IAM domain) that the user belongs to.
    #[schemars(length(max = 64), regex(pattern = patterns::ONE_LINE))]
    pub domain_name: String,
    /// The name of the IAM user; a Huawei ID cannot get tokens.
    #[schemars(length(max = 64), regex(pattern = patterns::ONE_LINE))]
    pub user_name: String,
    /// The Secret with the key `password`.
    pub secret_ref: SecretRef,
}

/// The identity of the operator's pod, from the agent that CCE runs on its node. It has no settings here: the agency is bound to the
/// ServiceAccount of the operator in CCE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodIdentityAuth {}

/// The token of the operator's `ServiceAccount`, exchanged for temporary access keys: by STS with `providerURN` and `agencyURN`, or by IAM with
/// `idpID`. The token is read from the file that the operator is started with (`--oidc-token-file`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::one_way_of_oidc())]
pub struct OidcAuth {
    /// STS: the URN of the OIDC identity provider in IAM, for example `iam::89cd04f168b84af6be287f71730fdb4b:oidcProvider:cce`.
    #[serde(rename = "providerURN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = patterns::URN))]
    pub provider_urn: Option<String>,
    /// STS: the URN of the agency that trusts that provider, for example `iam::89cd04f168b84af6be287f71730fdb4b:agency:dws-operator`.
    #[serde(rename = "agencyURN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = patterns::URN))]
    pub agency_urn: Option<String>,
    /// STS: the name of the session in the cloud's audit log; unset means `dws-operator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::SESSION_NAME))]
    pub session_name: Option<String>,
    /// IAM: the name of the identity provider (protocol OIDC) in IAM.
    #[serde(rename = "idpID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::REMOTE_ID))]
    pub idp_id: Option<String>,
    /// How long the temporary access keys are valid, in seconds; unset means an hour. An agency may allow less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = DURATION_MIN, max = DURATION_MAX))]
    pub duration_seconds: Option<i32>,
}

/// The agency of the node that the operator runs on, from the metadata service of ECS. It has no settings here: the agency is set for the
/// node in ECS or CCE, and every pod of the node that reaches the metadata service has it too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAgencyAuth {}

/// An agency that is assumed with the credentials of the source: by IAM with `agencyName` and `domainName`, or by STS with
/// `agencyURN`. All calls to DWS are then made with the agency's permissions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::one_way_of_agency())]
pub struct AssumeAgency {
    /// IAM: the name of the agency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::ONE_LINE))]
    pub agency_name: Option<String>,
    /// IAM: the name of the account (IAM domain) that the agency belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::ONE_LINE))]
    pub domain_name: Option<String>,
    /// STS: the URN of the agency, for example `iam::89cd04f168b84af6be287f71730fdb4b:agency:dws-operator`.
    #[serde(rename = "agencyURN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = patterns::URN))]
    pub agency_urn: Option<String>,
    /// STS: the name of the session in the cloud's audit log; unset means `dws-operator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = patterns::SESSION_NAME))]
    pub session_name: Option<String>,
    /// How long the temporary access keys are valid, in seconds; unset means an hour. An agency may allow less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = DURATION_MIN, max = DURATION_MAX))]
    pub duration_seconds: Option<i32>,
}

/// How the operator authenticates: exactly one source, and an agency to assume with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::one_credential())]
pub struct Auth {
    /// An access key (AK and SK), permanent or temporary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeyAuth>,
    /// An IAM user and password, exchanged for tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordAuth>,
    /// The identity of the operator's pod (CCE). In a `DwsProvider` only if the operator is started with
    /// `--allow-ambient-credentials-in-namespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<PodIdentityAuth>,
    /// The token of the operator's `ServiceAccount`, exchanged for temporary access keys. In a `DwsProvider` only if the operator is started with
    /// `--allow-ambient-credentials-in-namespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcAuth>,
    /// The agency of the node that the operator runs on. In a `DwsProvider` only if the operator is started with
    /// `--allow-ambient-credentials-in-namespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_agency: Option<NodeAgencyAuth>,
    /// An agency that is assumed with the credentials of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_agency: Option<AssumeAgency>,
}
