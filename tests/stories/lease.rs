//! Two operators: one works, the other takes over, and no create goes out that the lease does not cover.

use std::time::{Duration, Instant};

use dws_operator::api::DwsDataSource;
use dws_operator::api::intent::{self, INTENT_ANNOTATION};
use dws_simulator::{Call as CloudCall, DuplicateNames};
use dws_testbed::{Action, Api as ApiSide, Call, Rule, Stage, wait};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::world::{CLUSTER, SOON, World, is_renewal, obs, operator_ready, probe};

/// The name of the Lease.
const LEASE: &str = "dws-operator";

fn is_create(call: &Call) -> bool {
    call.is(ApiSide::Cloud, "POST", "/ext-data-sources")
}

fn is_intent(call: &Call) -> bool {
    call.is(ApiSide::Kube, "PATCH", "/dwsdatasources/")
        && !call.request["metadata"]["annotations"][INTENT_ANNOTATION].is_null()
}

/// Waits until this replica holds the Lease.
async fn leads(world: &World<'_>, identity: &str) {
    let leases = world.api::<Lease>();
    wait::until(SOON * 2, &format!("{identity} leads"), async || {
        let holder = leases
            .get_opt(LEASE)
            .await
            .ok()
            .flatten()
            .and_then(|lease| lease.spec?.holder_identity);
        if holder.as_deref() == Some(identity) {
            Ok(())
        } else {
            Err(holder)
        }
    })
    .await;
}

/// Ready, with one data source in the cloud that is the recorded one.
async fn is_whole(world: &World<'_>, name: &str) -> DwsDataSource {
    let object = world.ready(name).await;
    wait::until(SOON, "one data source is left", async || {
        let sources = world.cloud.sources(CLUSTER);
        if sources.len() == 1 { Ok(()) } else { Err(sources) }
    })
    .await;
    let id = object.status.as_ref().and_then(|status| status.id.clone());
    assert_eq!(id.as_deref(), Some(world.cloud.sources(CLUSTER)[0].id.as_str()));
    object
}

/// The standby is ready, and reads nothing but the Lease.
#[tokio::test(flavor = "multi_thread")]
async fn one_works_and_the_other_stands_by() {
    let world = World::new("lease-two").await;
    world.with_provider().await;
    let others = world.namespace.another_proxy();
    let a = world.operator().identity("a").start().await;
    leads(&world, "a").await;
    let b = world.operator().identity("b").through(&others).start().await;
    operator_ready(&b).await;
    let renewals = |calls: &[Call]| {
        calls
            .iter()
            .filter(|call| call.is(ApiSide::Kube, "GET", "/leases/"))
            .count()
    };
    world.create(&obs("lake")).await;
    let object = is_whole(&world, "lake").await;
    assert_eq!(intent::of(&object).unwrap().holder, "a");
    let seen = renewals(&others.calls());
    let calls = others
        .wait_calls(SOON, "the standby looks again", |calls| renewals(calls) >= seen + 3)
        .await;
    let strange: Vec<_> = calls
        .iter()
        .filter(|call| !call.is(ApiSide::Kube, "GET", "/leases/"))
        .collect();
    assert!(strange.is_empty(), "a standby only reads the Lease: {strange:?}");
    assert_eq!((probe(&a, "/readyz").await.0, probe(&b, "/readyz").await.0), (200, 200));
    assert_eq!(world.posts("lake").len(), 1);
}

/// The leader dies between the cloud's effect and its answer; the other finds what was created and takes it over.
#[tokio::test(flavor = "multi_thread")]
async fn the_standby_finishes_the_create_of_a_killed_leader() {
    let world = World::new("lease-kill").await;
    world.with_provider().await;
    let mut post = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Applied, Action::Hold, is_create));
    let a = world.operator().identity("a").start().await;
    leads(&world, "a").await;
    let others = world.namespace.another_proxy();
    let _b = world.operator().identity("b").through(&others).start().await;
    world.create(&obs("lake")).await;
    post.reached(SOON).await;
    a.kill().await;
    drop(post);
    leads(&world, "b").await;
    is_whole(&world, "lake").await;
    world.event("lake", "Recovered").await;
    assert_eq!(world.posts("lake").len(), 1, "the create is not sent again");
}

/// A leader that was stopped before its create goes on after its lease: the other has created the data source by then, and the
/// first one sends nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_wakes_up_after_its_lease_sends_nothing() {
    let world = World::new("lease-stop").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.duplicate_names = DuplicateNames::Allow);
    let mut intent = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Applied, Action::Hold, is_intent));
    let a = world.operator().identity("a").start().await;
    leads(&world, "a").await;
    let others = world.namespace.another_proxy();
    let _b = world.operator().identity("b").through(&others).start().await;
    world.create(&obs("lake")).await;
    intent.reached(SOON).await;
    a.pause();
    leads(&world, "b").await;
    let object = is_whole(&world, "lake").await;
    assert_eq!(intent::of(&object).unwrap().holder, "b");
    intent.release();
    a.resume();
    let status = a.exited(SOON).await;
    assert!(!status.success(), "whoever lost the lease ends with an error: {status}");
    is_whole(&world, "lake").await;
    assert_eq!(world.posts("lake").len(), 1, "only the new leader has created");
}

