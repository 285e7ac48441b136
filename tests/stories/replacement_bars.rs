//! What stands in the way of a replacement: as long as the new data source could not be created, or nobody asks for it any more, the old one stays.

use dws_operator::api::data_source::{DwsDataSource, ReplacementPolicy};
use dws_operator::api::{Reason, names};
use dws_simulator::{Call, JobOutcome, SourceSeed};
use serde_json::json;

use crate::update::{RESYNC, request};
use crate::world::{CLUSTER, World, cluster, id, message, obs, on_cluster};

fn with_policy(mut object: DwsDataSource, policy: ReplacementPolicy) -> DwsDataSource {
    object.spec.replacement_policy = Some(policy);
    object
}

fn plan_id(object: &DwsDataSource) -> String {
    let plan = object.status.as_ref().and_then(|status| status.plan.as_ref());
    plan.expect("a plan").id.clone()
}

/// The new name belongs to another object or to somebody else, or the new DWS cluster does not exist: nothing is deleted, the reason is told, and the
/// replacement goes on by itself once the way is clear.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_while_the_new_place_is_taken() {
    let world = World::new("replace-taken").await;
    world.with_provider().await;
    let stranger = SourceSeed {
        name: "stranger".to_owned(),
        ..SourceSeed::default()
    };
    let theirs = world.cloud.put_source(&cluster(1), stranger);
    let _operator = world.operator().args([RESYNC]).start().await;
    for (n, name) in ["rivalled", "taken", "nowhere"].into_iter().enumerate() {
        let lake = with_policy(obs(name), ReplacementPolicy::Always);
        world.create(&on_cluster(n, lake)).await;
    }
    world.create(&on_cluster(0, obs("holder"))).await;
    let mut first = Vec::new();
    for name in ["rivalled", "taken", "nowhere", "holder"] {
        first.push(id(&world.ready(name).await).expect("an id"));
    }
    world.cloud.remove_cluster(&cluster(9));
    let rename = |name: &str| json!({"spec": {"dataSourceName": name}});
    world.edit("rivalled", rename("holder")).await;
    world.edit("taken", rename("stranger")).await;
    world.edit("nowhere", json!({"spec": {"clusterID": cluster(9)}})).await;
    let told = message(&world.stalled("rivalled", Reason::DuplicateOwner).await);
    assert!(told.contains("/holder holds holder"), "{told}");
    let told = message(&world.stalled("taken", Reason::AlreadyExists).await);
    assert!(told.contains(&theirs) && told.contains("is not replaced"), "{told}");
    world.reconciling("nowhere", Reason::WaitingForCluster).await;
    world.lists_later(4).await;
    assert!(world.calls(Call::Delete).is_empty(), "each old one stays where it is");
    for n in 0..3 {
        assert!(
            world
                .cloud
                .sources(&cluster(n))
                .iter()
                .any(|source| first.contains(&source.id))
        );
    }

    world.delete("holder").await;
    world.gone("holder").await;
    assert!(world.cloud.remove_source(&cluster(1), &theirs));
    world.cloud.add_cluster(&cluster(9));
    for (n, name) in ["rivalled", "taken", "nowhere"].into_iter().enumerate() {
        request(&world, name, "reconcile-requested-at", "now").await;
        world.ready_anew(name, &first[n]).await;
    }
    let names = |n: usize| -> Vec<_> {
        world
            .cloud
            .sources(&cluster(n))
            .into_iter()
            .map(|source| source.name)
            .collect()
    };
    assert_eq!(
        (names(0), names(1), names(2), names(9)),
        (
            vec!["holder".to_owned()],
            vec!["stranger".to_owned()],
            vec![],
            vec!["nowhere".to_owned()]
        )
    );
}

