//! Stories on a real control plane, with the operator's own binary and rights and the simulated cloud.

#[path = "stories/world.rs"]
mod world;

#[path = "stories/create.rs"]
mod create;

#[path = "stories/claims.rs"]
mod claims;

#[path = "stories/brownfield.rs"]
mod brownfield;

#[path = "stories/tampering.rs"]
mod tampering;

#[path = "stories/orphans.rs"]
mod orphans;

#[path = "stories/two_operators.rs"]
mod two_operators;
