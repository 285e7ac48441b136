//! What a plan tells its reader.

use std::time::Duration;

use super::builder::with;
use crate::api::Reason;
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{DwsDataSourceStatus, Look, Note, Object, Observation, Plan, Step, Then};

/// What a plan that ends in a report tells.
#[derive(Debug)]
pub struct Told {
    pub status: DwsDataSourceStatus,
    pub reason: Option<Reason>,
    pub notes: Vec<Note>,
    /// How long it waits; none if it decides again at once.
    pub wait: Option<Duration>,
    pub keeps_lane: bool,
    pub firm: bool,
}

/// What the decision tells.
pub fn told(o: &Observation) -> Told {
    let Plan::Report(report) = decide(o) else {
        panic!("no report: {:#?}", decide(o));
    };
    let (wait, keeps_lane, firm) = match report.then {
        Then::Again => (None, false, false),
        Then::Wait {
            at_most,
            keep_lane,
            firm,
        } => (Some(at_most), keep_lane, firm),
    };
    Told {
        reason: report.status.conditions.first().map(|condition| condition.reason),
        status: report.status,
        notes: report.notes,
        wait,
        keeps_lane,
        firm,
    }
}

/// The observation after its report was published, for the same turn or the next.
pub fn published(o: Observation) -> Observation {
    let status = told(&o).status;
    with(o, |o| {
        let object = Object {
            status,
            ..o.object.clone()
        };
        o.renew(object);
        o.note_reported(true);
    })
}

/// What the decision wants to read.
pub fn look(o: &Observation) -> Look {
    match decide(o) {
        Plan::Look(look) => look,
        other => panic!("no look: {other:#?}"),
    }
}

/// What the decision wants to write.
pub fn step(o: &Observation) -> Step {
    match decide(o) {
        Plan::Act(step) => step,
        other => panic!("no step: {other:#?}"),
    }
}
