//! Jobs: the work that an accepted write starts, and what the job call shows of it.
//!
//! A job is a value with a beginning and an end; it never changes a data source itself, its cluster does.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::settings::JobStates;
use crate::source::cloud_time;

/// How a job ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// `SUCCESS`.
    Success,
    /// `FAIL`; the work is not done.
    Fail {
        /// `failed_code`, for example `CreateExtDataSourceTask-fail:DWS.5172`.
        code: String,
        /// `failed_detail`.
        detail: String,
    },
    /// `STOP`; the work is not done.
    Stop,
    /// It goes on for ever at 99 %, and its cluster stays busy.
    Never,
    /// The work is done, and the job call answers as for an id that does not exist.
    Vanish,
    /// It shows a state that no document names for ever, and its cluster stays busy.
    Unknown(String),
}

/// What a job works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Create,
    /// With the new agency, if the update names one, and whether the cluster restarts.
    Update {
        agency: Option<String>,
        restart: bool,
    },
    Delete,
}

/// A job of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) work: Work,
    pub(crate) source_id: String,
    pub(crate) source_name: String,
    pub(crate) outcome: JobOutcome,
    begin: Timestamp,
    duration: Duration,
}

impl Job {
    pub(crate) fn begin(
        id: String,
        work: Work,
        (source_id, source_name): (String, String),
        outcome: JobOutcome,
        duration: Duration,
        begin: Timestamp,
    ) -> Self {
        Self {
            id,
            work,
            source_id,
            source_name,
            outcome,
            begin,
            duration,
        }
    }

    /// When its outcome shows.
    pub(crate) fn due(&self) -> Timestamp {
        self.begin.checked_add(self.duration).unwrap_or(Timestamp::MAX)
    }

    /// Whether it never ends by itself.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.outcome, JobOutcome::Never | JobOutcome::Unknown(_))
    }

    /// Ends it now with this outcome.
    pub(crate) fn end(&mut self, outcome: JobOutcome, now: Timestamp) {
        self.outcome = outcome;
        self.duration = now.duration_since(self.begin).unsigned_abs();
    }

    /// Why its work was not done, if its outcome is a failure.
    pub(crate) fn failure(&self) -> Option<&str> {
        match &self.outcome {
            JobOutcome::Fail { detail, .. } => Some(detail),
            JobOutcome::Stop => Some("The job was stopped."),
            _ => None,
        }
    }

    /// The body of the job call; none if the call does not know the job any more.
    pub(crate) fn shown(&self, shown: JobStates, now: Timestamp) -> Option<Value> {
        let due = self.due();
        let progress = self.progress(now);
        let running = match (shown, progress) {
            (JobStates::Two, 0) | (JobStates::Four, 0..25) => "INIT",
            (JobStates::Four, 25..50) => "WAITING",
            (JobStates::Four, 75..) => "DELAY_SCHEDULED",
            _ => "RUNNING",
        };
        let (status, code, detail) = match &self.outcome {
            _ if now < due => (running, "", ""),
            JobOutcome::Never => (running, "", ""),
            JobOutcome::Success => ("SUCCESS", "", ""),
            JobOutcome::Fail { code, detail } => ("FAIL", code.as_str(), detail.as_str()),
            JobOutcome::Stop => ("STOP", "", ""),
            JobOutcome::Unknown(word) => (word.as_str(), "", ""),
            JobOutcome::Vanish => return None,
        };
        let ended = now >= due && !self.is_endless();
        Some(json!({
            "status": status,
            "progress": format!("{progress}%"),
            "job_id": self.id,
            "job_name": match self.work {
                Work::Create => "createExtDataSourceJob",
                Work::Update { .. } => "updateExtDataSourceJob",
                Work::Delete => "deleteExtDataSourceJob",
            },
            "begin_time": cloud_time(self.begin),
            "end_time": if ended { cloud_time(due) } else { String::new() },
            "failed_code": code,
            "failed_detail": detail,
        }))
    }

    /// Percent of the duration that has passed; 100 only when the work is done.
    fn progress(&self, now: Timestamp) -> u128 {
        let passed = now.duration_since(self.begin).unsigned_abs().as_nanos();
        if now >= self.due() && self.failure().is_none() && !self.is_endless() {
            return 100;
        }
        let percent = passed.saturating_mul(100).checked_div(self.duration.as_nanos());
        percent.map_or(99, |percent| percent.min(99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(outcome: JobOutcome) -> (Job, Timestamp) {
        let begin: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let source = ("id".to_owned(), "name".to_owned());
        (
            Job::begin(
                "job".to_owned(),
                Work::Create,
                source,
                outcome,
                Duration::from_secs(10),
                begin,
            ),
            begin,
        )
    }

    fn looks(outcome: JobOutcome) -> Vec<String> {
        let (job, begin) = job(outcome);
        [0, 4, 10, 100]
            .map(
                |second| match job.shown(JobStates::Two, begin + Duration::from_secs(second)) {
                    Some(body) => {
                        format!(
                            "{} {}",
                            body["status"].as_str().unwrap(),
                            body["progress"].as_str().unwrap()
                        )
                    }
                    None => "gone".to_owned(),
                },
            )
            .to_vec()
    }

    #[test]
    fn each_outcome_shows_as_documented() {
        assert_eq!(
            looks(JobOutcome::Success),
            ["INIT 0%", "RUNNING 40%", "SUCCESS 100%", "SUCCESS 100%"]
        );
        assert_eq!(
            looks(JobOutcome::Stop),
            ["INIT 0%", "RUNNING 40%", "STOP 99%", "STOP 99%"]
        );
        assert_eq!(
            looks(JobOutcome::Never),
            ["INIT 0%", "RUNNING 40%", "RUNNING 99%", "RUNNING 99%"]
        );
        assert_eq!(looks(JobOutcome::Vanish), ["INIT 0%", "RUNNING 40%", "gone", "gone"]);
        let unknown = JobOutcome::Unknown("PAUSED".to_owned());
        assert_eq!(looks(unknown), ["INIT 0%", "RUNNING 40%", "PAUSED 99%", "PAUSED 99%"]);
    }

    #[test]
    fn all_states_show_in_turn() {
        let (job, begin) = job(JobOutcome::Success);
        let state = |second| job.shown(JobStates::Four, begin + Duration::from_secs(second)).unwrap()["status"].clone();
        assert_eq!(
            [0, 3, 6, 9, 10].map(state),
            ["INIT", "WAITING", "RUNNING", "DELAY_SCHEDULED", "SUCCESS"]
        );
    }

    #[test]
    fn a_failure_tells_its_code_and_detail() {
        let fail = JobOutcome::Fail {
            code: "Task-fail:DWS.0114".to_owned(),
            detail: "No address.".to_owned(),
        };
        let (job, begin) = job(fail);
        let body = job.shown(JobStates::Two, begin + Duration::from_secs(10)).unwrap();
        assert_eq!(body["failed_code"], "Task-fail:DWS.0114");
        assert_eq!(body["failed_detail"], "No address.");
        assert_eq!(body["end_time"], "2026-01-02T03:04:15");
    }
}