/// A create of a stopped leader that is still on its way arrives after the other has created: the surplus is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_arrives_after_a_failover_leaves_no_duplicate() {
    let world = World::new("lease-late").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.duplicate_names = DuplicateNames::Allow);
    let mut post = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, is_create));
    let a = world.operator().identity("a").start().await;
    leads(&world, "a").await;
    let others = world.namespace.another_proxy();
    let _b = world.operator().identity("b").through(&others).start().await;
    world.create(&obs("lake")).await;
    post.reached(SOON).await;
    a.pause();
    leads(&world, "b").await;
    world.ready("lake").await;
    post.release();
    world.event("lake", "DuplicateRemoved").await;
    is_whole(&world, "lake").await;
    assert_eq!(
        (world.effective(CloudCall::Create), world.effective(CloudCall::Delete)),
        (2, 1)
    );
    a.resume();
    assert!(!a.exited(SOON).await.success());
    is_whole(&world, "lake").await;
}

/// How the Lease becomes unwritable.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The API server answers this.
    Answer(u16),
    /// It cannot be reached.
    Unreachable,
}

/// A leader that cannot renew stops before its lease ends, exits with an error, and sends no create once the rest of the lease is
/// too short for one; the next process does the work.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_renew_stops_in_time() {
    join_all([Trouble::Answer(403), Trouble::Answer(500), Trouble::Unreachable].map(cannot_renew)).await;
}

async fn cannot_renew(trouble: Trouble) {
    const TERM: SignedDuration = SignedDuration::from_secs(20);
    // What must be left of the lease for a create to start: the write deadline and the margin.
    const FLOOR: SignedDuration = SignedDuration::from_secs(13);
    let world = World::new("lease-unwritable").await;
    world.with_provider().await;
    let mut operator = world
        .operator_with(&["--lease=20s", "--write-deadline=8s", "--lease-margin=5s"])
        .identity("a")
        .start()
        .await;
    let proxy = world.namespace.proxy();
    operator_ready(&operator).await;
    proxy
        .wait_calls(SOON, "the first renewal", |calls| {
            calls.iter().any(|call| is_renewal(call) && call.status == Some(200))
        })
        .await;
    let refused = match trouble {
        Trouble::Answer(code) => {
            let body =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"});
            Some(proxy.on(Rule::new(Stage::Before, Action::Answer(code, body), is_renewal).always()))
        }
        Trouble::Unreachable => None,
    };
    let renewed = |calls: &[Call]| -> Timestamp {
        let accepted = |call: &&Call| is_renewal(call) && call.status == Some(200);
        calls.iter().rfind(accepted).expect("the lease was renewed").started
    };
    if refused.is_some() {
        // The create comes when the rest of the lease no longer covers it.
        let is_short = |calls: &[Call]| {
            calls
                .iter()
                .rfind(|call| is_renewal(call))
                .is_some_and(|last| last.started > renewed(calls) + (TERM - FLOOR))
        };
        proxy.wait_calls(SOON, "the lease runs out", is_short).await;
        world.create(&obs("after")).await;
        // Everything but the lease allows the create.
        proxy
            .wait_calls(SOON, "the intent", |calls| calls.iter().any(is_intent))
            .await;
    } else {
        proxy.block(ApiSide::Kube, true);
        world.create(&obs("after")).await;
    }
    let status = operator.exited(SOON).await;
    let lasted = Timestamp::now().duration_since(renewed(&proxy.calls()));
    assert!(!status.success(), "{trouble:?}: {status}");
    assert!(lasted < TERM, "{trouble:?}: it ended {lasted:#} after its last renewal");
    assert_eq!(
        world.posts("after").len(),
        0,
        "{trouble:?}: no create goes out that the lease does not cover"
    );

    drop(refused);
    proxy.block(ApiSide::Kube, false);
    operator.restart().await;
    world.ready("after").await;
    assert_eq!(world.posts("after").len(), 1, "{trouble:?}");
}

/// A restarted container has the identity of its predecessor: it takes the lease over at once, however long that lasts.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_identity_starts_again_at_once() {
    let term = Duration::from_mins(2);
    let world = World::new("lease-same").await;
    world.with_provider().await;
    let mut operator = world.operator().args(["--lease=2m"]).start().await;
    world.create(&obs("first")).await;
    world.ready("first").await;
    let killed = Instant::now();
    operator.restart().await;
    let mut second = obs("second");
    second.spec.cluster_id = crate::world::cluster(2);
    world.create(&second).await;
    world.ready("second").await;
    assert!(killed.elapsed() < term / 4, "it waited {:?}", killed.elapsed());
}

/// The default waits: the standby takes over within the lease and a renewal.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_with_the_default_waits() {
    let world = World::new("lease-default").await;
    world.with_provider().await;
    let a = world.unhurried_operator().identity("a").start().await;
    leads(&world, "a").await;
    let others = world.namespace.another_proxy();
    let b = world.unhurried_operator().identity("b").through(&others).start().await;
    operator_ready(&b).await;
    let killed = Instant::now();
    a.kill().await;
    leads(&world, "b").await;
    let took = killed.elapsed();
    world.create(&obs("lake")).await;
    let bounds = Duration::from_secs(30)..Duration::from_secs(90);
    assert!(
        bounds.contains(&took),
        "neither before the lease ends nor long after: {took:?}"
    );
    is_whole(&world, "lake").await;
    assert_eq!(world.posts("lake").len(), 1);
}
