//! Passwords that are missing or wrong are told, and used as soon as they are right.

use dws_operator::api::Reason;
use dws_simulator::Call;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::world::{PASSWORD, World, cluster, message, mrs, on_cluster, secret};

/// A password that is missing or cannot be one is told with its key and without its value, costs no POST, and is used as soon
/// as it is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_then_used_once_right() {
    let world = World::new("secrets").await;
    world.with_provider().await;
    let bytes = |name: &str, value: Vec<u8>| {
        let mut secret = secret(name, &[]);
        secret.data = Some([("password".to_owned(), ByteString(value))].into());
        Some(secret)
    };
    let rows: [(&str, Option<Secret>, Reason, &str); 6] = [
        ("absent", None, Reason::WaitingForSecret, "does not exist; create it"),
        (
            "other-key",
            Some(secret("other-key", &[("pasword", PASSWORD)])),
            Reason::InvalidSpec,
            "no key \"password\"",
        ),
        (
            "short",
            Some(secret("short", &[("password", "short7!")])),
            Reason::InvalidSpec,
            "fewer than 8 characters",
        ),
        ("empty", bytes("empty", Vec::new()), Reason::InvalidSpec, "is empty"),
        (
            "binary",
            bytes("binary", vec![0xff; 16]),
            Reason::InvalidSpec,
            "not UTF-8",
        ),
        (
            "huge",
            bytes("huge", vec![b'x'; 1_000_000]),
            Reason::InvalidSpec,
            "more than",
        ),
    ];
    let _operator = world.operator().start().await;
    for (n, (name, secret, ..)) in rows.iter().enumerate() {
        if let Some(secret) = secret {
            world.create(secret).await;
        }
        let mut object = on_cluster(n, mrs(name));
        object.spec.user_pwd.as_mut().unwrap().secret_key_ref.name = (*name).to_owned();
        world.create(&object).await;
    }
    for (name, _, reason, text) in &rows {
        let object = match reason {
            Reason::WaitingForSecret => world.reconciling(name, *reason).await,
            _ => world.stalled(name, *reason).await,
        };
        assert!(
            message(&object).contains(name) && message(&object).contains(text),
            "{name}: {}",
            message(&object)
        );
        assert!(!message(&object).contains("short7!"));
        world.secret_read(name, 3).await;
    }
    assert!(world.calls(Call::Create).is_empty());
    for (name, ..) in &rows {
        world.put(secret(name, &[("password", PASSWORD)])).await;
    }
    for (n, (name, ..)) in rows.iter().enumerate() {
        let object = world.ready(name).await;
        assert_eq!(object.metadata.generation, Some(1));
        assert_eq!(
            world.cloud.sources(&cluster(n))[0].password,
            Some(world.cloud.digest(PASSWORD)),
            "{name}"
        );
    }
    assert_eq!(world.calls(Call::Create).len(), rows.len());
}
