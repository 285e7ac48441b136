//! Compares the cloud with the spec from time to time. Comparing only reads: what is gone is created again, what differs is told,
//! and what late effects of lost requests left over is removed.

use std::time::Duration;

use super::super::plan::{
    self, Failure, FailureKind, Health, Item, Lacks, Look, Missing, Observation, Password, Plan, Rank, Remote, Rival,
    Step, View,
};
use super::draft::Draft;
use super::verdict::LEAVING;
use super::{assess, create, import, lane, live, proposal, reach, replace, trouble, update};
use crate::api::Reason;
use crate::runtime::backoff;

/// How long an object waits that nothing but a change can wake.
const LONG: Duration = Duration::from_hours(24);
/// Over how long the first comparisons after a start are spread at most.
const SPREAD: Duration = Duration::from_mins(30);
/// What the user reads while the surplus is being removed and nothing better is known.
pub const LEFTOVERS: &str = "Removing what lost create requests left over.";
const UNSEEN: &str = "The data source is gone from the cloud's list; it is shown again when it is back.";
const LOST: &str = "The data source is gone from the cloud. It was not created by this object, so it is not created again: delete the object, and create it without import to have a new one.";
const MISSING: &str = "The recorded data source is not in the list; finding out whether it is gone.";

pub fn decide(o: &Observation) -> Result<Plan, Plan> {
    // Of what was taken over another object may know before any list does.
    if let Some(rival) = o.rival.as_ref().filter(|_| o.is_imported() && !o.observes()) {
        return Ok(create::rivalled(o, rival));
    }
    match &o.remote {
        Remote::Listed { view, .. } => evaluate(o, view),
        Remote::Failed { failure, .. } => Err(moved(o, failure)?.unwrap_or_else(|| trouble::unreadable(o, failure))),
        // Whoever watches Secrets is woken by a new password, and looks at the cloud for it.
        Remote::Unknown if proposal::asks_for_password(o) => Err(Plan::Look(Look::Password)),
        Remote::Unknown => match due(o).filter(|_| !was_barred(o)) {
            Some(wait) if o.held().is_some() => Ok(Draft::new(o).hold(wait)),
            Some(wait) if o.failed() => Ok(Draft::new(o).wait(wait.min(assess::failed_recheck(o)))),
            Some(wait) => Ok(Draft::new(o).wait(wait)),
            None => Ok(Plan::Look(Look::List {
                since: since(o),
                at: reach::place(o)?,
                type_: o.sought().1,
            })),
        },
    }
}

/// Whether the verdict names another holder, who is not known any more, or a consent that was missing.
fn was_barred(o: &Observation) -> bool {
    let mut conditions = o.object.status.conditions.iter();
    conditions.any(|condition| match condition.reason {
        Reason::DuplicateOwner | Reason::WaitingForOwner => true,
        // What the cloud itself denies waits for its next try.
        Reason::AccessDenied => o.is_imported() && o.object.status.retry.is_none(),
        _ => false,
    })
}

/// Whether an update waits for its turn, which comes with this pass, or is lost.
fn owes_update(o: &Observation) -> bool {
    let mut conditions = o.object.status.conditions.iter();
    !o.observes()
        && o.object.status.operation.is_none()
        && conditions.any(|condition| condition.reason == Reason::Updating)
}

/// From when on a list is news. One that another object of the cluster had read since this one's last comparison serves both.
pub fn since(o: &Observation) -> Duration {
    if !o.generation_observed() || o.anything_requested() || proposal::is_password_news(o) {
        return o.started;
    }
    let synced = o.memory.synced.map(|synced| synced + Duration::from_nanos(1));
    synced.max(o.memory.written).unwrap_or_default()
}

