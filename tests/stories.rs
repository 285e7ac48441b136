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

#[path = "stories/verdicts.rs"]
mod verdicts;

#[path = "stories/jobs.rs"]
mod jobs;

#[path = "stories/breaker.rs"]
mod breaker;

#[path = "stories/replace.rs"]
mod replace;

#[path = "stories/secrets.rs"]
mod secrets;

#[path = "stories/canary.rs"]
mod canary;

#[path = "stories/injection.rs"]
mod injection;

#[path = "stories/unknown.rs"]
mod unknown;

#[path = "stories/retry.rs"]
mod retry;

#[path = "stories/kill.rs"]
mod kill;

#[path = "stories/lease.rs"]
mod lease;
