//! Providers that are missing or wrong are waited for, named, and used as soon as they are right.

use dws_operator::api::Reason;
use dws_simulator::{Call, Settings, Simulator};
use dws_testbed::{Action, Api as Side, Rule, Stage};
use serde_json::json;

use crate::breaker::provider_says;
use crate::world::{ACCESS_KEY, PROJECT, SECRET_KEY, SOON, World, message, obs, on_cluster, provider, secret, uses};

/// A provider that is missing, has no usable Secret or leads where it must not is told on the object; no call is made until it
/// is right, and then the object becomes Ready by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_wrong_is_waited_for() {
    use Reason::{InvalidSpec, WaitingForProvider, WaitingForSecret};
    let world = World::new("secrets").await;
    let right = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
    world.create(&secret("right", &right)).await;
    world.create(&secret("bad", &[("accessKeyId", ACCESS_KEY)])).await;
    let named = |name: &str, secret: &str| {
        let mut provider = provider(&world.endpoint);
        provider.metadata.name = Some(name.to_owned());
        provider.spec.access.auth.access_key.as_mut().unwrap().secret_ref.name = secret.to_owned();
        provider
    };
    world.create(&named("no-secret", "late")).await;
    world.create(&named("bad-secret", "bad")).await;
    let mut elsewhere = named("elsewhere", "right");
    elsewhere.spec.access.endpoint = Some("https://dws.example.com".to_owned());
    world.create(&elsewhere).await;
    let mut nowhere = named("nowhere", "right");
    nowhere.spec.access.region = "moon-1".to_owned();
    nowhere.spec.access.endpoint = None;
    world.create(&nowhere).await;
    let rows = [
        ("no-secret", WaitingForSecret, "Secret late does not exist"),
        ("bad-secret", WaitingForProvider, "no key \"accessKey\""),
        ("elsewhere", WaitingForProvider, "--allow-endpoint-domain"),
        ("nowhere", WaitingForProvider, "set endpoint"),
        ("absent", WaitingForProvider, "DwsProvider/absent does not exist"),
    ];
    let _operator = world.operator().start().await;
    for (n, (name, ..)) in rows.iter().enumerate() {
        world.create(&uses(on_cluster(n, obs(name)), name)).await;
    }
    for (name, reason, text) in rows {
        let object = world.reconciling(name, reason).await;
        assert!(message(&object).contains(text), "{name}: {}", message(&object));
    }
    for (name, reason) in [
        ("no-secret", WaitingForSecret),
        ("bad-secret", InvalidSpec),
        ("elsewhere", InvalidSpec),
        ("nowhere", InvalidSpec),
    ] {
        provider_says(&world, name, reason).await;
    }
    world.secret_read("late", 4).await;
    assert!(world.cloud.log().is_empty(), "nobody is called");

    world.create(&secret("late", &right)).await;
    world.put(secret("bad", &right)).await;
    world
        .patch_provider("elsewhere", json!({"endpoint": world.endpoint}))
        .await;
    world
        .patch_provider("nowhere", json!({"endpoint": world.endpoint}))
        .await;
    world.create(&named("absent", "right")).await;
    for (name, ..) in rows {
        let object = world.ready(name).await;
        assert_eq!(object.metadata.generation, Some(1), "{name}");
    }
    assert_eq!(world.calls(Call::Create).len(), rows.len());
}

/// Whoever waits for a provider goes on as soon as it is there, however seldom it is looked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_comes_later_wakes_who_waits_for_it() {
    let world = World::new("providers").await;
    let _operator = world.operator_with(&["--secret-recheck=10m"]).start().await;
    world.create(&obs("lake")).await;
    world.reconciling("lake", Reason::WaitingForProvider).await;
    world.with_provider().await;
    world.ready("lake").await;
}

