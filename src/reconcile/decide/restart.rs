//! A restart that was recorded: it is sent, given back if it was refused, and not repeated if nobody answered.

use super::super::plan::{
    DwsDataSourceStatus, Look, Observation, Operation, Plan, Rank, Reconfigure, Remote, Step, View,
};
use super::draft::Draft;
use super::facts::until;
use super::update::{self, UPDATING};
use super::{lane, reach};
use crate::api::Reason;

const UNANSWERED: &str = "A request to restart the DWS cluster got no clear answer and is not sent again; waiting until it can have no effect any more.";
const RESTART_NOT_REPEATED: &str = "A request to restart the DWS cluster got no clear answer and is not sent again. If the cluster has not restarted and still needs it, set a new value of dws.huaweicloud.com/reboot-requested-at.";

/// Sends what was recorded.
pub fn send(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
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
    let agency = (update::differs(o, item, o.object.status.requested.as_ref()) && update::is_due(o))
        .then(|| o.object.spec.user_name.clone());
    if operation.reboot_token.is_none() && agency.is_none() {
        // There is no update any more that the restart could go along with.
        return Ok(given_back(Draft::new(o))
            .standing_or(Reason::Updating, UPDATING)
            .again());
    }
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
pub fn spend(status: &mut DwsDataSourceStatus, generation: i64) {
    status.reboot_generation = status.reboot_generation.max(Some(generation));
}
/// Nobody knows whether the request was sent, or what became of it.
pub fn unanswered(o: &Observation, operation: &Operation) -> Plan {
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
/// The restart that was recorded was not granted: it may be asked for again.
pub fn given_back(draft: Draft<'_>) -> Draft<'_> {
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
