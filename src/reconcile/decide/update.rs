//! Changes in place: the agency of an OBS source, the renewal of the credentials taken from it, and restarts that somebody asked for.
//!
//! An update without a restart may be sent again, whatever became of it. A restart is recorded before it is asked for; what nobody answered
//! is not asked for again.

use jiff::Timestamp;

use super::super::plan::{
    self, DataSourceType, DwsDataSourceStatus, Failure, FailureKind, Health, Item, Look, Observation, Operation,
    OperationType, Plan, Rank, Reconfigure, Rejection, Remote, Step, View,
};
use super::draft::Draft;
use super::facts::until;
use super::job::{self, End, Running};
use super::{compare, lane, reach, trouble};
use crate::api::Reason;
use crate::api::conditions::Verdict;

const TURN: &str = "Waiting for other operations of this DWS cluster to end.";
const UPDATING: &str = "The cloud is changing the data source.";
const UNANSWERED: &str = "A request to restart the DWS cluster got no clear answer and is not sent again; waiting until it can have no effect any more.";
const RESTART_NOT_REPEATED: &str = "A request to restart the DWS cluster got no clear answer and is not sent again. If the cluster has not restarted and still needs it, set a new value of dws.huaweicloud.com/reboot-requested-at.";
/// Why an update failed that the cloud called a success.
const UNCHANGED: &str = "unchanged";

/// What is to be changed in place.
pub struct Wanted {
    change: Reconfigure,
    /// The request to renew the credentials that it answers.
    refresh: Option<String>,
    /// Whether the restart is asked for by an annotation.
    is_reboot_requested: bool,
}

/// Whether an OBS source is listed, and shall be one: where only a new data source could make it one, nothing is updated.
fn is_obs(o: &Observation) -> bool {
    o.sought().1 == DataSourceType::Obs && o.object.spec.type_ == DataSourceType::Obs
}

/// Whether the agency is not the one of the spec: the listed one or, where the list is silent, the one that was asked for.
pub fn differs(o: &Observation, item: &Item) -> bool {
    let spec = &o.object.spec;
    let requested = o.object.status.requested.as_ref();
    let listed = item
        .user_name
        .as_ref()
        .or(requested.map(|requested| &requested.user_name));
    is_obs(o) && listed.is_some_and(|listed| *listed != spec.user_name)
}

/// Whether the generation has not had its update yet.
pub fn is_due(o: &Observation) -> bool {
    let updated = o.object.status.update_generation;
    updated.is_none_or(|generation| generation < o.object.generation)
}

/// Whether an edit asks for another agency than the cloud was asked for last. If not, what differs is drift.
fn is_edited(o: &Observation) -> bool {
    let requested = o.object.status.requested.as_ref();
    requested.is_some_and(|requested| requested.user_name != o.object.spec.user_name)
}

/// What is to be changed of a listed data source. A restart goes along with an update that an edit causes, or on request; never with the repair
/// of drift.
pub fn wanted(o: &Observation, item: &Item) -> Option<Wanted> {
    let spec = &o.object.spec;
    let status = &o.object.status;
    let updates = differs(o, item) && is_due(o);
    // An update comes first; the renewal is a request of its own.
    let refresh = o.refresh_requested().filter(|_| is_obs(o) && !updates);
    let is_reboot_requested = o.reboot_requested();
    let is_unspent = status.reboot_generation.is_none_or(|spent| spent < o.object.generation);
    let reboot = is_reboot_requested || (updates && is_edited(o) && spec.reboot == Some(true) && is_unspent);
    if !updates && refresh.is_none() && !reboot {
        return None;
    }
    let agency = if updates {
        Some(spec.user_name.clone())
    } else {
        refresh.and(item.user_name.clone().or_else(|| Some(spec.user_name.clone())))
    };
    Some(Wanted {
        change: Reconfigure { agency, reboot },
        refresh: refresh.cloned(),
        is_reboot_requested,
    })
}

