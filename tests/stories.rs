//! Stories on a real control plane, with the operator's own binary and rights and the simulated cloud.

#[path = "stories/world.rs"]
mod world;

#[path = "stories/counts.rs"]
mod counts;
#[path = "stories/create.rs"]
mod create;
#[path = "stories/delete.rs"]
mod delete;
#[path = "stories/drift.rs"]
mod drift;
#[path = "stories/lanes.rs"]
mod lanes;
