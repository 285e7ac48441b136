//! The metrics one by one: their names, labels and buckets.

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info};
use prometheus_client::registry::Registry;

/// How a pass over an object ended; the words are controller-runtime's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReconcileResult {
    /// Nothing more to do until something changes.
    Success,
    /// It failed and is tried again.
    Error,
    /// It is due again at once.
    Requeue,
    /// It is due again at a known time.
    RequeueAfter,
}

impl ReconcileResult {
    pub(super) const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Requeue, Self::RequeueAfter];
}

impl EncodeLabelValue for ReconcileResult {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder) -> fmt::Result {
        let word = match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Requeue => "requeue",
            Self::RequeueAfter => "requeue_after",
        };
        word.encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ControllerLabel {
    pub(super) controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReconcileLabels {
    pub(super) controller: &'static str,
    pub(super) result: ReconcileResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct QueueLabels {
    pub(super) name: &'static str,
    pub(super) controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RestLabels {
    pub(super) code: String,
    pub(super) method: String,
    pub(super) host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct NameLabel {
    pub(super) name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CloudLabels {
    pub(super) operation: &'static str,
    pub(super) status: String,
    pub(super) code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabel {
    pub(super) operation: &'static str,
}

/// Histograms share their buckets; a plain function keeps the type of the family nameable.
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Every metric, and the registry that writes them out.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) registry: Registry,
    pub(super) reconciles: Family<ReconcileLabels, Counter>,
    pub(super) reconcile_errors: Family<ControllerLabel, Counter>,
    pub(super) reconcile_panics: Family<ControllerLabel, Counter>,
    pub(super) reconcile_time: Histograms<ControllerLabel>,
    pub(super) active_workers: Family<ControllerLabel, Gauge>,
    pub(super) queue_depth: Family<QueueLabels, Gauge>,
    pub(super) rest_requests: Family<RestLabels, Counter>,
    pub(super) kubernetes_calls_limit: Gauge,
    pub(super) leading: Family<NameLabel, Gauge>,
    pub(super) cloud_requests: Family<CloudLabels, Counter>,
    pub(super) cloud_time: Histograms<OperationLabel>,
    pub(super) duplicates_removed: Counter,
    pub(super) short_lists: Counter,
    pub(super) recoveries: Counter,
    pub(super) orphaned: Counter,
    pub(super) force_deleted: Counter,
    pub(super) claimed_elsewhere: Gauge,
    pub(super) events_lost: Counter,
    pub(super) breakers_open: Gauge,
    pub(super) credential_expiry: Gauge,
    pub(super) log_lines_dropped: Counter,
    pub(super) undecodable: Family<KindLabel, Gauge>,
    pub(super) cloud_codes: Mutex<HashSet<String>>,
}

/// The buckets of controller-runtime (`pkg/internal/controller/metrics`), every second one.
fn reconcile_buckets() -> Histogram {
    Histogram::new([
        0.005, 0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.25, 1.75, 2.5, 3.5, 4.5, 6.0, 8.0, 10.0, 20.0, 30.0, 50.0,
    ])
}

fn cloud_buckets() -> Histogram {
    Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0])
}

impl Families {
    /// prometheus-client appends `_total` to the names of counters and `_info` to those of infos.
    pub(super) fn register() -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("dws_operator_build", "The version of the operator", build);
        let r = &mut registry;
        Self {
            reconciles: add(r, "controller_runtime_reconcile", "Passes over objects, by result"),
            reconcile_errors: add(
                r,
                "controller_runtime_reconcile_errors",
                "Passes over objects that failed",
            ),
            reconcile_panics: add(
                r,
                "controller_runtime_reconcile_panics",
                "Passes over objects that panicked",
            ),
            reconcile_time: {
                let family = Family::new_with_constructor(reconcile_buckets as fn() -> Histogram);
                r.register(
                    "controller_runtime_reconcile_time_seconds",
                    "How long a pass over an object took",
                    family.clone(),
                );
                family
            },
            active_workers: add(r, "controller_runtime_active_workers", "Objects that are worked on now"),
            queue_depth: add(r, "workqueue_depth", "Objects that wait in a queue"),
            rest_requests: add(r, "rest_client_requests", "Requests to the Kubernetes API"),
            kubernetes_calls_limit: add(
                r,
                "dws_kubernetes_calls_limit",
                "Calls to the Kubernetes API that may be under way at the same time",
            ),
            leading: add(
                r,
                "leader_election_master_status",
                "Whether this replica holds the lease",
            ),
            cloud_requests: add(r, "dws_cloud_requests", "Requests to the cloud"),
            cloud_time: {
                let family = Family::new_with_constructor(cloud_buckets as fn() -> Histogram);
                r.register(
                    "dws_cloud_request_duration_seconds",
                    "How long a request to the cloud took",
                    family.clone(),
                );
                family
            },
            short_lists: add(
                r,
                "dws_short_lists",
                "Lists with fewer data sources than the cloud counts",
            ),
            duplicates_removed: add(r, "dws_duplicates_removed", "Surplus data sources that were deleted"),
            recoveries: add(
                r,
                "dws_recoveries",
                "Data sources found again after an unanswered request",
            ),
            orphaned: add(
                r,
                "dws_orphaned",
                "Data sources that stay, or may stay, without an object",
            ),
            force_deleted: add(r, "dws_force_deleted", "Objects that were let go by force"),
            claimed_elsewhere: add(
                r,
                "dws_objects_claimed_elsewhere",
                "Objects that another install of the operator works on",
            ),
            events_lost: add(r, "dws_events_lost", "Events that could not be published"),
            breakers_open: add(r, "dws_breaker_open", "Providers whose credentials the cloud refuses"),
            credential_expiry: add(
                r,
                "dws_credential_expiry_timestamp_seconds",
                "When the first of the temporary credentials in use expires; 0 if there is none",
            ),
            log_lines_dropped: add(r, "dws_log_lines_dropped", "Log lines that nobody read in time"),
            undecodable: add(r, "dws_undecodable_objects", "Objects that the operator cannot read"),
            cloud_codes: Mutex::default(),
            registry,
        }
    }
}

fn add<M: prometheus_client::registry::Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}
