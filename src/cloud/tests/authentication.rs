//! Access keys, tokens, projects, and what rejected credentials come to.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;

/// IAM and DWS in one: it counts logins, numbers its tokens, and takes those from `oldest` on.
struct Cloud {
    logins: AtomicUsize,
    oldest: AtomicUsize,
    password_is_right: bool,
    projects: Value,
}

impl Cloud {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            logins: AtomicUsize::new(0),
            oldest: AtomicUsize::new(1),
            password_is_right: true,
            projects: json!([{"id": PROJECT, "name": REGION}]),
        })
    }

    fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }

    /// No token issued so far is good any more, nor are the next `more`.
    fn void_tokens(&self, more: usize) {
        self.oldest.store(self.logins() + 1 + more, Ordering::SeqCst);
    }

    fn login(&self) -> ResponseTemplate {
        let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.password_is_right {
            let message = "The username or password is wrong.";
            let error = json!({"error": {"code": 401, "message": message, "title": "Unauthorized"}});
            return ResponseTemplate::new(401).set_body_json(error);
        }
        let expires_at = Timestamp::now() + SignedDuration::from_hours(24);
        ResponseTemplate::new(201)
            .insert_header("X-Subject-Token", format!("canary-token-{number}"))
            .set_body_json(json!({"token": {
                "expires_at": expires_at.to_string(), "project": {"id": PROJECT},
            }}))
    }
}

struct Answers(Arc<Cloud>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let cloud = &self.0;
        if request.url.path() == "/v3/auth/tokens" {
            return cloud.login();
        }
        let token = request.headers.get("x-auth-token").map(|token| {
            let number = token.to_str().unwrap().rsplit('-').next().unwrap();
            number.parse::<usize>().unwrap()
        });
        if token.is_some_and(|number| number < cloud.oldest.load(Ordering::SeqCst)) {
            let error = json!({"error_code": "APIGW.0307", "error_msg": "The token must be updated."});
            return ResponseTemplate::new(401).set_body_json(error);
        }
        let body = match request.url.path() {
            "/v3/projects" => json!({"projects": cloud.projects}),
            SOURCES_PATH if request.method == http::Method::GET => json!({"data_sources": []}),
            _ => json!({"id": SOURCE, "job_id": JOB}),
        };
        ResponseTemplate::new(200).set_body_json(body)
    }
}

async fn serve(cloud: &Arc<Cloud>) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(Answers(Arc::clone(cloud)))
        .mount(&server)
        .await;
    server
}

fn password_session(server: &MockServer) -> Session {
    Session::connect(SessionConfig {
        credentials: password(),
        ..config(&server.uri())
    })
    .ok()
    .unwrap()
}

async fn paths(server: &MockServer) -> Vec<String> {
    let sent = server.received_requests().await.unwrap();
    sent.iter().map(|request| request.url.path().to_owned()).collect()
}

#[tokio::test]
async fn password_is_exchanged_for_one_token_however_many_calls_need_it() {
    let cloud = Cloud::new();
    let server = serve(&cloud).await;
    let session = password_session(&server);
    let calls = join_all((0..20).map(|_| list(&session))).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(cloud.logins(), 1);
    let sent = server.received_requests().await.unwrap();
    let login = sent[0].url.as_str();
    assert!(login.ends_with("/v3/auth/tokens?nocatalog=true"), "{login}");
    assert!(sent[1..].iter().all(|request| {
        request.headers["x-auth-token"] == "canary-token-1"
            && request.headers["x-project-id"] == PROJECT
            && !request.headers.contains_key("authorization")
    }));
}

#[tokio::test]
async fn voided_token_is_replaced_and_the_read_sent_again() {
    let cloud = Cloud::new();
    let server = serve(&cloud).await;
    let session = password_session(&server);
    list(&session).await.unwrap();
    cloud.void_tokens(0);
    let calls = join_all((0..8).map(|_| list(&session))).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(cloud.logins(), 2);
    assert_eq!(session.breaker(), BreakerState::Proven);
}

#[tokio::test]
async fn write_with_a_voided_token_is_not_sent_again() {
    let cloud = Cloud::new();
    let server = serve(&cloud).await;
    let session = password_session(&server);
    list(&session).await.unwrap();
    cloud.void_tokens(0);
    let before = paths(&server).await.len();
    let failure = create(&session).await.unwrap_err();
    assert_eq!(failure.kind, TRANSIENT);
    assert_eq!(failure.code.as_deref(), Some("APIGW.0307"));
    assert_eq!(paths(&server).await[before..], [SOURCES_PATH]);
    assert!(create(&session).await.is_ok());
    assert_eq!(cloud.logins(), 2);
}

#[tokio::test]
async fn new_token_that_is_rejected_too_holds_the_session_back() {
    let cloud = Cloud::new();
    let server = serve(&cloud).await;
    let session = password_session(&server);
    cloud.void_tokens(9);
    let failure = list(&session).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::CredentialsRejected);
    assert_eq!(cloud.logins(), 2);
    let sent = paths(&server).await.len();
    let failure = create(&session).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::CredentialsRejected);
    assert_eq!(failure.status, None);
    assert_eq!(paths(&server).await.len(), sent);
}

