//! What lists that lag, lack something or fail prove about a data source that was created, and what they do not.

use std::time::Duration;

use dws_operator::api::{DwsDataSource, Reason};
use dws_simulator::{Answer, Call, Fault, LogEntry};
use dws_testbed::{Api as Side, Call as Passed};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::world::{ON_ITS_WAY, SOON, World, cluster, message, obs, on_cluster};

/// How many failed lists in a row leave a Ready object alone.
const HARMLESS: u64 = 4;

/// A new data source that does not show in the list yet is waited for, however many lists lack it: it is never created again, and is
/// Ready soon after it shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_lags_behind_the_create_is_no_loss() {
    let world = World::new("lists-lag").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.list_lag = Duration::from_mins(10));
    let mut operator = world.operator_with(&["--list-lag=10m"]).start().await;
    for (n, name) in ["lake", "restarted"].into_iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
        let is_hidden = |object: &DwsDataSource| message(object).contains("does not show in the list yet");
        let status = world.until(name, "the lag is told", is_hidden).await.status.unwrap();
        if name == "restarted" {
            // What one process knows of the time of the create, the next one does not.
            operator.kill().await;
            operator.restart().await;
        }
        // Two of them are a --gone-gap apart and more.
        world.lists_later(6).await;
        let shows = world.cloud.edit_source(&cluster(n), &status.id.unwrap(), |source| {
            source.visible_from = Timestamp::now();
        });
        assert!(shows, "{name}");
        world.ready(name).await;
        assert_eq!(world.posts(name).len(), 1, "{name}");
        let events = world.events(name).await;
        assert!(!events.contains(&"ExternallyDeleted".to_owned()), "{name}: {events:?}");
    }
}

/// The lists of a cluster that the cloud answered, with whether they show anything.
fn lists<'c>(calls: &'c [Passed], cluster: &str) -> Vec<(&'c Passed, bool)> {
    let path = format!("{cluster}/ext-data-sources");
    let answered = |call: &&Passed| call.is(Side::Cloud, "GET", &path) && call.status == Some(200);
    let shows = |call: &Passed| {
        let sources = call.response_json().unwrap()["data_sources"].clone();
        !sources.as_array().unwrap().is_empty()
    };
    calls.iter().filter(answered).map(|call| (call, shows(call))).collect()
}

/// Whether a call writes that a data source is gone: a status without the id that it had.
fn forgets_the_id(call: &Passed) -> bool {
    let written = |operation: &Value| operation["path"] == "/status" && operation["value"]["id"].is_null();
    let patch = call.request.as_array();
    call.is(Side::Kube, "PATCH", "/status")
        && patch.is_some_and(|operations| operations.iter().any(written))
        && call.request.to_string().contains("is gone from the cloud")
}

/// What somebody deleted in the cloud is created again once: after two lists a gap apart, both well after the operator's last write.
#[tokio::test(flavor = "multi_thread")]
async fn two_lists_well_after_the_last_write_prove_a_loss() {
    const LIST_LAG: SignedDuration = SignedDuration::from_secs(6);
    const GONE_GAP: SignedDuration = SignedDuration::from_secs(4);
    let world = World::new("lists-gone").await;
    world.with_provider().await;
    let flags = ["--list-lag=6s", "--gone-gap=4s", "--resync-period=1s"];
    let _operator = world.operator_with(&flags).start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let id = world.ready("lake").await.status.unwrap().id.expect("an id");
    assert!(world.cloud.remove_source(&cluster(0), &id));
    world.ready_anew("lake", &id).await;
    world.event("lake", "ExternallyDeleted").await;
    world.lists_later(4).await;
    assert_eq!(
        (world.posts("lake").len(), world.cloud.sources(&cluster(0)).len()),
        (2, 1)
    );

    let calls = world.namespace.proxy().calls();
    let posts: Vec<_> = calls
        .iter()
        .filter(|call| call.is(Side::Cloud, "POST", "/ext-data-sources"))
        .collect();
    let given_up: Vec<_> = calls.iter().filter(|call| forgets_the_id(call)).collect();
    assert_eq!(given_up.len(), 1, "{given_up:?}");
    let counts_from = posts[0].ended.unwrap() + LIST_LAG - ON_ITS_WAY;
    let proof: Vec<_> = lists(&calls, &cluster(0))
        .into_iter()
        .filter(|(list, shows)| !shows && list.started >= counts_from && list.seq < given_up[0].seq)
        .map(|(list, _)| list.started)
        .collect();
    let apart = proof.last().expect("a list that counts").duration_since(proof[0]);
    assert!(
        apart >= GONE_GAP - ON_ITS_WAY,
        "two lists that count, {GONE_GAP:#} apart: {proof:?}"
    );
}

/// Four failed lists in a row leave a Ready object alone, again and again; the fifth turns it.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_fifth_failure_in_a_row_is_told() {
    let world = World::new("lists-flap").await;
    world.with_provider().await;
    let flags = ["--ready-grace=10m", "--backoff-max=500ms", "--resync-period=1s"];
    let _operator = world.operator_with(&flags).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let fails = |times| {
        let failure = Answer::error(503, "DWS.0005", "Server failure.");
        world.cloud.add_fault(Fault::on(Call::List, failure).times(times))
    };
    for _ in 0..2 {
        let fault = fails(HARMLESS);
        let is_over = |log: &[LogEntry]| {
            let last = log.iter().rev().find(|entry| entry.call == Call::List);
            let hits = log.iter().filter(|entry| entry.fault == Some(fault)).count();
            hits as u64 == HARMLESS && last.is_some_and(|list| list.fault.is_none() && list.status == Some(200))
        };
        world.cloud.wait_log(SOON, is_over).await.expect("it goes on comparing");
    }
    // By the next comparison the object has been told of everything before.
    world.lists_later(1).await;
    assert_eq!(world.flips("lake"), 0, "a short trouble is not told");

    let fault = fails(HARMLESS + 1);
    let object = world.reconciling("lake", Reason::Retrying).await;
    assert_eq!(world.cloud.fault_hits(fault), HARMLESS + 1);
    assert_eq!(
        object.status.unwrap().retry.unwrap().last_error_code.as_deref(),
        Some("DWS.0005")
    );
    world.ready("lake").await;
    assert!(world.flips("lake") > 0);
    assert_eq!(world.calls(Call::Create).len(), 1);
}
