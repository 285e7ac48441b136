//! Which call a request is: its name and the ids in its path.

use axum::http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// The calls that the simulator serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `POST …/ext-data-sources`.
    Create,
    /// `GET …/ext-data-sources`.
    List,
    /// `PUT …/ext-data-sources/{id}`.
    Update,
    /// `DELETE …/ext-data-sources/{id}`.
    Delete,
    /// `GET …/job/{job_id}`.
    Job,
    /// `POST /v3/auth/tokens`.
    Token,
    /// `GET /v3/projects`.
    Projects,
    /// `POST /pod-identity/credentials`, of the pod identity agent.
    PodIdentity,
    /// `POST /v5/agencies/assume-with-oidc`.
    AssumeWithOidc,
    /// `POST /v5/agencies/assume`.
    AssumeAgency,
    /// `POST /v3.0/OS-AUTH/id-token/tokens`.
    IdToken,
    /// `POST /v3.0/OS-CREDENTIAL/securitytokens`, with a token or to assume an agency.
    SecurityToken,
    /// `PUT /meta-data/latest/api/token`, of the metadata service.
    MetadataToken,
    /// `GET /openstack/latest/securitykey`, of the metadata service.
    MetadataKey,
    /// Anything else; it is answered with APIGW.0101.
    Unknown,
}

/// A call with the decoded ids of its path.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A call on a cluster's data sources.
    Sources {
        project: String,
        cluster: String,
        call: SourcesCall,
    },
    /// The job call.
    Job { project: String, job_id: String },
    /// The token call.
    Token,
    /// The projects call.
    Projects,
    /// A call that issues a credential; it is about nothing else.
    Exchange(Exchange),
    /// No call of the API.
    Unknown,
}

/// The calls that issue credentials, but for the token call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Exchange {
    PodIdentity,
    AssumeWithOidc,
    AssumeAgency,
    IdToken,
    SecurityToken,
    MetadataToken,
    MetadataKey,
}

/// The four calls on data sources.
#[derive(Clone, Debug)]
pub(crate) enum SourcesCall {
    Create,
    List,
    Update { id: String },
    Delete { id: String },
}

impl Target {
    /// Reads a request's method and raw path.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let decoded: Vec<_> = path
            .strip_prefix('/')
            .unwrap_or(path)
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
            .collect();
        let segments: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
        match (method.as_str(), segments.as_slice()) {
            (verb, ["v1.0", project, "clusters", cluster, "ext-data-sources", rest @ ..]) => {
                let call = match (verb, rest) {
                    ("POST", []) => SourcesCall::Create,
                    ("GET", []) => SourcesCall::List,
                    ("PUT", [id]) => SourcesCall::Update { id: (*id).to_owned() },
                    ("DELETE", [id]) => SourcesCall::Delete { id: (*id).to_owned() },
                    _ => return Self::Unknown,
                };
                Self::Sources {
                    project: (*project).to_owned(),
                    cluster: (*cluster).to_owned(),
                    call,
                }
            }
            ("GET", ["v1.0", project, "job", job_id]) => Self::Job {
                project: (*project).to_owned(),
                job_id: (*job_id).to_owned(),
            },
            ("POST", ["v3", "auth", "tokens"]) => Self::Token,
            ("GET", ["v3", "projects"]) => Self::Projects,
            ("POST", ["pod-identity", "credentials"]) => Self::Exchange(Exchange::PodIdentity),
            ("POST", ["v5", "agencies", "assume-with-oidc"]) => Self::Exchange(Exchange::AssumeWithOidc),
            ("POST", ["v5", "agencies", "assume"]) => Self::Exchange(Exchange::AssumeAgency),
            ("POST", ["v3.0", "OS-AUTH", "id-token", "tokens"]) => Self::Exchange(Exchange::IdToken),
            ("POST", ["v3.0", "OS-CREDENTIAL", "securitytokens"]) => Self::Exchange(Exchange::SecurityToken),
            ("PUT", ["meta-data", "latest", "api", "token"]) => Self::Exchange(Exchange::MetadataToken),
            ("GET", ["openstack", "latest", "securitykey"]) => Self::Exchange(Exchange::MetadataKey),
            _ => Self::Unknown,
        }
    }

    /// The name of the call.
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Sources { call, .. } => match call {
                SourcesCall::Create => Call::Create,
                SourcesCall::List => Call::List,
                SourcesCall::Update { .. } => Call::Update,
                SourcesCall::Delete { .. } => Call::Delete,
            },
            Self::Job { .. } => Call::Job,
            Self::Token => Call::Token,
            Self::Projects => Call::Projects,
            Self::Exchange(exchange) => match exchange {
                Exchange::PodIdentity => Call::PodIdentity,
                Exchange::AssumeWithOidc => Call::AssumeWithOidc,
                Exchange::AssumeAgency => Call::AssumeAgency,
                Exchange::IdToken => Call::IdToken,
                Exchange::SecurityToken => Call::SecurityToken,
                Exchange::MetadataToken => Call::MetadataToken,
                Exchange::MetadataKey => Call::MetadataKey,
            },
            Self::Unknown => Call::Unknown,
        }
    }
}
