//! What any operator needs: settings, clocks, leadership, lanes, backoff, health, logs and metrics.
//!
//! It knows nothing of data sources or of the cloud.

pub mod arrivals;
pub mod backoff;
mod candidate;
pub mod clock;
pub mod connection;
pub mod duration;
pub mod election;
pub mod health;
pub mod lanes;
pub mod leader;
pub mod lease;
mod lease_api;
pub mod log_writer;
pub mod metrics;
mod metrics_server;
pub mod panic_guard;
mod request_count;
pub mod servers;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod text;
pub mod timings;
pub mod urgency;
