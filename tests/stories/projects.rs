//! Providers without `projectID`: what the look-up of the project comes to is told and mended like any other call.

use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Answer, Call, Fault, LogEntry};
use k8s_openapi::api::core::v1::Secret;

use crate::breaker::{provider_says, rejections};
use crate::metrics::{breaker_open, equals, until};
use crate::world::{ACCESS_KEY, SECRET_KEY, SOON, World, message, obs, on_cluster, projectless, provider, secret};

/// The Secret of the provider `default`, with this secret key.
fn key(secret_key: &str) -> Secret {
    secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", secret_key)],
    )
}

/// A key that is locked under a Ready data source and enabled again, its Secret unchanged: the data source becomes Ready again by itself,
/// whether the project is given or was looked up.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_enabled_again_needs_nobody() {
    for is_given in [true, false] {
        let world = World::new("projects").await;
        world.create(&key(SECRET_KEY)).await;
        let provider = provider(&world.endpoint);
        let provider = if is_given { provider } else { projectless(provider) };
        world.create(&provider).await;
        let flags = ["--breaker-window=3s", "--ready-grace=0s"];
        let _operator = world.operator_with(&flags).args(["--resync-period=1s"]).start().await;
        world.create(&obs("lake")).await;
        world.ready("lake").await;
        world.cloud.remove_access_key(ACCESS_KEY);
        world.stalled("lake", Reason::CredentialsRejected).await;
        provider_says(&world, "default", Reason::CredentialsRejected).await;
        world.cloud.add_access_key(AccessKey::permanent(ACCESS_KEY, SECRET_KEY));
        let object = world.ready("lake").await;
        assert_eq!(object.metadata.generation, Some(1), "nobody touched it");
        provider_says(&world, "default", Reason::Available).await;
        assert_eq!(world.calls(Call::Create).len(), 1);
    }
}

/// A wrong secret key costs one call however often its Secret is read, and is told as what it is; the corrected one is tried at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_tried_once_and_its_correction_at_once() {
    let world = World::new("projects").await;
    world.create(&key("wrong")).await;
    world.create(&projectless(provider(&world.endpoint))).await;
    let operator = world.operator_with(&["--breaker-window=5m"]).start().await;
    for n in 0..3 {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..3 {
        let object = world.stalled(&format!("lake-{n}"), Reason::CredentialsRejected).await;
        assert!(message(&object).contains("correct its Secret"), "{}", message(&object));
    }
    provider_says(&world, "default", Reason::CredentialsRejected).await;
    until(&operator, "a breaker is open", |series| equals(breaker_open(series), 1)).await;
    world.secret_read("dws-access-key", 6).await;
    assert_eq!(rejections(&world), 1);

    world.put(key(SECRET_KEY)).await;
    for n in 0..3 {
        let object = world.ready(&format!("lake-{n}")).await;
        assert_eq!(object.metadata.generation, Some(1), "nobody touched it");
    }
    provider_says(&world, "default", Reason::Available).await;
    until(&operator, "no breaker is open", |series| {
        equals(breaker_open(series), 0)
    })
    .await;
    assert_eq!(rejections(&world), 1);
}

/// IAM that cannot be asked for the project after a restart turns no Ready data source not Ready before it has failed for some time; then it
/// does, and mends itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_of_iam_after_a_restart_leaves_ready_alone() {
    let world = World::new("projects").await;
    world.create(&key(SECRET_KEY)).await;
    world.create(&projectless(provider(&world.endpoint))).await;
    let mut operator = world
        .operator_with(&[
            "--ready-grace=5m",
            "--backoff-min=2s",
            "--backoff-max=2s",
            "--busy-max=2s",
        ])
        .args(["--resync-period=1s"])
        .start()
        .await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let down = || Fault::on(Call::Projects, Answer::error(503, "APIGW.0201", "Backend unavailable."));
    world.cloud.add_fault(down().times(2));
    let lists = world.calls(Call::List).len();
    operator.restart().await;
    let asked = |log: &[LogEntry]| log.iter().filter(|entry| entry.call == Call::Projects).count() >= 4;
    world
        .cloud
        .wait_log(SOON, asked)
        .await
        .expect("the project is asked for");
    world.lists_later(2).await;
    assert!(world.calls(Call::List).len() > lists);
    assert_eq!(world.flips("lake"), 0, "Ready stays");

    world.cloud.add_fault(down());
    operator.restart().await;
    world.reconciling("lake", Reason::Retrying).await;
    world.cloud.clear_faults();
    world.ready("lake").await;
    assert_eq!(world.calls(Call::Create).len(), 1);
}
