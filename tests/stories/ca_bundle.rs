//! The certificates that a provider wants trusted.

use dws_operator::api::ConditionType;
use dws_operator::api::Reason;
use dws_operator::api::provider::SecretRef;

use crate::world::{ACCESS_KEY, SECRET_KEY, World, message, obs, provider, secret, verdict};

/// A Secret with the certificates to trust has to have the key `ca.crt`; a provider that names one waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_bundle_is_waited_for() {
    let world = World::new("secrets").await;
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    let mut object = provider(&world.endpoint);
    object.spec.access.ca_bundle_secret_ref = Some(SecretRef {
        name: "roots".to_owned(),
    });
    world.create(&object).await;
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    let waiting = world.reconciling("lake", Reason::WaitingForSecret).await;
    assert!(
        message(&waiting).contains("Secret roots does not exist"),
        "{}",
        message(&waiting)
    );
    world.create(&secret("roots", &[("other", "x")])).await;
    let waiting = world.reconciling("lake", Reason::WaitingForProvider).await;
    assert!(message(&waiting).contains("no key ca.crt"), "{}", message(&waiting));
    world.put(secret("roots", &[("ca.crt", "no certificate")])).await;
    world
        .until("lake", "the certificates cannot be read", |object| {
            verdict(object) == Some((ConditionType::Reconciling, Reason::WaitingForProvider))
                && !message(object).contains("no key")
        })
        .await;
    assert!(world.cloud.log().is_empty());
}
