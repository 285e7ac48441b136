use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn said(body: &str) -> (Option<String>, Option<String>) {
    let body = error(body.as_bytes());
    (body.code, body.message)
}

fn both(code: &str, message: &str) -> (Option<String>, Option<String>) {
    (Some(code.to_owned()), Some(message.to_owned()))
}

#[test]
fn every_shape_is_read() {
    for (body, code, message) in [
        (
            r#"{"error_code":"DWS.0047","error_msg":"no cluster"}"#,
            "DWS.0047",
            "no cluster",
        ),
        (
            r#"{"errCode":"DWS.0005","externalMessage":"Server failure."}"#,
            "DWS.0005",
            "Server failure.",
        ),
        (
            r#"{"externalMessage":"a","errCode":"DWS.7023","error_code":"DWS.7023","error_msg":"b"}"#,
            "DWS.7023",
            "b",
        ),
        (
            r#"{"error_msg":"limit:200","error_code":"APIG.0308","request_id":"r1"}"#,
            "APIGW.0308",
            "limit:200",
        ),
        (r#"{"error_code":"IAM.0001","error_msg":"x"}"#, "IAM.0001", "x"),
        (r#"{"errorCode":"DWS.0001","errorMsg":"x"}"#, "DWS.0001", "x"),
    ] {
        assert_eq!(said(body), both(code, message));
        assert_eq!(said(&STANDARD.encode(body)), both(code, message));
        assert_eq!(said(&URL_SAFE_NO_PAD.encode(body)), both(code, message));
    }
}

#[test]
fn numeric_code_of_iam_is_no_code() {
    let body = r#"{"error":{"code":401,"message":"wrong password","title":"Unauthorized"}}"#;
    assert_eq!(said(body), (None, Some("wrong password".to_owned())));
}

#[test]
fn what_is_no_error_body_says_nothing() {
    for body in [
        "",
        "<html>502</html>",
        "[1]",
        "null",
        "{\"error_code\":NaN}",
        "\u{fffd}",
    ] {
        assert_eq!(error(body.as_bytes()), ErrorBody::default(), "{body:?}");
    }
    assert_eq!(error(&[0xff, 0xfe]), ErrorBody::default());
}

#[test]
fn deep_json_is_refused() {
    let deep = format!("{}{}", "{\"a\":".repeat(10_000), "1");
    assert_eq!(object(deep.as_bytes()), None);
}

#[test]
fn success_code_is_no_error() {
    let read = |body: &str| error_in_success(&object(body.as_bytes()).unwrap());
    assert_eq!(read(r#"{"error_code":"DWS.0000","job_id":"j"}"#), None);
    assert_eq!(read(r#"{"job_id":"j","error_code":null}"#), None);
    assert_eq!(
        read(r#"{"error_code":"DWS.0031"}"#).unwrap().code.as_deref(),
        Some("DWS.0031")
    );
}

#[test]
fn failure_in_any_form_is_no_success() {
    let is_failure = |body: serde_json::Value| error_in_success(body.as_object().unwrap()).is_some();
    for failure in [
        serde_json::json!({"data_sources": [], "error_code": 47}),
        serde_json::json!({"data_sources": [], "error_code": "no code of any known form"}),
        serde_json::json!({"data_sources": [], "error_code": "DWS.0000", "errCode": "DWS.0005"}),
        serde_json::json!({"data_sources": [], "error": {"code": 500, "message": "x"}}),
        serde_json::json!({"data_sources": [], "code": {}}),
    ] {
        assert!(is_failure(failure.clone()), "{failure}");
    }
    for success in [
        serde_json::json!({"error_code": " ", "error": null}),
        serde_json::json!({"code": 0, "message": "ok"}),
        serde_json::json!({"code": "200"}),
    ] {
        assert!(!is_failure(success.clone()), "{success}");
    }
    let nested = serde_json::json!({"error": {"error_code": "DWS.0011", "error_msg": "busy"}});
    let read = error_in_success(nested.as_object().unwrap()).unwrap();
    assert_eq!(read.code.as_deref(), Some("DWS.0011"));
}

#[test]
fn code_inside_goes_before_words_outside() {
    let body = r#"{"message":"Forbidden","error":{"error_code":"DWS.7023","error_msg":"busy"}}"#;
    assert_eq!(said(body), both("DWS.7023", "busy"));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in any::<Vec<u8>>()) {
        error(&body);
    }

    #[test]
    fn any_values_are_survived(code in any::<String>(), message in any::<String>()) {
        let body = serde_json::json!({"error_code": code, "error_msg": message}).to_string();
        let read = error(body.as_bytes());
        if let Some(code) = read.code {
            prop_assert!(code.len() <= 65 && code.is_ascii());
        }
    }
}
