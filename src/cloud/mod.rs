//! The DWS, IAM and STS HTTP APIs of Huawei Cloud: five calls, their authentication and their errors.
//!
//! One call in, one answer out, classified once. Nothing here retries a write, follows a redirect or
//! logs a body.
//!
//! | file | concept |
//! | --- | --- |
//! | [`client`] | the session: configuration, the five calls, the project of a region |
//! | `exchange`, `request`, `judge` | one call: permits, credentials, fence, sending, verdict |
//! | `transport` | HTTP: deadlines, size cap, TLS, no redirects |
//! | [`sign`] | the SDK-HMAC-SHA256 signature |
//! | [`credentials`], [`ambient`] | what a session authenticates with: a Secret, or where the operator runs |
//! | `issue`, `login`, `issued`, `source_id`, `credential_cache` | the temporary credentials that these are exchanged for |
//! | [`endpoints`], `resolver` | endpoints of the regions, and which hosts and addresses may be called |
//! | [`breaker`], [`limits`], [`rate`] | protection of access keys, bounds on concurrent calls and on their rate |
//! | [`errors`], `classify`, `codes`, `error_body` | what a failure means |
//! | [`wire`], `bodies`, `ids` | what goes out and what is believed of what comes in |
//! | `redact` | the secrets of a request, kept out of what is said about it |

use std::future::Future;

use secrecy::SecretString;

use crate::api::data_source::DataSourceType;

pub mod ambient;
mod bodies;
pub mod breaker;
mod classify;
pub mod client;
mod codes;
mod credential_cache;
pub mod credentials;
pub mod endpoints;
mod error_body;
pub mod errors;
mod exchange;
mod ids;
mod issue;
mod issued;
mod judge;
pub mod limits;
mod login;
pub mod observer;
pub mod rate;
mod redact;
mod request;
mod resolver;
mod retry_after;
pub mod sign;
mod source_id;
mod transport;
pub mod wire;

#[cfg(test)]
mod tests;

pub use ambient::{Agency, AgencyBy, AgentUrl, NodeUrlError, Oidc, OidcBy, PodIdentity};
pub use breaker::{BreakerState, BreakerTimings, Breakers};
pub use client::{ConnectError, Fence, Session, SessionConfig, Timeouts};
pub use credentials::{AccessKey, Credentials, CredentialsError};
pub use endpoints::{Endpoint, EndpointError, EndpointPolicy};
pub use errors::{Failure, FailureKind, Missing, Rejection, Wait};
pub use limits::{Bounds, Limits};
pub use observer::{CallRecord, Observer, Operation};
pub use rate::RateBound;
pub use redact::without_secrets;
pub use wire::{Accepted, ConfigureStatus, CreateRequest, Item, Job, JobState, Listing, Reconfigure, SourceStatus};

/// The five calls on external data sources.
///
/// Each call goes out at most once, but for a read whose temporary credential was rejected. A write returns within
/// its timeout, all waiting for permits, token and project included, and is sent only while at least half
/// of it is left. So whoever asked for it knows from the beginning until when it may be carried out.
pub trait Dws: Send + Sync {
    /// Creates a data source; `user_pwd` is the password of an MRS account.
    fn create(
        &self,
        cluster: &str,
        request: &CreateRequest,
        user_pwd: Option<&SecretString>,
    ) -> impl Future<Output = Result<Accepted, Failure>> + Send;

    /// Lists the data sources of one type.
    fn list(&self, cluster: &str, type_: DataSourceType) -> impl Future<Output = Result<Listing, Failure>> + Send;

    /// Changes a data source in place and returns the id of the job that does it.
    fn update(
        &self,
        cluster: &str,
        id: &str,
        change: &Reconfigure,
    ) -> impl Future<Output = Result<String, Failure>> + Send;

    /// Deletes a data source and returns the id of the job that does it, if the cloud names one.
    fn delete(&self, cluster: &str, id: &str) -> impl Future<Output = Result<Option<String>, Failure>> + Send;

    /// Reads a job.
    fn job(&self, job_id: &str) -> impl Future<Output = Result<Job, Failure>> + Send;
}
