//! Changes in place: the agency of an OBS source, the renewal of the credentials taken from it, and restarts that somebody asked for.
//!
//! An update without a restart may be sent again, whatever became of it. A restart is recorded before it is asked for; what nobody answered
//! is not asked for again.

use super::super::plan::{
    DataSourceType, Item, Look, Observation, Operation, OperationType, Plan, Rank, Reconfigure, Requested, Step,
};
use super::draft::Draft;
use super::{lane, reach, restart, update_job};
use crate::api::Reason;

/// What the user reads while an update is sent or carried out.
pub const UPDATING: &str = "The cloud is changing the data source.";
const TURN: &str = "Waiting for other operations of this DWS cluster to end.";

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
pub fn differs(o: &Observation, item: &Item, requested: Option<&Requested>) -> bool {
    let spec = &o.object.spec;
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
    let updates = differs(o, item, status.requested.as_ref()) && is_due(o);
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
    let is_update = wanted.change.agency.is_some() && wanted.refresh.is_none();
    let since = lane::held(o, Rank::Create, |draft| waiting(draft, is_update, TURN))?;
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
pub fn waiting<'a>(draft: Draft<'a>, is_update: bool, message: &str) -> Draft<'a> {
    if is_update {
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
        update_job::follow(o, operation)
    } else if o.memory.unsent_update == Some(operation.started_at) {
        restart::send(o, operation)
    } else {
        Ok(restart::unanswered(o, operation))
    }
}
