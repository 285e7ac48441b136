//! Stories of the API: what a user gets from a real API server that has the CRDs, without any operator.

#![allow(clippy::unwrap_used, reason = "a story may panic where the product may not")]

mod auth_rows;
mod crds;
mod data_source_rows;
mod limits;
mod manifests;
mod numbers;
mod provider_rows;
mod provider_transitions;
mod rows;
mod rules;
mod samples;
mod schemas;
mod server;
mod transitions;
