//! Builds the report that ends a decision: a whole status, its verdict and what comes next.

use std::time::Duration;

use super::super::plan::{AttemptOutcome, DwsDataSourceStatus, Note, Observation, Plan, Report, Then};
use super::requests;
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
        let mut status = observation.object.status.clone();
        if !observation.generation_observed() {
            // A backoff ends with the generation it is about; a verdict about the new one must not revive it.
            status.retry = None;
        }
        if let Some(last) = status.last_attempt.as_mut().filter(|_| !observation.late()) {
            last.late_until = None;
        }
        if observation.is_blank() {
            requests::record_unexecuted(observation, &mut status);
        }
        Draft {
            observation,
            status,
            notes: Vec::new(),
        }
    }

    /// What the report is about.
    pub fn observation(&self) -> &'a Observation {
        self.observation
    }

    /// Changes fields of the status.
    pub fn edit(mut self, change: impl FnOnce(&mut DwsDataSourceStatus)) -> Self {
        change(&mut self.status);
        bound(&mut self.status);
        self
    }

    /// Forgets the data source, which is gone.
    pub fn forget(self) -> Self {
        self.edit(|status| {
            status.id = None;
            status.job_id = None;
            status.cloud = None;
            status.operation = None;
            status.observed = None;
            status.retry = None;
            status.plan = None;
            status.requested = None;
            if let Some(last) = status.last_attempt.as_mut().filter(|last| last.has_created()) {
                last.outcome = AttemptOutcome::Gone;
            }
        })
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

    pub fn ready(self, message: &str) -> Self {
        self.verdict(&Verdict::Ready(Reason::Available, message.to_owned()))
    }

    pub fn reconciling(self, reason: Reason, message: impl Into<String>) -> Self {
        self.verdict(&Verdict::Reconciling(reason, message.into()))
    }

    pub fn stalled(self, reason: Reason, message: impl Into<String>) -> Self {
        self.verdict(&Verdict::Stalled(reason, message.into()))
    }

    /// Keeps the verdict that stands if it is about the current generation, else tells this one.
    pub fn standing_or(self, reason: Reason, message: &str) -> Self {
        if self.observation.generation_observed() {
            self
        } else {
            self.reconciling(reason, message)
        }
    }

    /// The status as it stands so far.
    pub fn status(&self) -> &DwsDataSourceStatus {
        &self.status
    }

    /// Whether it would be written: when the cloud was last compared is not worth a write of its own.
    pub fn is_news(&self) -> bool {
        self.status.is_news(&self.observation.object.status)
    }

    /// Reports, then decides again at once.
    pub fn again(self) -> Plan {
        self.end(Then::Again)
    }

    /// Reports, then waits outside the lane.
    pub fn wait(self, at_most: Duration) -> Plan {
        self.rest(at_most, false, false)
    }

    /// Reports, then waits with the place in the lane kept.
    pub fn wait_in_lane(self, at_most: Duration) -> Plan {
        self.rest(at_most, true, false)
    }

    /// Reports, then waits outside the lane; no event but a change of the spec shortens it.
    pub fn hold(self, at_most: Duration) -> Plan {
        self.rest(at_most, false, true)
    }

    /// While late effects may show, no wait is longer than the time between two looks for them. None is shorter than the shortest
    /// poll, so that no rule can keep an object busy.
    fn rest(self, at_most: Duration, keep_lane: bool, firm: bool) -> Plan {
        let t = &self.observation.timings;
        let longest = if self.observation.late() {
            t.late_list
        } else {
            Duration::MAX
        };
        let at_most = at_most.min(longest).max(t.job_poll_min);
        self.end(Then::Wait {
            at_most,
            keep_lane,
            firm,
        })
    }

    fn end(mut self, then: Then) -> Plan {
        let o = self.observation;
        let before = &o.object.status.conditions;
        let pause = o.pause();
        let verdict = self.status.conditions.drain(..).collect();
        self.status.conditions = conditions::with_pause(verdict, before, pause.as_deref(), o.now);
        self.status.controller = Some(o.around.install.clone());
        Plan::Report(Report {
            status: self.status,
            notes: self.notes,
            then,
        })
    }
}

/// Waits outside the lane and writes nothing.
pub fn unchanged(o: &Observation, at_most: Duration) -> Plan {
    Plan::Report(Report {
        status: o.object.status.clone(),
        notes: Vec::new(),
        then: Then::Wait {
            at_most,
            keep_lane: false,
            firm: false,
        },
    })
}

/// Cuts what the cloud said to the lengths of the schema: a status that the API server refuses would lose the id that it carries.
/// Messages are cut where conditions are made.
fn bound(status: &mut DwsDataSourceStatus) {
    let (mut words, mut sentences) = (Vec::new(), Vec::new());
    if let Some(operation) = &mut status.operation {
        words.extend([&mut operation.progress, &mut operation.failed_code]);
        sentences.push(&mut operation.failed_detail);
    }
    if let Some(retry) = &mut status.retry {
        words.extend([&mut retry.last_error_code, &mut retry.last_request_id]);
    }
    if let Some(observed) = &mut status.observed {
        words.extend([
            &mut observed.status,
            &mut observed.configure_status,
            &mut observed.user_name,
        ]);
        words.extend([&mut observed.created, &mut observed.updated]);
        sentences.push(&mut observed.fail_reason);
    }
    if let Some(secret) = &mut status.secret {
        // From an annotation, which anybody may write who may edit the object.
        for part in [&mut secret.uid, &mut secret.resource_version] {
            *part = text::one_line(part, text::WORD_MAX);
        }
        secret.key = text::one_line(&secret.key, text::KEY_MAX);
    }
    if let Some(requested) = &mut status.requested {
        let words = [
            Some(&mut requested.user_name),
            requested.data_source_id.as_mut(),
            requested.connect_info.as_mut(),
        ];
        let bounds = words.into_iter().map(|word| (word, text::WORD_MAX));
        for (said, max) in bounds.chain([(requested.description.as_mut(), text::SENTENCE_MAX)]) {
            if let Some(said) = said.filter(|said| said.chars().count() > max as usize) {
                *said = text::one_line(said, max);
            }
        }
    }
    for said in words.into_iter().flatten() {
        *said = text::one_line(said, text::WORD_MAX);
    }
    for said in sentences.into_iter().flatten() {
        *said = text::one_line(said, text::SENTENCE_MAX);
    }
}
