//! dws-operator.

pub mod api;
pub mod cloud;
pub mod reconcile;
pub mod runtime;
