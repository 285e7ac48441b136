//! dws-operator.

pub mod api;
pub mod cloud;
pub mod runtime;
