//! A data source is removed, and only that one; then the object is created anew. Either the record of a failed create, when the spec or the
//! Secret changes or somebody asks for it, or what the spec no longer describes, by a plan that somebody agreed to.

use super::super::plan::{
    self, FailureKind, Item, Look, Missing, Observation, Operation, OperationType, Password, Plan, PlannedChange,
    Remote, ReplacementPolicy, View,
};
use super::draft::Draft;
use super::removal::{self, Removal};
use super::{compare, proposal, reach, site, trouble};
use crate::api::Reason;
use crate::api::conditions::Verdict;

/// What the user reads meanwhile.
const MESSAGE: &str = "Removing the record of the failed create before the next try.";
const PLANNED: &str = "Deleting the data source; it is created anew afterwards.";
const CANCELLED: &str = "Nobody asks for the replacement any more, and nothing was deleted for it; comparing anew.";
const TOO_LATE: &str = "Nobody asks for the replacement any more, but a delete may have been sent for it; waiting until that can have no effect any more.";

/// Starts the replacement if what failed has changed since.
pub fn trigger(o: &Observation) -> Option<Plan> {
    let failed = o
        .object
        .status
        .operation
        .as_ref()
        .filter(|_| o.failed() && !o.observes())?;
    if o.object.spec.user_pwd.is_some() && o.password == Password::Unknown {
        return Some(Plan::Look(Look::Password));
    }
    let plan = o.object.status.plan.as_ref();
    let changed = failed.generation != o.object.generation
        || o.password_changed()
        || o.reconcile_requested()
        || plan.is_some_and(|plan| o.approves(&plan.id));
    if !changed || trouble::closed(o).is_some() {
        return None;
    }
    // What has come about after all is not removed.
    match (&o.remote, reach::place(o)) {
        (_, Err(plan)) => return Some(plan),
        (Remote::Unknown, Ok(at)) => {
            return Some(Plan::Look(Look::List {
                since: o.started,
                at,
                type_: o.sought().1,
            }));
        }
        (Remote::Failed { .. }, Ok(_)) => return None,
        (Remote::Listed { .. }, Ok(_)) if !may_be_removed(o) => return None,
        (Remote::Listed { .. }, Ok(_)) => {}
    }
    Some(begin(Draft::new(o)))
}

/// Whether a list of this pass shows no data source that has come about after all.
pub fn may_be_removed(o: &Observation) -> bool {
    match &o.remote {
        Remote::Listed {
            view: View::Ours { item, .. },
            ..
        } => !plan::health(item).exists(),
        Remote::Listed { .. } => true,
        Remote::Unknown | Remote::Failed { .. } => false,
    }
}

/// Begins to carry out a plan that somebody agreed to, if nothing that is known would keep the new data source from being created.
pub fn begin_planned(o: &Observation, plan: &PlannedChange) -> Result<Plan, Plan> {
    site::is_free(o)?;
    let draft = Draft::new(o).edit(|status| {
        status.operation = Some(Operation {
            old_id: status.id.clone(),
            plan_id: Some(plan.id.clone()),
            ..Operation::begun(OperationType::Replace, o.now, o.object.generation)
        });
        status.plan = Some(plan.clone());
        status.approved_plan = Some(plan.id.clone());
        status.replacement_generation = Some(o.object.generation);
        status.job_id = None;
        status.retry = None;
    });
    Ok(draft.reconciling(Reason::Replacing, PLANNED).again())
}

/// Whether a plan that has begun still stands, while nothing was sent for it.
fn stands(o: &Observation, item: &Item, begun: &str) -> Result<bool, Plan> {
    if o.object.spec.user_pwd.is_some() && o.password == Password::Unknown {
        return Err(Plan::Look(Look::Password));
    }
    let Some(now) = proposal::of(o, item, o.object.status.requested.as_ref()) else {
        return Ok(false);
    };
    Ok(match proposal::policy(o) {
        ReplacementPolicy::Never => false,
        ReplacementPolicy::OnApproval => now.id == begun && o.object.requests.approve.as_deref() == Some(begun),
        ReplacementPolicy::Always => true,
    })
}

/// Records that the record goes, before anything is sent for that.
pub fn begin(draft: Draft<'_>) -> Plan {
    let o = draft.observation();
    draft
        .edit(|status| {
            status.operation = Some(Operation {
                old_id: status.id.clone(),
                ..Operation::begun(OperationType::Replace, o.now, o.object.generation)
            });
            status.job_id = None;
            status.retry = None;
        })
        .reconciling(Reason::Replacing, MESSAGE)
        .again()
}

