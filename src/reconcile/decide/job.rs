//! Following a job of the cloud to its end.

use std::time::Duration;

use jiff::Timestamp;

use super::super::plan::{FailureKind, Job, JobState, Look, Observation, Plan, Rank, RetryClass};
use super::draft::Draft;
use super::facts::until;
use super::trouble;
use crate::api::conditions::Verdict;

/// How a job ended. `read` is the uptime of the answer: a list begun since then shows the job's effect.
pub enum End {
    Succeeded {
        read: Duration,
    },
    Failed {
        job: Job,
        read: Duration,
    },
    /// It is past its deadline and has not ended.
    Overdue {
        read: Duration,
        /// What the user reads of it.
        message: String,
    },
    /// The cloud no longer knows the job, or never told its id; only the list can tell.
    Unknown {
        read: Duration,
    },
}

/// A job to follow.
pub struct Running<'a> {
    pub id: Option<&'a str>,
    pub started_at: Timestamp,
    /// The verdict while it runs.
    pub verdict: Verdict,
}

impl Running<'_> {
    /// The job's end, or the plan that leads there. The lane is kept while the job runs, up to its deadline; afterwards it is looked at
    /// slowly.
    pub fn follow(&self, o: &Observation) -> Result<End, Plan> {
        let Some(id) = self.id else {
            return Ok(End::Unknown { read: o.started });
        };
        let Some(view) = o.job.as_ref().filter(|view| view.id == id) else {
            let polled = o
                .memory
                .polled
                .map_or(Duration::ZERO, |polled| polled + self.interval(o));
            let rest = polled.saturating_sub(o.uptime);
            let rest = rest.max(trouble::closed(o).unwrap_or_default());
            return Err(if rest.is_zero() {
                Plan::Look(Look::Job { id: id.to_owned() })
            } else {
                let draft = Draft::new(o);
                // What the last read told stands until the next one.
                let draft = if o.generation_observed() || self.late(o) {
                    draft
                } else {
                    draft.verdict(&self.verdict)
                };
                self.wait(o, draft, rest)
            });
        };
        let read = view.read;
        match &view.result {
            Ok(job) => match job.state {
                JobState::Succeeded => Ok(End::Succeeded { read }),
                JobState::Failed => Ok(End::Failed { job: job.clone(), read }),
                JobState::Running | JobState::Other(_) if self.late(o) => Ok(End::Overdue {
                    read,
                    message: overdue(&job.state),
                }),
                JobState::Running | JobState::Other(_) => Err(self.pending(o, job)),
            },
            Err(failure) if matches!(failure.kind, FailureKind::Gone { .. }) => Ok(End::Unknown { read }),
            Err(failure) => {
                let (draft, wait) = trouble::report(o, Draft::new(o), failure);
                Err(self.wait(o, draft, wait))
            }
        }
    }

    /// Whether the job is past its deadline; it is then looked at slowly, outside the lane.
    pub fn late(&self, o: &Observation) -> bool {
        until(self.started_at, o.now) >= o.timings.job_deadline
    }

    fn pending(&self, o: &Observation, job: &Job) -> Plan {
        if o.lane.is_none() {
            return Plan::Look(Look::Lane(Rank::Resume));
        }
        let patched = o.memory.patched;
        let fresh = patched.is_none_or(|patched| patched + o.timings.progress_interval <= o.uptime);
        let draft = Draft::new(o).edit(|status| {
            status.retry = None;
            if let Some(operation) = status.operation.as_mut().filter(|_| fresh)
                && job.progress.is_some()
            {
                operation.progress.clone_from(&job.progress);
            }
        });
        draft.verdict(&self.verdict).wait_in_lane(self.interval(o))
    }

    /// Others of the DWS cluster go on where nobody can tell for long how the job does.
    fn wait(&self, o: &Observation, draft: Draft<'_>, wait: Duration) -> Plan {
        let retry = draft.status().retry.as_ref();
        if self.late(o) || retry.is_some_and(|retry| retry.class != RetryClass::Transient) {
            draft.wait(wait)
        } else {
            draft.wait_in_lane(wait)
        }
    }

    fn interval(&self, o: &Observation) -> Duration {
        if self.late(o) {
            o.timings.job_poll_late
        } else {
            interval(o, self.started_at)
        }
    }
}

/// What the user reads of a job that is past its deadline.
fn overdue(state: &JobState) -> String {
    let state = match state {
        JobState::Other(state) => format!("; its state is {state}"),
        _ => String::new(),
    };
    format!("The cloud's job has not ended in time{state}; look at it in the console.")
}

/// The time between two looks at an operation: a job may end after some seconds or after some minutes, so it grows with
/// the age of the operation.
pub fn interval(o: &Observation, started_at: Timestamp) -> Duration {
    let t = &o.timings;
    (until(started_at, o.now) / 8).clamp(t.job_poll_min, t.job_poll_max)
}
