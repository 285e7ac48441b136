//! The agency of an OBS source changes in place, and what the cloud says of it is read back.

use dws_operator::api::{ConditionType, DwsDataSource, Reason};
use dws_simulator::{Call, JobOutcome, LogEntry, UpdateEffect};
use dws_testbed::wait;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{CLUSTER, SOON, World, id, message, mrs, obs, verdict};

/// Fast resyncs, so that drift shows soon.
pub const RESYNC: &str = "--resync-period=1s";

/// The bodies of the updates so far.
pub fn bodies(world: &World<'_>) -> Vec<Value> {
    let body = |entry: LogEntry| entry.body.unwrap_or_default();
    world.calls(Call::Update).into_iter().map(body).collect()
}

async fn ready_at(world: &World<'_>, name: &str, generation: i64) -> DwsDataSource {
    let what = format!("Ready at generation {generation}");
    world
        .until(name, &what, |object| {
            let observed = object.status.as_ref().and_then(|status| status.observed_generation);
            verdict(object) == Some((ConditionType::Ready, Reason::Available)) && observed == Some(generation)
        })
        .await
}

async fn with_lake(hint: &str) -> World<'static> {
    let world = World::new(hint).await;
    world.with_provider().await;
    world.create(&obs("lake")).await;
    world
}

/// An edit of `userName` is one PUT with the new agency and nothing else; the data source keeps its id.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_agency_is_one_update_in_place() {
    let world = with_lake("update").await;
    let _operator = world.operator().start().await;
    let before = id(&world.ready("lake").await);
    world.edit("lake", json!({"spec": {"userName": "OtherAgency"}})).await;
    let after = ready_at(&world, "lake", 2).await;
    assert_eq!(id(&after), before);
    let observed = after.status.unwrap().observed.unwrap();
    assert_eq!(observed.user_name.as_deref(), Some("OtherAgency"));
    assert_eq!(bodies(&world), [json!({"reconfigure": {"agency": "OtherAgency"}})]);
    assert_eq!(world.cloud.sources(CLUSTER)[0].user_name, "OtherAgency");
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
    assert_eq!(world.cloud.restarts(CLUSTER), 0);
    let told = world.event("lake", "Updated").await;
    assert!(told.contains("userName"), "{told}");
}

/// The cloud is known to answer 200, to run a job and to change nothing. That is told, and tried again only when somebody asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_changes_nothing_is_told_and_not_repeated() {
    let world = with_lake("update-ignored").await;
    let _operator = world.operator().args([RESYNC]).start().await;
    world.ready("lake").await;
    let effect = |effect| world.cloud.update_settings(|settings| settings.update_effect = effect);
    effect(UpdateEffect::Ignored);
    world.edit("lake", json!({"spec": {"userName": "OtherAgency"}})).await;
    let told = message(&world.stalled("lake", Reason::UpdateFailed).await);
    assert!(
        told.contains("changed nothing") && told.contains("reconcile-requested-at"),
        "{told}"
    );
    world.lists_later(5).await;
    assert_eq!(bodies(&world).len(), 1, "no loop of updates");
    effect(UpdateEffect::Applied);
    request(&world, "lake", "reconcile-requested-at", "1").await;
    ready_at(&world, "lake", 2).await;
    assert_eq!(bodies(&world).len(), 2);
}

/// A failed update shows what the cloud says; another agency is another try.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_update_is_told_and_its_correction_tried_at_once() {
    let world = with_lake("update-fails").await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let before = id(&world.ready("lake").await);
    let outcome = |outcome| {
        world
            .cloud
            .update_settings(|settings| settings.update_outcome = outcome);
    };
    outcome(JobOutcome::Fail {
        code: "UpdateTask-fail:DWS.5130".to_owned(),
        detail: "no such agency".to_owned(),
    });
    world.edit("lake", json!({"spec": {"userName": "WrongAgency"}})).await;
    let object = world.stalled("lake", Reason::UpdateFailed).await;
    assert!(message(&object).contains("no such agency"), "{}", message(&object));
    let operation = object.status.unwrap().operation.unwrap();
    assert_eq!(operation.failed_code.as_deref(), Some("UpdateTask-fail:DWS.5130"));
    world.lists_later(5).await;
    assert_eq!(bodies(&world).len(), 1);
    outcome(JobOutcome::Success);
    world.edit("lake", json!({"spec": {"userName": "RightAgency"}})).await;
    assert_eq!(id(&ready_at(&world, "lake", 3).await), before);
    assert_eq!(bodies(&world).len(), 2);
}

/// An agency that somebody changed in the cloud is put right once for each generation; then the two would fight, and it is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_drifts_is_put_right_once_and_then_told() {
    let world = with_lake("update-drift").await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let known = id(&world.ready("lake").await).unwrap();
    let drift = || {
        world
            .cloud
            .edit_source(CLUSTER, &known, |source| "Somebodys".clone_into(&mut source.user_name))
    };
    drift();
    wait::until(SOON, "it is put right", async || {
        let agency = world.cloud.sources(CLUSTER)[0].user_name.clone();
        if agency == "DWSAccessOBS" { Ok(()) } else { Err(agency) }
    })
    .await;
    world.ready("lake").await;
    drift();
    let told = message(&world.stalled("lake", Reason::Drifted).await);
    assert!(
        told.contains(r#"userName ("Somebodys" in the cloud, "DWSAccessOBS" in the spec)"#),
        "{told}"
    );
    world.lists_later(5).await;
    assert_eq!(bodies(&world).len(), 1);
    request(&world, "lake", "reconcile-requested-at", "again").await;
    world.ready("lake").await;
    assert_eq!(bodies(&world).len(), 2);
}

/// Updating an MRS source restarts the DWS cluster, so nothing but a request ever does: its account is refused at the API server, and what differs in
/// the cloud is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_mrs_source_is_never_updated_unasked() {
    let world = World::new("update-mrs").await;
    world.with_provider().await;
    world.with_password().await;
    world.create(&mrs("lake")).await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let known = id(&world.ready("lake").await).unwrap();
    let change = Patch::Merge(json!({"spec": {"userName": "somebody"}}));
    let refused = world
        .api::<DwsDataSource>()
        .patch("lake", &PatchParams::default(), &change)
        .await
        .expect_err("its account cannot change in place");
    assert!(refused.to_string().contains("replacementPolicy"), "{refused}");
    world
        .cloud
        .edit_source(CLUSTER, &known, |source| "somebody".clone_into(&mut source.user_name));
    world.stalled("lake", Reason::Drifted).await;
    request(&world, "lake", "refresh-requested-at", "1").await;
    let told = world.event("lake", "RequestRefused").await;
    assert!(told.contains("OBS"), "{told}");
    world.lists_later(5).await;
    assert_eq!(bodies(&world), Vec::<Value>::new());
    assert_eq!(world.cloud.restarts(CLUSTER), 0);
}

/// Sets an annotation of the operator's group.
pub async fn request(world: &World<'_>, name: &str, what: &str, token: &str) {
    let annotation = format!("dws.huaweicloud.com/{what}");
    world
        .edit(name, json!({"metadata": {"annotations": {annotation: token}}}))
        .await;
}
