//! How many requests go out with a credential, and what stops them.

use std::time::Duration;

use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Answer, Body, Call, Fault, LogEntry};
use jiff::Timestamp;
use serde_json::json;

use crate::breaker::provider_says;
use crate::world::{ACCESS_KEY, ON_ITS_WAY, SECRET_KEY, World, obs, on_cluster, provider, provider_by, secret, uses};

/// The calls with a credential, by the time of their arrival.
fn calls_of(world: &World<'_>, credential: &str) -> Vec<LogEntry> {
    let mut log = world.cloud.log();
    log.retain(|entry| entry.credential.as_deref() == Some(credential));
    log
}

/// Two providers share a key and the stricter of their limits: many objects become Ready through both, and no window of the cloud's log
/// has more calls than the burst and the rate allow.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_holds_for_many_objects() {
    const OBJECTS: usize = 16;
    const RATE: f64 = 8.0;
    const BURST: f64 = 4.0;
    let world = World::new("rate").await;
    let key = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
    world.create(&secret("dws-access-key", &key)).await;
    for (name, limit) in [
        ("default", json!({"requestsPerSecond": 8, "burst": 4})),
        ("second", json!({"requestsPerSecond": 100.5, "burst": 50})),
    ] {
        let mut provider = provider(&world.endpoint);
        provider.metadata.name = Some(name.to_owned());
        provider.spec.access.rate_limit = Some(serde_json::from_value(limit).unwrap());
        world.create(&provider).await;
    }
    let _operator = world.operator().start().await;
    for name in ["default", "second"] {
        provider_says(&world, name, Reason::Available).await;
    }
    for n in 0..OBJECTS {
        let object = on_cluster(n, obs(&format!("lake-{n}")));
        world.create(&uses(object, ["default", "second"][n % 2])).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    let calls = calls_of(&world, ACCESS_KEY);
    assert!(calls.len() >= 3 * OBJECTS, "each was listed, created and looked at");
    for (first, one) in calls.iter().enumerate() {
        for (last, other) in calls.iter().enumerate().skip(first) {
            let span = other.time.duration_since(one.time) + ON_ITS_WAY;
            let allowed = BURST + RATE * span.as_secs_f64();
            let count = f64::from(u32::try_from(last - first + 1).unwrap());
            assert!(count <= allowed, "{count} calls in {span:#}");
        }
    }
}

/// The cloud's `Retry-After` stops all objects of the credential that it was said to, and no other; then all go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_stops_all_objects_of_the_credential() {
    const OBJECTS: usize = 8;
    const PAUSE: Duration = Duration::from_secs(15);
    let world = World::new("rate").await;
    world.with_provider().await;
    world.cloud.add_access_key(AccessKey::permanent("AKOTHER", "SKother"));
    world
        .create(&secret(
            "other-key",
            &[("accessKey", "AKOTHER"), ("secretKey", "SKother")],
        ))
        .await;
    let other = json!({"accessKey": {"secretRef": {"name": "other-key"}}});
    world.create(&provider_by(&world.endpoint, "other", &other)).await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    let slow_down = Answer::Reply {
        status: 429,
        headers: [("Retry-After".to_owned(), PAUSE.as_secs().to_string())].into(),
        body: Body::Error {
            shape: dws_simulator::Shape::Gateway,
            code: "APIGW.0308".to_owned(),
            message: "The throttling threshold has been reached".to_owned(),
        },
    };
    world.cloud.add_fault(Fault::on(Call::List, slow_down).times(1));
    let log = world
        .cloud
        .wait_log(crate::world::SOON, |log| {
            log.iter().any(|entry| entry.status == Some(429))
        })
        .await
        .expect("a list is throttled");
    let told: Timestamp = log.iter().find(|entry| entry.status == Some(429)).unwrap().time;
    world.create(&on_cluster(OBJECTS + 1, obs("after"))).await;
    let note = world.event("after", "RateLimited").await;
    assert!(note.contains("nothing was sent"), "{note}");
    // Another credential goes on meanwhile.
    world.create(&uses(on_cluster(OBJECTS, obs("other")), "other")).await;
    world.ready("other").await;
    // And those that were stopped do so afterwards.
    world.ready("after").await;
    let calls = calls_of(&world, ACCESS_KEY);
    let between = |entry: &&LogEntry| {
        let after = entry.time.duration_since(told);
        after > ON_ITS_WAY && after.unsigned_abs() < PAUSE.saturating_sub(Duration::from_millis(100))
    };
    let early: Vec<_> = calls.iter().filter(between).map(ToString::to_string).collect();
    assert!(early.is_empty(), "in the pause: {early:?}");
    let meanwhile = calls_of(&world, "AKOTHER");
    assert!(
        meanwhile
            .iter()
            .any(|entry| entry.time.duration_since(told).unsigned_abs() < PAUSE)
    );
    for n in 0..OBJECTS {
        assert_eq!(
            world.flips(&format!("lake-{n}")),
            0,
            "a pause is no news about what is Ready"
        );
    }
}
