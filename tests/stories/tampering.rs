//! Whatever somebody writes into an object: nothing of another owner is touched, nothing of ours is lost, nothing exists twice.

use std::time::Duration;

use dws_operator::api::data_source::{ProviderKind, ProviderRef};
use dws_operator::api::names::{FINALIZER, INTENT_ANNOTATION};
use dws_operator::api::{DwsDataSource, Reason};
use dws_simulator::{Answer, Call, Fault, SourceSeed};
use dws_testbed::{Action, Api, Rule, Stage};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::metrics::scrape;
use crate::world::{SOON, World, cluster, id, message, obs, on_cluster};

/// A copy of a manifest brings another object's finalizer and intent along; they give it no right to what is the other's.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_manifest_owns_nothing_of_the_original() {
    let world = World::new("tampering").await;
    world.with_provider().await;
    let mut operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let original = world.ready("lake").await;
    let copy = |name: &str, source: &str| {
        let mut copy = on_cluster(0, obs(name));
        source.clone_into(&mut copy.spec.data_source_name);
        copy.metadata.annotations.clone_from(&original.metadata.annotations);
        copy.metadata.finalizers.clone_from(&original.metadata.finalizers);
        assert!(
            copy.metadata
                .annotations
                .as_ref()
                .is_some_and(|all| all.contains_key(INTENT_ANNOTATION))
        );
        copy
    };
    world.create(&copy("same", "lake")).await;
    world.create(&copy("other", "pond")).await;
    let told = message(&world.stalled("same", Reason::DuplicateOwner).await);
    assert!(told.contains("/lake"), "{told}");
    world.ready("other").await;
    operator.kill().await;
    world.delete("same").await;
    world.delete("other").await;
    operator.restart().await;
    world.gone("same").await;
    world.gone("other").await;
    let sources = world.cloud.sources(&cluster(0));
    assert_eq!(
        sources.iter().map(|source| source.id.clone()).collect::<Vec<_>>(),
        [id(&original).unwrap()]
    );
    assert_eq!((world.effective(Call::Create), world.calls(Call::Delete).len()), (2, 1));
}

/// The status that each case writes over a good one: the operator finds its own data source again by the marker.
fn forgeries(brownfield: &str, neighbour: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("brownfield", json!({"status": {"id": brownfield}})),
        ("neighbour", json!({"status": {"id": neighbour}})),
        ("nonsense", json!({"status": {"id": "../../etc"}})),
        (
            "unknown",
            json!({"status": {"id": "11111111-2222-3333-4444-555555555555"}}),
        ),
        ("wiped", json!({"status": null})),
        ("robbed", json!({"status": {"id": null}})),
    ]
}

/// Runs the forgeries on objects that each have a neighbour and a brownfield data source in their DWS cluster.
async fn forge(is_deleted_meanwhile: bool) {
    let world = World::new("tampering").await;
    world.with_provider().await;
    let mut operator = world.operator().env("DWS_OPERATOR_RESYNC_PERIOD", "1s").start().await;
    let cases: Vec<_> = forgeries("", "").into_iter().map(|(case, _)| case).collect();
    let mut brownfields = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        brownfields.push(world.cloud.put_source(&cluster(n), SourceSeed::default()));
        world.create(&on_cluster(n, obs(case))).await;
        world.create(&on_cluster(n, obs(&format!("{case}-2")))).await;
    }
    let mut ids = Vec::new();
    for case in &cases {
        let neighbour = world.ready(&format!("{case}-2")).await;
        ids.push((id(&world.ready(case).await).unwrap(), id(&neighbour).unwrap()));
    }
    operator.kill().await;
    for (n, case) in cases.iter().enumerate() {
        let forgery = forgeries(&brownfields[n], &ids[n].1).swap_remove(n).1;
        world.patch(case, true, forgery).await;
        if is_deleted_meanwhile {
            world.delete(case).await;
        }
    }
    operator.restart().await;
    for (n, case) in cases.iter().enumerate() {
        if !is_deleted_meanwhile {
            let own = Some(ids[n].0.clone());
            world
                .until(case, "its own id is recorded", |object| id(object) == own)
                .await;
            world.ready(case).await;
            world.delete(case).await;
        }
        world.gone(case).await;
        let mut left: Vec<String> = world
            .cloud
            .sources(&cluster(n))
            .into_iter()
            .map(|source| source.id)
            .collect();
        let mut theirs = vec![brownfields[n].clone(), ids[n].1.clone()];
        left.sort();
        theirs.sort();
        assert_eq!(left, theirs, "{case}");
    }
    assert_eq!(world.calls(Call::Create).len(), 2 * cases.len());
    assert_eq!(world.effective(Call::Delete), cases.len());
    let own: Vec<&String> = ids.iter().map(|(own, _)| own).collect();
    for delete in world.calls(Call::Delete) {
        assert!(own.contains(&delete.id.as_ref().unwrap()), "{delete}");
    }
}

