//! What only a new data source could bring about: the plan is shown, and carried out by who may agree to it. Delete first, then create.

use dws_operator::api::data_source::{DwsDataSource, PlannedChange, ReplacementPolicy};
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Call, JobOutcome};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::update::{RESYNC, request};
use crate::world::{CLUSTER, World, cluster, id, message, mrs, obs, on_cluster, verdict};

fn plan(object: &DwsDataSource) -> PlannedChange {
    let status = object.status.as_ref().expect("a status");
    status.plan.clone().expect("a plan")
}

fn replaceable(mut object: DwsDataSource, policy: ReplacementPolicy) -> DwsDataSource {
    object.spec.replacement_policy = Some(policy);
    object
}

/// The writes so far, in their order: call and id.
fn writes(world: &World<'_>, name: &str) -> Vec<(Call, Option<String>)> {
    let is_write = |call| matches!(call, Call::Create | Call::Update | Call::Delete);
    let log = world.cloud.log().into_iter();
    let about = |entry: &dws_simulator::LogEntry| entry.name.as_deref() == Some(name);
    log.filter(|entry| is_write(entry.call) && about(entry))
        .map(|entry| (entry.call, entry.id))
        .collect()
}

/// By default nothing is replaced: the plan says what would be done, why, and what that would interrupt.
#[tokio::test(flavor = "multi_thread")]
async fn by_default_the_plan_is_shown_and_nothing_done() {
    let world = World::new("plan").await;
    world.with_provider().await;
    world.create(&obs("lake")).await;
    let mut operator = world.operator().args([RESYNC]).start().await;
    let known = id(&world.ready("lake").await).unwrap();
    let set = |database: &str| {
        let database = Some(database.to_owned());
        world
            .cloud
            .edit_source(CLUSTER, &known, |source| source.connect_info = database)
    };
    set("postgres");
    let drifted = world.stalled("lake", Reason::Drifted).await;
    let shown = plan(&drifted);
    assert_eq!(shown.because, ["connectInfo"]);
    for interrupted in ["foreign server lake", "grants", "foreign tables"] {
        assert!(shown.interrupts.contains(interrupted), "{}", shown.interrupts);
    }
    operator.restart().await;
    world.lists_later(3).await;
    let again = plan(&world.stalled("lake", Reason::Drifted).await);
    assert_eq!(again, shown, "its id is the same for as long as it is about the same");
    let told = message(&drifted);
    assert!(
        told.contains(r#"connectInfo ("postgres" in the cloud, "gaussdb" in the spec)"#)
            && told.contains("replacementPolicy"),
        "{told}"
    );
    request(&world, "lake", "approve", &shown.id).await;
    world.lists_later(4).await;
    assert_eq!(
        writes(&world, "lake").len(),
        1,
        "nobody may approve what the policy excludes"
    );
    set("gaussdb");
    let ready = world.ready("lake").await;
    assert_eq!(ready.status.unwrap().plan, None);
}

/// `OnApproval`: the id of the plan that stands is the approval, and it holds for that plan and this data source only.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_holds_for_one_plan() {
    let world = World::new("approve").await;
    world.with_provider().await;
    let mut lake = replaceable(obs("lake"), ReplacementPolicy::OnApproval);
    lake.spec.reboot = Some(true);
    world.create(&lake).await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let first = id(&world.ready("lake").await).unwrap();
    world.edit("lake", json!({"spec": {"connectInfo": "postgres"}})).await;
    let waiting = world.stalled("lake", Reason::ApprovalRequired).await;
    let earlier = plan(&waiting);
    assert!(message(&waiting).contains(&format!("dws.huaweicloud.com/approve={}", earlier.id)));
    world.edit("lake", json!({"spec": {"connectInfo": "other"}})).await;
    let changed = world
        .until("lake", "another plan", |object| {
            let shown = object.status.as_ref().and_then(|status| status.plan.as_ref());
            shown.is_some_and(|shown| shown.id != earlier.id)
        })
        .await;
    request(&world, "lake", "approve", &earlier.id).await;
    world.lists_later(4).await;
    assert_eq!(
        writes(&world, "lake").len(),
        1,
        "the earlier plan was approved, and this is another"
    );
    request(&world, "lake", "approve", &plan(&changed).id).await;
    let replaced = world.ready_anew("lake", &first).await;
    let second = id(&replaced);
    let status = replaced.status.unwrap();
    assert_eq!((status.plan, status.approved_plan), (None, Some(plan(&changed).id)));
    let expected = [
        (Call::Create, Some(first.clone())),
        (Call::Delete, Some(first)),
        (Call::Create, second.clone()),
    ];
    assert_eq!(writes(&world, "lake"), expected, "deleted first, then created");
    assert_eq!(world.cloud.sources(CLUSTER)[0].connect_info.as_deref(), Some("other"));
    assert_eq!(
        world.cloud.restarts(CLUSTER),
        1,
        "the new one does not restart the cluster again"
    );

    // The same change once more is another plan: the approval that still stands is about what is gone.
    world.cloud.edit_source(CLUSTER, &second.unwrap(), |source| {
        source.connect_info = Some("gaussdb".to_owned());
    });
    world.stalled("lake", Reason::ApprovalRequired).await;
    world.lists_later(4).await;
    assert_eq!(writes(&world, "lake").len(), 3);
}

