//! One call from its permits to its verdict.
//!
//! Takes a [`Call`] and returns what its answer says, or a [`Failure`]. The order is fixed: breaker,
//! permits, token, project, fence, one request, verdict, breaker again. Nothing is sent twice but a read
//! whose IAM token was rejected, once, with a new token.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::breaker::{HeldBack, Pass};
use super::client::Session;
use super::credentials::Credentials;
use super::endpoints::Endpoint;
use super::errors::{Failure, FailureKind};
use super::limits::Permits;
use super::observer::{CallRecord, Operation};
use super::sign::{self, DATE_HEADER, Unsigned};
use super::text::Redactor;
use super::tokens::{self, NewToken, Token, TokenRejection};
use super::transport::{Answer, Request};
use super::{bodies, classify, codes, error_body};

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

    fn cluster(self) -> Option<&'a str> {
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

/// A success, by status and by code.
pub(super) struct Success<'a> {
    pub answer: Answer,
    /// The body; empty if there was none.
    pub body: Map<String, Value>,
    pub redactor: &'a Redactor<'a>,
}

/// What a call needs to be sent.
struct Prepared<'a> {
    pass: Pass<'a>,
    _permits: Permits,
    project: String,
}

/// A failure, and whether a new token may mend it.
struct Refusal {
    failure: Failure,
    new_token_may_help: bool,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            new_token_may_help: false,
        }
    }
}

impl Session {
    /// Makes a call to DWS and reads its answer; `read` is none if the answer lacks what it must have.
    pub(super) async fn exchange<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let prepared = self.prepare(call.operation, call.target.cluster()).await?;
        let Prepared { pass, project, .. } = &prepared;
        match self.authorised(pass, call, project, &read).await {
            Err(refusal) if refusal.new_token_may_help && !call.operation.is_write() => {
                let again = self.authorised(pass, call, project, &read).await;
                again.map_err(|refusal| refusal.failure)
            }
            result => result.map_err(|refusal| refusal.failure),
        }
    }

    /// The project, for a caller that wants nothing else.
    pub(super) async fn prepared_project(&self) -> Result<String, Failure> {
        Ok(self.prepare(Operation::Projects, None).await?.project)
    }

    /// Waits for what a call needs, at most for the timeout of the call; nothing of the call is sent.
    async fn prepare(
        &self,
        operation: Operation,
        cluster: Option<&str>,
    ) -> Result<Prepared<'_>, Failure> {
        let limit = self.config.timeouts.of(operation);
        let prepared = async {
            let probe = matches!(operation, Operation::List | Operation::Projects);
            let pass = self.gate.pass(probe).await.map_err(|HeldBack| held_back())?;
            let permits = self.config.limits.permits(&self.principal, cluster).await;
            let project = self.project(&pass).await?;
            Ok(Prepared {
                pass,
                _permits: permits,
                project,
            })
        };
        timeout(limit, prepared).await.unwrap_or_else(|_| {
            let limit = limit.as_secs_f64();
            let message = format!("nothing was sent: other calls and the login took {limit} s");
            Err(Failure::transient(message))
        })
    }

    /// The project of the session; one caller asks, the others wait for it.
    async fn project(&self, pass: &Pass<'_>) -> Result<String, Failure> {
        let mut known = self.project.lock().await;
        if let Some(project) = &*known {
            return Ok(project.clone());
        }
        let region = &self.config.region;
        let token = self.token(pass).await?;
        let project = match token.and_then(|token| token.project_id) {
            Some(project) => project,
            None => {
                let call = Call {
                    query: Some(("name", region)),
                    ..Call::new(Operation::Projects, Target::Projects)
                };
                let read = |success: &Success<'_>| bodies::project(&success.body, region);
                let hit = match self.authorised(pass, &call, "", &read).await {
                    Err(refusal) if refusal.new_token_may_help => {
                        self.authorised(pass, &call, "", &read).await
                    }
                    result => result,
                };
                hit.map_err(|refusal| refusal.failure)??
            }
        };
        *known = Some(project.clone());
        Ok(project)
    }

    /// The token to send, if the session has a password.
    async fn token(&self, pass: &Pass<'_>) -> Result<Option<Token>, Failure> {
        let Credentials::Password {
            domain,
            user,
            password,
        } = &self.config.credentials
        else {
            return Ok(None);
        };
        let login = || async {
            let project = self.config.project_id.as_deref();
            let region = &self.config.region;
            let call = Call {
                query: Some(("nocatalog", "true")),
                body: tokens::login_body(domain, user, password, region, project),
                ..Call::new(Operation::Login, Target::Tokens)
            };
            let read = |success: &Success<'_>| NewToken::read(&success.answer);
            let new = self.send(pass, &call, "", None, &read).await;
            new.map_err(|refusal| refusal.failure)
        };
        self.tokens.current(login).await.map(Some)
    }

    async fn authorised<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        project: &str,
        read: &impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Refusal> {
        let token = self.token(pass).await?;
        self.send(pass, call, project, token.as_ref(), read).await
    }

    /// Sends one request and judges its answer.
    async fn send<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        project: &str,
        token: Option<&Token>,
        read: &impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Refusal> {
        let operation = call.operation;
        let limit = self.config.timeouts.of(operation);
        let request = self.request(call, project, token)?;
        let token_text = token.map(|token| token.value.expose_secret());
        let secrets = self.config.credentials.secrets();
        let redactor = Redactor::new(secrets.into_iter().chain(token_text).chain(call.secret));
        if pass.is_void() {
            return Err(held_back().into());
        }
        if operation.is_write() && !self.config.fence.covers_write(limit) {
            return Err(fenced().into());
        }
        let started = Instant::now();
        let result = match self.transport.send(request, limit).await {
            Ok(answer) => judge(operation, answer, &redactor, read),
            Err(error) => Err(classify::unanswered(operation, &error, &redactor)),
        };
        self.report(call, &result, started);
        let (value, _) = match result {
            Ok(success) => success,
            Err(failure) => return Err(self.refusal(pass, call, token, failure)),
        };
        // A login proves the password, but not yet that the token is good for DWS.
        if operation != Operation::Login {
            self.accepted(pass);
        }
        Ok(value)
    }

    /// Tells breaker and token what a failure says about the credential.
    fn refusal(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        token: Option<&Token>,
        failure: Failure,
    ) -> Refusal {
        let code = failure.code.as_deref();
        let iam_401 = call.operation.is_iam() && failure.status == Some(401);
        if !iam_401 && !code.is_some_and(codes::refuses_key) {
            if code.is_some_and(codes::is_dws) {
                self.accepted(pass);
            }
            return failure.into();
        }
        match token.map(|token| self.tokens.rejected(token)) {
            Some(TokenRejection::LogInAgain) => Refusal {
                // The gateway passed nothing on, and the token is dropped: the same call may work.
                failure: Failure {
                    kind: FailureKind::TRANSIENT,
                    ..failure
                },
                new_token_may_help: true,
            },
            Some(TokenRejection::GiveUp) | None => {
                pass.rejected();
                failure.into()
            }
        }
    }

    fn accepted(&self, pass: &Pass<'_>) {
        pass.accepted();
        self.tokens.accepted();
    }

    fn request<'a>(
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
        let value = sign::authorization(access.expose_secret(), secret, &unsigned)
            .map_err(|_| not_a_header())?;
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

    fn report<T>(&self, call: &Call<'_>, result: &Result<(T, Seen), Failure>, started: Instant) {
        let duration = started.elapsed();
        let (status, code, request_id) = match result {
            Ok((_, seen)) => (Some(seen.status), None, seen.request_id.as_deref()),
            Err(failure) => (
                failure.status,
                failure.code.as_deref(),
                failure.request_id.as_deref(),
            ),
        };
        tracing::debug!(
            operation = call.operation.name(),
            cluster = call.target.cluster(),
            status,
            code,
            request_id,
            duration_ms = duration.as_millis(),
            "called the cloud"
        );
        self.config.observer.called(&CallRecord {
            operation: call.operation,
            status,
            code,
            duration,
        });
    }
}