/// Starts an update; a restart is written down first.
pub fn begin(o: &Observation, wanted: Wanted) -> Result<Plan, Plan> {
    let at = reach::place(o)?;
    let since = lane::held(o, Rank::Create, |draft| waiting(draft, &wanted.change, TURN))?;
    if o.listed_since(since).is_none() {
        return Ok(Plan::Look(Look::List {
            since,
            at,
            type_: o.sought().1,
        }));
    }
    let Some(id) = o.object.status.id.clone() else {
        return Ok(Draft::new(o).wait(o.timings.job_poll_max));
    };
    let Wanted {
        change,
        refresh,
        is_reboot_requested,
    } = wanted;
    if !change.reboot {
        return Ok(Plan::Act(Step::Update {
            id,
            at,
            change,
            refresh,
        }));
    }
    let draft = Draft::new(o).edit(|status| {
        status.operation = Some(Operation {
            reboot: true,
            reboot_token: o.object.requests.reboot.clone().filter(|_| is_reboot_requested),
            ..Operation::begun(OperationType::Update, o.now, o.object.generation)
        });
        status.job_id = None;
        if is_reboot_requested {
            status.last_handled_reboot_at.clone_from(&o.object.requests.reboot);
        } else {
            status.reboot_generation = Some(o.object.generation);
        }
    });
    Ok(draft.reconciling(Reason::Updating, UPDATING).again())
}

/// What is not as the spec wants it is not ready until that has been sent; who asks for a restart or a renewal waits for it with the verdict that
/// stands.
fn waiting<'a>(draft: Draft<'a>, change: &Reconfigure, message: &str) -> Draft<'a> {
    let wants = &draft.observation().object.spec.user_name;
    let listed = draft
        .status()
        .observed
        .as_ref()
        .and_then(|observed| observed.user_name.as_ref());
    if change.agency.as_ref() == Some(wants) && listed != Some(wants) {
        draft.reconciling(Reason::Updating, message)
    } else {
        draft.standing_or(Reason::Updating, message)
    }
}

/// Only the type OBS has credentials of an agency; an MRS source is never updated unasked, since that restarts the DWS cluster.
pub fn refuse_refresh(o: &Observation, token: &str) -> Plan {
    Draft::new(o)
        .edit(|status| status.last_handled_refresh_at = Some(token.to_owned()))
        .note(
            true,
            "RequestRefused",
            "dws.huaweicloud.com/refresh-requested-at has an effect on data sources of type OBS only.",
        )
        .standing_or(Reason::Recovering, UPDATING)
        .again()
}

/// An update is under way, or a restart was recorded.
pub fn decide(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
    if o.object.status.job_id.is_some() {
        follow(o, operation)
    } else if o.memory.unsent_update == Some(operation.started_at) {
        send(o, operation)
    } else {
        Ok(unanswered(o, operation))
    }
}

/// Sends what was recorded.
fn send(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
    // Who asked for it may have thought better of it since.
    let still_asked = match &operation.reboot_token {
        Some(token) => o.object.requests.reboot.as_ref() == Some(token),
        None => o.object.spec.reboot == Some(true) && operation.generation == o.object.generation,
    };
    if o.observes() || !still_asked {
        return Ok(given_back(Draft::new(o))
            .standing_or(Reason::Updating, UPDATING)
            .again());
    }
    let at = reach::place(o)?;
    lane::held(o, Rank::Create, |draft| draft)?;
    let item = match &o.remote {
        Remote::Listed {
            view: View::Ours { item, .. },
            ..
        } if o.object.status.id.as_ref() == Some(&item.id) => item,
        Remote::Unknown => {
            return Ok(Plan::Look(Look::List {
                since: o.started,
                at,
                type_: o.sought().1,
            }));
        }
        // What cannot be seen is not restarted.
        _ => {
            return Ok(given_back(Draft::new(o))
                .standing_or(Reason::Updating, UPDATING)
                .again());
        }
    };
    let agency = (differs(o, item) && is_due(o)).then(|| o.object.spec.user_name.clone());
    let change = Reconfigure { agency, reboot: true };
    let id = item.id.clone();
    let refresh = None;
    Ok(Plan::Act(Step::Update {
        id,
        at,
        change,
        refresh,
    }))
}

/// One restart serves all that the generation asked for, by its spec and by an annotation.
fn spend(status: &mut DwsDataSourceStatus, generation: i64) {
    status.reboot_generation = status.reboot_generation.max(Some(generation));
}

/// Nobody knows whether the request was sent, or what became of it.
fn unanswered(o: &Observation, operation: &Operation) -> Plan {
    let t = &o.timings;
    let settled = t.write_deadline + t.list_lag;
    let rest = settled.saturating_sub(until(operation.started_at, o.now));
    if rest.is_zero() {
        let draft = Draft::new(o).edit(|status| {
            status.operation = None;
            spend(status, operation.generation);
        });
        return draft
            .note(true, "RestartNotRepeated", RESTART_NOT_REPEATED)
            .reconciling(Reason::Recovering, UNANSWERED)
            .again();
    }
    let draft = Draft::new(o).edit(|status| status.retry = None);
    draft.reconciling(Reason::Recovering, UNANSWERED).wait(rest)
}

