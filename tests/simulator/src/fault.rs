//! Faults: which requests go wrong, and how. Values only.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error_body::Shape;

/// Names a fault that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

/// Something that goes wrong with the requests that it matches.
///
/// A request that several faults match gets the first that still has `times` left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// The call; none for any.
    pub call: Option<Call>,
    /// The cluster; none for any. Token and projects calls have none.
    pub cluster: Option<String>,
    /// The exact name of the data source; none for any. Lists, tokens and projects calls have none.
    pub name: Option<String>,
    /// How many matching requests pass first.
    pub skip: u64,
    /// How many requests it hits; none for all.
    pub times: Option<u64>,
    /// Whether the request still takes effect, if it is valid. Answers made from the genuine one imply it.
    pub apply: bool,
    /// From the arrival to the effect, or to where it would be.
    #[serde(with = "compact::required")]
    pub delay_before: Duration,
    /// From the effect to the answer.
    #[serde(with = "compact::required")]
    pub delay_after: Duration,
    /// With `apply`: how long after the answer the effect comes; none for before it.
    #[serde(with = "compact::optional")]
    pub late_effect: Option<Duration>,
    /// The pause after each single byte of the answer, head included; none to send it at once.
    #[serde(with = "compact::optional")]
    pub drip: Option<Duration>,
    /// What the client gets.
    pub answer: Answer,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            call: None,
            cluster: None,
            name: None,
            skip: 0,
            times: None,
            apply: false,
            delay_before: Duration::ZERO,
            delay_after: Duration::ZERO,
            late_effect: None,
            drip: None,
            answer: Answer::Genuine,
        }
    }
}

impl Fault {
    /// This answer for every request of a call, without effect.
    #[must_use]
    pub fn on(call: Call, answer: Answer) -> Self {
        Self {
            call: Some(call),
            ..Self::any(answer)
        }
    }

    /// This answer for every request, without effect.
    #[must_use]
    pub fn any(answer: Answer) -> Self {
        Self {
            answer,
            ..Self::default()
        }
    }

    /// Only on this cluster.
    #[must_use]
    pub fn cluster(self, cluster: &str) -> Self {
        Self {
            cluster: Some(cluster.to_owned()),
            ..self
        }
    }

    /// Only for data sources of this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..self
        }
    }

    /// Only after this many matching requests.
    #[must_use]
    pub fn skip(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Only this many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// The request takes effect before the answer.
    #[must_use]
    pub fn applied(self) -> Self {
        Self {
            apply: true,
            ..self
        }
    }

    /// The request takes effect, this long after the answer.
    #[must_use]
    pub fn applied_late(self, delay: Duration) -> Self {
        Self {
            apply: true,
            late_effect: Some(delay),
            ..self
        }
    }

    /// A pause before the effect.
    #[must_use]
    pub fn delay_before(self, delay: Duration) -> Self {
        Self {
            delay_before: delay,
            ..self
        }
    }

    /// A pause between effect and answer.
    #[must_use]
    pub fn delay_after(self, delay: Duration) -> Self {
        Self {
            delay_after: delay,
            ..self
        }
    }

    /// A pause after each byte of the answer.
    #[must_use]
    pub fn drip(self, pause: Duration) -> Self {
        Self {
            drip: Some(pause),
            ..self
        }
    }

    /// Whether the request takes effect.
    pub(crate) fn applies(&self) -> bool {
        self.apply || self.answer.needs_genuine()
    }

    /// Says what cannot be carried out.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.late_effect.is_some() && !self.apply {
            return Err("an effect after the answer needs apply".to_owned());
        }
        if self.late_effect.is_some() && self.answer.needs_genuine() {
            return Err(
                "an effect after the answer excludes an answer made from the genuine one"
                    .to_owned(),
            );
        }
        if let Answer::Reply {
            status, headers, ..
        } = &self.answer
        {
            StatusCode::from_u16(*status)
                .ok()
                .filter(|status| status.as_u16() >= 200)
                .ok_or_else(|| format!("{status} is no final HTTP status"))?;
            for (name, value) in headers {
                HeaderName::try_from(name).map_err(|_| format!("{name:?} is no header name"))?;
                HeaderValue::try_from(value)
                    .map_err(|_| format!("the value of {name} is no header value"))?;
            }
        }
        Ok(())
    }
}

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

    /// Whether it is made from the genuine answer.
    pub(crate) fn needs_genuine(&self) -> bool {
        matches!(self, Self::Genuine | Self::Truncated | Self::Ids(_))
    }
}