/// `Always`: an edit is carried out at once, and a data source can move to another DWS cluster.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_always_be_replaced_follows_the_spec() {
    let world = World::new("always").await;
    world.with_provider().await;
    world.create(&replaceable(obs("lake"), ReplacementPolicy::Always)).await;
    let _operator = world.operator().start().await;
    let first = id(&world.ready("lake").await).unwrap();
    world
        .edit(
            "lake",
            json!({"spec": {"description": "moved", "clusterID": cluster(7)}}),
        )
        .await;
    let moved = world.ready_anew("lake", &first).await;
    assert_eq!(
        moved.status.as_ref().unwrap().cloud.as_ref().unwrap().cluster_id,
        cluster(7)
    );
    assert!(world.cloud.sources(CLUSTER).is_empty());
    assert_eq!(world.cloud.sources(&cluster(7)).len(), 1);
    let expected = [
        (Call::Create, Some(first.clone())),
        (Call::Delete, Some(first)),
        (Call::Create, id(&moved)),
    ];
    assert_eq!(writes(&world, "lake"), expected);
}

/// A replacement that could not be completed is not begun: the old data source stays while the new one's Secret is missing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_that_could_not_be_created_anew() {
    let world = World::new("replace-secret-missing").await;
    world.with_provider().await;
    world.with_password().await;
    world.create(&replaceable(mrs("lake"), ReplacementPolicy::Always)).await;
    let _operator = world.operator().start().await;
    let first = id(&world.ready("lake").await).unwrap();
    let other = json!({"spec": {"dataSourceID": "1f3b7c52-9d1e-4a86-b1c4-2e5f60718293",
        "userPwd": {"secretKeyRef": {"name": "missing", "key": "password"}}}});
    world.edit("lake", other).await;
    world.reconciling("lake", Reason::WaitingForSecret).await;
    world.secret_read("missing", 3).await;
    assert!(world.calls(Call::Delete).is_empty());
    world
        .create(&crate::world::secret("missing", &[("password", "Another-Passw0rd")]))
        .await;
    world.ready_anew("lake", &first).await;
    assert_eq!(
        world.cloud.sources(CLUSTER)[0].password,
        Some(world.cloud.digest("Another-Passw0rd"))
    );
}

/// Who takes the edit back before the replacement has begun keeps the data source.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_taken_back_leaves_everything_as_it_was() {
    let world = World::new("replace-revert").await;
    world.with_provider().await;
    world
        .create(&replaceable(obs("lake"), ReplacementPolicy::OnApproval))
        .await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let first = id(&world.ready("lake").await);
    world.edit("lake", json!({"spec": {"connectInfo": "postgres"}})).await;
    world.stalled("lake", Reason::ApprovalRequired).await;
    world.edit("lake", json!({"spec": {"connectInfo": "gaussdb"}})).await;
    let ready = world.ready("lake").await;
    assert_eq!((id(&ready), ready.status.unwrap().plan), (first, None));
    assert!(world.calls(Call::Delete).is_empty());
    // The policy may be tightened again at any time, and then protects.
    world.edit("lake", json!({"spec": {"replacementPolicy": null}})).await;
    let change = Patch::Merge(json!({"spec": {"connectInfo": "postgres"}}));
    let refused = world
        .api::<DwsDataSource>()
        .patch("lake", &PatchParams::default(), &change)
        .await;
    assert!(
        refused
            .expect_err("protected")
            .to_string()
            .contains("replacementPolicy")
    );
}

/// The record of a failed create is removed, and the create tried again, on request and by approval of its plan too: the cause may have been mended
/// elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_create_is_tried_again_when_somebody_asks() {
    let world = World::new("retry-failed").await;
    world.with_provider().await;
    let fail = JobOutcome::Fail {
        code: "CreateTask-fail:DWS.5172".to_owned(),
        detail: "no such database".to_owned(),
    };
    world.cloud.update_settings(|settings| settings.create_outcome = fail);
    let _operator = world.operator().start().await;
    for n in 0..2 {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..2 {
        let failed = world.stalled(&format!("lake-{n}"), Reason::CreateFailed).await;
        assert_eq!(plan(&failed).because, ["createFailed"]);
        if n == 1 {
            request(&world, "lake-1", "approve", &plan(&failed).id).await;
        } else {
            request(&world, "lake-0", "reconcile-requested-at", "now").await;
        }
    }
    for n in 0..2 {
        let name = format!("lake-{n}");
        world
            .cloud
            .wait_log(crate::world::SOON, |log| {
                let creates = |entry: &&dws_simulator::LogEntry| {
                    entry.call == Call::Create && entry.cluster.as_deref() == Some(&cluster(n))
                };
                log.iter().filter(creates).count() == 2
            })
            .await
            .unwrap();
        world.stalled(&name, Reason::CreateFailed).await;
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1, "the earlier record is gone");
    }
    world
        .cloud
        .update_settings(|settings| settings.create_outcome = JobOutcome::Success);
    request(&world, "lake-0", "reconcile-requested-at", "later").await;
    world
        .until("lake-0", "Ready", |object| {
            verdict(object) == Some((ConditionType::Ready, Reason::Available))
        })
        .await;
}
