//! What a process remembers of an object from pass to pass. None of it is needed to be right: a process that starts without it
//! proves everything again.

use std::time::Duration;

use jiff::Timestamp;

use super::{Accepted, Failure, Intent, Reconfigure};

/// What this process remembers of an object from pass to pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// What it knows of the attempt in the intent annotation.
    pub attempt: Option<AttemptMemory>,
    /// What a write to the cloud brought, until it is in the status.
    pub outcome: Option<Outcome>,
    /// Whether job and list were read once since the accepted create in `outcome`.
    pub looked: bool,
    /// When lists that lacked everything of ours began, oldest first.
    pub absences: Vec<Absence>,
    /// When the last write to the cloud for this object ended, as an uptime.
    pub written: Option<Duration>,
    /// When the last list that told something began, as an uptime.
    pub synced: Option<Duration>,
    /// When the last list began that showed nothing of ours but the recorded one, as an uptime.
    pub clear: Option<Duration>,
    /// The last deletes that the cloud accepted, or that missed their target, the latest last.
    pub removed: Vec<Removed>,
    /// How many reads in a row failed, and since when, while the status still tells the last verdict.
    pub failures: u32,
    /// When the first of them failed, as an uptime.
    pub failing_since: Option<Duration>,
    /// A wait that no event may shorten.
    pub hold: Option<Hold>,
    /// When a job was last read since the last write to the cloud, as an uptime.
    pub polled: Option<Duration>,
    /// When the status was last patched, as an uptime.
    pub patched: Option<Duration>,
    /// The provider's version when a call through it last failed.
    pub tried_version: Option<String>,
    /// When the update began, by the status, that this process recorded and has not sent.
    pub unsent_update: Option<Timestamp>,
    /// When the last job was first seen to have succeeded since the last write to the cloud, as an uptime.
    pub succeeded: Option<Duration>,
    /// Whether the user was told that a force-delete needs a reason.
    pub hinted: bool,
}

impl Memory {
    /// Whether the cloud has agreed to an operation that is not in the status yet and may still go on, `deadline` being the most that one
    /// takes.
    #[must_use]
    pub fn is_under_way(&self, now: Timestamp, deadline: Duration) -> bool {
        let since = match &self.outcome {
            Some(
                Outcome::Posted { at, result: Ok(_), .. }
                | Outcome::Updated { at, result: Ok(_), .. }
                | Outcome::Deleted { at, result: Ok(_), .. },
            ) => *at,
            _ => return false,
        };
        Duration::try_from(now.duration_since(since)).unwrap_or_default() < deadline
    }
}

/// A delete that shows in the list sooner or later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Removed {
    /// What it was about.
    pub id: String,
    /// When it was answered, as an uptime.
    pub at: Duration,
}

/// A wait that no event may shorten, short of a change of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The generation of the spec that waits.
    pub generation: i64,
    /// How long, as an uptime.
    pub until: Duration,
}

/// A list that lacked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Absence {
    /// When the request began, as an uptime.
    pub began: Duration,
    /// What it lacked.
    pub lacks: Lacks,
}

/// What a list lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lacks {
    /// Everything of ours.
    Everything,
    /// The recorded data source, but not everything of ours.
    Recorded,
    /// The DWS cluster itself.
    Cluster,
}

/// What this process knows of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttemptMemory {
    /// The intent as this process wrote or first saw it.
    pub intent: Intent,
    /// How far it went.
    pub state: AttemptState,
}

/// How far an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Recorded by this process and not sent.
    Unsent,
    /// Sent, perhaps; its effect is unknown.
    Unknown {
        /// From when on a list proves something, as an uptime.
        settled_from: Duration,
        /// Whether DWS itself answered.
        answered: bool,
    },
}

/// What a write to the cloud brought.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A create was sent.
    Posted {
        /// The intent it carried out.
        intent: Intent,
        /// When it ended.
        at: Timestamp,
        /// The answer.
        result: Result<Accepted, Failure>,
    },
    /// An update was sent.
    Updated {
        /// What it asked for.
        change: Reconfigure,
        /// The request to renew the agency's credentials that it answers.
        refresh: Option<String>,
        /// When it ended.
        at: Timestamp,
        /// The answer: the id of the job.
        result: Result<String, Failure>,
    },
    /// A delete was sent.
    Deleted {
        /// The id it was about.
        id: String,
        /// When it ended.
        at: Timestamp,
        /// The answer: a job id, if the cloud gave one.
        result: Result<Option<String>, Failure>,
    },
}
