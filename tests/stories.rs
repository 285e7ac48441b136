//! Stories on a real control plane, with the operator's own binary and rights and the simulated cloud.

#[path = "stories/world.rs"]
mod world;

#[path = "stories/create.rs"]
mod create;

#[path = "stories/unknown.rs"]
mod unknown;

#[path = "stories/retry.rs"]
mod retry;

#[path = "stories/kill.rs"]
mod kill;

#[path = "stories/lease.rs"]
mod lease;

#[path = "stories/shutdown.rs"]
mod shutdown;
