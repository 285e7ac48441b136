//! Faults that answer something else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use dws_simulator::{Answer, Body, Call, Fault, Shape};
use serde_json::{Value, json};

use crate::client::{CLUSTER, instant, mrs, obs, simulator, success, verdict};

#[tokio::test]
async fn errors_come_in_every_documented_shape() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let pair = json!({"error_code": "DWS.0005", "error_msg": "Server failure."});
    let cases = [
        (500, Shape::ErrorCode, pair.clone()),
        (
            500,
            Shape::ErrCode,
            json!({"errCode": "DWS.0005", "externalMessage": "Server failure."}),
        ),
        (
            403,
            Shape::Both,
            json!({
                "errCode": "DWS.0005",
                "externalMessage": "Server failure.",
                "error_code": "DWS.0005",
                "error_msg": "Server failure.",
            }),
        ),
        (
            503,
            Shape::Gateway,
            json!({"error_code": "DWS.0005", "error_msg": "Server failure.", "request_id": "the-request"}),
        ),
        (
            401,
            Shape::Iam,
            json!({"error": {"code": 401, "message": "Server failure.", "title": "Unauthorized"}}),
        ),
        (417, Shape::ErrorCode, pair),
        (
            200,
            Shape::Success,
            json!({"id": null, "job_id": null, "error_code": "DWS.0005", "error_msg": "Server failure."}),
        ),
    ];
    for (status, shape, expected) in cases {
        let answer = Answer::shaped(status, shape, "DWS.0005", "Server failure.").header("X-Request-Id", "the-request");
        admin.add_fault(Fault::on(Call::Create, answer).times(1));
        let response = client.create(CLUSTER, &obs("a")).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-request-id"], "the-request");
        assert_eq!(response.json::<Value>().await.unwrap(), expected, "{shape:?}");
    }
    let base64 = Answer::shaped(404, Shape::Base64, "DWS.0047", "The cluster does not exist.");
    admin.add_fault(Fault::on(Call::Create, base64).times(1));
    let body = client.create(CLUSTER, &obs("a")).await.text().await.unwrap();
    let decoded: Value = serde_json::from_slice(&URL_SAFE.decode(body).unwrap()).unwrap();
    assert_eq!(decoded["error_code"], "DWS.0047");
    assert!(admin.sources(CLUSTER).is_empty());
    client.created(CLUSTER, &obs("a")).await;
}

#[tokio::test]
async fn throttling_comes_with_and_without_retry_after() {
    let (_simulator, admin, client) = simulator(instant()).await;
    for retry_after in [None, Some("7"), Some("56.818"), Some("Wed, 21 Oct 2026 07:28:00 GMT")] {
        admin.add_fault(Fault::any(Answer::throttled(retry_after)).times(1));
        let response = client.create(CLUSTER, &obs("a")).await;
        let header = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header.as_deref(), retry_after);
        assert_eq!(verdict(response).await, (429, "APIGW.0308".to_owned()));
    }
}

#[tokio::test]
async fn a_body_can_be_large_or_endless() {
    const MEGABYTES: usize = 5_000_000;
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::any(Answer::with_body(200, Body::Oversized(MEGABYTES as u64))).times(1));
    let response = client.create(CLUSTER, &obs("a")).await;
    assert_eq!(response.content_length(), Some(MEGABYTES as u64));
    let body = response.text().await.unwrap();
    assert_eq!(body.len(), MEGABYTES);
    assert!(serde_json::from_str::<Value>(&body).unwrap()["padding"].is_string());

    admin.add_fault(Fault::any(Answer::with_body(200, Body::Endless)).times(1));
    let mut response = client.create(CLUSTER, &obs("a")).await;
    let mut read = 0;
    while read < 4 * MEGABYTES {
        read += response.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_body_can_be_anything_but_the_documented_one() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let mut answers = Vec::new();
    let text = Body::Text {
        content_type: "text/plain".to_owned(),
        text: "nonsense".to_owned(),
    };
    for body in [Body::Empty, Body::Html, Body::MalformedJson, Body::WrongTypes, text] {
        admin.add_fault(Fault::any(Answer::with_body(200, body)).times(1));
        let response = client.create(CLUSTER, &obs("a")).await;
        assert_eq!(response.status(), 200);
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        answers.push((content_type, response.text().await.unwrap()));
    }
    assert_eq!(answers[0], ("application/json".to_owned(), String::new()));
    assert!(answers[1].0 == "text/html" && answers[1].1.starts_with("<html>"));
    assert!(serde_json::from_str::<Value>(&answers[2].1).is_err());
    let wrong: Value = serde_json::from_str(&answers[3].1).unwrap();
    assert!(wrong["id"].is_number() && wrong["data_sources"].is_string());
    assert_eq!(answers[4], ("text/plain".to_owned(), "nonsense".to_owned()));
}

#[tokio::test]
async fn ids_in_an_answer_can_be_hostile() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::any(Answer::Ids("../x".to_owned())).times(2));
    let body = success(client.create(CLUSTER, &obs("a")).await).await;
    assert_eq!(body, json!({"id": "../x", "job_id": "../x"}));
    assert_eq!(client.list(CLUSTER, "OBS").await["data_sources"][0]["id"], "../x");
    assert_ne!(admin.sources(CLUSTER)[0].id, "../x");
}

#[tokio::test]
async fn a_redirect_points_where_it_is_told_to() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::any(Answer::redirect("http://127.0.0.1:9/latest/meta-data")).times(1));
    let response = client.create(CLUSTER, &obs("a")).await;
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "http://127.0.0.1:9/latest/meta-data");
}

#[tokio::test]
async fn an_error_can_echo_the_password_but_the_log_does_not() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.add_fault(Fault::any(Answer::error(
        400,
        "DWS.5199",
        "Invalid password: {password}",
    )));
    let body = client
        .create(CLUSTER, &mrs("a", "Canary-Passw0rd"))
        .await
        .text()
        .await
        .unwrap();
    assert!(body.contains("Invalid password: Canary-Passw0rd"));
    assert!(!serde_json::to_string(&admin.log()).unwrap().contains("Canary-Passw0rd"));
}
