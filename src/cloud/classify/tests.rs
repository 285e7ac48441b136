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
