//! Following a job of the cloud to its end.

use std::time::Duration;

use jiff::Timestamp;

use super::super::plan::{FailureKind, Job, JobState, Look, Observation, Plan, Rank};
use super::draft::Draft;
use super::facts::{after, until};
use super::trouble;
use crate::api::Reason;
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
    /// The job's end, or the plan that leads there.
    pub fn follow(&self, o: &Observation) -> Result<End, Plan> {
        let Some(id) = self.id else {
            return Ok(End::Unknown { read: o.started });
        };
        if o.lane.is_none() && !self.late(o) {
            return Err(Plan::Look(Look::Lane(Rank::Resume)));
        }
        let Some(view) = o.job.as_ref().filter(|view| view.id == id) else {
            return Err(match o.memory.wake_at {
                Some(wake) if o.memory.polls > 0 && wake > o.uptime => {
                    self.wait(o, Draft::new(o), wake.saturating_sub(o.uptime))
                }
                _ => Plan::Look(Look::Job { id: id.to_owned() }),
            });
        };
        match &view.result {
            Ok(Job {
                state: JobState::Succeeded,
                ..
            }) => Ok(End::Succeeded { read: view.read }),
            Ok(
                job @ Job {
                    state: JobState::Failed,
                    ..
                },
            ) => Ok(End::Failed {
                job: job.clone(),
                read: view.read,
            }),
            Ok(job) => Err(self.pending(o, job)),
            Err(failure) if matches!(failure.kind, FailureKind::Gone { .. }) => Ok(End::Unknown { read: view.read }),
            Err(failure) => Err(trouble::unreadable(o, failure)),
        }
    }

    /// Whether the job is past its deadline; it is then looked at slowly, outside the lane.
    pub fn late(&self, o: &Observation) -> bool {
        until(o.now, after(self.started_at, o.timings.job_deadline)).is_zero()
    }

    fn pending(&self, o: &Observation, job: &Job) -> Plan {
        let fresh = o
            .memory
            .patched
            .is_none_or(|patched| patched + o.timings.progress_interval <= o.uptime);
        let draft = Draft::new(o).edit(|status| {
            status.retry = None;
            if let Some(operation) = &mut status.operation
                && fresh
                && job.progress.is_some()
            {
                operation.progress.clone_from(&job.progress);
            }
        });
        if self.late(o) {
            let state = match &job.state {
                JobState::Other(state) => format!("; its state is {state}"),
                _ => String::new(),
            };
            let message = format!("The cloud's job has not ended in time{state}; look at it in the console.");
            return draft
                .stalled(Reason::JobTimedOut, message)
                .wait(o.timings.job_poll_late);
        }
        self.wait(o, draft, poll_interval(o))
    }

    fn wait(&self, o: &Observation, draft: Draft<'_>, wait: Duration) -> Plan {
        if self.late(o) {
            draft.wait(wait)
        } else {
            draft.verdict(&self.verdict).wait_in_lane(wait)
        }
    }
}

/// Jobs of an OBS source end after some ten seconds, those of an MRS source after minutes (dws-api §2): the interval grows.
pub fn poll_interval(o: &Observation) -> Duration {
    let t = &o.timings;
    t.job_poll_min
        .saturating_mul(1 << (o.memory.polls.min(10) / 3))
        .min(t.job_poll_max)
}
