//! The object is being deleted: the finalizer goes when the cloud holds nothing of ours, when nothing was ever created, or when
//! the policy says that it stays.

use std::time::Duration;

use jiff::Timestamp;

use super::super::plan::{
    AttemptMemory, AttemptState, DeletionPolicy, Failure, FailureKind, Lacks, Look, Note, Observation, Operation,
    OperationType, Plan, Rejection, Remote, Rival, Step, View,
};
use super::draft::{self, Draft};
use super::job::Running;
use super::policy::{self, Policy};
use super::removal::Removal;
use super::{compare, definition, pause, reach, replace, settle, trouble};
use crate::api::Reason;
use crate::api::conditions::Verdict;

const ROBBED: &str =
    "Somebody removed what the operator knew of this object; watching the list for what it may have created.";
const WATCHING: &str = "A create request without an answer may still take effect; watching the list for it.";

pub fn decide(o: &Observation) -> Plan {
    if !o.object.finalizer {
        return draft::unchanged(o, o.timings.stalled_recheck);
    }
    if let Some(plan) = definition::decide(o) {
        return plan;
    }
    if o.object.foreign_finalizer {
        return Draft::new(o)
            .reconciling(
                Reason::Deleting,
                "Waiting for the other finalizers; the data source is deleted after them.",
            )
            .wait(o.timings.stalled_recheck);
    }
    let asked = match policy::decide(o) {
        Ok(Policy {
            word: DeletionPolicy::Retain,
            whose,
        }) => return retain(o, &whose),
        Ok(policy) => policy,
        Err(plan) => return plan,
    };
    if let Some(plan) = pause::deletion(o) {
        return plan;
    }
    if let Some(AttemptMemory {
        intent,
        state: AttemptState::Unknown { settled_from, answered },
    }) = o.open_attempt()
    {
        return settle::decide(o, &intent, settled_from, answered);
    }
    match &o.object.status.id {
        None => nothing_recorded(o),
        Some(id) => recorded(o, id, &asked).unwrap_or_else(|plan| plan),
    }
}

fn retain(o: &Observation, whose: &str) -> Plan {
    let is_sent = delete_sent(o);
    let note = match (&o.object.status.id, o.open_attempt()) {
        (Some(id), _) if is_sent => Some(format!(
            "A delete of data source {id} may have reached the cloud before {whose} was asked for; see in the console whether it is still there."
        )),
        (Some(id), _) => Some(format!("Data source {id} stays in the cloud, as {whose} asks.")),
        (
            None,
            Some(AttemptMemory {
                intent,
                state: AttemptState::Unknown { .. },
            }),
        ) => Some(format!(
            "A create of data source {} in DWS cluster {} got no answer; if it took effect, the data source stays in the cloud, as {whose} asks.",
            intent.name, intent.cluster_id
        )),
        (None, _) if o.late() => {
            let last = o.attempt().map(|attempt| attempt.intent);
            let (name, cluster) = last.map_or_else(
                || (o.object.spec.data_source_name.clone(), o.object.spec.cluster_id.clone()),
                |last| (last.name, last.cluster_id),
            );
            Some(format!(
                "A create of data source {name} in DWS cluster {cluster} got no answer and may still take effect; if it does, the data source stays in the cloud, as {whose} asks."
            ))
        }
        (None, _) => None,
    };
    let note = note.map(|text| Note {
        warning: is_sent,
        reason: "Retained",
        text,
    });
    Plan::Act(Step::DropFinalizer { note })
}

/// Whether a delete of the recorded id may have been sent that has not failed since.
fn delete_sent(o: &Observation) -> bool {
    let operation = o.object.status.operation.as_ref();
    operation.is_some_and(|operation| {
        matches!(operation.type_, OperationType::Delete | OperationType::Replace) && operation.failed_code.is_none()
    })
}

