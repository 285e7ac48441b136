//! What goes out, and what each documented answer comes to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::super::sign;
use super::*;

async fn answering(template: ResponseTemplate) -> (MockServer, Session) {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(template)
        .mount(&server)
        .await;
    let session = session(&server.uri());
    (server, session)
}

fn body(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).unwrap().to_str().unwrap()
}

/// Whether the request carries the signature that its own parts call for.
fn is_signed(request: &Request) -> bool {
    let value = header(request, "authorization");
    let names = value.split("SignedHeaders=").nth(1).unwrap();
    let names = names.split(',').next().unwrap();
    let signed: http::HeaderMap = names
        .split(';')
        .map(|name| {
            let name: http::HeaderName = name.parse().unwrap();
            let value = request.headers.get(&name).unwrap().clone();
            (name, value)
        })
        .collect();
    let pairs: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let unsigned = sign::Unsigned {
        method: &request.method,
        path: request.url.path(),
        query: &pairs,
        headers: &signed,
        body: &request.body,
    };
    let expected = sign::authorization(ACCESS, &SECRET.into(), &unsigned).unwrap();
    expected.to_str().unwrap() == value
}

#[tokio::test]
async fn create_sends_the_documented_request_and_returns_both_ids() {
    let (server, session) = answering(body(200, &json!({"id": SOURCE, "job_id": JOB}))).await;
    let accepted = create(&session).await.unwrap();
    assert_eq!((accepted.id.as_str(), accepted.job_id.as_str()), (SOURCE, JOB));

    let sent = &server.received_requests().await.unwrap()[..];
    let [sent] = sent else {
        panic!("{} requests", sent.len())
    };
    assert_eq!((sent.method.as_str(), sent.url.path()), ("POST", SOURCES_PATH));
    assert_eq!(sent.url.query(), None);
    assert_eq!(header(sent, "content-type"), "application/json;charset=UTF-8");
    assert_eq!(header(sent, "x-project-id"), PROJECT);
    assert!(header(sent, "authorization").contains("SignedHeaders=content-type;host;x-project-id;x-sdk-date,"));
    assert!(is_signed(sent));
    assert!(!sent.headers.contains_key("accept-encoding"));
    let sent: Value = sent.body_json().unwrap();
    assert_eq!(
        sent,
        json!({
            "type": "MRS", "data_source_name": "source1", "user_name": "dws_user",
            "data_source_id": "mrs-1", "user_pwd": PASSWORD, "description": "数据源 é",
        })
    );
}

#[tokio::test]
async fn list_always_names_the_type() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(SOURCES_PATH))
        .and(query_param("type", "MRS"))
        .respond_with(body(
            200,
            &json!({"data_sources": [{"id": SOURCE, "name": "source1", "type": "MRS"}], "count": 2}),
        ))
        .mount(&server)
        .await;
    let listing = list(&session(&server.uri())).await.unwrap();
    assert_eq!(listing.items[0].id, SOURCE);
    assert_eq!(listing.count, Some(2));
    assert!(listing.date.is_some());
    let sent = &server.received_requests().await.unwrap()[0];
    assert_eq!(header(sent, "content-type"), "application/json");
    assert!(is_signed(sent));
}

