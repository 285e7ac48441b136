//! An id is recorded: follow the create to its end, then compare the cloud with the spec from time to time.
//!
//! Comparing only reads. What is gone is created again; what differs is told.

use std::time::Duration;

use super::super::plan::{
    AttemptOutcome, Coordinates, Health, Intent, Item, LanePlace, Look, Observation, Operation, OperationType, Plan,
    Rank, Remote, Step, View,
};
use super::super::remote;
use super::draft::Draft;
use super::drift;
use super::facts::until;
use super::job::{End, Running, poll_interval};
use super::{reach, replace, trouble};
use crate::api::conditions::Verdict;
use crate::api::{ConditionStatus, ConditionType, Reason};
use crate::runtime::backoff;

pub const CREATING: &str = "The cloud is creating the data source.";
/// How long an object waits that nothing but a change can wake.
const LONG: Duration = Duration::from_hours(24);

pub fn decide(o: &Observation) -> Plan {
    let operation = o.object.status.operation.as_ref();
    if operation.is_some_and(|operation| operation.type_ == OperationType::Replace) {
        return replace::decide(o);
    }
    if let Some(operation) = operation
        && o.creating()
    {
        return create_job(o, operation);
    }
    if o.stands_failed()
        && let Some(plan) = replace::trigger(o)
    {
        return plan;
    }
    compare(o)
}

/// Where the recorded data source is. A status that was tampered with may lack it; then the provider tells.
pub fn place(o: &Observation) -> Result<Coordinates, Plan> {
    match &o.object.status.cloud {
        Some(at) => reach::recorded(o, at).map(|()| at.clone()),
        None => reach::for_create(o).cloned(),
    }
}

fn create_job(o: &Observation, operation: &Operation) -> Plan {
    let at = match place(o) {
        Ok(at) => at,
        Err(plan) => return plan,
    };
    let running = Running {
        id: o.object.status.job_id.as_deref(),
        started_at: operation.started_at,
        verdict: Verdict::Reconciling(Reason::Creating, CREATING.to_owned()),
    };
    let (since, failed) = match running.follow(o) {
        Ok(End::Succeeded { read } | End::Unknown { read }) => (read, None),
        Ok(End::Failed { job, read }) => (read, Some(job)),
        Err(plan) => return plan,
    };
    let view = match &o.remote {
        Remote::Listed { began, view } if *began >= since => view,
        Remote::Failed { began, failure } if *began >= since => return trouble::unreadable(o, failure),
        _ => {
            return Plan::Look(Look::List {
                since,
                at,
                type_: o.sought().1,
            });
        }
    };
    let item = match view {
        View::Ours { item, .. } | View::Leaving { item, ours: true } => Some(item),
        View::Absent | View::Foreign { .. } | View::Leaving { ours: false, .. } => None,
    };
    if let Some(job) = failed {
        let draft = Draft::new(o).edit(|status| {
            if let Some(operation) = &mut status.operation {
                operation.progress = job.progress.or(operation.progress.take());
                operation.failed_code = Some(job.failed_code.unwrap_or_else(|| "unknown".to_owned()));
                operation.failed_detail = job.failed_detail;
            }
            status.observed = item.map(remote::observed);
        });
        return failed_create(o, draft);
    }
    match (view, item.map(remote::health)) {
        (View::Ours { item, .. }, Some(Health::Creating | Health::Updating)) if !running.late(o) => {
            let observed = remote::observed(item);
            Draft::new(o)
                .edit(|status| status.observed = Some(observed))
                .reconciling(Reason::Creating, CREATING)
                .wait_in_lane(poll_interval(o))
        }
        (View::Ours { .. }, _) => evaluate(o, view),
        // The list may lag behind the job: it is looked at again as the job was. Only the rule for what is gone gives up.
        _ => gone(
            o,
            Draft::new(o).reconciling(
                Reason::Creating,
                "The job has ended; the data source does not show in the list yet.",
            ),
            poll_interval(o),
        ),
    }
}

/// The create failed: its record stays, and so does the object, until the spec or the Secret changes.
fn failed_create(o: &Observation, draft: Draft<'_>) -> Plan {
    let draft = draft.edit(|status| {
        status.retry = None;
        status.last_sync_time = Some(o.now);
        let generation = o.object.generation;
        status.operation.get_or_insert(Operation {
            type_: OperationType::Create,
            started_at: o.now,
            generation,
            progress: None,
            old_id: None,
            failed_code: None,
            failed_detail: None,
        });
    });
    let status = draft.status();
    let detail = status
        .operation
        .as_ref()
        .and_then(|operation| operation.failed_detail.clone().or(operation.failed_code.clone()));
    let reason = status
        .observed
        .as_ref()
        .and_then(|observed| observed.fail_reason.clone());
    let why = detail
        .or(reason)
        .unwrap_or_else(|| "the cloud gives no reason".to_owned());
    let message = format!(
        "The cloud failed to create the data source: {why}. Correct the spec or the Secret; the failed record is then removed and the create tried again."
    );
    draft
        .stalled(Reason::CreateFailed, message)
        .wait(o.timings.stalled_recheck.min(o.timings.secret_recheck))
}

