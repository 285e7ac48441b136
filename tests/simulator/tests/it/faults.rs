//! How faults match, and faults that hide, delay or break an exchange.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use dws_simulator::{Answer, Body, Call, Disconnect, Fault, SourceSeed};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{
    CLUSTER, Client, OTHER_CLUSTER, PATIENCE, instant, obs, simulator, sources_path, success, verdict,
};

/// Sends an unsigned list over a connection of its own.
async fn raw_list(client: &Client) -> TcpStream {
    let host = client.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", sources_path(CLUSTER));
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn try_create(client: &Client) -> reqwest::Result<reqwest::Response> {
    client
        .try_call(Method::POST, &sources_path(CLUSTER), Some(&obs("a")))
        .await
}

#[tokio::test]
async fn faults_match_by_call_cluster_name_and_count() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let fault = Fault::on(Call::Create, Answer::error(503, "DWS.0005", "Server failure."));
    let id = admin.add_fault(fault.cluster(CLUSTER).name("bad").skip(1).times(1));
    let failure = (503, "DWS.0005".to_owned());
    client.created(OTHER_CLUSTER, &obs("bad")).await;
    let (source, job_id) = client.created(CLUSTER, &obs("bad")).await;
    client.created(CLUSTER, &obs("good")).await;
    assert_eq!(verdict(client.create(CLUSTER, &obs("bad")).await).await, failure);
    assert_eq!(
        verdict(client.create(CLUSTER, &obs("bad")).await).await,
        (400, "DWS.0031".to_owned())
    );
    assert_eq!(admin.fault_hits(id), 1);

    // Calls that carry only an id match by the name behind it.
    admin.add_fault(Fault::any(Answer::error(503, "DWS.0005", "Server failure.")).name("bad"));
    success(client.call(Method::GET, &sources_path(CLUSTER), None).await).await;
    assert_eq!(verdict(client.job(&job_id).await).await, failure);
    assert_eq!(
        verdict(client.update(CLUSTER, &source, &json!({"reconfigure": {}})).await).await,
        failure
    );
    assert_eq!(verdict(client.delete(CLUSTER, &source).await).await, failure);
    admin.clear_faults();
    success(client.job(&job_id).await).await;
    assert_eq!(admin.fault_hits(id), 1);
}

#[tokio::test]
async fn a_fault_can_hide_an_effect_or_prevent_it() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let failure = Answer::error(500, "DWS.9999", "Internal error.");
    admin.add_fault(Fault::on(Call::Create, failure.clone()).times(1));
    assert_eq!(verdict(client.create(CLUSTER, &obs("a")).await).await.0, 500);
    assert!(admin.sources(CLUSTER).is_empty());
    admin.add_fault(Fault::on(Call::Create, failure).times(1).applied());
    assert_eq!(verdict(client.create(CLUSTER, &obs("a")).await).await.0, 500);
    assert_eq!(admin.sources(CLUSTER).len(), 1);
    let effects: Vec<_> = admin
        .log()
        .iter()
        .map(|entry| (entry.took_effect, entry.status))
        .collect();
    assert_eq!(effects, [(false, Some(500)), (true, Some(500))]);
    assert_eq!(admin.log()[1].id, Some(admin.sources(CLUSTER)[0].id.clone()));
}

#[tokio::test]
async fn a_connection_is_closed_or_reset_without_an_answer() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::any(Answer::Drop(Disconnect::Close)).times(1));
    let mut answer = Vec::new();
    assert_eq!(raw_list(&client).await.read_to_end(&mut answer).await.unwrap(), 0);
    admin.add_fault(Fault::any(Answer::Drop(Disconnect::Reset)).times(1));
    let error = raw_list(&client).await.read_to_end(&mut answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(answer.is_empty());
    assert!(admin.log().iter().all(|entry| entry.status.is_none()));
}

#[tokio::test]
async fn a_connection_breaks_before_or_after_the_effect() {
    let (_simulator, admin, client) = simulator(instant()).await;
    for how in [Disconnect::Close, Disconnect::Reset] {
        admin.add_fault(Fault::on(Call::Create, Answer::Drop(how)).times(1));
        assert!(try_create(&client).await.is_err());
        assert!(admin.sources(CLUSTER).is_empty());
    }
    admin.add_fault(
        Fault::on(Call::Create, Answer::Drop(Disconnect::Reset))
            .times(1)
            .applied(),
    );
    assert!(try_create(&client).await.is_err());
    assert_eq!(admin.sources(CLUSTER).len(), 1);
}

