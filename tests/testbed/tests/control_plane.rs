//! The control plane, the namespaces on it, and what is read behind the operator's back.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the test may")]

use std::collections::BTreeMap;
use std::time::Duration;

use dws_testbed::wait::{until, until_object};
use dws_testbed::{ControlPlane, Scope, TestNamespace, count, etcd_dump};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

fn data_sources(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("dws.huaweicloud.com", "v1alpha1", "DwsDataSource");
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

fn data_source(name: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1",
        "kind": "DwsDataSource",
        "metadata": {"name": name},
        "spec": {
            "clusterID": "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90",
            "type": "OBS",
            "dataSourceName": "sales_lake",
            "userName": "dws_agency",
            "connectInfo": "gaussdb",
        },
    }))
    .unwrap()
}

fn ready(generation: i64, id: Option<&str>) -> Value {
    let ready = json!({
        "type": "Ready", "status": "True", "observedGeneration": generation,
        "lastTransitionTime": "2026-11-24T00:00:00Z", "reason": "Available", "message": "It is there.",
    });
    json!({"status": {"observedGeneration": generation, "id": id, "conditions": [ready]}})
}

async fn allowed(client: &Client, namespace: &str, group: &str, resource: &str, verb: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let some = |text: &str| Some(text.to_owned());
    let attributes = ResourceAttributes {
        namespace: some(namespace),
        group: some(group),
        resource: some(resource),
        subresource: some(subresource),
        verb: some(verb),
        name: (resource == "leases").then(|| "dws-operator".to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..Default::default()
    };
    let review = SelfSubjectAccessReview {
        spec,
        ..Default::default()
    };
    let review = Api::all(client.clone())
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    review.status.unwrap().allowed
}

/// What the operator needs, and nothing else.
const RIGHTS: [(&str, &str, &[&str]); 10] = [
    (
        "dws.huaweicloud.com",
        "dwsdatasources",
        &["get", "list", "watch", "patch"],
    ),
    ("dws.huaweicloud.com", "dwsdatasources/status", &["patch"]),
    (
        "dws.huaweicloud.com",
        "dwsproviders",
        &["get", "list", "watch", "patch"],
    ),
    ("dws.huaweicloud.com", "dwsproviders/status", &["patch"]),
    (
        "dws.huaweicloud.com",
        "clusterdwsproviders",
        &["get", "list", "watch", "patch"],
    ),
    ("dws.huaweicloud.com", "clusterdwsproviders/status", &["patch"]),
    // It makes the key that tells passwords apart, in its own namespace, which is this one here.
    ("", "secrets", &["get", "create"]),
    ("", "namespaces", &["get", "list", "watch"]),
    ("events.k8s.io", "events", &["create", "patch"]),
    ("coordination.k8s.io", "leases", &["get", "create", "update"]),
];
const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

#[tokio::test]
async fn the_operator_has_the_rights_that_it_needs_and_no_other() {
    let plane = ControlPlane::shared().await;
    let other = TestNamespace::create(plane, "other").await;
    let namespaced = TestNamespace::create(plane, "rights").await;
    // Its recorder sees all namespaces, and other tests write statuses that no operator would.
    let own = ControlPlane::start().await;
    let cluster_wide = TestNamespace::create_cluster_wide(&own, "rights").await;
    for ns in [&namespaced, &cluster_wide] {
        let client = ns.operator_client().await;
        for (group, resource, verbs) in RIGHTS {
            // An operator for single namespaces has no use for the kind of the cluster, and reads its own Namespace only.
            let is_cluster_kind = resource.starts_with("cluster");
            let there = if is_cluster_kind { "" } else { ns.name() };
            for verb in VERBS {
                let is_allowed = allowed(&client, there, group, resource, verb).await;
                let is_of_the_cluster = is_cluster_kind || (resource == "namespaces" && verb != "get");
                let is_expected = verbs.contains(&verb) && (ns.scope() == Scope::ClusterWide || !is_of_the_cluster);
                assert_eq!(is_allowed, is_expected, "{:?}: {verb} {resource}", ns.scope());
            }
            let elsewhere = allowed(&client, other.name(), group, resource, verbs[0]).await;
            // Of leases only those of other installs, by their name.
            let is_expected = ns.scope() == Scope::ClusterWide;
            assert_eq!(
                elsewhere,
                is_expected,
                "{:?}: {} {resource} elsewhere",
                ns.scope(),
                verbs[0]
            );
        }
        for (group, resource) in [("", "pods"), ("", "configmaps"), ("apps", "deployments")] {
            assert!(!allowed(&client, ns.name(), group, resource, "get").await, "{resource}");
        }
    }
}

#[tokio::test]
async fn the_audit_log_counts_each_write_of_the_operator_once() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "audit").await;
    let by_admin = data_sources(ns.admin(), ns.name());
    let by_operator = data_sources(ns.operator_client().await, ns.name());
    by_admin
        .create(&PostParams::default(), &data_source("lake"))
        .await
        .unwrap();
    let annotation = json!({"metadata": {"annotations": {"a": "b"}}});
    by_operator
        .patch("lake", &PatchParams::default(), &Patch::Merge(annotation))
        .await
        .unwrap();
    for _ in 0..2 {
        by_operator
            .patch_status("lake", &PatchParams::default(), &Patch::Merge(ready(1, None)))
            .await
            .unwrap();
    }
    by_operator.delete("lake", &DeleteParams::default()).await.unwrap_err();
    by_operator.get("lake").await.unwrap();

    let writes = ns.operator_writes().await;
    let row = |resource: &str, verb: &str| (resource.to_owned(), "lake".to_owned(), verb.to_owned());
    assert_eq!(
        count(writes.iter().filter(|write| write.is_accepted())),
        BTreeMap::from([
            (row("dwsdatasources", "patch"), 1),
            (row("dwsdatasources/status", "patch"), 2)
        ]),
    );
    let refused: Vec<_> = writes.iter().filter(|write| !write.is_accepted()).collect();
    assert_eq!(
        count(refused.iter().copied()),
        BTreeMap::from([(row("dwsdatasources", "delete"), 1)])
    );
    assert_eq!(refused[0].code, 403);
}

