//! The three requests about the Lease: get, create and update.
//!
//! Each is sent once and waited for no longer than its limit; every update replaces exactly the version that was read.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client, Error};
use tokio::time::timeout;

use super::lease;

/// Why a request about the Lease failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
    #[error("the Lease was changed by somebody else")]
    Conflict,
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Api(Error),
}

/// The three requests about the Lease.
#[derive(Clone, Debug)]
pub(super) struct Leases {
    api: Api<Lease>,
    limit: Duration,
}

impl Leases {
    /// The Lease is in `namespace`; no request is waited for longer than `limit`.
    pub(super) fn new(client: Client, namespace: &str, limit: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            limit,
        }
    }

    /// The Lease as it is now, if there is one.
    pub(super) async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        within(self.limit, self.api.get_opt(lease::NAME)).await
    }

    /// Creates the Lease, or replaces the version that `lease` was read at; waits no longer than `limit` either.
    pub(super) async fn write(&self, lease: &Lease, limit: Duration) -> Result<Lease, LeaseError> {
        let (parameters, limit) = (PostParams::default(), limit.min(self.limit));
        match lease.metadata.resource_version {
            None => within(limit, self.api.create(&parameters, lease)).await,
            Some(_) => within(limit, self.api.replace(lease::NAME, &parameters, lease)).await,
        }
    }
}

async fn within<T>(limit: Duration, request: impl Future<Output = Result<T, Error>>) -> Result<T, LeaseError> {
    match timeout(limit, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::Api(status))) if status.is_conflict() || status.is_already_exists() => Err(LeaseError::Conflict),
        Ok(Err(error)) => Err(LeaseError::Api(error)),
        Err(_) => Err(LeaseError::Timeout(limit)),
    }
}
