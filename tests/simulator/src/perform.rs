//! What a healthy cloud does with a request: checks the caller, carries the call out, and completes the log.
//!
//! Takes an arrived request, returns the genuine answer. Never looks at faults.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::call::{Exchange, SourcesCall, Target};
use crate::cloud::Cloud;
use crate::dws::{Accepted, Scene};
use crate::error_body::Refusal;
use crate::gate::Caller;
use crate::iam::{self, Issued};
use crate::reply::Reply;
use crate::settings::Settings;
use crate::signature::Received;
use crate::temporary::{KeyRequest, Place};

const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// A request that has arrived.
pub(crate) struct Arrived {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) parts: Parts,
    /// None if it is larger than the gateway takes, or broke off.
    pub(crate) body: Option<Bytes>,
    pub(crate) target: Target,
    pub(crate) seq: u64,
}

/// A success of the simulated cloud.
struct Success {
    status: StatusCode,
    body: Value,
    write: Option<Accepted>,
    token: Option<String>,
    /// Whether a credential was issued.
    issued: bool,
    /// What is answered instead of the body.
    text: Option<String>,
}

impl Success {
    fn read(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            write: None,
            token: None,
            issued: false,
            text: None,
        }
    }

    fn issued(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            issued: true,
            ..Self::read(body)
        }
    }

    fn token(issued: Issued) -> Self {
        Self {
            token: Some(issued.token),
            ..Self::issued(StatusCode::CREATED, issued.body)
        }
    }
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "type")]
    type_: Option<String>,
    name: Option<String>,
}

impl Arrived {
    /// Does what a healthy cloud does, once.
    pub(crate) fn perform(&self) -> Reply {
        let settings = self.cloud.settings();
        let outcome = self.effect(&settings, Timestamp::now());
        self.cloud.log.amend(self.seq, |entry| match &outcome {
            Ok(success) => {
                entry.took_effect = success.write.is_some() || success.issued;
                if let Some(write) = &success.write {
                    entry.id = Some(write.id.clone());
                    entry.job_id = Some(write.job_id.clone());
                }
            }
            Err(refusal) => entry.error_code = Some(refusal.code.clone()),
        });
        match outcome {
            Ok(success) => {
                let mut reply = match success.text {
                    Some(text) => Reply::text(success.status, text),
                    None => Reply::json(success.status, &success.body),
                };
                if let Some(token) = success.token.and_then(|token| HeaderValue::try_from(token).ok()) {
                    reply.headers.insert(SUBJECT_TOKEN, token);
                }
                reply
            }
            Err(refusal) => Reply::refusal(&refusal),
        }
    }

    fn effect(&self, settings: &Settings, now: Timestamp) -> Result<Success, Refusal> {
        let Some(body) = &self.body else {
            return Err(Refusal::gateway(413, "APIGW.0201", "Request entity too large"));
        };
        match &self.target {
            Target::Unknown => Err(Refusal::gateway(
                404,
                "APIGW.0101",
                "The API does not exist or has not been published",
            )),
            Target::Token => iam::issue_token(body, settings, &self.cloud.gate, now).map(Success::token),
            Target::Exchange(exchange) => self.exchange(*exchange, body, settings, now),
            Target::Projects => {
                self.admit(body, None, settings, now)?;
                let name = self.parameters()?.name;
                Ok(Success::read(iam::projects(&settings.account, name.as_deref())))
            }
            Target::Job { project, job_id } => {
                self.admit(body, Some(project), settings, now)?;
                self.scene(project, settings, now).job(job_id).map(Success::read)
            }
            Target::Sources { project, cluster, call } => {
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
    ) -> Result<Caller, Refusal> {
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
                    || caller.project.as_ref().is_some_and(|bound| bound != project) =>
            {
                Err(Refusal::gateway(403, "APIGW.0310", "The project is unavailable"))
            }
            _ => Ok(caller),
        }
    }

    /// Issues a credential.
    fn exchange(
        &self,
        exchange: Exchange,
        body: &[u8],
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Success, Refusal> {
        let place = Place {
            settings,
            gate: &self.cloud.gate,
            headers: &self.parts.headers,
            body,
            now,
        };
        let caller = || self.admit(body, None, settings, now).map(|caller| caller.name);
        let ok = |body| Success::issued(StatusCode::OK, body);
        let created = |body| Success::issued(StatusCode::CREATED, body);
        match exchange {
            Exchange::PodIdentity => place.pod_identity().map(ok),
            Exchange::AssumeWithOidc => place.assume_with_oidc().map(ok),
            Exchange::AssumeAgency => place.assume_in_sts(&caller()?).map(ok),
            Exchange::IdToken => place.id_token().map(Success::token),
            Exchange::SecurityToken => match place.key_request()? {
                KeyRequest::OfToken { token, seconds } => place.key_of_token(&token, seconds),
                KeyRequest::OfAgency(agency) => place.key_of_agency(&agency, &caller()?),
            }
            .map(created),
            Exchange::MetadataToken => place.metadata_token().map(|token| Success {
                text: Some(token),
                ..ok(Value::Null)
            }),
            Exchange::MetadataKey => place.metadata_key().map(ok),
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
}
