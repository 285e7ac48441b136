//! Objects that vanish without their finalizer: what they leave behind in the cloud is told, or removed if that is still safe.

use dws_operator::api::data_source::DeletionPolicy;
use dws_operator::api::{Reason, names};
use dws_simulator::{Answer, Call, Fault, JobOutcome, LogEntry};
use dws_testbed::{Action, Api, Call as Passed, Rule, Stage, wait};
use serde_json::json;

use crate::metrics::scrape;
use crate::world::{CLUSTER, PROJECT, SOON, World, cluster, obs, on_cluster};

/// Takes the finalizers away and deletes the object.
async fn force_delete(world: &World<'_>, name: &str) {
    world
        .patch(name, false, json!({"metadata": {"finalizers": null}}))
        .await;
    world.delete(name).await;
}

/// Creates an object and removes it by force while the answer to its POST is awaited, which then comes.
async fn remove_during_create(world: &World<'_>, n: usize, policy: DeletionPolicy) -> String {
    let name = format!("lake-{n}");
    let of_this = cluster(n);
    let is_create = move |call: &Passed| call.is(Api::Cloud, "POST", &of_this);
    let hold = Rule::new(Stage::Applied, Action::Hold, is_create);
    let mut post = world.namespace.proxy().on(hold);
    let mut object = on_cluster(n, obs(&name));
    object.spec.deletion_policy = Some(policy);
    world.create(&object).await;
    post.reached(SOON).await;
    force_delete(world, &name).await;
    world.gone(&name).await;
    assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
    post.release();
    name
}

/// How often events about an object had this reason.
async fn told(world: &World<'_>, name: &str, reason: &str) -> usize {
    let reasons = world.events(name).await;
    reasons.iter().filter(|told| *told == reason).count()
}

/// An object that lost its finalizer and its life while the operator looked away is told as `Orphaned`, with all that one needs
/// to find its data source; the cloud is not called for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_told_with_its_coordinates_and_left_alone() {
    let world = World::new("orphans").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let id = world.ready("lake").await.status.unwrap().id.unwrap();
    operator.pause();
    force_delete(&world, "lake").await;
    world.gone("lake").await;
    operator.resume();
    let note = world.event("lake", "Orphaned").await;
    for known in [id.as_str(), "lake", &cluster(0), &world.endpoint, PROJECT] {
        assert!(note.contains(known), "{known} is not in: {note}");
    }
    // A later life shows that nothing more comes.
    world.create(&on_cluster(1, obs("later"))).await;
    world.ready("later").await;
    world.delete("later").await;
    world.gone("later").await;
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    let touched: Vec<_> = world
        .calls(Call::Delete)
        .into_iter()
        .filter(|call| call.cluster.as_deref() != Some(&cluster(1)))
        .collect();
    assert_eq!(touched, []);
}

/// An object that is removed by force while its POST is under way: what the POST creates is deleted again, unless the policy is
/// Retain; then it is told and stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_post_creates_for_an_object_that_is_gone_is_deleted_or_told() {
    let world = World::new("orphans").await;
    world.with_provider().await;
    let operator = world
        .operator()
        .args(["--write-deadline=4s", "--lease=10s"])
        .start()
        .await;
    for (n, policy, reason) in [
        (0, DeletionPolicy::Delete, "CreateUndone"),
        (1, DeletionPolicy::Retain, "Orphaned"),
    ] {
        let name = remove_during_create(&world, n, policy).await;
        let note = world.event(&name, reason).await;
        let known = [&cluster(n), PROJECT, "was being created"];
        assert!(known.iter().all(|known| note.contains(known)), "{note}");
        if policy == DeletionPolicy::Delete {
            let removed = world.cloud.wait_log(SOON, |log| {
                log.iter().any(|entry| entry.call == Call::Delete && entry.took_effect)
            });
            removed.await.expect("the orphan is deleted");
            assert_eq!(world.cloud.sources(&cluster(n)), []);
        }
    }
    world.create(&on_cluster(2, obs("later"))).await;
    world.ready("later").await;
    assert_eq!(world.cloud.sources(&cluster(1)).len(), 1);
    assert_eq!((world.effective(Call::Create), world.calls(Call::Delete).len()), (3, 1));
    let gone = "the orphan is gone from the cloud";
    wait::until(SOON, gone, async || operator.log().contains(gone).then_some(())).await;
    for (name, undone, orphaned) in [("lake-0", 1, 0), ("lake-1", 0, 1)] {
        assert_eq!(told(&world, name, "CreateUndone").await, undone, "{name}");
        assert_eq!(told(&world, name, "Orphaned").await, orphaned, "{name}");
    }
    assert_eq!(scrape(&operator).await.get("dws_orphaned_total"), Some(&1.0));
}

