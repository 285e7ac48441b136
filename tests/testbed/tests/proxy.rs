//! The recording proxy between a caller and both of its APIs.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the test may")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dws_testbed::wait::until;
use dws_testbed::{Action, Api, Call, ControlPlane, Fate, Proxy, Rule, Stage};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(10);

/// A cloud that counts its writes and echoes what it received.
struct Cloud {
    url: String,
    writes: Arc<AtomicUsize>,
}

impl Cloud {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let writes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&writes);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let counter = Arc::clone(&counter);
                let service = service_fn(move |request| echo(request, Arc::clone(&counter)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, writes }
    }

    fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }
}

async fn echo(request: Request<Incoming>, writes: Arc<AtomicUsize>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == "POST" {
        writes.fetch_add(1, Ordering::SeqCst);
    }
    let uri = request.uri().to_string();
    let host = request.headers()["host"].to_str().unwrap().to_owned();
    let body = request.collect().await?.to_bytes();
    let answer = json!({"uri": uri, "host": host, "body": String::from_utf8_lossy(&body)});
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}

/// A proxy before a cloud.
async fn rig() -> (Cloud, Proxy, String) {
    let cloud = Cloud::start().await;
    let proxy = Proxy::start(ControlPlane::shared().await);
    let url = proxy.cloud(&cloud.url);
    (cloud, proxy, url)
}

async fn post(url: &str) -> Result<Value, reqwest::Error> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({"data_source_name": "lake", "user_pwd": "secret"});
    client
        .post(format!("{url}/ext-data-sources"))
        .json(&body)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await
}

fn is_post(call: &Call) -> bool {
    call.is(Api::Cloud, "POST", "/ext-data-sources")
}

