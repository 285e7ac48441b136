//! A password that changes in its Secret: the cloud never gives it back and cannot change it, so the change is told, or the data source replaced.

use std::collections::BTreeMap;

use dws_operator::api::Reason;
use dws_operator::api::data_source::{DwsDataSource, ReplacementPolicy};
use dws_simulator::Call;
use dws_testbed::{ControlPlane, Scope, TestNamespace};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::update::{RESYNC, request};
use crate::world::{CLUSTER, World, id, message, mrs};

async fn change_secret(world: &World<'_>, change: Value) {
    let secrets: Api<Secret> = world.api();
    secrets
        .patch("mrs-account", &PatchParams::default(), &Patch::Merge(change))
        .await
        .expect("the Secret exists");
}

async fn rotate(world: &World<'_>, password: &str) {
    change_secret(world, json!({"stringData": {"password": password}})).await;
}

fn hmac(object: &DwsDataSource) -> String {
    let secret = object.status.as_ref().and_then(|status| status.secret.clone());
    secret.and_then(|secret| secret.hmac).expect("an HMAC")
}

async fn with_lake(hint: &str, policy: Option<ReplacementPolicy>) -> World<'static> {
    with_lake_in(World::new(hint).await, policy).await
}

async fn with_lake_in(world: World<'static>, policy: Option<ReplacementPolicy>) -> World<'static> {
    world.with_provider().await;
    world.with_password().await;
    let mut lake = mrs("lake");
    lake.spec.replacement_policy = policy;
    world.create(&lake).await;
    world
}

/// The default: it is told, with a plan, and nothing is done. What changes of the Secret besides the password does not matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_told_and_an_unrelated_change_is_not() {
    let world = with_lake("rotation", None).await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let before = world.ready("lake").await;
    change_secret(
        &world,
        json!({"metadata": {"labels": {"team": "sales"}}, "stringData": {"other": "value"}}),
    )
    .await;
    world.lists_later(4).await;
    let after = world.ready("lake").await;
    assert_eq!(
        after.metadata.resource_version, before.metadata.resource_version,
        "nothing was written"
    );

    rotate(&world, "Another-Passw0rd").await;
    let drifted = world.stalled("lake", Reason::Drifted).await;
    assert!(message(&drifted).contains("userPwd"), "{}", message(&drifted));
    let plan = drifted.status.as_ref().unwrap().plan.clone().unwrap();
    assert_eq!(plan.because, ["userPwd"]);
    world.lists_later(4).await;
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
    assert!(
        world.calls(Call::Update).is_empty(),
        "an update would restart the DWS cluster"
    );

    // Who rotates on changes the plan; who rotates back ends it.
    rotate(&world, "A-third-Passw0rd").await;
    world
        .until("lake", "another plan", |object| {
            let shown = object.status.as_ref().and_then(|status| status.plan.as_ref());
            shown.is_some_and(|shown| shown.id != plan.id)
        })
        .await;
    rotate(&world, crate::world::PASSWORD).await;
    let ready = world.ready("lake").await;
    assert_eq!(ready.status.unwrap().plan, None);
}

/// With consent the data source is replaced by one with the new password.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_replaces_the_data_source_with_consent() {
    for policy in [ReplacementPolicy::OnApproval, ReplacementPolicy::Always] {
        let world = with_lake("rotation-consent", Some(policy)).await;
        let _operator = world.operator().args([RESYNC]).start().await;
        let first = world.ready("lake").await;
        rotate(&world, "Another-Passw0rd").await;
        if policy == ReplacementPolicy::OnApproval {
            let waiting = world.stalled("lake", Reason::ApprovalRequired).await;
            assert!(world.calls(Call::Delete).is_empty());
            let plan = waiting.status.unwrap().plan.unwrap().id;
            request(&world, "lake", "approve", &plan).await;
        }
        let second = world.ready_anew("lake", &id(&first).unwrap()).await;
        assert_ne!(hmac(&first), hmac(&second));
        let sources = world.cloud.sources(CLUSTER);
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].password, Some(world.cloud.digest("Another-Passw0rd")));
        world.lists_later(4).await;
        assert_eq!(
            (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
            (2, 1)
        );
    }
}

/// The HMAC is made with a key of the operator's own. Without that key, and for an object without an HMAC, the password of today is what later ones
/// are compared with.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_a_new_baseline() {
    let plane = ControlPlane::shared().await;
    let apart = TestNamespace::create_apart(plane, "rotation-key", Scope::Namespaced).await;
    let world = with_lake_in(World::within(apart).await, Some(ReplacementPolicy::Always)).await;
    let mut operator = world.operator().args([RESYNC]).start().await;
    let before = world.ready("lake").await;
    let keys: Api<Secret> = Api::namespaced(world.namespace.admin(), world.namespace.home());
    let key = keys.get("dws-operator-hmac").await.unwrap();
    let length = |secret: &Secret| secret.data.as_ref().map(|data: &BTreeMap<_, _>| data["key"].0.len());
    assert_eq!(length(&key), Some(32));
    operator.terminate().await;
    keys.delete("dws-operator-hmac", &DeleteParams::default())
        .await
        .unwrap();
    operator.restart().await;
    let after = world
        .until("lake", "an HMAC of another key", |object| {
            let secret = object.status.as_ref().and_then(|status| status.secret.as_ref());
            secret.and_then(|secret| secret.hmac.as_ref()) != Some(&hmac(&before))
        })
        .await;
    assert_eq!(id(&world.ready("lake").await), id(&before));
    assert_ne!(keys.get("dws-operator-hmac").await.unwrap().data, key.data);
    world.lists_later(4).await;
    assert_eq!(world.calls(Call::Delete).len(), 0);
    rotate(&world, "Another-Passw0rd").await;
    let replaced = world.ready_anew("lake", &id(&before).unwrap()).await;
    assert_ne!(hmac(&replaced), hmac(&after));
}