/// Without an id and an open intent nothing of ours is in the cloud, unless a lost request shows an effect yet, or somebody took
/// the intent away.
fn nothing_recorded(o: &Observation) -> Plan {
    if let Some(plan) = settle::late_effects(o) {
        return plan;
    }
    if o.late() {
        return match (reach::place(o), &o.remote) {
            // The provider or its Secret went first, and nothing is on its way any more: nobody could ever look.
            (Err(_), _) if o.window_closed() && o.provider_is_gone() => Plan::Act(Step::DropFinalizer {
                note: Some(orphaned(o)),
            }),
            (Err(plan), _) => plan,
            (Ok(_), Remote::Failed { failure, .. }) => trouble::unreadable(o, failure),
            (Ok(_), _) => Draft::new(o)
                .reconciling(Reason::Deleting, WATCHING)
                .wait(o.timings.late_list),
        };
    }
    if o.robbed() {
        return robbed(o);
    }
    Plan::Act(Step::DropFinalizer { note: None })
}

/// Somebody took away what was known of a create, or copied the finalizer: a look for what the object may have created, where one is possible;
/// where none is, its deletion ends all the same and says so.
fn robbed(o: &Observation) -> Plan {
    let note = match (reach::place(o), &o.remote) {
        (Ok(at), Remote::Unknown) => {
            return Plan::Look(Look::List {
                since: o.started,
                at,
                type_: o.sought().1,
            });
        }
        (
            Ok(_),
            Remote::Listed {
                view: View::Foreign { item },
                ..
            },
        ) if !o.marks() => return settle::ambiguous(o, &item.id),
        (Ok(_), Remote::Listed { .. }) => {
            // The list lags behind a create that was accepted just before.
            let proven = o.absence(Duration::ZERO, o.timings.list_lag, |lacks| lacks == Lacks::Everything);
            if let Err(due) = proven {
                return Draft::new(o).reconciling(Reason::Deleting, ROBBED).wait(due);
            }
            None
        }
        // What is known to have been created is asked for as long as anybody can be asked.
        (Ok(_), Remote::Failed { failure, .. }) if o.attempt().is_some() => return trouble::unreadable(o, failure),
        (Err(plan), _) if o.attempt().is_some() && !o.provider_is_gone() => return plan,
        (Ok(_), Remote::Failed { .. }) | (Err(_), _) => Some(orphaned(o)),
    };
    Plan::Act(Step::DropFinalizer { note })
}

/// What nobody could look for is at least told of.
fn orphaned(o: &Observation) -> Note {
    let (name, cluster) = match o.attempt() {
        Some(attempt) => (attempt.intent.name, attempt.intent.cluster_id),
        None => (o.object.spec.data_source_name.clone(), o.object.spec.cluster_id.clone()),
    };
    Note {
        warning: true,
        reason: "Orphaned",
        text: format!(
            "The cloud could not be asked what the object may have created; if that is data source {name} in DWS cluster {cluster}, it stays there."
        ),
    }
}

/// What the user reads while the cloud deletes: also who wanted that.
fn deleting(policy: &Policy) -> String {
    format!("The cloud is deleting the data source, as {} asks.", policy.whose)
}

/// Who else's the recorded data source is: of one that was taken over another object may know by its name, of any by the list.
fn other_owner<'a>(o: &'a Observation, id: &str) -> Option<&'a Rival> {
    let is_listed = matches!(
        &o.remote,
        Remote::Listed { view: View::Ours { item, .. } | View::Foreign { item }, .. } if item.id == id
    );
    let owner = o.owner.as_ref().filter(|_| is_listed);
    owner.or(o.rival.as_ref().filter(|_| o.is_imported()))
}

