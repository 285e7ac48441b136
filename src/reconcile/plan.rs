//! The words between the stages: what was observed, and what is to be done about it.
//!
//! Everything here is plain data without clocks, floats, handles or secrets, so that it can be compared, hashed and held by a model.

use std::time::Duration;

mod around;
mod memory;
mod observation;

pub use around::{Around, ClaimerView, DefinitionView, NamespaceView, OperatorPolicy, PolicyWord};
pub use memory::{Absence, AttemptMemory, AttemptState, Hold, Lacks, Memory, Outcome, Removed};
pub use observation::{
    Annotations, Grant, JobView, LanePlace, Object, Observation, Occupant, Password, Provider, Remote, Requests, Rival,
};

pub use super::remote::{Health, View, health, observed};
pub use crate::api::data_source::{
    AttemptOutcome, Coordinates, DataSourceType, DeletionPolicy, Import, ImportPolicy, ImportRecord, LastAttempt,
    ManagementPolicy, Observed, Operation, OperationType, PlanAction, PlannedChange, ReplacementPolicy, Requested,
    Retry, RetryClass, SecretVersion,
};
pub use crate::api::{DwsDataSourceSpec, DwsDataSourceStatus, Intent};
pub use crate::cloud::{
    Accepted, CreateRequest, Failure, FailureKind, Item, Job, JobState, Missing, Reconfigure, Rejection,
    Wait as RetryWait,
};
pub use crate::runtime::lanes::Rank;
pub use crate::runtime::timings::Timings;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Plan {
    /// Read something, then decide again.
    Look(Look),
    /// Write once to the cloud or to metadata, then decide again.
    Act(Step),
    /// Patch the status if it differs, tell of what happened, then go on or wait.
    Report(Report),
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// The Secret with the password.
    Password,
    /// Whether the object may create through its provider.
    Grant,
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
    /// Whether the definition of the kind is being deleted.
    Definition,
    /// Whether another install lives.
    Claimer(String),
    /// Who is where a replacement is to be created.
    Site {
        /// Where that is.
        at: Coordinates,
        /// Which type to list.
        type_: DataSourceType,
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
    /// Keep the provider from going before the object, which is about to create through it.
    HoldProvider,
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
    },
    /// Send an update.
    Update {
        /// The id.
        id: String,
        /// Where it is.
        at: Coordinates,
        /// What to change.
        change: Reconfigure,
        /// The request to renew the agency's credentials that it answers.
        refresh: Option<String>,
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
        /// Whether no event may shorten it, short of a change of the spec.
        firm: bool,
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