#[tokio::test]
async fn update_names_the_agency_and_returns_the_job() {
    let (server, session) = answering(body(200, &json!({"job_id": JOB, "data_source_id": SOURCE}))).await;
    let change = Reconfigure {
        agency: Some("DWSAccessOBS2".to_owned()),
        reboot: false,
    };
    assert_eq!(session.update(CLUSTER, SOURCE, &change).await.unwrap(), JOB);
    let sent = &server.received_requests().await.unwrap()[0];
    assert_eq!((sent.method.as_str(), sent.url.path()), ("PUT", SOURCE_PATH));
    assert_eq!(sent.body, br#"{"reconfigure":{"agency":"DWSAccessOBS2"}}"#);
    assert!(is_signed(sent));
}

#[tokio::test]
async fn delete_returns_the_job_if_there_is_one() {
    for (template, expected) in [
        (body(200, &json!({"job_id": JOB})), Ok(Some(JOB.to_owned()))),
        (body(200, &json!({})), Ok(None)),
        (ResponseTemplate::new(204), Ok(None)),
        (ResponseTemplate::new(200).set_body_string("<html>"), Err(UNANSWERED)),
        (body(200, &json!({"job_id": "../x"})), Err(UNANSWERED)),
    ] {
        let (server, session) = answering(template).await;
        let deleted = session.delete(CLUSTER, SOURCE).await;
        assert_eq!(deleted.map_err(|failure| failure.kind), expected);
        let sent = &server.received_requests().await.unwrap()[0];
        assert_eq!((sent.method.as_str(), sent.url.path()), ("DELETE", SOURCE_PATH));
        assert!(is_signed(sent));
    }
}

#[tokio::test]
async fn job_is_read() {
    let (server, session) = answering(body(200, &json!({"status": "RUNNING", "progress": "40%"}))).await;
    let job = session.job(JOB).await.unwrap();
    assert_eq!((job.state, job.progress.as_deref()), (JobState::Running, Some("40%")));
    let sent = &server.received_requests().await.unwrap()[0];
    assert_eq!(sent.url.path(), JOB_PATH);
}

#[tokio::test]
async fn success_that_does_not_say_what_it_must_is_unknown_for_writes_and_tried_again_for_reads() {
    for unusable in [
        ResponseTemplate::new(200),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string("{\"id\":"),
        ResponseTemplate::new(200).set_body_string("{\"id\":NaN}"),
        ResponseTemplate::new(200).set_body_string(format!("{}1", "{\"a\":".repeat(10_000))),
        ResponseTemplate::new(200).set_body_bytes(vec![0xff, 0xfe]),
        body(200, &json!({"id": SOURCE})),
        body(200, &json!({"id": "a/../b", "job_id": JOB})),
        body(200, &json!({"error_code": "DWS.0031", "id": SOURCE, "job_id": JOB})),
    ] {
        let (server, session) = answering(unusable).await;
        assert_eq!(create(&session).await.unwrap_err().kind, UNANSWERED);
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
        let read = session.job(JOB).await.unwrap_err();
        assert!(matches!(
            read.kind,
            FailureKind::RetryAfter { .. }
                | FailureKind::Rejected {
                    reason: Rejection::Exists
                }
        ));
    }
}

#[tokio::test]
async fn success_with_an_error_code_is_no_success() {
    let error = json!({"error_code": "DWS.0011", "error_msg": "busy"});
    let (_server, session) = answering(body(200, &error)).await;
    let failure = create(&session).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("DWS.0011"));
    assert!(matches!(failure.kind, FailureKind::RetryAfter { wait: Wait::Busy, .. }));
}

#[tokio::test]
async fn base64_of_an_error_is_read() {
    let error = json!({"error_code": "DWS.0047", "error_msg": "Cluster does not exist."}).to_string();
    let coded = URL_SAFE_NO_PAD.encode(error);
    let (_server, session) = answering(ResponseTemplate::new(404).set_body_string(coded)).await;
    let failure = list(&session).await.unwrap_err();
    let what = Missing::Cluster;
    assert_eq!(failure.kind, FailureKind::Gone { what });
    assert_eq!(failure.message, "Cluster does not exist.");
}

#[tokio::test]
async fn throttling_tells_how_long_to_wait() {
    let error = json!({"error_code": "APIGW.0308", "error_msg": "limit:200", "request_id": "r-1"});
    let template = body(429, &error).insert_header("Retry-After", "56.5");
    let (_server, session) = answering(template).await;
    let failure = create(&session).await.unwrap_err();
    let delay = Some(Duration::from_millis(56_500));
    let wait = Wait::Throttled;
    assert_eq!(failure.kind, FailureKind::RetryAfter { wait, delay });
    assert_eq!(failure.request_id.as_deref(), Some("r-1"));
}

#[tokio::test]
async fn what_the_server_echoes_has_no_secret_and_no_control_character() {
    let echo = format!(
        "pwd={PASSWORD}\r\n sk={SECRET}\u{1b}[31m ak={ACCESS} {{{{x}}}} {}",
        "y".repeat(10_000)
    );
    let error = json!({"error_code": "DWS.0001", "error_msg": echo});
    let template = body(400, &error).insert_header("X-Request-Id", PASSWORD);
    let (_server, session) = answering(template).await;
    let failure = create(&session).await.unwrap_err();
    let reason = Rejection::Invalid;
    assert_eq!(failure.kind, FailureKind::Rejected { reason });
    assert!(
        failure
            .message
            .starts_with("pwd=[redacted] sk=[redacted] ak=[redacted] {{x}} y")
    );
    assert_eq!(failure.message.chars().count(), 256);
    let printed = format!("{failure:?} {failure}");
    assert!(![PASSWORD, SECRET, ACCESS].iter().any(|secret| printed.contains(secret)));
}

