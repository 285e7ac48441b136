//! The job of an update, to its end, and the verdict about one that failed.

use super::super::plan::{self, Health, Look, Observation, Operation, OperationType, Plan, Remote, View};
use super::draft::Draft;
use super::facts::until;
use super::job::{self, End, Running};
use super::update::{UPDATING, differs};
use super::{compare, reach, trouble};
use crate::api::Reason;
use crate::api::conditions::Verdict;

/// Why an update failed that the cloud called a success.
const UNCHANGED: &str = "unchanged";

/// Follows the job, then reads back what it did: the cloud is known to call a success what changed nothing.
pub fn follow(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
    let at = reach::place(o)?;
    let running = Running {
        id: o.object.status.job_id.as_deref(),
        started_at: operation.started_at,
        verdict: Verdict::Reconciling(Reason::Updating, UPDATING.to_owned()),
    };
    let end = running.follow(o)?;
    let (End::Succeeded { read } | End::Failed { read, .. } | End::Overdue { read, .. } | End::Unknown { read }) = end;
    let view = match &o.remote {
        Remote::Listed { began, view } if *began >= read => view,
        Remote::Failed { began, failure } if *began >= read => {
            return Err(compare::moved(o, failure)?.unwrap_or_else(|| trouble::unreadable(o, failure)));
        }
        _ => {
            return Err(Plan::Look(Look::List {
                since: read,
                at,
                type_: o.sought().1,
            }));
        }
    };
    let View::Ours { item, .. } = view else {
        return compare::evaluate(o, view);
    };
    if o.object.status.id.as_ref() != Some(&item.id) {
        return compare::evaluate(o, view);
    }
    let observed = plan::observed(item);
    let draft = Draft::new(o).edit(|status| {
        status.observed = Some(observed);
        status.retry = None;
    });
    let interval = job::interval(o, operation.started_at);
    // Where the list is silent, the job's word counts.
    let requested = operation
        .user_name
        .is_none()
        .then_some(o.object.status.requested.as_ref())
        .flatten();
    let changes = matches!(plan::health(item), Health::Creating | Health::Updating);
    Ok(match end {
        End::Overdue { message, .. } => draft
            .stalled(Reason::JobTimedOut, message)
            .wait(o.timings.job_poll_late),
        // It was about an earlier spec; what this one asks for still has its try.
        End::Failed { .. } if operation.generation != o.object.generation && !is_about(o, operation) => {
            compare::evaluate(o, view)?
        }
        End::Failed { job, .. } => {
            let code = job.failed_code.unwrap_or_else(|| "unknown".to_owned());
            failed(o, draft, code, job.failed_detail).wait(o.timings.stalled_recheck)
        }
        End::Succeeded { .. } | End::Unknown { .. } if changes && !running.late(o) => {
            draft.reconciling(Reason::Updating, UPDATING).wait_in_lane(interval)
        }
        End::Succeeded { .. } | End::Unknown { .. }
            if differs(o, item, requested) && is_about(o, operation) && is_lagging(o, operation) =>
        {
            draft.reconciling(Reason::Updating, UPDATING).wait(interval)
        }
        // A restart that was asked for by itself changes no field.
        End::Succeeded { .. } | End::Unknown { .. } if differs(o, item, requested) && is_about(o, operation) => {
            let code = UNCHANGED.to_owned();
            let detail = "it accepted the update of userName and changed nothing".to_owned();
            failed(o, draft, code, Some(detail)).wait(o.timings.stalled_recheck)
        }
        End::Succeeded { .. } | End::Unknown { .. } => compare::evaluate(&carried_out(o, operation), view)?,
    })
}

/// The object once the cloud has done what it was asked for.
fn carried_out(o: &Observation, operation: &Operation) -> Observation {
    let mut done = o.clone();
    if let (Some(agency), Some(requested)) = (&operation.user_name, &mut done.object.status.requested) {
        requested.user_name.clone_from(agency);
    }
    done
}

/// Whether an update asks for the agency of the spec as it is.
fn is_about(o: &Observation, operation: &Operation) -> bool {
    operation.user_name.as_ref() == Some(&o.object.spec.user_name)
}

/// Whether the list may not show yet what the job did.
fn is_lagging(o: &Observation, operation: &Operation) -> bool {
    let t = &o.timings;
    match o.memory.succeeded {
        Some(succeeded) => o.uptime < succeeded + t.list_lag,
        None => until(operation.started_at, o.now) < t.list_lag,
    }
}

fn failed<'a>(o: &Observation, draft: Draft<'a>, code: String, detail: Option<String>) -> Draft<'a> {
    let message = failure_message(detail.as_deref().unwrap_or(&code));
    let draft = draft.edit(|status| {
        status.operation = Some(Operation {
            failed_code: Some(code),
            failed_detail: detail,
            ..Operation::begun(OperationType::Update, o.now, o.object.generation)
        });
    });
    draft.stalled(Reason::UpdateFailed, message)
}

fn failure_message(why: &str) -> String {
    format!(
        "The cloud failed to change the data source: {}. Correct the spec, or set a new value of dws.huaweicloud.com/reconcile-requested-at to try again.",
        why.trim_end_matches('.')
    )
}

/// The verdict that stands about an update of the current generation that failed.
pub fn standing_failure(o: &Observation) -> Option<Verdict> {
    let operation = o.object.status.operation.as_ref()?;
    let is_failed = operation.type_ == OperationType::Update && operation.generation == o.object.generation;
    let code = operation.failed_code.as_deref().filter(|_| is_failed)?;
    let why = operation.failed_detail.as_deref().unwrap_or(code);
    Some(Verdict::Stalled(Reason::UpdateFailed, failure_message(why)))
}
