//! One call from its permits to its verdict.
//!
//! Takes a [`Call`] and returns what its answer says, or a [`Failure`]. The order is fixed: breaker,
//! permits, token, project, fence, one request, verdict, breaker again. Nothing is sent twice but a read
//! whose IAM token was rejected, once, with a new token. A write has one deadline for all of that, so that who asked for it knows until
//! when it may be carried out.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::breaker::{HeldBack, Pass};
use super::client::Session;
use super::credentials::Credentials;
use super::errors::{Failure, FailureKind};
use super::limits::Permits;
use super::login::{self, NewToken};
use super::observer::{CallRecord, Operation};
use super::redact::Redactor;
use super::request::{Call, Target};
use super::tokens::{Token, TokenRejection};
use super::transport::Answer;
use super::{bodies, classify, codes, error_body};

/// A success, by status and by code.
pub(super) struct Success<'a> {
    pub answer: Answer,
    /// The body; empty if there was none.
    pub body: Map<String, Value>,
    pub redactor: &'a Redactor,
}

/// What a call needs to be sent.
struct Prepared<'a> {
    pass: Pass<'a>,
    /// When a write must be over.
    deadline: Option<Instant>,
    _permits: Permits,
    _room: Option<OwnedSemaphorePermit>,
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
        self.authorised(pass, call, project, prepared.deadline, &read).await
    }

    /// The project, for a caller that wants nothing else.
    pub(super) async fn prepared_project(&self) -> Result<String, Failure> {
        Ok(self.prepare(Operation::Projects, None).await?.project)
    }

    /// Waits for what a call needs, at most for the timeout of the call; nothing of the call is sent.
    async fn prepare(&self, operation: Operation, cluster: Option<&str>) -> Result<Prepared<'_>, Failure> {
        let limit = self.config.timeouts.of(operation);
        let deadline = operation.is_write().then(|| Instant::now() + limit);
        let prepared = async {
            let probe = matches!(operation, Operation::List | Operation::Projects);
            let pass = self.gate.pass(probe).await.map_err(|HeldBack| held_back())?;
            let room = self.config.limits.room(&self.principal).await;
            let permits = self.config.limits.permits(&self.principal, cluster).await;
            self.token(&pass).await?;
            let project = self.project(&pass).await?;
            Ok(Prepared {
                pass,
                deadline,
                _permits: permits,
                _room: room,
                project,
            })
        };
        timeout(limit, prepared).await.unwrap_or_else(|_| Err(held_up()))
    }

    /// The project of the session; one caller asks, the others wait for it.
    async fn project(&self, pass: &Pass<'_>) -> Result<String, Failure> {
        let ask = async || {
            let region = &self.config.region;
            if let Some(project) = self.token(pass).await?.and_then(|token| token.project_id) {
                return Ok(project);
            }
            let call = Call {
                query: Some(("name", region)),
                ..Call::new(Operation::Projects, Target::Projects)
            };
            let read = |success: &Success<'_>| bodies::project(&success.body, region);
            self.authorised(pass, &call, "", None, &read).await?
        };
        self.project.get_or_try_init(ask).await.cloned()
    }

    /// The token to send, if the session has a password.
    async fn token(&self, pass: &Pass<'_>) -> Result<Option<Token>, Failure> {
        let Credentials::Password { domain, user, password } = &self.config.credentials else {
            return Ok(None);
        };
        let login = || async {
            let project = self.config.project_id.as_deref();
            let region = &self.config.region;
            let call = Call {
                query: Some(("nocatalog", "true")),
                body: login::body(domain, user, password, region, project),
                ..Call::new(Operation::Login, Target::Tokens)
            };
            let read = |success: &Success<'_>| NewToken::read(&success.answer);
            let new = self.send(pass, &call, "", None, None, &read).await;
            new.map_err(|refusal| refusal.failure)
        };
        self.tokens.current(login).await.map(Some)
    }

    /// Sends a call with the session's credential; a read whose token was rejected once more.
    async fn authorised<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        project: &str,
        deadline: Option<Instant>,
        read: &impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let token = match deadline {
            // It was there a moment ago; if it is not any more, a new login counts as a part of the write.
            Some(deadline) => timeout_at(deadline, self.token(pass)).await.map_err(|_| held_up())?,
            None => self.token(pass).await,
        }?;
        let first = self.send(pass, call, project, token.as_ref(), deadline, read).await;
        let result = match first {
            Err(refusal) if refusal.new_token_may_help && !call.operation.is_write() => {
                let token = self.token(pass).await?;
                self.send(pass, call, project, token.as_ref(), deadline, read).await
            }
            first => first,
        };
        result.map_err(|refusal| refusal.failure)
    }

    /// Sends one request and judges its answer.
    async fn send<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        project: &str,
        token: Option<&Token>,
        deadline: Option<Instant>,
        read: &impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Refusal> {
        let operation = call.operation;
        let most = self.config.timeouts.of(operation);
        let limit = deadline.map_or(most, |deadline| deadline.saturating_duration_since(Instant::now()));
        // An answer that nobody waits for any more would leave an unknown outcome for nothing.
        if limit < most / 2 {
            return Err(held_up().into());
        }
        let request = self.request(call, project, token)?;
        let token_text = token.map(|token| token.value.expose_secret());
        let secrets = self.config.credentials.secrets();
        let redactor = Redactor::new(secrets.into_iter().chain(token_text).chain(call.secret));
        if operation.is_write() && !self.config.fence.covers_write(most) {
            return Err(fenced().into());
        }
        pass.go().map_err(|HeldBack| held_back())?;
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
    fn refusal(&self, pass: &Pass<'_>, call: &Call<'_>, token: Option<&Token>, failure: Failure) -> Refusal {
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

    fn report<T>(&self, call: &Call<'_>, result: &Result<(T, Seen), Failure>, started: Instant) {
        let duration = started.elapsed();
        let (status, code, request_id) = match result {
            Ok((_, seen)) => (Some(seen.status), None, seen.request_id.as_deref()),
            Err(failure) => (failure.status, failure.code.as_deref(), failure.request_id.as_deref()),
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
    redactor: &Redactor,
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
        let effect = bodies::names_an_effect(&body);
        return Err(classify::refused_with_success(
            operation, &answer, error, effect, redactor,
        ));
    }
    let success = Success { answer, body, redactor };
    match read(&success) {
        Some(value) => {
            let request_id = classify::request_id(success.answer.request_id.as_deref(), redactor);
            let status = success.answer.status;
            Ok((value, Seen { status, request_id }))
        }
        None => Err(unusable(&success.answer, "without what it must hold")),
    }
}

fn held_up() -> Failure {
    Failure::transient("nothing was sent: other calls and the login took too long")
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
