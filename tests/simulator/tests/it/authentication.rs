//! Signatures, tokens and the lock of a key.

use std::time::Duration;

use dws_simulator::{
    AccessKey, DEFAULT_ACCESS_KEY, DEFAULT_DOMAIN, DEFAULT_PASSWORD, DEFAULT_PROJECT, DEFAULT_REGION,
    DEFAULT_SECRET_KEY, DEFAULT_USER,
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::client::{CLUSTER, Client, Credential, instant, obs, simulator, sources_path, success, text, verdict};

fn rejected() -> (u16, String) {
    (401, "APIGW.0301".to_owned())
}

fn with(client: &Client, credential: Credential) -> Client {
    Client {
        credential,
        ..client.clone()
    }
}

async fn probe(client: &Client) -> Response {
    client.call(Method::GET, &sources_path(CLUSTER), None).await
}

async fn log_in(client: &Client, password: &str, scope: Option<Value>) -> Response {
    let user = json!({"name": DEFAULT_USER, "password": password, "domain": {"name": DEFAULT_DOMAIN}});
    let mut body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
    if let Some(project) = scope {
        body["auth"]["scope"] = json!({"project": project});
    }
    with(client, Credential::None)
        .call(Method::POST, "/v3/auth/tokens?nocatalog=true", Some(&body))
        .await
}

async fn with_token(client: &Client) -> Client {
    let response = log_in(client, DEFAULT_PASSWORD, Some(json!({"name": DEFAULT_REGION}))).await;
    let token = response.headers()["x-subject-token"].to_str().unwrap().to_owned();
    with(client, Credential::Token(token))
}

#[tokio::test]
async fn requests_without_a_valid_signature_are_rejected_and_do_nothing() {
    let (_simulator, admin, client) = simulator(instant()).await;
    for credential in [
        Credential::None,
        Credential::key("AKUNKNOWN", DEFAULT_SECRET_KEY),
        Credential::key(DEFAULT_ACCESS_KEY, "wrong"),
        Credential::Token("forged".to_owned()),
    ] {
        let response = with(&client, credential).create(CLUSTER, &obs("a")).await;
        let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            (status.as_u16(), body["error_code"].as_str()),
            (401, Some("APIGW.0301"))
        );
        assert_eq!(body["request_id"], header);
    }
    assert!(admin.sources(CLUSTER).is_empty());
    assert!(admin.log().iter().all(|entry| !entry.took_effect));
}

#[tokio::test]
async fn a_body_other_than_the_signed_one_is_rejected() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let path = sources_path(CLUSTER);
    let headers = client.signed_headers(&Method::POST, &path, &obs("a").to_string());
    let request = client
        .http
        .post(format!("{}{path}", client.url))
        .headers(headers)
        .body(obs("b").to_string());
    assert_eq!(verdict(request.send().await.unwrap()).await, rejected());
    assert!(admin.sources(CLUSTER).is_empty());
}

#[tokio::test]
async fn clocks_may_differ_by_fifteen_minutes() {
    let (_simulator, _, client) = simulator(instant()).await;
    let ahead = |skew| Client { skew, ..client.clone() };
    success(probe(&ahead(14 * 60)).await).await;
    success(probe(&ahead(-14 * 60)).await).await;
    for skew in [16 * 60, -16 * 60] {
        assert_eq!(verdict(probe(&ahead(skew)).await).await, (401, "APIGW.0303".to_owned()));
    }
}

#[tokio::test]
async fn a_temporary_key_needs_its_token() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_access_key(AccessKey::temporary("AKTEMPORARY", "secret", "token/with+chars="));
    let key = |token: Option<&str>| Credential::Key {
        access: "AKTEMPORARY".to_owned(),
        secret: "secret".to_owned(),
        token: token.map(ToOwned::to_owned),
    };
    success(probe(&with(&client, key(Some("token/with+chars=")))).await).await;
    assert_eq!(verdict(probe(&with(&client, key(None))).await).await, rejected());
    assert_eq!(
        verdict(probe(&with(&client, key(Some("another")))).await).await,
        rejected()
    );
    admin.remove_access_key("AKTEMPORARY");
    assert_eq!(
        verdict(probe(&with(&client, key(Some("token/with+chars=")))).await).await,
        rejected()
    );
}

#[tokio::test]
async fn more_than_five_failures_in_a_row_lock_a_key() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let wrong = with(&client, Credential::key(DEFAULT_ACCESS_KEY, "wrong"));
    for _ in 0..5 {
        assert_eq!(verdict(probe(&wrong).await).await, rejected());
    }
    success(probe(&client).await).await;
    for _ in 0..6 {
        assert_eq!(verdict(probe(&wrong).await).await, rejected());
    }
    let response = probe(&client).await;
    assert_eq!(response.status(), 401);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("AK access failed to reach the limit")
    );

    admin.add_access_key(AccessKey::permanent("AKOTHER", "other"));
    success(probe(&with(&client, Credential::key("AKOTHER", "other"))).await).await;
}