fn compare(o: &Observation) -> Plan {
    match &o.remote {
        Remote::Listed { view, .. } => evaluate(o, view),
        Remote::Failed { failure, .. } => trouble::unreadable(o, failure),
        Remote::Unknown => match due(o) {
            Err(wait) => Draft::new(o).wait(wait),
            Ok(since) => match place(o) {
                Ok(at) => Plan::Look(Look::List {
                    since,
                    at,
                    type_: o.sought().1,
                }),
                Err(plan) => plan,
            },
        },
    }
}

/// From when on a list is wanted, or how long none is due.
fn due(o: &Observation) -> Result<Duration, Duration> {
    let t = &o.timings;
    if !o.generation_observed() {
        return Ok(o.started);
    }
    if let Some(retry) = &o.object.status.retry {
        let wait = until(o.now, retry.next_retry_time).min(t.backoff_max.max(t.stalled_recheck * 2));
        return if wait.is_zero() || o.secret_changed() {
            Ok(o.started)
        } else {
            Err(wait.min(t.secret_recheck))
        };
    }
    let at = |uptime: Duration| uptime.saturating_sub(o.uptime);
    let mut wait = match o.memory.synced {
        Some(synced) => at(synced + interval(o)),
        None => at(first_compare(o)),
    };
    if o.memory.failures > 0 || o.memory.written > o.memory.synced {
        wait = wait.min(o.memory.wake_at.map_or(Duration::ZERO, at));
    }
    if let Some(absence) = o
        .memory
        .absences
        .last()
        .filter(|absence| Some(absence.began) == o.memory.synced)
    {
        let from = o.memory.written.unwrap_or_default() + t.list_lag;
        wait = wait.min(at((absence.began + t.gone_gap).max(from)));
    }
    if o.late_until().is_some() {
        wait = wait.min(
            o.memory
                .synced
                .map_or(Duration::ZERO, |synced| at(synced + t.late_list)),
        );
    }
    // A list that another object of the cluster had read since this one's last comparison serves both.
    if wait.is_zero() {
        Ok(o.memory
            .synced
            .map_or(Duration::ZERO, |synced| synced + Duration::from_nanos(1)))
    } else {
        Err(wait)
    }
}

/// How long a verdict stands before the cloud is compared again.
fn interval(o: &Observation) -> Duration {
    let t = &o.timings;
    let stalled = o
        .object
        .status
        .conditions
        .iter()
        .any(|c| c.type_ == ConditionType::Stalled);
    let ready = o
        .object
        .status
        .conditions
        .iter()
        .any(|c| c.type_ == ConditionType::Ready && c.status == ConditionStatus::True);
    if stalled {
        t.stalled_recheck
    } else if !ready {
        t.job_poll_max
    } else if o.resync_period.is_zero() {
        LONG
    } else {
        let salt = o
            .memory
            .synced
            .map_or(0, |synced| u64::try_from(synced.as_millis()).unwrap_or_default());
        o.resync_period
            .mul_f64(0.9 + 0.2 * backoff::jitter(&o.object.uid, salt))
    }
}

/// The first comparison of this process: spread over the period, so that a restart is no herd.
fn first_compare(o: &Observation) -> Duration {
    if !o.stands_ready() {
        Duration::ZERO
    } else if o.resync_period.is_zero() {
        LONG
    } else {
        backoff::spread(&o.object.uid, o.resync_period)
    }
}

fn evaluate(o: &Observation, view: &View) -> Plan {
    match view {
        View::Ours { item, surplus } => match surplus.first() {
            Some(extra) => remove_surplus(o, extra),
            None if o.object.status.id.as_deref() == Some(item.id.as_str()) => conclude(o, Draft::new(o), item),
            None => match place(o) {
                Ok(at) => adopt(o, item, at, None),
                Err(plan) => plan,
            },
        },
        View::Leaving { item, .. } => {
            let observed = remote::observed(item);
            Draft::new(o)
                .edit(|status| status.observed = Some(observed))
                .reconciling(Reason::Recovering, "Somebody is deleting the data source in the cloud; it is created again afterwards.")
                .wait(o.timings.job_poll_max)
        }
        View::Absent => gone(o, Draft::new(o), Duration::MAX),
        View::Foreign { item } => Draft::new(o)
            .stalled(
                Reason::AlreadyExists,
                format!(
                    "The recorded data source is not in the list, and another one, with id {}, has its name; delete one of the two.",
                    item.id
                ),
            )
            .wait(o.timings.stalled_recheck),
    }
}

/// Late effects of lost requests: the recorded one stays, the others go.
fn remove_surplus(o: &Observation, extra: &Item) -> Plan {
    let at = match place(o) {
        Ok(at) => at,
        Err(plan) => return plan,
    };
    match o.lane {
        None => Plan::Look(Look::Lane(Rank::Delete)),
        Some(LanePlace::Held { .. }) => Plan::Act(Step::Delete {
            id: extra.id.clone(),
            at,
        }),
        Some(LanePlace::Waiting) => Draft::new(o).wait_in_lane(o.timings.stalled_recheck),
    }
}