/// Follows the job, then reads back what it did: the cloud is known to call a success what changed nothing.
fn follow(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
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
        Remote::Failed { began, failure } if *began >= read => return Err(trouble::unreadable(o, failure)),
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
            if differs(o, item) && is_about(o, operation) && is_lagging(o, operation) =>
        {
            draft.reconciling(Reason::Updating, UPDATING).wait(interval)
        }
        // A restart that was asked for by itself changes no field.
        End::Succeeded { .. } | End::Unknown { .. } if differs(o, item) && is_about(o, operation) => {
            let code = UNCHANGED.to_owned();
            let detail = "it accepted the update of userName and changed nothing".to_owned();
            failed(o, draft, code, Some(detail)).wait(o.timings.stalled_recheck)
        }
        End::Succeeded { .. } | End::Unknown { .. } => compare::evaluate(o, view)?,
    })
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

/// The restart that was recorded was not granted: it may be asked for again.
fn given_back(draft: Draft<'_>) -> Draft<'_> {
    draft.edit(|status| {
        let Some(recorded) = status.operation.take() else {
            return;
        };
        match recorded.reboot_token {
            Some(token) if status.last_handled_reboot_at.as_ref() == Some(&token) => {
                status.last_handled_reboot_at = None;
            }
            None if status.reboot_generation == Some(recorded.generation) => {
                status.reboot_generation = Some(recorded.generation - 1);
            }
            Some(_) | None => {}
        }
    })
}

/// After an update that had no effect, or may be sent again. The operation in the status may be an earlier one.
fn refused<'a>(o: &'a Observation, change: &Reconfigure) -> Draft<'a> {
    if change.reboot {
        given_back(Draft::new(o))
    } else {
        Draft::new(o)
    }
}

/// The answer to an update that was sent.
pub fn answered(
    o: &Observation,
    change: &Reconfigure,
    refresh: Option<&String>,
    at: Timestamp,
    result: &Result<String, Failure>,
) -> Plan {
    let failure = match result {
        Ok(job) => return accepted(o, change, refresh, at, job),
        Err(failure) => failure,
    };
    match failure.kind {
        FailureKind::Fenced => waiting(Draft::new(o), change, UPDATING).wait_in_lane(o.timings.lease_renew),
        FailureKind::UnknownOutcome { .. } if change.reboot => {
            let (draft, wait) = trouble::report(o, Draft::new(o), failure);
            draft.wait(wait)
        }
        FailureKind::Rejected {
            reason: Rejection::Invalid | Rejection::Exists,
        } => {
            let message = format!(
                "The cloud refuses to change the data source: {}. Correct the spec; it is tried again later.",
                failure.message.trim_end_matches('.')
            );
            let (draft, wait) = trouble::report(o, refused(o, change), failure);
            draft.stalled(Reason::UpdateFailed, message).wait(wait)
        }
        _ => {
            let (draft, wait) = trouble::report(o, refused(o, change), failure);
            draft.wait(wait)
        }
    }
}

fn accepted(o: &Observation, change: &Reconfigure, refresh: Option<&String>, at: Timestamp, job: &str) -> Plan {
    // What was asked for before an edit is not the update of its generation.
    let updates = change.agency.as_ref() == Some(&o.object.spec.user_name) && refresh.is_none();
    let draft = Draft::new(o).edit(|status| {
        status.operation = Some(Operation {
            reboot: change.reboot,
            user_name: change.agency.clone().filter(|_| refresh.is_none()),
            ..Operation::begun(OperationType::Update, at, o.object.generation)
        });
        status.job_id = Some(job.to_owned());
        status.retry = None;
        if updates {
            status.update_generation = Some(o.object.generation);
        }
        if change.reboot {
            spend(status, o.object.generation);
        }
        if let (Some(agency), Some(requested), None) = (&change.agency, &mut status.requested, refresh) {
            requested.user_name.clone_from(agency);
        }
        if let Some(token) = refresh {
            status.last_handled_refresh_at = Some(token.clone());
        }
    });
    let what = match (change.reboot, refresh, updates) {
        (true, ..) => "a restart of the DWS cluster",
        (false, Some(_), false) => "the renewal of the agency's credentials",
        (false, ..) => "the update of userName",
    };
    draft
        .note(false, "Updated", format!("The cloud accepted {what}."))
        .reconciling(Reason::Updating, UPDATING)
        .again()
}
