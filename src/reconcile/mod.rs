//! The flow: watch → observe → decide → act → report.
//!
//! | stage | file | may |
//! | --- | --- | --- |
//! | watch | [`watch`], [`secrets`] | stream objects and tell which changes matter |
//! | observe | `observe` and `look`, with `fold`, `remote`, `providers`, `standing`, `snapshots`, `claims`, `memories`, `echo`, `namespaces`, `definition`, `installs` | read Kubernetes and the cloud |
//! | decide | [`decide`] | nothing but think: a pure function from [`plan::Observation`] to [`plan::Plan`] |
//! | act | `act`, `abandon`, [`protection`] | write once to the cloud or to an object's metadata, or keep a provider from going |
//! | report | `report`, `events` | patch the status once, publish events |
//!
//! A pass over an object loops decide → (look | act | report) until the plan is to wait. Every gap between two writes is a point where the
//! process may die: the next pass, of this process or another, goes on from what is written in the object and in the cloud.

mod abandon;
pub mod access;
mod act;
pub mod ambient;
pub mod claims;
pub mod context;
pub mod decide;
pub mod definition;
mod echo;
mod events;
mod fold;
mod grants;
#[cfg(test)]
mod imports;
pub mod installs;
pub mod kubernetes;
mod look;
pub mod memories;
pub mod namespaces;
mod observe;
mod pass;
pub mod password_key;
pub mod plan;
pub mod project_sessions;
pub mod protection;
mod provider_breaker;
mod provider_status;
pub mod providers;
mod reading;
pub mod remote;
mod report;
pub mod secrets;
pub mod setup;
pub mod snapshots;
pub mod standing;
mod undecodable;
pub mod wakes;
pub mod watch;
