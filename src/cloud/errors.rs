//! What a failed call means for the caller, decided once, by the DWS `error_code` first and the HTTP status second.

use std::time::Duration;

/// The most characters of a message.
pub(super) const MAX_MESSAGE: usize = 256;

/// Why a call did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What it means for the caller.
    pub kind: FailureKind,
    /// The cloud's error code, for example `DWS.7023`.
    pub code: Option<String>,
    /// The HTTP status; none if there was no answer.
    pub status: Option<u16>,
    /// What the cloud or the network said: printable, at most 256 characters, without a secret, stable from try to try.
    pub message: String,
    /// The cloud's `X-Request-Id`.
    pub request_id: Option<String>,
}

/// What a failure means for the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Nothing happened; the same call may work later.
    RetryAfter {
        /// What to wait for.
        wait: Wait,
        /// How long the cloud asks to wait.
        delay: Option<Duration>,
    },
    /// A write whose effect nobody knows.
    UnknownOutcome {
        /// Whether DWS itself answered (500 or 503 with a `DWS.` code); if not, nobody did.
        answered: bool,
        /// How long whoever answered asks to wait.
        delay: Option<Duration>,
    },
    /// Nothing happened, and the same call will not work until something changes.
    Rejected {
        /// What has to change.
        reason: Rejection,
    },
    /// What the call is about does not exist.
    Gone {
        /// What is missing.
        what: Missing,
    },
    /// The cloud refuses the credentials, or the breaker holds them back because it did.
    CredentialsRejected,
    /// The lease no longer covers the call; nothing was sent.
    Fenced,
}

/// What a retry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// The network or the cloud to work again.
    Transient,
    /// The DWS cluster to finish another operation.
    Busy,
    /// The rate limit.
    Throttled,
}

/// What has to change before a rejected call can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The request: the spec or the Secret it came from.
    Invalid,
    /// The permissions of the credentials.
    Denied,
    /// A data source of that name exists, or may exist: only a list tells whose it is.
    Exists,
}

/// What a `Gone` call missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// The DWS cluster, by one of the codes that say so (DWS.0047, DWS.3027, DWS.0022).
    Cluster,
    /// Something; a bare 404 does not tell what.
    Something,
}

impl Failure {
    /// A failure without an answer of the cloud.
    pub(super) fn local(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            status: None,
            message: message.into(),
            request_id: None,
        }
    }

    /// Whether the breaker held the call back; the cloud said nothing then.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.kind == FailureKind::CredentialsRejected && self.status.is_none()
    }

    /// A request that was not sent because it cannot be right.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        let reason = Rejection::Invalid;
        Self::local(FailureKind::Rejected { reason }, message)
    }

    /// A request that was not sent, or did nothing, for a reason that passes.
    #[must_use]
    pub fn transient(message: impl Into<String>) -> Self {
        Self::local(FailureKind::TRANSIENT, message)
    }
}

impl FailureKind {
    /// How long the cloud asks to wait.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        match self {
            Self::RetryAfter { delay, .. } | Self::UnknownOutcome { delay, .. } => *delay,
            Self::Rejected { .. } | Self::Gone { .. } | Self::CredentialsRejected | Self::Fenced => None,
        }
    }

    /// Nothing happened, the reason passes, and the cloud named no delay.
    pub(super) const TRANSIENT: Self = Self::RetryAfter {
        wait: Wait::Transient,
        delay: None,
    };

    /// A write that nobody answered.
    pub(super) const UNANSWERED: Self = Self::UnknownOutcome {
        answered: false,
        delay: None,
    };
}
