//! Where credentials come from: each source, used for real, and what many objects share of it.

use std::time::Duration;

use dws_simulator::{AccessKey, Agency, Call, DEFAULT_PASSWORD};
use serde_json::{Value, json};

use crate::metrics;
use crate::world::{
    ACCESS_KEY, AGENCY, IN_NAMESPACES, Identities, SECRET_KEY, World, cluster, obs, on_cluster, password_provider,
    provider_by, secret, uses,
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

/// The full product of the sources and the ways to assume an agency: each makes a data source Ready, and every call to DWS is taken for whom it
/// should be.
#[tokio::test(flavor = "multi_thread")]
async fn each_source_works_alone_and_with_each_agency() {
    const TEMPORARY: &str = "AKTEMPORARY000000001";
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    let trusts = [
        ACCESS_KEY,
        TEMPORARY,
        "pod",
        "node",
        "service-account/cce",
        "example/operator",
        "agency/dws",
    ];
    world.cloud.put_agency(Agency {
        urn: AGENCY.to_owned(),
        name: "dws".to_owned(),
        domain: "example".to_owned(),
        trusts: trusts.map(str::to_owned).to_vec(),
    });
    let temporary = AccessKey::temporary(TEMPORARY, "SKtemporary", "a-token");
    world.cloud.add_access_key(temporary);
    let secrets: [(&str, &[(&str, &str)]); 3] = [
        ("permanent", &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)]),
        (
            "temporary",
            &[
                ("accessKey", TEMPORARY),
                ("secretKey", "SKtemporary"),
                ("securityToken", "a-token"),
            ],
        ),
        ("iam-user", &[("password", DEFAULT_PASSWORD)]),
    ];
    for (name, data) in secrets {
        world.create(&secret(name, data)).await;
    }
    let key = |name: &str| json!({"accessKey": {"secretRef": {"name": name}}});
    let user =
        json!({"password": {"domainName": "example", "userName": "operator", "secretRef": {"name": "iam-user"}}});
    // Whom the cloud takes calls for without an agency.
    let sources = [
        ("permanent", key("permanent"), ACCESS_KEY),
        ("temporary", key("temporary"), TEMPORARY),
        ("user", user, "example/operator"),
        ("pod", json!({"podIdentity": {}}), "pod"),
        ("oidc-sts", identities.oidc(), "agency/dws"),
        ("oidc-idp", json!({"oidc": {"idpID": "cce"}}), "service-account/cce"),
        ("node", json!({"nodeAgency": {}}), "node"),
    ];
    let agencies = [
        ("none", Value::Null),
        ("v3", json!({"agencyName": "dws", "domainName": "example"})),
        ("v5", json!({"agencyURN": AGENCY})),
    ];
    let _operator = identities
        .given_to(&world, world.operator().args([IN_NAMESPACES]))
        .start()
        .await;
    let mut rows = Vec::new();
    for (source, auth, alone) in &sources {
        for (way, agency) in &agencies {
            let name = format!("{source}-{way}");
            let (auth, owner) = if agency.is_null() {
                (auth.clone(), *alone)
            } else {
                (with(auth, agency.clone()), "agency/dws")
            };
            world.create(&provider_by(&world.endpoint, &name, &auth)).await;
            world.create(&uses(on_cluster(rows.len(), obs(&name)), &name)).await;
            rows.push((name, owner));
        }
    }
    for (name, _) in &rows {
        world.ready(name).await;
    }
    let log = world.cloud.log();
    for (n, (name, owner)) in rows.iter().enumerate() {
        let id = cluster(n);
        let mut callers: Vec<_> = log
            .iter()
            .filter(|entry| entry.cluster.as_deref() == Some(id.as_str()))
            .map(|entry| entry.credential.as_deref())
            .collect();
        callers.dedup();
        assert_eq!(callers, [Some(*owner)], "{name}");
    }
    assert!(log.iter().all(|entry| entry.status.is_some_and(|status| status < 400)));
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
    let lifetime = Duration::from_secs(15);
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
    world.calls_made(Call::AssumeWithOidc, 3).await;
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

/// So are the tokens of an IAM user.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_before_they_expire() {
    let world = World::new("auth").await;
    world
        .cloud
        .update_settings(|settings| settings.token_lifetime = Duration::from_secs(15));
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    world.create(&password_provider(&world.endpoint)).await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let first = world
        .provider_until("default", "an expiry", |status| status.credential_expiry.is_some())
        .await;
    world.calls_made(Call::Token, 3).await;
    world
        .provider_until("default", "a later expiry", |status| {
            status.credential_expiry > first.credential_expiry
        })
        .await;
    assert!(world.cloud.log().iter().all(|entry| entry.status != Some(401)));
    assert_eq!(world.flips("lake"), 0);
}
