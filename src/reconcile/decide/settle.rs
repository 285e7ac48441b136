//! A create whose outcome is unknown: the list, not another POST, tells what became of it.

use std::time::Duration;

use super::super::plan::{AttemptOutcome, Intent, Lacks, Look, Observation, Plan, Remote, View};
use super::attempts::coordinates;
use super::draft::Draft;
use super::facts::after;
use super::{live, reach, trouble};
use crate::api::Reason;

/// A restart is asked for at most once, and this time nobody knows whether it was granted.
const RESTART_NOT_REPEATED: &str = "The create request that asked for a restart of the DWS cluster got no clear answer; the next one does not ask again. If the cluster has not restarted and the data source needs it, restart it in the console.";

/// Finds out what became of an attempt. `settled_from` is the uptime from which on a list proves something.
pub fn decide(o: &Observation, intent: &Intent, settled_from: Duration, answered: bool) -> Plan {
    let at = coordinates(intent);
    if let Err(plan) = reach::recorded(o, &at) {
        return plan;
    }
    let written = o.memory.written.unwrap_or_default();
    let since = o.started.max(written);
    // What DWS itself answered with an error is tried again after the backoff and one fresh list; silence takes two lists.
    let proven = if answered {
        o.absence(settled_from.max(o.started), Duration::ZERO, |lacks| {
            lacks == Lacks::Everything
        })
    } else {
        o.absence(settled_from, o.timings.settle_gap, |lacks| lacks == Lacks::Everything)
    };
    let proven = match &o.remote {
        Remote::Failed { began, failure } if *began >= since => return trouble::unreadable(o, failure),
        Remote::Listed { began, view } if *began >= since => match view {
            View::Ours { item, surplus } => return live::adopt(o, item, surplus, at, Some(intent)),
            View::Leaving { item, ours: true } => return live::adopt(o, item, &[], at, Some(intent)),
            View::Foreign { item } if !o.marks() => return ambiguous(o, &item.id),
            View::Absent | View::Foreign { .. } | View::Leaving { .. } => proven,
        },
        _ => {
            // The first list is read at once: an answer that was lost on its way back shows there.
            let first = o.memory.synced.is_none_or(|synced| synced < written);
            let due = proven.err().filter(|_| !first).unwrap_or_default();
            let due = due.max(trouble::closed(o).unwrap_or_default());
            if due.is_zero() {
                return Plan::Look(Look::List {
                    since,
                    at,
                    type_: intent.type_,
                });
            }
            return unsettled(o).wait(due);
        }
    };
    match proven {
        Ok(()) => absent(o, intent, settled_from, answered),
        Err(due) => unsettled(o).wait(due),
    }
}

/// The attempt had no effect, so far: it is closed, and a new one may begin.
fn absent(o: &Observation, intent: &Intent, settled_from: Duration, answered: bool) -> Plan {
    let t = &o.timings;
    let window = if answered {
        t.late_effects_answered
    } else {
        t.late_effects
    };
    // An effect shows as late as the list lags behind it.
    let late = (settled_from + window.max(t.list_lag)).saturating_sub(o.uptime);
    let last = o.ended(intent, AttemptOutcome::Absent, Some(after(o.now, late)));
    let draft = unsettled(o).edit(|status| {
        status.last_attempt = Some(last);
        status.secret.clone_from(&intent.secret);
        if intent.reboot {
            status.reboot_generation = status.reboot_generation.or(Some(o.object.generation));
        }
    });
    let draft = if intent.reboot {
        draft.note(true, "RestartNotRepeated", RESTART_NOT_REPEATED)
    } else {
        draft
    };
    draft.again()
}

fn unsettled(o: &Observation) -> Draft<'_> {
    let draft = Draft::new(o);
    if o.object.status.retry.is_some() && o.generation_observed() {
        return draft; // The failure that made the outcome unknown is the better verdict.
    }
    let reason = if o.object.deleting {
        Reason::Deleting
    } else {
        Reason::Recovering
    };
    draft.reconciling(
        reason,
        "Finding out from the list what became of an earlier create request.",
    )
}

/// Without the marker nobody can tell whether what has the name came of a request of this object.
pub fn ambiguous(o: &Observation, id: &str) -> Plan {
    let way_out = if o.object.deleting {
        "Delete it in the cloud if it is, or set deletionPolicy to Retain to leave it."
    } else {
        "Delete it in the cloud if it is, or choose another dataSourceName."
    };
    Draft::new(o)
        .edit(|status| status.retry = None)
        .stalled(
            Reason::Ambiguous,
            format!(
                "A create request got no answer and the DWS cluster holds a data source of this name with id {id}; without the ownership marker nobody can tell whether it is this object's. {way_out}"
            ),
        )
        .hold(o.timings.stalled_recheck)
}

/// While a lost request may still show an effect, the list is read from time to time, whatever else the object waits for.
/// What shows up becomes the recorded one if there is none; `compare` and `removal` delete the surplus.
pub fn late_effects(o: &Observation) -> Option<Plan> {
    let at = o.place()?;
    reach::recorded(o, &at).ok()?;
    match &o.remote {
        Remote::Listed {
            view: View::Ours { item, surplus },
            ..
        } if !o.removed_lately(item) => Some(live::adopt(o, item, surplus, at, None)),
        Remote::Listed {
            view: View::Foreign { item },
            ..
        } if !o.marks() && o.attempted_in_vain() => Some(ambiguous(o, &item.id)),
        Remote::Unknown if o.late() => {
            let synced = o.memory.synced;
            let due = o.window_closed() || synced.is_none_or(|synced| synced + o.timings.late_list <= o.uptime);
            due.then(|| {
                Plan::Look(Look::List {
                    since: o.started,
                    at,
                    type_: o.late_type(),
                })
            })
        }
        _ => None,
    }
}
