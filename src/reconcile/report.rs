//! Writes the status that a decision ended with: one patch, if it differs, and an event on a transition. It never calls the cloud.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::context::{Context, Member};
use super::kubernetes::KubernetesError;
use super::observe::Pass;
use super::plan::{DwsDataSourceStatus, Note, Report};
use crate::api::{Condition, ConditionStatus, ConditionType, DwsDataSource};

/// What became of a report.
pub enum Reported {
    /// The status holds it.
    Done,
    /// The spec had changed: a verdict about the old one was not written.
    Stale,
    /// The object is gone, or another one has its name.
    Gone,
}

/// Publishes a report.
///
/// # Errors
/// If Kubernetes fails. What is reported stays in memory then.
pub async fn publish(ctx: &Context, pass: &mut Pass, report: &Report) -> Result<Reported, KubernetesError> {
    let before = pass.object.status.clone().unwrap_or_default();
    let news = differs(&before, &report.status);
    if news {
        match patch(ctx, pass, &report.status).await? {
            Reported::Done => {}
            other => return Ok(other),
        }
    }
    pass.observation.uptime = ctx.clock.uptime();
    pass.observation.note_reported(news);
    tell(ctx, &pass.object, &before, &report.status, &report.notes);
    Ok(Reported::Done)
}

/// Whether a status is worth a write. When the cloud was last compared rides along with what is written anyway.
pub fn differs(before: &DwsDataSourceStatus, after: &DwsDataSourceStatus) -> bool {
    let synced = DwsDataSourceStatus {
        last_sync_time: before.last_sync_time,
        ..after.clone()
    };
    *before != synced
}

async fn patch(ctx: &Context, pass: &mut Pass, status: &DwsDataSourceStatus) -> Result<Reported, KubernetesError> {
    match write(ctx, &pass.object, status).await {
        Ok(object) => {
            pass.renew(ctx, object);
            Ok(Reported::Done)
        }
        Err(error) => match error.code() {
            Some(404) => Ok(Reported::Gone),
            // A test failed: which one, the object tells.
            Some(409 | 422) => reread(ctx, pass, error).await,
            _ => Err(error),
        },
    }
}

/// Writes a status by a JSON patch that holds only for this very object, and a Ready only for the spec that was judged.
///
/// # Errors
/// What the API server says; 422 if one of the tests fails.
pub async fn write(
    ctx: &Context,
    object: &DwsDataSource,
    status: &DwsDataSourceStatus,
) -> Result<DwsDataSource, KubernetesError> {
    let metadata = &object.metadata;
    let mut patch = vec![json!({ "op": "test", "path": "/metadata/uid", "value": metadata.uid })];
    if primary(&status.conditions).is_some_and(|condition| condition.status == ConditionStatus::True) {
        patch.push(json!({ "op": "test", "path": "/metadata/generation", "value": metadata.generation }));
    }
    patch.push(json!({ "op": "add", "path": "/status", "value": status }));
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(patch)).unwrap_or_default();
    let api = ctx
        .kubernetes
        .within::<DwsDataSource>(metadata.namespace.as_deref().unwrap_or_default());
    let name = metadata.name.as_deref().unwrap_or_default();
    ctx.kubernetes
        .call(api.patch_status(name, &PatchParams::default(), &Patch::Json::<()>(patch)))
        .await
}

async fn reread(ctx: &Context, pass: &mut Pass, error: KubernetesError) -> Result<Reported, KubernetesError> {
    let api = ctx.kubernetes.within::<DwsDataSource>(&pass.member.namespace);
    match ctx.kubernetes.call(api.get_opt(&pass.member.name)).await? {
        Some(object) if object.metadata.uid.as_deref() == Some(&pass.member.uid) => {
            let changed = object.metadata.resource_version != pass.object.metadata.resource_version;
            pass.renew(ctx, object);
            if changed { Ok(Reported::Stale) } else { Err(error) }
        }
        _ => Ok(Reported::Gone),
    }
}

/// Publishes events about a status that was written: the notes, and the verdict if that changed.
pub fn tell(
    ctx: &Context,
    object: &DwsDataSource,
    before: &DwsDataSourceStatus,
    after: &DwsDataSourceStatus,
    notes: &[Note],
) {
    for note in notes {
        ctx.events
            .publish(reference(object), note.warning, note.reason, &note.text);
    }
    let (was, is) = (primary(&before.conditions), primary(&after.conditions));
    if let Some(is) = is
        && was.is_none_or(|was| was.reason != is.reason)
    {
        let stalled = after
            .conditions
            .iter()
            .any(|condition| condition.type_ == ConditionType::Stalled);
        let metadata = &object.metadata;
        tracing::info!(
            namespace = metadata.namespace,
            object = metadata.name,
            uid = metadata.uid,
            reason = is.reason.as_str(),
            "{}",
            is.message
        );
        ctx.events
            .publish(reference(object), stalled, is.reason.as_str(), &is.message);
    }
}

/// The condition that carries the verdict.
fn primary(conditions: &[Condition]) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready)
}

/// The object, as events name it.
#[must_use]
pub fn reference(object: &DwsDataSource) -> ObjectReference {
    object.object_ref(&())
}

/// An object that may be gone, as events name it.
#[must_use]
pub fn named(member: &Member) -> ObjectReference {
    ObjectReference {
        api_version: Some(DwsDataSource::api_version(&()).into_owned()),
        kind: Some(DwsDataSource::kind(&()).into_owned()),
        namespace: Some(member.namespace.clone()),
        name: Some(member.name.clone()),
        uid: Some(member.uid.clone()),
        ..ObjectReference::default()
    }
}
