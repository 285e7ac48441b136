//! What can be counted about the calls of a session.

use std::time::Duration;

/// The kinds of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Create a data source.
    Create,
    /// List data sources.
    List,
    /// Update a data source.
    Update,
    /// Delete a data source.
    Delete,
    /// Read a job.
    Job,
    /// Log in to IAM.
    Login,
    /// List the projects of a region in IAM.
    Projects,
    /// Ask the pod identity agent of the node for temporary access keys.
    PodIdentity,
    /// Exchange a `ServiceAccount` token for temporary access keys, in STS.
    AssumeWithOidc,
    /// Exchange a `ServiceAccount` token for an IAM token.
    IdToken,
    /// Exchange an IAM token for temporary access keys.
    SecurityToken,
    /// Assume an agency in IAM.
    AssumeInIam,
    /// Assume an agency in STS.
    AssumeInSts,
    /// Ask the metadata service of the node for a token of its own.
    MetadataToken,
    /// Ask the metadata service of the node for the temporary access keys of its agency.
    MetadataKey,
}

/// Who answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    /// DWS.
    Dws,
    /// IAM.
    Iam,
    /// STS.
    Sts,
    /// A service of the node: the pod identity agent, or the metadata service.
    Node,
}

impl Operation {
    /// A stable lower-case name, for metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Job => "job",
            Self::Login => "login",
            Self::Projects => "projects",
            Self::PodIdentity => "pod_identity",
            Self::AssumeWithOidc => "assume_with_oidc",
            Self::IdToken => "id_token",
            Self::SecurityToken => "security_token",
            Self::AssumeInIam => "assume_in_iam",
            Self::AssumeInSts => "assume_in_sts",
            Self::MetadataToken => "metadata_token",
            Self::MetadataKey => "metadata_key",
        }
    }

    /// Whether the call changes something in DWS.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }

    /// Who answers it.
    pub(super) fn service(self) -> Service {
        match self {
            Self::Create | Self::List | Self::Update | Self::Delete | Self::Job => Service::Dws,
            Self::Login | Self::Projects | Self::IdToken | Self::SecurityToken | Self::AssumeInIam => Service::Iam,
            Self::AssumeWithOidc | Self::AssumeInSts => Service::Sts,
            Self::PodIdentity | Self::MetadataToken | Self::MetadataKey => Service::Node,
        }
    }
}

/// One call that went out.
#[derive(Clone, Copy, Debug)]
pub struct CallRecord<'a> {
    /// What was asked.
    pub operation: Operation,
    /// The HTTP status; none if there was no answer.
    pub status: Option<u16>,
    /// The cloud's error code.
    pub code: Option<&'a str>,
    /// From sending to the end of the answer.
    pub duration: Duration,
}

/// Told of each call that went out; it must not block.
pub trait Observer: Send + Sync {
    /// Records a call that has ended.
    fn called(&self, record: &CallRecord<'_>);
}
