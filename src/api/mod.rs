//! The Kubernetes API of the operator: group `dws.huaweicloud.com`, version `v1alpha1`.
//!
//! Types, CEL rules and names only; nothing here reads a clock, a cluster or a cloud.

pub mod breaker;
pub mod conditions;
pub mod crds;
pub mod data_source;
mod data_source_status;
pub mod intent;
pub mod names;
mod operation;
mod patterns;
pub mod provider;
pub mod provider_auth;
pub mod rate_limit;
pub mod reasons;
mod requested;
mod rules;
mod secret_version;
mod selector;
pub mod text;

pub use conditions::{Condition, ConditionStatus, ConditionType, Verdict};
pub use data_source::{DwsDataSource, DwsDataSourceSpec, DwsDataSourceStatus};
pub use intent::Intent;
pub use names::{FINALIZER, GROUP};
pub use provider::{ClusterDwsProvider, DwsProvider};
pub use reasons::Reason;
