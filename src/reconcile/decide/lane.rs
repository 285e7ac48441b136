//! The lane of the DWS cluster: whoever starts an operation there holds it first.

use std::time::Duration;

use super::super::plan::{LanePlace, Look, Observation, Plan, Rank};
use super::draft::Draft;

/// The uptime since which the object may start an operation, in this pass; else the plan that leads there. `waiting` tells why it waits.
pub fn held<'a>(
    o: &'a Observation,
    rank: Rank,
    waiting: impl FnOnce(Draft<'a>) -> Draft<'a>,
) -> Result<Duration, Plan> {
    match o.lane {
        Some(LanePlace::Held { since, rank: held }) if held == rank => Ok(since.max(o.started)),
        Some(LanePlace::Waiting) => Err(waiting(Draft::new(o)).wait_in_lane(o.timings.stalled_recheck)),
        // One that was held for an operation under way is given back first, since that has ended.
        Some(LanePlace::Held { .. }) | None => Err(Plan::Look(Look::Lane(rank))),
    }
}
