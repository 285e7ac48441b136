//! dws-operator.

pub mod api;
pub mod check;
pub mod cloud;
pub mod reconcile;
pub mod runtime;
