//! One connection of the operator, and the calls on it from request to answer.

use std::fmt;
use std::sync::{Arc, Weak};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use hyper::http::{request, response};
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

use super::body::{Answered, Tee};
use super::call::{Api, Call, Fate};
use super::caller::Caller;
use super::front::Front;
use super::journal::Entry;
use super::rule::{Armed, Next, Stage};
use super::upstream::Connection;

/// How large a body may be that has to be read whole, in bytes.
const BODY_LIMIT: usize = 16 << 20;

/// Ends the operator's connection without an answer.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proxy cuts the connection")
    }
}

impl std::error::Error for Cut {}

/// The two ends of one connection: HTTP/1.1 carries one call at a time.
pub(super) struct Exchange {
    front: Arc<Front>,
    caller: Weak<Caller>,
    upstream: Mutex<Option<Connection>>,
    answers: mpsc::UnboundedSender<Answered>,
}

/// The server's answer: read whole where the record or a rule needs it, else as it comes.
enum Answer {
    Whole(response::Parts, Bytes),
    Streamed(Response<Incoming>),
}

impl Exchange {
    pub fn new(front: Arc<Front>, caller: Weak<Caller>, answers: mpsc::UnboundedSender<Answered>) -> Self {
        Self {
            front,
            caller,
            upstream: Mutex::new(None),
            answers,
        }
    }

    /// Takes a request to its answer. If the operator hangs up before the request is forwarded, it never is; afterwards the
    /// server's answer still enters the record.
    pub async fn call(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Tee>, Cut> {
        let shared = &self.front.shared;
        let (parts, body) = request.into_parts();
        let body = read_whole(body).await?;
        if !shared.rules.pass_gate().await || shared.is_blocked(self.front.api) {
            return Err(Cut);
        }
        let call = shared.journal.open(self.front.api, &parts, &body);
        let entry = Entry::new(&shared.journal, &call);
        let due = shared.rules.due(&call);
        let at = |stage| {
            due.iter()
                .filter(move |rule| rule.stage() == stage)
                .cloned()
                .collect::<Vec<_>>()
        };

        if let Some(answer) = act(&at(Stage::Before), &call).await? {
            return Ok(answer);
        }
        if !self.caller.upgrade().is_some_and(|caller| caller.is_waiting()) {
            return Err(Cut);
        }
        let applied = at(Stage::Applied);
        let is_whole = !applied.is_empty() || (self.front.api == Api::Kube && call.is_write());
        let forward = Arc::clone(&self).forward(parts, body, entry, is_whole);
        let (answer, entry) = tokio::spawn(forward).await.map_err(|_| Cut)??;
        if let Some(answer) = act(&applied, &call).await? {
            return Ok(answer);
        }
        let answered = at(Stage::Answered);
        for rule in &answered {
            shared.rules.close_gate(rule);
        }
        let (mut parts, body) = match answer {
            Answer::Whole(parts, body) => (parts, Tee::whole(body, entry)),
            Answer::Streamed(response) => {
                let (parts, body) = response.into_parts();
                (parts, Tee::streamed(body, entry))
            }
        };
        drop_hop_by_hop(&mut parts.headers);
        Ok(Response::from_parts(
            parts,
            body.reporting(Answered { call, rules: answered }, self.answers.clone()),
        ))
    }

    async fn forward(
        self: Arc<Self>,
        mut parts: request::Parts,
        body: Bytes,
        entry: Entry,
        is_whole: bool,
    ) -> Result<(Answer, Entry), Cut> {
        drop_hop_by_hop(&mut parts.headers);
        let mut upstream = self.upstream.lock().await;
        let mut connection = match upstream.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.front.upstream.connect().await.map_err(|_| Cut)?,
        };
        connection.ready().await.map_err(|_| Cut)?;
        entry.reached(Fate::Unanswered);
        let request = Request::from_parts(parts, Full::new(body));
        let response = connection.send_request(request).await.map_err(|_| Cut)?;
        *upstream = Some(connection);
        entry.answered(response.status().as_u16());
        if !is_whole {
            return Ok((Answer::Streamed(response), entry));
        }
        let (parts, body) = response.into_parts();
        let body = read_whole(body).await?;
        entry.received(&body);
        Ok((Answer::Whole(parts, body), entry))
    }
}

/// Lets the rules act one after the other; the first that answers or cuts decides.
async fn act(rules: &[Arc<Armed>], call: &Call) -> Result<Option<Response<Tee>>, Cut> {
    for rule in rules {
        match rule.act(call).await {
            Next::GoOn => {}
            Next::Cut => return Err(Cut),
            Next::Answer(status, body) => return made(status, &body).map(Some),
        }
    }
    Ok(None)
}

fn made(status: u16, body: &Value) -> Result<Response<Tee>, Cut> {
    let mut response = Response::new(Tee::made(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Cut)?;
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

async fn read_whole(body: Incoming) -> Result<Bytes, Cut> {
    Ok(Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| Cut)?
        .to_bytes())
}

/// Takes out what concerns one connection only (RFC 9110, section 7.6.1).
fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    for name in [
        CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
    if is_chunked {
        headers.remove(CONTENT_LENGTH);
    }
}
