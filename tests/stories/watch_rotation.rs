//! `--watch-secrets`: a password that rotates is told, or rotated to, because the Secret changed and not because it was time to look at the cloud.

use dws_operator::api::Reason;
use dws_operator::api::data_source::{DwsDataSource, ReplacementPolicy};
use dws_simulator::{Call, LogEntry};
use serde_json::json;

use crate::watch_secrets::{NEVER, patch_secret, watching};
use crate::world::{World, cluster, id, message, mrs, on_cluster, operator_ready, secret};

/// The data sources of these stories, each with a Secret of its name; `slow` is compared every 30 minutes, the others never.
const NAMES: [&str; 3] = ["told", "slow", "replaced"];

fn object(n: usize) -> DwsDataSource {
    let name = NAMES[n];
    let mut object = on_cluster(n, mrs(name));
    let spec = &mut object.spec;
    name.clone_into(&mut spec.user_pwd.as_mut().unwrap().secret_key_ref.name);
    spec.resync_period = Some(if name == "slow" { "30m" } else { "0s" }.to_owned());
    spec.replacement_policy = (name == "replaced").then_some(ReplacementPolicy::Always);
    object
}

/// Makes the objects, and gives their ids.
async fn made(world: &World<'_>) -> Vec<String> {
    let mut ids = Vec::new();
    for (n, name) in NAMES.into_iter().enumerate() {
        world
            .create(&secret(name, &[("password", crate::world::PASSWORD)]))
            .await;
        world.create(&object(n)).await;
        ids.push(id(&world.ready(name).await).unwrap());
    }
    // What their creation still wakes them for is over before another object has lived.
    world.later_life().await;
    ids
}

async fn rotate(world: &World<'_>, name: &str) {
    patch_secret(world, name, json!({"stringData": {"password": "Another-Passw0rd"}})).await;
}

fn asked(world: &World<'_>) -> [usize; 3] {
    [0, 1, 2].map(|n| world.asked(&cluster(n)))
}

/// Nothing but the Secret tells of it: no list comes by itself before or after. Each object is told of its own Secret only.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_acts_without_a_resync() {
    let world = World::new("watch-rotation").await;
    world.with_provider().await;
    let operator = watching(&world).await;
    operator_ready(&operator).await;
    let ids = made(&world).await;
    let before = asked(&world);
    world.later_life().await;
    assert_eq!(asked(&world), before, "the cloud is not looked at by itself");

    for (n, name) in ["told", "slow"].into_iter().enumerate() {
        let others = asked(&world);
        rotate(&world, name).await;
        let drifted = world.stalled(name, Reason::Drifted).await;
        assert!(message(&drifted).contains("userPwd"), "{}", message(&drifted));
        let plan = drifted.status.unwrap().plan.expect("a plan");
        assert_eq!(plan.because, ["userPwd"]);
        world.later_life().await;
        let now = asked(&world);
        assert_eq!(now[n], others[n] + 1, "{name}: the one look that the plan needs");
        let rest = |all: [usize; 3]| {
            (0..3)
                .filter(|other| *other != n)
                .map(|other| all[other])
                .collect::<Vec<_>>()
        };
        assert_eq!(rest(now), rest(others), "{name}: another's Secret is no news");
    }
    let changes = |entry: &LogEntry| matches!(entry.call, Call::Update | Call::Delete);
    let log = world.cloud.log().into_iter().filter(changes);
    let touched: Vec<_> = log
        .filter(|entry| entry.id.as_ref().is_some_and(|id| ids.contains(id)))
        .collect();
    assert_eq!(touched, [], "it is told, and nothing is done");

    rotate(&world, "replaced").await;
    world.ready_anew("replaced", &ids[2]).await;
    let sources = world.cloud.sources(&cluster(2));
    let password = Some(world.cloud.digest("Another-Passw0rd"));
    assert_eq!((sources.len(), &sources[0].password), (1, &password));

    // What is rotated back is as it was, which shows as soon.
    patch_secret(
        &world,
        "told",
        json!({"stringData": {"password": crate::world::PASSWORD}}),
    )
    .await;
    let ready = world.ready("told").await;
    assert_eq!((id(&ready).as_ref(), ready.status.unwrap().plan), (Some(&ids[0]), None));
}

/// Without the flag the same rotation is no news until somebody asks for a look.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_a_rotation_is_told_at_the_next_look() {
    let world = World::new("unwatched-rotation").await;
    world.with_provider().await;
    let _operator = world.operator_with(&NEVER).start().await;
    let ids = made(&world).await;
    let before = asked(&world);
    for name in NAMES {
        rotate(&world, name).await;
    }
    world.later_life().await;
    assert_eq!(asked(&world), before);
    for (n, name) in NAMES.into_iter().enumerate() {
        assert_eq!(id(&world.ready(name).await).as_ref(), Some(&ids[n]));
    }
    crate::update::request(&world, "told", "reconcile-requested-at", "1").await;
    world.stalled("told", Reason::Drifted).await;
}