/// The DWS cluster of an object is gone for good, and its spec names another one: the plan says that nothing is interrupted, and with consent the data
/// source is created there. Without an edit the object waits for its cluster.
#[tokio::test(flavor = "multi_thread")]
async fn what_went_with_its_cluster_moves_to_another_one() {
    let world = World::new("replace-cluster-gone").await;
    world.with_provider().await;
    let _operator = world.operator().args([RESYNC]).start().await;
    for (n, name) in ["moves", "waits"].into_iter().enumerate() {
        let lake = with_policy(obs(name), ReplacementPolicy::OnApproval);
        world.create(&on_cluster(n, lake)).await;
    }
    let first = id(&world.ready("moves").await).expect("an id");
    let second = id(&world.ready("waits").await);
    for n in 0..2 {
        assert!(world.cloud.remove_cluster(&cluster(n)));
    }
    world.reconciling("moves", Reason::WaitingForCluster).await;
    world.edit("moves", json!({"spec": {"clusterID": cluster(7)}})).await;
    let waiting = world.stalled("moves", Reason::ApprovalRequired).await;
    let plan = waiting
        .status
        .as_ref()
        .and_then(|status| status.plan.clone())
        .expect("a plan");
    assert_eq!(plan.because, ["clusterID"]);
    assert!(
        plan.interrupts.contains("cluster that held the data source is gone"),
        "{}",
        plan.interrupts
    );
    assert_eq!(id(&waiting), Some(first.clone()), "nobody has agreed to anything yet");
    request(&world, "moves", "approve", &plan.id).await;
    let moved = world.ready_anew("moves", &first).await;
    assert_eq!(world.cloud.sources(&cluster(7)).len(), 1);
    assert_eq!(
        moved.status.and_then(|status| status.cloud).map(|at| at.cluster_id),
        Some(cluster(7))
    );
    let waits = world.reconciling("waits", Reason::WaitingForCluster).await;
    assert_eq!(id(&waits), second, "its own cluster may come back");
    assert!(world.calls(Call::Delete).is_empty(), "there was nothing to delete");
}

/// A delete for a replacement fails. Whoever then withdraws the approval, or the edit, keeps the data source.
#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_failed_to_delete_may_be_taken_back() {
    let world = World::new("replace-failed-delete").await;
    world.with_provider().await;
    let _operator = world.operator().args([RESYNC]).start().await;
    for (n, name) in ["edit", "approval"].into_iter().enumerate() {
        let lake = with_policy(obs(name), ReplacementPolicy::OnApproval);
        world.create(&on_cluster(n, lake)).await;
    }
    let mut first = Vec::new();
    for name in ["edit", "approval"] {
        first.push(id(&world.ready(name).await));
        world.edit(name, json!({"spec": {"connectInfo": "postgres"}})).await;
        let planned = plan_id(&world.stalled(name, Reason::ApprovalRequired).await);
        world.cloud.update_settings(|settings| {
            settings.delete_outcome = JobOutcome::Fail {
                code: "DeleteTask-fail:DWS.5180".to_owned(),
                detail: "foreign tables depend on it".to_owned(),
            };
        });
        request(&world, name, "approve", &planned).await;
        let told = message(&world.stalled(name, Reason::DeleteFailed).await);
        assert!(told.contains("foreign tables depend on it"), "{told}");
    }
    world
        .cloud
        .update_settings(|settings| settings.delete_outcome = JobOutcome::Success);
    // The cloud's people mend what the failed delete broke.
    for n in 0..2 {
        let failed = first[n].as_deref().expect("an id");
        world.cloud.edit_source(&cluster(n), failed, |source| {
            "200".clone_into(&mut source.configure_status);
            source.fail_reason.clear();
        });
    }
    world.edit("edit", json!({"spec": {"connectInfo": "gaussdb"}})).await;
    let kept = world.ready("edit").await;
    assert_eq!(id(&kept), first[0]);
    let status = kept.status.expect("a status");
    assert_eq!((status.operation, status.plan), (None, None));
    let withdrawn =
        json!({"metadata": {"annotations": {names::APPROVE_ANNOTATION: null, names::RECONCILE_ANNOTATION: "now"}}});
    world.edit("approval", withdrawn).await;
    let kept = world.stalled("approval", Reason::ApprovalRequired).await;
    assert_eq!(id(&kept), first[1]);
    world.lists_later(4).await;
    assert_eq!(world.calls(Call::Delete).len(), 2, "none was sent after that");
    assert_eq!(
        world.cloud.sources(&cluster(0)).len() + world.cloud.sources(&cluster(1)).len(),
        2
    );
    // Agreed to again, it goes through.
    request(&world, "approval", "approve", &plan_id(&kept)).await;
    world.ready_anew("approval", first[1].as_deref().expect("an id")).await;
    assert!(world.cloud.sources(CLUSTER).len() <= 1);
}
