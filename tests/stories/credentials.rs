//! What a provider's Secret can hold: an IAM user's password, and a temporary key.

use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Call, DEFAULT_PASSWORD};

use crate::world::{World, obs, on_cluster, password_provider, provider, secret};

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