/// What the user reads of a replacement.
pub fn message(operation: &Operation) -> &'static str {
    if operation.plan_id.is_some() { PLANNED } else { MESSAGE }
}

/// Removes the failed record, or what was replaced, then lets the create begin.
pub fn decide(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
    if let Remote::Listed {
        view: view @ View::Foreign { item },
        ..
    } = &o.remote
        && o.object.status.id.as_ref() == Some(&item.id)
    {
        // Somebody else's by now, or of another object's status: it may be taken over, and is not removed.
        return compare::evaluate(o, view);
    }
    let verdict = Verdict::Reconciling(Reason::Replacing, message(operation).to_owned());
    let unsent = operation.plan_id.as_ref().filter(|_| is_unsent(o, operation));
    if let Some(begun) = unsent.filter(|_| lacks_recorded(o)) {
        // Not by this replacement: it goes on only if somebody still asks for it, and what is gone has to be proven as ever.
        if !is_asked_for(o, begun)? {
            return Ok(cancelled(o));
        }
        let is_moving = matches!(o.remote, Remote::Failed { .. });
        if let Err(due) = compare::missing(o).or_else(|due| if is_moving { Ok(()) } else { Err(due) }) {
            return Ok(Draft::new(o).verdict(&verdict).wait(due.min(o.timings.job_poll_max)));
        }
    }
    let removal = Removal {
        at: reach::place(o)?,
        only: operation.old_id.clone(),
        verdict,
    };
    removal.decide(o, |item| consent(o, operation, item))?;
    Ok(Draft::new(o)
        .forget()
        .reconciling(
            Reason::Creating,
            "What was to be replaced is gone; creating the data source anew.",
        )
        .again())
}

/// Whether no DELETE is known to have been sent.
fn is_unsent(o: &Observation, operation: &Operation) -> bool {
    operation.requested_at.is_none() && operation.failed_code.is_none() && o.object.status.job_id.is_none()
}

/// Whether the cloud, as this pass saw it, lacks the recorded data source, or the DWS cluster that held it.
fn lacks_recorded(o: &Observation) -> bool {
    match &o.remote {
        Remote::Listed { view, .. } => match view {
            View::Ours { item, .. } | View::Foreign { item } => o.object.status.id.as_ref() != Some(&item.id),
            View::Absent | View::Leaving { ours: false, .. } => true,
            View::Leaving { ours: true, .. } => false,
        },
        Remote::Failed { failure, .. } => matches!(failure.kind, FailureKind::Gone { what: Missing::Cluster }),
        Remote::Unknown => false,
    }
}

/// Whether the plan that was begun is still the one that is asked for.
fn is_asked_for(o: &Observation, begun: &str) -> Result<bool, Plan> {
    if o.object.spec.user_pwd.is_some() && o.password == Password::Unknown {
        return Err(Plan::Look(Look::Password));
    }
    let is_agreed = match proposal::policy(o) {
        ReplacementPolicy::Never => false,
        ReplacementPolicy::OnApproval => o.object.requests.approve.as_deref() == Some(begun),
        ReplacementPolicy::Always => true,
    };
    Ok(is_agreed && proposal::id(o).as_deref() == Some(begun))
}

/// Whether the listed data source may be deleted now. Who agreed to that may have thought better of it, before a DELETE is sent or after one
/// has failed.
fn consent(o: &Observation, operation: &Operation, item: &Item) -> Result<(), Plan> {
    let Some(begun) = &operation.plan_id else {
        // What has come about after all is kept.
        return match &o.remote {
            Remote::Listed { view, .. } if plan::health(item).exists() => Err(compare::evaluate(o, view)?),
            _ => Ok(()),
        };
    };
    if stands(o, item, begun)? {
        // What has come to stand in the way of the new one since keeps the old one too.
        return site::is_free(o);
    }
    // One that an earlier process sent may show as late as the list lags.
    let is_fresh = o.uptime < o.timings.write_deadline + o.timings.list_lag;
    if removal::may_take_effect(o) || (is_unsent(o, operation) && is_fresh) {
        return Err(Draft::new(o)
            .reconciling(Reason::Replacing, TOO_LATE)
            .wait(o.timings.job_poll_max));
    }
    Err(cancelled(o))
}

fn cancelled(o: &Observation) -> Plan {
    Draft::new(o)
        .edit(|status| {
            status.operation = None;
            status.job_id = None;
            status.approved_plan = None;
            // It has not had its replacement.
            status.replacement_generation = None;
        })
        .reconciling(Reason::Recovering, CANCELLED)
        .again()
}
