//! A create whose outcome is unknown: the list, not another POST, tells what became of it.

use std::time::Duration;

use super::super::plan::{AttemptOutcome, Intent, Look, Observation, Plan, Remote, View};
use super::draft::Draft;
use super::facts::{after, coordinates, until};
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
    // What DWS itself answered with an error is tried again after the backoff and one fresh list; silence takes two lists.
    let proven = if answered {
        let due = o
            .object
            .status
            .retry
            .as_ref()
            .filter(|_| o.generation_observed())
            .map_or(Duration::ZERO, |retry| until(o.now, retry.next_retry_time));
        if due.is_zero() {
            o.absence(settled_from.max(o.started), Duration::ZERO, false)
        } else {
            Err(due)
        }
    } else {
        o.absence(settled_from, o.timings.settle_gap, false)
    };
    let since = o.started.max(o.memory.written.unwrap_or_default());
    match &o.remote {
        Remote::Failed { began, failure } if *began >= since => return trouble::unreadable(o, failure),
        Remote::Listed { began, view } if *began >= since => match view {
            View::Ours { item, .. } | View::Leaving { item, ours: true } => {
                return live::adopt(o, item, at, Some(intent));
            }
            View::Foreign { item } if !o.marks() => return ambiguous(o, &item.id),
            View::Absent | View::Foreign { .. } | View::Leaving { .. } => {}
        },
        _ => {
            let due = proven.err().unwrap_or_default();
            if due.is_zero() || !answered {
                // The first list is read at once: an answer that was lost on its way back shows there.
                let waits = !due.is_zero() && o.memory.wake_at.is_some_and(|wake| o.uptime < wake);
                if !waits {
                    return Plan::Look(Look::List {
                        since,
                        at,
                        type_: intent.type_,
                    });
                }
            }
            return unsettled(o, due);
        }
    }
    match proven {
        Ok(()) => {
            let late = if answered {
                o.timings.late_effects_answered
            } else {
                o.timings.late_effects
            };
            let last = o.ended(&intent.attempt, AttemptOutcome::Absent, Some(after(o.now, late)));
            let spent = intent.reboot.then_some(o.object.generation);
            let draft = Draft::new(o).edit(|status| {
                status.last_attempt = Some(last);
                status.reboot_generation = status.reboot_generation.or(spent);
            });
            let draft = if intent.reboot {
                draft.note(true, "RestartNotRepeated", RESTART_NOT_REPEATED)
            } else {
                draft
            };
            draft.again()
        }
        Err(due) => unsettled(o, due),
    }
}

fn unsettled(o: &Observation, due: Duration) -> Plan {
    let reason = if o.object.deleting {
        Reason::Deleting
    } else {
        Reason::Recovering
    };
    let standing = o.object.status.retry.is_some() && o.generation_observed() && !o.object.deleting;
    let draft = Draft::new(o);
    let draft = if standing {
        draft // The failure that made the outcome unknown is the better verdict.
    } else {
        draft.reconciling(
            reason,
            "Finding out from the list what became of an earlier create request.",
        )
    };
    draft.wait(due)
}

fn ambiguous(o: &Observation, id: &str) -> Plan {
    Draft::new(o)
        .stalled(
            Reason::Ambiguous,
            format!(
                "A create request got no answer and the DWS cluster holds a data source of this name with id {id}; without the ownership marker nobody can tell whether it is this object's. Delete it in the cloud, or choose another dataSourceName."
            ),
        )
        .wait(o.timings.stalled_recheck)
}

/// While a lost request may still show an effect, the list is read from time to time, whatever else the object waits for.
/// What shows up becomes the recorded one if there is none; `live` and `delete` remove the surplus.
pub fn late_effects(o: &Observation) -> Option<Plan> {
    o.late_until()?;
    let at = match &o.object.status.cloud {
        Some(cloud) => cloud.clone(),
        None => coordinates(o.object.intent.as_ref()?),
    };
    reach::recorded(o, &at).ok()?;
    match &o.remote {
        Remote::Listed {
            began,
            view: View::Ours { item, .. },
        } if *began >= o.started && o.object.status.id.is_none() => Some(live::adopt(o, item, at, None)),
        Remote::Unknown => {
            let due = o
                .memory
                .synced
                .is_none_or(|synced| synced + o.timings.late_list <= o.uptime);
            due.then_some({
                Plan::Look(Look::List {
                    since: o.started,
                    at,
                    type_: o.object.spec.type_,
                })
            })
        }
        _ => None,
    }
}
