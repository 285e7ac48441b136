//! What a plan tells its reader.

use std::time::Duration;

use super::builder::with;
use crate::api::Reason;
use crate::api::text::{SENTENCE_MAX, WORD_MAX};
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
        let before = o.object.status.clone();
        let object = Object {
            status,
            ..o.object.clone()
        };
        o.renew(object);
        o.note_reported(Some(&before));
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

/// What of a status is longer than its schema allows.
pub fn too_long(status: &DwsDataSourceStatus) -> Vec<&String> {
    let operation = status.operation.as_ref();
    let retry = status.retry.as_ref();
    let observed = status.observed.as_ref();
    let words = [
        status.id.as_ref(),
        status.job_id.as_ref(),
        operation.and_then(|operation| operation.progress.as_ref()),
        operation.and_then(|operation| operation.failed_code.as_ref()),
        retry.and_then(|retry| retry.last_error_code.as_ref()),
        retry.and_then(|retry| retry.last_request_id.as_ref()),
        observed.and_then(|observed| observed.status.as_ref()),
        observed.and_then(|observed| observed.configure_status.as_ref()),
        observed.and_then(|observed| observed.user_name.as_ref()),
        observed.and_then(|observed| observed.created.as_ref()),
        observed.and_then(|observed| observed.updated.as_ref()),
    ];
    let words = words.into_iter().flatten().map(|text| (text, WORD_MAX));
    let sentences = [
        operation.and_then(|operation| operation.failed_detail.as_ref()),
        observed.and_then(|observed| observed.fail_reason.as_ref()),
    ];
    let messages = status.conditions.iter().map(|condition| &condition.message);
    let sentences = sentences.into_iter().flatten().chain(messages);
    words
        .chain(sentences.map(|text| (text, SENTENCE_MAX)))
        .filter(|(text, max)| text.chars().count() > *max as usize)
        .map(|(text, _)| text)
        .collect()
}
