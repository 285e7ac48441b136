//! A pause: on an object, on a Namespace, on the operator. Nothing is read or written in the cloud while it lasts.

use dws_operator::api::names::INTENT_ANNOTATION;
use dws_operator::api::{ConditionStatus, ConditionType, DwsDataSource, Reason};
use dws_simulator::{Call, JobOutcome};
use dws_testbed::{Action, Api, Call as Passed, ControlPlane, Rule, Stage, TestNamespace, wait};
use futures::future::join_all;
use serde_json::json;

use crate::world::{CLUSTER, SOON, World, cluster, id, message, obs, on_cluster, pause};

/// The status and the generation that Ready tells.
fn ready(object: &DwsDataSource) -> (ConditionStatus, i64) {
    let conditions = &object.status.as_ref().unwrap().conditions;
    let ready = conditions.iter().find(|c| c.type_ == ConditionType::Ready).unwrap();
    (ready.status, ready.observed_generation)
}

/// The verdict stays, an edit is not observed, a deletion waits and says so, and the cloud hears nothing. The end of the pause is acted on at
/// once, however long the operator would have waited.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_object_is_left_alone_until_the_pause_ends() {
    let world = World::new("pause").await;
    world.with_provider().await;
    let unhurried = ["--stalled-recheck=1h", "--resync-period=1s"];
    let _operator = world.operator_with(&unhurried).start().await;
    for (n, value) in ["true", "", "yes"].into_iter().enumerate() {
        let name = format!("lake-{n}");
        world.create(&on_cluster(n, obs(&name))).await;
        let before = world.ready(&name).await;
        world.pause(&name, Some(value)).await;
        let paused = world.paused(&name).await;
        let asked = world.asked(&cluster(n));
        let told = pause(&paused).unwrap();
        assert_eq!((told.status, told.reason), (ConditionStatus::True, Reason::Paused));
        assert!(
            told.message.contains("dws.huaweicloud.com/paused of this object"),
            "{}",
            told.message
        );
        assert_eq!(ready(&paused), (ConditionStatus::True, 1));
        assert_eq!(paused.status.as_ref().unwrap().observed_generation, Some(1));
        world.edit(&name, json!({"spec": {"deletionPolicy": "Delete"}})).await;
        world.later_life().await;
        let edited = world
            .until(&name, "edited", |object| object.metadata.generation == Some(2))
            .await;
        assert_eq!(edited.status, paused.status, "the edit is not observed");
        world.delete(&name).await;
        let waiting = world.reconciling(&name, Reason::Deleting).await;
        assert!(
            message(&waiting).starts_with("The deletion waits"),
            "{}",
            message(&waiting)
        );
        assert!(pause(&waiting).is_some());
        assert_eq!(id(&waiting), id(&before));
        world.later_life().await;
        assert_eq!(world.asked(&cluster(n)), asked, "{value:?}: the cloud is left alone");
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
        world.pause(&name, (n == 0).then_some("false")).await;
        world.gone(&name).await;
        assert_eq!(world.cloud.sources(&cluster(n)), []);
    }
}

/// What is paused before its first verdict, or together with an edit, does not say Ready about a spec that nobody has looked at.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_during_a_pause_is_not_ready() {
    let world = World::new("pause").await;
    world.with_provider().await;
    let _operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
    let mut new = obs("new");
    new.metadata.annotations = Some([("dws.huaweicloud.com/paused".to_owned(), "true".to_owned())].into());
    world.create(&new).await;
    let told = world.paused("new").await;
    assert_eq!(ready(&told), (ConditionStatus::False, 1));
    assert_eq!(told.status.as_ref().unwrap().observed_generation, Some(-1));
    world.create(&on_cluster(1, obs("edited"))).await;
    world.ready("edited").await;
    let both = json!({
        "metadata": {"annotations": {"dws.huaweicloud.com/paused": "true"}},
        "spec": {"deletionPolicy": "Retain"},
    });
    world.edit("edited", both).await;
    let told = world.paused("edited").await;
    assert_eq!(
        (ready(&told), told.status.unwrap().observed_generation),
        ((ConditionStatus::False, 2), Some(1))
    );
    world.later_life().await;
    assert_eq!((world.posts("new").len(), world.posts("edited").len()), (0, 1));
    for name in ["new", "edited"] {
        world.pause(name, None).await;
        let object = world.ready(name).await;
        assert!(pause(&object).is_none());
    }
    assert_eq!((world.posts("new").len(), world.posts("edited").len()), (1, 1));
    for name in ["new", "edited"] {
        world.event(name, "Resumed").await;
        let told = world.events(name).await;
        assert_eq!(told.iter().filter(|reason| *reason == "Paused").count(), 1, "{told:?}");
    }
}

