//! What a write to the cloud brought, on its way into the status.

use super::super::plan::{
    Accepted, AttemptOutcome, AttemptState, Failure, FailureKind, Intent, JobState, Look, Observation, Operation,
    OperationType, Outcome, Plan, Rejection, Remote, RetryWait, View,
};
use super::attempts::coordinates;
use super::draft::Draft;
use super::verdict::CREATING;
use super::{assess, delete, live, reach, trouble, update_answer};
use crate::api::Reason;

const TAKEN: &str = "The cloud says that the name is taken; finding out from the list whether an earlier create request of this object took it.";

pub fn decide(o: &Observation, outcome: &Outcome) -> Plan {
    match outcome {
        Outcome::Posted { intent, at, result } => match result {
            Ok(accepted) => {
                let accept = Acceptance {
                    intent,
                    at: *at,
                    accepted,
                };
                accept.plan(o)
            }
            Err(failure) => refused(o, intent, failure),
        },
        Outcome::Updated {
            change,
            refresh,
            at,
            result,
        } => update_answer::answered(o, change, refresh.as_ref(), *at, result),
        Outcome::Deleted { id, at, result } => delete::answered(o, id, *at, result),
    }
}

/// A create that the cloud accepted.
struct Acceptance<'a> {
    intent: &'a Intent,
    at: jiff::Timestamp,
    accepted: &'a Accepted,
}

impl Acceptance<'_> {
    /// The id goes into the status at once, and with it the verdict if the data source shows healthy at the first look.
    fn plan(&self, o: &Observation) -> Plan {
        let at = coordinates(self.intent);
        if o.marks() && !o.memory.looked && !o.object.deleting && o.pause().is_none() {
            return Plan::Look(Look::Quick {
                id: self.accepted.job_id.clone(),
                at,
                type_: self.intent.type_,
            });
        }
        let draft = Draft::new(o).edit(|status| {
            status.id = Some(self.accepted.id.clone());
            status.job_id = Some(self.accepted.job_id.clone());
            status.cloud = Some(at);
            status.operation = Some(Operation {
                progress: self.progress(o),
                ..Operation::begun(OperationType::Create, self.at, self.intent.generation)
            });
            status.last_attempt = Some(o.ended(self.intent, AttemptOutcome::Created, None));
            status.secret.clone_from(&self.intent.secret);
            status.observed = None;
            status.retry = None;
            status.reboot_generation = Some(self.intent.generation);
            status.requested.clone_from(&self.intent.requested);
        });
        let draft = draft.note(
            false,
            "Created",
            format!("The cloud accepted the create of data source {}.", self.accepted.id),
        );
        if self.succeeded(o)
            && let Remote::Listed {
                view: View::Ours { item, surplus },
                ..
            } = &o.remote
            && item.id == self.accepted.id
            && surplus.is_empty()
            && assess::finished(o, item, self.intent.requested.as_ref())
        {
            let (draft, wait) = assess::listed(o, draft, item, surplus);
            return draft.wait(wait);
        }
        let (reason, message) = if o.object.deleting {
            (Reason::Deleting, "Deleting the data source.")
        } else {
            (Reason::Creating, CREATING)
        };
        draft.reconciling(reason, message).again()
    }

    fn succeeded(&self, o: &Observation) -> bool {
        o.job.as_ref().is_some_and(|job| {
            job.id == self.accepted.job_id && job.result.as_ref().is_ok_and(|job| job.state == JobState::Succeeded)
        })
    }

    fn progress(&self, o: &Observation) -> Option<String> {
        let job = o.job.as_ref().filter(|job| job.id == self.accepted.job_id)?;
        job.result.as_ref().ok()?.progress.clone()
    }
}

