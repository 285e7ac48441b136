//! What a provider's Secret can hold: an IAM user's password, and a temporary key.

use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Call, DEFAULT_PASSWORD, LogEntry};

use crate::world::{SOON, World, obs, on_cluster, password_provider, provider, secret};

/// A temporary key, and the one after it.
const FIRST: &str = "AKTEMPORARY000000001";
const NEXT: &str = "AKTEMPORARY000000002";

/// An IAM user logs in once for many objects; when the token is revoked, once more.
#[tokio::test(flavor = "multi_thread")]
async fn one_login_serves_many_objects() {
    const OBJECTS: usize = 12;
    let world = World::new("secrets").await;
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    world.create(&password_provider(&world.endpoint)).await;
    let _operator = world.operator().args(["--resync-period=2s"]).start().await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    assert_eq!(world.calls(Call::Token).len(), 1);
    world.cloud.revoke_tokens();
    world.lists_later(3 * OBJECTS).await;
    world.create(&on_cluster(OBJECTS, obs("after"))).await;
    world.ready("after").await;
    assert_eq!(world.calls(Call::Token).len(), 2);
}

/// A temporary key works with its security token, and is refused with another.
#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_key_needs_its_token() {
    let world = World::new("secrets").await;
    world.cloud.add_access_key(AccessKey::temporary(
        "AKTEMPORARY000000001",
        "SKtemporary",
        "right/token+==",
    ));
    let key = |token| {
        secret(
            "dws-access-key",
            &[
                ("accessKey", "AKTEMPORARY000000001"),
                ("secretKey", "SKtemporary"),
                ("securityToken", token),
            ],
        )
    };
    world.create(&key("wrong")).await;
    world.create(&provider(&world.endpoint)).await;
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    world.stalled("lake", Reason::CredentialsRejected).await;
    world.put(key("right/token+==")).await;
    world.ready("lake").await;
    let post = world.calls(Call::Create).pop().unwrap();
    assert_eq!(
        post.header("x-security-token"),
        Some(world.cloud.digest("right/token+==").as_str())
    );
}

/// A temporary key whose Secret is replaced under Ready objects, before the old one ends: the next calls carry the new one, with its own token, and nobody
/// notices when the old one is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_key_is_replaced_under_ready_objects() {
    const OBJECTS: usize = 6;
    let world = World::new("secrets").await;
    let key = |name, token| {
        let data = [
            ("accessKey", name),
            ("secretKey", "SKtemporary"),
            ("securityToken", token),
        ];
        secret("dws-access-key", &data)
    };
    for (name, token) in [(FIRST, "first/token"), (NEXT, "next/token")] {
        let known = AccessKey::temporary(name, "SKtemporary", token);
        world.cloud.add_access_key(known);
    }
    world.create(&key(FIRST, "first/token")).await;
    world.create(&provider(&world.endpoint)).await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    world.put(key(NEXT, "next/token")).await;
    let digest = world.cloud.digest("next/token");
    let carried = |entry: &&LogEntry| entry.header("x-security-token") == Some(digest.as_str());
    world
        .cloud
        .wait_log(SOON, |log| log.iter().filter(carried).count() >= OBJECTS)
        .await
        .expect("the new key is used");
    world.cloud.remove_access_key(FIRST);
    world.lists_later(2 * OBJECTS).await;
    for n in 0..OBJECTS {
        assert_eq!(world.flips(&format!("lake-{n}")), 0);
    }
    assert!(world.cloud.log().iter().all(|entry| entry.status != Some(401)));
    assert_eq!(world.calls(Call::Create).len(), OBJECTS);
}

/// A password that is changed under Ready objects, which also ends the user's tokens: the old one is tried no more than three times, the new one
/// in the Secret once, for all objects, long before the window of the breaker ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_under_ready_objects() {
    const OBJECTS: usize = 6;
    let world = World::new("secrets").await;
    let user = |password| secret("iam-user", &[("password", password)]);
    world.create(&user(DEFAULT_PASSWORD)).await;
    world.create(&password_provider(&world.endpoint)).await;
    let operator = world.operator_with(&["--breaker-window=5m", "--ready-grace=1s"]);
    let _operator = operator.args(["--resync-period=1s"]).start().await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    world.cloud.set_user("example", "operator", "N3xt-password");
    for n in 0..OBJECTS {
        world.stalled(&format!("lake-{n}"), Reason::CredentialsRejected).await;
    }
    world.put(user("N3xt-password")).await;
    for n in 0..OBJECTS {
        let object = world.ready(&format!("lake-{n}")).await;
        assert_eq!(object.metadata.generation, Some(1), "nobody touched it");
    }
    let logins = world.calls(Call::Token);
    let (taken, refused): (Vec<_>, Vec<_>) = logins.into_iter().partition(|login| login.took_effect);
    assert_eq!(taken.len(), 2, "the first, and one with the new password");
    assert!(
        (1..=3).contains(&refused.len()),
        "{} tries of the old one",
        refused.len()
    );
    assert_eq!(world.calls(Call::Create).len(), OBJECTS);
    assert!(world.calls(Call::Delete).is_empty());
}
