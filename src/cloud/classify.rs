//! What an answer that is no success means, by its code first and its status second.
//!
//! Takes a whole answer, or the reason why there is none, and returns a [`Failure`]. Never lets a write
//! that may have taken effect pass for one that did not.

use super::bodies;
use super::codes::{self, Meaning};
use super::error_body::{self, ErrorBody};
use super::errors::{Failure, FailureKind, Missing, Rejection, Wait};
use super::ids;
use super::observer::{Operation, Service};
use super::redact::Redactor;
use super::transport::{Answer, TransportError};

/// The verdict on an answer with a status other than 2xx.
pub fn refused(operation: Operation, answer: &Answer, redactor: &Redactor) -> Failure {
    let body = error_body::error(&answer.body);
    let mut failure = failure(operation, answer, body, redactor);
    // A refusal has nothing to hand out an id and a job for.
    let accepted = || error_body::object(&answer.body).is_some_and(|body| bodies::names_a_creation(&body));
    if operation == Operation::Create && accepted() {
        failure.kind = unknown(answer, false);
    }
    failure
}

/// The verdict on a 2xx that carries an error code; `effect` is whether it also tells of an effect.
pub fn refused_with_success(
    operation: Operation,
    answer: &Answer,
    body: ErrorBody,
    effect: bool,
    redactor: &Redactor,
) -> Failure {
    let mut failure = failure(operation, answer, body, redactor);
    if operation.is_write() && effect {
        failure.kind = unknown(answer, false);
    }
    failure
}

/// The verdict on a 2xx that does not say what it must.
pub fn unusable(operation: Operation, answer: &Answer, what: &str, redactor: &Redactor) -> Failure {
    let message = format!("the cloud answered {} {what}", answer.status);
    Failure {
        kind: no_answer(operation),
        code: None,
        status: Some(answer.status),
        message: redactor.message(&message),
        request_id: request_id(answer.request_id.as_deref(), redactor),
    }
}

/// The verdict on a call that got no whole answer.
pub fn unanswered(operation: Operation, error: &TransportError, redactor: &Redactor) -> Failure {
    let kind = match error {
        TransportError::NotSent { .. } => FailureKind::TRANSIENT,
        TransportError::Lost { .. } => no_answer(operation),
    };
    Failure {
        kind,
        code: None,
        status: error.status(),
        message: redactor.message(&error.to_string()),
        request_id: None,
    }
}

fn failure(operation: Operation, answer: &Answer, body: ErrorBody, redactor: &Redactor) -> Failure {
    let said = body.message.unwrap_or_default();
    let kind = match body.code.as_deref().and_then(|code| codes::meaning(code, &said)) {
        Some(Meaning::ServerFailure) => server_failure(operation, answer, true),
        // How long the cloud knows a job, and which code it answers afterwards, is documented nowhere.
        Some(Meaning::Denied) if operation == Operation::Job && answer.status == 404 => FailureKind::Gone {
            what: Missing::Something,
        },
        Some(meaning) => by_meaning(meaning, answer),
        None => by_status(operation, answer, body.code.as_deref()),
    };
    let request_id = request_id(answer.request_id.as_deref().or(body.request_id.as_deref()), redactor);
    // The breaker judges by the code, so a documented one must not get lost.
    let code = body
        .code
        .filter(|code| codes::is_documented(code) || !redactor.finds_secret_in(code));
    // Before the request id is taken out: it may be a part of the secret, whose rest would then not be found.
    let mut message = if said.is_empty() {
        status_text(answer.status)
    } else {
        redactor.redact(&said)
    };
    // A message must be the same at each try, or every try would change the status of the object.
    if let Some(id) = &request_id {
        message = message.replace(id, "(request id)");
    }
    Failure {
        kind,
        code,
        status: Some(answer.status),
        message: redactor.message(&message),
        request_id,
    }
}

fn by_meaning(meaning: Meaning, answer: &Answer) -> FailureKind {
    match meaning {
        Meaning::Busy => retry(Wait::Busy, answer),
        Meaning::Throttled => retry(Wait::Throttled, answer),
        Meaning::Unavailable | Meaning::ServerFailure => retry(Wait::Transient, answer),
        Meaning::Exists => rejected(Rejection::Exists),
        Meaning::Invalid => rejected(Rejection::Invalid),
        Meaning::Denied => rejected(Rejection::Denied),
        Meaning::ClusterGone => FailureKind::Gone { what: Missing::Cluster },
        Meaning::BadCredentials => FailureKind::CredentialsRejected,
    }
}

fn by_status(operation: Operation, answer: &Answer, code: Option<&str>) -> FailureKind {
    match answer.status {
        401 => FailureKind::CredentialsRejected,
        403 => rejected(Rejection::Denied),
        // IAM knows no clusters: what it does not find is the domain, user or project of the provider.
        404 if operation.service() != Service::Dws => rejected(Rejection::Invalid),
        404 => FailureKind::Gone {
            what: Missing::Something,
        },
        409 if operation == Operation::Create => rejected(Rejection::Exists),
        409 | 417 => retry(Wait::Busy, answer),
        429 => retry(Wait::Throttled, answer),
        // The server gave up waiting for the request, or refuses one that might be a replay.
        408 | 425 => server_failure(operation, answer, false),
        400..=499 => rejected(Rejection::Invalid),
        // A redirect is not followed; a write may have had its effect before it.
        300..=399 if !operation.is_write() => rejected(Rejection::Invalid),
        _ => server_failure(operation, answer, code.is_some_and(codes::is_dws)),
    }
}

/// A failure on the way or in DWS; `dws_said_so` is whether DWS itself wrote the answer.
fn server_failure(operation: Operation, answer: &Answer, dws_said_so: bool) -> FailureKind {
    if operation.is_write() {
        // Only then is the attempt over for certain; a gateway's timeout leaves DWS at work.
        let answered = dws_said_so && matches!(answer.status, 500 | 503);
        unknown(answer, answered)
    } else {
        retry(Wait::Transient, answer)
    }
}

fn unknown(answer: &Answer, answered: bool) -> FailureKind {
    let delay = answer.retry_after;
    FailureKind::UnknownOutcome { answered, delay }
}

fn no_answer(operation: Operation) -> FailureKind {
    if operation.is_write() {
        FailureKind::UNANSWERED
    } else {
        FailureKind::TRANSIENT
    }
}

fn retry(wait: Wait, answer: &Answer) -> FailureKind {
    let delay = answer.retry_after;
    FailureKind::RetryAfter { wait, delay }
}

fn rejected(reason: Rejection) -> FailureKind {
    FailureKind::Rejected { reason }
}

/// The cloud's id of a request, if it has the form of one.
pub fn request_id(id: Option<&str>, redactor: &Redactor) -> Option<String> {
    id.filter(|id| ids::is_id(id) && !redactor.finds_secret_in(id))
        .map(str::to_owned)
}

fn status_text(status: u16) -> String {
    let name = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("without an explanation");
    match status {
        300..=399 => format!("the endpoint answered with a redirect ({status} {name}), which is not followed"),
        _ => format!("the cloud answered {status} {name}"),
    }
}

#[cfg(test)]
mod tests;
