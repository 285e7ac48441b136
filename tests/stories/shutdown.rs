//! SIGTERM: the process ends soon and in order, and what was under way is not lost. And what the probes say meanwhile.

use std::time::{Duration, Instant};

use dws_simulator::{Answer, Call as CloudCall, Fault};
use dws_testbed::{Action, Api as ApiSide, Call, Operator, Rule, Stage, wait};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::world::{CLUSTER, SOON, World, cluster, obs, operator_ready, probe};

/// How long Kubernetes may have to wait for the end.
const LIMIT: Duration = Duration::from_secs(5);
/// A lease that nobody would wait for.
const LONG_LEASE: &str = "--lease=5m";

/// Ends an operator, which has to be in order and in time.
async fn ends(operator: &Operator) -> Duration {
    let (status, took) = operator.terminate().await;
    assert!(status.success(), "{status}");
    assert!(took < LIMIT, "it took {took:?}");
    took
}

/// Waits until the cloud has a create that it has not answered.
async fn create_in_flight(world: &World<'_>) {
    let arrived = world
        .cloud
        .wait_log(SOON, |log| log.iter().any(|entry| entry.call == CloudCall::Create))
        .await;
    arrived.expect("a create arrives");
}

async fn holder(world: &World<'_>) -> Option<String> {
    let lease = world
        .api::<Lease>()
        .get("dws-operator")
        .await
        .expect("the Lease exists");
    lease
        .spec
        .and_then(|spec| spec.holder_identity)
        .filter(|holder| !holder.is_empty())
}

/// An idle operator ends at once and frees the lease, so that the next one, with another name, need not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_operator_frees_the_lease() {
    let world = World::new("shutdown-idle").await;
    world.with_provider().await;
    let first = world.operator().identity("a").args([LONG_LEASE]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let took = ends(&first).await;
    assert!(
        took < Duration::from_secs(3),
        "nothing was to be waited for, but it took {took:?}"
    );
    assert_eq!(holder(&world).await, None);

    let started = Instant::now();
    let _second = world.operator().identity("b").args([LONG_LEASE]).start().await;
    let mut more = obs("more");
    more.spec.cluster_id = cluster(1);
    world.create(&more).await;
    world.ready("more").await;
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "the lease was free, but it took {:?}",
        started.elapsed()
    );
    assert_eq!(world.calls(CloudCall::Create).len(), 2);
}

/// A create that is answered while the operator ends is recorded before it does, and its event published.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_answered_in_time_is_recorded() {
    let world = World::new("shutdown-answered").await;
    world.with_provider().await;
    let slow = Fault::on(CloudCall::Create, Answer::Genuine).delay_after(Duration::from_millis(1500));
    world.cloud.add_fault(slow);
    // Its event takes a while too.
    let is_event = |call: &Call| call.is(ApiSide::Kube, "POST", "/events") && call.request["reason"] == "Created";
    let delay = Rule::new(Stage::Before, Action::Delay(Duration::from_secs(1)), is_event);
    let event = world.namespace.proxy().on(delay);
    let mut operator = world.operator().args(["--write-deadline=3s"]).start().await;
    world.create(&obs("lake")).await;
    create_in_flight(&world).await;
    ends(&operator).await;
    let sources = world.cloud.sources(CLUSTER);
    let object = world.until("lake", "it is there", |_| true).await;
    assert_eq!(
        object.status.unwrap().id.as_deref(),
        Some(sources[0].id.as_str()),
        "the id is in the status"
    );
    assert_eq!(holder(&world).await, None, "no write is in flight any more");
    assert_eq!(event.matches(), 1);
    assert!(
        world.events("lake").await.contains(&"Created".to_owned()),
        "the event is published"
    );

    operator.restart().await;
    world.ready("lake").await;
    assert_eq!((world.posts("lake").len(), world.cloud.sources(CLUSTER).len()), (1, 1));
    assert!(
        !world.events("lake").await.contains(&"Recovered".to_owned()),
        "nothing was to be recovered"
    );
}

/// An edit that comes while the create is under way makes its verdict stale, not its result: the process that ends records the id all
/// the same, and the next one makes no second create.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_object_is_edited_meanwhile_is_recorded() {
    let world = World::new("shutdown-edited").await;
    world.with_provider().await;
    let flags = ["--write-deadline=20s", "--read-deadline=20s", "--lease=40s"];
    let mut operator = world.operator_with(&flags).start().await;
    let is_create = |call: &Call| call.is(ApiSide::Cloud, "POST", "/ext-data-sources");
    let held = Rule::new(Stage::Applied, Action::Hold, is_create);
    let mut held = world.namespace.proxy().on(held);
    world.create(&obs("lake")).await;
    held.reached(SOON).await;
    world.edit("lake", json!({"spec": {"description": "edited"}})).await;
    let is_stopping = async {
        wait::until(SOON, "it is told to stop", async || {
            operator.log().contains("stopping").then_some(())
        })
        .await;
        held.release();
    };
    let ((status, _), ()) = tokio::join!(operator.terminate(), is_stopping);
    assert!(status.success(), "{status}");
    let sources = world.cloud.sources(CLUSTER);
    let object = world.until("lake", "it is there", |_| true).await;
    assert_eq!(
        object.status.and_then(|status| status.id).as_ref(),
        Some(&sources[0].id),
        "the id is in the status"
    );
    operator.restart().await;
    world
        .until("lake", "the edit is seen", |object| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.observed_generation == Some(2))
        })
        .await;
    assert_eq!(world.posts("lake").len(), 1);
    let events = world.events("lake").await;
    assert!(!events.contains(&"Recovered".to_owned()), "nothing was to be recovered");
}

