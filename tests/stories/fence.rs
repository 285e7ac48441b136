//! A create that had to wait for its turn is held against the lease once more before it goes out.

use dws_testbed::{Action, Api as Side, Call, Rule, Stage, wait};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::world::{CLUSTER, SOON, World, is_renewal, obs, on_cluster, operator_ready};

/// How long the Lease lasts.
const TERM: SignedDuration = SignedDuration::from_secs(14);
/// What must be left of it for a create to go out: the write deadline and the margin.
const FLOOR: SignedDuration = SignedDuration::from_secs(10);
/// How many calls the operator has under way with one credential.
const AT_ONCE: usize = 32;

/// The lease covers a create when it is decided on. Then the create waits behind as many slow calls as may be under way with its
/// credential, and the lease cannot be renewed: when its turn comes too little is left, and it is not sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_turn_comes_too_late_is_not_sent() {
    let world = World::new("fence").await;
    world.with_provider().await;
    let flags = ["--lease=14s", "--write-deadline=9s", "--read-deadline=60s"];
    let mut operator = world.operator_with(&flags).start().await;
    operator_ready(&operator).await;
    let proxy = world.namespace.proxy();
    let is_intent = |call: &Call| call.is(Side::Kube, "PATCH", "/dwsdatasources/lake");
    let mut intent = proxy.on(Rule::new(Stage::Applied, Action::Hold, is_intent));
    world.create(&obs("lake")).await;
    intent.reached(SOON).await;
    let is_slow = |call: &Call| call.is(Side::Cloud, "GET", "/ext-data-sources") && !call.path.contains(CLUSTER);
    let mut slow = proxy.on(Rule::new(Stage::Before, Action::Hold, is_slow).always());
    join_all((0..AT_ONCE).map(async |n| {
        world.create(&on_cluster(n, obs(&format!("slow-{n}")))).await;
    }))
    .await;
    for _ in 0..AT_ONCE {
        slow.reached(SOON).await;
    }
    let is_renewed = |call: &Call| is_renewal(call) && call.status == Some(200);
    let renewed = |calls: &[Call]| -> Timestamp {
        let last = calls.iter().rfind(|call| is_renewed(call));
        last.expect("the lease was renewed").started
    };
    intent.release();
    wait::until(SOON, "the create is begun", async || {
        operator.log().contains("creating a data source").then_some(())
    })
    .await;
    proxy
        .wait_calls(SOON, "the first renewal", |calls| calls.iter().any(is_renewed))
        .await;
    let not_renewed = proxy.on(Rule::new(Stage::Before, Action::Cut, is_renewal).always());
    let is_short = |calls: &[Call]| {
        let last = calls.iter().rfind(|call| is_renewal(call));
        last.is_some_and(|last| last.started > renewed(calls) + (TERM - FLOOR))
    };
    proxy.wait_calls(SOON, "the lease runs out", is_short).await;
    slow.release();
    let status = operator.exited(SOON).await;
    assert!(!status.success(), "{status}");
    assert_eq!(world.posts("lake").len(), 0, "the lease does not cover it any more");

    drop(not_renewed);
    operator.restart().await;
    world.ready("lake").await;
    assert_eq!(world.posts("lake").len(), 1);
    assert_eq!(world.cloud.sources(CLUSTER).len(), 1);
}
