//! What a deletion waits for, and what it does not wait for.

use std::time::Duration;

use dws_operator::api::{DwsDataSource, FINALIZER, Reason};
use dws_simulator::{Answer, Call, Disconnect, Fault, JobOutcome, NameSettings};
use dws_testbed::{Action, Api as Side, Rule, Stage};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::json;

use crate::world::{SOON, World, cluster, message, mrs, obs, on_cluster};

/// Somebody else's finalizer.
const OTHERS: &str = "example.com/backup";

/// Whoever else has to do something before the data source goes does it first, also across a restart; and nothing is written to the
/// cloud meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_finalizer_is_waited_for() {
    let world = World::new("waits-finalizer").await;
    world.with_provider().await;
    // Only the change of the finalizers can wake it in time.
    let mut operator = world.operator_with(&["--stalled-recheck=10m"]).start().await;
    let mut lake = on_cluster(0, obs("lake"));
    lake.metadata.finalizers = Some(vec![OTHERS.to_owned()]);
    world.create(&lake).await;
    let id = world.ready("lake").await.status.unwrap().id;
    world.delete("lake").await;
    let object = world.reconciling("lake", Reason::Deleting).await;
    assert!(message(&object).contains("other finalizers"), "{}", message(&object));
    for restarts in [false, true] {
        if restarts {
            operator.kill().await;
            operator.restart().await;
        }
        // Another deletion of the cluster begins later and ends, before and after the restart.
        world.create(&on_cluster(0, obs("other"))).await;
        world.ready("other").await;
        world.delete("other").await;
        world.gone("other").await;
    }
    let object = world.api::<DwsDataSource>().get("lake").await.unwrap();
    assert_eq!(
        object.metadata.finalizers,
        Some(vec![OTHERS.to_owned(), FINALIZER.to_owned()])
    );
    let ids = |sources: Vec<dws_simulator::Source>| sources.into_iter().map(|it| Some(it.id)).collect::<Vec<_>>();
    assert_eq!(ids(world.cloud.sources(&cluster(0))), std::slice::from_ref(&id));
    assert!(world.calls(Call::Delete).iter().all(|delete| delete.id != id));

    world
        .patch("lake", false, json!({"metadata": {"finalizers": [FINALIZER]}}))
        .await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
    let deletes = world.calls(Call::Delete).into_iter().filter(|delete| delete.id == id);
    assert_eq!(deletes.count(), 1);
}

/// A deletion that comes while the POST is under way: what became of the POST is found out first, and what it made is deleted, whether
/// its answer arrives, is lost, or its effect comes after the deadline.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_in_flight_is_settled_before_it_is_deleted() {
    let world = World::new("waits-post").await;
    world.with_provider().await;
    let cases = ["answered", "lost", "late"];
    let late = Fault::on(Call::Create, Answer::Genuine).delay_before(Duration::from_secs(4));
    world.cloud.add_fault(late.name("late"));
    let mut holds: Vec<_> = (0..2)
        .map(|n| {
            let is = move |call: &dws_testbed::Call| call.is(Side::Cloud, "POST", &cluster(n));
            world.namespace.proxy().on(Rule::new(Stage::Applied, Action::Hold, is))
        })
        .collect();
    let _operator = world.operator().start().await;
    for (n, name) in cases.iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
    }
    for hold in &mut holds {
        hold.reached(SOON).await;
    }
    let is_sent = |entry: &dws_simulator::LogEntry| entry.call == Call::Create && entry.name.as_deref() == Some("late");
    world
        .cloud
        .wait_log(SOON, |log| log.iter().any(is_sent))
        .await
        .expect("the request arrives");
    for name in cases {
        world.delete(name).await;
    }
    holds[0].release();
    holds[1].cut();
    join_all(cases.iter().enumerate().map(async |(n, name)| {
        world.gone(name).await;
        assert_eq!(world.cloud.sources(&cluster(n)), [], "{name}");
        let of_cluster = |call| {
            let of = |entry: &dws_simulator::LogEntry| entry.cluster == Some(cluster(n));
            world.calls(call).into_iter().filter(of).collect::<Vec<_>>()
        };
        let (posts, deletes) = (of_cluster(Call::Create), of_cluster(Call::Delete));
        assert_eq!((posts.len(), deletes.len()), (1, 1), "{name}: {deletes:#?}");
        assert!(deletes[0].took_effect && deletes[0].id == posts[0].id, "{name}");
    }))
    .await;
}

