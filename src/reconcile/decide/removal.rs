//! The removal of a data source: at most one DELETE at a time, and then the proof that it is gone.

use std::time::Duration;

use jiff::Timestamp;

use super::super::plan::{
    Coordinates, Failure, FailureKind, Item, Lacks, Look, Missing, Observation, Operation, OperationType, Plan, Rank,
    Rejection, Remote, Step, View,
};
use super::draft::Draft;
use super::facts::{after, until};
use super::job::{self, End, Running};
use super::{import, lane, proposal, trouble};
use crate::api::Reason;
use crate::api::conditions::Verdict;

/// The removal of what is ours, up to the proof that it is gone.
pub struct Removal {
    pub at: Coordinates,
    /// The one id to remove; all of ours if none is given.
    pub only: Option<String>,
    /// The verdict meanwhile.
    pub verdict: Verdict,
}

impl Removal {
    /// `Ok` when the cloud holds nothing of it any more; else the next plan towards that. `consent` is asked before a DELETE is sent, each time.
    pub fn decide(&self, o: &Observation, consent: impl Fn(&Item) -> Result<(), Plan>) -> Result<(), Plan> {
        let proof = self.job(o)?;
        if let Some(rest) = trouble::closed(o) {
            return Err(Draft::new(o).wait(rest));
        }
        let since = o.started.max(o.memory.written.unwrap_or_default());
        let since = since.max(proof.unwrap_or_default());
        let view = match &o.remote {
            Remote::Listed { began, view } if *began >= since => view,
            Remote::Failed { began, failure } if *began >= since => return self.unlisted(o, failure),
            _ => {
                return Err(Plan::Look(Look::List {
                    since,
                    at: self.at.clone(),
                    type_: o.sought().1,
                }));
            }
        };
        match view {
            View::Ours { item, surplus } => {
                let wanted = |item: &&Item| self.only.as_ref().is_none_or(|id| *id == item.id);
                match [item].into_iter().chain(surplus).find(wanted) {
                    None => self.absent(o, proof.is_some()),
                    Some(item) if lagging(o, item) => Err(self.wait(o)),
                    Some(item) => {
                        consent(item)?;
                        lane::held(o, Rank::Delete, |draft| draft.verdict(&self.verdict))?;
                        Err(Plan::Act(Step::Delete {
                            id: item.id.clone(),
                            at: self.at.clone(),
                        }))
                    }
                }
            }
            View::Leaving { ours: true, .. } => Err(self.leaving(o)),
            View::Foreign { item } if o.object.status.id.as_ref() == Some(&item.id) => Err(unmarked(o, &item.id)),
            View::Leaving { ours: false, .. } | View::Foreign { .. } | View::Absent => self.absent(o, proof.is_some()),
        }
    }

    /// Follows the delete job, if one is recorded; its success and one fresh list are the proof. One that does not end in time is
    /// left to itself: then the list decides.
    fn job(&self, o: &Observation) -> Result<Option<Duration>, Plan> {
        let (Some(operation), Some(id)) = (under_way(o), o.object.status.job_id.as_deref()) else {
            return Ok(None);
        };
        let running = Running {
            id: Some(id),
            started_at: sent_at(operation),
            verdict: self.verdict.clone(),
        };
        if running.late(o) {
            return Ok(None);
        }
        match running.follow(o)? {
            End::Succeeded { read } => Ok(Some(read)),
            End::Overdue { .. } | End::Unknown { .. } => Ok(None),
            End::Failed { job, .. } => {
                let code = job.failed_code.unwrap_or_else(|| "unknown".to_owned());
                let detail = job.failed_detail;
                let failure = Failure {
                    kind: FailureKind::Rejected {
                        reason: Rejection::Invalid,
                    },
                    code: Some(code.clone()),
                    status: None,
                    message: detail.clone().unwrap_or_else(|| code.clone()),
                    request_id: None,
                };
                let message = format!(
                    "The cloud failed to delete the data source: {}. It is tried again later.",
                    failure.message
                );
                let (draft, wait) = trouble::report(o, Draft::new(o), &failure);
                let draft = draft.stalled(Reason::DeleteFailed, message).edit(|status| {
                    status.job_id = None;
                    if let Some(operation) = &mut status.operation {
                        operation.requested_at = None;
                        operation.failed_code = Some(code);
                        operation.failed_detail = detail;
                    }
                });
                Err(draft.wait(wait))
            }
        }
    }

    /// The list could not be read. Only the cluster's own absence says something, and only of an object that goes.
    fn unlisted(&self, o: &Observation, failure: &Failure) -> Result<(), Plan> {
        match failure.kind {
            FailureKind::Gone { what: Missing::Cluster } if cluster_counts(o) => self.absent(o, false),
            _ => Err(trouble::unreadable(o, failure)),
        }
    }