/// What is told of a success.
struct Seen {
    status: u16,
    request_id: Option<String>,
}

fn judge<T>(
    operation: Operation,
    answer: Answer,
    redactor: &Redactor<'_>,
    read: &impl Fn(&Success<'_>) -> Option<T>,
) -> Result<(T, Seen), Failure> {
    if !(200..=299).contains(&answer.status) {
        return Err(classify::refused(operation, &answer, redactor));
    }
    let unusable = |answer: &Answer, what| classify::unusable(operation, answer, what, redactor);
    let body = match error_body::object(&answer.body) {
        Some(body) => body,
        None if answer.body.is_empty() => Map::new(),
        None => return Err(unusable(&answer, "without a JSON object")),
    };
    if let Some(error) = error_body::error_in_success(&body) {
        let effect = body.contains_key("id") || bodies::names_a_job(&body);
        return Err(classify::refused_with_success(
            operation, &answer, error, effect, redactor,
        ));
    }
    let success = Success {
        answer,
        body,
        redactor,
    };
    match read(&success) {
        Some(value) => {
            let request_id = classify::request_id(success.answer.request_id.as_deref(), redactor);
            let status = success.answer.status;
            Ok((value, Seen { status, request_id }))
        }
        None => Err(unusable(&success.answer, "without what it must hold")),
    }
}

fn held_back() -> Failure {
    Failure::local(
        FailureKind::CredentialsRejected,
        "nothing was sent: the cloud rejected these credentials, and more tries would lock them; \
         they are tried again every few minutes, and at once when their Secret changes",
    )
}

fn fenced() -> Failure {
    Failure::local(
        FailureKind::Fenced,
        "nothing was sent: the lease of this operator ends too soon",
    )
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