/// Without `projectID` the one project of the region's name is used; none or two are told until there is one.
#[tokio::test(flavor = "multi_thread")]
async fn the_project_is_looked_up_and_must_be_one() {
    let world = World::new("secrets").await;
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    let two = vec![PROJECT.to_owned(), "11112222333344445555666677778888".to_owned()];
    world.cloud.set_projects("two-1", two);
    for (name, region) in [("one", "eu-west-101"), ("none", "none-1"), ("two", "two-1")] {
        let mut provider = provider(&world.endpoint);
        provider.metadata.name = Some(name.to_owned());
        provider.spec.access.region = region.to_owned();
        provider.spec.access.project_id = None;
        world.create(&provider).await;
    }
    let _operator = world.operator().start().await;
    for (n, name) in ["one", "none", "two"].into_iter().enumerate() {
        world.create(&uses(on_cluster(n, obs(name)), name)).await;
    }
    let status = world.ready("one").await.status.unwrap();
    assert_eq!(status.cloud.unwrap().project_id, PROJECT);
    for (name, text) in [
        ("none", "0 usable projects named none-1"),
        ("two", "2 usable projects named two-1"),
    ] {
        let object = world.reconciling(name, Reason::WaitingForProvider).await;
        assert!(
            message(&object).contains(text) && message(&object).contains("set projectID"),
            "{}",
            message(&object)
        );
    }
    assert_eq!(world.calls(Call::Create).len(), 1);
    world.cloud.set_projects("none-1", vec![PROJECT.to_owned()]);
    world.cloud.set_projects("two-1", vec![PROJECT.to_owned()]);
    world.ready("none").await;
    world.ready("two").await;
}

/// A provider that moves to another endpoint is not followed there: its data sources say so until it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_moves_is_not_followed() {
    let world = World::new("secrets").await;
    world.with_provider().await;
    let other = Simulator::start(Settings::default())
        .await
        .expect("the simulator starts");
    let other_endpoint = world.namespace.proxy().cloud(&other.url());
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    world
        .patch_provider("default", json!({"endpoint": other_endpoint}))
        .await;
    let object = world.stalled("lake", Reason::ProviderMismatch).await;
    assert!(message(&object).contains(&other_endpoint) && message(&object).contains(&world.endpoint));
    world.secret_read("dws-access-key", 6).await;
    assert!(other.admin().log().is_empty());
    world
        .patch_provider("default", json!({"endpoint": world.endpoint}))
        .await;
    world.ready("lake").await;
    assert_eq!(world.calls(Call::Create).len(), 1);
    assert!(other.admin().log().is_empty());
}

/// A provider or a Secret that the API server fails to give for a moment turns no Ready data source not Ready; one that it does not give at all
/// does, after some failures, and a data source that is new waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_read_for_a_moment_changes_nothing() {
    const HARMLESS: u64 = 2;
    let world = World::new("unread").await;
    world.with_provider().await;
    // What failed a second ago may count again: with these waits five failures take longer than the harmless ones last.
    let flags = [
        "--ready-grace=10m",
        "--backoff-min=2s",
        "--backoff-max=2s",
        "--busy-max=2s",
    ];
    let _operator = world.operator_with(&flags).args(["--resync-period=1s"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let fails = |part: &'static str| {
        let refusal = Action::Answer(500, json!({"kind": "Status", "status": "Failure", "code": 500}));
        Rule::new(Stage::Before, refusal, move |call| call.is(Side::Kube, "GET", part))
    };
    for part in ["/secrets/dws-access-key", "/dwsproviders/default"] {
        let mut hits = world.namespace.proxy().on(fails(part).times(HARMLESS));
        for _ in 0..HARMLESS {
            hits.reached(SOON).await;
        }
        // What a pass read before this is told by the second list after it.
        world.lists_later(2).await;
        assert_eq!(world.flips("lake"), 0, "{part}");
        assert_eq!(world.flips_of("DwsProvider", "default"), 0, "{part}");
    }

    let _hits = world.namespace.proxy().on(fails("/secrets/dws-access-key").times(30));
    world.reconciling("lake", Reason::Retrying).await;
    provider_says(&world, "default", Reason::Retrying).await;
    world.create(&on_cluster(1, obs("late"))).await;
    world.reconciling("late", Reason::WaitingForProvider).await;
    world.ready("lake").await;
    world.ready("late").await;
    provider_says(&world, "default", Reason::Available).await;
    assert_eq!(world.calls(Call::Create).len(), 2);
}
