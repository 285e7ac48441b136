//! The DWS and IAM HTTP APIs of Huawei Cloud: five calls, their authentication and their errors.
//!
//! One call in, one answer out, classified once. Nothing here retries, follows a redirect or logs a body.

pub mod errors;
pub mod wire;

pub use errors::{Failure, FailureKind, Missing, Rejection, Wait};
pub use wire::{Accepted, ConfigureStatus, CreateRequest, Item, Job, JobState, SourceStatus};
