//! Whoever deletes the definition of the kind deletes all objects, and not the data sources in the cloud.

use dws_operator::api::data_source::DeletionPolicy;
use dws_operator::api::names::DEFINITION;
use dws_operator::api::{DwsDataSource, Reason, crds};
use dws_simulator::Call;
use dws_testbed::{Action, Api as Side, Call as Passed, ControlPlane, Rule, Stage, TestNamespace, check, wait};
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::metrics::scrape;
use crate::world::{PROJECT, SOON, World, cluster, id, message, obs, on_cluster};

fn definitions(world: &World<'_>) -> Api<CustomResourceDefinition> {
    Api::all(world.namespace.admin())
}

/// Deletes the definition and waits until it is gone, with all objects.
async fn remove(world: &World<'_>) {
    let api = definitions(world);
    api.delete(DEFINITION, &DeleteParams::default()).await.unwrap();
    wait::until(SOON, "the definition is gone", async || {
        match api.get_opt(DEFINITION).await {
            Ok(None) => Ok(()),
            other => Err(other.map(|found| found.map(|found| found.status))),
        }
    })
    .await;
}

/// Creates the definition again and waits until it is served.
async fn put_back(world: &World<'_>) {
    let crd = crds::all()
        .into_iter()
        .find(|crd| crd.metadata.name.as_deref() == Some(DEFINITION))
        .unwrap();
    definitions(world).create(&PostParams::default(), &crd).await.unwrap();
    let objects = world.api::<DwsDataSource>();
    wait::until(SOON, "the kind is served", async || {
        objects
            .list(&ListParams::default())
            .await
            .map(drop)
            .map_err(|e| e.to_string())
    })
    .await;
}

/// Every object goes, nothing is deleted in the cloud, and each says what stays. What is applied again afterwards finds its data source in
/// the way and makes no second one.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_in_the_cloud_when_the_definition_goes() {
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_cluster_wide(&plane, "crd-removal").await).await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    let mut kept = Vec::new();
    for (n, name) in ["lake-0", "lake-1", "retained"].into_iter().enumerate() {
        let mut object = on_cluster(n, obs(name));
        object.spec.deletion_policy = (name == "retained").then_some(DeletionPolicy::Retain);
        world.create(&object).await;
        kept.push(id(&world.ready(name).await).unwrap());
    }
    // One is being deleted already, and its deletion cannot go on.
    world.create(&on_cluster(3, obs("stuck"))).await;
    world.ready("stuck").await;
    let busy = dws_simulator::Answer::error(409, "DWS.7023", "Busy.");
    world
        .cloud
        .add_fault(dws_simulator::Fault::on(Call::Delete, busy).name("stuck"));
    world.delete("stuck").await;
    world
        .until("stuck", "refused", |object| {
            object.status.as_ref().is_some_and(|status| status.retry.is_some())
        })
        .await;
    let deletes = world.calls(Call::Delete).len();
    remove(&world).await;
    for (n, name) in ["lake-0", "lake-1"].into_iter().enumerate() {
        let note = world.event(name, "DefinitionRemoved").await;
        for known in [kept[n].as_str(), &cluster(n), &world.endpoint, PROJECT, DEFINITION] {
            assert!(note.contains(known), "{known} is not in: {note}");
        }
    }
    world.event("stuck", "DefinitionRemoved").await;
    world.event("retained", "Retained").await;
    for n in 0..4 {
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
    }
    assert_eq!(world.calls(Call::Delete).len(), deletes);
    assert_eq!(
        operator.log().matches("the definition is being deleted").count(),
        1,
        "one line"
    );
    assert_eq!(scrape(&operator).await.get("dws_orphaned_total"), Some(&3.0));

    put_back(&world).await;
    world.create(&on_cluster(0, obs("lake-0"))).await;
    let told = message(&world.stalled("lake-0", Reason::AlreadyExists).await);
    assert!(told.contains(&kept[0]), "{told}");
    assert_eq!(world.posts("lake_0").len(), 1, "no second one is asked for");
    world.delete("lake-0").await;
    world.gone("lake-0").await;
    world.create(&on_cluster(9, obs("anew"))).await;
    world.ready("anew").await;
    world.delete("anew").await;
    world.gone("anew").await;
    assert_eq!(
        (
            world.cloud.sources(&cluster(0)).len(),
            world.cloud.sources(&cluster(9)).len()
        ),
        (1, 0)
    );
}

