//! Retries: how soon, how often, and what does not change that.

use dws_operator::api::data_source::{Retry, RetryClass};
use dws_operator::api::{DwsDataSource, Reason};
use dws_simulator::{Answer, Call, Fault, LogEntry};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::world::{CLUSTER, SOON, World, cluster, obs, on_cluster};

/// The cloud's id of a request that failed.
const REQUEST_ID: &str = "5f0e2f4c1d7b4b0e8a6d3c2b1a090807";
/// The first and the longest wait of the stories.
const BACKOFF: (SignedDuration, SignedDuration) = (SignedDuration::from_millis(250), SignedDuration::from_secs(4));

/// What DWS answers when something that it needs was not found: a server failure that never ends.
fn never_found() -> Fault {
    let answer = Answer::error(500, "DWS.9999", "System error: the agency is not found.");
    Fault::on(Call::Create, answer.header("X-Request-Id", REQUEST_ID))
}

fn retry(object: &DwsDataSource) -> Option<&Retry> {
    object.status.as_ref()?.retry.as_ref()
}

/// Waits until so many creates were sent, and returns when.
async fn posts(world: &World<'_>, name: &str, count: usize) -> Vec<Timestamp> {
    let of_name = |log: &[LogEntry]| -> Vec<Timestamp> {
        log.iter()
            .filter(|entry| entry.call == Call::Create && entry.name.as_deref() == Some(name) && entry.status.is_some())
            .map(|entry| entry.time)
            .collect()
    };
    let log = world.cloud.wait_log(SOON, |log| of_name(log).len() >= count).await;
    of_name(&log.unwrap_or_else(|timeout| panic!("{name}: {count} creates: {timeout}")))
}

/// Every `status.retry` that the operator wrote, oldest first.
fn retries(world: &World<'_>, name: &str) -> Vec<Retry> {
    let versions = world.namespace.recorder().versions("DwsDataSource", name);
    let mut retries: Vec<Retry> = versions
        .into_iter()
        .filter_map(|version| serde_json::from_value(version.object["status"]["retry"].clone()).ok())
        .collect();
    retries.dedup();
    retries
}

/// A failure that never ends is retried within seconds, ever more slowly, each object in its own rhythm, and the status tells when
/// and why.
#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_server_error_is_retried_ever_more_slowly() {
    const TRIES: usize = 6;
    let world = World::new("retry-permanent").await;
    world.with_provider().await;
    let unavailable = Answer::error(503, "DWS.0005", "Server failure.").header("X-Request-Id", REQUEST_ID);
    world.cloud.add_fault(never_found().name("broken"));
    world.cloud.add_fault(Fault::on(Call::Create, unavailable).name("down"));
    let _operator = world.operator().start().await;
    for (number, name) in ["broken", "down"].into_iter().enumerate() {
        let mut source = obs(name);
        source.spec.cluster_id = cluster(number);
        world.create(&source).await;
    }
    let mut fractions = Vec::new();
    for (name, code) in [("broken", "DWS.9999"), ("down", "DWS.0005")] {
        let sent = posts(&world, name, TRIES).await;
        let object = world
            .until(name, "the last try is told", |object| {
                retry(object).is_some_and(|retry| retry.attempts >= 6)
            })
            .await;
        let told = retry(&object).unwrap();
        assert_eq!(told.class, RetryClass::Transient);
        assert_eq!(
            (told.last_error_code.as_deref(), told.last_request_id.as_deref()),
            (Some(code), Some(REQUEST_ID))
        );
        world.reconciling(name, Reason::Retrying).await;

        let told = retries(&world, name);
        let mut full = BACKOFF.0;
        for (try_, retry) in told.iter().take(TRIES).enumerate() {
            assert_eq!(
                retry.attempts,
                i32::try_from(try_).unwrap() + 1,
                "{name}: every try is told"
            );
            assert_eq!(retry.since, told[0].since, "{name}: the beginning of the trouble stays");
            // The wait is told in the status; it was counted from the answer, shortly after the request.
            let wait = retry.next_retry_time.duration_since(sent[try_]);
            assert!(
                wait >= full / 2,
                "{name}: wait {try_} is {wait:#}, less than half of {full:#}"
            );
            assert!(
                wait <= full + SignedDuration::from_secs(1),
                "{name}: wait {try_} is {wait:#}, more than {full:#}"
            );
            if let Some(next) = sent.get(try_ + 1) {
                assert!(
                    *next >= retry.next_retry_time,
                    "{name}: try {try_} came before its time"
                );
            }
            fractions.push(wait.as_secs_f64() / full.as_secs_f64());
            full = (full * 2).min(BACKOFF.1);
        }
    }
    let spread =
        fractions.iter().copied().fold(f64::MIN, f64::max) - fractions.iter().copied().fold(f64::MAX, f64::min);
    assert!(spread > 0.05, "the waits are spread: {fractions:?}");
    assert_eq!(world.effective(Call::Create), 0);

    world.cloud.clear_faults();
    for name in ["broken", "down"] {
        assert_eq!(
            retry(&world.ready(name).await),
            None,
            "{name}: nothing is left to retry"
        );
    }
    assert_eq!((world.effective(Call::Create), world.calls(Call::Delete).len()), (2, 0));
}

