//! The words between the stages: what was observed, and what is to be done about it.
//!
//! Everything here is plain data without clocks, floats, handles or secrets, so that it can be compared, hashed and held by a model.

use std::time::Duration;

use jiff::Timestamp;

pub use super::remote::{Health, View};
pub use crate::api::data_source::{
    AttemptOutcome, Coordinates, DataSourceType, DeletionPolicy, LastAttempt, Observed, Operation, OperationType,
    Retry, RetryClass, SecretVersion,
};
pub use crate::api::{DwsDataSourceSpec, DwsDataSourceStatus, Intent};
pub use crate::cloud::{
    Accepted, CreateRequest, Failure, FailureKind, Item, Job, JobState, Missing, Rejection, Wait as RetryWait,
};
pub use crate::runtime::lanes::Rank;
pub use crate::runtime::timings::Timings;

/// Everything that a decision may depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The wall clock, for what is written down.
    pub now: Timestamp,
    /// The time since the process started, for what is waited for.
    pub uptime: Duration,
    /// When this pass began, as an uptime.
    pub started: Duration,
    /// This process's identity among the replicas.
    pub identity: String,
    /// An attempt id that nobody used yet.
    pub fresh_attempt: String,
    /// A random number below 1000, for jitter.
    pub jitter: u32,
    /// How long to wait for what.
    pub timings: Timings,
    /// How often the cloud is compared with the spec; zero is never.
    pub resync_period: Duration,
    /// The object.
    pub object: Object,
    /// Its provider.
    pub provider: Provider,
    /// Its password.
    pub password: Password,
    /// Who else holds the cluster and name.
    pub rival: Option<Rival>,
    /// Its place in the lane of its DWS cluster; none while it has not asked for one.
    pub lane: Option<LanePlace>,
    /// What the cloud lists.
    pub remote: Remote,
    /// Its job.
    pub job: Option<JobView>,
    /// What this process remembers of the object.
    pub memory: Memory,
}

/// The object, reduced to what decisions read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Whether it carries our finalizer.
    pub finalizer: bool,
    /// Whether it carries a finalizer of somebody else.
    pub foreign_finalizer: bool,
    /// `spec`.
    pub spec: DwsDataSourceSpec,
    /// `status`.
    pub status: DwsDataSourceStatus,
    /// The intent annotation, if it is one of this object's.
    pub intent: Option<Intent>,
}

/// The provider that the object names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// It does not exist.
    Absent {
        /// Which one was looked for.
        name: String,
    },
    /// It exists but cannot be used yet.
    NotReady {
        /// Which one.
        name: String,
        /// Why, for the user.
        message: String,
        /// Whether it lacks a Secret.
        secret: bool,
    },
    /// It can be used.
    Ready {
        /// Where it leads.
        coordinates: Coordinates,
        /// Whether this object may create through it; if not, why.
        refusal: Option<String>,
        /// Whether creates carry the ownership marker.
        marker: bool,
        /// Changes whenever the provider or its Secret changes.
        version: String,
    },
}

/// The password that the spec refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Password {
    /// Not read yet.
    Unknown,
    /// Its Secret does not exist.
    Absent,
    /// Its Secret exists but holds no usable password.
    Invalid {
        /// Which version of the Secret.
        version: SecretVersion,
        /// What is wrong, without the value.
        message: String,
    },
    /// It can be sent.
    Present {
        /// Which version of the Secret.
        version: SecretVersion,
    },
    /// The Secret could not be read.
    Unreadable {
        /// Why.
        message: String,
    },
}

/// Another object that holds the same endpoint, project, cluster and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rival {
    /// `namespace/name` of the other object.
    pub name: String,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// A place in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LanePlace {
    /// It may write to the DWS cluster.
    Held {
        /// Since when, as an uptime.
        since: Duration,
    },
    /// Others come first.
    Waiting,
}

/// What the cloud lists of the object's type in its DWS cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// Not read in this pass.
    Unknown,
    /// Read.
    Listed {
        /// When the request began, as an uptime.
        began: Duration,
        /// What it means for this object.
        view: View,
    },
    /// The list could not be read.
    Failed {
        /// When the request began, as an uptime.
        began: Duration,
        /// Why.
        failure: Failure,
    },
}

/// What the cloud says of the object's job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobView {
    /// Which job.
    pub id: String,
    /// When the answer came, as an uptime.
    pub read: Duration,
    /// The answer.
    pub result: Result<Job, Failure>,
}

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
    /// When the list was last compared with the spec, as an uptime.
    pub synced: Option<Duration>,
    /// How many reads in a row failed, and since when, while the status still tells the last verdict.
    pub failures: u32,
    /// When the first of them failed, as an uptime.
    pub failing_since: Option<Duration>,
    /// When the last pass asked to be woken, as an uptime.
    pub wake_at: Option<Duration>,
    /// How often the running job was read.
    pub polls: u32,
    /// When the status was last patched, as an uptime.
    pub patched: Option<Duration>,
    /// The provider's version when a call through it last failed.
    pub tried_version: Option<String>,
}

/// A list that lacked everything of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Absence {
    /// When the request began, as an uptime.
    pub began: Duration,
    /// Whether it was the DWS cluster that was missing.
    pub cluster_gone: bool,
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
        /// The generation of the spec that it sent.
        generation: i64,
        /// The version of the Secret that it sent.
        secret: Option<SecretVersion>,
        /// When it ended.
        at: Timestamp,
        /// The answer.
        result: Result<Accepted, Failure>,
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

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Plan {
    /// Read something, then decide again.
    Look(Look),
    /// Write once to the cloud or to the object's metadata, then decide again.
    Act(Step),
    /// Patch the status if it differs, tell of what happened, then go on or wait.
    Report(Report),
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// The Secret with the password.
    Password,
    /// A place in the lane of the DWS cluster.
    Lane(Rank),
    /// The list, begun at this uptime or later.
    List {
        /// The uptime.
        since: Duration,
        /// Where to look.
        at: Coordinates,
        /// Which type to list.
        type_: DataSourceType,
    },
    /// The job.
    Job {
        /// Which job.
        id: String,
    },
    /// Job and list right after an accepted create, within `Timings::quick_look` together.
    Quick {
        /// The job.
        id: String,
        /// Where to look.
        at: Coordinates,
        /// Which type to list.
        type_: DataSourceType,
    },
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write the intent and the finalizer, guarded by resourceVersion.
    RecordIntent(Intent),
    /// Put back the finalizer that somebody took away.
    PutFinalizer,
    /// Send the create of the recorded intent.
    Post {
        /// The body, without the password.
        request: CreateRequest,
        /// The intent it carries out.
        intent: Intent,
        /// Which version of the Secret to send.
        secret: Option<SecretVersion>,
    },
    /// Send a delete.
    Delete {
        /// The id.
        id: String,
        /// Where it is.
        at: Coordinates,
    },
    /// Let the object go.
    DropFinalizer {
        /// What to tell of it.
        note: Option<Note>,
    },
}

/// A status and what comes after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// The whole status as it shall be.
    pub status: DwsDataSourceStatus,
    /// What to tell beyond the change of the verdict.
    pub notes: Vec<Note>,
    /// What comes next.
    pub then: Then,
}

/// What comes after a report.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    /// Decide again at once.
    Again,
    /// Wait for a change, at most this long.
    Wait {
        /// How long.
        at_most: Duration,
        /// Whether to keep the place in the lane.
        keep_lane: bool,
    },
}

/// An event to publish.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Whether something is wrong.
    pub warning: bool,
    /// The event's reason.
    pub reason: &'static str,
    /// The event's text.
    pub text: String,
}
