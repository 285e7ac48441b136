//! Temporary credentials that end, and exchanges that are refused.

use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Agency, Answer, Call, Fault};
use serde_json::json;

use crate::world::{
    ACCESS_KEY, AGENCY, IN_NAMESPACES, Identities, SECRET_KEY, World, message, obs, on_cluster, provider_by, secret,
};

/// A key that is revoked under Ready objects is replaced by one new exchange for all of them, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_replaced_by_one_exchange() {
    const OBJECTS: usize = 8;
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    world
        .create(&provider_by(&world.endpoint, "default", &json!({"podIdentity": {}})))
        .await;
    let _operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES, "--resync-period=1s"]))
        .start()
        .await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    world.cloud.revoke_temporary_keys();
    world.calls_made(Call::PodIdentity, 2).await;
    world.lists_later(2 * OBJECTS).await;
    world.create(&on_cluster(OBJECTS, obs("after"))).await;
    world.ready("after").await;
    assert_eq!(world.calls(Call::PodIdentity).len(), 2);
    for n in 0..OBJECTS {
        assert_eq!(world.flips(&format!("lake-{n}")), 0);
    }
}

/// A token of the `ServiceAccount` that STS refuses is told on the provider and on its objects with what to check, and is not sent again and
/// again; a replaced file is tried at once, long before the window of the breaker ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_told_and_a_new_file_is_tried_at_once() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    identities.rotate_too_late();
    world
        .create(&provider_by(&world.endpoint, "default", &identities.oidc()))
        .await;
    let operator = world.operator_with(&["--breaker-window=5m"]).args([IN_NAMESPACES]);
    let _operator = identities.given_to(&world, operator).start().await;
    for n in 0..6 {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..6 {
        let object = world.stalled(&format!("lake-{n}"), Reason::CredentialsRejected).await;
        let says = message(&object);
        assert!(
            says.contains("check providerURN, agencyURN") && says.contains("has expired"),
            "{says}"
        );
    }
    let says = world.provider_stalled("default", Reason::CredentialsRejected).await;
    assert!(
        says.contains("check providerURN, agencyURN") && says.contains("has expired"),
        "{says}"
    );
    assert!(world.calls(Call::AssumeWithOidc).len() <= 3);
    assert!(world.calls(Call::List).is_empty(), "nothing is sent without a key");

    identities.rotate();
    for n in 0..6 {
        world.ready(&format!("lake-{n}")).await;
    }
    let (issued, refused): (Vec<_>, Vec<_>) = world
        .calls(Call::AssumeWithOidc)
        .into_iter()
        .partition(|call| call.took_effect);
    assert_eq!(issued.len(), 1);
    assert!(refused.len() <= 3, "{} tries with a refused token", refused.len());
}

/// Each source that is refused says what to check in Huawei Cloud, and works by itself once that is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_source_says_what_to_check_and_recovers() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    world.cloud.set_pod_token(None);
    world.cloud.set_node_agency(false);
    let agency = |trusts: &[&str]| Agency {
        urn: AGENCY.to_owned(),
        name: "dws".to_owned(),
        domain: "example".to_owned(),
        trusts: trusts.iter().map(|caller| (*caller).to_owned()).collect(),
    };
    world.cloud.put_agency(agency(&[]));
    let rows = [
        ("pod", json!({"podIdentity": {}}), "check the pod identity association"),
        ("node", json!({"nodeAgency": {}}), "set an agency for the node"),
        ("idp", json!({"oidc": {"idpID": "other"}}), "check idpID"),
        (
            "sts",
            identities.oidc(),
            "the agency trusts the operator's ServiceAccount",
        ),
    ];
    let operator = world.operator_with(&["--breaker-window=3s"]).args([IN_NAMESPACES]);
    let _operator = identities.given_to(&world, operator).start().await;
    for (n, (name, auth, _)) in rows.iter().enumerate() {
        world.create(&provider_by(&world.endpoint, name, auth)).await;
        world.create(&crate::world::uses(on_cluster(n, obs(name)), name)).await;
    }
    for (name, _, advice) in &rows {
        let object = world.stalled(name, Reason::CredentialsRejected).await;
        assert!(message(&object).contains(advice), "{name}: {}", message(&object));
        let says = world.provider_stalled(name, Reason::CredentialsRejected).await;
        assert!(says.contains(advice), "{name}: {says}");
        let expiry = world.provider_status(name).await.credential_expiry;
        assert_eq!(expiry, None, "{name} has no credential");
    }
    world.cloud.set_pod_token(Some(&identities.pod_token));
    world.cloud.set_node_agency(true);
    let mut other = identities.provider.clone();
    other.id = "other".to_owned();
    world.cloud.put_identity_provider(other);
    world.cloud.put_agency(agency(&["service-account/cce"]));
    for (name, ..) in &rows {
        world.ready(name).await;
    }
}

