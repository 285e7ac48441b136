//! The object is being deleted: the finalizer goes when the cloud holds nothing of ours, when nothing was ever created, or when
//! the policy says that it stays.

use std::time::Duration;

use jiff::Timestamp;

use super::super::plan::{
    AttemptMemory, AttemptState, Coordinates, Failure, FailureKind, LanePlace, Look, Missing, Note, Observation,
    Operation, OperationType, Plan, Provider, Rank, Rejection, Remote, Step, View,
};
use super::draft::Draft;
use super::facts::until;
use super::job::{End, Running, poll_interval};
use super::{live, reach, settle, trouble};
use crate::api::Reason;
use crate::api::conditions::Verdict;
use crate::runtime::backoff;

const DELETING: &str = "The cloud is deleting the data source.";

pub fn decide(o: &Observation) -> Plan {
    if !o.object.finalizer {
        return Draft::new(o).wait(o.timings.stalled_recheck);
    }
    if o.object.foreign_finalizer {
        return Draft::new(o)
            .reconciling(
                Reason::Deleting,
                "Waiting for the other finalizers; the data source is deleted after them.",
            )
            .wait(o.timings.stalled_recheck);
    }
    if o.retains() {
        return retain(o);
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
        Some(_) => recorded(o),
    }
}

fn retain(o: &Observation) -> Plan {
    let accepted = delete_accepted(o);
    let note = match (&o.object.status.id, o.open_attempt()) {
        (Some(id), _) if accepted => Some(format!(
            "The cloud had agreed to delete data source {id} before deletionPolicy became Retain; see in the console whether it is still there."
        )),
        (Some(id), _) => Some(format!(
            "Data source {id} stays in the cloud, as deletionPolicy Retain asks."
        )),
        (
            None,
            Some(AttemptMemory {
                intent,
                state: AttemptState::Unknown { .. },
            }),
        ) => Some(format!(
            "A create of data source {} in DWS cluster {} got no answer; if it took effect, the data source stays in the cloud, as deletionPolicy Retain asks.",
            intent.name, intent.cluster_id
        )),
        (None, _) => None,
    };
    let note = note.map(|text| Note {
        warning: accepted,
        reason: "Retained",
        text,
    });
    Plan::Act(Step::DropFinalizer { note })
}

/// Whether the cloud has accepted a delete of the recorded id that has not failed since.
fn delete_accepted(o: &Observation) -> bool {
    let status = &o.object.status;
    status.operation.as_ref().is_some_and(|operation| {
        let sent = match operation.type_ {
            OperationType::Create => false,
            // It is recorded before its delete is sent.
            OperationType::Replace => status.job_id.is_some(),
            OperationType::Delete => true,
        };
        sent && operation.failed_code.is_none()
    })
}

/// Without an id and an open intent nothing of ours is in the cloud, unless a lost request shows an effect yet, or somebody took
/// the intent away.
fn nothing_recorded(o: &Observation) -> Plan {
    if let (
        Remote::Listed {
            view: View::Ours { item, .. },
            ..
        },
        Provider::Ready { coordinates, .. },
    ) = (&o.remote, &o.provider)
    {
        let at = o
            .object
            .intent
            .as_ref()
            .map_or_else(|| coordinates.clone(), super::coordinates);
        return live::adopt(o, item, at, None);
    }
    if let Some(plan) = settle::late_effects(o) {
        return plan;
    }
    if o.late_until().is_some() {
        return Draft::new(o)
            .reconciling(
                Reason::Deleting,
                "A create request without an answer may still take effect; watching the list for it.",
            )
            .wait(o.timings.late_list);
    }
    // The finalizer comes with an intent. Without one, somebody removed it or copied the finalizer: a look, where one is possible.
    let robbed = o.object.intent.is_none() && o.object.status.last_attempt.is_none();
    if robbed {
        return robbed_of_its_intent(o);
    }
    Plan::Act(Step::DropFinalizer { note: None })
}

/// One look for what the object may have created, where one is possible; where none is, its deletion ends all the same and says so.
fn robbed_of_its_intent(o: &Observation) -> Plan {
    let type_ = o.object.spec.type_;
    let note = match (&o.provider, &o.remote) {
        (Provider::Ready { coordinates, .. }, Remote::Unknown) => {
            return Plan::Look(Look::List {
                since: o.started,
                at: coordinates.clone(),
                type_,
            });
        }
        (
            Provider::Ready { coordinates, .. },
            Remote::Listed {
                view: View::Ours { item, .. } | View::Leaving { item, ours: true },
                ..
            },
        ) => return live::adopt(o, item, coordinates.clone(), None),
        (Provider::Ready { .. }, Remote::Listed { .. }) => {
            // The list lags behind a create that was accepted just before.
            if let Err(due) = o.absence(Duration::ZERO, o.timings.list_lag, false) {
                return Draft::new(o)
                    .reconciling(
                        Reason::Deleting,
                        "Somebody removed what the operator knew of this object; watching the list for what it may have created.",
                    )
                    .wait(due.max(o.timings.job_poll_min));
            }
            None
        }
        (Provider::Ready { .. }, Remote::Failed { .. }) | (Provider::Absent { .. } | Provider::NotReady { .. }, _) => {
            let spec = &o.object.spec;
            let text = format!(
                "The object carried the operator's finalizer but no trace of a create, and the cloud could not be asked; if it created data source {} in DWS cluster {}, that stays there.",
                spec.data_source_name, spec.cluster_id
            );
            Some(Note {
                warning: true,
                reason: "Orphaned",
                text,
            })
        }
    };
    Plan::Act(Step::DropFinalizer { note })
}