#[tokio::test]
async fn a_lock_ends_by_itself() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.update_settings(|settings| settings.key_lock = Duration::ZERO);
    let wrong = with(&client, Credential::key(DEFAULT_ACCESS_KEY, "wrong"));
    for _ in 0..6 {
        assert_eq!(verdict(probe(&wrong).await).await, rejected());
    }
    success(probe(&client).await).await;
}

#[tokio::test]
async fn a_password_gives_a_token_for_the_project() {
    let (_simulator, _, client) = simulator(instant()).await;
    let response = log_in(&client, DEFAULT_PASSWORD, Some(json!({"name": DEFAULT_REGION}))).await;
    assert_eq!(response.status(), 201);
    assert!(response.headers().contains_key("x-subject-token"));
    let body = success(response).await;
    assert_eq!(body["token"]["project"]["id"], DEFAULT_PROJECT);
    let expires_at: jiff::Timestamp = text(&body["token"], "expires_at").parse().unwrap();
    assert!(expires_at > jiff::Timestamp::now() + Duration::from_hours(23));

    let client = with_token(&client).await;
    client.created(CLUSTER, &obs("a")).await;
}

#[tokio::test]
async fn a_wrong_password_is_answered_as_iam_does() {
    let (_simulator, _, client) = simulator(instant()).await;
    let response = log_in(&client, "wrong", Some(json!({"name": DEFAULT_REGION}))).await;
    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], 401);
    assert_eq!(body["error"]["title"], "Unauthorized");
    let response = log_in(&client, DEFAULT_PASSWORD, Some(json!({"name": "nowhere"}))).await;
    assert_eq!(response.status(), 404);
    let malformed = client
        .call(Method::POST, "/v3/auth/tokens", Some(&json!({"auth": {}})))
        .await;
    assert_eq!(malformed.status(), 400);
}

#[tokio::test]
async fn tokens_end_by_time_by_revocation_and_with_the_password() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.update_settings(|settings| settings.token_lifetime = Duration::ZERO);
    let expired = with_token(&client).await;
    assert_eq!(verdict(probe(&expired).await).await, (401, "APIGW.0307".to_owned()));

    admin.update_settings(|settings| settings.token_lifetime = Duration::from_hours(24));
    let revoked = with_token(&client).await;
    success(probe(&revoked).await).await;
    admin.revoke_tokens();
    assert_eq!(verdict(probe(&revoked).await).await, rejected());

    let voided = with_token(&client).await;
    admin.set_user(DEFAULT_DOMAIN, DEFAULT_USER, "Another-Passw0rd");
    assert_eq!(verdict(probe(&voided).await).await, rejected());
    assert_eq!(log_in(&client, DEFAULT_PASSWORD, None).await.status(), 401);
    assert_eq!(log_in(&client, "Another-Passw0rd", None).await.status(), 201);
}

#[tokio::test]
async fn projects_are_found_by_name_with_a_signature_or_a_token() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let ids = async |client: &Client, name: &str| -> Vec<String> {
        let body = success(
            client
                .call(Method::GET, &format!("/v3/projects?name={name}"), None)
                .await,
        )
        .await;
        body["projects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|project| text(project, "id"))
            .collect()
    };
    assert_eq!(ids(&client, DEFAULT_REGION).await, [DEFAULT_PROJECT]);
    assert_eq!(ids(&with_token(&client).await, DEFAULT_REGION).await, [DEFAULT_PROJECT]);
    assert!(ids(&client, "nowhere").await.is_empty());
    admin.set_projects(DEFAULT_REGION, vec!["p1".to_owned(), "p2".to_owned()]);
    assert_eq!(ids(&client, DEFAULT_REGION).await, ["p1", "p2"]);
    success(probe(&client).await).await;
    let unsigned = with(&client, Credential::None);
    assert_eq!(
        verdict(unsigned.call(Method::GET, "/v3/projects", None).await).await,
        rejected()
    );
}

#[tokio::test]
async fn a_credential_works_only_in_its_projects() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.set_projects("elsewhere", vec!["p1".to_owned()]);
    let bound = AccessKey {
        project: Some("p1".to_owned()),
        ..AccessKey::permanent("AKBOUND", "bound")
    };
    admin.add_access_key(bound);
    let unavailable = (403, "APIGW.0310".to_owned());
    let bound = with(&client, Credential::key("AKBOUND", "bound"));
    assert_eq!(verdict(probe(&bound).await).await, unavailable);
    let path = |project: &str| format!("/v1.0/{project}/clusters/{CLUSTER}/ext-data-sources");
    assert_eq!(
        verdict(client.call(Method::GET, &path("unknown"), None).await).await,
        unavailable
    );
    let token = with_token(&client).await;
    assert_eq!(
        verdict(token.call(Method::GET, &path("p1"), None).await).await,
        unavailable
    );

    success(bound.call(Method::GET, &path("p1"), None).await).await;
    assert_eq!(verdict(probe(&client).await).await, (403, "DWS.0015".to_owned()));
}
