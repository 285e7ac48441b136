//! A call as an HTTP request: method, path, headers, and the signature or token.
//!
//! Takes a [`Call`] and returns what goes out. It never sends, and never puts a secret anywhere but into a
//! header that is marked as sensitive or into the body it was given.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::client::Session;
use super::credentials::Credentials;
use super::endpoints::Endpoint;
use super::errors::Failure;
use super::observer::Operation;
use super::sign::{self, DATE_HEADER, Unsigned};
use super::tokens::Token;
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
    /// A login to IAM.
    Tokens,
    /// The projects in IAM.
    Projects,
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
            Self::Tokens => "/v3/auth/tokens".to_owned(),
            Self::Projects => "/v3/projects".to_owned(),
        }
    }

    /// The cluster that it is about.
    pub fn cluster(self) -> Option<&'a str> {
        match self {
            Self::DataSources { cluster } | Self::DataSource { cluster, .. } => Some(cluster),
            Self::Job { .. } | Self::Tokens | Self::Projects => None,
        }
    }
}

/// A request before it is authorised.
pub(super) struct Call<'a> {
    pub operation: Operation,
    pub target: Target<'a>,
    pub query: Option<(&'a str, &'a str)>,
    pub body: Vec<u8>,
    /// A secret in the body, to be kept out of what is said about the call.
    pub secret: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// Without query, body and secret.
    pub fn new(operation: Operation, target: Target<'a>) -> Self {
        Self {
            operation,
            target,
            query: None,
            body: Vec::new(),
            secret: None,
        }
    }

    fn method(&self) -> Method {
        match self.operation {
            Operation::Create | Operation::Login => Method::POST,
            Operation::Update => Method::PUT,
            Operation::Delete => Method::DELETE,
            Operation::List | Operation::Job | Operation::Projects => Method::GET,
        }
    }
}

impl Session {
    /// The whole request: headers, signature or token.
    pub(super) fn request<'a>(
        &'a self,
        call: &Call<'_>,
        project: &str,
        token: Option<&Token>,
    ) -> Result<Request<'a>, Failure> {
        let endpoint = self.endpoint(call.operation);
        let query: Vec<(&str, &str)> = call.query.into_iter().collect();
        let mut request = Request {
            method: call.method(),
            endpoint,
            path: call.target.path(project),
            query: sign::canonical_query(&query),
            headers: HeaderMap::new(),
            body: call.body.clone(),
        };
        if !call.body.is_empty() {
            request.headers.insert(CONTENT_TYPE, JSON_UTF8);
        } else if !call.operation.is_iam() {
            request.headers.insert(CONTENT_TYPE, JSON);
        }
        if !project.is_empty() {
            request.headers.insert(PROJECT_ID, plain(project)?);
        }
        match (&self.config.credentials, token) {
            (_, Some(token)) => {
                let value = sensitive(&token.value)?;
                request.headers.insert(AUTH_TOKEN, value);
            }
            (Credentials::AccessKey { .. }, None) => self.sign(&mut request, &query)?,
            // A login carries its password in the body.
            (Credentials::Password { .. }, None) => {}
        }
        Ok(request)
    }

    fn sign(&self, request: &mut Request<'_>, query: &[(&str, &str)]) -> Result<(), Failure> {
        let Credentials::AccessKey {
            access,
            secret,
            security_token,
        } = &self.config.credentials
        else {
            return Ok(());
        };
        let headers = &mut request.headers;
        headers.insert(DATE_HEADER, plain(&sign::date(Timestamp::now()))?);
        if let Some(token) = security_token {
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
        let value = sign::authorization(access.expose_secret(), secret, &unsigned).map_err(|_| not_a_header())?;
        headers.insert(AUTHORIZATION, value);
        // The HTTP client writes it, in HTTP/2 under another name.
        headers.remove(HOST);
        Ok(())
    }

    fn endpoint(&self, operation: Operation) -> &Endpoint {
        if operation.is_iam() {
            &self.config.iam_endpoint
        } else {
            &self.config.endpoint
        }
    }
}

fn not_a_header() -> Failure {
    Failure::invalid("nothing was sent: the credentials have a character that no header can hold")
}

fn plain(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| not_a_header())
}

fn sensitive(secret: &SecretString) -> Result<HeaderValue, Failure> {
    let mut value = plain(secret.expose_secret())?;
    value.set_sensitive(true);
    Ok(value)
}
