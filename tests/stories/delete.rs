//! A deletion ends when the cloud holds nothing of the object any more, when nothing was ever created, or when it shall stay.

use std::time::Duration;

use dws_operator::api::Reason;
use dws_operator::api::provider::DwsProvider;
use dws_simulator::{Answer, Call, Fault, JobOutcome};
use dws_testbed::Api as Side;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::world::{World, cluster, message, mrs, obs, on_cluster};

/// What was never created needs no Secret, no provider and no cloud to go.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_created_goes_at_once() {
    let world = World::new("delete").await;
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, mrs("lake"))).await;
    world.reconciling("lake", Reason::WaitingForProvider).await;
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(world.cloud.log(), []);
}

/// An object that could not be created goes at once, too: without the cloud, and without the Secret of its password.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_created_goes_without_cloud_and_secret() {
    let world = World::new("delete").await;
    world.with_provider().await;
    world.namespace.proxy().block(Side::Cloud, true);
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("without-cloud"))).await;
    world.reconciling("without-cloud", Reason::Retrying).await;
    world.create(&on_cluster(1, mrs("without-secret"))).await;
    world.reconciling("without-secret", Reason::WaitingForSecret).await;
    for name in ["without-cloud", "without-secret"] {
        world.delete(name).await;
        world.gone(name).await;
    }
    world.namespace.proxy().block(Side::Cloud, false);
    world.create(&on_cluster(2, obs("later"))).await;
    world.ready("later").await;
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
}

/// Retain leaves the data source alone, also when it is asked for late.
#[tokio::test(flavor = "multi_thread")]
async fn retain_leaves_the_data_source_in_the_cloud() {
    let world = World::new("delete").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.ready("lake").await;
    world.edit("lake", json!({"spec": {"deletionPolicy": "Retain"}})).await;
    world.ready("lake").await;
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(
        (world.calls(Call::Delete).len(), world.cloud.sources(&cluster(0)).len()),
        (0, 1)
    );
    assert!(world.event("lake", "Retained").await.contains("stays in the cloud"));
}

/// Whatever the cloud answers to the DELETE, the object goes only when the cloud lacks the data source.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_a_delete_loses_the_data_source() {
    let world = World::new("delete").await;
    world.with_provider().await;
    let cases = [
        ("error", Answer::error(500, "DWS.0005", "Server failure."), false),
        ("lost", Answer::error(503, "DWS.0005", "Server failure."), true),
        (
            "busy",
            Answer::error(403, "DWS.7023", "Cluster status is not allowed to operation."),
            false,
        ),
        ("missing", Answer::error(404, "DWS.0015", "Not found."), false),
        ("gone", Answer::error(404, "DWS.0015", "Not found."), true),
    ];
    // Each case has a cluster of its own: the faults of one must not hit another.
    for (n, (_, answer, applied)) in cases.iter().cloned().enumerate() {
        let fault = Fault::on(Call::Delete, answer).cluster(&cluster(n)).times(2);
        world.cloud.add_fault(if applied { fault.applied() } else { fault });
    }
    let _operator = world.operator().start().await;
    join_all(cases.iter().enumerate().map(async |(n, (name, ..))| {
        world.create(&on_cluster(n, obs(name))).await;
        world.ready(name).await;
        world.delete(name).await;
        world.gone(name).await;
        assert_eq!(world.cloud.sources(&cluster(n)), [], "{name}");
    }))
    .await;
}

/// What somebody else has deleted already is not deleted again, and its object goes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_already_costs_no_delete() {
    let world = World::new("delete").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let id = world.ready("lake").await.status.unwrap().id.unwrap();
    assert!(world.cloud.remove_source(&cluster(0), &id));
    world.delete("lake").await;
    world.gone("lake").await;
    world.event("lake", "Deleted").await;
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
}

/// A delete job that fails is told and tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delete_job_is_told_and_tried_again() {
    let world = World::new("delete").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.ready("lake").await;
    let outcome = JobOutcome::Fail {
        code: "DeleteTask-fail:DWS.0114".to_owned(),
        detail: "Foreign tables.".to_owned(),
    };
    world
        .cloud
        .update_settings(|settings| settings.delete_outcome = outcome);
    world.delete("lake").await;
    let failed = world.stalled("lake", Reason::DeleteFailed).await;
    assert!(message(&failed).contains("Foreign tables."), "{}", message(&failed));
    let operation = failed.status.unwrap().operation.unwrap();
    assert_eq!(
        (operation.failed_code.as_deref(), operation.failed_detail.as_deref()),
        (Some("DeleteTask-fail:DWS.0114"), Some("Foreign tables."))
    );
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    world
        .cloud
        .update_settings(|settings| settings.delete_outcome = JobOutcome::Success);
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
}

/// A DWS cluster that is gone takes its data sources along; Secret and provider that went first are no obstacle.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_outlives_cluster_secret_and_provider() {
    let world = World::new("delete").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    for (n, name) in ["on-cluster", "alone"].into_iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
        world.ready(name).await;
    }
    world.cloud.remove_cluster(&cluster(0));
    world
        .cloud
        .update_settings(|settings| settings.unknown_clusters = dws_simulator::UnknownClusters::Refuse);
    world.delete("on-cluster").await;
    world.gone("on-cluster").await;
    let parameters = DeleteParams::default();
    world
        .api::<Secret>()
        .delete("dws-access-key", &parameters)
        .await
        .expect("the Secret exists");
    world
        .api::<DwsProvider>()
        .delete("default", &parameters)
        .await
        .expect("the provider exists");
    world.delete("alone").await;
    world.gone("alone").await;
    assert_eq!(world.cloud.sources(&cluster(1)), []);
}

/// A process that never knew the credentials says what it waits for, and ends the deletion when they are back.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_without_its_provider_waits_for_it_after_a_restart() {
    let world = World::new("delete").await;
    world.with_provider().await;
    let mut operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.ready("lake").await;
    operator.kill().await;
    let parameters = DeleteParams::default();
    let secret = world.api::<Secret>().delete("dws-access-key", &parameters).await;
    secret.expect("the Secret exists");
    let provider = world.api::<DwsProvider>().delete("default", &parameters).await;
    provider.expect("the provider exists");
    // It would stay for its user, if nobody took the finalizer off by force.
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let forced = world
        .api::<DwsProvider>()
        .patch("default", &PatchParams::default(), &none)
        .await;
    forced.expect("an administrator may");
    world.delete("lake").await;
    operator.restart().await;
    let waiting = world.reconciling("lake", Reason::WaitingForProvider).await;
    assert!(waiting.metadata.finalizers.is_some());
    assert_eq!(world.calls(Call::Delete), []);
    world.with_provider().await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
}

/// A deletion during the create job waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_the_create_job() {
    let world = World::new("delete").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(2));
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world
        .until("lake", "an id", |object| {
            object.status.as_ref().is_some_and(|status| status.id.is_some())
        })
        .await;
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
    let deletes = world.calls(Call::Delete);
    assert!(
        deletes.iter().all(|delete| delete.took_effect),
        "none came while the create job ran: {deletes:?}"
    );
}
