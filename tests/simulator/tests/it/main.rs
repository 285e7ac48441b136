//! What clients of the simulator see, over HTTP and raw TCP on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic, in its helpers too")]

mod administration;
mod answers;
mod authentication;
mod calls;
mod client;
mod exchanges;
mod faults;
mod jobs;
mod lists;
mod log;
mod program;
