//! reconcile

pub mod decide;
pub mod plan;
pub mod remote;
