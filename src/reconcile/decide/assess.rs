//! The verdict about the recorded data source, and how long it stands.

use std::time::Duration;

use super::super::plan::{
    self, DwsDataSourceStatus, Health, Item, Observation, Operation, OperationType, Password, Requested, SecretVersion,
};
use super::draft::Draft;
use super::{compare, drift, proposal, trouble, update, update_job, verdict};
use crate::api::Reason;
use crate::api::conditions::Verdict;

/// The code of a failed create that the cloud gives none for.
const UNKNOWN: &str = "unknown";

/// What the user reads before an update is sent.
const UPDATE_DUE: &str = "The agency differs from the spec and is going to be updated.";

/// Judges a listed data source of ours, with the surplus beside it.
pub fn listed<'a>(o: &Observation, draft: Draft<'a>, item: &Item, surplus: &[Item]) -> (Draft<'a>, Duration) {
    let observed = plan::observed(item);
    let draft = draft.edit(|status| {
        status.observed = Some(observed);
        status.last_sync_time = Some(o.now);
        // What is retried may be the removal of the surplus, or an update.
        if surplus.is_empty() && trouble::closed(o).is_none() {
            status.retry = None;
        }
    });
    let health = plan::health(item);
    if health == Health::Failed && is_of_create(draft.status().operation.as_ref()) {
        return failed_create(o, draft);
    }
    let requested = draft.status().requested.clone();
    let differs = update::differs(o, item, requested.as_ref());
    let standing_failure = update_job::standing_failure(o).filter(|_| health == Health::Failed || differs);
    let draft = draft.edit(|status| {
        // A replacement rests while the object only observes.
        let rests = |operation: &Operation| o.observes() && operation.type_ == OperationType::Replace;
        // Up to the first time that it is healthy, the create may still fail.
        if health == Health::Healthy && standing_failure.is_none() {
            status.operation.take_if(|operation| !rests(operation));
        }
        // What exists is no failed create whose spec may be edited freely; an update has come to its end.
        let is_over =
            |operation: &Operation| health.exists() && operation.type_ != OperationType::Create && !rests(operation);
        if standing_failure.is_none() && status.operation.as_ref().is_some_and(is_over) {
            status.operation = None;
        }
        if let Some(operation) = status.operation.as_mut().filter(|_| health.exists())
            && operation.type_ == OperationType::Create
        {
            operation.failed_code = None;
            operation.failed_detail = None;
        }
        status.plan = proposal::of(o, item, requested.as_ref());
        remember_password(o, status);
    });
    if let Some(verdict) = standing_failure.as_ref().filter(|_| health == Health::Failed) {
        return (draft.verdict(verdict), o.timings.stalled_recheck);
    }
    if health != Health::Healthy {
        let (verdict, wait) = verdict::of_health(o, &health, item.fail_reason.as_deref());
        return (draft.verdict(&verdict), wait);
    }
    let spec = &o.object.spec;
    let wait = o.timings.stalled_recheck;
    let is_drifted = if o.observes() {
        !drift::differences(spec, item, None).is_empty()
    } else {
        draft.status().plan.is_some()
    };
    if is_drifted {
        let verdict = proposal::verdict(o, item, requested.as_ref());
        let is_begun_soon = matches!(verdict, Verdict::Reconciling(..));
        let wait = if is_begun_soon { o.timings.job_poll_min } else { wait };
        return (draft.verdict(&verdict), wait);
    }
    if let Some(verdict) = standing_failure {
        return (draft.verdict(&verdict), wait);
    }
    if o.observes() {
        return (draft.ready("The data source is available."), compare::resync(o));
    }
    if differs {
        return differs_again(o, draft, item);
    }
    // What is carried out without a restart does not ask for one later, when something else has to be put right.
    let draft = draft.edit(|status| {
        if spec.reboot == Some(true) {
            status.reboot_generation = Some(o.object.generation);
        }
        status.requested = Some(Requested::of(spec));
    });
    (draft.ready("The data source is available."), compare::resync(o))
}

/// The agency differs: an update is due, or the generation has had its own.
fn differs_again<'a>(o: &Observation, draft: Draft<'a>, item: &Item) -> (Draft<'a>, Duration) {
    if trouble::closed(o).is_some() {
        return (draft.standing_or(Reason::Updating, UPDATE_DUE), o.timings.job_poll_max);
    }
    if update::is_due(o) {
        return (draft.reconciling(Reason::Updating, UPDATE_DUE), o.timings.job_poll_min);
    }
    let listed = item.user_name.as_deref().unwrap_or_default();
    let message = format!(
        "Somebody changed {} after it was updated; set a new value of dws.huaweicloud.com/reconcile-requested-at to update it again.",
        drift::told("userName", &o.object.spec.user_name, listed)
    );
    (draft.stalled(Reason::Drifted, message), o.timings.stalled_recheck)
}

/// A password that cannot be compared with what was sent is what later ones are compared with.
fn remember_password(o: &Observation, status: &mut DwsDataSourceStatus) {
    let Password::Present { version } = &o.password else {
        return;
    };
    let is_comparable = |then: &SecretVersion| version.told_apart(then).is_some();
    if version.hmac.is_some() && !o.observes() && !status.secret.as_ref().is_some_and(is_comparable) {
        status.secret = Some(version.clone());
    }
}

/// Whether an operation is a create, or the removal of one that failed.
pub fn is_of_create(operation: Option<&Operation>) -> bool {
    operation.is_some_and(|operation| match operation.type_ {
        OperationType::Create => true,
        OperationType::Replace => operation.plan_id.is_none(),
        OperationType::Delete | OperationType::Update => false,
    })
}

/// Whether a listed data source is all that the spec asks for.
pub fn finished(o: &Observation, item: &Item, requested: Option<&Requested>) -> bool {
    plan::health(item) == Health::Healthy && drift::differences(&o.object.spec, item, requested).is_empty()
}

/// The create failed: its record stays, and so does the object, until the spec or the Secret changes.
pub fn failed_create<'a>(o: &Observation, draft: Draft<'a>) -> (Draft<'a>, Duration) {
    let draft = draft.edit(|status| {
        status.plan = proposal::of_failed(o);
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
