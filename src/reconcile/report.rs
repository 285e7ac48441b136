//! Writes the status that a decision ended with: one patch, if it differs, and an event on a transition. It never calls the cloud.

use json_patch::jsonptr::PointerBuf;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::api::{ObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};

use super::context::{Context, Member};
use super::kubernetes::KubernetesError;
use super::observe::Pass;
use super::plan::{DwsDataSourceStatus, Note, Report};
use crate::api::{Condition, ConditionType, DwsDataSource, Reason};

/// What became of a report.
pub enum Reported {
    /// The status holds it.
    Done,
    /// The object had changed: nothing was written, and what is to be told is decided anew.
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
    let news = report.status.is_news(&before);
    if news {
        match patch(ctx, pass, &report.status).await? {
            Reported::Done => {}
            other => return Ok(other),
        }
    }
    pass.observation.uptime = ctx.clock.uptime();
    pass.observation.note_reported(news.then_some(&before));
    tell(ctx, &pass.object, &before, &report.status, &report.notes);
    Ok(Reported::Done)
}

async fn patch(ctx: &Context, pass: &mut Pass, status: &DwsDataSourceStatus) -> Result<Reported, KubernetesError> {
    match write(ctx, &pass.object, status).await {
        Ok(object) => {
            pass.renew(ctx, object);
            Ok(Reported::Done)
        }
        Err(error) => match error.code() {
            Some(404) => Ok(Reported::Gone),
            // Somebody changed the object since it was read; what has to be told is decided anew.
            Some(409 | 422) => reread(ctx, pass, error).await,
            _ => Err(error),
        },
    }
}

/// Writes a status by a JSON patch that holds only for this very object as it was read: neither a verdict about an older spec nor what a
/// stopped leader still had in mind gets through.
///
/// # Errors
/// What the API server says; 422 if one of the tests fails.
pub async fn write(
    ctx: &Context,
    object: &DwsDataSource,
    status: &DwsDataSourceStatus,
) -> Result<DwsDataSource, KubernetesError> {
    let metadata = &object.metadata;
    let patch = status_patch(metadata, json!(status));
    let api = ctx
        .kubernetes
        .within::<DwsDataSource>(metadata.namespace.as_deref().unwrap_or_default());
    let name = metadata.name.as_deref().unwrap_or_default();
    ctx.kubernetes
        .call(api.patch_status(name, &PatchParams::default(), &Patch::Json::<()>(patch)))
        .await
}

/// Sets the status of the object with this uid and resourceVersion.
#[must_use]
pub fn status_patch(metadata: &ObjectMeta, status: Value) -> json_patch::Patch {
    let test = |field: &str, value: Option<&String>| {
        json_patch::PatchOperation::Test(json_patch::TestOperation {
            path: PointerBuf::from_tokens(["metadata", field]),
            value: json!(value),
        })
    };
    json_patch::Patch(vec![
        test("uid", metadata.uid.as_ref()),
        test("resourceVersion", metadata.resource_version.as_ref()),
        json_patch::PatchOperation::Add(json_patch::AddOperation {
            path: PointerBuf::from_tokens(["status"]),
            value: status,
        }),
    ])
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
    tell_pause(ctx, object, &before.conditions, &after.conditions);
    let (was, is) = (primary(&before.conditions), primary(&after.conditions));
    // A verdict that is only about a pause is told with it.
    if let Some(is) = is.filter(|is| is.reason != Reason::Paused)
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
        if !is_told_by_the_provider(before, after) {
            ctx.events
                .publish(reference(object), stalled, is.reason.as_str(), &is.message);
        }
    }
}

/// Whether the news is about the credentials alone: that they are rejected, or accepted again under a data source that is what it was. The provider
/// tells that once for all of its objects.
fn is_told_by_the_provider(before: &DwsDataSourceStatus, after: &DwsDataSourceStatus) -> bool {
    let reason = |status: &DwsDataSourceStatus| primary(&status.conditions).map(|condition| condition.reason);
    match (reason(before), reason(after)) {
        (_, Some(Reason::CredentialsRejected)) => true,
        (Some(Reason::CredentialsRejected), Some(Reason::Available)) => before.id.is_some() && before.id == after.id,
        _ => false,
    }
}

/// Publishes the begin or the end of a pause.
fn tell_pause(ctx: &Context, object: &DwsDataSource, before: &[Condition], after: &[Condition]) {
    let pause = |conditions: &[Condition]| {
        let mut conditions = conditions.iter();
        conditions.find(|c| c.type_ == ConditionType::Paused).cloned()
    };
    match (pause(before), pause(after)) {
        (None, Some(begun)) => ctx
            .events
            .publish(reference(object), false, begun.reason.as_str(), &begun.message),
        (Some(_), None) => ctx
            .events
            .publish(reference(object), false, "Resumed", "The pause is over."),
        _ => {}
    }
}

/// Publishes what is told of an object that is gone.
pub fn last_words(ctx: &Context, about: ObjectReference, note: &Note) {
    tracing::info!(
        namespace = about.namespace,
        object = about.name,
        uid = about.uid,
        reason = note.reason,
        "{}",
        note.text
    );
    ctx.events.publish(about, note.warning, note.reason, &note.text);
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
