//! Where DWS, IAM and STS are, and which hosts may be called at all.
//!
//! Takes a region or the endpoint a provider names and returns an [`Endpoint`], the only thing that the
//! client connects to. An endpoint outside the policy never becomes one, so that a provider cannot make
//! the operator send credentials, or anything, to a host of its author's choice.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

const COM: &str = "myhuaweicloud.com";
const CN: &str = "myhuaweicloud.cn";
const EU: &str = "myhuaweicloud.eu";

/// The regions of DWS by domain, as in `dws_region.py` of the official Python SDK 3.1.219.
const REGIONS: &[(&str, &[&str])] = &[
    (
        COM,
        &[
            "ae-ad-1",
            "af-north-1",
            "af-south-1",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ap-southeast-5",
            "cn-east-2",
            "cn-east-3",
            "cn-east-5",
            "cn-north-1",
            "cn-north-2",
            "cn-north-4",
            "cn-north-9",
            "cn-north-11",
            "cn-south-1",
            "cn-southwest-2",
            "cn-southwest-3",
            "la-north-2",
            "la-south-2",
            "me-east-1",
            "my-kualalumpur-1",
            "na-mexico-1",
            "ru-moscow-1",
            "sa-brazil-1",
        ],
    ),
    (
        CN,
        &["ap-southeast-4", "cn-east-4", "cn-north-12", "cn-south-4", "tr-west-1"],
    ),
    (EU, &["eu-west-101"]),
];

/// A scheme, a host and a port that may be called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    url: Url,
}

impl Endpoint {
    /// Of a service of the node, which no policy for the cloud's endpoints allows: only its own source of credentials calls it.
    pub(super) fn of_node(url: &Url) -> Self {
        let mut url = url.clone();
        url.set_path("/");
        url.set_query(None);
        Self { url }
    }

    /// The value of the `Host` header: the port only if it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = self.host();
        self.url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The URL of a path on this endpoint; the query is already encoded.
    pub(super) fn at(&self, path: &str, query: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query((!query.is_empty()).then_some(query));
        url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

/// Why there is no endpoint to call, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No document tells where the region's service is.
    #[error(
        "no endpoint is known for the region {0:?}: set endpoint and iamEndpoint, and stsEndpoint for agencies by URN"
    )]
    UnknownRegion(String),
    /// It is not a URL.
    #[error("the endpoint is not a URL: write it as https://host or https://host:port")]
    Malformed,
    /// It has a user, a path, a query or a fragment.
    #[error("the endpoint has more than scheme, host and port: write it as https://host")]
    Excess,
    /// Neither https nor http.
    #[error("the endpoint must use https")]
    Scheme,
    /// Plain http to the local machine, which the operator was not told to allow.
    #[error(
        "the endpoint uses plain http, which is only for tests: start the operator with --allow-insecure-endpoints"
    )]
    InsecureNotAllowed,
    /// Plain http to somewhere else.
    #[error("the endpoint must use https; --allow-insecure-endpoints allows plain http to 127.0.0.1 and [::1] only")]
    InsecureElsewhere,
    /// An IP address.
    #[error("the endpoint {0} is an IP address: use a host name, which a certificate can prove")]
    Address(String),
    /// A host outside the allowed domains.
    #[error(
        "the endpoint's host {0} is in none of the allowed domains: start the operator with --allow-endpoint-domain for its domain"
    )]
    Domain(String),
}

/// Which hosts may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPolicy {
    /// The domains whose hosts, and they themselves, may be called by https.
    pub allowed_domains: Vec<String>,
    /// Whether plain http to 127.0.0.1 and `[::1]` is allowed.
    pub allow_insecure: bool,
}

impl EndpointPolicy {
    /// The endpoint in a text, if the policy allows it.
    ///
    /// # Errors
    /// If it is malformed or not allowed; the text says what to do.
    pub fn check(&self, text: &str) -> Result<Endpoint, EndpointError> {
        let url = Url::parse(text).map_err(|_| EndpointError::Malformed)?;
        let host = url.host_str().ok_or(EndpointError::Malformed)?.to_owned();
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare || text.contains('@') {
            return Err(EndpointError::Excess);
        }
        match url.scheme() {
            "https" => self.check_host(&host)?,
            "http" => self.check_insecure(&host)?,
            _ => return Err(EndpointError::Scheme),
        }
        Ok(Endpoint { url })
    }

    /// The endpoint of DWS in a region.
    ///
    /// # Errors
    /// If the region is not in the table, or the policy does not allow its domain.
    pub fn dws(&self, region: &str) -> Result<Endpoint, EndpointError> {
        self.service("dws", region)
    }

    /// The endpoint of IAM in a region.
    ///
    /// # Errors
    /// If the region is not in the table, or the policy does not allow its domain.
    pub fn iam(&self, region: &str) -> Result<Endpoint, EndpointError> {
        self.service("iam", region)
    }

    /// The endpoint of STS in a region.
    ///
    /// # Errors
    /// If the region is not in the table, or the policy does not allow its domain.
    pub fn sts(&self, region: &str) -> Result<Endpoint, EndpointError> {
        self.service("sts", region)
    }

    fn service(&self, service: &str, region: &str) -> Result<Endpoint, EndpointError> {
        let domain = REGIONS
            .iter()
            .find_map(|(domain, regions)| regions.contains(&region).then_some(domain))
            .ok_or_else(|| EndpointError::UnknownRegion(region.to_owned()))?;
        self.check(&format!("https://{service}.{region}.{domain}"))
    }

    fn check_host(&self, host: &str) -> Result<(), EndpointError> {
        if address(host).is_some() {
            return Err(EndpointError::Address(host.to_owned()));
        }
        let allowed = self.allowed_domains.iter().any(|domain| {
            let domain = domain.trim_start_matches('.').to_ascii_lowercase();
            let rest = host.strip_suffix(&domain);
            !domain.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if allowed {
            Ok(())
        } else {
            Err(EndpointError::Domain(host.to_owned()))
        }
    }

    fn check_insecure(&self, host: &str) -> Result<(), EndpointError> {
        if !matches!(host, "127.0.0.1" | "[::1]") {
            Err(EndpointError::InsecureElsewhere)
        } else if self.allow_insecure {
            Ok(())
        } else {
            Err(EndpointError::InsecureNotAllowed)
        }
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

#[cfg(test)]
mod tests;
