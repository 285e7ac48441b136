//! Whether an answer is a success, and what it says.
//!
//! Takes a whole answer and a way to read it; returns what was read, or the [`Failure`] that the answer means.

use serde_json::Map;
use serde_json::Value;

use super::errors::Failure;
use super::observer::Operation;
use super::redact::Redactor;
use super::transport::Answer;
use super::{bodies, classify, error_body};

/// A success, by status and by code.
pub struct Success<'a> {
    pub answer: Answer,
    /// The body; empty if there was none.
    pub body: Map<String, Value>,
    pub redactor: &'a Redactor,
}

/// What is told of a success.
pub struct Seen {
    pub status: u16,
    pub request_id: Option<String>,
}

/// Reads an answer; `read` is none if it lacks what it must have.
pub fn judge<T>(
    operation: Operation,
    answer: Answer,
    redactor: &Redactor,
    read: &impl Fn(&Success<'_>) -> Option<T>,
) -> Result<(T, Seen), Failure> {
    if !(200..=299).contains(&answer.status) {
        return Err(classify::refused(operation, &answer, redactor));
    }
    let unusable = |answer: &Answer, what| classify::unusable(operation, answer, what, redactor);
    let body = match error_body::object(&answer.body) {
        Some(body) => body,
        // The metadata service answers with the token and nothing around it.
        None if answer.body.is_empty() || operation == Operation::MetadataToken => Map::new(),
        None => return Err(unusable(&answer, "without a JSON object")),
    };
    if let Some(error) = error_body::error_in_success(&body) {
        let effect = bodies::names_an_effect(&body);
        return Err(classify::refused_with_success(
            operation, &answer, error, effect, redactor,
        ));
    }
    let success = Success { answer, body, redactor };
    match read(&success) {
        Some(value) => {
            let request_id = classify::request_id(success.answer.request_id.as_deref(), redactor);
            let status = success.answer.status;
            Ok((value, Seen { status, request_id }))
        }
        None => Err(unusable(&success.answer, "without what it must hold")),
    }
}
