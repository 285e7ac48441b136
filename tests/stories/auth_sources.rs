//! Where credentials come from: each source, used for real, and what many objects share of it.

use std::time::Duration;

use dws_simulator::{Call, DEFAULT_PASSWORD};
use serde_json::{Value, json};

use crate::metrics;
use crate::world::{
    ACCESS_KEY, AGENCY, IN_NAMESPACES, Identities, SECRET_KEY, World, cluster, obs, on_cluster, provider_by, secret,
    uses,
};

/// Credentials, who the cloud takes their calls to DWS for, and the calls that issue them, in their order.
type Row = (&'static str, Value, &'static str, &'static [Call]);

fn with(source: &Value, agency: Value) -> Value {
    let mut auth = source.clone();
    auth["assumeAgency"] = agency;
    auth
}

fn rows(identities: &Identities) -> Vec<Row> {
    let by_name = || json!({"agencyName": "dws", "domainName": "example", "durationSeconds": 900});
    let by_urn = || json!({"agencyURN": AGENCY, "sessionName": "a-session"});
    let key = json!({"accessKey": {"secretRef": {"name": "dws-access-key"}}});
    let user =
        json!({"password": {"domainName": "example", "userName": "operator", "secretRef": {"name": "iam-user"}}});
    let pod = json!({"podIdentity": {}});
    let idp = json!({"oidc": {"idpID": "cce", "durationSeconds": 3600}});
    let node = json!({"nodeAgency": {}});
    use Call::{AssumeAgency, AssumeWithOidc, IdToken, MetadataKey, MetadataToken, PodIdentity, SecurityToken, Token};
    vec![
        ("pod", pod.clone(), "pod", &[PodIdentity]),
        ("oidc-sts", identities.oidc(), "agency/dws", &[AssumeWithOidc]),
        (
            "oidc-iam",
            idp.clone(),
            "service-account/cce",
            &[IdToken, SecurityToken],
        ),
        ("node", node.clone(), "node", &[MetadataToken, MetadataKey]),
        ("key-iam", with(&key, by_name()), "agency/dws", &[SecurityToken]),
        ("key-sts", with(&key, by_urn()), "agency/dws", &[AssumeAgency]),
        (
            "user-sts",
            with(&user, by_urn()),
            "agency/dws",
            &[Token, SecurityToken, AssumeAgency],
        ),
        (
            "pod-iam",
            with(&pod, by_name()),
            "agency/dws",
            &[PodIdentity, SecurityToken],
        ),
        (
            "oidc-agency",
            with(&idp, by_urn()),
            "agency/dws",
            &[IdToken, SecurityToken, AssumeAgency],
        ),
        (
            "node-agency",
            with(&node, by_name()),
            "agency/dws",
            &[MetadataToken, MetadataKey, SecurityToken],
        ),
    ]
}

/// Each source makes a data source Ready with the credential that it stands for, which the provider's status tells the end of.
#[tokio::test(flavor = "multi_thread")]
async fn each_source_makes_a_data_source_ready() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    let key = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
    world.create(&secret("dws-access-key", &key)).await;
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    let operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES]))
        .start()
        .await;
    for (n, (name, auth, owner, exchange)) in rows(&identities).iter().enumerate() {
        let before = world.cloud.log().len();
        world.create(&provider_by(&world.endpoint, name, auth)).await;
        world.create(&uses(on_cluster(n, obs(name)), name)).await;
        world.ready(name).await;
        let log = world.cloud.log_since(before as u64);
        let of_this_one = |entry: &&dws_simulator::LogEntry| entry.cluster.as_deref() == Some(cluster(n).as_str());
        let calls: Vec<_> = log.iter().filter(of_this_one).collect();
        assert!(!calls.is_empty());
        for call in &calls {
            assert_eq!(call.credential.as_deref(), Some(*owner), "{name}: {call}");
            assert!(call.header("x-security-token").is_some(), "{name}: {call}");
        }
        let is_exchange = |entry: &&dws_simulator::LogEntry| exchange.contains(&entry.call);
        let issued: Vec<_> = log.iter().filter(is_exchange).map(|entry| entry.call).collect();
        assert_eq!(issued, *exchange, "{name}");
        let status = world
            .provider_until(name, "the end of its credential", |status| {
                status.credential_expiry.is_some()
            })
            .await;
        assert!(status.credential_expiry > Some(jiff::Timestamp::now()), "{name}");
    }
    let log = world.cloud.log();
    let oidc = log.iter().find(|entry| entry.call == Call::AssumeWithOidc).unwrap();
    let body = oidc.body.as_ref().unwrap();
    assert_eq!(body["agency_session_name"], "dws-operator");
    assert_eq!(body["duration_seconds"], 3600);
    assert!(oidc.header("authorization").is_none(), "it is not signed");
    let session = log.iter().find(|entry| entry.call == Call::AssumeAgency).unwrap();
    assert_eq!(session.body.as_ref().unwrap()["agency_session_name"], "a-session");
    assert!(log.iter().all(|entry| entry.status.is_some_and(|status| status < 400)));
    let first = world
        .provider_status("key-iam")
        .await
        .credential_expiry
        .unwrap()
        .as_second();
    metrics::until(&operator, "the end of the shortest-lived credential", |series| {
        let told = series.get("dws_credential_expiry_timestamp_seconds").copied();
        told.is_some_and(|told| metrics::equals(told, u32::try_from(first).unwrap_or_default()))
    })
    .await;
}

