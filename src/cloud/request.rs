//! A call as an HTTP request: method, path, headers, and the signature or token.
//!
//! Takes a [`Call`] and returns what goes out. It never sends, and never puts a secret anywhere but into a
//! header that is marked as sensitive or into the body it was given.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::client::Session;
use super::credentials::{AccessKey, Credentials};
use super::endpoints::Endpoint;
use super::errors::Failure;
use super::issued::Bearer;
use super::observer::{Operation, Service};
use super::sign::{self, DATE_HEADER, Unsigned};
use super::transport::Request;

const PROJECT_ID: HeaderName = HeaderName::from_static("x-project-id");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// The media types that the official SDK sends with and without a body.
const JSON_UTF8: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a call is about; all ids are checked before they come here.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// The data sources of a cluster.
    DataSources { cluster: &'a str },
    /// One data source.
    DataSource { cluster: &'a str, id: &'a str },
    /// A job.
    Job { id: &'a str },
    /// The projects in IAM.
    Projects,
    /// What is at this path.
    At(&'a str),
}

impl<'a> Target<'a> {
    fn path(self, project: &str) -> String {
        match self {
            Self::DataSources { cluster } => {
                format!("/v1.0/{project}/clusters/{cluster}/ext-data-sources")
            }
            Self::DataSource { cluster, id } => {
                format!("/v1.0/{project}/clusters/{cluster}/ext-data-sources/{id}")
            }
            Self::Job { id } => format!("/v1.0/{project}/job/{id}"),
            Self::Projects => "/v3/projects".to_owned(),
            Self::At(path) => path.to_owned(),
        }
    }

    /// The cluster that it is about.
    pub fn cluster(self) -> Option<&'a str> {
        match self {
            Self::DataSources { cluster } | Self::DataSource { cluster, .. } => Some(cluster),
            Self::Job { .. } | Self::Projects | Self::At(_) => None,
        }
    }
}

/// A request before it is authorised.
pub(super) struct Call<'a> {
    pub operation: Operation,
    pub target: Target<'a>,
    pub query: Option<(&'a str, &'a str)>,
    pub body: Vec<u8>,
    /// Headers beyond those that every call has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Secrets in the body or those headers, to be kept out of what is said about the call.
    pub secrets: Vec<&'a str>,
}

/// What a request is authorised with.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// Nothing, or something in its body or headers.
    Own,
    /// A token or a signature.
    Bearer(&'a Bearer),
}

impl Proof<'_> {
    /// The values that no message may repeat.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Own => Vec::new(),
            Self::Bearer(Bearer::Token { value, .. }) => vec![value.expose_secret()],
            Self::Bearer(Bearer::Key(key)) => key.secrets(),
        }
    }
}

impl<'a> Call<'a> {
    /// Without query, body and secret.
    pub fn new(operation: Operation, target: Target<'a>) -> Self {
        Self {
            operation,
            target,
            query: None,
            body: Vec::new(),
            headers: Vec::new(),
            secrets: Vec::new(),
        }
    }

    fn method(&self) -> Method {
        match self.operation {
            Operation::Create
            | Operation::Login
            | Operation::PodIdentity
            | Operation::AssumeWithOidc
            | Operation::IdToken
            | Operation::SecurityToken
            | Operation::AssumeInIam
            | Operation::AssumeInSts => Method::POST,
            Operation::Update | Operation::MetadataToken => Method::PUT,
            Operation::Delete => Method::DELETE,
            Operation::List | Operation::Job | Operation::Projects | Operation::MetadataKey => Method::GET,
        }
    }
}

impl Session {
    /// The whole request: headers, signature or token.
    pub(super) fn request<'a>(
        &'a self,
        call: &Call<'_>,
        project: &str,
        proof: Proof<'_>,
    ) -> Result<Request<'a>, Failure> {
        let query: Vec<(&str, &str)> = call.query.into_iter().collect();
        let mut request = Request {
            method: call.method(),
            endpoint: self.endpoint(call.operation)?,
            path: call.target.path(project),
            query: sign::canonical_query(&query),
            headers: HeaderMap::new(),
            body: call.body.clone(),
        };
        if !call.body.is_empty() {
            request.headers.insert(CONTENT_TYPE, JSON_UTF8);
        } else if call.operation.service() == Service::Dws {
            request.headers.insert(CONTENT_TYPE, JSON);
        }
        if !project.is_empty() {
            request.headers.insert(PROJECT_ID, plain(project)?);
        }
        request.headers.extend(call.headers.iter().cloned());
        match proof {
            Proof::Own => {}
            Proof::Bearer(Bearer::Token { value, .. }) => {
                request.headers.insert(AUTH_TOKEN, sensitive(value)?);
            }
            Proof::Bearer(Bearer::Key(key)) => sign(&mut request, &query, key)?,
        }
        Ok(request)
    }

    fn endpoint(&self, operation: Operation) -> Result<&Endpoint, Failure> {
        let nowhere = || Failure::invalid("nothing was sent: no endpoint is known for this call");
        match operation.service() {
            Service::Dws => Ok(&self.config.endpoint),
            Service::Iam => Ok(&self.config.iam_endpoint),
            Service::Sts => self.config.sts_endpoint.as_ref().ok_or_else(nowhere),
            Service::Node => match &self.config.credentials {
                Credentials::PodIdentity(pod) => Ok(&pod.agent.endpoint),
                Credentials::NodeAgency(metadata) => Ok(metadata),
                _ => Err(nowhere()),
            },
        }
    }
}

fn sign(request: &mut Request<'_>, query: &[(&str, &str)], key: &AccessKey) -> Result<(), Failure> {
    let headers = &mut request.headers;
    headers.insert(DATE_HEADER, plain(&sign::date(Timestamp::now()))?);
    if let Some(token) = &key.security_token {
        headers.insert(SECURITY_TOKEN, sensitive(token)?);
    }
    headers.insert(HOST, plain(&request.endpoint.authority())?);
    let unsigned = Unsigned {
        method: &request.method,
        path: &request.path,
        query,
        headers,
        body: &request.body,
    };
    let access = key.access.expose_secret();
    let value = sign::authorization(access, &key.secret, &unsigned).map_err(|_| not_a_header())?;
    headers.insert(AUTHORIZATION, value);
    // The HTTP client writes it, in HTTP/2 under another name.
    headers.remove(HOST);
    Ok(())
}

fn not_a_header() -> Failure {
    Failure::invalid("nothing was sent: the credentials have a character that no header can hold")
}

pub(super) fn plain(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| not_a_header())
}

pub(super) fn sensitive(secret: &SecretString) -> Result<HeaderValue, Failure> {
    let mut value = plain(secret.expose_secret())?;
    value.set_sensitive(true);
    Ok(value)
}
