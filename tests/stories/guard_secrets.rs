//! `--guard-secrets`: the Secrets that providers name carry the operator's finalizer as long as data sources use them, and no longer.

use std::collections::BTreeMap;

use dws_operator::api::provider::DwsProvider;
use dws_operator::api::{ConditionType, Reason};
use dws_testbed::{Action, Api as Side, Call, Rule, Stage, wait};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::in_use::until_provider;
use crate::world::{ACCESS_KEY, SECRET_KEY, SOON, World, cluster, obs, on_cluster, provider, secret, uses};

/// The operator's finalizer on a Secret.
const GUARD: &str = "dws.huaweicloud.com/secret-in-use";

fn key(name: &str) -> Secret {
    secret(name, &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)])
}

fn named(world: &World<'_>, name: &str, secret: &str) -> DwsProvider {
    let mut provider = provider(&world.endpoint);
    provider.metadata.name = Some(name.to_owned());
    let key = provider.spec.access.auth.access_key.as_mut();
    secret.clone_into(&mut key.unwrap().secret_ref.name);
    provider
}

async fn patch_secret(world: &World<'_>, name: &str, patch: Value) {
    let secrets: Api<Secret> = world.api();
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    secrets
        .patch(name, &parameters, &patch)
        .await
        .expect("the Secret exists");
}

/// Waits until the Secret carries exactly these finalizers.
async fn carries(world: &World<'_>, name: &str, wanted: &[&str]) {
    let secrets: Api<Secret> = world.api();
    wait::until(SOON, &format!("{name} carries {wanted:?}"), async || {
        let found = secrets.get_metadata(name).await.map_err(|error| error.to_string())?;
        let finalizers = found.metadata.finalizers.unwrap_or_default();
        if finalizers == wanted {
            Ok(())
        } else {
            Err(format!("{finalizers:?}"))
        }
    })
    .await;
}

/// A Secret is guarded before the first create through it, by one finalizer beside those of others; it is free when the provider names another one,
/// and when the last user is gone, but not while another provider in use names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_guarded_while_somebody_needs_it() {
    const OTHER: &str = "example.com/other";
    let world = World::new("guarded").await;
    world.namespace.grant("guard-secrets", "patch").await;
    for name in ["shared", "idle", "next"] {
        world.create(&key(name)).await;
    }
    patch_secret(&world, "shared", json!({"metadata": {"finalizers": [OTHER]}})).await;
    for (name, secret) in [("one", "shared"), ("two", "shared"), ("three", "idle")] {
        world.create(&named(&world, name, secret)).await;
    }
    let _operator = world.operator().args(["--guard-secrets"]).start().await;
    for (n, name) in ["one", "two"].into_iter().enumerate() {
        world.create(&uses(on_cluster(n, obs(name)), name)).await;
    }
    world.ready("one").await;
    world.ready("two").await;
    let writes = world.namespace.operator_writes().await;
    let first = |resource: &str| {
        writes
            .iter()
            .position(|write| write.resource == resource && write.subresource.is_empty())
    };
    assert!(
        first("secrets").unwrap() < first("dwsdatasources").unwrap(),
        "{writes:#?}"
    );
    carries(&world, "shared", &[OTHER, GUARD]).await;

    world
        .patch_provider("one", json!({"auth": {"accessKey": {"secretRef": {"name": "next"}}}}))
        .await;
    carries(&world, "next", &[GUARD]).await;
    world.delete("one").await;
    world.gone("one").await;
    carries(&world, "next", &[]).await;
    carries(&world, "shared", &[OTHER, GUARD]).await;
    carries(&world, "idle", &[]).await;
    world.delete("two").await;
    world.gone("two").await;
    carries(&world, "shared", &[OTHER]).await;
    patch_secret(&world, "shared", json!({"metadata": {"finalizers": null}})).await;
    assert!(world.cloud.sources(&cluster(0)).is_empty() && world.cloud.sources(&cluster(1)).is_empty());
}