/// A restart of the operator does not send the create before its time, and forgets no failure.
#[tokio::test(flavor = "multi_thread")]
async fn the_backoff_survives_a_restart() {
    let world = World::new("retry-restart").await;
    world.with_provider().await;
    world.cloud.add_fault(never_found().times(2));
    let mut operator = world
        .operator()
        .args(["--backoff-min=8s", "--backoff-max=16s", "--busy-max=16s"])
        .start()
        .await;
    world.create(&obs("lake")).await;
    let object = world
        .until("lake", "the first failure is told", |object| retry(object).is_some())
        .await;
    let first = retry(&object).unwrap().clone();
    operator.restart().await;
    let sent = posts(&world, "lake", 2).await;
    assert!(
        sent[1] >= first.next_retry_time,
        "{} is before {}",
        sent[1],
        first.next_retry_time
    );
    let object = world
        .until("lake", "the second failure is told", |object| {
            retry(object).is_some_and(|retry| retry.attempts == 2)
        })
        .await;
    let second = retry(&object).unwrap();
    assert_eq!(second.since, first.since);
    operator.restart().await;
    world.ready("lake").await;
    let sent = posts(&world, "lake", 3).await;
    assert!(
        sent[2] >= second.next_retry_time,
        "{} is before {}",
        sent[2],
        second.next_retry_time
    );
    assert_eq!((sent.len(), world.cloud.sources(CLUSTER).len()), (3, 1));
}

/// Whoever corrects the spec does not wait for the backoff of the old one.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_spec_is_tried_at_once() {
    let world = World::new("retry-edit").await;
    world.with_provider().await;
    world.cloud.add_fault(never_found().times(1));
    let slow = ["--backoff-min=5m", "--backoff-max=10m", "--busy-max=10m"];
    let _operator = world.operator().args(slow).start().await;
    world.create(&obs("lake")).await;
    let object = world
        .until("lake", "the failure is told", |object| retry(object).is_some())
        .await;
    let told = retry(&object).unwrap().clone();
    world.edit("lake", json!({"spec": {"userName": "DWSAccessLake"}})).await;
    assert_eq!(retry(&world.ready("lake").await), None);
    let sent = posts(&world, "lake", 2).await;
    assert!(
        sent[1] < told.next_retry_time,
        "the edit does not wait until {}",
        told.next_retry_time
    );
    assert_eq!(world.cloud.sources(CLUSTER)[0].user_name, "DWSAccessLake");
    assert_eq!(sent.len(), 2);
}

/// Whatever else happens to the object, the next create is not sent before it is due, unless its spec changes.
#[tokio::test(flavor = "multi_thread")]
async fn other_changes_of_the_object_do_not_shorten_the_backoff() {
    let world = World::new("retry-labels").await;
    world.with_provider().await;
    world.cloud.add_fault(never_found().times(1));
    let slow = ["--backoff-min=5m", "--backoff-max=10m", "--busy-max=10m"];
    let _operator = world.operator_with(&slow).start().await;
    world.create(&obs("lake")).await;
    let object = world
        .until("lake", "the failure is told", |object| retry(object).is_some())
        .await;
    let told = retry(&object).unwrap().clone();
    let finalizers = object.metadata.finalizers.clone().unwrap();
    let more: Vec<_> = finalizers
        .iter()
        .cloned()
        .chain(["example.com/other".to_owned()])
        .collect();
    for round in 0..5 {
        let labels = json!({"metadata": {"labels": {"round": round.to_string()}, "finalizers": more}});
        world.edit("lake", labels).await;
        let annotations =
            json!({"metadata": {"annotations": {"example.com/round": round.to_string()}, "finalizers": finalizers}});
        world.edit("lake", annotations).await;
    }
    // The object of another cluster shows that the operator is at work meanwhile.
    world.create(&on_cluster(1, obs("other"))).await;
    world.ready("other").await;
    assert_eq!(
        retry(&world.reconciling("lake", Reason::Retrying).await),
        Some(&told),
        "nothing has changed"
    );
    assert_eq!(world.posts("lake").len(), 1);
    world.edit("lake", json!({"spec": {"userName": "DWSAccessLake"}})).await;
    world.ready("lake").await;
    assert_eq!(world.posts("lake").len(), 2);
}

/// How long DWS asks to wait is obeyed also where it says so with a server failure, whose effect nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_failure_that_asks_to_wait_is_obeyed() {
    let wait = SignedDuration::from_secs(9);
    let world = World::new("retry-after").await;
    world.with_provider().await;
    let unavailable = Answer::error(503, "DWS.0005", "Server failure.");
    let unavailable = unavailable.header("Retry-After", &wait.as_secs().to_string());
    world.cloud.add_fault(Fault::on(Call::Create, unavailable).times(1));
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    let sent = posts(&world, "lake", 2).await;
    let waited = sent[1].duration_since(sent[0]);
    assert!(waited >= wait, "the next create came after {waited:#}");
    world.ready("lake").await;
    assert_eq!((world.effective(Call::Create), sent.len()), (1, 2));
}
