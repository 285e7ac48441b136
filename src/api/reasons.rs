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
    /// The data source is being changed in place.
    Updating,
    /// The data source is being deleted.
    Deleting,
    /// A failed create, or what the spec no longer describes, is being removed; then it is created anew.
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
    /// The cloud refused to change the data source, or changed nothing.
    UpdateFailed,
    /// The cloud refused to delete, or the delete job failed.
    DeleteFailed,
    /// The job did not end before its deadline.
    JobTimedOut,
    /// What the object takes over or observes, or took over, is not in the cloud.
    ExternallyDeleted,
    /// The change takes effect only after a restart of the DWS cluster.
    RebootRequired,
    /// Only a replacement can make the change, and it waits to be approved.
    ApprovalRequired,
    /// The cloud's data source differs from the spec.
    Drifted,
    /// The DWS account or cluster is frozen.
    Frozen,
    /// A bug in the operator; the log has the details.
    InternalError,

    // Paused: beside any verdict.
    /// Somebody asked the operator to leave the object alone.
    Paused,
}

/// What a reason says about the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonClass {
    /// All is well.
    Ready,
    /// The operator comes back by itself.
    Reconciling,
    /// Somebody has to change something.
    Stalled,
    /// Somebody asked for a pause.
    Paused,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 30] = [
        Self::Available,
        Self::Creating,
        Self::Updating,
        Self::Deleting,
        Self::Replacing,
        Self::Recovering,
        Self::WaitingForProvider,
        Self::WaitingForSecret,
        Self::WaitingForCluster,
        Self::WaitingForOwner,
        Self::Retrying,
        Self::RateLimited,
        Self::InvalidSpec,
        Self::AlreadyExists,
        Self::DuplicateOwner,
        Self::Ambiguous,
        Self::ProviderMismatch,
        Self::AccessDenied,
        Self::CredentialsRejected,
        Self::CreateFailed,
        Self::UpdateFailed,
        Self::DeleteFailed,
        Self::JobTimedOut,
        Self::ExternallyDeleted,
        Self::RebootRequired,
        Self::ApprovalRequired,
        Self::Drifted,
        Self::Frozen,
        Self::InternalError,
        Self::Paused,
    ];

    /// The word in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Creating => "Creating",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
            Self::Replacing => "Replacing",
            Self::Recovering => "Recovering",
            Self::WaitingForProvider => "WaitingForProvider",
            Self::WaitingForSecret => "WaitingForSecret",
            Self::WaitingForCluster => "WaitingForCluster",
            Self::WaitingForOwner => "WaitingForOwner",
            Self::Retrying => "Retrying",
            Self::RateLimited => "RateLimited",
            Self::InvalidSpec => "InvalidSpec",
            Self::AlreadyExists => "AlreadyExists",
            Self::DuplicateOwner => "DuplicateOwner",
            Self::Ambiguous => "Ambiguous",
            Self::ProviderMismatch => "ProviderMismatch",
            Self::AccessDenied => "AccessDenied",
            Self::CredentialsRejected => "CredentialsRejected",
            Self::CreateFailed => "CreateFailed",
            Self::UpdateFailed => "UpdateFailed",
            Self::DeleteFailed => "DeleteFailed",
            Self::JobTimedOut => "JobTimedOut",
            Self::ExternallyDeleted => "ExternallyDeleted",
            Self::RebootRequired => "RebootRequired",
            Self::ApprovalRequired => "ApprovalRequired",
            Self::Drifted => "Drifted",
            Self::Frozen => "Frozen",
            Self::InternalError => "InternalError",
            Self::Paused => "Paused",
        }
    }

    /// What it says about the object.
    #[must_use]
    pub fn class(self) -> ReasonClass {
        match self {
            Self::Available => ReasonClass::Ready,
            Self::Creating
            | Self::Updating
            | Self::Deleting
            | Self::Replacing
            | Self::Recovering
            | Self::WaitingForProvider
            | Self::WaitingForSecret
            | Self::WaitingForCluster
            | Self::WaitingForOwner
            | Self::Retrying
            | Self::RateLimited => ReasonClass::Reconciling,
            Self::InvalidSpec
            | Self::AlreadyExists
            | Self::DuplicateOwner
            | Self::Ambiguous
            | Self::ProviderMismatch
            | Self::AccessDenied
            | Self::CredentialsRejected
            | Self::CreateFailed
            | Self::UpdateFailed
            | Self::DeleteFailed
            | Self::JobTimedOut
            | Self::ExternallyDeleted
            | Self::RebootRequired
            | Self::ApprovalRequired
            | Self::Drifted
            | Self::Frozen
            | Self::InternalError => ReasonClass::Stalled,
            Self::Paused => ReasonClass::Paused,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_row_in_the_troubleshooting_guide() {
        let guide = include_str!("../../docs/troubleshooting.md");
        for reason in Reason::ALL {
            assert!(
                guide.contains(&format!("| `{reason}` |")),
                "{reason} has no row in docs/troubleshooting.md"
            );
        }
    }

    /// The variants as the compiler sees them, by way of the derived schema.
    fn variants() -> Vec<String> {
        let schema = serde_json::to_value(schemars::schema_for!(Reason)).unwrap();
        let variants = schema["oneOf"].as_array().unwrap();
        variants
            .iter()
            .map(|v| v["const"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn all_holds_every_reason_once() {
        assert_eq!(Reason::ALL.map(Reason::as_str).to_vec(), variants());
    }

    #[test]
    fn a_reason_is_written_as_its_word() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
