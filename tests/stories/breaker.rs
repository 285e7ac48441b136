//! A key that the cloud refuses is tried no more than three times in a window, however many objects share it.

use std::time::Duration;

use dws_operator::api::Reason;
use dws_operator::api::breaker::{Breaker, BreakerState};
use dws_operator::api::provider::DwsProvider;
use dws_simulator::{AccessKey, Call, DEFAULT_PASSWORD, LogEntry};
use dws_testbed::{Api as Side, wait};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{
    ACCESS_KEY, ON_ITS_WAY, SECRET_KEY, SOON, World, cluster, obs, on_cluster, password_provider, provider, secret,
    uses,
};

/// How many objects share the key.
const OBJECTS: usize = 30;

async fn correct(world: &World<'_>, name: &str) {
    change(world, name, json!({"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY})).await;
}

/// Changes what a Secret holds.
async fn change(world: &World<'_>, name: &str, data: Value) {
    let secrets: Api<Secret> = world.api();
    let patch = json!({ "stringData": data });
    secrets
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("the Secret exists");
}

fn is_rejection(entry: &LogEntry) -> bool {
    entry.error_code.as_deref() == Some("APIGW.0301")
}

/// How many calls the cloud rejected that began well after the operator had been told of the first rejection. Those that were under way by then
/// cannot be taken back: a key that was good until now has many calls in flight.
fn rejections_after_the_first(world: &World<'_>) -> usize {
    let mut rejected = world.namespace.proxy().calls();
    rejected.retain(|call| call.api == Side::Cloud && call.status == Some(401));
    let first_told = rejected.iter().filter_map(|call| call.ended).min();
    let known = first_told.expect("a call is rejected") + ON_ITS_WAY;
    rejected.iter().filter(|call| call.started > known).count()
}

/// How many calls the cloud rejected for their key.
pub fn rejections(world: &World<'_>) -> usize {
    world.cloud.log().iter().filter(|entry| is_rejection(entry)).count()
}

/// Waits until the provider of this name says so.
pub async fn provider_says(world: &World<'_>, name: &str, reason: Reason) {
    let providers: Api<DwsProvider> = world.api();
    wait::until(SOON, &format!("the provider {name} says {reason}"), async || {
        let status = providers
            .get(name)
            .await
            .ok()
            .and_then(|provider| provider.status)
            .unwrap_or_default();
        if status.conditions.iter().any(|condition| condition.reason == reason) {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
}

/// Waits until the status of the provider `default` says that its breaker is in this state.
async fn breaker_is(world: &World<'_>, state: BreakerState) -> Breaker {
    let is = |breaker: &Option<Breaker>| breaker.as_ref().is_some_and(|breaker| breaker.state == state);
    let what = format!("its breaker is {state:?}");
    let status = world
        .provider_until("default", &what, |status| is(&status.breaker))
        .await;
    status.breaker.expect("it was seen")
}

/// Whom events of this reason are about, as `Kind/name`: one for each time that it was told.
async fn told(world: &World<'_>, reason: &str) -> Vec<String> {
    let events = world.api::<Event>().list(&ListParams::default()).await.unwrap().items;
    let of_this = events
        .into_iter()
        .filter(|event| event.reason.as_deref() == Some(reason));
    let mut told: Vec<_> = of_this
        .flat_map(|event| {
            let about = event.regarding.unwrap_or_default();
            let about = format!("{}/{}", about.kind.unwrap_or_default(), about.name.unwrap_or_default());
            let times = event.series.map_or(1, |series| usize::try_from(series.count).unwrap());
            std::iter::repeat_n(about, times)
        })
        .collect();
    told.sort();
    told
}

/// How often the operator has written a provider's status.
fn provider_writes(world: &World<'_>) -> usize {
    let calls = world.namespace.proxy().calls();
    let is_write = |call: &&dws_testbed::Call| call.is(Side::Kube, "PATCH", "/dwsproviders/");
    calls.iter().filter(is_write).count()
}

/// Applies 30 objects that use these providers in turn, all with a wrong secret key.
async fn with_wrong_keys(names: &[&str]) -> World<'static> {
    let world = World::new("breaker").await;
    for name in names {
        world
            .create(&secret(
                &format!("key-{name}"),
                &[("accessKey", ACCESS_KEY), ("secretKey", "wrong")],
            ))
            .await;
        let mut provider = provider(&world.endpoint);
        provider.metadata.name = Some((*name).to_owned());
        provider.spec.access.auth.access_key.as_mut().unwrap().secret_ref.name = format!("key-{name}");
        world.create(&provider).await;
    }
    with_objects(&world, names).await;
    world
}

/// Applies 30 objects, each on a DWS cluster of its own, that use these providers in turn.
async fn with_objects(world: &World<'_>, names: &[&str]) {
    for n in 0..OBJECTS {
        let object = on_cluster(n, obs(&format!("lake-{n}")));
        world.create(&uses(object, names[n % names.len()])).await;
    }
}

async fn all_say_rejected(world: &World<'_>, names: &[&str]) {
    for n in 0..OBJECTS {
        world.stalled(&format!("lake-{n}"), Reason::CredentialsRejected).await;
    }
    for name in names {
        provider_says(world, name, Reason::CredentialsRejected).await;
    }
}

async fn all_ready(world: &World<'_>, names: &[&str]) {
    for n in 0..OBJECTS {
        let object = world.ready(&format!("lake-{n}")).await;
        assert_eq!(object.metadata.generation, Some(1), "nobody touched it");
    }
    for name in names {
        provider_says(world, name, Reason::Available).await;
    }
    assert_eq!(world.effective(Call::Create), OBJECTS);
}

/// A wrong secret key is told on every object and on the provider, and once the Secret is right all become Ready at its next
/// reading, long before the window of the breaker ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_secret_makes_all_ready_at_once() {
    let names = ["default"];
    let world = with_wrong_keys(&names).await;
    let _operator = world.operator_with(&["--breaker-window=5m"]).start().await;
    all_say_rejected(&world, &names).await;
    let open = breaker_is(&world, BreakerState::Open).await;
    let next = open.next_probe_time.expect("it is probed some time").as_second();
    assert!(next - open.since.as_second() > 200, "a window later: {open:?}");
    // One patch told it, and nothing is told again while nothing happens.
    let written = provider_writes(&world);
    world.secret_read_since("key-default", jiff::Timestamp::now(), 6).await;
    assert_eq!(provider_writes(&world), written);
    correct(&world, "key-default").await;
    all_ready(&world, &names).await;
    let closed = breaker_is(&world, BreakerState::Closed).await;
    assert_eq!((closed.next_probe_time, closed.since >= open.since), (None, true));
    let rejected = rejections(&world);
    assert!((1..=3).contains(&rejected), "{rejected} calls with a wrong key");
    world.later_life().await;
    world.event("later-life", "Deleted").await;
    assert_eq!(told(&world, "CredentialsRejected").await, ["DwsProvider/default"]);
    let mut accepted = told(&world, "Available").await;
    accepted.retain(|about| about.starts_with("DwsProvider/"));
    assert!(
        (1..=2).contains(&accepted.len()),
        "one when it healed, and one before a request was sent: {accepted:?}"
    );
}

/// Three wrong Secrets with the same access key fail three times together in a window; corrected, all are Ready after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_in_many_secrets_fails_three_times_at_most_in_a_window() {
    const WINDOW: Duration = Duration::from_secs(10);
    let names = ["default", "second", "third"];
    let world = with_wrong_keys(&names).await;
    let _operator = world.operator_with(&["--breaker-window=10s"]).start().await;
    all_say_rejected(&world, &names).await;
    for name in names {
        correct(&world, &format!("key-{name}")).await;
    }
    all_ready(&world, &names).await;
    let rejected = world.cloud.log().into_iter().filter(is_rejection);
    three_at_most(rejected, WINDOW);
}

/// No four of these calls lie within a window.
fn three_at_most(rejected: impl Iterator<Item = LogEntry>, window: Duration) {
    let times: Vec<_> = rejected.map(|entry| entry.time).collect();
    assert!(!times.is_empty(), "nothing was rejected");
    for four in times.windows(4) {
        let span = four[3].duration_since(four[0]).unsigned_abs();
        assert!(span >= window, "four calls with a wrong credential within {span:?}");
    }
}

/// An IAM user whose password is wrong in the Secrets of five providers is told on every object and costs three logins at most in a
/// window, and no call to DWS; once the Secrets are right, all objects become Ready with one login for all providers.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_of_an_iam_user_costs_three_logins_at_most_in_a_window() {
    const WINDOW: Duration = Duration::from_secs(10);
    let names = ["default", "second", "third", "fourth", "fifth"];
    let world = World::new("breaker-login").await;
    for name in names {
        let secret_name = format!("user-{name}");
        world
            .create(&secret(&secret_name, &[("password", "Wr0ng-password")]))
            .await;
        let mut provider = password_provider(&world.endpoint);
        provider.metadata.name = Some(name.to_owned());
        provider.spec.access.auth.password.as_mut().unwrap().secret_ref.name = secret_name;
        world.create(&provider).await;
    }
    with_objects(&world, &names).await;
    let _operator = world.operator_with(&["--breaker-window=10s"]).start().await;
    all_say_rejected(&world, &names).await;
    for name in names {
        change(&world, &format!("user-{name}"), json!({"password": DEFAULT_PASSWORD})).await;
    }
    all_ready(&world, &names).await;
    let (logins, refused): (Vec<_>, Vec<_>) = world
        .calls(Call::Token)
        .into_iter()
        .partition(|login| login.took_effect);
    assert_eq!(
        logins.len(),
        1,
        "all providers have the same user, password and project"
    );
    three_at_most(refused.into_iter(), WINDOW);
    let log = world.cloud.log();
    let first_login = log
        .iter()
        .position(|entry| entry.call == Call::Token && entry.took_effect);
    let before = &log[..first_login.expect("a login")];
    assert!(
        before.iter().all(|entry| entry.call == Call::Token),
        "no call without a token"
    );
}

/// A key that is revoked while its objects are Ready: the objects say so once they are compared, and beyond the calls that were under way then at
/// most two find out; a new key makes them Ready again, and nothing is created or deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_under_ready_objects_is_told_and_healed() {
    let world = World::new("breaker").await;
    world.with_provider().await;
    let _operator = world
        .operator_with(&["--breaker-window=60s", "--ready-grace=1s"])
        .args(["--resync-period=2s"])
        .start()
        .await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    world.cloud.remove_access_key(ACCESS_KEY);
    for n in 0..OBJECTS {
        world.stalled(&format!("lake-{n}"), Reason::CredentialsRejected).await;
    }
    provider_says(&world, "default", Reason::CredentialsRejected).await;
    breaker_is(&world, BreakerState::Open).await;
    world.event("default", "CredentialsRejected").await;
    let rejected = rejections_after_the_first(&world);
    assert!(rejected <= 2, "{rejected} more calls with a key known to be revoked");

    world
        .cloud
        .add_access_key(AccessKey::permanent("AKEXAMPLE0000000NEXT", "SKnext"));
    let refused = rejections(&world);
    let secrets: Api<Secret> = world.api();
    let next = json!({"stringData": {"accessKey": "AKEXAMPLE0000000NEXT", "secretKey": "SKnext"}});
    secrets
        .patch("dws-access-key", &PatchParams::default(), &Patch::Merge(next))
        .await
        .expect("the Secret exists");
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
    }
    assert_eq!(
        rejections(&world),
        refused,
        "the first call with the new key was accepted"
    );
    breaker_is(&world, BreakerState::Closed).await;
    assert_eq!(world.calls(Call::Create).len(), OBJECTS);
    assert!(world.calls(Call::Delete).is_empty());
    // What is told of an object that lives later comes after all that was told of these.
    world.later_life().await;
    world.event("later-life", "Deleted").await;
    assert_eq!(told(&world, "CredentialsRejected").await, ["DwsProvider/default"]);
    let accepted = told(&world, "Available").await;
    let about = |kind: &str| accepted.iter().filter(|about| about.starts_with(kind)).count();
    // The first one is from when they were created.
    assert_eq!(
        (about("DwsProvider/"), about("DwsDataSource/")),
        (2, OBJECTS + 1),
        "{accepted:?}"
    );
    // Objects that go on being compared write nothing about it, once the one that left is no user any more.
    let users = i64::try_from(OBJECTS).expect("a few");
    world
        .provider_until("default", "the count of users settles", |status| {
            status.users == Some(users)
        })
        .await;
    let written = provider_writes(&world);
    world.lists_later(2 * OBJECTS).await;
    assert_eq!(provider_writes(&world), written);
    assert!(rejections_after_the_first(&world) <= 2);
}
