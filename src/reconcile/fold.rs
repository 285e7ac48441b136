//! How what was read or written changes an observation.
//!
//! Pure: takes the observation and one new fact, and never reads a clock, calls anybody or decides. The stages that read and write use it, and so
//! does the model that the decisions are proven with, so that both remember the same.

use std::time::Duration;

use super::plan::{
    Absence, Accepted, AttemptMemory, AttemptState, DwsDataSourceSpec, DwsDataSourceStatus, Failure, FailureKind,
    Grant, Hold, Intent, Job, JobState, JobView, Lacks, Memory, Missing, Object, Observation, OperationType, Outcome,
    Password, Provider, Reconfigure, Remote, Removed, View,
};
use super::remote::Identity;

/// How many lists that lacked something are remembered. The first ones prove the most, the last ones the latest: those in the middle are
/// forgotten first.
const ABSENCES_MAX: usize = 64;

/// How many deletes are remembered. Whoever has more surplus than that has the oldest deleted once more.
const REMOVED_MAX: usize = 16;

/// A create that was sent, or would have been.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The intent it carried out.
    pub intent: Intent,
    /// When it began, as an uptime; its deadline counts from here.
    pub begun: Duration,
    /// The answer.
    pub result: Result<Accepted, Failure>,
}

impl Observation {
    /// Takes up what is remembered of the object.
    pub fn recall(&mut self, memory: Memory) {
        self.memory = memory;
        self.memory.attempt = self.attempt();
    }

    /// Takes a newer state of the object. What was read for a place, name or type that no longer counts is dropped.
    pub fn renew(&mut self, object: Object) {
        if self.object.status.controller != object.status.controller {
            self.around.claimer = None;
        }
        let before = self.target();
        let password_of = |spec: &DwsDataSourceSpec| spec.user_pwd.clone();
        if password_of(&self.object.spec) != password_of(&object.spec) {
            self.password = Password::Unknown;
        }
        if self.object.spec != object.spec {
            self.site = None;
        }
        let is_recorded_anew = object.status.id.is_some() && object.status.id != self.object.status.id;
        self.object = object;
        self.memory.attempt = self.attempt();
        if is_recorded_anew {
            // What lists lacked before says nothing about it.
            self.memory.absences.clear();
        }
        let after = self.target();
        if before != after {
            self.remote = Remote::Unknown;
            self.owner = None;
            self.memory.absences.clear();
        }
        if before.0 != after.0 {
            self.lane = None;
        }
    }

