//! The way of one request: arrival, fault, effect, answer.
//!
//! The work runs in a task of its own, so a client that hangs up neither stops an effect that is under way nor keeps it
//! out of the log.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::arrival;
use crate::call::{SourcesCall, Target};
use crate::cloud::Cloud;
use crate::connection::Line;
use crate::dws::{Accepted, Scene};
use crate::error_body::Refusal;
use crate::fault::{Answer, Disconnect, Fault};
use crate::faults::Subject;
use crate::iam;
use crate::reply::Reply;
use crate::settings::Settings;
use crate::signature::Received;

/// The gateway's limit for the body of a signed request.
const MAX_BODY: usize = 12 * 1024 * 1024;
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// How an exchange ends for the client.
enum Ending {
    Reply(Reply),
    Truncated(Reply),
    Drop(Disconnect),
    Hang,
}

/// A success of the simulated cloud.
struct Success {
    status: StatusCode,
    body: Value,
    write: Option<Accepted>,
    token: Option<String>,
}

impl Success {
    fn read(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            write: None,
            token: None,
        }
    }
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "type")]
    type_: Option<String>,
    name: Option<String>,
}

/// A request that has arrived.
struct Exchange {
    cloud: Arc<Cloud>,
    parts: Parts,
    /// None if it is larger than the gateway takes, or broke off.
    body: Option<Bytes>,
    target: Target,
    seq: u64,
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
    let work =
        tokio::spawn(shutdown.run_until_cancelled_owned(run(cloud, line.clone(), parts, body)));
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
    let exchange = Arc::new(Exchange {
        cloud,
        parts,
        body,
        target,
        seq,
    });

    let ending = match struck {
        None => Ending::Reply(exchange.perform()),
        Some((_, fault)) => exchange.go_wrong(fault, &line).await,
    };
    let status = match &ending {
        Ending::Reply(reply) | Ending::Truncated(reply) => Some(reply.status.as_u16()),
        Ending::Drop(_) | Ending::Hang => None,
    };
    exchange.cloud.log.amend(seq, |entry| entry.status = status);
    ending
}

impl Exchange {
    async fn go_wrong(self: &Arc<Self>, fault: Fault, line: &Line) -> Ending {
        tokio::time::sleep(fault.delay_before).await;
        let genuine = (fault.applies() && fault.late_effect.is_none()).then(|| self.perform());
        tokio::time::sleep(fault.delay_after).await;
        if let (true, Some(delay)) = (fault.apply, fault.late_effect) {
            let exchange = self.clone();
            tokio::spawn(
                self.cloud
                    .shutdown
                    .clone()
                    .run_until_cancelled_owned(async move {
                        tokio::time::sleep(delay).await;
                        exchange.perform();
                    }),
            );
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
            (
                Answer::Reply {
                    status,
                    headers,
                    body,
                },
                _,
            ) => {
                let status =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let headers = headers
                    .iter()
                    .filter_map(|(name, value)| {
                        Some((
                            HeaderName::try_from(name).ok()?,
                            HeaderValue::try_from(value).ok()?,
                        ))
                    })
                    .collect::<HeaderMap>();
                Ending::Reply(slowed(Reply::of_fault(
                    status,
                    headers,
                    body,
                    &self.password(),
                )))
            }
            (Answer::Drop(how), _) => Ending::Drop(how),
            (Answer::Hang, _) => Ending::Hang,
            // Faults are checked when they are added: an answer made from the genuine one has it.
            (Answer::Genuine | Answer::Truncated | Answer::Ids(_), None) => {
                Ending::Drop(Disconnect::Close)
            }
        }
    }

