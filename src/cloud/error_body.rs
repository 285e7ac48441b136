//! The body of an answer as JSON, and the error it may carry.
//!
//! Takes untrusted bytes; never panics, whatever they are. Seven shapes of error body have been seen:
//! `error_code`/`error_msg`; `errCode`/`externalMessage`; both pairs in one body; the gateway's, with
//! `request_id`; IAM's nested `error`; base64 of any of them; and an error code in a body with status 200.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::codes;

/// The pairs of names under which a code and a message have been seen.
const PAIRS: &[(&str, &str)] = &[
    ("error_code", "error_msg"),
    ("errCode", "externalMessage"),
    ("errorCode", "errorMsg"),
    ("code", "message"),
];

/// The code of success in answers of other DWS APIs.
const SUCCESS: &str = "DWS.0000";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT),
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT),
];

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The code, with the gateway's prefix in one form.
    pub code: Option<String>,
    /// The message, as the server wrote it.
    pub message: Option<String>,
    /// The gateway's `request_id`.
    pub request_id: Option<String>,
}

/// The JSON object in a body, plain or as base64.
pub fn object(body: &[u8]) -> Option<Map<String, Value>> {
    if let Ok(object) = serde_json::from_slice(body) {
        return Some(object);
    }
    let text = body.trim_ascii();
    BASE64
        .iter()
        .filter_map(|engine| engine.decode(text).ok())
        .find_map(|decoded| serde_json::from_slice(&decoded).ok())
}

/// The error in the body of an answer that is no success.
pub fn error(body: &[u8]) -> ErrorBody {
    let Some(object) = object(body) else {
        return ErrorBody::default();
    };
    let nested = object.values().filter_map(Value::as_object);
    let said: Vec<ErrorBody> = std::iter::once(&object).chain(nested).map(pair).collect();
    let coded = said.iter().find(|body| body.code.is_some());
    let worded = || said.iter().find(|body| body.message.is_some());
    let mut found = coded.or_else(worded).cloned().unwrap_or_default();
    found.request_id = text(&object, "request_id");
    found
}

/// The error in the body of an answer whose status says success.
pub fn error_in_success(object: &Map<String, Value>) -> Option<ErrorBody> {
    let coded = PAIRS
        .iter()
        .any(|(code, _)| object.get(*code).is_some_and(tells_failure));
    let nested = object.get("error").and_then(Value::as_object);
    (coded || nested.is_some()).then(|| nested.map_or_else(|| pair(object), pair))
}

/// Whether the value of a code, in whatever form, is one of a failure.
fn tells_failure(code: &Value) -> bool {
    match code {
        Value::Null => false,
        Value::String(code) => !matches!(code.trim(), "" | SUCCESS | "0" | "200"),
        Value::Number(code) => !matches!(code.as_u64(), Some(0 | 200)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

fn pair(object: &Map<String, Value>) -> ErrorBody {
    let mut body = ErrorBody::default();
    for (code, message) in PAIRS {
        if body.code.is_none() {
            body.code = text(object, code).as_deref().and_then(codes::normalised);
        }
        if body.message.is_none() {
            body.message = text(object, message);
        }
    }
    body
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    let text = object.get(key)?.as_str()?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
