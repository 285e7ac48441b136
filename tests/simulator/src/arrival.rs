//! What is known of a request when it arrives: its entry in the log.

use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use jiff::Timestamp;
use serde_json::Value;

use crate::call::{SourcesCall, Target};
use crate::cloud::Cloud;
use crate::clusters::{Clusters, lock};
use crate::log::LogEntry;

/// What a request is about.
#[derive(Default)]
struct Facts {
    cluster: Option<String>,
    name: Option<String>,
    id: Option<String>,
    job_id: Option<String>,
}

/// The entry of a request that has just arrived. Its number and its answer come later.
pub(crate) fn entry(cloud: &Cloud, target: &Target, parts: &Parts, body: &[u8]) -> LogEntry {
    let body = cloud.digester.body(body);
    let facts = facts(&cloud.clusters, target, body.as_ref());
    let claimed = match target {
        Target::Token => body.as_ref().and_then(token_user),
        _ => cloud.gate.claimed(&parts.headers),
    };
    LogEntry {
        seq: 0,
        time: Timestamp::now(),
        call: target.call(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        status: None,
        error_code: None,
        took_effect: false,
        fault: None,
        cluster: facts.cluster,
        name: facts.name,
        id: facts.id,
        job_id: facts.job_id,
        credential: claimed,
        user_agent: parts
            .headers
            .get(USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        headers: cloud.digester.headers(&parts.headers),
        body,
    }
}

fn facts(clusters: &Clusters, target: &Target, body: Option<&Value>) -> Facts {
    match target {
        Target::Sources { cluster, call, .. } => {
            let (name, id) = match call {
                SourcesCall::Create => (text(body, "/data_source_name"), None),
                SourcesCall::List => (None, None),
                SourcesCall::Update { id } | SourcesCall::Delete { id } => {
                    (source_name(clusters, cluster, id), Some(id.clone()))
                }
            };
            Facts {
                cluster: Some(cluster.clone()),
                name,
                id,
                job_id: None,
            }
        }
        Target::Job { job_id, .. } => {
            let mut facts = Facts {
                job_id: Some(job_id.clone()),
                ..Facts::default()
            };
            if let Some(cluster_id) = clusters.cluster_of_job(job_id) {
                if let Some(cluster) = clusters.get(&cluster_id)
                    && let Some(job) = lock(&cluster).job(job_id)
                {
                    facts.name = Some(job.source_name.clone());
                    facts.id = Some(job.source_id.clone());
                }
                facts.cluster = Some(cluster_id);
            }
            facts
        }
        Target::Token | Target::Projects | Target::Exchange(_) | Target::Unknown => Facts::default(),
    }
}

fn source_name(clusters: &Clusters, cluster: &str, id: &str) -> Option<String> {
    let cluster = clusters.get(cluster)?;
    let name = lock(&cluster).sources.get(id)?.name.clone();
    Some(name)
}

/// `domain/user` of a token request.
fn token_user(body: &Value) -> Option<String> {
    let user = text(Some(body), "/auth/identity/password/user/name")?;
    let domain = text(Some(body), "/auth/identity/password/user/domain/name")?;
    Some(format!("{domain}/{user}"))
}

fn text(body: Option<&Value>, pointer: &str) -> Option<String> {
    body?.pointer(pointer)?.as_str().map(ToOwned::to_owned)
}
