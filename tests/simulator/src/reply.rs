//! Answers on their way to the client.
//!
//! Takes what was decided, returns HTTP responses. Never decides what a client gets.

use std::io;

use axum::body::{Body as HttpBody, Bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use serde_json::Value;
use uuid::Uuid;

use crate::answer::Body;
use crate::error_body::Refusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PADDING_HEAD: &[u8] = b"{\"padding\":\"";
const PADDING_TAIL: &[u8] = b"\"}";
/// How much of a large body is in memory at once.
const CHUNK: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);
const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n";

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    content: Content,
}

/// The secrets of a request that an answer may repeat.
pub(crate) struct Echo {
    /// The password in its body.
    pub(crate) password: String,
    /// Its security token, or its IAM token.
    pub(crate) token: String,
}

enum Content {
    Bytes(Vec<u8>),
    Oversized(u64),
    Endless,
}

impl Reply {
    /// A JSON answer with a fresh request id.
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(
            status,
            JSON,
            &request_id(),
            Content::Bytes(body.to_string().into_bytes()),
        )
    }

    /// A plain text, as the metadata service answers it.
    pub(crate) fn text(status: StatusCode, text: String) -> Self {
        let plain = HeaderValue::from_static("text/plain");
        Self::new(status, plain, &request_id(), Content::Bytes(text.into_bytes()))
    }

    /// A refusal with a fresh request id.
    pub(crate) fn refusal(refusal: &Refusal) -> Self {
        let request_id = request_id();
        let body = refusal
            .shape
            .render(refusal.status, &refusal.code, &refusal.message, &request_id);
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, JSON, &request_id, Content::Bytes(body))
    }

    /// An answer that a fault asks for; `{password}` and `{token}` in its texts become the request's.
    pub(crate) fn of_fault(status: StatusCode, more: HeaderMap, body: Body, echo: &Echo) -> Self {
        let request_id = more
            .get(REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .map_or_else(request_id, ToOwned::to_owned);
        let filled = |text: String| {
            text.replace("{password}", &echo.password)
                .replace("{token}", &echo.token)
        };
        let (content_type, content) = match body {
            Body::Empty => (JSON, Content::Bytes(Vec::new())),
            Body::Error { shape, code, message } => {
                (JSON, Content::Bytes(shape.render(status.as_u16(), &code, &filled(message), &request_id)))
            }
            Body::Html => (HeaderValue::from_static("text/html"), Content::Bytes(HTML.into())),
            Body::MalformedJson => (JSON, Content::Bytes(br#"{"id":"d303f19c","job_id":"#.into())),
            Body::WrongTypes => (
                JSON,
                Content::Bytes(
                    br#"{"id":7,"job_id":["x"],"data_sources":"none","count":"many","status":{},"token":1,"projects":{}}"#
                        .into(),
                ),
            ),
            Body::Text { content_type, text } => (
                HeaderValue::try_from(content_type).unwrap_or(JSON),
                Content::Bytes(filled(text).into_bytes()),
            ),
            Body::Oversized(bytes) => (JSON, Content::Oversized(bytes)),
            Body::Endless => (JSON, Content::Endless),
        };
        let mut reply = Self::new(status, content_type, &request_id, content);
        reply.headers.extend(more);
        reply
    }

    /// The same answer with other ids in it.
    pub(crate) fn with_ids(mut self, id: &str) -> Self {
        if let Content::Bytes(bytes) = &mut self.content
            && let Ok(mut body) = serde_json::from_slice::<Value>(bytes)
        {
            replace_ids(&mut body, id);
            *bytes = body.to_string().into_bytes();
        }
        self
    }

    /// Has the connection closed after the answer.
    pub(crate) fn closing(mut self) -> Self {
        self.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        self
    }

    /// The head and half of the body; then the connection breaks.
    pub(crate) fn into_truncated(mut self) -> Response {
        let Content::Bytes(bytes) = self.content else {
            return self.into_response();
        };
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
        let broken = stream::once(async {
            // hyper sends the half out while the stream is not ready.
            tokio::task::yield_now().await;
            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
        });
        let body = stream::iter([Ok(half)]).chain(broken);
        (self.status, self.headers, HttpBody::from_stream(body)).into_response()
    }

    fn new(status: StatusCode, content_type: HeaderValue, request_id: &str, content: Content) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type);
        if let Ok(id) = HeaderValue::try_from(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        Self {
            status,
            headers,
            content,
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(mut self) -> Response {
        let body = match self.content {
            Content::Bytes(bytes) => HttpBody::from(bytes),
            Content::Oversized(bytes) => {
                let frame = (PADDING_HEAD.len() + PADDING_TAIL.len()) as u64;
                let padding = bytes.saturating_sub(frame);
                self.headers.insert(CONTENT_LENGTH, HeaderValue::from(padding + frame));
                HttpBody::from_stream(padded(padding))
            }
            Content::Endless => HttpBody::from_stream(padded(u64::MAX)),
        };
        (self.status, self.headers, body).into_response()
    }
}

/// A JSON object with a string of this many bytes in it.
fn padded(bytes: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let padding = stream::unfold(bytes, |left| async move {
        let size = left.min(CHUNK.len() as u64);
        let chunk = CHUNK.slice(..usize::try_from(size).unwrap_or(CHUNK.len()));
        (size > 0).then_some((Ok(chunk), left - size))
    });
    let head = stream::iter([Ok(Bytes::from_static(PADDING_HEAD))]);
    let tail = stream::iter([Ok(Bytes::from_static(PADDING_TAIL))]);
    head.chain(padding).chain(tail)
}

fn replace_ids(value: &mut Value, id: &str) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match key.as_str() {
                    "id" | "job_id" | "data_source_id" if field.is_string() => *field = id.into(),
                    _ => replace_ids(field, id),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_ids(item, id)),
        _ => {}
    }
}

fn request_id() -> String {
    Uuid::new_v4().simple().to_string()
}