fn recorded(o: &Observation, id: &str, asked: &Policy) -> Result<Plan, Plan> {
    if let Some(rival) = other_owner(o, id) {
        let text = format!(
            "Data source {id} stays in the cloud: DwsDataSource {} holds it too.",
            rival.name
        );
        return Ok(Plan::Act(Step::DropFinalizer {
            note: Some(Note {
                warning: true,
                reason: "Retained",
                text,
            }),
        }));
    }
    let at = reach::place(o)?;
    if let Some(operation) = o.object.status.operation.as_ref().filter(|_| o.creating()) {
        let running = Running {
            id: o.object.status.job_id.as_deref(),
            started_at: operation.started_at,
            verdict: Verdict::Reconciling(
                Reason::Deleting,
                "Waiting for the create job to end before deleting.".to_owned(),
            ),
        };
        if !running.late(o) {
            running.follow(o)?;
        }
    }
    let removal = Removal {
        at,
        only: None,
        verdict: Verdict::Reconciling(Reason::Deleting, deleting(asked)),
    };
    removal.decide(o, |_| Ok(()))?;
    if o.late() {
        return Ok(Draft::new(o)
            .reconciling(Reason::Deleting, WATCHING)
            .wait(o.timings.late_list));
    }
    Ok(Plan::Act(Step::DropFinalizer {
        note: Some(Note {
            warning: false,
            reason: "Deleted",
            text: format!("Data source {id} is gone from the cloud."),
        }),
    }))
}

/// The answer to a delete that was sent.
pub fn answered(o: &Observation, id: &str, at: Timestamp, result: &Result<Option<String>, Failure>) -> Plan {
    let operation = o.object.status.operation.as_ref();
    let replacing = operation.filter(|operation| operation.type_ == OperationType::Replace);
    // The end of a job about another one would prove nothing about the recorded one.
    let recorded = o.object.status.id.as_deref() == Some(id);
    let (type_, reason, message) = match (o.object.deleting, replacing) {
        (true, _) if recorded => (
            OperationType::Delete,
            Reason::Deleting,
            policy::of(o).map_or_else(
                |_| "The cloud is deleting the data source.".to_owned(),
                |policy| deleting(&policy),
            ),
        ),
        (false, Some(operation)) if recorded => (
            OperationType::Replace,
            Reason::Replacing,
            replace::message(operation).to_owned(),
        ),
        _ => return compare::surplus_answered(o, id, result),
    };
    let sent = |job: Option<String>| {
        Draft::new(o).edit(|status| {
            let before = status.operation.take();
            // A delete that is sent again has been going on since it was sent first.
            let same = before
                .as_ref()
                .filter(|before| before.type_ == type_ && before.failed_code.is_none());
            let (begun, sent) = same.map_or((at, at), |before| {
                (before.started_at, before.requested_at.unwrap_or(at))
            });
            let (old_id, plan_id) = before.map_or((None, None), |before| (before.old_id, before.plan_id));
            status.operation = Some(Operation {
                old_id,
                plan_id,
                requested_at: Some(sent),
                ..Operation::begun(type_, begun, o.object.generation)
            });
            status.job_id = job;
            status.retry = None;
        })
    };
    let accepted = |job| sent(job).reconciling(reason, message.clone()).again();
    match result {
        Ok(job) => accepted(job.clone()),
        Err(failure) => match failure.kind {
            // It is gone already, or never was there: the list has to say so.
            FailureKind::Gone { .. } => accepted(None),
            FailureKind::Fenced => Draft::new(o)
                .standing_or(reason, &message)
                .wait_in_lane(o.timings.lease_renew),
            FailureKind::Rejected {
                reason: Rejection::Invalid | Rejection::Exists,
            } => {
                let message = format!(
                    "The cloud refuses to delete the data source: {}. It is tried again later.",
                    failure.message
                );
                let (draft, wait) = trouble::report(o, Draft::new(o), failure);
                draft.stalled(Reason::DeleteFailed, message).wait(wait)
            }
            // Whether it took effect, the list tells; that it may have is kept.
            FailureKind::UnknownOutcome { .. } => {
                let (draft, wait) = trouble::report(o, sent(None), failure);
                draft.wait(wait)
            }
            _ => {
                let (draft, wait) = trouble::report(o, Draft::new(o), failure);
                draft.wait(wait)
            }
        },
    }
}