#[tokio::test]
async fn the_dump_shows_what_etcd_holds() {
    let plane = ControlPlane::shared().await;
    let ns = TestNamespace::create(plane, "etcd").await;
    let canary = uuid::Uuid::new_v4().to_string();
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "mrs"}, "stringData": {"password": canary}})).unwrap();
    ns.api::<Secret>()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
    let dump = etcd_dump(plane).await;
    let holds = |value: &[u8]| value.windows(canary.len()).any(|window| window == canary.as_bytes());
    let keys: Vec<_> = dump
        .iter()
        .filter(|entry| holds(&entry.value))
        .map(|entry| entry.key.as_str())
        .collect();
    assert_eq!(keys, [format!("/registry/secrets/{}/mrs", ns.name())]);
}

#[tokio::test]
async fn the_recorder_sees_every_version_and_who_wrote_it() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "recorder").await;
    let objects = data_sources(ns.admin(), ns.name());
    objects
        .create(&PostParams::default(), &data_source("lake"))
        .await
        .unwrap();
    objects
        .patch_status("lake", &PatchParams::default(), &Patch::Merge(ready(1, Some("a"))))
        .await
        .unwrap();
    until(SOON, "two versions", async || {
        let versions = ns.recorder().versions("DwsDataSource", "lake");
        if versions.len() == 2 { Ok(()) } else { Err(versions) }
    })
    .await;
    let versions = ns.recorder().versions("DwsDataSource", "lake");
    assert_eq!(
        versions[0].object["status"]["observedGeneration"], -1,
        "the CRD's default"
    );
    assert!(
        versions.iter().all(|version| version.written.is_none()),
        "the proxy has seen nothing of it"
    );
    ns.recorder().check();
}

#[tokio::test]
async fn a_namespace_leaves_no_objects_behind() {
    let plane = ControlPlane::shared().await;
    let ns = TestNamespace::create(plane, "clean").await;
    let objects = data_sources(ns.admin(), ns.name());
    let mut object = data_source("lake");
    object.metadata.finalizers = Some(vec!["dws.huaweicloud.com/finalizer".to_owned()]);
    objects.create(&PostParams::default(), &object).await.unwrap();
    objects.delete("lake", &DeleteParams::default()).await.unwrap();
    let name = ns.name().to_owned();
    drop(ns);
    assert_eq!(
        data_sources(plane.admin(), &name)
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        0
    );
}

#[tokio::test]
async fn objects_are_awaited_by_watch() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "wait").await;
    let leases = ns.api::<Lease>();
    let writer = leases.clone();
    let created = tokio::spawn(async move {
        let lease: Lease = serde_json::from_value(json!({"metadata": {"name": "it"}})).unwrap();
        writer.create(&PostParams::default(), &lease).await.unwrap()
    });
    let seen = until_object(&leases, "it", SOON, "the lease exists", |lease| lease.is_some())
        .await
        .unwrap();
    assert_eq!(seen.uid(), created.await.unwrap().uid());
}
