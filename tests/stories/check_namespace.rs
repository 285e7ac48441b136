//! `dws-operator check` with rights in the whole cluster, but none to read namespaces.

use dws_testbed::{ControlPlane, Scope, TestNamespace, check, wait};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{SOON, World};

/// A namespace that does not exist does not pass for one that does.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_may_not_be_read_is_not_taken_for_one_that_exists() {
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_apart(&plane, "check", Scope::ClusterWide).await).await;
    let roles = Api::<ClusterRole>::all(world.namespace.admin());
    let mut granted = roles.get("dws-operator").await.unwrap().rules.unwrap();
    granted.retain(|rule| rule.resources.as_deref() != Some(&["namespaces".to_owned()]));
    let narrowed = Patch::Merge(json!({"rules": granted}));
    roles
        .patch("dws-operator", &PatchParams::default(), &narrowed)
        .await
        .unwrap();
    let words =
        "nowhere of --watch-namespace: may not exist, which cannot be verified: get on namespaces is not allowed";
    // The API server takes its time to notice what an administrator changes.
    wait::until(SOON, "the check says what it cannot find out", async || {
        let checked = check(&world.namespace, &["--watch-namespace=nowhere"]).await;
        let told = checked
            .report
            .lines()
            .any(|line| line.starts_with("? ") && line.contains(words));
        let lacks = |line: &&str| line.contains("permission on namespaces in namespace nowhere: not allowed: get");
        let concluded = " 1 wrong, 1 could not be verified (?), which is no failure";
        if told && checked.wrong().iter().all(lacks) && checked.report.trim_end().ends_with(concluded) {
            Ok(())
        } else {
            Err(checked.report)
        }
    })
    .await;
}