/// What cannot be deleted again stays after all, and is told as `Orphaned`: when the time for it is over, and when the operator ends before.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_again_is_told() {
    let world = World::new("orphans").await;
    world.with_provider().await;
    let refused = Answer::error(400, "DWS.0001", "no");
    world.cloud.add_fault(Fault::on(Call::Delete, refused));
    for (n, deadline) in ["--job-deadline=2s", "--job-deadline=1h"].into_iter().enumerate() {
        let operator = world.operator_with(&[deadline]).start().await;
        let name = remove_during_create(&world, n, DeletionPolicy::Delete).await;
        world.event(&name, "CreateUndone").await;
        let tried = world.cloud.wait_log(SOON, |log| {
            log.iter()
                .any(|entry| entry.call == Call::Delete && entry.cluster.as_deref() == Some(&cluster(n)))
        });
        tried.await.expect("it is tried");
        if n == 1 {
            operator.terminate().await;
        }
        let note = world.event(&name, "Orphaned").await;
        assert!(note.contains(&cluster(n)) && note.contains("may stay"), "{note}");
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
        operator.terminate().await;
        assert_eq!(told(&world, &name, "Orphaned").await, 1);
    }
}

/// The cloud accepts a create, no status write gets through, and then the object is removed by force: nothing but this process knows the
/// id, and it deletes what it created.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_created_and_never_recorded_is_deleted() {
    let world = World::new("orphans").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    let is_record =
        |call: &Passed| call.is(Api::Kube, "PATCH", "/lake/status") && call.request.to_string().contains("\"jobID\"");
    let mut record = world.namespace.proxy().on(Rule::new(
        Stage::Before,
        Action::Answer(500, json!({"kind": "Status", "status": "Failure", "code": 500})),
        is_record,
    )
    .always());
    world.create(&on_cluster(0, obs("lake"))).await;
    record.reached(SOON).await;
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    force_delete(&world, "lake").await;
    world.gone("lake").await;
    let note = world.event("lake", "CreateUndone").await;
    assert!(note.contains("deleted again"), "{note}");
    let is_removed = |log: &[LogEntry]| log.iter().any(|entry| entry.call == Call::Delete && entry.took_effect);
    world.cloud.wait_log(SOON, is_removed).await.expect("it is deleted");
    world.create(&on_cluster(1, obs("later"))).await;
    world.ready("later").await;
    assert_eq!(told(&world, "lake", "CreateUndone").await, 1);
    assert_eq!(told(&world, "lake", "Orphaned").await, 0);
    assert_eq!(world.cloud.sources(&cluster(0)), []);
    assert_eq!((world.effective(Call::Create), world.calls(Call::Delete).len()), (2, 1));
}

/// An object is removed by force while a pass over it waits for the cloud: that pass takes no place in the lane which nobody would give back.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_holds_nobody_up() {
    let world = World::new("orphans").await;
    world.with_provider().await;
    world.job_ends("lake", JobOutcome::Never);
    // A status that is written would tell the pass that the object is gone.
    let _operator = world.operator_with(&["--progress-interval=1h"]).start().await;
    world.create(&obs("lake")).await;
    let job = world.job("lake").await;
    let is_look = |call: &Passed| call.is(Api::Cloud, "GET", "/job/");
    let mut look = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Applied, Action::Hold, is_look));
    look.reached(SOON).await;
    force_delete(&world, "lake").await;
    world.gone("lake").await;
    // That a namesake gets its turn to say so shows that the operator knows.
    world.create(&obs("next")).await;
    world.reconciling("next", Reason::Retrying).await;
    look.release();
    assert!(world.cloud.end_job(&job, JobOutcome::Success));
    world.ready("next").await;
}

/// Deleted and created again under the same name at once: two objects with a life of their own each.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_created_again_at_once_has_a_life_of_its_own() {
    let world = World::new("orphans").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    // Before the operator has seen the first one, and after it was ready.
    for (n, is_seen) in [false, true].into_iter().enumerate() {
        let name = format!("lake-{n}");
        if !is_seen {
            operator.pause();
        }
        let first = world.create(&on_cluster(n, obs(&name))).await;
        if is_seen {
            world.ready(&name).await;
        }
        world.delete(&name).await;
        world.gone(&name).await;
        let second = world.create(&on_cluster(n, obs(&name))).await;
        if !is_seen {
            operator.resume();
        }
        let ready = world.ready(&name).await;
        assert_eq!(ready.metadata.uid, second.metadata.uid);
        assert_ne!(first.metadata.uid, second.metadata.uid);
        let sources = world.cloud.sources(&cluster(n));
        assert_eq!(sources.len(), 1);
        assert_eq!(
            sources[0].description,
            Some(names::marker(second.metadata.uid.as_deref().unwrap()))
        );
        assert_eq!(ready.status.unwrap().id.as_ref(), Some(&sources[0].id));
    }
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (3, 1)
    );
    assert_eq!(world.cloud.sources(CLUSTER), []);
}
