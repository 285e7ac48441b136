//! `--watch-secrets`: what happens to a Secret acts at once, and nothing of what is in it is asked for by the watch.

use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Call as Cloud};
use dws_testbed::{Api as Side, Call, Operator};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::breaker::provider_says;
use crate::world::{
    ACCESS_KEY, PASSWORD, SECRET_KEY, SOON, World, mrs, obs, on_cluster, operator_ready, provider, secret,
};

/// Waits that nobody lives to see the end of: what happens in these stories is not by looking now and then.
pub const NEVER: [&str; 2] = ["--secret-recheck=30m", "--stalled-recheck=30m"];

/// An operator that may watch Secrets and does.
pub async fn watching(world: &World<'_>) -> Operator {
    world.namespace.grant("watch-secrets", "watch").await;
    world.operator_with(&NEVER).args(["--watch-secrets"]).start().await
}

/// Changes a Secret by a merge patch.
pub async fn patch_secret(world: &World<'_>, name: &str, patch: Value) {
    let secrets: Api<Secret> = world.api();
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    secrets
        .patch(name, &parameters, &patch)
        .await
        .expect("the Secret exists");
}

/// A Secret that comes, and one that is corrected, is acted on at once: that of a password and that of a provider. The watch asks for metadata only.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_comes_or_changes_acts_at_once() {
    let world = World::new("watched").await;
    let _operator = watching(&world).await;
    world.create(&provider(&world.endpoint)).await;
    world.create(&on_cluster(0, mrs("lake"))).await;
    provider_says(&world, "default", Reason::WaitingForSecret).await;
    world.reconciling("lake", Reason::WaitingForSecret).await;
    let key = |secret_key| {
        secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", secret_key)],
        )
    };
    world.create(&key("wrong")).await;
    // Now it is the password that is missing.
    let is_about_password = |object: &_| crate::world::message(object).contains("mrs-account");
    world.until("lake", "the password is missing", is_about_password).await;
    world.create(&secret("mrs-account", &[("password", PASSWORD)])).await;
    world.stalled("lake", Reason::CredentialsRejected).await;
    world.put(key(SECRET_KEY)).await;
    world.ready("lake").await;
    provider_says(&world, "default", Reason::Available).await;

    let calls = world.namespace.proxy().calls();
    let of_all = |call: &&Call| call.is(Side::Kube, "GET", "/secrets") && call.path.ends_with("/secrets");
    let lists: Vec<_> = calls.iter().filter(of_all).collect();
    assert!(!lists.is_empty());
    assert!(
        lists.iter().all(|call| call.accept.contains("PartialObjectMetadata")),
        "only metadata is asked for"
    );
}

/// A label on a Secret, or another of its keys, wakes whoever names it and changes nothing in the cloud or in the status; a rotated key of the
/// provider is in use at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_unrelated_change_of_a_secret_writes_nothing() {
    let world = World::new("watched").await;
    let operator = watching(&world).await;
    world.with_provider().await;
    world.with_password().await;
    world.create(&on_cluster(0, mrs("lake"))).await;
    world.ready("lake").await;
    operator_ready(&operator).await;
    let writes = world.namespace.operator_writes().await.len();
    let calls = world.cloud.log().len();
    for (n, name) in ["dws-access-key", "mrs-account"].into_iter().enumerate() {
        patch_secret(&world, name, json!({"metadata": {"labels": {"team": "sales"}}})).await;
        patch_secret(&world, name, json!({"stringData": {"another": format!("value-{n}")}})).await;
    }
    let later = secret(
        "dws-access-key",
        &[("accessKey", "AKROTATED00000000001"), ("secretKey", "SKrotated")],
    );
    world
        .cloud
        .add_access_key(AccessKey::permanent("AKROTATED00000000001", "SKrotated"));
    world.put(later).await;
    world
        .secret_read_since("dws-access-key", jiff::Timestamp::now(), 1)
        .await;
    world.cloud.remove_access_key(ACCESS_KEY);
    world.create(&on_cluster(1, obs("pond"))).await;
    world.ready("pond").await;
    let log = world.cloud.log();
    let since = &log[calls..];
    assert!(
        since.iter().all(|entry| entry.error_code.is_none()),
        "the old key is not used any more"
    );
    let about_lake = |entry: &&dws_simulator::LogEntry| entry.cluster.as_deref() == Some(&crate::world::cluster(0));
    assert!(
        !since
            .iter()
            .filter(about_lake)
            .any(|entry| matches!(entry.call, Cloud::Create | Cloud::Update | Cloud::Delete))
    );
    let since = world.namespace.operator_writes().await.split_off(writes);
    let to_lake: Vec<_> = since.iter().filter(|write| write.name == "lake").collect();
    assert!(to_lake.is_empty(), "{to_lake:#?}");
}

/// Without the right to watch, the operator is ready, works as without the flag, and does not ask for the watch over and over.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_nothing_else_suffers() {
    let world = World::new("unwatched").await;
    let operator = world.operator().args(["--watch-secrets"]).start().await;
    operator_ready(&operator).await;
    world.create(&provider(&world.endpoint)).await;
    world.create(&obs("lake")).await;
    provider_says(&world, "default", Reason::WaitingForSecret).await;
    let key = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
    world.create(&secret("dws-access-key", &key)).await;
    world.ready("lake").await;
    let is_watch = |call: &&Call| call.is(Side::Kube, "GET", "/secrets") && call.path.ends_with("/secrets");
    let refused = |calls: &[Call]| calls.iter().filter(is_watch).count();
    let proxy = world.namespace.proxy();
    proxy
        .wait_calls(SOON, "the watch is tried again", |calls| refused(calls) >= 2)
        .await;
    let calls = proxy.calls();
    let first = calls.iter().find(is_watch).unwrap().started;
    let span = calls.iter().rfind(is_watch).unwrap().started.duration_since(first);
    let most = 2 + usize::try_from(span.as_millis() / 400).unwrap();
    assert!(refused(&calls) <= most, "{} in {span}", refused(&calls));
}
