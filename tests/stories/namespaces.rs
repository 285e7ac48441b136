//! One operator for several namespaces, but not for all.

use std::collections::BTreeSet;

use dws_operator::api::Reason;
use dws_testbed::{ControlPlane, TestNamespace};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::PostParams;
use serde_json::json;

use crate::world::{ACCESS_KEY, SECRET_KEY, World, cluster, message, obs, on_cluster, provider, secret};

/// An operator that is told two namespaces serves both, knows whose a name is across them, and asks for nothing in any other.
#[tokio::test(flavor = "multi_thread")]
async fn two_watched_namespaces_are_served_and_no_other() {
    let first = World::new("watched-one").await;
    let plane = ControlPlane::shared().await;
    let second = first.beside(TestNamespace::create(plane, "watched-two").await);
    let binding: RoleBinding = serde_json::from_value(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "first-operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dws-operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "dws-operator", "namespace": first.namespace.home()}],
    }))
    .unwrap();
    let bindings = second.api::<RoleBinding>();
    bindings
        .create(&PostParams::default(), &binding)
        .await
        .expect("an administrator may bind");
    let also = format!("--watch-namespace={}", second.namespace.name());
    let _operator = first.operator_with(&[&also, "--resync-period=1s"]).start().await;
    for (n, world) in [&first, &second].into_iter().enumerate() {
        let key = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
        world.create(&secret("dws-access-key", &key)).await;
        world.create(&provider(&first.endpoint)).await;
        world.create(&on_cluster(n, obs("lake"))).await;
        world.ready("lake").await;
    }
    second
        .create(&on_cluster(0, {
            let mut namesake = obs("namesake");
            "LAKE".clone_into(&mut namesake.spec.data_source_name);
            namesake
        }))
        .await;
    let told = message(&second.stalled("namesake", Reason::DuplicateOwner).await);
    let holder = format!("{}/lake", first.namespace.name());
    assert!(told.contains(&holder), "{told}");
    assert_eq!(first.cloud.sources(&cluster(0)).len(), 1);
    let requests = first.namespace.operator_requests().await;
    let places: BTreeSet<&str> = requests.iter().map(|request| request.namespace.as_str()).collect();
    let known = ["", first.namespace.name(), second.namespace.name()];
    assert!(places.iter().all(|place| known.contains(place)), "{places:?}");
    let everywhere = requests
        .iter()
        .find(|request| request.namespace.is_empty() && !request.is_question());
    assert!(everywhere.is_none(), "{everywhere:?}");
}