/// A paused object with Retain, or of which nothing can be in the cloud, goes at once.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_would_be_deleted_in_the_cloud_waits() {
    let world = World::new("pause").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("kept"))).await;
    world.ready("kept").await;
    world.pause("kept", Some("true")).await;
    world.paused("kept").await;
    world.delete("kept").await;
    world.reconciling("kept", Reason::Deleting).await;
    let asked = world.asked(&cluster(0));
    world.edit("kept", json!({"spec": {"deletionPolicy": "Retain"}})).await;
    world.gone("kept").await;
    world.event("kept", "Retained").await;
    assert_eq!(
        (world.cloud.sources(&cluster(0)).len(), world.asked(&cluster(0))),
        (1, asked)
    );
    // Somebody else has the name: nothing was created, and the finalizer is there from the attempt.
    let mut refused = on_cluster(0, obs("refused"));
    "kept".clone_into(&mut refused.spec.data_source_name);
    world.create(&refused).await;
    world.stalled("refused", Reason::AlreadyExists).await;
    world.pause("refused", Some("true")).await;
    world.paused("refused").await;
    world.delete("refused").await;
    world.gone("refused").await;
    assert_eq!(world.calls(Call::Delete), []);
}

/// The annotation on a Namespace pauses its objects, at once where all Namespaces are watched and after a look where one is.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_namespace_pauses_its_objects() {
    let plane = ControlPlane::start().await;
    let worlds = [
        World::within(TestNamespace::create_cluster_wide(&plane, "pause").await).await,
        World::new("pause").await,
    ];
    for world in &worlds {
        world.with_provider().await;
        let _operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
        world.create(&on_cluster(0, obs("lake"))).await;
        world.ready("lake").await;
        world.pause_namespace(Some("true")).await;
        let paused = world.paused("lake").await;
        let who = format!("of Namespace {}", world.namespace.name());
        assert!(pause(&paused).unwrap().message.contains(&who));
        let asked = world.asked(&cluster(0));
        world.create(&on_cluster(1, obs("new"))).await;
        world.paused("new").await;
        world.pause("lake", Some("true")).await;
        world
            .until("lake", "paused twice", |object| {
                pause(object).is_some_and(|told| told.message.contains("of this object") && told.message.contains(&who))
            })
            .await;
        world.delete("lake").await;
        world.reconciling("lake", Reason::Deleting).await;
        world.pause("lake", None).await;
        world
            .until("lake", "paused by the Namespace alone", |object| {
                !message(object).contains("of this object")
            })
            .await;
        assert_eq!((world.asked(&cluster(0)), world.asked(&cluster(1))), (asked, 0));
        world.pause_namespace(None).await;
        world.gone("lake").await;
        world.ready("new").await;
        assert_eq!(world.cloud.sources(&cluster(0)), []);
    }
}

/// With `--paused` an operator changes nothing in the cloud, whatever is applied and deleted; without it the next one does all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_operator_changes_nothing() {
    let world = World::new("pause").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    for (n, name) in ["stays", "goes"].into_iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
        world.ready(name).await;
    }
    operator.terminate().await;
    let before = world.cloud.log().len();
    let paused = world.operator().env("DWS_OPERATOR_PAUSED", "true").start().await;
    for name in ["stays", "goes"] {
        let told = world.paused(name).await;
        assert!(pause(&told).unwrap().message.contains("flag --paused"));
    }
    world.create(&on_cluster(2, obs("new"))).await;
    world.paused("new").await;
    world.delete("goes").await;
    world.reconciling("goes", Reason::Deleting).await;
    let after: Vec<_> = world.cloud.log()[before..].iter().map(|entry| entry.call).collect();
    assert_eq!(after, [], "the project is known: nothing is asked for");
    paused.terminate().await;
    let _operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
    world.gone("goes").await;
    world.ready("new").await;
    assert!(pause(&world.resumed("stays").await).is_none());
    assert_eq!((world.effective(Call::Create), world.effective(Call::Delete)), (3, 1));
}

/// An operation that is under way when the pause begins is not followed, gives its lane to the next, and is taken up again after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_under_way_is_taken_up_again_after_the_pause() {
    let world = World::new("pause").await;
    world.with_provider().await;
    world.job_ends("lake", JobOutcome::Never);
    let _operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
    world.create(&obs("lake")).await;
    let job = world.job("lake").await;
    world.create(&obs("next")).await;
    world.pause("lake", Some("true")).await;
    let paused = world.paused("lake").await;
    assert_eq!(paused.status.as_ref().unwrap().job_id.as_ref(), Some(&job));
    let polls = || {
        world
            .calls(Call::Job)
            .iter()
            .filter(|call| call.job_id.as_ref() == Some(&job))
            .count()
    };
    let before = polls();
    // The next one has the lane; the cloud is busy with the first one still.
    world.reconciling("next", Reason::Retrying).await;
    assert!(world.cloud.end_job(&job, JobOutcome::Success));
    world.ready("next").await;
    assert_eq!(polls(), before, "nobody follows the job");
    assert_eq!(world.paused("lake").await.status, paused.status);
    world.pause("lake", None).await;
    world.ready("lake").await;
    assert_eq!((world.posts("lake").len(), world.cloud.sources(CLUSTER).len()), (1, 2));
}

