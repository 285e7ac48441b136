//! What a decision is made from: the object, its surroundings in Kubernetes, and what was read of the cloud in this pass.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Around, Coordinates, DwsDataSourceSpec, DwsDataSourceStatus, Failure, Intent, Job, Memory, Rank, SecretVersion,
    Timings, View,
};

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
    /// How often the cloud is compared with the spec, by the spec itself or else by the operator's settings; zero is never.
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
    /// What is set around the object.
    pub around: Around,
    /// Whose the listed data source is, if it is another living object's by its marker or its id.
    pub owner: Option<Rival>,
    /// Who is where a replacement is to be created, or why that could not be found out; none if nobody looked in this pass.
    pub site: Option<Result<Occupant, Failure>>,
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
    /// What its annotations ask for.
    pub requests: Requests,
    /// What its other annotations ask for.
    pub annotations: Annotations,
}

/// What the annotations of an object ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Annotations {
    /// A pause.
    pub paused: bool,
    /// To let the object go by force, for this reason: one bounded line, perhaps empty.
    pub force_delete: Option<String>,
}

/// What annotations ask for: each holds a token, and a new token is a new request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requests {
    /// `dws.huaweicloud.com/reconcile-requested-at`
    pub reconcile: Option<String>,
    /// `dws.huaweicloud.com/reboot-requested-at`
    pub reboot: Option<String>,
    /// `dws.huaweicloud.com/refresh-requested-at`
    pub refresh: Option<String>,
    /// `dws.huaweicloud.com/approve`: the id of a plan.
    pub approve: Option<String>,
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
    /// Whether it can be used is not known: it, its Secret or its project could not be read.
    Unreached {
        /// Which one.
        name: String,
        /// Why; every read through it fails like this.
        failure: Failure,
    },
    /// It can be used.
    Ready {
        /// Where it leads.
        coordinates: Coordinates,
        /// Whether this object may create through it.
        grant: Grant,
        /// Whether creates carry the ownership marker.
        marker: bool,
        /// Whether what exists already may be taken over or observed through it.
        imports: bool,
        /// Changes whenever the provider or its Secret changes.
        version: String,
    },
}

/// Whether an object may create through its provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Nobody has looked yet; what was created already does not need it.
    Unasked,
    /// It may.
    Given,
    /// It may, and the provider is kept for as long as the object uses it.
    Held,
    /// The provider is being deleted: it serves what exists, and nothing new.
    Leaving,
    /// It may not, and why.
    Refused(String),
    /// That could not be found out, and why.
    Unreadable(String),
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

/// Who has the place and name that a replacement is to be created under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Occupant {
    /// Nobody.
    Nobody,
    /// Another object holds the name, or comes before.
    Object(Rival),
    /// The cloud lists a data source of that name, which is not the object's.
    Item {
        /// Its id.
        id: String,
    },
}

/// A place in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LanePlace {
    /// It may write to the DWS cluster.
    Held {
        /// Since when, as an uptime.
        since: Duration,
        /// What for. An operation that was under way already (`Resume`) entitles to no other.
        rank: Rank,
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
