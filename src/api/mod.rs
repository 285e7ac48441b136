//! The Kubernetes API of the operator: group `dws.huaweicloud.com`, version `v1alpha1`.
//!
//! Types, CEL rules and names only; nothing here reads a clock, a cluster or a cloud.

pub mod conditions;
pub mod crds;
pub mod data_source;
pub mod intent;
pub mod provider;
pub mod reasons;

pub use conditions::{Condition, ConditionStatus, ConditionType};
pub use data_source::{DwsDataSource, DwsDataSourceSpec, DwsDataSourceStatus};
pub use intent::Intent;
pub use provider::{ClusterDwsProvider, DwsProvider};
pub use reasons::Reason;

/// The API group.
pub const GROUP: &str = "dws.huaweicloud.com";
/// The finalizer that keeps an object until the cloud is clean.
pub const FINALIZER: &str = "dws.huaweicloud.com/finalizer";
