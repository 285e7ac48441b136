//! What a client gets when its request goes wrong. Values only.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::error_body::Shape;

/// What the client gets instead of the genuine answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The genuine answer; for faults that only delay or drip.
    Genuine,
    /// The head and the first half of the body of the genuine answer, then a closed connection.
    Truncated,
    /// The genuine answer with each `id`, `job_id` and `data_source_id` replaced.
    Ids(String),
    /// An answer of one's own.
    Reply {
        /// The HTTP status.
        status: u16,
        /// More headers, or other values for `Content-Type` and `X-Request-Id`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: Body,
    },
    /// No answer: the connection ends.
    Drop(Disconnect),
    /// No answer: the connection stays open until the client closes it.
    Hang,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disconnect {
    /// In order (TCP FIN).
    Close,
    /// With a TCP reset.
    Reset,
}

/// The body of an answer. Each brings its fitting `Content-Type`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// An error.
    Error {
        /// Its form.
        #[serde(default = "default_shape")]
        shape: Shape,
        /// The error code.
        code: String,
        /// The error text. `{password}` in it becomes the `user_pwd` of the request.
        message: String,
    },
    /// The HTML page of a proxy.
    Html,
    /// JSON that ends too early, with a right `Content-Length`.
    MalformedJson,
    /// JSON in which no field has its documented type.
    WrongTypes,
    /// Text of one's own.
    Text {
        /// Its `Content-Type`.
        content_type: String,
        /// The text. `{password}` in it becomes the `user_pwd` of the request.
        text: String,
    },
    /// A JSON string of this many bytes.
    Oversized(u64),
    /// A JSON string that never ends.
    Endless,
}

fn default_shape() -> Shape {
    Shape::ErrorCode
}

impl Answer {
    /// An error as DWS answers it.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::shaped(status, Shape::ErrorCode, code, message)
    }

    /// An error in another form.
    #[must_use]
    pub fn shaped(status: u16, shape: Shape, code: &str, message: &str) -> Self {
        Self::with_body(
            status,
            Body::Error {
                shape,
                code: code.to_owned(),
                message: message.to_owned(),
            },
        )
    }

    /// Any status and body.
    #[must_use]
    pub fn with_body(status: u16, body: Body) -> Self {
        Self::Reply {
            status,
            headers: BTreeMap::new(),
            body,
        }
    }

    /// The gateway's 429; `Retry-After` can be seconds, also with a fraction, or an HTTP date.
    #[must_use]
    pub fn throttled(retry_after: Option<&str>) -> Self {
        let message = "The throttling threshold has been reached: policy user over ratelimit,limit:200,time:5 minute";
        let answer = Self::shaped(429, Shape::Gateway, "APIGW.0308", message);
        match retry_after {
            Some(value) => answer.header("Retry-After", value),
            None => answer,
        }
    }

    /// A 302 to another URL.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::with_body(302, Body::Empty).header("Location", location)
    }

    /// One more header; only an [`Answer::Reply`] takes it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Says what HTTP does not have.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Self::Reply { status, headers, .. } = self {
            StatusCode::from_u16(*status)
                .ok()
                .filter(|status| status.as_u16() >= 200)
                .ok_or_else(|| format!("{status} is no final HTTP status"))?;
            for (name, value) in headers {
                HeaderName::try_from(name).map_err(|_| format!("{name:?} is no header name"))?;
                HeaderValue::try_from(value).map_err(|_| format!("the value of {name} is no header value"))?;
            }
        }
        Ok(())
    }

    /// Whether it is made from the genuine answer.
    pub(crate) fn needs_genuine(&self) -> bool {
        matches!(self, Self::Genuine | Self::Truncated | Self::Ids(_))
    }
}