#[tokio::test]
async fn wrong_password_is_tried_once_however_many_calls_there_are() {
    let cloud = Arc::new(Cloud {
        password_is_right: false,
        ..Arc::into_inner(Cloud::new()).unwrap()
    });
    let server = serve(&cloud).await;
    let session = password_session(&server);
    let calls = join_all((0..50).map(|_| list(&session))).await;
    for call in calls {
        let failure = call.unwrap_err();
        assert_eq!(failure.kind, FailureKind::CredentialsRejected);
        assert!(!failure.message.contains(PASSWORD));
    }
    assert_eq!(paths(&server).await, ["/v3/auth/tokens"]);
    assert_eq!(session.breaker(), BreakerState::Rejected);
}

#[tokio::test]
async fn wrong_access_key_is_tried_at_most_three_times_over_all_sessions() {
    let server = MockServer::start().await;
    let error = json!({"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"});
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(401).set_body_json(error))
        .mount(&server)
        .await;
    let limits = config(&server.uri()).limits;
    let sessions: Vec<Session> = (0..10)
        .map(|_| {
            let limits = Arc::clone(&limits);
            let config = SessionConfig {
                limits,
                ..config(&server.uri())
            };
            Session::connect(config).ok().unwrap()
        })
        .collect();
    let calls = join_all((0..100).map(|call| create(&sessions[call % 10]))).await;
    for call in calls {
        assert_eq!(call.unwrap_err().kind, FailureKind::CredentialsRejected);
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn other_refusals_do_not_hold_the_credential_back() {
    let server = MockServer::start().await;
    let error = json!({"error_code": "APIGW.0303", "error_msg": "request expired"});
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(401).set_body_json(error))
        .mount(&server)
        .await;
    let session = session(&server.uri());
    for _ in 0..5 {
        let failure = list(&session).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::CredentialsRejected);
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 5);
}

#[tokio::test]
async fn project_of_the_region_is_asked_for_once() {
    let cloud = Cloud::new();
    let server = serve(&cloud).await;
    let config = SessionConfig {
        project_id: None,
        ..config(&server.uri())
    };
    let session = Session::connect(config).ok().unwrap();
    assert_eq!(session.find_project().await.unwrap(), PROJECT);
    let calls = join_all((0..5).map(|_| list(&session))).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(paths(&server).await[..2], ["/v3/projects", SOURCES_PATH]);
    let sent = server.received_requests().await.unwrap();
    assert_eq!(sent[0].url.query(), Some("name=eu-west-101"));
    let authorization = sent[0].headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("SignedHeaders=host;x-sdk-date,"));
    assert_eq!(sent.len(), 6);
}

#[tokio::test]
async fn project_of_a_token_needs_no_question() {
    let cloud = Cloud::new();
    let server = serve(&cloud).await;
    let config = SessionConfig {
        project_id: None,
        credentials: password(),
        ..config(&server.uri())
    };
    let session = Session::connect(config).ok().unwrap();
    assert_eq!(session.find_project().await.unwrap(), PROJECT);
    assert_eq!(paths(&server).await, ["/v3/auth/tokens"]);
}

#[tokio::test]
async fn project_must_be_exactly_one() {
    let one = json!({"id": PROJECT, "name": REGION});
    for projects in [json!([]), json!([one, one]), json!([{"id": "../x", "name": REGION}])] {
        let cloud = Arc::new(Cloud {
            projects,
            ..Arc::into_inner(Cloud::new()).unwrap()
        });
        let server = serve(&cloud).await;
        let config = SessionConfig {
            project_id: None,
            ..config(&server.uri())
        };
        let session = Session::connect(config).ok().unwrap();
        let failure = create(&session).await.unwrap_err();
        let reason = Rejection::Invalid;
        assert_eq!(failure.kind, FailureKind::Rejected { reason });
        assert!(failure.message.contains("set projectID"), "{}", failure.message);
        assert_eq!(paths(&server).await, ["/v3/projects"]);
    }
}

#[tokio::test]
async fn temporary_key_sends_its_signed_security_token() {
    let cloud = Cloud::new();
    let server = serve(&cloud).await;
    let session = Session::connect(SessionConfig {
        credentials: Credentials::AccessKey(AccessKey {
            access: ACCESS.into(),
            secret: SECRET.into(),
            security_token: Some("canary-security-token".into()),
        }),
        ..config(&server.uri())
    });
    list(&session.ok().unwrap()).await.unwrap();
    let sent = server.received_requests().await.unwrap();
    assert_eq!(sent[0].headers["x-security-token"], "canary-security-token");
    let authorization = sent[0].headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("x-sdk-date;x-security-token,"));
}

#[tokio::test]
async fn configuration_that_cannot_be_right_is_refused() {
    let uri = "http://127.0.0.1:9";
    let refused = |config| Session::connect(config).err().unwrap();
    for region in ["", "EU", "a.b", "a/b", "-a", "a\n"] {
        let region = region.to_owned();
        let error = refused(SessionConfig {
            region: region.clone(),
            ..config(uri)
        });
        assert_eq!(error, ConnectError::Region(region));
    }
    let project = Some("../x".to_owned());
    let error = refused(SessionConfig {
        project_id: project,
        ..config(uri)
    });
    assert_eq!(error, ConnectError::ProjectId("../x".to_owned()));
    for pem in [
        "",
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let ca_pem = Some(pem.as_bytes().to_vec());
        let error = refused(SessionConfig { ca_pem, ..config(uri) });
        assert_eq!(error, ConnectError::CaBundle, "{pem:?}");
    }
}