    /// How to tell which of the listed data sources are the object's.
    #[must_use]
    pub fn ownership(&self) -> Identity<'_> {
        let (name, type_) = self.sought();
        Identity {
            uid: &self.object.uid,
            // Where its provider does not consent any more, what was taken over is nobody's of ours.
            marker: self.marks() || (self.is_imported() && !self.admits_imports() && !self.observes()),
            id: self.object.status.id.as_deref().filter(|_| !self.only_observes()),
            is_taken: (self.is_imported() && self.admits_imports()) || self.observes(),
            import: self.object.spec.import.as_ref(),
            name,
            type_,
        }
    }

    /// Notes what a list that began at this uptime means for the object.
    pub fn note_list(&mut self, began: Duration, result: Result<View, Failure>) {
        self.remote = match result {
            Ok(view) => {
                self.note_view(began, &view);
                Remote::Listed { began, view }
            }
            Err(failure) => {
                if matches!(failure.kind, FailureKind::Gone { what: Missing::Cluster }) {
                    self.note_absence(began, Lacks::Cluster);
                    self.memory.synced = Some(began);
                }
                self.note_failure();
                Remote::Failed { began, failure }
            }
        };
    }

    fn note_view(&mut self, began: Duration, view: &View) {
        let recorded = self.object.status.id.as_ref();
        let absences = &mut self.memory.absences;
        match view {
            View::Foreign { item } if recorded == Some(&item.id) => absences.clear(),
            View::Absent | View::Foreign { .. } | View::Leaving { ours: false, .. } => {
                self.note_absence(began, Lacks::Everything);
            }
            View::Ours { item, .. } if recorded.is_some_and(|id| *id != item.id) => {
                for absence in absences.iter_mut().filter(|absence| absence.lacks == Lacks::Everything) {
                    absence.lacks = Lacks::Recorded;
                }
                self.note_absence(began, Lacks::Recorded);
            }
            View::Ours { .. } | View::Leaving { ours: true, .. } => absences.clear(),
        }
        self.memory.synced = Some(began);
        let marks = self.marks();
        let clear = match view {
            View::Absent | View::Leaving { ours: false, .. } => true,
            // Without the marker it may be what a lost request made.
            View::Foreign { .. } => marks || self.object.status.id.is_some(),
            View::Ours { item, surplus } => surplus.is_empty() && self.object.status.id.as_ref() == Some(&item.id),
            View::Leaving { item, ours: true } => self.object.status.id.as_ref() == Some(&item.id),
        };
        if clear {
            self.memory.clear = Some(began);
        }
        self.memory.failures = 0;
        self.memory.failing_since = None;
    }

    /// Keeps the first absence and the latest, and between them no more than the shortest gap needs.
    fn note_absence(&mut self, began: Duration, lacks: Lacks) {
        let t = &self.timings;
        let spacing = t.settle_gap.min(t.gone_gap).min(t.deleted_gap) / 2;
        let absences = &mut self.memory.absences;
        match absences.as_slice() {
            [.., last] if last.began >= began => return,
            [.., before, last] if last.lacks == lacks && began < before.began + spacing => {
                absences.pop();
            }
            _ => {}
        }
        absences.push(Absence { began, lacks });
        if absences.len() > ABSENCES_MAX {
            absences.remove(ABSENCES_MAX / 2);
        }
    }

    fn note_failure(&mut self) {
        self.memory.failures = self.memory.failures.saturating_add(1);
        self.memory.failing_since = self.memory.failing_since.or(Some(self.uptime));
        self.note_tried();
    }

    fn note_tried(&mut self) {
        match &self.provider {
            Provider::Ready { version, .. } => self.memory.tried_version = Some(version.clone()),
            // Once it can be used, whatever its version, it is worth a try.
            Provider::Unreached { .. } => self.memory.tried_version = Some(String::new()),
            Provider::Absent { .. } | Provider::NotReady { .. } => {}
        }
    }

    /// Notes whether the object may create through its provider.
    pub fn note_grant(&mut self, found: Grant) {
        if let Provider::Ready { grant, .. } = &mut self.provider {
            *grant = found;
        }
    }

    /// Notes the answer about a job.
    pub fn note_job(&mut self, id: String, result: Result<Job, Failure>) {
        self.memory.polled = Some(self.uptime);
        match &result {
            Err(_) => self.note_failure(),
            // It is as good as a call that failed: what caused it causes no other try until it has changed.
            Ok(job) if job.state == JobState::Failed => self.note_tried(),
            Ok(job) if job.state == JobState::Succeeded => {
                self.memory.succeeded = self.memory.succeeded.or(Some(self.uptime));
            }
            Ok(_) => {}
        }
        self.job = Some(JobView {
            id,
            read: self.uptime,
            result,
        });
    }

    /// Notes that an intent stands in the annotation. A new one was not sent yet.
    pub fn note_intent(&mut self, intent: Intent) {
        let known = self.memory.attempt.as_ref();
        if known.is_none_or(|known| known.intent.attempt != intent.attempt) {
            self.memory.attempt = Some(AttemptMemory {
                intent,
                state: AttemptState::Unsent,
            });
        }
    }

    /// Notes what became of a create.
    pub fn note_posted(&mut self, posted: Posted) {
        let Posted { intent, begun, result } = posted;
        let state = match result.as_ref().map_err(|failure| &failure.kind) {
            Err(FailureKind::Fenced) => AttemptState::Unsent,
            Err(FailureKind::UnknownOutcome { answered: true, .. }) => AttemptState::Unknown {
                settled_from: self.uptime,
                answered: true,
            },
            // A request that was lost on its way may be carried out until its deadline.
            _ => AttemptState::Unknown {
                settled_from: self.uptime.max(begun + self.timings.write_deadline),
                answered: false,
            },
        };
        self.memory.attempt = Some(AttemptMemory {
            intent: intent.clone(),
            state,
        });
        self.memory.looked = false;
        self.note_write(result.as_ref().err());
        self.memory.outcome = Some(Outcome::Posted {
            intent,
            at: self.now,
            result,
        });
    }

    /// Notes what became of an update. One that the lease did not cover is still to be sent.
    pub fn note_updated(&mut self, change: Reconfigure, refresh: Option<String>, result: Result<String, Failure>) {
        self.note_write(result.as_ref().err());
        self.memory.outcome = Some(Outcome::Updated {
            change,
            refresh,
            at: self.now,
            result,
        });
    }

    /// Notes what became of a delete.
    pub fn note_deleted(&mut self, id: String, result: Result<Option<String>, Failure>) {
        self.note_write(result.as_ref().err());
        if matches!(
            result.as_ref().map_err(|failure| &failure.kind),
            Ok(_) | Err(FailureKind::Gone { .. })
        ) {
            let removed = &mut self.memory.removed;
            removed.retain(|removed| removed.id != id);
            removed.push(Removed {
                id: id.clone(),
                at: self.uptime,
            });
            removed.drain(..removed.len().saturating_sub(REMOVED_MAX));
        }
        self.memory.outcome = Some(Outcome::Deleted {
            id,
            at: self.now,
            result,
        });
    }

    /// A write that the lease did not cover was none.
    fn note_write(&mut self, failure: Option<&Failure>) {
        if failure.is_some_and(|failure| failure.kind == FailureKind::Fenced) {
            return;
        }
        self.memory.written = Some(self.uptime);
        self.memory.unsent_update = None;
        self.memory.succeeded = None;
        self.memory.polled = None;
        self.memory.absences.clear();
        if failure.is_some() {
            self.note_tried();
        }
    }

    /// Notes that the status holds a report. If that took a patch, `before` is the status that it replaced.
    pub fn note_reported(&mut self, before: Option<&DwsDataSourceStatus>) {
        self.memory.outcome = None;
        self.memory.hinted = self.object.deleting && self.object.annotations.force_delete.as_deref() == Some("");
        let Some(before) = before else { return };
        self.memory.patched = Some(self.uptime);
        let update = |status: &DwsDataSourceStatus| {
            let operation = status.operation.as_ref()?;
            let is_unsent = operation.type_ == OperationType::Update && status.job_id.is_none();
            is_unsent.then_some(operation.started_at)
        };
        // What another process recorded it may have sent.
        let recorded = update(&self.object.status).filter(|at| update(before) != Some(*at));
        self.memory.unsent_update = recorded.or(self.memory.unsent_update);
    }

    /// Notes that the pass ends with a wait.
    pub fn note_wait(&mut self, at_most: Duration, firm: bool) {
        self.memory.hold = firm.then(|| Hold {
            generation: self.object.generation,
            until: self.uptime + at_most,
        });
    }
}
