//! One call from its permits to its verdict.
//!
//! Takes a [`Call`] and returns what its answer says, or a [`Failure`]. The order is fixed: breaker, place in
//! the line of the rate limit, permits, credential, project, leave of the rate limit, fence, one request, verdict, breaker again. Nothing is
//! sent twice but a read whose temporary credential was rejected, once, with a new one. A write has one deadline for all of that, so that who asked for it knows until
//! when it may be carried out.

use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::breaker::{BreakerState, HeldBack, Pass};
use super::client::Session;
use super::credential_cache::{BearerRejection, Held, Unissued};
use super::credentials::Credentials;
use super::errors::{Failure, FailureKind, Wait};
use super::issued::Bearer;
use super::judge::{Seen, Success, judge};
use super::limits::Permits;
use super::observer::{CallRecord, Operation, Service};
use super::rate::{ComeBack, Meter, Ticket};
use super::redact::Redactor;
use super::request::{Call, Proof, Target};
use super::{bodies, classify, codes};

/// What a call needs to be sent.
struct Prepared<'a> {
    pass: Pass<'a>,
    turn: Turn<'a>,
    _permits: Permits,
    _room: Option<OwnedSemaphorePermit>,
    project: String,
}

/// When a request may go out.
#[derive(Default)]
pub(super) struct Turn<'a> {
    /// When a write must be over.
    deadline: Option<Instant>,
    /// Its place in the line of the rate limit, if it has one.
    ticket: Option<Ticket<'a>>,
}

/// A credential to authorise a call with.
struct Credential {
    bearer: Bearer,
    /// If it was issued to the session, and may be replaced.
    held: Option<Held>,
}