/// A create that is not answered in time does not hold the process up, and not the lease either: that stays until the create cannot
/// be on its way any more. The next start finds what was created.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_answered_too_late_is_recovered() {
    let world = World::new("shutdown-late").await;
    world.with_provider().await;
    let late = Fault::on(CloudCall::Create, Answer::Genuine).delay_after(Duration::from_secs(6));
    world.cloud.add_fault(late.times(1));
    let mut operator = world
        .operator()
        .args(["--write-deadline=8s", "--lease=20s"])
        .start()
        .await;
    world.create(&obs("lake")).await;
    create_in_flight(&world).await;
    let took = ends(&operator).await;
    assert!(
        took > Duration::from_secs(3),
        "the answer was waited for, but only {took:?}"
    );
    assert_eq!(
        holder(&world).await.as_deref(),
        Some("operator"),
        "nobody else may write while the create is in flight"
    );
    operator.restart().await;
    world.ready("lake").await;
    world.event("lake", "Recovered").await;
    assert_eq!((world.posts("lake").len(), world.cloud.sources(CLUSTER).len()), (1, 1));
}

/// A log that nobody reads takes none of the time that Kubernetes gives, not even after a create that was waited for in vain.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_does_not_hold_up_the_end() {
    let world = World::new("shutdown-unread").await;
    world.with_provider().await;
    let late = Fault::on(CloudCall::Create, Answer::Genuine).delay_after(Duration::from_secs(10));
    world.cloud.add_fault(late.times(1));
    let operator = world
        .operator()
        .args(["--write-deadline=12s", "--lease=30s"])
        .unread_output()
        .start()
        .await;
    world.create(&obs("lake")).await;
    create_in_flight(&world).await;
    ends(&operator).await;
}

/// Without the API server the operator ends as well: idle, as a standby, and when it has never reached it.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_api_server_does_not_hold_up_the_end() {
    let world = World::new("shutdown-blocked").await;
    world.with_provider().await;
    let (standbys, latecomers) = (world.namespace.another_proxy(), world.namespace.another_proxy());
    let leader = world.operator().identity("a").args([LONG_LEASE]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let standby = world.operator().identity("b").through(&standbys).start().await;
    operator_ready(&standby).await;
    latecomers.block(ApiSide::Kube, true);
    let latecomer = world.operator().identity("c").through(&latecomers).start().await;
    assert_eq!(probe(&latecomer, "/readyz").await.0, 503);
    world.namespace.proxy().block(ApiSide::Kube, true);
    standbys.block(ApiSide::Kube, true);
    for operator in [&leader, &standby, &latecomer] {
        ends(operator).await;
    }
}

/// An operator whose first list of data sources has not been answered ends as well.
#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_first_list_does_not_hold_up_the_end() {
    let world = World::new("shutdown-list").await;
    let is_list = |call: &Call| call.is(ApiSide::Kube, "GET", "/dwsdatasources");
    let mut list = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, is_list).always());
    let operator = world.operator().start().await;
    list.reached(SOON).await;
    let (status, text) = probe(&operator, "/readyz?verbose").await;
    assert!(
        status == 503 && text.contains("[-]watch of data sources failed"),
        "{status} {text}"
    );
    assert_eq!(probe(&operator, "/livez").await, (200, "ok\n".to_owned()));
    let took = ends(&operator).await;
    assert!(
        took < Duration::from_secs(3),
        "nothing was to be waited for, but it took {took:?}"
    );
}

/// A standby ends at once and leaves the lease alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_leaves_the_lease_alone() {
    let world = World::new("shutdown-standby").await;
    let others = world.namespace.another_proxy();
    let leader = world.operator().identity("a").start().await;
    operator_ready(&leader).await;
    let standby = world.operator().identity("b").through(&others).start().await;
    operator_ready(&standby).await;
    let took = ends(&standby).await;
    assert!(
        took < Duration::from_secs(3),
        "nothing was to be waited for, but it took {took:?}"
    );
    assert_eq!(holder(&world).await.as_deref(), Some("a"));
    assert_eq!(
        (probe(&leader, "/readyz").await.0, probe(&leader, "/livez").await.0),
        (200, 200)
    );
}

/// The API server is away for ten seconds while the cloud answers a create: the answer is kept and recorded afterwards, readiness
/// tells of the outage, and nothing is created twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_outlasts_an_outage_of_the_api_server() {
    const OUTAGE: Duration = Duration::from_secs(10);
    let world = World::new("shutdown-outage").await;
    world.with_provider().await;
    let proxy = world.namespace.proxy();
    let mut post = proxy.on(Rule::new(Stage::Applied, Action::Hold, |call| {
        call.is(ApiSide::Cloud, "POST", "/ext-data-sources")
    }));
    let operator = world.operator().args([LONG_LEASE]).start().await;
    operator_ready(&operator).await;
    world.create(&obs("lake")).await;
    post.reached(SOON).await;
    proxy.block(ApiSide::Kube, true);
    let began = Instant::now();
    post.release();
    wait::until(SOON, "the operator is not ready", async || {
        match probe(&operator, "/readyz").await {
            (503, _) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(probe(&operator, "/livez").await.0, 200, "a restart would not help");
    // The outage itself: it takes as long as it takes.
    tokio::time::sleep(OUTAGE.saturating_sub(began.elapsed())).await;
    proxy.block(ApiSide::Kube, false);
    let status = world.ready("lake").await.status.unwrap();
    operator_ready(&operator).await;
    let sources = world.cloud.sources(CLUSTER);
    assert_eq!((sources.len(), world.posts("lake").len()), (1, 1));
    assert_eq!(status.id.as_deref(), Some(sources[0].id.as_str()));
    assert!(
        !world.events("lake").await.contains(&"Recovered".to_owned()),
        "the answer was kept, nothing was to be recovered"
    );
}
