//! The numbers that the operator tells Prometheus, with the names that dashboards for controller-runtime already know.
//!
//! Takes counts, returns the text of `/metrics`. Every label is bounded: never an object's name, an id or free text of the cloud.

mod families;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

pub use families::ReconcileResult;
use families::{
    CloudLabels, ControllerLabel, Families, KindLabel, NameLabel, OperationLabel, QueueLabels, ReconcileLabels,
    RestLabels,
};

/// All metrics of the process; clones count into the same ones.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

impl Metrics {
    /// The content type of [`Metrics::encode`]: `OpenMetrics` text.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Registers every metric; call it once per process.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Families::register()))
    }

    /// All metrics as `OpenMetrics` text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.0.registry);
        out
    }

    /// Makes the series of a controller appear, with zeros, before its first pass.
    pub fn add_controller(&self, controller: &'static str) {
        let label = ControllerLabel { controller };
        for result in ReconcileResult::ALL {
            drop(self.0.reconciles.get_or_create(&ReconcileLabels { controller, result }));
        }
        drop(self.0.reconcile_errors.get_or_create(&label));
        drop(self.0.reconcile_panics.get_or_create(&label));
        drop(self.0.reconcile_time.get_or_create(&label));
        drop(self.0.active_workers.get_or_create(&label));
    }

    /// How many calls to the Kubernetes API may be under way at the same time.
    pub fn set_kubernetes_calls_limit(&self, limit: u16) {
        self.0.kubernetes_calls_limit.set(limit.into());
    }

    /// A pass over an object begins; it counts as active until the returned value is dropped.
    #[must_use]
    pub fn begin_pass(&self, controller: &'static str) -> RunningPass {
        let active = self
            .0
            .active_workers
            .get_or_create_owned(&ControllerLabel { controller });
        active.inc();
        RunningPass {
            metrics: self.clone(),
            controller,
            active,
            began: Instant::now(),
        }
    }

    fn reconciled(&self, controller: &'static str, result: ReconcileResult, took: Duration) {
        let label = ControllerLabel { controller };
        self.0
            .reconciles
            .get_or_create(&ReconcileLabels { controller, result })
            .inc();
        self.0.reconcile_time.get_or_create(&label).observe(took.as_secs_f64());
        if result == ReconcileResult::Error {
            self.0.reconcile_errors.get_or_create(&label).inc();
        }
    }

    /// A pass over an object panicked; it is counted as an error besides.
    pub fn reconcile_panicked(&self, controller: &'static str) {
        self.0
            .reconcile_panics
            .get_or_create(&ControllerLabel { controller })
            .inc();
    }

    /// How many objects wait in the queue `name` of a controller.
    pub fn set_queue_depth(&self, name: &'static str, controller: &'static str, depth: usize) {
        self.0
            .queue_depth
            .get_or_create(&QueueLabels { name, controller })
            .set(as_gauge(depth));
    }

    /// A request to the Kubernetes API was answered with `code`, or `<error>` when nobody answered.
    pub(super) fn rest_request(&self, code: &str, method: &str, host: &str) {
        let labels = RestLabels {
            code: code.to_owned(),
            method: method.to_owned(),
            host: host.to_owned(),
        };
        self.0.rest_requests.get_or_create(&labels).inc();
    }

    /// Whether this replica holds the Lease `name`.
    pub fn set_leading(&self, name: &'static str, leading: bool) {
        self.0.leading.get_or_create(&NameLabel { name }).set(leading.into());
    }

    /// A request to the cloud ended after `took`: with an HTTP `status`, or none when nobody answered, and with the cloud's error code.
    pub fn cloud_request(&self, operation: &'static str, status: Option<u16>, code: Option<&str>, took: Duration) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let code = self.bounded_code(code.unwrap_or_default());
        self.0
            .cloud_requests
            .get_or_create(&CloudLabels {
                operation,
                status,
                code,
            })
            .inc();
        self.0
            .cloud_time
            .get_or_create(&OperationLabel { operation })
            .observe(took.as_secs_f64());
    }

    /// A surplus data source of ours was deleted.
    pub fn duplicate_removed(&self) {
        self.0.duplicates_removed.inc();
    }

    /// The cloud counted more data sources than it listed.
    pub fn list_was_short(&self) {
        self.0.short_lists.inc();
    }

    /// What a request without an answer had created was found again.
    pub fn recovered(&self) {
        self.0.recoveries.inc();
    }

    /// A data source stays, or may stay, in the cloud without an object.
    pub fn orphaned(&self) {
        self.0.orphaned.inc();
    }

    /// An object was let go by force.
    pub fn force_deleted(&self) {
        self.0.force_deleted.inc();
    }

    /// How many objects another install of the operator works on that this one watches too.
    pub fn set_claimed_elsewhere(&self, objects: usize) {
        self.0.claimed_elsewhere.set(as_gauge(objects));
    }

    /// An event could not be published.
    pub fn event_lost(&self) {
        self.0.events_lost.inc();
    }

    /// How many providers have credentials that the cloud refuses and that are therefore held back.
    pub fn set_breakers_open(&self, open: usize) {
        self.0.breakers_open.set(as_gauge(open));
    }

    /// When the first of the temporary credentials in use expires, in seconds since 1970; none if there is none.
    pub fn set_credential_expiry(&self, first: Option<i64>) {
        self.0.credential_expiry.set(first.unwrap_or_default());
    }

    /// How many objects of a kind a watch has that are stored in a form that the operator cannot read: there were `before`, now there
    /// are `after`. The metric is the sum over all watches of the kind.
    pub fn undecodable(&self, kind: &'static str, before: usize, after: usize) {
        self.0
            .undecodable
            .get_or_create(&KindLabel { kind })
            .inc_by(as_gauge(after) - as_gauge(before));
    }

    /// The counter of log lines that were dropped because nobody read them.
    #[must_use]
    pub fn log_lines_dropped(&self) -> Counter {
        self.0.log_lines_dropped.clone()
    }

    /// The cloud's error code as a label. Whoever answers chooses the code, so the number of different ones is limited.
    fn bounded_code(&self, code: &str) -> String {
        const MOST: usize = 64;
        const LONGEST: usize = 32;
        let mut known = self.0.cloud_codes.lock().unwrap_or_else(PoisonError::into_inner);
        let word = code.len() <= LONGEST && code.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        if !word || (known.len() >= MOST && !known.contains(code)) {
            return "other".to_owned();
        }
        known.insert(code.to_owned());
        code.to_owned()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A pass that runs; see [`Metrics::begin_pass`].
#[derive(Debug)]
pub struct RunningPass {
    metrics: Metrics,
    controller: &'static str,
    active: Gauge,
    began: Instant,
}

impl RunningPass {
    /// The pass is over; one that is only dropped was given up and counts as none.
    pub fn end(self, result: ReconcileResult) {
        self.metrics.reconciled(self.controller, result, self.began.elapsed());
    }
}

impl Drop for RunningPass {
    fn drop(&mut self) {
        self.active.dec();
    }
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
