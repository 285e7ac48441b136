//! The way of one request: arrival, fault, effect, answer.
//!
//! The work runs in a task of its own, so a client that hangs up neither stops an effect that is under way nor keeps it
//! out of the log.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::answer::{Answer, Disconnect};
use crate::arrival;
use crate::call::Target;
use crate::cloud::Cloud;
use crate::connection::Line;
use crate::fault::Fault;
use crate::faults::Subject;
use crate::perform::Arrived;
use crate::reply::{Echo, Reply};

/// The gateway's limit for the body of a signed request.
const MAX_BODY: usize = 12 * 1024 * 1024;

/// How an exchange ends for the client.
enum Ending {
    Reply(Reply),
    Truncated(Reply),
    Drop(Disconnect),
    Hang,
}

/// Serves a request to the simulated cloud.
pub(crate) async fn serve(
    State(cloud): State<Arc<Cloud>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.ok();
    let shutdown = cloud.shutdown.clone();
    let work = tokio::spawn(shutdown.run_until_cancelled_owned(run(cloud, line.clone(), parts, body)));
    match work.await {
        Ok(Some(Ending::Reply(reply))) => reply.into_response(),
        Ok(Some(Ending::Truncated(reply))) => reply.into_truncated(),
        Ok(Some(Ending::Hang)) => std::future::pending().await,
        Ok(Some(Ending::Drop(how))) => cut(&line, how),
        Ok(None) | Err(_) => cut(&line, Disconnect::Close),
    }
}

fn cut(line: &Line, how: Disconnect) -> Response {
    line.cut(how);
    // The connection is gone, so this never leaves.
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

async fn run(cloud: Arc<Cloud>, line: Line, parts: Parts, body: Option<Bytes>) -> Ending {
    let target = Target::of(&parts.method, parts.uri.path());
    let mut entry = arrival::entry(&cloud, &target, &parts, body.as_deref().unwrap_or_default());
    let subject = Subject {
        call: entry.call,
        cluster: entry.cluster.as_deref(),
        name: entry.name.as_deref(),
    };
    let struck = cloud.faults.strike(subject);
    entry.fault = struck.as_ref().map(|(id, _)| *id);
    let seq = cloud.log.append(entry);
    let arrived = Arc::new(Arrived {
        cloud,
        parts,
        body,
        target,
        seq,
    });

    let ending = match struck {
        None => Ending::Reply(arrived.perform()),
        Some((_, fault)) => arrived.go_wrong(fault, &line).await,
    };
    let status = match &ending {
        Ending::Reply(reply) | Ending::Truncated(reply) => Some(reply.status.as_u16()),
        Ending::Drop(_) | Ending::Hang => None,
    };
    arrived.cloud.log.amend(seq, |entry| entry.status = status);
    ending
}

impl Arrived {
    async fn go_wrong(self: &Arc<Self>, fault: Fault, line: &Line) -> Ending {
        tokio::time::sleep(fault.delay_before).await;
        let genuine = (fault.applies() && fault.late_effect.is_none()).then(|| self.perform());
        tokio::time::sleep(fault.delay_after).await;
        if let (true, Some(delay)) = (fault.apply, fault.late_effect) {
            let arrived = self.clone();
            tokio::spawn(self.cloud.shutdown.clone().run_until_cancelled_owned(async move {
                tokio::time::sleep(delay).await;
                arrived.perform();
            }));
        }
        let slowed = |reply: Reply| match fault.drip {
            Some(pause) => {
                line.drip(pause);
                reply.closing()
            }
            None => reply,
        };
        match (fault.answer, genuine) {
            (Answer::Genuine, Some(genuine)) => Ending::Reply(slowed(genuine)),
            (Answer::Truncated, Some(genuine)) => Ending::Truncated(slowed(genuine)),
            (Answer::Ids(id), Some(genuine)) => Ending::Reply(slowed(genuine.with_ids(&id))),
            (Answer::Reply { status, headers, body }, _) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let headers = headers
                    .iter()
                    .filter_map(|(name, value)| {
                        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
                    })
                    .collect::<HeaderMap>();
                Ending::Reply(slowed(Reply::of_fault(status, headers, body, &self.echo())))
            }
            (Answer::Drop(how), _) => Ending::Drop(how),
            (Answer::Hang, _) => Ending::Hang,
            // Faults are checked when they are added: an answer made from the genuine one has it.
            (Answer::Genuine | Answer::Truncated | Answer::Ids(_), None) => Ending::Drop(Disconnect::Close),
        }
    }

    /// The secrets in the request, for faults that echo them.
    fn echo(&self) -> Echo {
        let body: Option<Value> = self.body.as_ref().and_then(|body| serde_json::from_slice(body).ok());
        let password = ["/user_pwd", "/auth/identity/password/user/password"]
            .iter()
            .find_map(|pointer| body.as_ref()?.pointer(pointer)?.as_str())
            .unwrap_or_default()
            .to_owned();
        let token = ["x-security-token", "x-auth-token"]
            .iter()
            .find_map(|name| self.parts.headers.get(*name)?.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Echo { password, token }
    }
}