fn recorded(o: &Observation) -> Plan {
    let at = match &o.object.status.cloud {
        Some(at) => reach::recorded(o, at).map(|()| at.clone()),
        None => reach::for_create(o).cloned(),
    };
    let at = match at {
        Ok(at) => at,
        Err(plan) => return plan,
    };
    if let Some(operation) = o.object.status.operation.as_ref().filter(|_| o.creating()) {
        let running = Running {
            id: o.object.status.job_id.as_deref(),
            started_at: operation.started_at,
            verdict: Verdict::Reconciling(
                Reason::Deleting,
                "Waiting for the create job to end before deleting.".to_owned(),
            ),
        };
        if !running.late(o)
            && let Err(plan) = running.follow(o)
        {
            return plan;
        }
    }
    let removal = Removal {
        at,
        only: None,
        verdict: Verdict::Reconciling(Reason::Deleting, DELETING.to_owned()),
    };
    match removal.decide(o) {
        Err(plan) => plan,
        Ok(()) if o.late_until().is_some() => Draft::new(o)
            .reconciling(
                Reason::Deleting,
                "A create request without an answer may still take effect; watching the list for it.",
            )
            .wait(o.timings.late_list),
        Ok(()) => {
            let id = o.object.status.id.as_deref().unwrap_or_default();
            let text = format!("Data source {id} is gone from the cloud.");
            Plan::Act(Step::DropFinalizer {
                note: Some(Note {
                    warning: false,
                    reason: "Deleted",
                    text,
                }),
            })
        }
    }
}

/// The removal of what is ours, up to the proof that it is gone.
pub struct Removal {
    pub at: Coordinates,
    /// The one id to remove; all of ours if none is given.
    pub only: Option<String>,
    /// The verdict meanwhile.
    pub verdict: Verdict,
}

impl Removal {
    /// `Ok` when the cloud holds nothing of it any more; else the next plan towards that.
    pub fn decide(&self, o: &Observation) -> Result<(), Plan> {
        let proof = self.job(o)?;
        if let Some(gate) = trouble::gate(o) {
            return Err(gate);
        }
        let since = self.lane(o)?;
        let since = since
            .max(o.memory.written.unwrap_or_default())
            .max(proof.unwrap_or_default());
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
                match [item]
                    .into_iter()
                    .chain(surplus)
                    .find(|item| self.only.as_ref().is_none_or(|id| *id == item.id))
                {
                    None => self.absent(o, proof.is_some()),
                    Some(_) if Self::lagging(o) => Err(self.wait(o, poll_interval(o))),
                    Some(item) => Err(Plan::Act(Step::Delete {
                        id: item.id.clone(),
                        at: self.at.clone(),
                    })),
                }
            }
            View::Leaving { ours: true, .. } => Err(self.wait(o, poll_interval(o))),
            View::Leaving { ours: false, .. } | View::Foreign { .. } | View::Absent => self.absent(o, proof.is_some()),
        }
    }

    /// Follows the delete job, if one is recorded; its success and one fresh list are the proof.
    fn job(&self, o: &Observation) -> Result<Option<Duration>, Plan> {
        let Some(operation) = o.object.status.operation.as_ref() else {
            return Ok(None);
        };
        let under_way = match operation.type_ {
            OperationType::Delete | OperationType::Replace => operation.failed_code.is_none(),
            OperationType::Create => false,
        };
        let Some(id) = o.object.status.job_id.as_deref().filter(|_| under_way) else {
            return Ok(None);
        };
        let running = Running {
            id: Some(id),
            started_at: operation.started_at,
            verdict: self.verdict.clone(),
        };
        match running.follow(o)? {
            End::Succeeded { read } => Ok(Some(read)),
            End::Unknown { .. } => Ok(None),
            End::Failed { job, .. } => {
                let code = job.failed_code.unwrap_or_else(|| "unknown".to_owned());
                let detail = job.failed_detail.clone().unwrap_or_else(|| code.clone());
                let failure = Failure {
                    kind: FailureKind::Rejected {
                        reason: Rejection::Invalid,
                    },
                    code: Some(code.clone()),
                    status: None,
                    message: detail.clone(),
                    request_id: None,
                };
                let retry = trouble::judge(o, &failure).retry;
                let wait = until(o.now, retry.next_retry_time);
                Err(Draft::new(o)
                    .edit(|status| {
                        if let Some(operation) = &mut status.operation {
                            operation.failed_code = Some(code);
                            operation.failed_detail = job.failed_detail;
                        }
                        status.retry = Some(retry);
                    })
                    .stalled(
                        Reason::DeleteFailed,
                        format!("The cloud failed to delete the data source: {detail}. It is tried again later."),
                    )
                    .wait(wait))
            }
        }
    }

    fn lane(&self, o: &Observation) -> Result<Duration, Plan> {
        match o.lane {
            None => Err(Plan::Look(Look::Lane(Rank::Delete))),
            Some(LanePlace::Held { since }) => Ok(since.max(o.started)),
            Some(LanePlace::Waiting) => {
                let wait = o.timings.stalled_recheck;
                Err(Draft::new(o).verdict(&self.verdict).wait_in_lane(wait))
            }
        }
    }

    /// Without a job to follow, a delete that was accepted shows in the list after a while; it is not sent again meanwhile.
    fn lagging(o: &Observation) -> bool {
        let accepted = o.object.status.operation.as_ref().is_some_and(|operation| {
            matches!(operation.type_, OperationType::Delete | OperationType::Replace) && operation.failed_code.is_none()
        });
        let recent = o
            .memory
            .written
            .is_some_and(|written| o.uptime < written + o.timings.list_lag);
        accepted && recent && o.object.status.retry.is_none()
    }

    /// The list could not be read. Only the cluster's own absence, where the data source was recorded, says something of it.
    fn unlisted(&self, o: &Observation, failure: &Failure) -> Result<(), Plan> {
        match failure.kind {
            FailureKind::Gone { what: Missing::Cluster } if o.object.status.cloud.is_some() => self.absent(o, false),
            _ => Err(trouble::unreadable(o, failure)),
        }
    }

    /// The list lacks it: with the job's success that is the end, else a second list has to say so too.
    fn absent(&self, o: &Observation, proven: bool) -> Result<(), Plan> {
        if proven {
            return Ok(());
        }
        let from = o.memory.written.unwrap_or_default();
        let cluster_counts = o.object.status.cloud.is_some();
        o.absence(from, o.timings.deleted_gap, cluster_counts)
            .map_err(|due| self.wait(o, due))
    }

    fn wait(&self, o: &Observation, wait: Duration) -> Plan {
        Draft::new(o).verdict(&self.verdict).wait_in_lane(wait)
    }
}

