//! What becomes of a data source when its object is deleted: the object says it, else the Namespace, else the operator.

use dws_operator::api::Reason;
use dws_operator::api::data_source::DeletionPolicy;
use dws_simulator::Call;
use dws_testbed::{Action, Api as Side, Call as Passed, Rule, Stage, wait};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::world::{CLUSTER, SOON, World, cluster, id, message, obs, on_cluster};

use DeletionPolicy::{Delete, Retain};

/// The first level that says something counts; who it was is told in the message of the deletion or the event.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_level_that_says_something_counts() {
    let of_object = |word| format!("deletionPolicy {word} asks");
    let of_namespace = |word| format!("dws.huaweicloud.com/deletion-policy: {word} of Namespace deletion-policy-");
    let of_operator = |word| format!("the operator's --deletion-policy={word} asks");
    let cases = [
        (None, None, Delete, Delete, of_operator("Delete")),
        (None, None, Retain, Retain, of_operator("Retain")),
        (None, Some(Retain), Delete, Retain, of_namespace("Retain")),
        (None, Some(Delete), Retain, Delete, of_namespace("Delete")),
        (Some(Delete), Some(Retain), Retain, Delete, of_object("Delete")),
        (Some(Retain), Some(Delete), Delete, Retain, of_object("Retain")),
    ];
    join_all(cases.map(|(object, namespace, operator, outcome, whose)| async move {
        let world = World::new("deletion-policy").await;
        world.with_provider().await;
        let flag = format!("--deletion-policy={operator}");
        let running = world.operator().args([flag]).start().await;
        let mut lake = obs("lake");
        lake.spec.deletion_policy = object;
        world.create(&lake).await;
        assert_eq!(
            world.ready("lake").await.spec.deletion_policy,
            object,
            "unset stays unset"
        );
        world
            .cloud
            .update_settings(|settings| settings.job_duration = std::time::Duration::from_secs(2));
        // Nothing waits for the operator to hear of it: the Namespace is read when the deletion is decided.
        world
            .set_policy(namespace.map(|word| word.to_string()).as_deref())
            .await;
        world.delete("lake").await;
        let told = match outcome {
            Delete => {
                let deleting = |object: &_| message(object).starts_with("The cloud is deleting");
                message(&world.until("lake", "being deleted", deleting).await)
            }
            Retain => world.event("lake", "Retained").await,
        };
        assert!(told.contains(&whose), "{whose} is not in: {told}");
        world.gone("lake").await;
        let deletes = usize::from(outcome == Delete);
        assert_eq!(world.cloud.sources(CLUSTER).len(), 1 - deletes, "{whose}");
        assert_eq!(world.calls(Call::Delete).len(), deletes, "{whose}");
        drop(running);
    }))
    .await;
}

/// A word that is no policy deletes nothing: the object waits and says what to correct. The correction is acted on at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_read_deletes_nothing() {
    let world = World::new("deletion-policy").await;
    world.with_provider().await;
    let _operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
    for (n, (name, correction, stays)) in [
        ("goes", Some("Delete"), false),
        ("stays", Some("Retain"), true),
        ("unset", None, false),
    ]
    .into_iter()
    .enumerate()
    {
        world.create(&on_cluster(n, obs(name))).await;
        world.ready(name).await;
        world.set_policy(Some("retain\nplease")).await;
        world.delete(name).await;
        let told = message(&world.stalled(name, Reason::InvalidSpec).await);
        assert!(
            told.contains("neither Delete nor Retain") && told.contains("\"retain please\""),
            "{told}"
        );
        let deletes = world.calls(Call::Delete).len();
        let mut own = on_cluster(10, obs("own"));
        own.spec.deletion_policy = Some(Delete);
        world.create(&own).await;
        world.ready("own").await;
        world.delete("own").await;
        world.gone("own").await;
        assert_eq!(
            world.calls(Call::Delete).len(),
            deletes + 1,
            "only the one with a policy of its own"
        );
        world.set_policy(correction).await;
        world.gone(name).await;
        assert_eq!(world.cloud.sources(&cluster(n)).len(), usize::from(stays), "{name}");
    }
}