/// How long no list is due.
pub fn due(o: &Observation) -> Option<Duration> {
    let t = &o.timings;
    if let Some(rest) = o.held() {
        return Some(rest);
    }
    if !o.generation_observed() {
        return None;
    }
    if o.object.status.retry.is_some() {
        return trouble::closed(o);
    }
    if o.anything_requested() || proposal::is_password_news(o) || owes_update(o) {
        return None;
    }
    let at = |uptime: Duration| uptime.saturating_sub(o.uptime);
    let Some(synced) = o.memory.synced else {
        let wait = if never(o) {
            LONG
        } else if o.late() {
            Duration::ZERO
        } else {
            at(first(o))
        };
        return Some(wait).filter(|wait| !wait.is_zero());
    };
    let mut wait = if never(o) { LONG } else { at(synced + interval(o)) };
    if o.memory.failures > 0 || o.memory.written > o.memory.synced || (o.late() && o.window_closed()) {
        wait = Duration::ZERO;
    }
    if o.memory.absences.last().is_some_and(|absence| absence.began == synced) && !o.failed() {
        wait = wait.min(at((synced + t.gone_gap).max(gone_from(o))));
    }
    if o.late() {
        wait = wait.min(at(synced + t.late_list));
    }
    Some(wait).filter(|wait| !wait.is_zero())
}

/// Whether what is as it should be is never compared again.
fn never(o: &Observation) -> bool {
    o.resync_period.is_zero() && o.stands_ready() && !o.late() && is_compared(o)
}

/// How long a verdict stands before the cloud is compared again.
fn interval(o: &Observation) -> Duration {
    let t = &o.timings;
    if o.stands_stalled() {
        t.stalled_recheck
    } else if !o.stands_ready() {
        t.job_poll_max
    } else {
        resync(o)
    }
}

/// The time between two comparisons of a data source that is as it should be, jittered.
pub fn resync(o: &Observation) -> Duration {
    if o.resync_period.is_zero() {
        return LONG;
    }
    let synced = o.memory.synced.unwrap_or_default().as_millis();
    let salt = u64::try_from(synced).unwrap_or_default();
    o.resync_period
        .mul_f64(0.9 + 0.2 * backoff::jitter(&o.object.uid, salt))
}

/// Whether there is a trace that the status was written for this very object. One that came from a backup, or from another object, is checked
/// before anybody relies on it.
fn is_its_own(o: &Observation) -> bool {
    o.observes() || o.has_imported() || o.attempt().is_some()
}

/// Whether the status tells of a comparison that came to its end. One that a request caused may have been broken off.
fn is_compared(o: &Observation) -> bool {
    is_its_own(o) && o.object.status.last_sync_time.is_some()
}

/// The first comparison of this process, as an uptime: spread, so that a restart is no herd, and over no longer time than that an operator which
/// is restarted more often than the period is long compares too.
fn first(o: &Observation) -> Duration {
    if o.stands_ready() && is_compared(o) {
        backoff::spread(&o.object.uid, o.resync_period.min(SPREAD))
    } else {
        Duration::ZERO
    }
}

pub fn evaluate(o: &Observation, view: &View) -> Result<Plan, Plan> {
    Ok(match view {
        View::Ours { item, surplus } if o.object.status.id.as_ref() == Some(&item.id) => {
            let is_shared = |_: &&Rival| o.owner.is_some() || o.is_imported();
            if let Some(rival) = o.holder().filter(is_shared).filter(|_| !o.observes()) {
                return Ok(create::rivalled(o, rival));
            }
            if surplus.is_empty() {
                change(o, item)?;
            }
            let (draft, wait) = assess::listed(o, Draft::new(o), item, surplus);
            remove_surplus(o, surplus, draft, wait)?
        }
        // Another one of ours takes its place only if the recorded one is gone for certain.
        View::Ours { item, surplus } => match missing(o) {
            Ok(()) => live::adopt(o, item, surplus, reach::place(o)?, None),
            Err(due) => Draft::new(o).standing_or(Reason::Recovering, MISSING).wait(due),
        },
        // Nothing that the list lacks mends a failed create.
        View::Leaving { .. } | View::Absent | View::Foreign { .. } if o.failed() => {
            let (draft, wait) = assess::failed_create(o, Draft::new(o).edit(|status| status.observed = None));
            draft.wait(wait)
        }
        View::Leaving { item, ours } => {
            // Of somebody else's nothing is shown.
            let observed = ours.then(|| plan::observed(item));
            Draft::new(o)
                .edit(|status| {
                    status.observed = observed;
                    status.retry = None;
                })
                .reconciling(Reason::Recovering, LEAVING)
                .wait(o.timings.job_poll_max)
        }
        View::Absent => gone(
            o,
            Draft::new(o)
                .edit(|status| status.retry = None)
                .standing_or(Reason::Recovering, MISSING),
            o.timings.stalled_recheck,
        ),
        View::Foreign { item } => foreign(o, item),
    })
}