/// The answer to a delete that was sent.
pub fn answered(o: &Observation, id: &str, at: Timestamp, result: &Result<Option<String>, Failure>) -> Plan {
    let replacing = o
        .object
        .status
        .operation
        .as_ref()
        .is_some_and(|operation| operation.type_ == OperationType::Replace);
    if !o.object.deleting && !replacing {
        return surplus_answered(o, id, result);
    }
    let (type_, reason, message) = if o.object.deleting {
        (OperationType::Delete, Reason::Deleting, DELETING)
    } else {
        (
            OperationType::Replace,
            Reason::Replacing,
            "Removing the record of the failed create before the next try.",
        )
    };
    let under_way = |job: Option<String>| {
        Draft::new(o)
            .edit(|status| {
                let old_id = status.operation.take().and_then(|operation| operation.old_id);
                status.operation = Some(Operation {
                    type_,
                    started_at: at,
                    generation: o.object.generation,
                    progress: None,
                    old_id,
                    failed_code: None,
                    failed_detail: None,
                });
                status.job_id = job;
                status.retry = None;
            })
            .reconciling(reason, message)
    };
    match result {
        Ok(job) => under_way(job.clone()).again(),
        // It is gone already, or never was there: the list has to say so.
        Err(Failure {
            kind: FailureKind::Gone { .. },
            ..
        }) => under_way(None).again(),
        Err(Failure {
            kind: FailureKind::Fenced,
            ..
        }) => Draft::new(o).wait(o.timings.lease_renew),
        Err(failure) => {
            let draft = trouble::report(o, Draft::new(o), failure);
            let draft = match failure.kind {
                FailureKind::Rejected {
                    reason: Rejection::Invalid | Rejection::Exists,
                } => draft.stalled(
                    Reason::DeleteFailed,
                    format!(
                        "The cloud refuses to delete the data source: {}. It is tried again later.",
                        failure.message
                    ),
                ),
                _ => draft,
            };
            trouble::wait_for_retry(o, draft, failure)
        }
    }
}

/// A surplus data source is not the object's business: it shows in an event, and trouble with it only delays the next try.
fn surplus_answered(o: &Observation, id: &str, result: &Result<Option<String>, Failure>) -> Plan {
    let jitter = f64::from(o.jitter) / 1000.0;
    match result {
        Ok(_) => Draft::new(o)
            .note(
                true,
                "DuplicateRemoved",
                format!("Deleted data source {id}, the late effect of a create request that got no answer."),
            )
            .wait_in_lane(o.timings.job_poll_min),
        Err(Failure {
            kind: FailureKind::Gone { .. },
            ..
        }) => Draft::new(o).wait(o.timings.job_poll_min),
        Err(_) => Draft::new(o).wait(backoff::delay(
            o.memory.failures,
            o.timings.backoff_min * 4,
            o.timings.busy_max,
            jitter,
        )),
    }
}