#[tokio::test]
async fn a_call_is_passed_on_as_it_came_and_recorded_without_its_password() {
    let (cloud, proxy, url) = rig().await;
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = r#"{"user_pwd":"secret","name":"lake"}"#;
    let length = body.len();
    let request = format!(
        "POST /v1.0/%7e/a..b?q=%2f&x HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains(r#""uri":"/v1.0/%7e/a..b?q=%2f&x""#),
        "the path is not tidied: {answer}"
    );
    assert!(
        answer.contains(&format!(r#""host":"{address}""#)),
        "a signature covers the host: {answer}"
    );
    assert!(answer.contains("secret"), "the cloud gets the password: {answer}");

    let calls = proxy
        .wait_calls(SOON, "one call", |calls| calls.iter().any(|call| call.ended.is_some()))
        .await;
    let call = &calls[0];
    assert_eq!(
        (call.seq, call.api, call.status, call.fate),
        (0, Api::Cloud, Some(200), Fate::PassedOn)
    );
    assert_eq!((call.path.as_str(), call.query.as_str()), ("/v1.0/%7e/a..b", "q=%2f&x"));
    assert_eq!(call.request, json!({"user_pwd": "(cut)", "name": "lake"}));
    assert!(call.ended.unwrap() >= call.started);
    assert_eq!(cloud.writes(), 1);
}

#[tokio::test]
async fn a_cut_before_leaves_the_cloud_untouched_and_a_cut_after_does_not() {
    let (cloud, proxy, url) = rig().await;
    let mut before = proxy.on(Rule::new(Stage::Before, Action::Cut, is_post));
    post(&url).await.unwrap_err();
    assert_eq!(before.reached(SOON).await.fate, Fate::NotForwarded);
    assert_eq!(cloud.writes(), 0);
    let _applied = proxy.on(Rule::new(Stage::Applied, Action::Cut, is_post));
    post(&url).await.unwrap_err();
    assert_eq!(cloud.writes(), 1);
    let call = proxy.calls().pop().unwrap();
    assert_eq!(
        (call.status, call.fate),
        (Some(200), Fate::Withheld),
        "the record has the answer that was lost"
    );
    assert!(call.response_json().unwrap()["uri"].is_string());
    post(&url).await.unwrap();
    assert_eq!(cloud.writes(), 2, "each rule was for one call");
}

#[tokio::test]
async fn rules_count_matches_and_answer_for_the_cloud() {
    let (cloud, proxy, url) = rig().await;
    let rule = Rule::new(
        Stage::Before,
        Action::Answer(503, json!({"error_code": "DWS.0001"})),
        is_post,
    );
    let hit = proxy.on(rule.nth(2).times(2));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = post(&url).await;
        statuses.push(answer.map_or_else(|error| error.status().unwrap().as_u16(), |_| 200));
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
    assert_eq!((hit.matches(), cloud.writes()), (4, 2));
}

#[tokio::test]
async fn a_delay_is_waited_for() {
    let (_cloud, proxy, url) = rig().await;
    let _slow = proxy.on(Rule::new(
        Stage::Applied,
        Action::Delay(Duration::from_millis(300)),
        is_post,
    ));
    let started = Instant::now();
    post(&url).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_held_call_stands_still_until_it_is_released() {
    for stage in [Stage::Before, Stage::Applied] {
        let (cloud, proxy, url) = rig().await;
        let mut hit = proxy.on(Rule::new(stage, Action::Hold, is_post));
        let caller = tokio::spawn(async move { post(&url).await });
        hit.reached(SOON).await;
        assert_eq!(cloud.writes(), usize::from(stage == Stage::Applied), "{stage:?}");
        assert!(!caller.is_finished());
        hit.release();
        caller.await.unwrap().unwrap();
        assert_eq!(cloud.writes(), 1);
    }
}

#[tokio::test]
async fn a_call_whose_caller_is_gone_is_not_forwarded_when_released() {
    let (cloud, proxy, url) = rig().await;
    let mut hit = proxy.on(Rule::new(Stage::Before, Action::Hold, is_post));
    let caller = tokio::spawn(async move { post(&url).await });
    hit.reached(SOON).await;
    caller.abort();
    let calls = proxy
        .wait_calls(SOON, "the call is given up", |calls| calls[0].ended.is_some())
        .await;
    hit.release();
    assert_eq!(calls[0].fate, Fate::NotForwarded);
    assert_eq!(cloud.writes(), 0);
}

#[tokio::test]
async fn nothing_follows_an_answer_that_is_held() {
    let (cloud, proxy, url) = rig().await;
    let mut hit = proxy.on(Rule::new(Stage::Answered, Action::Hold, is_post));
    post(&url).await.unwrap();
    hit.reached(SOON).await;
    let follower = url.clone();
    let next = tokio::spawn(async move { post(&follower).await });
    tokio::time::timeout(Duration::from_millis(200), async {
        while !next.is_finished() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect_err("the next call waits");
    assert_eq!((cloud.writes(), proxy.calls().len()), (1, 1));
    hit.cut();
    next.await.unwrap().unwrap_err();
    post(&url).await.unwrap();
    assert_eq!(cloud.writes(), 2, "the call that waited was cut, later ones pass");
}

#[tokio::test]
async fn a_rule_ends_with_its_handle_and_cuts_what_it_holds() {
    let (cloud, proxy, url) = rig().await;
    let mut hit = proxy.on(Rule::new(Stage::Before, Action::Hold, is_post).always());
    let held = url.clone();
    let caller = tokio::spawn(async move { post(&held).await });
    hit.reached(SOON).await;
    drop(hit);
    caller.await.unwrap().unwrap_err();
    post(&url).await.unwrap();
    assert_eq!(cloud.writes(), 1);
}

#[tokio::test]
async fn an_outage_closes_connections_and_ends() {
    let (_cloud, proxy, url) = rig().await;
    let address = url.strip_prefix("http://").unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    proxy.block(Api::Cloud, true);
    let mut byte = [0];
    let read = tokio::time::timeout(SOON, idle.read(&mut byte))
        .await
        .expect("the connection is closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    post(&url).await.unwrap_err();
    proxy.block(Api::Cloud, false);
    post(&url).await.unwrap();
}

#[tokio::test]
async fn an_unreachable_cloud_looks_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(ControlPlane::shared().await);
    let url = proxy.cloud(&format!("http://{address}"));
    let error = post(&url).await.unwrap_err();
    assert_eq!(error.status(), None, "no answer is made up");
    until(SOON, "the call is over", async || proxy.calls()[0].ended).await;
    assert_eq!(proxy.calls()[0].fate, Fate::NotForwarded);
}
