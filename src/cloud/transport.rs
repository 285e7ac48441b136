//! HTTP as this client uses it: one request, one whole answer, one deadline.
//!
//! Takes a request and returns an answer of at most [`MAX_BODY`] bytes, or whether the request may have
//! gone out. Never follows a redirect, never sends twice, never unpacks a compressed body, and never
//! speaks to anything that TLS does not prove, but for the plain http that an [`Endpoint`] allows.

use std::error::Error;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, header};
use jiff::Timestamp;
use reqwest::{Certificate, Client, redirect, retry, tls};
use secrecy::SecretString;
use tokio::time::timeout;

use super::client::NODE_TIMEOUT;
use super::endpoints::Endpoint;
use super::resolver::CloudResolver;
use super::retry_after;

/// The most bytes of an answer's body.
pub const MAX_BODY: usize = 1024 * 1024;

/// Idle connections are closed before servers do, for a write on a dying connection has an unknown outcome.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// What identifies the operator to the cloud; not signed.
const USER_AGENT: &str = concat!("dws-operator/", env!("CARGO_PKG_VERSION"));

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// A request, signed and whole.
pub struct Request<'a> {
    pub method: Method,
    pub endpoint: &'a Endpoint,
    pub path: String,
    /// Already encoded.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
    pub date: Option<Timestamp>,
    /// The token that a login answers with.
    pub subject_token: Option<SecretString>,
    pub body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection was made, so the server has not seen the request.
    #[error("cannot connect to {host}: {cause}")]
    NotSent { host: String, cause: String },
    /// The server may have seen the request.
    #[error("{cause}")]
    Lost { status: Option<u16>, cause: String },
}

impl TransportError {
    /// The status, if the answer had begun.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::NotSent { .. } => None,
            Self::Lost { status, .. } => *status,
        }
    }
}

/// How connections are made.
pub struct ConnectionSettings {
    pub connect_timeout: Duration,
    pub use_proxy_env: bool,
    /// Whether to services of the node only: by address, never through a proxy. Else they are out of reach.
    pub to_node: bool,
    /// Replaces the system's roots.
    pub roots: Option<Vec<Certificate>>,
}

impl ConnectionSettings {
    /// For the services of the node.
    pub fn to_node() -> Self {
        Self {
            connect_timeout: NODE_TIMEOUT,
            use_proxy_env: false,
            to_node: true,
            roots: None,
        }
    }
}

/// A pool of connections.
pub struct Transport {
    client: Client,
}

impl Transport {
    /// A pool without connections.
    pub fn new(settings: ConnectionSettings) -> reqwest::Result<Self> {
        Self::resolving(settings, CloudResolver::system())
    }

    /// A pool without connections, whose names are resolved so unless they are of the node.
    pub(super) fn resolving(settings: ConnectionSettings, resolver: CloudResolver) -> reqwest::Result<Self> {
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .tls_version_min(tls::Version::TLS_1_2)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(POOL_IDLE);
        if !settings.use_proxy_env || settings.to_node {
            builder = builder.no_proxy();
        }
        if !settings.to_node {
            builder = builder.dns_resolver(resolver);
        }
        if let Some(roots) = settings.roots {
            builder = builder.tls_certs_only(roots);
        }
        let client = builder.build()?;
        Ok(Self { client })
    }

    /// Sends a request once and reads the whole answer within `limit`.
    pub async fn send(&self, request: Request<'_>, limit: Duration) -> Result<Answer, TransportError> {
        let host = request.endpoint.host().to_owned();
        let mut status = None;
        let answer = async {
            let url = request.endpoint.at(&request.path, &request.query);
            let mut response = self
                .client
                .request(request.method, url)
                .headers(request.headers)
                .body(request.body)
                .send()
                .await
                .map_err(|error| failure(&error, &host, None))?;
            status = Some(response.status().as_u16());
            let body = body(&mut response, &host).await?;
            Ok(answer(&response, body))
        };
        let result = timeout(limit, answer).await;
        result.unwrap_or_else(|_| {
            Err(TransportError::Lost {
                status,
                cause: format!("no whole answer from {host} before the deadline"),
            })
        })
    }
}

async fn body(response: &mut reqwest::Response, host: &str) -> Result<Vec<u8>, TransportError> {
    let status = Some(response.status().as_u16());
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| failure(&error, host, status))?;
        let Some(chunk) = chunk else {
            return Ok(body);
        };
        if body.len() + chunk.len() > MAX_BODY {
            let cause = format!("the answer from {host} has more than {MAX_BODY} bytes");
            return Err(TransportError::Lost { status, cause });
        }
        body.extend_from_slice(&chunk);
    }
}

fn answer(response: &reqwest::Response, body: Vec<u8>) -> Answer {
    let text = |name: &HeaderName| response.headers().get(name)?.to_str().ok();
    let date = text(&header::DATE).and_then(retry_after::http_date);
    let now = date.unwrap_or_else(Timestamp::now);
    Answer {
        status: response.status().as_u16(),
        request_id: text(&REQUEST_ID).map(str::to_owned),
        retry_after: text(&header::RETRY_AFTER).and_then(|value| retry_after::parse(value, now)),
        date,
        subject_token: text(&SUBJECT_TOKEN).map(SecretString::from),
        body,
    }
}

fn failure(error: &reqwest::Error, host: &str, status: Option<u16>) -> TransportError {
    let cause = root_cause(error);
    if error.is_connect() || error.is_builder() {
        let host = host.to_owned();
        return TransportError::NotSent { host, cause };
    }
    let cause = format!("the connection to {host} ended before the answer did: {cause}");
    TransportError::Lost { status, cause }
}

/// The innermost error: the outer ones only say that sending failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
