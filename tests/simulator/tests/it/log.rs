//! The log: what it tells and what it never tells.

use std::time::Duration;

use dws_simulator::{Call, DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY};
use serde_json::json;

use crate::client::{CLUSTER, Credential, PATIENCE, instant, mrs, obs, simulator, sources_path};

#[tokio::test]
async fn an_entry_tells_what_was_asked_and_what_came_of_it() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let (id, job_id) = client.created(CLUSTER, &obs("a")).await;
    client.list(CLUSTER, "OBS").await;
    client.job(&job_id).await;
    client.create(CLUSTER, &obs("a")).await;
    client.delete(CLUSTER, &id).await;

    let log = admin.log();
    let calls: Vec<_> = log
        .iter()
        .map(|entry| (entry.seq, entry.call, entry.status, entry.took_effect))
        .collect();
    assert_eq!(
        calls,
        [
            (1, Call::Create, Some(200), true),
            (2, Call::List, Some(200), false),
            (3, Call::Job, Some(200), false),
            (4, Call::Create, Some(400), false),
            (5, Call::Delete, Some(200), true),
        ]
    );
    let create = &log[0];
    assert_eq!(create.method, "POST");
    assert_eq!(create.path, sources_path(CLUSTER));
    assert_eq!(create.cluster.as_deref(), Some(CLUSTER));
    assert_eq!(create.name.as_deref(), Some("a"));
    assert_eq!(create.id.as_ref(), Some(&id));
    assert_eq!(create.job_id.as_ref(), Some(&job_id));
    assert_eq!(create.credential.as_deref(), Some(DEFAULT_ACCESS_KEY));
    assert_eq!(create.header("content-type"), Some("application/json;charset=UTF-8"));
    assert_eq!(create.body, Some(obs("a")));
    assert_eq!(log[1].query, "type=OBS");
    assert_eq!((log[2].name.as_deref(), log[2].id.as_ref()), (Some("a"), Some(&id)));
    assert_eq!(log[3].error_code.as_deref(), Some("DWS.0031"));
    assert_eq!(log[4].name.as_deref(), Some("a"));
    assert_eq!(admin.log_since(3), log[3..]);
}

#[tokio::test]
async fn secrets_show_only_as_digests() {
    let (_simulator, admin, mut client) = simulator(instant()).await;
    client.created(CLUSTER, &mrs("a", "Canary-Passw0rd")).await;
    let user = json!({"name": "operator", "password": "Canary-Login", "domain": {"name": "example"}});
    let login = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
    client
        .call(reqwest::Method::POST, "/v3/auth/tokens", Some(&login))
        .await;
    client.credential = Credential::Token("Canary-Token".to_owned());
    client.create(CLUSTER, &obs("b")).await;

    let log = admin.log();
    assert_eq!(
        log[0].body.as_ref().unwrap()["user_pwd"],
        admin.digest("Canary-Passw0rd")
    );
    assert_eq!(log[1].credential.as_deref(), Some("example/operator"));
    assert_eq!(
        log[2].header("x-auth-token"),
        Some(admin.digest("Canary-Token").as_str())
    );
    let shown = serde_json::to_string(&log).unwrap() + &format!("{:?}{:?}", admin.settings(), admin.sources(CLUSTER));
    for secret in ["Canary-", DEFAULT_SECRET_KEY, "Signature="] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn waiting_ends_with_the_awaited_entry_or_tells_what_there_was() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let waiting = tokio::spawn({
        let admin = admin.clone();
        async move {
            admin
                .wait_log(PATIENCE, |log| {
                    log.iter()
                        .any(|entry| entry.call == Call::Delete && entry.status.is_some())
                })
                .await
        }
    });
    client.list(CLUSTER, "OBS").await;
    client.delete(CLUSTER, "nobody").await;
    assert_eq!(waiting.await.unwrap().unwrap().len(), 2);

    let timeout = admin.wait_log(Duration::ZERO, |log| log.len() > 2).await.unwrap_err();
    assert_eq!(timeout.log.len(), 2);
    assert!(timeout.to_string().contains("2 DELETE"));
}