/// A password is needed to create, not to delete.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_needs_no_password() {
    let world = World::new("waits-password").await;
    world.with_provider().await;
    world.with_password().await;
    let mut operator = world.operator().start().await;
    for (n, name) in ["known", "restarted"].into_iter().enumerate() {
        world.create(&on_cluster(n, mrs(name))).await;
        world.ready(name).await;
    }
    world
        .api::<Secret>()
        .delete("mrs-account", &DeleteParams::default())
        .await
        .expect("the Secret exists");
    world.delete("known").await;
    world.gone("known").await;
    operator.kill().await;
    operator.restart().await;
    world.delete("restarted").await;
    world.gone("restarted").await;
    for n in 0..2 {
        assert_eq!(world.cloud.sources(&cluster(n)), []);
    }
}

/// Retain lets go of what a job still creates, at once and without a DELETE; of what the cloud has already agreed to delete, or may have,
/// nobody says that it stays.
#[tokio::test(flavor = "multi_thread")]
async fn retain_during_a_job_says_what_stays() {
    let world = World::new("waits-retain").await;
    world.with_provider().await;
    let endless = |create: bool| NameSettings {
        create_outcome: create.then_some(JobOutcome::Never),
        delete_outcome: (!create).then_some(JobOutcome::Never),
        ..NameSettings::default()
    };
    world.cloud.update_settings(|settings| {
        settings.by_name.insert("creating".to_owned(), endless(true));
        settings.by_name.insert("deleting".to_owned(), endless(false));
    });
    let _operator = world.operator().start().await;
    let retain = json!({"spec": {"deletionPolicy": "Retain"}});

    world.create(&on_cluster(0, obs("creating"))).await;
    let has_id = |object: &DwsDataSource| object.status.as_ref().is_some_and(|status| status.id.is_some());
    let object = world.until("creating", "an id", has_id).await;
    world.edit("creating", retain.clone()).await;
    world.delete("creating").await;
    world.gone("creating").await;
    let note = world.event("creating", "Retained").await;
    assert!(note.contains(&object.status.unwrap().id.unwrap()), "{note}");
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    assert_eq!(world.calls(Call::Delete), []);

    world.create(&on_cluster(1, obs("deleting"))).await;
    world.ready("deleting").await;
    world.delete("deleting").await;
    let is_deleting = |object: &DwsDataSource| {
        let status = object.status.as_ref();
        status.is_some_and(|status| status.operation.is_some() && status.job_id.is_some())
    };
    world.until("deleting", "a delete job", is_deleting).await;
    world.edit("deleting", retain).await;
    world.gone("deleting").await;
    let note = world.event("deleting", "Retained").await;
    assert!(note.contains("may have reached the cloud"), "{note}");

    let lost = Fault::on(Call::Delete, Answer::Drop(Disconnect::Reset)).cluster(&cluster(2));
    world.cloud.add_fault(lost.times(100));
    world.create(&on_cluster(2, obs("lost"))).await;
    world.ready("lost").await;
    world.delete("lost").await;
    let has_failed = |object: &DwsDataSource| object.status.as_ref().is_some_and(|status| status.retry.is_some());
    world.until("lost", "a delete without an answer", has_failed).await;
    world.edit("lost", json!({"spec": {"deletionPolicy": "Retain"}})).await;
    world.gone("lost").await;
    let note = world.event("lost", "Retained").await;
    assert!(note.contains("may have reached the cloud"), "{note}");
}
