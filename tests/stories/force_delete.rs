//! The way out of a deletion that cannot end: an annotation with a reason.

use dws_operator::api::names::INTENT_ANNOTATION;
use dws_operator::api::{Reason, names};
use dws_simulator::Call;
use dws_testbed::{Action, Api, Call as Passed, Rule, Stage};
use futures::future::join_all;
use kube::api::DeleteParams;
use serde_json::json;

use crate::metrics::scrape;
use crate::world::{CLUSTER, PROJECT, SOON, World, cluster, obs, on_cluster};

/// An object whose cloud is gone for good is let go by force; the event, the log and a metric tell what was left behind and why. Without a
/// reason, and on an object that is not being deleted, nothing happens.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_let_go_by_force_and_what_it_leaves_is_told() {
    let world = World::new("force-delete").await;
    world.with_provider().await;
    let operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let id = world.ready("lake").await.status.unwrap().id.unwrap();
    world.force_delete("lake", "too early").await;
    world.later_life().await;
    world.ready("lake").await;
    world.force_delete("lake", " \n").await;
    world.namespace.proxy().block(Api::Cloud, true);
    world.delete("lake").await;
    let hint = world.event("lake", "ForceDeleteIgnored").await;
    assert!(hint.contains("needs a reason"), "{hint}");
    world.reconciling("lake", Reason::Retrying).await;
    let reason = format!("the cluster\nis gone {}", "for good ".repeat(60));
    world.force_delete("lake", &reason).await;
    world.gone("lake").await;
    let note = world.event("lake", "ForceDeleted").await;
    for known in [
        id.as_str(),
        "(lake)",
        &cluster(0),
        &world.endpoint,
        PROJECT,
        "the cluster is gone for good",
    ] {
        assert!(note.contains(known), "{known} is not in: {note}");
    }
    assert!(!note.contains('\n') && note.len() < 800, "{note}");
    assert!(operator.log().contains("let go by force"), "the log has it too");
    assert_eq!(scrape(&operator).await.get("dws_force_deleted_total"), Some(&1.0));
    world.namespace.proxy().block(Api::Cloud, false);
    world.later_life().await;
    let told = world.events("lake").await;
    let count = |reason: &str| told.iter().filter(|told| *told == reason).count();
    assert_eq!(
        (count("ForceDeleted"), count("ForceDeleteIgnored"), count("Orphaned")),
        (1, 1, 0)
    );
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    let touched = world.calls(Call::Delete);
    assert!(
        touched.iter().all(|call| call.cluster.as_deref() != Some(&cluster(0))),
        "nothing was sent"
    );
}

/// Where the cloud can be reached nothing is sent either, and finalizers of others are not waited for. An attempt whose outcome is open is
/// named.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_and_an_open_attempt_is_named() {
    let world = World::new("force-delete").await;
    world.with_provider().await;
    let mut operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("held"))).await;
    world.ready("held").await;
    let both = json!({"metadata": {"finalizers": [names::FINALIZER, "example.com/other"]}});
    world.edit("held", both).await;
    world.delete("held").await;
    world.reconciling("held", Reason::Deleting).await;
    world.force_delete("held", "no time").await;
    world.event("held", "ForceDeleted").await;
    let left = world
        .until("held", "held by the other finalizer", |object| {
            object.metadata.finalizers.as_deref() == Some(&["example.com/other".to_owned()])
        })
        .await;
    assert!(left.metadata.deletion_timestamp.is_some());
    world.edit("held", json!({"metadata": {"finalizers": null}})).await;
    world.gone("held").await;

    let is_post = |call: &Passed| call.is(Api::Cloud, "POST", "/ext-data-sources");
    let mut post = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, is_post));
    world.create(&on_cluster(1, obs("open"))).await;
    post.reached(SOON).await;
    operator.kill().await;
    drop(post);
    world.force_delete("open", "the account is closed").await;
    let object = world.edit("open", json!({})).await;
    let intent = &object.metadata.annotations.unwrap()[INTENT_ANNOTATION];
    let attempt = serde_json::from_str::<serde_json::Value>(intent).unwrap()["attempt"]
        .as_str()
        .unwrap()
        .to_owned();
    world.delete("open").await;
    let before = world.cloud.log().len();
    operator.restart().await;
    world.gone("open").await;
    let note = world.event("open", "ForceDeleted").await;
    for known in [attempt.as_str(), "open", &cluster(1), PROJECT, "the account is closed"] {
        assert!(note.contains(known), "{known} is not in: {note}");
    }
    let after = &world.cloud.log()[before..];
    assert!(after.iter().all(|entry| entry.cluster.is_none()), "{after:?}");
    assert_eq!(
        (world.calls(Call::Delete).len(), world.cloud.sources(&cluster(0)).len()),
        (0, 1)
    );
}

/// Killed around the one write of it, and started again: the object goes, it is told, and nothing is sent.
#[tokio::test(flavor = "multi_thread")]
async fn it_survives_a_kill_at_its_write() {
    join_all(
        [Stage::Before, Stage::Applied, Stage::Answered].map(|stage| async move {
            let world = World::new("force-delete").await;
            world.with_provider().await;
            let mut operator = world.operator().start().await;
            world.create(&obs("lake")).await;
            world.ready("lake").await;
            let is_letting_go = |call: &Passed| {
                call.is(Api::Kube, "PATCH", "/dwsdatasources/lake") && !call.request["metadata"]["finalizers"].is_null()
            };
            let mut write = world
                .namespace
                .proxy()
                .on(Rule::new(stage, Action::Hold, is_letting_go));
            world.force_delete("lake", "a test").await;
            world
                .api::<dws_operator::api::DwsDataSource>()
                .delete("lake", &DeleteParams::default())
                .await
                .unwrap();
            write.reached(SOON).await;
            operator.kill().await;
            drop(write);
            operator.restart().await;
            world.gone("lake").await;
            if stage == Stage::Before {
                world.event("lake", "ForceDeleted").await;
            }
            world.later_life().await;
            assert_eq!(world.cloud.sources(CLUSTER).len(), 1, "{stage:?}");
        }),
    )
    .await;
}