/// A request that is on its way when the pause begins gets its result recorded, and nothing follows it. One whose outcome nobody knows stays
/// recorded as that, over a restart too, and is settled after the pause without another request.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_recorded_or_stays_open() {
    let recorded = async {
        let world = World::new("pause").await;
        world.with_provider().await;
        let _operator = world
            .operator_with(&["--write-deadline=20s", "--lease=40s", "--stalled-recheck=1h"])
            .start()
            .await;
        let is_post = |call: &Passed| call.is(Api::Cloud, "POST", "/ext-data-sources");
        let mut post = world
            .namespace
            .proxy()
            .on(Rule::new(Stage::Applied, Action::Hold, is_post));
        world.create(&obs("lake")).await;
        post.reached(SOON).await;
        world.pause("lake", Some("true")).await;
        post.release();
        world.paused("lake").await;
        let known = world.until("lake", "its id", |object| id(object).is_some()).await;
        assert_eq!(id(&known), Some(world.cloud.sources(CLUSTER)[0].id.clone()));
        let asked = world.asked(CLUSTER);
        world.later_life().await;
        assert_eq!(world.asked(CLUSTER), asked, "nothing follows");
        world.pause("lake", None).await;
        world.ready("lake").await;
        assert_eq!(world.posts("lake").len(), 1);
    };
    let open = async {
        let world = World::new("pause").await;
        world.with_provider().await;
        let mut operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
        let is_post = |call: &Passed| call.is(Api::Cloud, "POST", "/ext-data-sources");
        let mut post = world
            .namespace
            .proxy()
            .on(Rule::new(Stage::Applied, Action::Hold, is_post));
        world.create(&obs("lake")).await;
        post.reached(SOON).await;
        operator.kill().await;
        drop(post);
        world.pause("lake", Some("true")).await;
        operator.restart().await;
        let told = world.paused("lake").await;
        let asked = world.asked(CLUSTER);
        world.delete("lake").await;
        world.reconciling("lake", Reason::Deleting).await;
        world.later_life().await;
        assert_eq!(world.asked(CLUSTER), asked, "nothing is asked for");
        let annotations = told.metadata.annotations.unwrap();
        assert!(annotations.contains_key(INTENT_ANNOTATION) && told.status.unwrap().last_attempt.is_none());
        world.pause("lake", None).await;
        world.event("lake", "Recovered").await;
        world.gone("lake").await;
        assert_eq!((world.posts("lake").len(), world.cloud.sources(CLUSTER).len()), (1, 0));
    };
    tokio::join!(recorded, open);
}

/// Killed at each write of a pause and of its end, and started again: the pause holds, and ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_survives_a_kill_at_each_of_its_writes() {
    let stages = [Stage::Before, Stage::Applied, Stage::Answered];
    join_all(stages.map(|stage| async move {
        let world = World::new("pause").await;
        world.with_provider().await;
        let mut operator = world.operator().start().await;
        world.create(&obs("lake")).await;
        world.ready("lake").await;
        let is_write = |call: &Passed| call.is(Api::Kube, "PATCH", "/dwsdatasources/lake/status");
        for value in [Some("true"), None] {
            let mut write = world.namespace.proxy().on(Rule::new(stage, Action::Hold, is_write));
            world.pause("lake", value).await;
            write.reached(SOON).await;
            operator.kill().await;
            drop(write);
            operator.restart().await;
            match value {
                Some(_) => world.paused("lake").await,
                None => world.resumed("lake").await,
            };
        }
        world.delete("lake").await;
        world.gone("lake").await;
        wait::until(SOON, "the cloud is empty", async || {
            world.cloud.sources(CLUSTER).is_empty().then_some(())
        })
        .await;
        assert_eq!(
            (world.effective(Call::Create), world.effective(Call::Delete)),
            (1, 1),
            "{stage:?}"
        );
    }))
    .await;
}

/// What an operator that is paused finds created for an object that is gone, it leaves alone and tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_for_what_belongs_to_nobody_any_more() {
    let world = World::new("pause").await;
    world.with_provider().await;
    let _operator = world
        .operator_with(&["--write-deadline=10s", "--lease=20s"])
        .start()
        .await;
    let is_post = |call: &Passed| call.is(Api::Cloud, "POST", "/ext-data-sources");
    let mut post = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Applied, Action::Hold, is_post));
    world.create(&obs("lake")).await;
    post.reached(SOON).await;
    // The pass under way knows of no pause; the Namespace is read again before anything is deleted.
    world.pause_namespace(Some("true")).await;
    world.edit("lake", json!({"metadata": {"finalizers": null}})).await;
    world.delete("lake").await;
    world.gone("lake").await;
    post.release();
    let note = world.event("lake", "Orphaned").await;
    assert!(note.contains("a pause was asked for"), "{note}");
    world.pause_namespace(None).await;
    world.later_life().await;
    let deletes = world.calls(Call::Delete);
    let touched = deletes.iter().filter(|call| call.cluster.as_deref() == Some(CLUSTER));
    assert_eq!((world.cloud.sources(CLUSTER).len(), touched.count()), (1, 0));
}
