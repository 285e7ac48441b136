//! An id is recorded: follow the create to its end, then compare the cloud with the spec from time to time.

use super::super::plan::{
    self, AttemptOutcome, Coordinates, Health, Intent, Item, Job, LastAttempt, Look, Observation, Operation,
    OperationType, Plan, Remote, Step, View,
};
use super::draft::Draft;
use super::facts::after;
use super::job::{self, End, Running};
use super::verdict::CREATING;
use super::{assess, compare, reach, replace, trouble, update};
use crate::api::Reason;
use crate::api::conditions::Verdict;

const STILL_CREATING: &str =
    "The cloud has not ended the create in time, whatever became of its job; look at the data source in the console.";

pub fn decide(o: &Observation) -> Plan {
    let plan = match &o.object.status.operation {
        // What was begun before the object was only observed rests meanwhile.
        Some(operation) if operation.type_ == OperationType::Replace && !o.observes() => replace::decide(o, operation),
        Some(operation) if operation.type_ == OperationType::Update && operation.failed_code.is_none() => {
            update::decide(o, operation)
        }
        Some(operation) if o.creating() => create_job(o, operation),
        _ => replace::trigger(o).map_or_else(|| compare::decide(o), Ok),
    };
    plan.unwrap_or_else(|plan| plan)
}

fn create_job(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
    let at = reach::place(o)?;
    let running = Running {
        id: o.object.status.job_id.as_deref(),
        started_at: operation.started_at,
        verdict: Verdict::Reconciling(Reason::Creating, CREATING.to_owned()),
    };
    let end = running.follow(o)?;
    let (End::Succeeded { read: since }
    | End::Failed { read: since, .. }
    | End::Overdue { read: since, .. }
    | End::Unknown { read: since }) = end;
    let view = match &o.remote {
        Remote::Listed { began, view } if *began >= since => view,
        Remote::Failed { began, failure } if *began >= since => {
            return Err(compare::moved(o, failure)?.unwrap_or_else(|| trouble::unreadable(o, failure)));
        }
        _ => {
            return Err(Plan::Look(Look::List {
                since,
                at,
                type_: o.sought().1,
            }));
        }
    };
    let recorded = |item: &Item| o.object.status.id.as_ref() == Some(&item.id);
    let interval = job::interval(o, operation.started_at);
    let is_listed = matches!(view, View::Ours { .. });
    let end = match end {
        // Without a job, or after it, the list alone tells that it goes on and on.
        End::Unknown { read } | End::Succeeded { read } if running.late(o) && is_listed => End::Overdue {
            read,
            message: STILL_CREATING.to_owned(),
        },
        end => end,
    };
    Ok(match (end, view) {
        (End::Failed { job, .. }, _) => failed_job(o, job, view)?,
        (End::Overdue { message, .. }, _) if !ended(view) => {
            let draft = Draft::new(o)
                .edit(|status| status.retry = None)
                .stalled(Reason::JobTimedOut, message);
            let surplus = match view {
                View::Ours { item, surplus } if recorded(item) => surplus.as_slice(),
                _ => &[],
            };
            compare::remove_surplus(o, surplus, draft, o.timings.job_poll_late)?
        }
        (_, View::Ours { item, .. }) if !ended(view) && recorded(item) && !running.late(o) => {
            let observed = plan::observed(item);
            Draft::new(o)
                .edit(|status| {
                    status.observed = Some(observed);
                    status.retry = None;
                })
                .reconciling(Reason::Creating, CREATING)
                .wait_in_lane(interval)
        }
        (_, View::Ours { .. } | View::Leaving { ours: true, .. }) => compare::evaluate(o, view)?,
        // The list may lag behind the job; only the rule for what is gone ends the wait.
        (_, View::Absent | View::Foreign { .. } | View::Leaving { ours: false, .. }) => {
            let meanwhile = Draft::new(o).edit(|status| status.retry = None).reconciling(
                Reason::Creating,
                "The job has ended; the data source does not show in the list yet.",
            );
            compare::gone(o, meanwhile, interval)
        }
    })
}