/// A guarded Secret that is deleted serves until the last user is gone, and then goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_secret_outlives_its_deletion() {
    let world = World::new("guarded").await;
    world.namespace.grant("guard-secrets", "patch").await;
    world.with_provider().await;
    let mut operator = world.operator().args(["--guard-secrets"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    carries(&world, "dws-access-key", &[GUARD]).await;
    let secrets: Api<Secret> = world.api();
    secrets
        .delete("dws-access-key", &DeleteParams::default())
        .await
        .unwrap();
    operator.restart().await;
    world.create(&on_cluster(1, obs("pond"))).await;
    world.ready("pond").await;
    for name in ["lake", "pond"] {
        world.delete(name).await;
        world.gone(name).await;
    }
    let is_gone = |secret: Option<&Secret>| secret.is_none();
    wait::until_object(&secrets, "dws-access-key", SOON, "the Secret is gone", is_gone).await;
    assert!(world.cloud.sources(crate::world::CLUSTER).is_empty());
}

/// An operator that is started again without the flag takes its finalizers off, users or not.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_nothing_stays_guarded() {
    let world = World::new("guarded").await;
    world.namespace.grant("guard-secrets", "patch").await;
    world.with_provider().await;
    let guarding = world.operator().args(["--guard-secrets"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    carries(&world, "dws-access-key", &[GUARD]).await;
    guarding.terminate().await;
    let _operator = world.operator().start().await;
    carries(&world, "dws-access-key", &[]).await;
    let provider = until_provider(&world, "default", "it records nothing", |provider| {
        provider.is_some_and(|provider| provider.metadata.annotations.as_ref().is_none_or(BTreeMap::is_empty))
    });
    provider.await;
}

/// Without the right data sources are created all the same, and the provider says what is missing. Without the right to take a finalizer off the
/// provider stays, and says what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_told_and_holds_nobody_up() {
    let world = World::new("unguarded").await;
    world.with_provider().await;
    let _operator = world.operator().args(["--guard-secrets"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let told = async |what: &'static str, type_: ConditionType, reason: Reason, text: &'static str| {
        until_provider(&world, "default", what, move |provider| {
            let status = provider.and_then(|provider| provider.status.as_ref());
            let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
            conditions
                .iter()
                .any(|c| c.type_ == type_ && c.reason == reason && c.message.contains(text))
        })
        .await
    };
    told(
        "it says that it does not guard",
        ConditionType::Ready,
        Reason::Available,
        "not guarded",
    )
    .await;
    carries(&world, "dws-access-key", &[]).await;

    patch_secret(&world, "dws-access-key", json!({"metadata": {"finalizers": [GUARD]}})).await;
    world.delete("lake").await;
    world.gone("lake").await;
    told(
        "it says what to do",
        ConditionType::Stalled,
        Reason::AccessDenied,
        "deploy/rbac/guard-secrets",
    )
    .await;
    world.namespace.grant("guard-secrets", "patch").await;
    carries(&world, "dws-access-key", &[]).await;
    told("all is well", ConditionType::Ready, Reason::Available, "can be used").await;
}

/// The operator is killed while it puts its finalizer on a Secret, or takes it off, before the write, after it, and after the answer. Started again, it
/// guards what is needed and leaves nothing guarded.
#[tokio::test(flavor = "multi_thread")]
async fn a_guard_survives_a_kill_at_each_of_its_writes() {
    let stages = [Stage::Before, Stage::Applied, Stage::Answered];
    let kills = stages.into_iter().flat_map(|stage| [("add", stage), ("remove", stage)]);
    join_all(kills.map(|(operation, stage)| killed(operation, stage))).await;
}

async fn killed(operation: &'static str, stage: Stage) {
    let world = World::new("guarded").await;
    world.namespace.grant("guard-secrets", "patch").await;
    world.with_provider().await;
    let is_it = move |call: &Call| {
        let operations = call.request.as_array().into_iter().flatten();
        call.is(Side::Kube, "PATCH", "/secrets/") && operations.into_iter().any(|step| step["op"] == operation)
    };
    let mut hit = world.namespace.proxy().on(Rule::new(stage, Action::Hold, is_it));
    let mut operator = world.operator().args(["--guard-secrets"]).start().await;
    world.create(&obs("lake")).await;
    if operation == "remove" {
        world.ready("lake").await;
        world.delete("lake").await;
    }
    hit.reached(SOON).await;
    operator.kill().await;
    drop(hit);
    operator.restart().await;
    if operation == "add" {
        world.ready("lake").await;
        carries(&world, "dws-access-key", &[GUARD]).await;
        world.delete("lake").await;
    }
    world.gone("lake").await;
    carries(&world, "dws-access-key", &[]).await;
    until_provider(&world, "default", "it is free", |provider| {
        provider.is_some_and(|provider| {
            let metadata = &provider.metadata;
            metadata.finalizers.is_none() && metadata.annotations.as_ref().is_none_or(BTreeMap::is_empty)
        })
    })
    .await;
    assert!(world.cloud.sources(crate::world::CLUSTER).is_empty());
}
