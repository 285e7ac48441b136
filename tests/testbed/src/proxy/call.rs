//! One call through the proxy, as it is recorded.

use std::fmt;

use hyper::body::Bytes;
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde_json::Value;

/// How much of a response is kept, in bytes.
pub(super) const RESPONSE_LIMIT: usize = 1 << 20;

/// The keys whose values never enter the record.
const SECRET_KEYS: [&str; 2] = ["user_pwd", "password"];

/// The two APIs that the operator speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// The Kubernetes API.
    Kube,
    /// The cloud's API.
    Cloud,
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was never forwarded, or has not been yet.
    NotForwarded,
    /// It was forwarded, and the server behind the proxy has not answered.
    Unanswered,
    /// The server answered, and the operator has not received (all of) the answer.
    Withheld,
    /// The server's answer was passed on whole.
    PassedOn,
}

/// A call, with what the server behind the proxy answered to it.
#[derive(Clone)]
pub struct Call {
    /// Its number among all calls through this proxy, to either API, from 0 on.
    pub seq: u64,
    /// The API it went to.
    pub api: Api,
    /// The HTTP method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent; empty if there was none.
    pub query: String,
    /// The `Accept` header, which tells a request for metadata only; empty if there was none.
    pub accept: String,
    /// The request's body with passwords cut out; null if it is not JSON.
    pub request: Value,
    /// The HTTP status of the server's answer, whether or not it was passed on.
    pub status: Option<u16>,
    /// The body of the server's answer, at most 1 MiB; empty for reads of the Kubernetes API, which would show Secrets.
    pub response: Bytes,
    /// How far it came.
    pub fate: Fate,
    /// When the request had arrived.
    pub started: Timestamp,
    /// When the call was over.
    pub ended: Option<Timestamp>,
}

impl Call {
    pub(super) fn new(seq: u64, api: Api, parts: &Parts, body: &[u8]) -> Self {
        let mut request = serde_json::from_slice(body).unwrap_or_default();
        cut_secrets(&mut request);
        Self {
            seq,
            api,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            accept: parts
                .headers
                .get("accept")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            request,
            status: None,
            response: Bytes::new(),
            fate: Fate::NotForwarded,
            started: Timestamp::now(),
            ended: None,
        }
    }

    /// Whether it goes to `api` by `method` and its path contains `part`.
    #[must_use]
    pub fn is(&self, api: Api, method: &str, part: &str) -> bool {
        self.api == api && self.method == method && self.path.contains(part)
    }

    /// Whether it is to change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// The body of the server's answer, if it is JSON.
    #[must_use]
    pub fn response_json(&self) -> Option<Value> {
        serde_json::from_slice(&self.response).ok()
    }

    /// Whether the answer's body may be kept.
    pub(super) fn keeps_response(&self) -> bool {
        self.api == Api::Cloud || self.is_write()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seq,
            api,
            method,
            path,
            query,
            status,
            fate,
            ..
        } = self;
        write!(f, "#{seq} {api:?} {method} {path}?{query} -> {status:?} {fate:?}")
    }
}

fn cut_secrets(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if SECRET_KEYS.contains(&key.as_str()) && value.is_string() {
                    *value = Value::from("(cut)");
                } else {
                    cut_secrets(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(cut_secrets),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_do_not_enter_the_record() {
        let mut body = json!({
            "data_source_name": "lake",
            "user_pwd": "secret",
            "auth": {"identity": {"password": {"user": {"name": "op", "password": "secret"}}}},
        });
        cut_secrets(&mut body);
        assert_eq!(body["data_source_name"], "lake");
        assert_eq!(body["auth"]["identity"]["password"]["user"]["name"], "op");
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}
