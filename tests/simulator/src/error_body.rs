//! Error answers in the shapes that Huawei Cloud services use.
//!
//! Takes a status, a code and a message, returns body bytes. Never decides when an error is due.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The forms in which an error reaches a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `error_code` and `error_msg`, as DWS answers today.
    ErrorCode,
    /// `errCode` and `externalMessage`, as DWS answered until 2021.
    ErrCode,
    /// Both pairs in one body.
    Both,
    /// The API gateway's: `error_code`, `error_msg` and `request_id`.
    Gateway,
    /// IAM v3's: an `error` object with `code` (the status), `message` and `title`.
    Iam,
    /// [`Shape::ErrorCode`] in base64, as some regions answer.
    Base64,
    /// The body of a success with an error code in it and its ids null, which some DWS APIs send with status 200.
    Success,
}

impl Shape {
    /// The body bytes of an error in this shape.
    #[must_use]
    pub fn render(self, status: u16, code: &str, message: &str, request_id: &str) -> Vec<u8> {
        let pair = json!({"error_code": code, "error_msg": message});
        let body = match self {
            Self::ErrorCode | Self::Base64 => pair,
            Self::ErrCode => json!({"errCode": code, "externalMessage": message}),
            Self::Both => {
                json!({"externalMessage": message, "errCode": code, "error_code": code, "error_msg": message})
            }
            Self::Gateway => {
                json!({"error_msg": message, "error_code": code, "request_id": request_id})
            }
            Self::Iam => {
                let title = StatusCode::from_u16(status)
                    .ok()
                    .and_then(|status| status.canonical_reason());
                json!({"error": {"code": status, "message": message, "title": title}})
            }
            Self::Success => {
                json!({"id": Value::Null, "job_id": Value::Null, "error_code": code, "error_msg": message})
            }
        };
        let text = body.to_string();
        match self {
            Self::Base64 => URL_SAFE.encode(text).into_bytes(),
            _ => text.into_bytes(),
        }
    }
}

/// An error that a call is refused with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error code, for example `DWS.0047`. [`Shape::Iam`] does not show it.
    pub code: String,
    /// The error text.
    pub message: String,
    /// The form of the body.
    #[serde(default = "Refusal::default_shape")]
    pub shape: Shape,
}

impl Refusal {
    /// An error as DWS answers it.
    #[must_use]
    pub fn new(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            shape: Self::default_shape(),
        }
    }

    /// An error of the API gateway.
    pub(crate) fn gateway(status: u16, code: &str, message: &str) -> Self {
        Self {
            shape: Shape::Gateway,
            ..Self::new(status, code, message)
        }
    }

    /// An error of IAM v3.
    pub(crate) fn iam(status: u16, message: &str) -> Self {
        Self {
            shape: Shape::Iam,
            ..Self::new(status, "", message)
        }
    }

    fn default_shape() -> Shape {
        Shape::ErrorCode
    }
}
