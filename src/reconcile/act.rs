//! Carries out exactly one step: the only writer to the object's metadata and, with the provider's own pass, to the provider's, and to the cloud for as long as the object exists.
//!
//! It never decides. A write to the cloud starts only while the lease covers it, and what it brought is kept in the object's memory until the
//! status holds it.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::context::Context;
use super::fold::Posted;
use super::kubernetes::KubernetesError;
use super::observe::Pass;
use super::plan::{Coordinates, CreateRequest, Grant, Intent, Provider, Reconfigure, Step};
use super::providers::ProviderId;
use crate::api::data_source::ProviderRef;
use crate::api::names::INTENT_ANNOTATION;
use crate::api::{DwsDataSource, FINALIZER};
use crate::cloud::{Dws, Failure, FailureKind};

/// What became of a step.
pub enum Acted {
    /// It is done; decide again.
    Done,
    /// The object had changed: nothing was done, it has to be read again.
    Stale,
    /// The object is gone, or its finalizer is.
    Gone,
}

/// Carries out a step.
///
/// # Errors
/// If Kubernetes fails; the cloud's failures are an outcome, not an error.
pub async fn carry_out(ctx: &Context, pass: &mut Pass, step: Step) -> Result<Acted, KubernetesError> {
    match step {
        Step::HoldProvider => {
            hold_provider(ctx, pass).await;
            Ok(Acted::Done)
        }
        Step::RecordIntent(intent) => record_intent(ctx, pass, intent).await,
        Step::PutFinalizer => put_finalizer(ctx, pass).await,
        Step::Post { request, intent } => {
            post(ctx, pass, &request, intent).await;
            Ok(Acted::Done)
        }
        Step::Update {
            id,
            at,
            change,
            refresh,
        } => {
            let result = update(ctx, pass, &id, &at, &change).await;
            pass.observation.note_updated(change, refresh, result);
            Ok(Acted::Done)
        }
        Step::Delete { id, at } => {
            delete(ctx, pass, id, &at).await;
            Ok(Acted::Done)
        }
        Step::DropFinalizer { .. } => drop_finalizer(ctx, pass).await,
    }
}

async fn hold_provider(ctx: &Context, pass: &mut Pass) {
    let Provider::Ready { coordinates, .. } = &pass.observation.provider else {
        return;
    };
    let grant = match coordinates.provider.parse::<ProviderRef>() {
        Ok(reference) => {
            let id = ProviderId::of(&reference, &pass.member.namespace);
            ctx.providers.hold(&id, &ctx.claims, &pass.member).await
        }
        Err(error) => Grant::Unreadable(error.to_string()),
    };
    pass.observation.note_grant(grant);
}

async fn record_intent(ctx: &Context, pass: &mut Pass, intent: Intent) -> Result<Acted, KubernetesError> {
    let metadata = json!({
        "annotations": { INTENT_ANNOTATION: intent.to_annotation() },
        "finalizers": with_finalizer(&pass.object),
    });
    Ok(match patch_metadata(ctx, pass, metadata).await? {
        Patched::Done(object) => {
            // First, or the intent would be taken for one that somebody else wrote and may have sent.
            pass.observation.note_intent(intent);
            pass.renew(ctx, object);
            Acted::Done
        }
        Patched::Stale => Acted::Stale,
        Patched::Gone => Acted::Gone,
    })
}

async fn put_finalizer(ctx: &Context, pass: &mut Pass) -> Result<Acted, KubernetesError> {
    let metadata = json!({ "finalizers": with_finalizer(&pass.object) });
    Ok(match patch_metadata(ctx, pass, metadata).await? {
        Patched::Done(object) => {
            pass.renew(ctx, object);
            Acted::Done
        }
        Patched::Stale => Acted::Stale,
        Patched::Gone => Acted::Gone,
    })
}

/// The object's finalizers with ours among them, once.
fn with_finalizer(object: &DwsDataSource) -> Vec<String> {
    let mut finalizers = object.finalizers().to_vec();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        finalizers.push(FINALIZER.to_owned());
    }
    finalizers
}

/// What became of a patch.
enum Patched {
    Done(DwsDataSource),
    Stale,
    Gone,
}