/// While STS is down, objects live on with the keys they have, and no renewal is tried in a hurry; once these have ended they say so and wait.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_sts_is_outlived_by_the_keys() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    world
        .cloud
        .update_settings(|settings| settings.temporary_lifetime = std::time::Duration::from_secs(30));
    world
        .create(&provider_by(&world.endpoint, "default", &identities.oidc()))
        .await;
    let _operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES, "--resync-period=1s"]))
        .start()
        .await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let down = Answer::error(503, "STS5.0500", "Unavailable.");
    let outage = world.cloud.add_fault(Fault::on(Call::AssumeWithOidc, down));
    world.calls_made(Call::AssumeWithOidc, 2).await;
    world.create(&on_cluster(1, obs("during"))).await;
    world.ready("during").await;
    assert_eq!(
        world.cloud.fault_hits(outage),
        1,
        "the next try waits, however many objects need a key"
    );
    // Then the keys end, and the provider cannot be used for now.
    world
        .provider_until("default", "no key any more", |status| {
            status
                .conditions
                .iter()
                .any(|condition| condition.reason == Reason::Retrying)
        })
        .await;
    world.cloud.clear_faults();
    world.create(&on_cluster(2, obs("after"))).await;
    for name in ["lake", "during", "after"] {
        world.ready(name).await;
    }
    assert!(world.cloud.log().iter().all(|entry| entry.status != Some(401)));
}

/// A token file that is missing is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_that_is_missing_is_waited_for() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    std::fs::remove_file(identities.token_file()).unwrap();
    world
        .create(&provider_by(&world.endpoint, "default", &identities.oidc()))
        .await;
    let _operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES]))
        .start()
        .await;
    world.create(&obs("lake")).await;
    let says = |object: &_| message(object).contains("the token file") && message(object).contains("cannot be read");
    world.until("lake", "says that the file is missing", says).await;
    assert!(world.cloud.log().is_empty(), "nothing is sent");
    identities.rotate();
    world.ready("lake").await;
}

/// An agency that does not trust the key, and a key that is revoked while its agency is in use, are told with what to do; another key in the
/// Secret is tried at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_an_agency_is_assumed_with_is_replaced() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    let key =
        |access: &str, secret_key: &str| secret("dws-access-key", &[("accessKey", access), ("secretKey", secret_key)]);
    let trusting = |caller: &str| Agency {
        urn: AGENCY.to_owned(),
        name: "dws".to_owned(),
        domain: "example".to_owned(),
        trusts: vec![caller.to_owned()],
    };
    world.cloud.put_agency(trusting("somebody"));
    world.create(&key(ACCESS_KEY, SECRET_KEY)).await;
    let auth = json!({
        "accessKey": {"secretRef": {"name": "dws-access-key"}},
        "assumeAgency": {"agencyName": "dws", "domainName": "example"},
    });
    world.create(&provider_by(&world.endpoint, "default", &auth)).await;
    let operator = world
        .operator_with(&["--breaker-window=3s", "--ready-grace=1s"])
        .args(["--resync-period=1s"]);
    let _operator = identities.given_to(&world, operator).start().await;
    world.create(&obs("lake")).await;
    let says = world.provider_stalled("default", Reason::CredentialsRejected).await;
    assert!(says.contains("check assumeAgency"), "{says}");
    world.cloud.put_agency(trusting(ACCESS_KEY));
    world.ready("lake").await;

    world.cloud.remove_access_key(ACCESS_KEY);
    world.cloud.revoke_temporary_keys();
    let object = world.stalled("lake", Reason::CredentialsRejected).await;
    assert!(
        message(&object).contains("correct the access key that the agency is assumed with"),
        "{}",
        message(&object)
    );
    world.cloud.add_access_key(AccessKey::permanent("AKNEXT", "SKnext"));
    world.cloud.put_agency(trusting("AKNEXT"));
    world.put(key("AKNEXT", "SKnext")).await;
    world.ready("lake").await;
    let last = world.calls(Call::List).pop().unwrap();
    assert_eq!(last.credential.as_deref(), Some("agency/dws"));
    assert_eq!(world.effective(Call::Create), 1);
}
