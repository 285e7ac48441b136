//! An object that this version of the operator cannot decode is told of and left alone, and hurts nobody else.

use dws_operator::api::data_source::{ProviderKind, ProviderRef};
use dws_operator::api::{DwsDataSource, Reason};
use dws_simulator::{Call, JobOutcome};
use dws_testbed::{Action, Api as Side, Call as Passed, ControlPlane, Operator, Rule, Stage, etcd_put, wait};
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::metrics::{equals, scrape};
use crate::world::{SOON, World, cluster, obs, on_cluster, provider};

const GROUP: &str = "dws.huaweicloud.com";

/// The administrator's view of the objects of a kind as they are stored.
fn stored(world: &World<'_>, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1alpha1", kind));
    Api::namespaced_with(world.namespace.admin(), world.namespace.name(), &resource)
}

/// Stores an object of another version of the API, in which `field` may have a value that is unknown here, past the API server.
async fn store(world: &World<'_>, plural: &str, mut object: Value, field: &str) {
    object["metadata"]["namespace"] = world.namespace.name().into();
    object["spec"][field] = "Unheard".into();
    etcd_put(ControlPlane::shared().await, GROUP, plural, &object).await;
}

/// A data source that was never a decodable one.
async fn store_new(world: &World<'_>, object: &DwsDataSource) {
    let mut new = serde_json::to_value(object).expect("JSON");
    new["metadata"]["uid"] = uuid::Uuid::new_v4().to_string().into();
    new["metadata"]["creationTimestamp"] = jiff::Timestamp::now().strftime("%FT%TZ").to_string().into();
    new["metadata"]["generation"] = 1.into();
    new["status"] = json!({"observedGeneration": -1});
    store(world, "dwsdatasources", new, "type").await;
}

/// Makes an object undecodable that was not.
async fn spoil(world: &World<'_>, kind: &str, name: &str, field: &str) {
    let object = stored(world, kind).get(name).await.expect("it is there");
    let mut object = serde_json::to_value(object).expect("JSON");
    // The resource version is etcd's own.
    object["metadata"]
        .as_object_mut()
        .expect("metadata")
        .remove("resourceVersion");
    let plural = format!("{}s", kind.to_lowercase());
    store(world, &plural, object, field).await;
}

/// Applies the valid manifest of an object that is stored.
async fn replace<K>(world: &World<'_>, kind: &str, object: &K)
where
    K: serde::Serialize + kube::ResourceExt,
{
    let api = stored(world, kind);
    let name = object.name_any();
    let mut valid = api.get(&name).await.expect("it is there");
    valid.data["spec"] = serde_json::to_value(object).expect("JSON")["spec"].clone();
    api.replace(&name, &PostParams::default(), &valid)
        .await
        .expect("the API server takes a valid manifest");
}

/// Removes a data source that no finalizer holds.
async fn remove(world: &World<'_>, name: &str) {
    let api = stored(world, "DwsDataSource");
    api.delete(name, &DeleteParams::default()).await.expect("it is there");
}

/// Waits until the metrics tell of so many undecodable objects of a kind.
async fn counts(operator: &Operator, kind: &str, count: u32) {
    let series = format!(r#"dws_undecodable_objects{{kind="{kind}"}}"#);
    wait::until(SOON, &format!("{series} is {count}"), async || {
        match scrape(operator).await.get(&series) {
            Some(seen) if equals(*seen, count) => Ok(()),
            other => Err(other.copied()),
        }
    })
    .await;
}

/// It is there before the operator starts, and others of its cluster are created meanwhile and after. Told once, it is never written
/// to; corrected, it is created, and removed, it is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_object_is_told_of_and_left_alone() {
    let world = World::new("undecodable").await;
    world.with_provider().await;
    store_new(&world, &obs("strange")).await;
    store_new(&world, &obs("hopeless")).await;
    let before = [
        stored(&world, "DwsDataSource").get("strange").await.unwrap(),
        stored(&world, "DwsDataSource").get("hopeless").await.unwrap(),
    ];
    let operator = world.operator().start().await;
    world.event("strange", "Undecodable").await;
    world.event("hopeless", "Undecodable").await;
    counts(&operator, "DwsDataSource", 2).await;
    world.create(&obs("meanwhile")).await;
    world.ready("meanwhile").await;
    // Watches that begin anew show it again.
    world.namespace.proxy().cut_all(dws_testbed::Api::Kube);
    world.create(&obs("later")).await;
    world.ready("later").await;
    world.delete("later").await;
    world.gone("later").await;
    for object in before {
        let name = object.metadata.name.as_deref().unwrap();
        assert_eq!(stored(&world, "DwsDataSource").get(name).await.unwrap(), object);
        assert_eq!(world.events(name).await, ["Undecodable"]);
    }
    assert_eq!(world.calls(Call::Create).len(), 2);

    replace(&world, "DwsDataSource", &obs("strange")).await;
    world.ready("strange").await;
    counts(&operator, "DwsDataSource", 1).await;
    remove(&world, "hopeless").await;
    counts(&operator, "DwsDataSource", 0).await;
    assert_eq!(world.calls(Call::Create).len(), 3);
}

/// It becomes undecodable while it holds the lane: the others of its DWS cluster go on. Removed then, it is told as an orphan, and
/// its name is free in Kubernetes.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_becomes_undecodable_holds_nobody_up() {
    let world = World::new("undecodable").await;
    world.with_provider().await;
    world.job_ends("lake", JobOutcome::Never);
    let operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let job = world.job("lake").await;
    let sources = world.cloud.sources(&cluster(0));
    world.create(&on_cluster(0, obs("next"))).await;
    world.reconciling("next", Reason::Creating).await;
    spoil(&world, "DwsDataSource", "lake", "type").await;
    world.event("lake", "Undecodable").await;
    assert!(world.cloud.end_job(&job, JobOutcome::Success));
    world.ready("next").await;
    assert_eq!(world.posts("lake").len(), 1);

    let mut twin = on_cluster(0, obs("twin"));
    twin.spec.data_source_name = "lake".to_owned();
    world.create(&twin).await;
    world.stalled("twin", Reason::DuplicateOwner).await;
    let mut bare = stored(&world, "DwsDataSource").get("lake").await.unwrap();
    bare.metadata.finalizers = None;
    bare.metadata.resource_version = None;
    etcd_put(
        ControlPlane::shared().await,
        GROUP,
        "dwsdatasources",
        &serde_json::to_value(&bare).expect("JSON"),
    )
    .await;
    remove(&world, "lake").await;
    let note = world.event("lake", "Orphaned").await;
    assert!(note.contains(&sources[0].id), "{note}");
    counts(&operator, "DwsDataSource", 0).await;
    world.stalled("twin", Reason::AlreadyExists).await;
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 2);
    assert_eq!(world.calls(Call::Delete), []);
}