/// While the Namespace cannot be read, a deletion that depends on it waits; what needs no policy goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_cannot_be_read_is_waited_for() {
    let world = World::new("deletion-policy").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    for (n, name) in ["lake", "own"].into_iter().enumerate() {
        let mut object = on_cluster(n, obs(name));
        object.spec.deletion_policy = (name == "own").then_some(Retain);
        world.create(&object).await;
        world.ready(name).await;
    }
    let path = format!("/api/v1/namespaces/{}", world.namespace.name());
    let is_read = move |call: &Passed| call.is(Side::Kube, "GET", &path) && call.path == path;
    let failure =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "it fails"});
    let outage = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Answer(500, failure), is_read).always());
    world.delete("lake").await;
    let told = message(&world.reconciling("lake", Reason::Deleting).await);
    assert!(told.contains("cannot be read now: it fails"), "{told}");
    world.delete("own").await;
    world.gone("own").await;
    world.create(&on_cluster(2, obs("new"))).await;
    let told = message(&world.reconciling("new", Reason::Retrying).await);
    assert!(
        told.starts_with("The Namespace cannot be read now"),
        "it may ask for a pause: {told}"
    );
    assert_eq!((world.calls(Call::Delete).len(), world.posts("new").len()), (0, 0));
    drop(outage);
    world.gone("lake").await;
    world.ready("new").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
}

/// A Namespace that is being deleted can still be asked, and still be told, what becomes of what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_being_deleted_still_counts() {
    let world = World::new("deletion-policy").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    let id = id(&world.ready("lake").await).unwrap();
    let namespaces: Api<Namespace> = Api::all(world.namespace.admin());
    let deleting = DeleteParams::default();
    namespaces.delete(world.namespace.name(), &deleting).await.unwrap();
    let found = namespaces.get(world.namespace.name()).await.unwrap();
    assert!(found.metadata.deletion_timestamp.is_some());
    world.set_policy(Some("Retain")).await;
    world.delete("lake").await;
    world.gone("lake").await;
    // No event can be created there any more; the log tells what stays.
    let told = format!("Data source {id} stays in the cloud");
    wait::until(SOON, "the log says what stays", async || {
        operator.log().contains(&told).then_some(())
    })
    .await;
    assert_eq!(
        (world.cloud.sources(CLUSTER).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
}

/// An operator that may not read the Namespace works, but deletes only what has a policy of its own.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_read_the_namespace_only_the_object_counts() {
    let world = World::new("deletion-policy").await;
    world.with_provider().await;
    let roles = world.api::<Role>();
    let mut granted = roles.get("dws-operator").await.unwrap().rules.unwrap();
    granted.retain(|rule| rule.resources.as_deref() != Some(&["namespaces".to_owned()]));
    let narrowed = Patch::Merge(json!({"rules": granted}));
    roles
        .patch("dws-operator", &PatchParams::default(), &narrowed)
        .await
        .unwrap();
    let _operator = world.operator().start().await;
    let refused = |calls: &[Passed]| {
        let path = format!("/api/v1/namespaces/{}", world.namespace.name());
        calls.iter().any(|call| call.path == path && call.status == Some(403))
    };
    world
        .namespace
        .proxy()
        .wait_calls(SOON, "the right is gone", refused)
        .await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    world.delete("lake").await;
    let told = message(&world.stalled("lake", Reason::AccessDenied).await);
    assert!(
        told.contains("may not read the Namespace") && told.contains("deploy/rbac"),
        "{told}"
    );
    assert_eq!(world.calls(Call::Delete), []);
    world.edit("lake", json!({"spec": {"deletionPolicy": "Delete"}})).await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(CLUSTER), []);
}