/// While the definition cannot be read, nothing is deleted. Killed at each moment of letting go, the operator sends nothing either.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_cannot_be_read_is_waited_for() {
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_cluster_wide(&plane, "crd-removal").await).await;
    world.with_provider().await;
    let mut operator = world.operator().start().await;
    for n in 0..3 {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
        world.ready(&format!("lake-{n}")).await;
    }
    let is_read = |call: &Passed| call.is(Side::Kube, "GET", "/customresourcedefinitions/");
    let failure =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "it fails"});
    let outage = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Answer(500, failure), is_read).always());
    world.delete("lake-0").await;
    let told = message(&world.reconciling("lake-0", Reason::Deleting).await);
    assert!(told.contains("which cannot be read now: it fails"), "{told}");
    world.create(&on_cluster(9, obs("beside"))).await;
    world.ready("beside").await;
    assert_eq!(world.calls(Call::Delete), []);
    drop(outage);
    world.gone("lake-0").await;
    assert_eq!(world.effective(Call::Delete), 1);
    let mut writes = [(1, Stage::Before), (2, Stage::Applied)].map(|(n, stage)| {
        let name = format!("/dwsdatasources/lake-{n}");
        let is_letting_go = move |call: &Passed| call.is(Side::Kube, "PATCH", &name) && call.path.ends_with(&name);
        world
            .namespace
            .proxy()
            .on(Rule::new(stage, Action::Hold, is_letting_go))
    });
    let deleting = DeleteParams::default();
    definitions(&world).delete(DEFINITION, &deleting).await.unwrap();
    for write in &mut writes {
        write.reached(SOON).await;
    }
    operator.kill().await;
    drop(writes);
    operator.restart().await;
    wait::until(SOON, "the definition is gone", async || {
        match definitions(&world).get_opt(DEFINITION).await {
            Ok(None) => Ok(()),
            other => Err(other.map(drop)),
        }
    })
    .await;
    for n in [1, 2, 9] {
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1, "{n}");
    }
    assert_eq!(world.calls(Call::Delete).len(), 1);
    put_back(&world).await;
}

/// Without the right to read it, and in an install for single namespaces, the operator does as if the definition stayed; the check says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_may_not_read_it_deletes_and_the_check_says_so() {
    let single = World::new("crd-removal").await;
    let checked = check(&single.namespace, &[]).await;
    assert!(
        checked.status.success() && checked.report.contains("not noticed with --watch-namespace"),
        "{}",
        checked.report
    );

    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_cluster_wide(&plane, "crd-removal").await).await;
    world.with_provider().await;
    let roles = Api::<ClusterRole>::all(world.namespace.admin());
    let mut granted = roles.get("dws-operator").await.unwrap().rules.unwrap();
    granted.retain(|rule| rule.resources.as_deref() != Some(&["customresourcedefinitions".to_owned()]));
    let narrowed = Patch::Merge(json!({"rules": granted}));
    roles
        .patch("dws-operator", &PatchParams::default(), &narrowed)
        .await
        .unwrap();
    wait::until(SOON, "the check tells of the missing right", async || {
        let checked = check(&world.namespace, &[]).await;
        let words =
            "customresourcedefinitions dwsdatasources.dws.huaweicloud.com in the whole cluster: not allowed: get";
        match checked.wrong()[..] {
            [line] if line.contains(words) => Ok(()),
            _ => Err(checked.report),
        }
    })
    .await;
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.ready("lake").await;
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
}