/// A create that was not accepted, or of which nobody knows.
fn refused(o: &Observation, intent: &Intent, failure: &Failure) -> Plan {
    match failure.kind {
        // It is the object's turn still when the lease is renewed.
        FailureKind::Fenced => Draft::new(o)
            .standing_or(Reason::Creating, CREATING)
            .wait_in_lane(o.timings.lease_renew),
        FailureKind::UnknownOutcome { answered, .. } => unknown(o, intent, failure, answered),
        FailureKind::Rejected {
            reason: Rejection::Exists,
        } => ours(o, intent).unwrap_or_else(|| exists(o, intent, failure)),
        _ => rejected(o, intent, failure),
    }
}

/// What the list holds of ours since the request; none if it holds nothing or cannot be read now.
fn ours(o: &Observation, intent: &Intent) -> Option<Plan> {
    if o.pause().is_some() {
        return None; // Nothing is read during a pause; what is open is settled after it.
    }
    let at = coordinates(intent);
    reach::recorded(o, &at).ok()?;
    let since = o.memory.written.unwrap_or(o.started);
    match &o.remote {
        Remote::Failed { began, .. } if *began >= since => None,
        Remote::Listed { began, view } if *began >= since => match view {
            View::Ours { item, surplus } => Some(live::adopt(o, item, surplus, at, Some(intent))),
            View::Leaving { item, ours: true } => Some(live::adopt(o, item, &[], at, Some(intent))),
            View::Absent | View::Foreign { .. } | View::Leaving { ours: false, .. } => None,
        },
        _ => Some(Plan::Look(Look::List {
            since,
            at,
            type_: intent.type_,
        })),
    }
}

/// The cloud says that the name is taken, and no list shows that it is by this object. Where an earlier request of its own may be what took it,
/// or nothing could be listed, that is not said yet.
fn exists(o: &Observation, intent: &Intent, failure: &Failure) -> Plan {
    let is_seen = matches!(
        &o.remote,
        Remote::Listed {
            view: View::Foreign { .. },
            ..
        }
    );
    let is_unlisted = matches!(o.remote, Remote::Failed { .. });
    if is_seen || !(o.late() || is_unlisted) {
        return rejected(o, intent, failure);
    }
    // Another request would be refused too: the list is what tells, and it is read all the while.
    let delay = (!is_unlisted).then_some(o.timings.stalled_recheck);
    let mut failure = failure.clone();
    failure.kind = FailureKind::RetryAfter {
        wait: RetryWait::Transient,
        delay,
    };
    let retry = trouble::retry(o, &failure);
    let wait = trouble::next_look(o, &retry);
    let draft = closed(o, intent).edit(|status| status.retry = Some(retry));
    draft.reconciling(Reason::Recovering, TAKEN).wait(wait)
}

/// A definite answer closes the attempt: nothing was created, and a retry opens a new one.
fn rejected(o: &Observation, intent: &Intent, failure: &Failure) -> Plan {
    let (draft, wait) = trouble::report(o, closed(o, intent), failure);
    draft.wait(wait)
}

fn closed<'a>(o: &'a Observation, intent: &Intent) -> Draft<'a> {
    Draft::new(o).edit(|status| {
        status.last_attempt = Some(o.ended(intent, AttemptOutcome::Rejected, None));
        status.secret.clone_from(&intent.secret);
    })
}

/// Nobody knows whether there is something now. Where nobody answered, the list is asked at once; the attempt stays open.
fn unknown(o: &Observation, intent: &Intent, failure: &Failure, answered: bool) -> Plan {
    if !answered
        && !o.object.deleting
        && let Some(plan) = ours(o, intent)
    {
        return plan;
    }
    let draft = Draft::new(o).edit(|status| status.secret.clone_from(&intent.secret));
    let (draft, wait) = trouble::report(o, draft, failure);
    let settle = match o.memory.attempt.as_ref().map(|attempt| attempt.state) {
        Some(AttemptState::Unknown { settled_from, .. }) if !answered => settled_from.saturating_sub(o.uptime),
        _ => wait,
    };
    draft.wait(settle)
}
