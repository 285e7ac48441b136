//! The HTTP endpoint of the administration.

use dws_simulator::{DEFAULT_SECRET_KEY, JobOutcome};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{CLUSTER, Client, Credential, obs, simulator, slow, success, verdict};

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Response {
    let request = client.http.request(method, format!("{}/admin/{path}", client.url));
    request.json(body).send().await.unwrap()
}

async fn get(client: &Client, path: &str) -> Value {
    success(
        client
            .http
            .get(format!("{}/admin/{path}", client.url))
            .send()
            .await
            .unwrap(),
    )
    .await
}

#[tokio::test]
async fn settings_are_read_and_replaced_one_by_one() {
    let (_simulator, admin, client) = simulator(slow()).await;
    let patch = json!({"job_duration": "0s", "create_outcome": {"fail": {"code": "c", "detail": "d"}}});
    let settings = success(send(&client, Method::PATCH, "settings", &patch).await).await;
    assert_eq!(settings["create_outcome"]["fail"]["detail"], "d");
    assert!(admin.settings().job_duration.is_zero());
    client.created(CLUSTER, &obs("a")).await;
    assert_eq!(admin.sources(CLUSTER)[0].fail_reason, "d");

    success(send(&client, Method::PATCH, "settings", &json!({"create_outcome": null})).await).await;
    assert_eq!(admin.settings().create_outcome, JobOutcome::Success);
    let wrong = send(&client, Method::PATCH, "settings", &json!({"no_such_setting": 1})).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert!(wrong.text().await.unwrap().contains("no_such_setting"));
    let shown = get(&client, "settings").await;
    assert!(shown.get("account").is_none());
    assert!(!shown.to_string().contains(DEFAULT_SECRET_KEY));
}

#[tokio::test]
async fn faults_are_added_counted_and_cleared() {
    let (_simulator, _, client) = simulator(slow()).await;
    let fault = json!({
        "call": "create",
        "times": 2,
        "delay_before": "1ms",
        "answer": {"reply": {
            "status": 503,
            "headers": {"Retry-After": "1"},
            "body": {"error": {"code": "DWS.0005", "message": "Server failure."}},
        }},
    });
    let id = success(send(&client, Method::POST, "faults", &fault).await).await["id"].clone();
    let response = client.create(CLUSTER, &obs("a")).await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(verdict(response).await, (503, "DWS.0005".to_owned()));
    assert_eq!(get(&client, &format!("faults/{id}")).await["hits"], 1);
    assert_eq!(
        send(&client, Method::DELETE, "faults", &json!({})).await.status(),
        StatusCode::NO_CONTENT
    );
    client.created(CLUSTER, &obs("a")).await;

    for (body, complaint) in [
        (json!({"answer": {"reply": {"status": 7}}}), "no final HTTP status"),
        (json!({"late_effect": "1s", "answer": "hang"}), "needs apply"),
        (
            json!({"apply": true, "late_effect": "1s", "answer": "genuine"}),
            "excludes",
        ),
        (
            json!({"answer": {"reply": {"status": 200, "headers": {"a b": "c"}}}}),
            "no header name",
        ),
    ] {
        let refused = send(&client, Method::POST, "faults", &body).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert!(refused.text().await.unwrap().contains(complaint), "{body}");
    }
}

#[tokio::test]
async fn contents_and_accounts_change_over_http() {
    let (_simulator, admin, client) = simulator(slow()).await;
    let path = format!("sources/{CLUSTER}");
    let id = success(send(&client, Method::POST, &path, &json!({"name": "theirs"})).await).await["id"].clone();
    let one = format!("{path}/{}", id.as_str().unwrap());
    let edited = send(&client, Method::PATCH, &one, &json!({"configure_status": "600"})).await;
    assert_eq!(edited.status(), StatusCode::NO_CONTENT);
    assert_eq!(get(&client, &path).await[0]["configure_status"], "600");
    let wrong = send(&client, Method::PATCH, &one, &json!({"configure_status": 600})).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        send(&client, Method::DELETE, &one, &json!({})).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        send(&client, Method::DELETE, &one, &json!({})).await.status(),
        StatusCode::NOT_FOUND
    );

    let (_, job_id) = client.created(CLUSTER, &obs("a")).await;
    let ended = send(&client, Method::PUT, &format!("jobs/{job_id}"), &json!("stop")).await;
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert_eq!(admin.sources(CLUSTER)[0].configure_status, "300");

    assert_eq!(get(&client, "clusters").await, json!([CLUSTER]));
    let cluster = format!("clusters/{CLUSTER}");
    assert_eq!(
        get(&client, &cluster).await,
        json!({"id": CLUSTER, "sources": 1, "restarts": 0})
    );
    assert_eq!(
        send(&client, Method::DELETE, &cluster, &json!({})).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        send(&client, Method::PUT, &cluster, &json!({})).await.status(),
        StatusCode::NO_CONTENT
    );

    let key = json!({"access": "AKNEW", "secret": "new"});
    assert_eq!(
        send(&client, Method::POST, "access-keys", &key).await.status(),
        StatusCode::NO_CONTENT
    );
    let other = Client {
        credential: Credential::key("AKNEW", "new"),
        ..client.clone()
    };
    assert_eq!(other.list(CLUSTER, "OBS").await["count"], 0);
    send(&client, Method::DELETE, "access-keys/AKNEW", &json!({})).await;
    assert_eq!(verdict(other.create(CLUSTER, &obs("a")).await).await.0, 401);
    send(&client, Method::PUT, "projects/eu-west-101", &json!(["p1", "p2"])).await;
    assert_eq!(admin.settings().account.projects["eu-west-101"], ["p1", "p2"]);
    let user = json!({"domain": "d", "name": "u", "password": "Passw0rd"});
    assert_eq!(
        send(&client, Method::POST, "users", &user).await.status(),
        StatusCode::NO_CONTENT
    );
    assert!(admin.settings().account.user("d", "u").is_some());
    assert_eq!(
        send(&client, Method::DELETE, "tokens", &json!({})).await.status(),
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn the_log_is_read_from_a_number_on() {
    let (_simulator, admin, client) = simulator(slow()).await;
    client.list(CLUSTER, "OBS").await;
    client.list(CLUSTER, "MRS").await;
    assert_eq!(get(&client, "log").await.as_array().unwrap().len(), 2);
    let later = get(&client, "log?since=1").await;
    assert_eq!(later[0]["query"], "type=MRS");
    assert_eq!(later[0]["seq"], 2);
    let digest = success(send(&client, Method::POST, "digest", &json!({"value": "secret"})).await).await;
    assert_eq!(digest["digest"], admin.digest("secret"));
}