/// Whether the list shows that the create has come to an end, whatever its job says.
fn ended(view: &View) -> bool {
    match view {
        View::Ours { item, .. } => !matches!(plan::health(item), Health::Creating | Health::Updating),
        View::Leaving { ours, .. } => *ours,
        View::Absent | View::Foreign { .. } => false,
    }
}

fn failed_job(o: &Observation, job: Job, view: &View) -> Result<Plan, Plan> {
    if let View::Ours { item, .. } = view
        && o.object.status.id.as_ref() == Some(&item.id)
        && plan::health(item).exists()
    {
        // What exists in the cloud is no failed create, whatever failed of its job.
        return compare::evaluate(o, view);
    }
    let item = match view {
        View::Ours { item, .. } | View::Leaving { item, ours: true } => Some(item),
        View::Absent | View::Foreign { .. } | View::Leaving { ours: false, .. } => None,
    };
    let draft = Draft::new(o).edit(|status| {
        if let Some(operation) = &mut status.operation {
            operation.progress = job.progress.or(operation.progress.take());
            operation.failed_code = job.failed_code;
            operation.failed_detail = job.failed_detail;
        }
        status.observed = item.map(plan::observed);
    });
    let (draft, wait) = assess::failed_create(o, draft);
    Ok(draft.wait(wait))
}

/// Takes a data source of ours from the list into the status.
pub fn adopt(o: &Observation, item: &Item, surplus: &[Item], at: Coordinates, attempt: Option<&Intent>) -> Plan {
    if !o.object.finalizer && !o.object.deleting {
        // Somebody took it away; without it the object could vanish and leave the data source behind.
        return Plan::Act(Step::PutFinalizer);
    }
    // It may be the effect of an earlier request; then that of this one is still to come.
    let window = o.timings.write_deadline + o.timings.late_effects.max(o.timings.list_lag);
    let late = o.late().then(|| after(o.now, window));
    let (_, sought) = o.sought();
    let draft = Draft::new(o)
        .edit(|status| {
            status.id = Some(item.id.clone());
            status.job_id = None;
            status.cloud = Some(at);
            status.retry = None;
            let began = attempt.map_or(o.now, |attempt| attempt.time.min(o.now));
            let generation = o.found_generation(attempt);
            status.operation = Some(Operation::begun(OperationType::Create, began, generation));
            status.reboot_generation = status.reboot_generation.or(Some(o.object.generation));
            if let Some(attempt) = attempt {
                status.secret.clone_from(&attempt.secret);
                status.requested.clone_from(&attempt.requested);
                status.last_attempt = Some(o.ended(attempt, AttemptOutcome::Recovered, late));
            } else {
                // Without a trace of the attempt that made it, this one stands for it: what is recorded is the object's own.
                let last = status.last_attempt.get_or_insert_with(|| LastAttempt {
                    id: o.fresh_attempt.clone(),
                    outcome: AttemptOutcome::Recovered,
                    name: None,
                    type_: None,
                    late_until: None,
                });
                last.outcome = AttemptOutcome::Recovered;
                last.name = Some(item.name.clone());
                last.type_ = item.type_.or(Some(sought));
                status.requested = o.last_intent().and_then(|intent| intent.requested.clone());
            }
        })
        .note(
            false,
            "Recovered",
            format!("Found data source {} of this object in the cloud's list.", item.id),
        );
    if o.object.deleting {
        draft.reconciling(Reason::Deleting, "Deleting the data source.").again()
    } else if surplus.is_empty() && plan::health(item) == Health::Failed && o.may_be_outdated(attempt) {
        // No verdict on what the object asks for today, which still has its try.
        replace::begin(draft.edit(|status| status.observed = Some(plan::observed(item))))
    } else if surplus.is_empty() {
        let (draft, wait) = assess::listed(o, draft, item, surplus);
        draft.wait(wait)
    } else {
        draft.reconciling(Reason::Recovering, compare::LEFTOVERS).again()
    }
}
