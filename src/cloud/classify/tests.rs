use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECRET: &str = "canary-password-1";

fn answer(status: u16, body: Vec<u8>) -> Answer {
    Answer {
        status,
        request_id: Some("req-1".to_owned()),
        retry_after: Some(Duration::from_secs(7)),
        date: None,
        subject_token: None,
        body,
    }
}

fn verdict(operation: Operation, status: u16, body: &str) -> Failure {
    refused(
        operation,
        &answer(status, body.as_bytes().to_vec()),
        &Redactor::new([SECRET]),
    )
}

fn coded(operation: Operation, status: u16, code: &str) -> FailureKind {
    let body = format!(r#"{{"error_code":"{code}","error_msg":"said"}}"#);
    verdict(operation, status, &body).kind
}

fn wait(wait: Wait) -> FailureKind {
    let delay = Some(ASKED);
    FailureKind::RetryAfter { wait, delay }
}

/// How long each answer asks to wait.
const ASKED: Duration = Duration::from_secs(7);
const CLUSTER_GONE: FailureKind = FailureKind::Gone { what: Missing::Cluster };
const SOMETHING_GONE: FailureKind = FailureKind::Gone {
    what: Missing::Something,
};
const ANSWERED: FailureKind = FailureKind::UnknownOutcome {
    answered: true,
    delay: Some(ASKED),
};
const UNANSWERED: FailureKind = FailureKind::UnknownOutcome {
    answered: false,
    delay: Some(ASKED),
};
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
        retry_after: Some(ASKED),
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

#[test]
fn refused_create_that_hands_out_an_id_and_a_job_is_unknown() {
    for status in [400, 403, 409, 429, 500] {
        let body = r#"{"error_code":"DWS.0031","error_msg":"x","id":"a","job_id":"b"}"#;
        assert_eq!(verdict(Operation::Create, status, body).kind, UNANSWERED, "{status}");
        // The job that keeps the cluster busy, or the id of the request.
        for other in [r#""job_id":"b""#, r#""id":"a""#, r#""id":"a","job_id":null"#] {
            let body = format!(r#"{{"error_code":"DWS.0011","error_msg":"x",{other}}}"#);
            assert_eq!(
                verdict(Operation::Create, status, &body).kind,
                wait(Wait::Busy),
                "{body}"
            );
        }
    }
    let body = r#"{"error_code":"DWS.0011","error_msg":"x","id":"a","job_id":"b"}"#;
    assert_eq!(verdict(Operation::Update, 409, body).kind, wait(Wait::Busy));
}

#[test]
fn documented_code_is_kept_whatever_the_secret_is() {
    for secret in ["0301", "0301-and-more", "APIGW.0301"] {
        let answer = answer(401, br#"{"error_code":"APIGW.0301","error_msg":"x"}"#.to_vec());
        let failure = refused(Operation::List, &answer, &Redactor::new([secret]));
        assert_eq!(failure.code.as_deref(), Some("APIGW.0301"), "{secret}");
    }
}

#[test]
fn request_id_that_is_a_part_of_the_secret_does_not_hide_it() {
    let answer = Answer {
        request_id: Some("password".to_owned()),
        ..answer(
            400,
            format!(r#"{{"error_code":"DWS.0001","error_msg":"bad {SECRET}"}}"#).into_bytes(),
        )
    };
    let failure = refused(Operation::Create, &answer, &Redactor::new([SECRET]));
    assert_eq!(failure.message, "bad [redacted]");
}

fn operation() -> impl Strategy<Value = Operation> {
    proptest::sample::select(
        WRITES
            .into_iter()
            .chain(READS)
            .chain([Operation::Login, Operation::Projects])
            .collect::<Vec<_>>(),
    )
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let word = || {
        prop_oneof![
            any::<String>(),
            "DWS\\.[0-9]{4}",
            "APIGW?\\.[0-9]{4}",
            Just(SECRET.to_owned())
        ]
    };
    let message = (any::<String>(), any::<String>()).prop_map(|(before, after)| format!("{before}{SECRET}{after}"));
    let coded = (word(), prop_oneof![word(), message], word()).prop_map(|(code, message, id)| {
        serde_json::json!({"error_code": code, "error_msg": message, "request_id": id})
            .to_string()
            .into_bytes()
    });
    prop_oneof![any::<Vec<u8>>(), coded]
}

proptest! {
    #[test]
    fn any_answer_gets_one_verdict_that_is_short_printable_and_without_the_secret(
        operation in operation(), status in 100_u16..1000, body in body(), id in proptest::option::of(any::<String>()),
    ) {
        let answer = Answer { request_id: id, ..answer(status, body) };
        let redactor = Redactor::new([SECRET]);
        let failure = refused(operation, &answer, &redactor);
        prop_assert_eq!(&failure, &refused(operation, &answer, &redactor));
        prop_assert!(failure.message.chars().count() <= 256);
        prop_assert!(!failure.message.chars().any(char::is_control));
        let printed = format!("{failure:?} {failure}");
        prop_assert!(!printed.contains(SECRET));
        let unknown = matches!(failure.kind, FailureKind::UnknownOutcome { .. });
        prop_assert!(operation.is_write() || !unknown, "a read changes nothing");
        prop_assert_ne!(failure.kind, FailureKind::Fenced);
    }

    #[test]
    fn no_server_error_without_a_code_proves_that_a_write_did_nothing(
        write in proptest::sample::select(WRITES.to_vec()), status in 500_u16..600, text in any::<Vec<u8>>(),
    ) {
        prop_assume!(error_body::object(&text).is_none());
        let failure = refused(write, &answer(status, text), &Redactor::new([SECRET]));
        prop_assert_eq!(failure.kind, UNANSWERED);
    }
}
