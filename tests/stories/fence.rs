//! A write that had to wait for its turn is held against the lease once more before it goes out.

use dws_simulator::Call as CloudCall;
use dws_testbed::{Action, Api as Side, Call, Hit, Operator, Rule, Stage, wait};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::world::{CLUSTER, SOON, World, is_renewal, obs, on_cluster, operator_ready};

/// How long the Lease lasts.
const TERM: SignedDuration = SignedDuration::from_secs(14);
/// What must be left of it for a write to go out: the write deadline and the margin.
const FLOOR: SignedDuration = SignedDuration::from_secs(10);
/// How many calls the operator has under way with one credential.
const AT_ONCE: usize = 32;

/// What the log says of a call that waits for others of its credential to end.
const WAITS: &str = "a call waits until fewer are under way";

/// The waits: a lease that covers a write for a few seconds; and a log that tells which calls wait.
const FLAGS: [&str; 4] = [
    "--lease=14s",
    "--write-deadline=9s",
    "--read-deadline=60s",
    "--log-level=info,dws_operator::cloud::limits=debug",
];

/// Lets `held` go, which a write follows, when as many slow calls are under way as may be with one credential; `is_call` is whether `held` is
/// one of them until then. The lease cannot be renewed, and the slow calls end when it does not cover the write any more.
async fn comes_too_late(world: &World<'_>, operator: &Operator, held: Hit, is_call: bool, begun: &str) {
    let proxy = world.namespace.proxy();
    let is_slow = |call: &Call| call.is(Side::Cloud, "GET", "/ext-data-sources") && !call.path.contains(CLUSTER);
    let mut slow = proxy.on(Rule::new(Stage::Before, Action::Hold, is_slow).always());
    join_all((0..AT_ONCE).map(async |n| {
        world.create(&on_cluster(n, obs(&format!("slow-{n}")))).await;
    }))
    .await;
    let beside = AT_ONCE - usize::from(is_call);
    for _ in 0..beside {
        slow.reached(SOON).await;
    }
    if is_call {
        // One is next in line for the call that is held: the write comes after it.
        wait::until(SOON, WAITS, async || {
            operator.log().contains(WAITS).then_some(()).ok_or(())
        })
        .await;
    }
    held.release();
    for _ in beside..AT_ONCE {
        slow.reached(SOON).await;
    }
    wait::until(SOON, begun, async || {
        operator.log().contains(begun).then_some(()).ok_or(())
    })
    .await;
    let is_renewed = |call: &Call| is_renewal(call) && call.status == Some(200);
    let renewed = |calls: &[Call]| -> Timestamp {
        let last = calls.iter().rfind(|call| is_renewed(call));
        last.expect("the lease was renewed").started
    };
    proxy
        .wait_calls(SOON, "the first renewal", |calls| calls.iter().any(is_renewed))
        .await;
    let _not_renewed = proxy.on(Rule::new(Stage::Before, Action::Cut, is_renewal).always());
    let is_short = |calls: &[Call]| {
        let last = calls.iter().rfind(|call| is_renewal(call));
        last.is_some_and(|last| last.started > renewed(calls) + (TERM - FLOOR))
    };
    proxy.wait_calls(SOON, "the lease runs out", is_short).await;
    slow.release();
    let status = operator.exited(SOON).await;
    assert!(!status.success(), "{status}");
}

/// The lease covers a create when it is decided on. When its turn comes too little is left, and it is not sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_turn_comes_too_late_is_not_sent() {
    let world = World::new("fence").await;
    world.with_provider().await;
    let mut operator = world.operator_with(&FLAGS).start().await;
    operator_ready(&operator).await;
    let is_intent = |call: &Call| call.is(Side::Kube, "PATCH", "/dwsdatasources/lake");
    let proxy = world.namespace.proxy();
    let mut intent = proxy.on(Rule::new(Stage::Applied, Action::Hold, is_intent));
    world.create(&obs("lake")).await;
    intent.reached(SOON).await;
    comes_too_late(&world, &operator, intent, false, "creating a data source").await;
    assert_eq!(world.posts("lake").len(), 0, "the lease does not cover it any more");

    operator.restart().await;
    world.ready("lake").await;
    assert_eq!(world.posts("lake").len(), 1);
    assert_eq!(world.cloud.sources(CLUSTER).len(), 1);
}

/// Nor is a delete.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_whose_turn_comes_too_late_is_not_sent() {
    let world = World::new("fence").await;
    world.with_provider().await;
    let mut operator = world.operator_with(&FLAGS).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let is_list = |call: &Call| call.is(Side::Cloud, "GET", CLUSTER);
    let proxy = world.namespace.proxy();
    let mut list = proxy.on(Rule::new(Stage::Applied, Action::Hold, is_list));
    world.delete("lake").await;
    list.reached(SOON).await;
    comes_too_late(&world, &operator, list, true, "deleting a data source").await;
    assert_eq!(
        world.calls(CloudCall::Delete),
        [],
        "the lease does not cover it any more"
    );

    operator.restart().await;
    world.gone("lake").await;
    assert_eq!(world.calls(CloudCall::Delete).len(), 1);
}
