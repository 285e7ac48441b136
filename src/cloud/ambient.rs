//! Credentials that the operator has by where it runs: its pod, its `ServiceAccount`, its node; and agencies that are assumed.
//!
//! Takes the settings that the operator was started with, which no object of a tenant can change, and what a provider asks for. Reads
//! token files, each time anew, because Kubernetes replaces them. Never sends anything.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use super::credentials::fits_a_header;
use super::endpoints::Endpoint;
use super::errors::Failure;

/// The most bytes of a token file.
const MAX_TOKEN: usize = 16 * 1024;

/// The identity of the operator's pod.
#[derive(Clone)]
pub struct PodIdentity {
    /// Where the agent of the node answers.
    pub agent: AgentUrl,
    /// The file of the token that the agent asks for.
    pub token_file: PathBuf,
}

/// The token of the operator's `ServiceAccount`.
#[derive(Clone)]
pub struct Oidc {
    /// The file of the token.
    pub token_file: PathBuf,
    /// What it is exchanged for.
    pub by: OidcBy,
    /// How long the access keys shall be valid.
    pub duration: Duration,
}

/// Who exchanges a `ServiceAccount` token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum OidcBy {
    /// STS, for an agency.
    Sts {
        /// The identity provider.
        provider_urn: String,
        /// The agency.
        agency_urn: String,
        /// The name of the session in the cloud's audit log.
        session_name: String,
    },
    /// IAM, for what the rules of the identity provider give.
    Iam {
        /// The identity provider.
        idp_id: String,
    },
}

/// An agency to assume.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Agency {
    /// Which one.
    pub by: AgencyBy,
    /// How long the access keys shall be valid.
    pub duration: Duration,
}

/// Who gives access keys of an agency.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum AgencyBy {
    /// STS.
    Sts {
        /// The agency.
        agency_urn: String,
        /// The name of the session in the cloud's audit log.
        session_name: String,
    },
    /// IAM.
    Iam {
        /// The agency.
        agency_name: String,
        /// The account that it belongs to.
        domain_name: String,
    },
}

/// Where the pod identity agent answers: `HC_CONTAINER_CREDENTIALS_FULL_URI`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AgentUrl {
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
}

/// Why the address of a service of the node cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeUrlError {
    /// It is not a URL.
    #[error("it is not a URL of the form http://ADDRESS/PATH")]
    Malformed,
    /// Plain http to somewhere else than the node.
    #[error(
        "plain http is for addresses of the node and its network only (loopback, link-local, private): a token must not leave it in clear"
    )]
    NotLocal,
    /// The metadata service is a link-local address.
    #[error("the metadata service answers at http:// and a link-local address")]
    NotLinkLocal,
    /// Another metadata service than the node's.
    #[error("a metadata service on this machine is for tests: start the operator with --allow-insecure-endpoints")]
    InsecureNotAllowed,
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.endpoint)
    }
}

impl AgentUrl {
    /// The agent at this URL: https, or http to a loopback, link-local or private address.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, NodeUrlError> {
        let url = bare(text)?;
        let is_near = address(&url).is_some_and(|address| match address {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_private(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local(),
        });
        if url.query().is_some() {
            return Err(NodeUrlError::Malformed);
        }
        if url.scheme() != "https" && !is_near {
            return Err(NodeUrlError::NotLocal);
        }
        Ok(Self {
            path: url.path().to_owned(),
            endpoint: Endpoint::of_node(&url),
        })
    }
}

/// The metadata service at this URL: http to a link-local address, or, for tests, to a loopback address.
///
/// # Errors
/// If it is neither.
pub fn metadata_service(text: &str, allow_insecure: bool) -> Result<Endpoint, NodeUrlError> {
    let url = bare(text)?;
    let (is_node, is_loopback) = address(&url).map_or((false, false), |address| {
        let is_node = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        (is_node, address.is_loopback())
    });
    if url.scheme() != "http" || url.path() != "/" || url.query().is_some() || !(is_node || is_loopback) {
        Err(NodeUrlError::NotLinkLocal)
    } else if is_loopback && !allow_insecure {
        Err(NodeUrlError::InsecureNotAllowed)
    } else {
        Ok(Endpoint::of_node(&url))
    }
}

fn bare(text: &str) -> Result<Url, NodeUrlError> {
    let url = Url::parse(text).map_err(|_| NodeUrlError::Malformed)?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_http = matches!(url.scheme(), "http" | "https");
    if is_bare && is_http && url.has_host() {
        Ok(url)
    } else {
        Err(NodeUrlError::Malformed)
    }
}

fn address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// The token in a file, without the white space around it.
///
/// # Errors
/// If there is none now; it may be there later.
pub async fn token(file: &Path) -> Result<SecretString, Failure> {
    let unreadable = |why: &str| Failure::transient(format!("the token file {} {why}", file.display()));
    let bytes = tokio::fs::read(file).await;
    let bytes = bytes.map_err(|error| unreadable(&format!("cannot be read: {}", error.kind())))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if text.is_empty() || text.len() > MAX_TOKEN || !fits_a_header(text) {
        return Err(unreadable("holds no token"));
    }
    Ok(SecretString::from(text))
}

/// Changes whenever a token file is replaced. It tells nothing of what is in it.
#[must_use]
pub fn file_version(file: &Path) -> String {
    let changed = std::fs::metadata(file).and_then(|file| Ok((file.modified()?, file.len())));
    changed.map_or_else(
        |_| "unreadable".to_owned(),
        |(at, length)| {
            let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            format!("{}.{length}", at.as_nanos())
        },
    )
}

#[cfg(test)]
mod tests;