/// The DWS cluster of the recorded data source is gone for certain, and the spec names another one.
pub fn moved(o: &Observation, failure: &Failure) -> Result<Option<Plan>, Plan> {
    let is_missing = matches!(failure.kind, FailureKind::Gone { what: Missing::Cluster });
    let is_gone = is_missing
        && o.absence(gone_from(o), o.timings.gone_gap, |lacks| lacks == Lacks::Cluster)
            .is_ok();
    let Some(plan) = proposal::of_moved(o).filter(|_| is_gone) else {
        return Ok(None);
    };
    if proposal::may_begin(o, &plan) {
        return replace::begin_planned(o, &plan).map(Some);
    }
    let verdict = proposal::verdict_moved(o, &plan);
    let draft = Draft::new(o).edit(|status| {
        status.observed = None;
        status.plan = Some(plan);
        status.retry = None;
    });
    Ok(Some(draft.verdict(&verdict).wait(o.timings.stalled_recheck)))
}

/// What is done about a listed data source that is not as it shall be, or with which somebody asked for something; `Ok` if nothing is.
fn change(o: &Observation, item: &Item) -> Result<(), Plan> {
    let health = plan::health(item);
    // What has failed since it was available is mended by an update, too; the record of a failed create is not.
    let may_change = match health {
        Health::Healthy | Health::RebootRequired => true,
        Health::Failed => !assess::is_of_create(o.object.status.operation.as_ref()),
        _ => false,
    };
    if o.observes() || !may_change || trouble::closed(o).is_some() {
        return Ok(());
    }
    if o.object.spec.user_pwd.is_some() && o.password == Password::Unknown {
        return Err(Plan::Look(Look::Password));
    }
    if let Some(plan) =
        proposal::of(o, item, o.object.status.requested.as_ref()).filter(|plan| proposal::may_begin(o, plan))
    {
        return Err(replace::begin_planned(o, &plan)?);
    }
    if let Some(wanted) = update::wanted(o, item) {
        return Err(update::begin(o, wanted)?);
    }
    match o.refresh_requested() {
        Some(token) => Err(update::refuse_refresh(o, token)),
        None => Ok(()),
    }
}

fn foreign(o: &Observation, item: &Item) -> Plan {
    if o.object.status.id.as_ref() == Some(&item.id) {
        if let Err(plan) = import::consent(o) {
            return plan;
        }
        if let Some(plan) = import::recorded(o, item) {
            return plan;
        }
    }
    let draft = Draft::new(o).edit(|status| status.retry = None);
    if o.object.status.id.as_ref() == Some(&item.id)
        && let Some(owner) = &o.owner
    {
        return create::rivalled(o, owner);
    }
    // Whoever has the name of what was taken over or is observed now, that one is gone or not.
    if o.object.status.id.as_ref() != Some(&item.id) && (o.observes() || o.is_imported()) {
        return gone(
            o,
            draft.standing_or(Reason::Recovering, MISSING),
            o.timings.stalled_recheck,
        );
    }
    let draft = if o.object.status.id.as_ref() == Some(&item.id) {
        draft.stalled(
            Reason::Ambiguous,
            format!(
                "The recorded data source {} does not carry this object's ownership marker, so nobody can tell whether it is its own; {}, or delete it in the cloud.",
                item.id,
                import::advice(&item.id)
            ),
        )
    } else {
        draft.stalled(
            Reason::AlreadyExists,
            format!(
                "The recorded data source is not in the list, and another one, with id {}, has its name; delete one of the two.",
                item.id
            ),
        )
    };
    draft.wait(o.timings.stalled_recheck)
}

