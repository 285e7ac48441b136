//! A provider of the cluster, and whom it is lent to.

use dws_operator::api::provider::DwsProvider;
use dws_operator::api::{ClusterDwsProvider, Condition, ConditionType, DwsDataSource, Reason};
use dws_simulator::Call as CloudCall;
use dws_testbed::{Action, Api as Side, Call, ControlPlane, Rule, Stage, TestNamespace, wait};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::world::{ACCESS_KEY, SECRET_KEY, SOON, World, cluster, message, obs, on_cluster, provider, secret, verdict};

/// A provider of the cluster is lent to the namespaces and DWS clusters that it names, with the Secret in the operator's
/// namespace; what was created through it can be deleted after the loan has ended. A namespace's own default comes first.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_provider_is_lent_to_whom_it_names() {
    // Left to the end of the test process: its namespace outlives this function's locals.
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await));
    let world = World::within(TestNamespace::create_cluster_wide(plane, "operator").await).await;
    let admin = world.namespace.admin();
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    for (name, labels) in [("tenant", json!({"dws": "yes"})), ("stranger", json!({}))] {
        let namespace =
            serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).expect("a namespace");
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .expect("the API server takes it");
    }
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    let lent = provider(&world.endpoint).spec.access;
    let mut spec = serde_json::to_value(lent).expect("JSON");
    spec["namespaceSelector"] = json!({"matchLabels": {"dws": "yes"}});
    spec["clusterIDs"] = json!([cluster(1), cluster(3)]);
    let object: ClusterDwsProvider = serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1", "kind": "ClusterDwsProvider",
        "metadata": {"name": "default"}, "spec": spec,
    }))
    .expect("a provider");
    let providers: Api<ClusterDwsProvider> = Api::all(admin.clone());
    providers
        .create(&PostParams::default(), &object)
        .await
        .expect("the API server takes it");
    let _operator = world.operator().start().await;

    let tenant: Api<DwsDataSource> = Api::namespaced(admin.clone(), "tenant");
    let stranger: Api<DwsDataSource> = Api::namespaced(admin.clone(), "stranger");
    let post = PostParams::default();
    tenant
        .create(&post, &on_cluster(1, obs("admitted")))
        .await
        .expect("taken");
    tenant
        .create(&post, &on_cluster(2, obs("other-cluster")))
        .await
        .expect("taken");
    stranger
        .create(&post, &on_cluster(1, obs("not-admitted")))
        .await
        .expect("taken");
    let becomes = async |api: &Api<DwsDataSource>, name: &str, wanted: (ConditionType, Reason)| {
        wait::until(SOON, &format!("{name}: {wanted:?}"), async || {
            match api.get(name).await {
                Ok(object) if verdict(&object) == Some(wanted) => Ok(object),
                other => Err(other.map(|object| object.status)),
            }
        })
        .await
    };
    let ready = (ConditionType::Ready, Reason::Available);
    let denied = (ConditionType::Stalled, Reason::AccessDenied);
    let status = becomes(&tenant, "admitted", ready).await.status.unwrap();
    assert_eq!(status.cloud.unwrap().provider, "ClusterDwsProvider/default");
    let object = becomes(&tenant, "other-cluster", denied).await;
    assert!(
        message(&object).contains("clusterIDs do not name it"),
        "{}",
        message(&object)
    );
    let object = becomes(&stranger, "not-admitted", denied).await;
    assert!(
        message(&object).contains("namespaceSelector does not match"),
        "{}",
        message(&object)
    );
    assert_eq!(world.calls(CloudCall::Create).len(), 1);
    wait::until(SOON, "the provider says that it can be used", async || {
        let status = providers
            .get("default")
            .await
            .expect("it exists")
            .status
            .unwrap_or_default();
        let is_ready = |c: &Condition| c.type_ == ConditionType::Ready && c.reason == Reason::Available;
        if status.conditions.iter().any(is_ready) {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;

    // The namespace's own default comes before the cluster's.
    let key = secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    );
    Api::<Secret>::namespaced(admin.clone(), "stranger")
        .create(&post, &key)
        .await
        .expect("taken");
    let own: Api<DwsProvider> = Api::namespaced(admin.clone(), "stranger");
    own.create(&post, &provider(&world.endpoint)).await.expect("taken");
    let object = becomes(&stranger, "not-admitted", ready).await;
    assert_eq!(object.status.unwrap().cloud.unwrap().provider, "DwsProvider/default");

    // The loan ends: what exists is still deleted, also where nobody can look whether the loan stands.
    let nobody = Patch::Merge(json!({"spec": {"namespaceSelector": {"matchLabels": {"dws": "no"}}}}));
    providers
        .patch("default", &PatchParams::default(), &nobody)
        .await
        .expect("taken");
    tenant
        .create(&post, &on_cluster(3, obs("too-late")))
        .await
        .expect("taken");
    becomes(&tenant, "too-late", denied).await;
    let refusal = Action::Answer(500, json!({"kind": "Status", "status": "Failure", "code": 500}));
    let is_labels =
        |call: &Call| call.is(Side::Kube, "GET", "/namespaces/") && call.path.ends_with("/namespaces/tenant");
    let _hits = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, refusal, is_labels).always());
    for (api, name) in [
        (&tenant, "admitted"),
        (&tenant, "other-cluster"),
        (&tenant, "too-late"),
        (&stranger, "not-admitted"),
    ] {
        api.delete(name, &DeleteParams::default()).await.expect("it exists");
        wait::until(SOON, &format!("{name} is gone"), async || {
            match api.get_opt(name).await {
                Ok(None) => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }
    assert!(world.cloud.sources(&cluster(1)).is_empty());
}
