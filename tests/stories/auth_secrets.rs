//! Tokens and temporary keys are in the requests that need them, and nowhere else.

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, DEFAULT_PASSWORD, Fault};
use dws_testbed::{ControlPlane, etcd_dump};
use serde_json::json;

use crate::world::{IN_NAMESPACES, Identities, World, get, message, mrs, obs, on_cluster, provider_by, secret, uses};

/// Through exchanges, renewals, refusals that repeat what they were given, and deletions: no token and no temporary key shows in etcd, in the
/// log at trace level or in the metrics; and the requests carried them.
#[tokio::test(flavor = "multi_thread")]
async fn issued_credentials_stay_where_they_belong() {
    let world = World::new("auth-canary").await;
    let identities = Identities::of(&world);
    let sent_first = std::fs::read_to_string(identities.token_file())
        .unwrap()
        .trim()
        .to_owned();
    world.with_password().await;
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    // The first answer of each source repeats what was sent.
    let echo = |call, said: &str| {
        let text = format!("refused: {said}");
        world
            .cloud
            .add_fault(Fault::on(call, Answer::error(403, "IAM.0001", &text)).times(1));
    };
    echo(Call::PodIdentity, &identities.pod_token);
    echo(Call::AssumeWithOidc, &sent_first);
    echo(Call::IdToken, &sent_first);
    let operator = world
        .operator_with(&["--breaker-window=2s"])
        .args([IN_NAMESPACES, "--log-level=trace"]);
    let operator = identities.given_to(&world, operator).start().await;
    let by_name = json!({"agencyName": "dws", "domainName": "example"});
    let rows = [
        ("pod", json!({"podIdentity": {}, "assumeAgency": by_name})),
        ("sts", identities.oidc()),
        ("idp", json!({"oidc": {"idpID": "cce"}})),
        ("node", json!({"nodeAgency": {}})),
    ];
    for (n, (name, auth)) in rows.iter().enumerate() {
        world.create(&provider_by(&world.endpoint, name, auth)).await;
        world.create(&uses(on_cluster(n, mrs(name)), name)).await;
    }
    for (name, advice) in [("pod", "pod identity"), ("sts", "agencyURN"), ("idp", "idpID")] {
        let note = world.event(name, "CredentialsRejected").await;
        assert!(note.contains(advice) && note.contains("[redacted]"), "{name}: {note}");
    }
    for (name, _) in &rows {
        world.ready(name).await;
    }
    // A refusal of DWS that repeats the token of the request.
    let refusal = Answer::error(400, "DWS.0001", "refused: {token}");
    world
        .cloud
        .add_fault(Fault::on(Call::Create, refusal).name("refused").times(1));
    world.create(&uses(on_cluster(9, obs("refused")), "node")).await;
    let refused = world.stalled("refused", Reason::InvalidSpec).await;
    assert!(
        message(&refused).contains("refused: [redacted]"),
        "{}",
        message(&refused)
    );
    let rotated = identities.rotate();
    world.cloud.revoke_temporary_keys();
    for (name, _) in &rows {
        world.delete(name).await;
    }
    for (name, _) in &rows {
        world.gone(name).await;
    }

    let mut places: Vec<(String, Vec<u8>)> = etcd_dump(ControlPlane::shared().await)
        .await
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    let log = operator.log();
    assert!(log.contains("\"level\":\"TRACE\""), "the log is at trace level");
    places.push(("the log".to_owned(), log.into_bytes()));
    let metrics = get(&(operator.metrics_url().await + "/metrics")).await;
    places.push(("the metrics".to_owned(), metrics.bytes().await.unwrap().to_vec()));
    let cloud = serde_json::to_vec(&world.cloud.log()).expect("JSON");
    places.push(("the simulator's log".to_owned(), cloud));

    let mut secrets = world.cloud.temporary_secrets();
    assert!(secrets.len() > 8, "keys were issued");
    secrets.extend(world.cloud.tokens());
    secrets.extend([identities.pod_token.clone(), sent_first, rotated.clone()]);
    for secret in &secrets {
        let holds = |content: &[u8]| content.windows(secret.len()).any(|window| window == secret.as_bytes());
        let leaks: Vec<_> = places
            .iter()
            .filter(|(_, content)| holds(content))
            .map(|(place, _)| place)
            .collect();
        assert!(leaks.is_empty(), "{}… is in {leaks:?}", &secret[..6]);
    }
    let exchanges = world.calls(Call::AssumeWithOidc);
    let last = exchanges.last().unwrap().body.as_ref().unwrap();
    assert_eq!(
        last["id_token"],
        world.cloud.digest(&rotated).as_str(),
        "the search is for what was sent"
    );
    let pod = world.calls(Call::PodIdentity);
    let carried = world.cloud.digest(&identities.pod_token);
    assert!(
        pod.iter()
            .all(|call| call.header("authorization") == Some(carried.as_str()))
    );
}