/// A node whose metadata service has no tokens, as that of older nodes, is asked without one.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_metadata_service_is_asked_without_a_token() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    world.cloud.update_settings(|settings| settings.metadata_tokens = false);
    world
        .create(&provider_by(&world.endpoint, "default", &json!({"nodeAgency": {}})))
        .await;
    let _operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES]))
        .start()
        .await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let refused = world.calls(Call::MetadataToken);
    assert!(refused.iter().all(|entry| entry.status == Some(404)) && !refused.is_empty());
}

/// One exchange serves all objects of all providers with the same source, whatever their region or project.
#[tokio::test(flavor = "multi_thread")]
async fn one_exchange_serves_many_objects() {
    const OBJECTS: usize = 12;
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    let _operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES, "--resync-period=2s"]))
        .start()
        .await;
    let providers = ["default", "second"];
    for name in providers {
        world
            .create(&provider_by(&world.endpoint, name, &json!({"podIdentity": {}})))
            .await;
    }
    for n in 0..OBJECTS {
        let object = on_cluster(n, obs(&format!("lake-{n}")));
        world.create(&uses(object, providers[n % 2])).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    world.lists_later(2 * OBJECTS).await;
    assert_eq!(world.calls(Call::PodIdentity).len(), 1);
}

/// Temporary keys are renewed while they are still good: objects live on over many lives of them, and no call is ever refused. What the
/// provider's status says moves along, and nothing else of it.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_renewed_before_they_expire() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    let lifetime = Duration::from_secs(9);
    world
        .cloud
        .update_settings(|settings| settings.temporary_lifetime = lifetime);
    world
        .create(&provider_by(&world.endpoint, "default", &identities.oidc()))
        .await;
    let _operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES, "--resync-period=1s"]))
        .start()
        .await;
    for n in 0..4 {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
        world.ready(&format!("lake-{n}")).await;
    }
    let first = world.provider_status("default").await;
    // The file is replaced in between, and the next exchange sends the new token.
    let token = world.cloud.digest(&identities.rotate());
    world.calls_made(Call::AssumeWithOidc, 4).await;
    let moved = world
        .provider_until("default", "a later expiry", |status| {
            status.credential_expiry > first.credential_expiry
        })
        .await;
    assert_eq!(moved.conditions, first.conditions);
    let log = world.cloud.log();
    assert!(
        log.iter().all(|entry| entry.status != Some(401)),
        "no key was used after its end"
    );
    let exchanges: Vec<_> = log.iter().filter(|entry| entry.call == Call::AssumeWithOidc).collect();
    assert_eq!(
        exchanges.last().unwrap().body.as_ref().unwrap()["id_token"],
        token.as_str()
    );
    for pair in exchanges.windows(2) {
        let gap = pair[1].time.duration_since(pair[0].time).unsigned_abs();
        assert!(gap < lifetime && gap >= lifetime / 2, "renewed after {gap:?}");
    }
    for n in 0..4 {
        assert_eq!(world.flips(&format!("lake-{n}")), 0);
    }
}