    /// The list lacks it: with the job's success that is the end, else a second list has to say so too.
    fn absent(&self, o: &Observation, proven: bool) -> Result<(), Plan> {
        if proven {
            return Ok(());
        }
        let written = o.memory.written.unwrap_or_default();
        let from = match &o.object.status.operation {
            // What was created lately and never deleted may not show in the list yet.
            Some(operation) if operation.type_ != OperationType::Delete => {
                written.max(o.uptime_at(after(operation.started_at, o.timings.list_lag)))
            }
            _ => written,
        };
        let counts = |lacks| match lacks {
            Lacks::Everything => true,
            Lacks::Recorded => self.only.is_some(),
            Lacks::Cluster => cluster_counts(o),
        };
        o.absence(from, o.timings.deleted_gap, counts)
            .map_err(|due| self.wait_for(o, due))
    }

    fn wait(&self, o: &Observation) -> Plan {
        self.wait_for(o, interval(o))
    }

    /// The cloud is at it. The lane is kept for that if it is by a delete of ours, up to the deadline of its job.
    fn leaving(&self, o: &Observation) -> Plan {
        if under_way(o).is_some() && !o.memory.removed.is_empty() && !is_late(o) {
            Draft::new(o).verdict(&self.verdict).wait_in_lane(interval(o))
        } else {
            self.wait(o)
        }
    }

    fn wait_for(&self, o: &Observation, wait: Duration) -> Plan {
        let draft = Draft::new(o);
        if is_late(o) {
            let message =
                "The cloud has not deleted the data source in time; look at it in the console. It goes on trying.";
            draft.stalled(Reason::JobTimedOut, message).wait(wait)
        } else {
            draft.verdict(&self.verdict).wait(wait)
        }
    }
}

fn interval(o: &Observation) -> Duration {
    under_way(o).map_or(o.timings.job_poll_max, |operation| job::interval(o, sent_at(operation)))
}

/// Whether the delete that is under way has not come to its end in the time that a job may take.
fn is_late(o: &Observation) -> bool {
    under_way(o).is_some_and(|operation| until(sent_at(operation), o.now) >= o.timings.job_deadline)
}

/// A cluster that was never recorded to hold anything proves nothing by being absent, and its absence is no reason to create again there.
fn cluster_counts(o: &Observation) -> bool {
    (o.object.deleting || proposal::is_move(o)) && o.object.status.cloud.is_some()
}

/// Since when a delete is asked for; a replacement may have waited long before that.
fn sent_at(operation: &Operation) -> Timestamp {
    operation.requested_at.unwrap_or(operation.started_at)
}

/// Whether a DELETE that was sent may still take effect, whatever became of its answer.
pub fn may_take_effect(o: &Observation) -> bool {
    let operation = o.object.status.operation.as_ref();
    let sent = operation.and_then(|operation| operation.requested_at);
    sent.is_some_and(|sent| until(sent, o.now) < o.timings.job_deadline)
}

/// The delete that was accepted and has not failed.
fn under_way(o: &Observation) -> Option<&Operation> {
    let operation = o.object.status.operation.as_ref()?;
    let delete = matches!(operation.type_, OperationType::Delete | OperationType::Replace);
    (delete && operation.failed_code.is_none()).then_some(operation)
}

/// A delete that was accepted shows in the list after a while; it is not sent again meanwhile. One that never does is sent again less and less
/// often.
fn lagging(o: &Observation, item: &Item) -> bool {
    let recorded = o.object.status.id.as_ref() == Some(&item.id);
    let patience = under_way(o).map_or(Duration::ZERO, |operation| until(sent_at(operation), o.now) / 8);
    let patience = patience.clamp(o.timings.list_lag, o.timings.stalled_recheck.max(o.timings.list_lag));
    (!recorded || under_way(o).is_some()) && o.removed_within(item, patience)
}

/// The recorded data source carries no marker, so that it cannot be told from somebody else's: it is neither deleted nor forgotten.
fn unmarked(o: &Observation, id: &str) -> Plan {
    if let Err(plan) = import::consent(o) {
        return plan;
    }
    Draft::new(o)
        .edit(|status| status.retry = None)
        .stalled(
            Reason::Ambiguous,
            format!(
                "The recorded data source {id} carries no ownership marker, so nobody can tell whether it is this object's. Delete it in the cloud if it is, set deletionPolicy to Retain to leave it, or delete the provider and create it anew with ownershipMarker None."
            ),
        )
        .wait(o.timings.stalled_recheck)
}
