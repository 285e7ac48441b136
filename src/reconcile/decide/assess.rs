//! The verdict about the recorded data source, and how long it stands.

use std::time::Duration;

use super::super::plan::{self, Health, Item, Observation};
use super::draft::Draft;
use super::{compare, drift, verdict};
use crate::api::Reason;

/// The code of a failed create that the cloud gives none for.
const UNKNOWN: &str = "unknown";

/// Judges a listed data source of ours, with the surplus beside it.
pub fn listed<'a>(o: &Observation, draft: Draft<'a>, item: &Item, surplus: &[Item]) -> (Draft<'a>, Duration) {
    let observed = plan::observed(item);
    let draft = draft.edit(|status| {
        status.observed = Some(observed);
        status.last_sync_time = Some(o.now);
        // What is retried may be the removal of the surplus.
        if surplus.is_empty() {
            status.retry = None;
        }
    });
    let health = plan::health(item);
    if health == Health::Failed && draft.status().operation.is_some() {
        return failed_create(o, draft);
    }
    let draft = draft.edit(|status| {
        // Up to the first time that it is healthy, the create may still fail.
        if health == Health::Healthy {
            status.operation = None;
        }
        if let Some(operation) = status.operation.as_mut().filter(|_| health.exists()) {
            operation.failed_code = None;
            operation.failed_detail = None;
        }
    });
    if health != Health::Healthy {
        let (verdict, wait) = verdict::of_health(o, &health, item.fail_reason.as_deref());
        return (draft.verdict(&verdict), wait);
    }
    let fields = drift::fields(&o.object.spec, item);
    if fields.is_empty() {
        let draft = draft.ready("The data source is available.");
        return (draft, compare::resync(o));
    }
    let message = format!(
        "The cloud's data source differs from the spec in {}; delete it and create it anew.",
        fields.join(", ")
    );
    (draft.stalled(Reason::Drifted, message), o.timings.stalled_recheck)
}

/// Whether a listed data source is all that the spec asks for.
pub fn finished(o: &Observation, item: &Item) -> bool {
    plan::health(item) == Health::Healthy && drift::fields(&o.object.spec, item).is_empty()
}

/// The create failed: its record stays, and so does the object, until the spec or the Secret changes.
pub fn failed_create<'a>(o: &Observation, draft: Draft<'a>) -> (Draft<'a>, Duration) {
    let draft = draft.edit(|status| {
        status.retry = None;
        status.last_sync_time = Some(o.now);
        if let Some(operation) = &mut status.operation {
            // That a code stands here is what marks the create as failed.
            operation.failed_code.get_or_insert_with(|| UNKNOWN.to_owned());
        }
    });
    let status = draft.status();
    let operation = status.operation.as_ref();
    let detail = operation.and_then(|operation| operation.failed_detail.as_deref());
    let listed = status.observed.as_ref();
    let listed = listed.and_then(|observed| observed.fail_reason.as_deref());
    let code = operation.and_then(|operation| operation.failed_code.as_deref());
    let why = detail.or(listed).or(code.filter(|code| *code != UNKNOWN));
    let why = why.unwrap_or("the cloud gives no reason").trim_end_matches('.');
    let message = format!(
        "The cloud failed to create the data source: {why}. Correct the spec or the Secret; the failed record is then removed and the create tried again."
    );
    (draft.stalled(Reason::CreateFailed, message), failed_recheck(o))
}

/// How often a failed create is looked at: as often as the Secret is read that may correct it.
pub fn failed_recheck(o: &Observation) -> Duration {
    let t = &o.timings;
    match o.object.spec.user_pwd {
        Some(_) => t.stalled_recheck.min(t.secret_recheck),
        None => t.stalled_recheck,
    }
}
