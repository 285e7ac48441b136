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
        }
    }

    /// Whether the call changes something in DWS.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }

    /// Whether IAM answers it, not DWS.
    pub(super) fn is_iam(self) -> bool {
        matches!(self, Self::Login | Self::Projects)
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