    /// Does what a healthy cloud does, once.
    fn perform(&self) -> Reply {
        let settings = self.cloud.settings();
        let outcome = self.effect(&settings, Timestamp::now());
        self.cloud.log.amend(self.seq, |entry| match &outcome {
            Ok(success) => {
                entry.took_effect = success.write.is_some() || success.token.is_some();
                if let Some(write) = &success.write {
                    entry.id = Some(write.id.clone());
                    entry.job_id = Some(write.job_id.clone());
                }
            }
            Err(refusal) => entry.error_code = Some(refusal.code.clone()),
        });
        match outcome {
            Ok(success) => {
                let mut reply = Reply::json(success.status, &success.body);
                if let Some(token) = success
                    .token
                    .and_then(|token| HeaderValue::try_from(token).ok())
                {
                    reply.headers.insert(SUBJECT_TOKEN, token);
                }
                reply
            }
            Err(refusal) => Reply::refusal(&refusal),
        }
    }

    fn effect(&self, settings: &Settings, now: Timestamp) -> Result<Success, Refusal> {
        let Some(body) = &self.body else {
            return Err(Refusal::gateway(
                413,
                "APIGW.0201",
                "Request entity too large",
            ));
        };
        match &self.target {
            Target::Unknown => Err(Refusal::gateway(
                404,
                "APIGW.0101",
                "The API does not exist or has not been published",
            )),
            Target::Token => {
                let issued = iam::issue_token(body, settings, &self.cloud.gate, now)?;
                Ok(Success {
                    status: StatusCode::CREATED,
                    body: issued.body,
                    write: None,
                    token: Some(issued.token),
                })
            }
            Target::Projects => {
                self.admit(body, None, settings, now)?;
                let name = self.parameters()?.name;
                Ok(Success::read(iam::projects(
                    &settings.account,
                    name.as_deref(),
                )))
            }
            Target::Job { project, job_id } => {
                self.admit(body, Some(project), settings, now)?;
                self.scene(project, settings, now)
                    .job(job_id)
                    .map(Success::read)
            }
            Target::Sources {
                project,
                cluster,
                call,
            } => {
                self.admit(body, Some(project), settings, now)?;
                let scene = self.scene(project, settings, now);
                let accepted = match call {
                    SourcesCall::List => {
                        let type_ = self.parameters()?.type_;
                        return scene.list(cluster, type_.as_deref()).map(Success::read);
                    }
                    SourcesCall::Create => scene.create(cluster, body)?,
                    SourcesCall::Update { id } => scene.update(cluster, id, body)?,
                    SourcesCall::Delete { id } => scene.delete(cluster, id)?,
                };
                let body = accepted.body.clone();
                Ok(Success {
                    write: Some(accepted),
                    ..Success::read(body)
                })
            }
        }
    }

    /// Checks the credential, and that it may use the project of the path.
    fn admit(
        &self,
        body: &[u8],
        project: Option<&str>,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let received = Received {
            method: self.parts.method.as_str(),
            path: self.parts.uri.path(),
            query: self.parts.uri.query().unwrap_or_default(),
            headers: &self.parts.headers,
            body,
        };
        let caller = self
            .cloud
            .gate
            .admit(&received, &settings.account, settings.key_lock, now)?;
        match project {
            Some(project)
                if !settings.account.has_project(project)
                    || caller.project.is_some_and(|bound| bound != project) =>
            {
                Err(Refusal::gateway(
                    403,
                    "APIGW.0310",
                    "The project is unavailable",
                ))
            }
            _ => Ok(()),
        }
    }

    fn scene<'a>(&'a self, project: &'a str, settings: &'a Settings, now: Timestamp) -> Scene<'a> {
        Scene {
            clusters: &self.cloud.clusters,
            settings,
            digester: &self.cloud.digester,
            project,
            now,
        }
    }

    fn parameters(&self) -> Result<Parameters, Refusal> {
        Query::try_from_uri(&self.parts.uri)
            .map(|Query(parameters)| parameters)
            .map_err(|_| Refusal::new(400, "DWS.0001", "Invalid query."))
    }

    /// The password in the request, for faults that echo it.
    fn password(&self) -> String {
        let body: Option<Value> = self
            .body
            .as_ref()
            .and_then(|body| serde_json::from_slice(body).ok());
        ["/user_pwd", "/auth/identity/password/user/password"]
            .iter()
            .find_map(|pointer| body.as_ref()?.pointer(pointer)?.as_str())
            .unwrap_or_default()
            .to_owned()
    }
}
