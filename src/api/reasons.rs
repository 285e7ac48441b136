//! The closed list of condition reasons, each named after what its reader must do.
//! Every reason has its row in `docs/troubleshooting.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a condition stands as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    // Ready
    /// The data source exists in the cloud, is healthy and matches the spec.
    Available,

    // Reconciling: the operator comes back by itself.
    /// The data source is being created.
    Creating,
    /// The data source is being deleted.
    Deleting,
    /// A failed create is being removed before the next try.
    Replacing,
    /// The operator is finding out what became of an earlier request.
    Recovering,
    /// The provider does not exist or is not ready yet.
    WaitingForProvider,
    /// A Secret does not exist yet.
    WaitingForSecret,
    /// The DWS cluster is missing or has been busy for long.
    WaitingForCluster,
    /// Another object with the same cluster and name is being deleted.
    WaitingForOwner,
    /// A transient error is being retried.
    Retrying,
    /// The cloud throttles the operator.
    RateLimited,

    // Stalled: somebody has to change something.
    /// The cloud or the operator refuses the spec.
    InvalidSpec,
    /// The cloud holds a data source of that name which is not this object's.
    AlreadyExists,
    /// Another object owns that cluster and name.
    DuplicateOwner,
    /// Without the ownership marker the operator cannot tell whose data source it found.
    Ambiguous,
    /// The provider resolves to another endpoint, project or cluster than the recorded one.
    ProviderMismatch,
    /// The credentials lack a permission, or the provider does not admit this object.
    AccessDenied,
    /// The cloud refuses the credentials.
    CredentialsRejected,
    /// The create job failed; its record stays in the cloud until the spec changes.
    CreateFailed,
    /// The cloud refused to delete, or the delete job failed.
    DeleteFailed,
    /// The job did not end before its deadline.
    JobTimedOut,
    /// The change takes effect only after a restart of the DWS cluster.
    RebootRequired,
    /// The cloud's data source differs from the spec.
    Drifted,
    /// The DWS account or cluster is frozen.
    Frozen,
    /// A bug in the operator; the log has the details.
    InternalError,
}
