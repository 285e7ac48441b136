//! Builds the report that ends a decision: a whole status, its verdict and what comes next.

use std::time::Duration;

use super::super::plan::{DwsDataSourceStatus, Note, Observation, Plan, Report, Then};
use crate::api::conditions::{self, Verdict};
use crate::api::{Reason, text};

/// A report in the making; it starts from the status as it is.
pub struct Draft<'a> {
    observation: &'a Observation,
    status: DwsDataSourceStatus,
    notes: Vec<Note>,
}

impl<'a> Draft<'a> {
    pub fn new(observation: &'a Observation) -> Self {
        Draft {
            observation,
            status: observation.object.status.clone(),
            notes: Vec::new(),
        }
    }

    /// Changes fields of the status.
    pub fn edit(mut self, change: impl FnOnce(&mut DwsDataSourceStatus)) -> Self {
        change(&mut self.status);
        self
    }

    /// Tells of something that happened.
    pub fn note(mut self, warning: bool, reason: &'static str, text: impl Into<String>) -> Self {
        self.notes.push(Note {
            warning,
            reason,
            text: text.into(),
        });
        self
    }

    /// Sets the verdict about the current generation.
    pub fn verdict(mut self, verdict: &Verdict) -> Self {
        let o = self.observation;
        self.status.conditions = conditions::conditions(&self.status.conditions, verdict, o.object.generation, o.now);
        self.status.observed_generation =
            conditions::observed_generation(self.status.observed_generation, verdict, o.object.generation);
        self
    }

    pub fn reconciling(self, reason: Reason, message: impl Into<String>) -> Self {
        self.verdict(&Verdict::Reconciling(reason, message.into()))
    }

    pub fn stalled(self, reason: Reason, message: impl Into<String>) -> Self {
        self.verdict(&Verdict::Stalled(reason, message.into()))
    }

    /// The status as it stands so far.
    pub fn status(&self) -> &DwsDataSourceStatus {
        &self.status
    }

    /// Reports, then decides again at once.
    pub fn again(self) -> Plan {
        self.end(Then::Again)
    }

    /// Reports, then waits outside the lane.
    pub fn wait(self, at_most: Duration) -> Plan {
        self.end(Then::Wait {
            at_most,
            keep_lane: false,
        })
    }

    /// Reports, then waits with the place in the lane kept.
    pub fn wait_in_lane(self, at_most: Duration) -> Plan {
        self.end(Then::Wait {
            at_most,
            keep_lane: true,
        })
    }

    fn end(self, then: Then) -> Plan {
        let then = match then {
            Then::Wait { at_most, keep_lane } if self.observation.late_until().is_some() => Then::Wait {
                at_most: at_most.min(self.observation.timings.late_list),
                keep_lane,
            },
            then => then,
        };
        let mut status = self.status;
        bound(&mut status);
        Plan::Report(Report {
            status,
            notes: self.notes,
            then,
        })
    }
}

/// Cuts what the cloud said to the lengths of the schema: a status that the API server refuses would lose the id that it carries.
fn bound(status: &mut DwsDataSourceStatus) {
    let cut = |field: &mut Option<String>, max| {
        if let Some(said) = field {
            *said = text::one_line(said, max);
        }
    };
    if let Some(operation) = &mut status.operation {
        cut(&mut operation.progress, text::WORD_MAX);
        cut(&mut operation.failed_code, text::WORD_MAX);
        cut(&mut operation.failed_detail, text::SENTENCE_MAX);
    }
    if let Some(retry) = &mut status.retry {
        cut(&mut retry.last_error_code, text::WORD_MAX);
        cut(&mut retry.last_request_id, text::WORD_MAX);
    }
}