/// It becomes undecodable while it waits for the lane, and the watch begins anew: nobody waits for the turn that it never takes.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_becomes_undecodable_gives_its_turn_up() {
    let world = World::new("undecodable").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.create_outcome = JobOutcome::Never);
    let _operator = world.operator().args(["--job-deadline=10m"]).start().await;
    world.create(&on_cluster(0, obs("first"))).await;
    let first = world
        .until("first", "its job", |object| {
            object.status.as_ref().is_some_and(|status| status.job_id.is_some())
        })
        .await
        .status
        .unwrap();
    for name in ["lake", "next"] {
        world.create(&on_cluster(0, obs(name))).await;
        world.reconciling(name, Reason::Creating).await;
    }
    spoil(&world, "DwsDataSource", "lake", "type").await;
    world.event("lake", "Undecodable").await;

    let is_watch = |call: &Passed| call.path.contains("/dwsdatasources") && call.query.contains("watch=true");
    let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410});
    let expired = json!({"type": "ERROR", "object": expired});
    let mut watch = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Answer(200, expired), is_watch));
    let is_list = |call: &&Passed| call.is(Side::Kube, "GET", "/dwsdatasources") && call.query.contains("limit=");
    let lists = world.namespace.proxy().calls().iter().filter(is_list).count();
    world.namespace.proxy().cut_all(Side::Kube);
    watch.reached(SOON).await;
    let again = |calls: &[Passed]| calls.iter().filter(is_list).count() > lists;
    world
        .namespace
        .proxy()
        .wait_calls(SOON, "the watch begins anew", again)
        .await;
    world
        .cloud
        .update_settings(|settings| settings.create_outcome = JobOutcome::Success);
    assert!(world.cloud.end_job(&first.job_id.unwrap(), JobOutcome::Success));
    world.ready("first").await;
    world.ready("next").await;
    assert_eq!(world.posts("lake").len(), 0);
}

/// A provider that cannot be decoded is told of too; what uses it says so and goes on once it is corrected.
#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_provider_is_told_of() {
    let world = World::new("undecodable").await;
    world.with_provider().await;
    let mut other = provider(&world.endpoint);
    other.metadata.name = Some("other".to_owned());
    world.create(&other).await;
    spoil(&world, "DwsProvider", "default", "auth").await;
    let operator = world.operator().start().await;
    world.event("default", "Undecodable").await;
    counts(&operator, "DwsProvider", 1).await;
    world.create(&on_cluster(0, obs("waits"))).await;
    world.reconciling("waits", Reason::WaitingForProvider).await;
    let mut goes = on_cluster(1, obs("goes"));
    goes.spec.provider_ref = Some(ProviderRef {
        kind: ProviderKind::DwsProvider,
        name: "other".to_owned(),
    });
    world.create(&goes).await;
    world.ready("goes").await;
    assert_eq!(world.posts("waits").len(), 0);
    replace(&world, "DwsProvider", &provider(&world.endpoint)).await;
    world.ready("waits").await;
    counts(&operator, "DwsProvider", 0).await;
}
