//! What issues temporary access keys, and how these end.

use std::time::Duration;

use dws_simulator::{Admin, Agency, Call, DEFAULT_ACCESS_KEY, DEFAULT_PROJECT, IdentityProvider, Issuer};
use jiff::Timestamp;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{CLUSTER, Client, Credential, instant, obs, simulator, success, text, verdict};

fn cluster_of_pods(issuer: &Issuer) -> IdentityProvider {
    IdentityProvider {
        id: "cce".to_owned(),
        urn: "iam::d:oidcProvider:cce".to_owned(),
        keys: vec![issuer.jwk()],
        audience: "huawei".to_owned(),
        subject: "system:serviceaccount:dws-operator:dws-operator".to_owned(),
    }
}

fn agency(trusts: &str) -> Agency {
    Agency {
        urn: "iam::d:agency:dws".to_owned(),
        name: "dws".to_owned(),
        domain: "example".to_owned(),
        trusts: vec![trusts.to_owned()],
    }
}

fn with(client: &Client, credential: Credential) -> Client {
    Client {
        credential,
        ..client.clone()
    }
}

/// The client with the access key in an answer.
async fn with_key(client: &Client, response: Response) -> Client {
    let body = success(response).await;
    let (key, names) = match (&body["credentials"], &body["credential"]) {
        (Value::Null, key) => (key, ["access", "secret", "securitytoken"]),
        (key, _) if key["accessKeyId"].is_string() => (key, ["accessKeyId", "secretAccessKey", "securityToken"]),
        (key, _) => (key, ["access_key_id", "secret_access_key", "security_token"]),
    };
    let [access, secret, token] = names.map(|name| text(key, name));
    let token = Some(token);
    with(client, Credential::Key { access, secret, token })
}

async fn send(client: &Client, method: Method, path: &str, header: Option<(&str, &str)>, body: &Value) -> Response {
    let mut request = client.http.request(method, format!("{}{path}", client.url));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    request.json(body).send().await.unwrap()
}

/// Who the data source was created by, according to the log.
async fn creator(client: &Client, admin: &Admin, name: &str) -> String {
    client.created(CLUSTER, &obs(name)).await;
    let entry = admin
        .log()
        .into_iter()
        .rfind(|entry| entry.call == Call::Create)
        .unwrap();
    entry.credential.unwrap()
}

fn soon() -> Timestamp {
    Timestamp::now() + Duration::from_mins(5)
}

#[tokio::test]
async fn a_pod_has_the_key_of_its_agency() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let ask = async |token: &str| {
        let header = Some(("Authorization", token));
        send(&client, Method::POST, "/pod-identity/credentials", header, &json!({})).await
    };
    assert_eq!(ask("pod-token").await.status(), StatusCode::UNAUTHORIZED);
    admin.set_pod_token(Some("pod-token"));
    assert_eq!(ask("another").await.status(), StatusCode::UNAUTHORIZED);
    let pod = with_key(&client, ask("pod-token").await).await;
    assert_eq!(creator(&pod, &admin, "a").await, "pod");
    admin.revoke_temporary_keys();
    assert_eq!(
        verdict(pod.create(CLUSTER, &obs("b")).await).await,
        (401, "APIGW.0301".to_owned())
    );
}

#[tokio::test]
async fn a_service_account_assumes_an_agency_that_trusts_it() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let issuer = Issuer::rs256("cluster-key");
    let provider = cluster_of_pods(&issuer);
    admin.put_identity_provider(provider.clone());
    let ask = async |token: &str| {
        let body = json!({
            "provider_urn": provider.urn, "agency_urn": "iam::d:agency:dws", "agency_session_name": "dws-operator",
            "id_token": token, "duration_seconds": 3600,
        });
        send(&client, Method::POST, "/v5/agencies/assume-with-oidc", None, &body).await
    };
    let token = provider.token(&issuer, soon());
    assert_eq!(ask(&token).await.status(), StatusCode::FORBIDDEN);
    admin.put_agency(agency("service-account/other"));
    assert_eq!(ask(&token).await.status(), StatusCode::FORBIDDEN);
    admin.put_agency(agency("service-account/cce"));
    assert_eq!(
        ask(&provider.token(&issuer, Timestamp::now())).await.status(),
        StatusCode::FORBIDDEN
    );
    let assumed = with_key(&client, ask(&token).await).await;
    assert_eq!(creator(&assumed, &admin, "a").await, "agency/dws");
    assert!(!serde_json::to_string(&admin.log()).unwrap().contains(&token));
}

