//! The procedure of docs/restore.md, run as it is written there.

use dws_operator::api::data_source::{DeletionPolicy, DwsDataSource};
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::Call;
use dws_testbed::{ControlPlane, TestNamespace};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::world::{World, cluster, id, message, mrs, obs, on_cluster, verdict};

const GUIDE: &str = include_str!("../../docs/restore.md");

/// The script of the guide that begins with this comment.
fn script(name: &str) -> &'static str {
    let begin = format!("```sh\n# {name}:");
    let (_, rest) = GUIDE.split_once(&begin).expect("the guide has the script");
    let (_, script) = rest.split_once('\n').expect("its comment ends");
    script.split_once("```").expect("it ends").0
}

/// The objects of these stories.
fn objects() -> Vec<DwsDataSource> {
    let mut retained = on_cluster(1, obs("retained"));
    retained.spec.deletion_policy = Some(DeletionPolicy::Retain);
    retained.spec.description = Some("kept".to_owned());
    vec![
        on_cluster(0, obs("first")),
        on_cluster(0, obs("second")),
        retained,
        on_cluster(2, mrs("account")),
    ]
}

async fn ids(world: &World<'_>) -> Vec<Option<String>> {
    let mut ids = Vec::new();
    for name in objects().into_iter().filter_map(|object| object.metadata.name) {
        ids.push(id(&world.ready(&name).await));
    }
    ids
}

/// All objects of a namespace come back from a backup under new uids, some with all that the operator had written: nothing is created or deleted, and
/// the guide's script takes everything over.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_restored_from_a_backup() {
    let world = World::new("restore").await;
    world.with_provider().await;
    world.with_password().await;
    let mut operator = world.operator().start().await;
    for object in objects() {
        world.create(&object).await;
    }
    let before = ids(&world).await;
    let sources: Vec<_> = (0..3).map(|n| world.cloud.sources(&cluster(n))).collect();
    let api: kube::Api<DwsDataSource> = world.api();
    let backup = api.list(&ListParams::default()).await.unwrap().items;
    operator.kill().await;
    for object in &backup {
        let name = object.metadata.name.as_deref().unwrap();
        world
            .patch(name, false, json!({"metadata": {"finalizers": null}}))
            .await;
        api.delete(name, &DeleteParams::default()).await.unwrap();
        world.gone(name).await;
    }
    for (n, saved) in backup.iter().enumerate() {
        let name = saved.metadata.name.as_deref().unwrap();
        let mut object = DwsDataSource::new(name, saved.spec.clone());
        if n % 2 == 0 {
            object.metadata.annotations.clone_from(&saved.metadata.annotations);
            object.metadata.finalizers.clone_from(&saved.metadata.finalizers);
        }
        world.create(&object).await;
        if n % 2 == 0 {
            world.patch(name, true, json!({"status": saved.status})).await;
        }
    }
    operator.restart().await;
    for (n, saved) in backup.iter().enumerate() {
        let name = saved.metadata.name.as_deref().unwrap();
        let refused = world
            .until(name, "it is refused", |object| {
                matches!(
                    verdict(object),
                    Some((ConditionType::Stalled, Reason::AlreadyExists | Reason::Ambiguous))
                )
            })
            .await;
        let told = message(&refused);
        let source = id(saved).unwrap();
        assert!(
            told.contains(&format!("set spec.import to {{id: {source}}}")),
            "{n}: {told}"
        );
    }
    let kubectl = world.namespace.kubectl();
    kubectl.script(script("take-over")).await;
    assert_eq!(ids(&world).await, before);
    // Once more, it changes nothing.
    let generations = async || {
        let items = api.list(&ListParams::default()).await.unwrap().items;
        items
            .into_iter()
            .map(|object| object.metadata.generation)
            .collect::<Vec<_>>()
    };
    let generation = generations().await;
    kubectl.script(script("take-over")).await;
    assert_eq!(generations().await, generation);
    let after: Vec<_> = (0..3).map(|n| world.cloud.sources(&cluster(n))).collect();
    assert_eq!(after, sources, "nothing in the cloud has changed");
    assert_eq!(
        (
            world.calls(Call::Create).len(),
            world.calls(Call::Update).len(),
            world.calls(Call::Delete).len()
        ),
        (4, 0, 0)
    );
    // Who had no policy of its own stays in the cloud unless somebody says otherwise.
    for object in objects() {
        let name = object.metadata.name.unwrap();
        let policy = json!(object.spec.deletion_policy.unwrap_or_default());
        world.edit(&name, json!({"spec": {"deletionPolicy": policy}})).await;
        world.delete(&name).await;
        world.gone(&name).await;
    }
    let left: Vec<usize> = (0..3).map(|n| world.cloud.sources(&cluster(n)).len()).collect();
    assert_eq!(left, [0, 1, 0], "each goes by its policy");
}

/// A namespace moves to another Kubernetes cluster while both operators run: the guide's scripts, and in the end the old namespace is emptied and the
/// cloud is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_moves_to_another_kubernetes_cluster() {
    let plane = ControlPlane::start().await;
    let old = World::new("moves").await;
    let new = old.beside(TestNamespace::create(&plane, "moves").await);
    for world in [&old, &new] {
        world.with_provider().await;
        world.with_password().await;
    }
    let _old_operator = old.operator().start().await;
    let _new_operator = new.operator().start().await;
    for object in objects() {
        old.create(&object).await;
    }
    let before = ids(&old).await;
    let sources: Vec<_> = (0..3).map(|n| old.cloud.sources(&cluster(n))).collect();
    old.namespace.kubectl().script(script("leave")).await;
    assert_eq!(ids(&old).await, before, "they are shown on");
    for object in objects() {
        let name = object.metadata.name.clone().unwrap();
        new.create(&object).await;
        new.stalled(&name, Reason::AlreadyExists).await;
    }
    new.namespace.kubectl().script(script("take-over")).await;
    assert_eq!(ids(&new).await, before);
    for object in objects() {
        let name = object.metadata.name.unwrap();
        old.delete(&name).await;
        old.gone(&name).await;
        old.event(&name, "Retained").await;
    }
    new.later_life().await;
    assert_eq!(ids(&new).await, before);
    let after: Vec<_> = (0..3).map(|n| old.cloud.sources(&cluster(n))).collect();
    assert_eq!(after, sources);
    assert_eq!(
        (
            old.calls(Call::Create).len(),
            old.calls(Call::Update).len(),
            old.calls(Call::Delete).len()
        ),
        (5, 0, 1),
        "the life after it had a create and a delete of its own"
    );
}
