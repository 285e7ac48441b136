//! Secrets are in the Secret and in the request that needs them, and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Answer, Body, Call, Fault};
use dws_testbed::{AUDIT_LOG_VARIABLE, ControlPlane, etcd_dump};
use uuid::Uuid;

use crate::world::{World, cluster, mrs, on_cluster, password_provider, provider, secret, uses};

/// The forms in which a value could leak.
fn forms(value: &str) -> [Vec<u8>; 2] {
    [value.as_bytes().to_vec(), STANDARD.encode(value).into_bytes()]
}

fn holds(haystack: &[u8], value: &str) -> bool {
    forms(value)
        .iter()
        .any(|needle| haystack.windows(needle.len()).any(|window| window == needle))
}

/// A whole life with both kinds of credentials, in which the cloud's errors repeat every secret: none shows in etcd outside of
/// Secrets, in the log at trace level, in the metrics or in the audit log; and the requests carried them all.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_where_they_belong() {
    let random = |what: &str| format!("{what}{}", Uuid::new_v4().simple());
    let [password, access, key, token, iam] = ["Pw-", "AK", "SK", "TOK", "Iam-"].map(random);
    let plane = ControlPlane::shared().await;
    let world = World::new("canary").await;
    world.cloud.add_access_key(AccessKey::temporary(&access, &key, &token));
    world.cloud.set_user("example", "operator", &iam);
    world.create(&secret("mrs-account", &[("password", &password)])).await;
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", &access), ("secretKey", &key), ("securityToken", &token)],
        ))
        .await;
    world.create(&provider(&world.endpoint)).await;
    world.create(&secret("iam-user", &[("password", &iam)])).await;
    let mut by_password = password_provider(&world.endpoint);
    by_password.metadata.name = Some("by-password".to_owned());
    world.create(&by_password).await;

    // Each answer repeats what its request could have carried.
    let by_key = format!("{access}, {key}, {token}");
    let created_by_key = format!("user_pwd {{password}} with {by_key}");
    let created_by_user = format!("user_pwd {{password}} with {iam}");
    let echo = |text: &str, name| {
        Fault::on(Call::Create, Answer::error(400, "DWS.5199", text))
            .name(name)
            .times(1)
    };
    world.cloud.add_fault(echo(&created_by_key, "refused"));
    world.cloud.add_fault(echo(&created_by_user, "by_password"));
    let html = Body::Text {
        content_type: "text/html".to_owned(),
        text: format!("<p>{created_by_key}</p>"),
    };
    world.cloud.add_fault(
        Fault::on(Call::Create, Answer::with_body(503, html))
            .name("unknown")
            .times(1),
    );
    world.cloud.add_fault(
        Fault::on(Call::List, Answer::error(500, "DWS.0005", &by_key))
            .cluster(&cluster(1))
            .times(2),
    );
    // A refusal of the login repeats the IAM user's password.
    world
        .cloud
        .add_fault(Fault::on(Call::Token, Answer::error(503, "APIGW.0613", &iam)).times(1));

    let operator = world.operator().args(["--log-level=trace"]).start().await;
    world.create(&uses(on_cluster(1, mrs("refused")), "default")).await;
    world
        .create(&uses(on_cluster(2, mrs("by-password")), "by-password"))
        .await;
    world.create(&uses(on_cluster(3, mrs("unknown")), "default")).await;
    let refused = world.stalled("refused", Reason::InvalidSpec).await;
    assert!(
        crate::world::message(&refused).contains("[redacted]"),
        "{}",
        crate::world::message(&refused)
    );
    for name in ["refused", "by-password", "unknown"] {
        world.ready(name).await;
    }

    let metrics = reqwest::Client::builder().no_proxy().build().expect("a client");
    let metrics = metrics
        .get(format!("{}/metrics", operator.metrics_url().await))
        .send()
        .await
        .expect("metrics");
    let metrics = metrics.text().await.expect("text");
    let etcd = etcd_dump(plane).await;
    for name in ["refused", "by-password", "unknown"] {
        world.delete(name).await;
        world.gone(name).await;
    }
    let audit = std::env::var(AUDIT_LOG_VARIABLE).unwrap_or_else(|_| {
        let own = plane.environment().expect("a control plane of this process");
        own[AUDIT_LOG_VARIABLE].clone()
    });
    let audit = std::fs::read(audit).expect("the audit log");
    let simulator = serde_json::to_vec(&world.cloud.log()).expect("JSON");
    let log = operator.log();
    assert!(log.contains("\"level\":\"TRACE\""), "the log is at trace level");
    for (what, value) in [
        ("password", &password),
        ("access key", &access),
        ("secret key", &key),
        ("token", &token),
        ("IAM password", &iam),
    ] {
        let hits: Vec<&str> = etcd
            .iter()
            .filter(|entry| holds(&entry.value, value))
            .map(|entry| entry.key.as_str())
            .collect();
        assert!(!hits.is_empty(), "the search finds the {what} in its Secret");
        assert!(
            hits.iter().all(|key| key.starts_with("/registry/secrets/")),
            "the {what} is in {hits:?}"
        );
        let line = log.lines().find(|line| holds(line.as_bytes(), value));
        assert!(line.is_none(), "the {what} is in the log: {}", line.unwrap_or_default());
        assert!(!holds(metrics.as_bytes(), value), "the {what} is in the metrics");
        assert!(!holds(&audit, value), "the {what} is in the audit log");
    }
    // The simulator tells whose request it was, but no secret.
    for value in [&password, &key, &token, &iam] {
        assert!(!holds(&simulator, value));
    }
    let sent = world
        .calls(Call::Create)
        .into_iter()
        .filter_map(|entry| entry.body)
        .collect::<Vec<_>>();
    assert!(
        sent.iter()
            .all(|body| body["user_pwd"] == world.cloud.digest(&password).as_str()),
        "each create carries it"
    );
}
