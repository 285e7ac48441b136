//! What an answer that is no success means, by its code first and its status second.
//!
//! Takes a whole answer, or the reason why there is none, and returns a [`Failure`]. Never lets a write
//! that may have taken effect pass for one that did not.

use super::codes::{self, Meaning};
use super::error_body::{self, ErrorBody};
use super::errors::{Failure, FailureKind, Missing, Rejection, Wait};
use super::ids;
use super::observer::Operation;
use super::text::Redactor;
use super::transport::{Answer, TransportError};

/// The verdict on an answer with a status other than 2xx.
pub fn refused(operation: Operation, answer: &Answer, redactor: &Redactor<'_>) -> Failure {
    let body = error_body::error(&answer.body);
    failure(operation, answer, body, redactor)
}

/// The verdict on a 2xx that carries an error code; `effect` is whether it also tells of an effect.
pub fn refused_with_success(
    operation: Operation,
    answer: &Answer,
    body: ErrorBody,
    effect: bool,
    redactor: &Redactor<'_>,
) -> Failure {
    let mut failure = failure(operation, answer, body, redactor);
    if operation.is_write() && effect {
        failure.kind = FailureKind::UNANSWERED;
    }
    failure
}

/// The verdict on a 2xx that does not say what it must.
pub fn unusable(operation: Operation, answer: &Answer, what: &str, redactor: &Redactor<'_>) -> Failure {
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
pub fn unanswered(operation: Operation, error: &TransportError, redactor: &Redactor<'_>) -> Failure {
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

fn failure(operation: Operation, answer: &Answer, body: ErrorBody, redactor: &Redactor<'_>) -> Failure {
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
    let code = body.code.filter(|code| !redactor.finds_secret_in(code));
    let mut message = if said.is_empty() {
        status_text(answer.status)
    } else {
        said
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
        404 if operation.is_iam() => rejected(Rejection::Invalid),
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
        FailureKind::UnknownOutcome { answered }
    } else {
        retry(Wait::Transient, answer)
    }
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
pub fn request_id(id: Option<&str>, redactor: &Redactor<'_>) -> Option<String> {
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
mod tests {
    use std::time::Duration;

    use super::*;

    const SECRET: &str = "canary-password-1";

    fn verdict(operation: Operation, status: u16, body: &str) -> Failure {
        let answer = Answer {
            status,
            request_id: Some("req-1".to_owned()),
            retry_after: Some(Duration::from_secs(7)),
            date: None,
            subject_token: None,
            body: body.as_bytes().to_vec(),
        };
        refused(operation, &answer, &Redactor::new([SECRET]))
    }

    fn coded(operation: Operation, status: u16, code: &str) -> FailureKind {
        let body = format!(r#"{{"error_code":"{code}","error_msg":"said"}}"#);
        verdict(operation, status, &body).kind
    }

    fn wait(wait: Wait) -> FailureKind {
        let delay = Some(Duration::from_secs(7));
        FailureKind::RetryAfter { wait, delay }
    }

    const CLUSTER_GONE: FailureKind = FailureKind::Gone { what: Missing::Cluster };
    const SOMETHING_GONE: FailureKind = FailureKind::Gone {
        what: Missing::Something,
    };
    const ANSWERED: FailureKind = FailureKind::UnknownOutcome { answered: true };
    const UNANSWERED: FailureKind = FailureKind::UnknownOutcome { answered: false };
    const WRITES: [Operation; 3] = [Operation::Create, Operation::Update, Operation::Delete];
    const READS: [Operation; 2] = [Operation::List, Operation::Job];

    #[test]
    fn codes_beat_the_status_for_every_call() {
        for operation in WRITES.into_iter().chain(READS) {
            for (status, code, expected) in [
                (403, "DWS.7023", wait(Wait::Busy)),
                (409, "DWS.0011", wait(Wait::Busy)),
                (400, "DWS.0031", rejected(Rejection::Exists)),
                (409, "DWS.0031", rejected(Rejection::Exists)),
                (400, "DWS.0001", rejected(Rejection::Invalid)),
                (404, "DWS.0001", rejected(Rejection::Invalid)),
                (400, "DWS.0015", rejected(Rejection::Denied)),
                (403, "DWS.0015", rejected(Rejection::Denied)),
                (403, "DWS.0020", rejected(Rejection::Denied)),
                (403, "DWS.0021", rejected(Rejection::Denied)),
                (403, "DWS.0032", rejected(Rejection::Denied)),
                (401, "DWS.0047", CLUSTER_GONE),
                (404, "DWS.0047", CLUSTER_GONE),
                (400, "DWS.3027", CLUSTER_GONE),
                (404, "DWS.0022", CLUSTER_GONE),
                (404, "APIGW.0101", rejected(Rejection::Invalid)),
                (401, "APIGW.0301", FailureKind::CredentialsRejected),
                (401, "APIGW.0303", FailureKind::CredentialsRejected),
                (401, "APIGW.0305", FailureKind::CredentialsRejected),
                (401, "APIG.0307", FailureKind::CredentialsRejected),
                (429, "APIGW.0308", wait(Wait::Throttled)),
                (503, "APIGW.0308", wait(Wait::Throttled)),
                (503, "APIGW.0613", wait(Wait::Transient)),
            ] {
                assert_eq!(
                    coded(operation, status, code),
                    expected,
                    "{operation:?} {status} {code}"
                );
            }
        }
    }

    #[test]
    fn failed_write_is_answered_only_if_dws_wrote_500_or_503() {
        for operation in WRITES {
            assert_eq!(coded(operation, 500, "DWS.0005"), ANSWERED);
            assert_eq!(coded(operation, 503, "DWS.4711"), ANSWERED);
            assert_eq!(coded(operation, 500, "DWS.9999"), ANSWERED);
            for (status, code) in [
                (502, "DWS.0005"),
                (504, "DWS.0005"),
                (500, "APIGW.0201"),
                (503, "X.1"),
                (200, "DWS.4711"),
            ] {
                assert_eq!(coded(operation, status, code), UNANSWERED, "{status} {code}");
            }
            for status in [302, 307, 408, 500, 502, 503, 504, 599] {
                assert_eq!(verdict(operation, status, "<html>").kind, UNANSWERED, "{status}");
            }
        }
    }

    #[test]
    fn failed_read_is_only_tried_again() {
        for operation in READS {
            assert_eq!(coded(operation, 500, "DWS.0005"), wait(Wait::Transient));
            for status in [408, 500, 502, 503, 504] {
                assert_eq!(verdict(operation, status, "").kind, wait(Wait::Transient));
            }
            assert_eq!(verdict(operation, 302, "").kind, rejected(Rejection::Invalid));
        }
    }

    #[test]
    fn status_decides_without_a_known_code() {
        let create = |status| verdict(Operation::Create, status, "{}").kind;
        assert_eq!(create(400), rejected(Rejection::Invalid));
        assert_eq!(create(401), FailureKind::CredentialsRejected);
        assert_eq!(create(403), rejected(Rejection::Denied));
        assert_eq!(create(404), SOMETHING_GONE);
        assert_eq!(create(409), rejected(Rejection::Exists));
        assert_eq!(create(417), wait(Wait::Busy));
        assert_eq!(create(422), rejected(Rejection::Invalid));
        assert_eq!(create(429), wait(Wait::Throttled));
        assert_eq!(verdict(Operation::Delete, 409, "").kind, wait(Wait::Busy));
        assert_eq!(verdict(Operation::Login, 404, "").kind, rejected(Rejection::Invalid));
    }

    #[test]
    fn message_decides_where_the_code_has_two_meanings() {
        let kind = |code: &str, message: &str| {
            let body = format!(r#"{{"error_code":"{code}","error_msg":"{message}"}}"#);
            verdict(Operation::Create, 500, &body).kind
        };
        assert_eq!(
            kind("DWS.5046", "The cluster is busy. Try again later."),
            wait(Wait::Busy)
        );
        assert_eq!(kind("DWS.5046", "nics left blank"), rejected(Rejection::Invalid));
        assert_eq!(kind("DWS.9999", "inner: DWS.7023"), wait(Wait::Busy));
        assert_eq!(kind("DWS.9999", "not found"), ANSWERED);
    }

    #[test]
    fn message_is_stable_and_without_secrets() {
        let body = format!(r#"{{"error_code":"DWS.0001","error_msg":"bad {SECRET} in req-1"}}"#);
        let failure = verdict(Operation::Create, 400, &body);
        assert_eq!(failure.message, "bad [redacted] in (request id)");
        assert_eq!(failure.request_id.as_deref(), Some("req-1"));
        assert!(!format!("{failure:?}").contains(SECRET));
    }

    #[test]
    fn secret_as_code_is_dropped() {
        let body = format!(r#"{{"error_code":"{SECRET}","error_msg":"x"}}"#);
        assert_eq!(verdict(Operation::Create, 400, &body).code, None);
    }

    #[test]
    fn answer_without_a_message_is_told_by_its_status() {
        assert_eq!(
            verdict(Operation::List, 502, "<html>").message,
            "the cloud answered 502 Bad Gateway"
        );
        assert!(verdict(Operation::List, 302, "").message.contains("redirect"));
    }

    #[test]
    fn success_with_a_code_and_an_effect_is_unknown() {
        let answer = Answer {
            status: 200,
            request_id: None,
            retry_after: None,
            date: None,
            subject_token: None,
            body: Vec::new(),
        };
        let body = ErrorBody {
            code: Some("DWS.0031".to_owned()),
            ..ErrorBody::default()
        };
        let read = |effect| {
            let redactor = Redactor::new([]);
            refused_with_success(Operation::Create, &answer, body.clone(), effect, &redactor).kind
        };
        assert_eq!(read(false), rejected(Rejection::Exists));
        assert_eq!(read(true), UNANSWERED);
    }
}