/// A failure, and whether a new credential may mend it.
pub(super) struct Refusal {
    pub failure: Failure,
    another_may_help: bool,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            another_may_help: false,
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
        let Prepared {
            pass, turn, project, ..
        } = &prepared;
        self.authorised(pass, call, project, turn, &read).await
    }

    /// The project, for a caller that wants nothing else.
    pub(super) async fn prepared_project(&self) -> Result<String, Failure> {
        Ok(self.prepare(Operation::Projects, None).await?.project)
    }

    /// Waits for what a call needs, at most for the timeout of the call; nothing of the call is sent.
    async fn prepare(&self, operation: Operation, cluster: Option<&str>) -> Result<Prepared<'_>, Failure> {
        self.notice_renewal();
        let limit = self.config.timeouts.of(operation);
        let deadline = operation.is_write().then(|| Instant::now() + limit);
        let prepared = async {
            let probe = matches!(operation, Operation::List | Operation::Projects);
            let pass = self.gate.pass(probe).await;
            // What the source was refused for tells more than that it was.
            let pass = pass.map_err(|HeldBack| self.cache.refusal().unwrap_or_else(held_back))?;
            let room = self.config.limits.room(&self.principal).await;
            let is_dws = operation.service() == Service::Dws;
            let ticket = is_dws.then(|| self.meters.dws.ticket(limit / 2)).transpose();
            let ticket = ticket.map_err(|come_back| turned_away(&come_back))?;
            let permits = self.config.limits.permits(&self.principal, cluster).await;
            self.credential(&pass).await?;
            let project = self.project(&pass).await?;
            Ok(Prepared {
                pass,
                turn: Turn { deadline, ticket },
                _permits: permits,
                _room: room,
                project,
            })
        };
        timeout(limit, prepared).await.unwrap_or_else(|_| Err(held_up()))
    }

    /// Tries a credential that was issued, to whichever session, since this one's was rejected.
    pub(super) fn notice_renewal(&self) {
        let is_new = || self.cache.is_fresh() && self.cache.issued() > self.rejected_with.load(Ordering::Relaxed);
        if self.gate.state() == BreakerState::Rejected && is_new() {
            self.gate.renewed();
        }
    }

    /// The project of the session; one caller asks, the others wait for it.
    async fn project(&self, pass: &Pass<'_>) -> Result<String, Failure> {
        let ask = async || {
            let region = &self.config.region;
            let credential = self.credential(pass).await?;
            if let Bearer::Token {
                project_id: Some(project),
                ..
            } = credential.bearer
            {
                return Ok(project);
            }
            let call = Call {
                query: Some(("name", region)),
                ..Call::new(Operation::Projects, Target::Projects)
            };
            let read = |success: &Success<'_>| bodies::project(&success.body, region);
            self.authorised(pass, &call, "", &Turn::default(), &read).await?
        };
        self.project.get_or_try_init(ask).await.cloned()
    }

    /// The credential to send with; it is had from whoever issues it if there is none, or if it is due for renewal.
    async fn credential(&self, pass: &Pass<'_>) -> Result<Credential, Failure> {
        if let (Credentials::AccessKey(key), None) = (&self.config.credentials, &self.config.agency) {
            let bearer = Bearer::Key(key.clone());
            return Ok(Credential { bearer, held: None });
        }
        let issue = || async {
            let issued = self.issue(pass).await?;
            self.gate.renewed();
            Ok(issued)
        };
        match self.cache.current(issue).await {
            Ok(held) => Ok(Credential {
                bearer: held.bearer.clone(),
                held: Some(held),
            }),
            Err(Unissued { failure, asked }) => {
                if failure.kind == FailureKind::CredentialsRejected && !failure.is_held_back() {
                    self.rejected_with.store(self.cache.issued(), Ordering::Relaxed);
                    if asked {
                        pass.rejected();
                    } else {
                        pass.shares_rejection();
                    }
                }
                Err(failure)
            }
        }
    }

    /// Sends a call with the session's credential; a read whose credential was rejected once more.
    async fn authorised<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        project: &str,
        turn: &Turn<'_>,
        read: &impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let credential = match turn.deadline {
            // It was there a moment ago; if it is not any more, a new exchange counts as a part of the write.
            Some(deadline) => timeout_at(deadline, self.credential(pass))
                .await
                .map_err(|_| held_up())?,
            None => self.credential(pass).await,
        }?;
        let first = self.send_with(pass, call, project, &credential, turn, read).await;
        let result = match first {
            Err(refusal) if refusal.another_may_help && !call.operation.is_write() => {
                let credential = self.credential(pass).await?;
                self.send_with(pass, call, project, &credential, turn, read).await
            }
            first => first,
        };
        result.map_err(|refusal| refusal.failure)
    }

    /// Sends one request with a credential of the session, and tells breaker and cache what became of it.
    async fn send_with<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        project: &str,
        credential: &Credential,
        turn: &Turn<'_>,
        read: &impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Refusal> {
        let proof = Proof::Bearer(&credential.bearer);
        match self.send(pass, call, project, proof, turn, read).await {
            Ok(value) => {
                self.accepted(pass);
                Ok(value)
            }
            Err(failure) => Err(self.refusal(pass, call, credential.held.as_ref(), failure)),
        }
    }

    /// Sends one request and judges its answer.
    pub(super) async fn send<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        project: &str,
        proof: Proof<'_>,
        turn: &Turn<'_>,
        read: &impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let operation = call.operation;
        let most = self.config.timeouts.of(operation);
        let left = || {
            let deadline = turn.deadline;
            deadline.map_or(most, |deadline| deadline.saturating_duration_since(Instant::now()))
        };
        let meter = self.meter(operation);
        if let Some(meter) = meter {
            let leave = meter.leave(left().saturating_sub(most / 2)).await;
            turn.ticket.iter().for_each(Ticket::redeem);
            leave.map_err(|come_back| turned_away(&come_back))?;
        }
        let limit = left();
        // An answer that nobody waits for any more would leave an unknown outcome for nothing.
        if limit < most / 2 {
            return Err(held_up());
        }
        let request = self.request(call, project, proof)?;
        let (own, of_proof) = (self.config.credentials.secrets(), proof.secrets());
        let redactor = Redactor::new(own.into_iter().chain(of_proof).chain(call.secrets.iter().copied()));
        if operation.is_write() && !self.config.fence.covers_write(most) {
            return Err(fenced());
        }
        pass.go().map_err(|HeldBack| held_back())?;
        let started = Instant::now();
        let result = match self.transport(operation).send(request, limit).await {
            Ok(answer) => judge(operation, answer, &redactor, read),
            Err(error) => Err(classify::unanswered(operation, &error, &redactor)),
        };
        self.report(call, &result, started);
        if let (Err(failure), Some(meter)) = (&result, meter)
            && let FailureKind::RetryAfter {
                wait: Wait::Throttled,
                delay: Some(delay),
            } = failure.kind
        {
            meter.close(delay);
        }
        result.map(|(value, _)| value)
    }

    /// The rate limit of whoever answers; the services of the node have none.
    fn meter(&self, operation: Operation) -> Option<&Meter> {
        match operation.service() {
            Service::Dws => Some(&self.meters.dws),
            Service::Iam => Some(&self.meters.iam),
            Service::Sts => self.meters.sts.as_ref(),
            Service::Node => None,
        }
    }

    /// Tells breaker and cache what a failure says about the credential.
    fn refusal(&self, pass: &Pass<'_>, call: &Call<'_>, held: Option<&Held>, failure: Failure) -> Refusal {
        let code = failure.code.as_deref();
        let iam_401 = call.operation.service() != Service::Dws && failure.status == Some(401);
        if !iam_401 && !code.is_some_and(codes::refuses_key) {
            if code.is_some_and(codes::is_dws) {
                self.accepted(pass);
            }
            return failure.into();
        }
        match held.map(|held| self.cache.rejected(held)) {
            Some(BearerRejection::IssueAgain) => Refusal {
                // The gateway passed nothing on, and the credential is dropped: the same call may work.
                failure: Failure {
                    kind: FailureKind::TRANSIENT,
                    ..failure
                },
                another_may_help: true,
            },
            Some(BearerRejection::GiveUp) | None => {
                self.rejected_with.store(self.cache.issued(), Ordering::Relaxed);
                pass.rejected();
                failure.into()
            }
        }
    }

    fn accepted(&self, pass: &Pass<'_>) {
        pass.accepted();
        self.cache.accepted();
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

fn held_up() -> Failure {
    Failure::transient("nothing was sent: other calls and the login took too long")
}

fn turned_away(come_back: &ComeBack) -> Failure {
    Failure::local(
        FailureKind::RetryAfter {
            wait: Wait::Throttled,
            delay: Some(come_back.0),
        },
        "nothing was sent: other requests with these credentials use up the rateLimit, or the cloud asked for a pause",
    )
}

fn held_back() -> Failure {
    Failure::local(
        FailureKind::CredentialsRejected,
        "nothing was sent: the cloud rejected these credentials, and more tries would lock them; \
         they are tried again every few minutes, and at once when their Secret or token file changes",
    )
}

fn fenced() -> Failure {
    Failure::local(
        FailureKind::Fenced,
        "nothing was sent: the lease of this operator ends too soon",
    )
}