#[tokio::test]
async fn malformed_ids_are_never_sent() {
    let (server, session) = answering(body(200, &json!({}))).await;
    for bad in ["", "..", "a/b", "%2f", "a@b", "a\r\nX: y", "a?b", "é"] {
        let invalid = |failure: Failure| {
            let reason = Rejection::Invalid;
            assert_eq!(failure.kind, FailureKind::Rejected { reason }, "{bad:?}");
        };
        invalid(session.create(bad, &mrs(), None).await.unwrap_err());
        invalid(session.list(bad, DataSourceType::Obs).await.unwrap_err());
        invalid(session.update(CLUSTER, bad, &Reconfigure::default()).await.unwrap_err());
        invalid(session.delete(CLUSTER, bad).await.unwrap_err());
        invalid(session.job(bad).await.unwrap_err());
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn hostile_text_in_the_spec_stays_in_the_body() {
    let (server, session) = answering(body(200, &json!({"id": SOURCE, "job_id": JOB}))).await;
    let request = CreateRequest {
        data_source_name: "a\r\nX-Evil: 1".to_owned(),
        description: Some("../%2f@\r\n\r\nGET / HTTP/1.1".to_owned()),
        ..mrs()
    };
    session.create(CLUSTER, &request, None).await.unwrap();
    let sent = server.received_requests().await.unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].url.path(), SOURCES_PATH);
    assert!(!sent[0].headers.contains_key("x-evil"));
    assert!(is_signed(&sent[0]));
}

#[tokio::test]
async fn lapsing_lease_stops_writes_and_no_reads() {
    let (server, _) = answering(body(200, &json!({"data_sources": []}))).await;
    let fence = Arc::new(Lease(false));
    let session = Session::connect(SessionConfig {
        fence,
        ..config(&server.uri())
    })
    .ok()
    .unwrap();
    assert_eq!(create(&session).await.unwrap_err().kind, FailureKind::Fenced);
    let deleted = session.delete(CLUSTER, SOURCE).await;
    assert_eq!(deleted.unwrap_err().kind, FailureKind::Fenced);
    assert!(list(&session).await.is_ok());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn each_call_is_reported() {
    let (server, _) = answering(body(403, &json!({"error_code": "DWS.7023", "error_msg": "x"}))).await;
    let observer = Arc::new(Records::default());
    let session = Session::connect(SessionConfig {
        observer: observer.clone(),
        ..config(&server.uri())
    });
    assert!(create(&session.ok().unwrap()).await.is_err());
    let records = observer.0.lock().unwrap();
    let code = Some("DWS.7023".to_owned());
    assert_eq!(*records, [(Operation::Create, Some(403), code)]);
}

#[tokio::test]
async fn answer_about_something_else_proves_nothing() {
    for other in [
        json!({"data_sources": [], "cluster_id": "00000000-5c61-48ff-b4f3-0ad4e5e3ba90"}),
        json!({"data_sources": [], "type": "OBS"}),
        json!({"data_sources": [], "error_code": 47}),
        json!({"data_sources": [], "error": {"message": "x"}}),
    ] {
        let (_server, session) = answering(body(200, &other)).await;
        assert_eq!(list(&session).await.unwrap_err().kind, TRANSIENT, "{other}");
    }
    let (_server, session) = answering(body(200, &json!({"status": "SUCCESS", "job_id": "another"}))).await;
    assert_eq!(session.job(JOB).await.unwrap_err().kind, TRANSIENT);

    for same in [
        json!({"data_sources": [], "cluster_id": CLUSTER.to_ascii_uppercase(), "type": "MRS", "project_id": PROJECT}),
        json!({"data_sources": [], "cluster_id": null, "type": "ALL"}),
    ] {
        let (_server, session) = answering(body(200, &same)).await;
        assert!(list(&session).await.is_ok(), "{same}");
    }
}
