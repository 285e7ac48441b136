//! The body of an answer on its way to the operator.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::mpsc::UnboundedSender;

use super::call::{Call, Fate, RESPONSE_LIMIT};
use super::journal::Entry;
use super::rule::Armed;

/// An answer that has been handed to the operator's connection whole.
pub(super) struct Answered {
    pub call: Call,
    pub rules: Vec<Arc<Armed>>,
}

/// Passes a body on, records it, and reports its end.
pub(super) struct Tee {
    inner: Either<Full<Bytes>, Incoming>,
    entry: Option<Entry>,
    /// What has been passed on, if the record does not have it yet.
    seen: Option<Vec<u8>>,
    ended: bool,
    answered: Option<(Answered, UnboundedSender<Answered>)>,
}

impl Tee {
    /// A body made here; it has no place in the record.
    pub fn made(body: Vec<u8>) -> Self {
        Self {
            inner: Either::Left(Full::new(Bytes::from(body))),
            entry: None,
            seen: None,
            ended: false,
            answered: None,
        }
    }

    /// The server's body, read whole and recorded already.
    pub fn whole(body: Bytes, entry: Entry) -> Self {
        Self {
            inner: Either::Left(Full::new(body)),
            entry: Some(entry),
            seen: None,
            ended: false,
            answered: None,
        }
    }

    /// The server's body as it comes.
    pub fn streamed(body: Incoming, entry: Entry) -> Self {
        let seen = entry.keeps_response().then(Vec::new);
        Self {
            inner: Either::Right(body),
            entry: Some(entry),
            seen,
            ended: false,
            answered: None,
        }
    }

    /// Reports the end to `reports`.
    pub fn reporting(mut self, answered: Answered, reports: UnboundedSender<Answered>) -> Self {
        self.answered = Some((answered, reports));
        self
    }
}

impl Body for Tee {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            None => self.ended = true,
            Some(Ok(frame)) => {
                if let (Some(seen), Some(data)) = (&mut self.seen, frame.data_ref()) {
                    let room = RESPONSE_LIMIT - seen.len();
                    seen.extend_from_slice(&data[..data.len().min(room)]);
                }
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The server takes a body down as soon as its last byte is in the connection's buffer, which it flushes in the same turn.
impl Drop for Tee {
    fn drop(&mut self) {
        let is_whole = self.ended || self.inner.is_end_stream();
        if let Some(entry) = &self.entry {
            if let Some(seen) = &self.seen {
                entry.received(seen);
            }
            if is_whole {
                entry.reached(Fate::PassedOn);
            }
        }
        if is_whole && let Some((answered, reports)) = self.answered.take() {
            // The connection may be gone; then nobody is told.
            let _ = reports.send(answered);
        }
    }
}