#[tokio::test]
async fn an_effect_comes_after_the_answer_is_lost() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let fault = Fault::on(Call::Create, Answer::Drop(Disconnect::Reset)).times(1);
    admin.add_fault(fault.applied_late(Duration::from_millis(500)));
    assert!(try_create(&client).await.is_err());
    let log = admin.wait_log(PATIENCE, |log| log[0].took_effect).await.unwrap();
    assert!(jiff::Timestamp::now().duration_since(log[0].time).unsigned_abs() >= Duration::from_millis(500));
    assert_eq!(log[0].status, None);
    assert_eq!(admin.sources(CLUSTER).len(), 1);
}

#[tokio::test]
async fn delays_come_before_and_after_the_effect() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(
        Fault::any(Answer::Genuine)
            .times(1)
            .delay_before(Duration::from_millis(200)),
    );
    let begin = Instant::now();
    success(client.call(Method::GET, &sources_path(CLUSTER), None).await).await;
    assert!(begin.elapsed() >= Duration::from_millis(200));

    admin.add_fault(
        Fault::on(Call::Create, Answer::Genuine)
            .times(1)
            .delay_after(Duration::from_hours(1)),
    );
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { try_create(&client).await }
    });
    let log = admin
        .wait_log(PATIENCE, |log| log.last().unwrap().took_effect)
        .await
        .unwrap();
    assert_eq!(log.last().unwrap().status, None);
    assert_eq!(admin.sources(CLUSTER).len(), 1);
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_an_effect() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(
        Fault::on(Call::Create, Answer::Genuine)
            .times(1)
            .delay_before(Duration::from_millis(500)),
    );
    let request = tokio::spawn({
        let client = client.clone();
        async move { try_create(&client).await }
    });
    admin.wait_log(PATIENCE, |log| !log.is_empty()).await.unwrap();
    request.abort();
    admin.wait_log(PATIENCE, |log| log[0].took_effect).await.unwrap();
    assert_eq!(admin.sources(CLUSTER).len(), 1);
}

#[tokio::test]
async fn a_hanging_call_ends_with_the_client_or_the_simulator() {
    let (simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::on(Call::List, Answer::Hang));
    let mut stream = raw_list(&client).await;
    admin.wait_log(PATIENCE, |log| !log.is_empty()).await.unwrap();
    client.created(CLUSTER, &obs("a")).await;
    let mut answer = [0; 1];
    let waited = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut answer)).await;
    assert!(waited.is_err(), "{waited:?}");
    drop(simulator);
    let end = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert!(client.try_call(Method::GET, "/v3/projects", None).await.is_err());
}

#[tokio::test]
async fn a_truncated_answer_breaks_off_in_its_body() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::on(Call::Create, Answer::Truncated).times(1));
    let mut response = client.create(CLUSTER, &obs("a")).await;
    assert_eq!(response.status(), 200);
    let promised = response.content_length().unwrap();
    let half = response.chunk().await.unwrap().unwrap();
    assert!(half.starts_with(b"{") && (half.len() as u64) < promised, "{half:?}");
    assert!(response.chunk().await.is_err());
    assert_eq!(admin.sources(CLUSTER).len(), 1);
}

#[tokio::test]
async fn an_answer_can_drip_byte_by_byte() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::any(Answer::Genuine).times(1).drip(Duration::from_hours(1)));
    let mut stream = raw_list(&client).await;
    let mut answer = [0; 64];
    assert_eq!(stream.read(&mut answer).await.unwrap(), 1);
    assert_eq!(answer[0], b'H');
    let waited = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut answer)).await;
    assert!(waited.is_err(), "{waited:?}");

    admin.add_fault(
        Fault::any(Answer::error(503, "DWS.0005", "Slow."))
            .times(1)
            .drip(Duration::from_millis(1)),
    );
    assert_eq!(
        verdict(client.create(CLUSTER, &obs("a")).await).await,
        (503, "DWS.0005".to_owned())
    );
    client.created(CLUSTER, &obs("a")).await;
}

#[tokio::test]
async fn faults_on_jobs_and_lists_leave_the_cloud_as_it_is() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let id = admin.put_source(CLUSTER, SourceSeed::default());
    admin.add_fault(Fault::on(Call::List, Answer::with_body(502, Body::Html)).times(1));
    assert_eq!(
        client.call(Method::GET, &sources_path(CLUSTER), None).await.status(),
        502
    );
    admin.add_fault(Fault::on(Call::Delete, Answer::error(404, "DWS.0022", "Not found.")).times(1));
    assert_eq!(
        verdict(client.delete(CLUSTER, &id).await).await,
        (404, "DWS.0022".to_owned())
    );
    assert_eq!(
        client.list(CLUSTER, "OBS").await["data_sources"][0]["configure_status"],
        "200"
    );
}

#[tokio::test]
#[should_panic(expected = "is no final HTTP status")]
async fn an_impossible_fault_is_refused_at_once() {
    let (_simulator, admin, _) = simulator(instant()).await;
    admin.add_fault(Fault::any(Answer::error(100, "DWS.0005", "Continue.")));
}