/// A forged or wiped status is put right from the cloud's list, and the object goes on with what is its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_status_is_put_right() {
    forge(false).await;
}

/// An object that is deleted with a forged or wiped status takes along its own data source and no other.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_a_forged_status_deletes_its_own_only() {
    forge(true).await;
}

/// Running: a forged status is noticed at the next resync, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_id_is_put_right_at_the_next_resync() {
    let world = World::new("tampering").await;
    world.with_provider().await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    let foreign = world.cloud.put_source(&cluster(0), SourceSeed::default());
    world.create(&on_cluster(0, obs("lake"))).await;
    let own = id(&world.ready("lake").await);
    world.patch("lake", true, json!({"status": {"id": foreign}})).await;
    world
        .until("lake", "its own id is recorded", |object| id(object) == own)
        .await;
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
}

/// A finalizer that somebody takes away is put back while the object lives, also one taken away while the operator was down.
#[tokio::test(flavor = "multi_thread")]
async fn a_stripped_finalizer_is_put_back() {
    let world = World::new("tampering").await;
    world.with_provider().await;
    let mut operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.ready("lake").await;
    let has_finalizer = |object: &DwsDataSource| {
        object
            .metadata
            .finalizers
            .as_ref()
            .is_some_and(|all| all.iter().any(|it| it == FINALIZER))
    };
    for is_down in [false, true] {
        if is_down {
            operator.kill().await;
        }
        world
            .patch("lake", false, json!({"metadata": {"finalizers": null}}))
            .await;
        if is_down {
            operator.restart().await;
        }
        world.until("lake", "the finalizer is back", has_finalizer).await;
    }
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
    assert_eq!((world.calls(Call::Create).len(), world.effective(Call::Delete)), (1, 1));
}

/// `kubectl replace` takes annotation and finalizer away while nobody knows what became of the POST: what it made is found by its
/// marker, with and without a restart, and never made again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stripped_intent_neither_loses_nor_doubles_the_data_source() {
    for (is_restarted, is_deleted) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = World::new("tampering").await;
        world.with_provider().await;
        let mut operator = world.operator().start().await;
        world
            .cloud
            .update_settings(|settings| settings.list_lag = Duration::from_secs(2));
        let mut lost = world
            .namespace
            .proxy()
            .on(Rule::new(Stage::Applied, Action::Cut, |call| {
                call.is(Api::Cloud, "POST", "/ext-data-sources")
            }));
        world.create(&on_cluster(0, obs("lake"))).await;
        lost.reached(SOON).await;
        if is_restarted {
            operator.kill().await;
        }
        let api: kube::Api<DwsDataSource> = world.api();
        dws_testbed::wait::until(SOON, "replaced", async || {
            let mut object = api.get("lake").await.unwrap();
            object.metadata.annotations = None;
            object.metadata.finalizers = is_deleted.then(|| vec![FINALIZER.to_owned()]);
            api.replace("lake", &PostParams::default(), &object).await.map(drop)
        })
        .await;
        if is_deleted {
            world.delete("lake").await;
        }
        if is_restarted {
            operator.restart().await;
        }
        if !is_deleted {
            let object = world.ready("lake").await;
            let sources = world.cloud.sources(&cluster(0));
            assert_eq!(
                sources.iter().map(|source| source.id.clone()).collect::<Vec<_>>(),
                [id(&object).unwrap()]
            );
            world.delete("lake").await;
        }
        world.gone("lake").await;
        assert_eq!(
            world.cloud.sources(&cluster(0)),
            [],
            "restarted: {is_restarted}, deleted: {is_deleted}"
        );
        assert_eq!(world.effective(Call::Create), 1);
    }
}

/// An object that carries the finalizer but no trace of an attempt was robbed or copied. Where nobody can look whether it created
/// something, because the list fails or there is no provider, its deletion ends all the same, and an event says what was not looked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_for_is_told_when_a_robbed_object_goes() {
    let world = World::new("tampering").await;
    world.with_provider().await;
    let failing = Answer::error(503, "DWS.0005", "Server failure.");
    world.cloud.add_fault(Fault::on(Call::List, failing));
    let operator = world.operator().start().await;
    for (n, name, provider) in [(0, "unlisted", "default"), (1, "without-provider", "missing")] {
        let mut object = on_cluster(n, obs(name));
        object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        object.spec.provider_ref = Some(ProviderRef {
            kind: ProviderKind::DwsProvider,
            name: provider.to_owned(),
        });
        world.create(&object).await;
        world.delete(name).await;
        world.gone(name).await;
        let told = world.event(name, "Orphaned").await;
        assert!(
            told.contains(&cluster(n)) && told.contains(&name.replace('-', "_")),
            "{told}"
        );
    }
    assert_eq!(scrape(&operator).await.get("dws_orphaned_total"), Some(&2.0));
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (0, 0)
    );
}