/// Gone is what two lists lack, well after our last write: only then is it created again.
fn gone(o: &Observation, meanwhile: Draft<'_>, at_most: Duration) -> Plan {
    let from = o.memory.written.unwrap_or_default() + o.timings.list_lag;
    match o.absence(from, o.timings.gone_gap, false) {
        Err(due) => meanwhile.wait(due.max(o.timings.job_poll_min).min(at_most)),
        Ok(()) => Draft::new(o)
            .edit(|status| {
                status.id = None;
                status.job_id = None;
                status.cloud = None;
                status.operation = None;
                status.observed = None;
                status.retry = None;
            })
            .note(
                true,
                "ExternallyDeleted",
                "The data source is gone from the cloud; creating it again.",
            )
            .reconciling(
                Reason::Recovering,
                "The data source is gone from the cloud; creating it again.",
            )
            .again(),
    }
}

/// Takes a data source of ours from the list into the status.
pub fn adopt(o: &Observation, item: &Item, at: Coordinates, attempt: Option<&Intent>) -> Plan {
    if !o.object.finalizer && !o.object.deleting {
        // Somebody took it away; without it the object could vanish and leave the data source behind.
        return Plan::Act(Step::PutFinalizer);
    }
    let draft = Draft::new(o)
        .edit(|status| {
            status.id = Some(item.id.clone());
            status.job_id = None;
            status.cloud = Some(at);
            status.retry = None;
            status.operation = None;
            status.reboot_generation = status.reboot_generation.or(Some(o.object.generation));
            if let Some(attempt) = attempt {
                status.last_attempt = Some(o.ended(&attempt.attempt, AttemptOutcome::Recovered, None));
            }
        })
        .note(
            false,
            "Recovered",
            format!("Found data source {} of this object in the cloud's list.", item.id),
        );
    if o.object.deleting {
        draft.reconciling(Reason::Deleting, "Deleting the data source.").again()
    } else {
        conclude(o, draft, item)
    }
}

/// Whether a listed data source is all that the spec asks for.
pub fn finished(o: &Observation, item: &Item) -> bool {
    remote::health(item) == Health::Healthy && drift::fields(&o.object.spec, item).is_empty()
}

/// The verdict about a listed data source of ours, and the wait until the next comparison.
pub fn conclude(o: &Observation, draft: Draft<'_>, item: &Item) -> Plan {
    let observed = remote::observed(item);
    let health = remote::health(item);
    let draft = draft.edit(|status| {
        status.observed = Some(observed);
        status.last_sync_time = Some(o.now);
        status.retry = None;
    });
    if health == Health::Failed {
        return failed_create(o, draft);
    }
    let draft = draft.edit(|status| status.operation = None);
    let (verdict, wait) = match health {
        Health::Healthy => match drift::fields(&o.object.spec, item) {
            fields if fields.is_empty() => {
                let verdict = Verdict::Ready(Reason::Available, "The data source is available.".to_owned());
                (
                    verdict,
                    if o.resync_period.is_zero() {
                        LONG
                    } else {
                        o.resync_period
                    },
                )
            }
            fields => {
                let message = format!(
                    "The cloud's data source differs from the spec in {}; delete it and create it anew.",
                    fields.join(", ")
                );
                (Verdict::Stalled(Reason::Drifted, message), o.timings.stalled_recheck)
            }
        },
        other => unhealthy(o, &other),
    };
    draft.verdict(&verdict).wait(wait)
}

fn unhealthy(o: &Observation, health: &Health) -> (Verdict, Duration) {
    let t = &o.timings;
    let stalled = |reason, message: &str| (Verdict::Stalled(reason, message.to_owned()), t.stalled_recheck);
    let reconciling = |reason, message: String| (Verdict::Reconciling(reason, message), t.job_poll_max);
    match health {
        Health::RebootRequired => stalled(
            Reason::RebootRequired,
            "The data source takes effect after a restart of the DWS cluster; restart it in the console.",
        ),
        Health::Frozen => stalled(
            Reason::Frozen,
            "The account or the DWS cluster is frozen; settle that with Huawei Cloud.",
        ),
        Health::DeleteFailed => stalled(
            Reason::Drifted,
            "Somebody tried to delete the data source in the cloud and failed; look at it in the console.",
        ),
        Health::Stopped => reconciling(
            Reason::WaitingForCluster,
            "The data source's cluster is stopped or starting.".to_owned(),
        ),
        Health::Updating => reconciling(
            Reason::WaitingForCluster,
            "The cloud is changing the data source.".to_owned(),
        ),
        Health::Unknown(state) => reconciling(
            Reason::Recovering,
            format!("The cloud reports a state that the operator does not know: {state}."),
        ),
        Health::Creating | Health::Healthy | Health::Failed => reconciling(Reason::Creating, CREATING.to_owned()),
    }
}