/// Ends a look at the recorded data source: the surplus beside it is removed, but only once the verdict about the recorded one is told.
/// Trouble with the surplus is not the object's business.
pub fn remove_surplus(o: &Observation, surplus: &[Item], draft: Draft<'_>, wait: Duration) -> Result<Plan, Plan> {
    Ok(match next_surplus(o, surplus) {
        Some(_) if draft.is_news() => draft.again(),
        Some(extra) => {
            let at = reach::place(o)?;
            lane::held(o, Rank::Delete, |draft| draft)?;
            Plan::Act(Step::Delete {
                id: extra.id.clone(),
                at,
            })
        }
        None if surplus.is_empty() => draft.wait(wait),
        None => draft.wait(wait.min(o.timings.job_poll_max)),
    })
}

/// The surplus that may be deleted now: none while a try is being waited for, and none again whose deletion may not show yet.
fn next_surplus<'a>(o: &Observation, surplus: &'a [Item]) -> Option<&'a Item> {
    if trouble::closed(o).is_some() || o.observes() {
        return None;
    }
    surplus.iter().find(|item| !o.removed_lately(item))
}

/// The answer to the delete of a surplus data source: it shows in an event, and trouble with it only delays the next try.
pub fn surplus_answered(o: &Observation, id: &str, result: &Result<Option<String>, Failure>) -> Plan {
    let t = &o.timings;
    let reason = if o.object.deleting {
        Reason::Deleting
    } else {
        Reason::Recovering
    };
    let draft = Draft::new(o).standing_or(reason, LEFTOVERS);
    match result {
        Ok(_) => draft
            .note(
                true,
                "DuplicateRemoved",
                format!("Deleting data source {id}, the late effect of a create request that got no answer."),
            )
            .wait_in_lane(t.job_poll_min),
        Err(failure) => match failure.kind {
            FailureKind::Gone { .. } => draft.wait(t.job_poll_min),
            FailureKind::Fenced => draft.wait_in_lane(t.lease_renew),
            _ => {
                let retry = trouble::retry(o, failure);
                let wait = trouble::next_look(o, &retry);
                draft.edit(|status| status.retry = Some(retry)).wait(wait)
            }
        },
    }
}

fn gone_from(o: &Observation) -> Duration {
    o.memory.written.unwrap_or_default() + o.timings.list_lag
}

/// Whether two lists lacked the recorded one, well after our last write; else how long until the next one counts.
pub fn missing(o: &Observation) -> Result<(), Duration> {
    o.absence(gone_from(o), o.timings.gone_gap, |lacks| lacks != Lacks::Cluster)
}

/// What is missing for certain is created again. Until then it is looked for at least every `interval`.
pub fn gone(o: &Observation, meanwhile: Draft<'_>, interval: Duration) -> Plan {
    match missing(o) {
        Err(due) => meanwhile.wait(due.min(interval)),
        // What the operator did not create it does not create again.
        Ok(()) if o.observes() || o.is_imported() => Draft::new(o)
            .edit(|status| {
                status.observed = None;
                status.plan = None;
                status.retry = None;
            })
            .stalled(Reason::ExternallyDeleted, if o.observes() { UNSEEN } else { LOST })
            .wait(interval),
        Ok(()) => Draft::new(o)
            .forget()
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