#[tokio::test]
async fn a_service_account_has_a_token_and_a_key_by_iam() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let issuer = Issuer::rs256("cluster-key");
    let provider = cluster_of_pods(&issuer);
    admin.put_identity_provider(provider.clone());
    let ask = async |id: &str, token: &str| {
        let body = json!({"auth": {"id_token": {"id": token}, "scope": {"project": {"id": DEFAULT_PROJECT}}}});
        let header = Some(("X-Idp-Id", id));
        send(&client, Method::POST, "/v3.0/OS-AUTH/id-token/tokens", header, &body).await
    };
    assert_eq!(
        ask("other", &provider.token(&issuer, soon())).await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(ask("cce", "forged").await.status(), StatusCode::UNAUTHORIZED);
    let answer = ask("cce", &provider.token(&issuer, soon())).await;
    let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
    let by_token = with(&client, Credential::Token(token.clone()));
    assert_eq!(creator(&by_token, &admin, "a").await, "service-account/cce");

    let key = async |token: &str| {
        let identity = json!({"methods": ["token"], "token": {"id": token, "duration_seconds": 900}});
        let body = json!({"auth": {"identity": identity}});
        send(&client, Method::POST, "/v3.0/OS-CREDENTIAL/securitytokens", None, &body).await
    };
    assert_eq!(key("forged").await.status(), StatusCode::UNAUTHORIZED);
    let by_key = with_key(&client, key(&token).await).await;
    assert_eq!(creator(&by_key, &admin, "b").await, "service-account/cce");
}

#[tokio::test]
async fn an_agency_is_assumed_with_a_signature_by_whom_it_trusts() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let in_iam = json!({"auth": {"identity": {"methods": ["assume_role"], "assume_role": {
        "agency_name": "dws", "domain_name": "example", "duration_seconds": 900,
    }}}});
    let in_sts = json!({"agency_urn": "iam::d:agency:dws", "agency_session_name": "dws-operator"});
    for (n, (path, body)) in [
        ("/v3.0/OS-CREDENTIAL/securitytokens", in_iam),
        ("/v5/agencies/assume", in_sts),
    ]
    .into_iter()
    .enumerate()
    {
        admin.put_agency(agency("somebody"));
        let response = client.call(Method::POST, path, Some(&body)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        admin.put_agency(agency(DEFAULT_ACCESS_KEY));
        let unsigned = with(&client, Credential::None)
            .call(Method::POST, path, Some(&body))
            .await;
        assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
        let assumed = with_key(&client, client.call(Method::POST, path, Some(&body)).await).await;
        assert_eq!(creator(&assumed, &admin, &format!("a{n}")).await, "agency/dws");
    }
}

#[tokio::test]
async fn a_node_has_the_key_of_its_agency() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let key = async |token: Option<&str>| {
        let header = token.map(|token| ("X-Metadata-Token", token));
        send(
            &client,
            Method::GET,
            "/openstack/latest/securitykey",
            header,
            &Value::Null,
        )
        .await
    };
    let token = async |ttl| {
        let header = Some(("X-Metadata-Token-Ttl-Seconds", ttl));
        send(
            &client,
            Method::PUT,
            "/meta-data/latest/api/token",
            header,
            &Value::Null,
        )
        .await
    };
    assert_eq!(token("soon").await.status(), StatusCode::BAD_REQUEST);
    let issued = token("60").await.text().await.unwrap();
    let nothing = key(Some(&issued)).await;
    assert_eq!(nothing.status(), StatusCode::UNAUTHORIZED);
    assert!(
        nothing
            .text()
            .await
            .unwrap()
            .contains("Please configure Cloud Service Agency first")
    );
    admin.set_node_agency(true);
    assert_eq!(key(None).await.status(), StatusCode::UNAUTHORIZED);
    let expired = token("0").await.text().await.unwrap();
    assert_eq!(key(Some(&expired)).await.status(), StatusCode::UNAUTHORIZED);
    let node = with_key(&client, key(Some(&issued)).await).await;
    assert_eq!(creator(&node, &admin, "a").await, "node");

    admin.update_settings(|settings| settings.metadata_tokens = false);
    assert_eq!(token("60").await.status(), StatusCode::NOT_FOUND);
    with_key(&client, key(None).await).await;
}

#[tokio::test]
async fn temporary_keys_expire() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.set_node_agency(true);
    admin.update_settings(|settings| {
        settings.metadata_tokens = false;
        settings.temporary_lifetime = Duration::ZERO;
    });
    let key = send(
        &client,
        Method::GET,
        "/openstack/latest/securitykey",
        None,
        &Value::Null,
    )
    .await;
    let node = with_key(&client, key).await;
    assert_eq!(
        verdict(node.create(CLUSTER, &obs("a")).await).await,
        (401, "APIGW.0301".to_owned())
    );
}

#[tokio::test]
async fn trust_is_administered_over_http() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let put = async |method, path: &str, body: Value| {
        let answer = send(&client, method, &format!("/admin/{path}"), None, &body).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
    };
    put(Method::PUT, "pod-token", json!("pod-token")).await;
    put(Method::PUT, "node-agency", json!(true)).await;
    let provider = json!({"id": "cce", "urn": "u", "keys": [{"kty": "oct", "k": "aw"}, {"kty": "RSA", "n": "AQ", "e": "AQAB", "use": "sig"}], "audience": "a", "subject": "s"});
    put(Method::POST, "identity-providers", provider).await;
    let agency = json!({"urn": "u", "name": "n", "domain": "d", "trusts": ["pod"]});
    put(Method::POST, "agencies", agency).await;
    let account = admin.settings().account;
    assert_eq!(account.pod_token.as_deref(), Some("pod-token"));
    assert!(account.node_agency);
    assert_eq!((account.identity_providers.len(), account.agencies.len()), (1, 1));
    put(Method::PUT, "pod-token", Value::Null).await;
    assert_eq!(admin.settings().account.pod_token, None);
    put(Method::DELETE, "temporary-keys", Value::Null).await;
}