/// Patches metadata, guarded by the resourceVersion that was read: a stale cache or a second leader gets a conflict here.
async fn patch_metadata(ctx: &Context, pass: &Pass, mut metadata: Value) -> Result<Patched, KubernetesError> {
    metadata["resourceVersion"] = json!(pass.object.resource_version());
    metadata["uid"] = json!(pass.member.uid);
    let api = ctx.kubernetes.within::<DwsDataSource>(&pass.member.namespace);
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    match ctx
        .kubernetes
        .call(api.patch(&pass.member.name, &PatchParams::default(), &patch))
        .await
    {
        Ok(object) => Ok(Patched::Done(object)),
        Err(error) => match error.code() {
            Some(404) => Ok(Patched::Gone),
            Some(409) => Ok(Patched::Stale),
            _ => Err(error),
        },
    }
}

async fn post(ctx: &Context, pass: &mut Pass, request: &CreateRequest, intent: Intent) {
    let begun = ctx.clock.uptime();
    let result = match (
        pass.session.clone(),
        ctx.leadership.begin_write(ctx.timings.write_floor()),
    ) {
        (Some(session), Some(guard)) => {
            tracing::info!(namespace = %pass.member.namespace, object = %pass.member.name, uid = %pass.member.uid, attempt = intent.attempt,
                cluster = intent.cluster_id, name = intent.name, reboot = intent.reboot, "creating a data source");
            pass.note_sent_password(intent.secret.as_ref());
            let result = session
                .create(&intent.cluster_id, request, pass.password.as_ref())
                .await;
            guard.finish();
            result
        }
        _ => Err(fenced()),
    };
    pass.tick(ctx);
    tell(pass, "create", result.as_ref().err());
    pass.observation.note_posted(Posted { intent, begun, result });
}

async fn update(
    ctx: &Context,
    pass: &mut Pass,
    id: &str,
    at: &Coordinates,
    change: &Reconfigure,
) -> Result<String, Failure> {
    let result = match (&pass.session, ctx.leadership.begin_write(ctx.timings.write_floor())) {
        (Some(session), Some(guard)) => {
            tracing::info!(namespace = %pass.member.namespace, object = %pass.member.name, uid = %pass.member.uid, id,
                cluster = at.cluster_id, agency = change.agency, reboot = change.reboot, "updating a data source");
            let result = session.update(&at.cluster_id, id, change).await;
            guard.finish();
            result
        }
        _ => Err(fenced()),
    };
    pass.tick(ctx);
    tell(pass, "update", result.as_ref().err());
    result
}

async fn delete(ctx: &Context, pass: &mut Pass, id: String, at: &Coordinates) {
    let result = match (&pass.session, ctx.leadership.begin_write(ctx.timings.write_floor())) {
        (Some(session), Some(guard)) => {
            tracing::info!(namespace = %pass.member.namespace, object = %pass.member.name, uid = %pass.member.uid, id,
                cluster = at.cluster_id, "deleting a data source");
            let result = session.delete(&at.cluster_id, &id).await;
            guard.finish();
            result
        }
        _ => Err(fenced()),
    };
    pass.tick(ctx);
    tell(pass, "delete", result.as_ref().err());
    pass.observation.note_deleted(id, result);
}

fn fenced() -> Failure {
    Failure {
        kind: FailureKind::Fenced,
        code: None,
        status: None,
        message: "the lease does not cover the request".to_owned(),
        request_id: None,
    }
}

fn tell(pass: &Pass, what: &'static str, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        tracing::warn!(namespace = %pass.member.namespace, object = %pass.member.name, uid = %pass.member.uid, what, kind = ?failure.kind,
            code = failure.code, status = failure.status, request_id = failure.request_id, message = failure.message, "a write to the cloud failed");
    }
}

async fn drop_finalizer(ctx: &Context, pass: &Pass) -> Result<Acted, KubernetesError> {
    let finalizers: Vec<_> = pass
        .object
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != FINALIZER)
        .cloned()
        .collect();
    Ok(
        match patch_metadata(ctx, pass, json!({ "finalizers": finalizers })).await? {
            Patched::Done(_) | Patched::Gone => Acted::Gone,
            Patched::Stale => Acted::Stale,
        },
    )
}
