//! The election of a leader on a real API server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handover;
mod loss;
mod stage;
