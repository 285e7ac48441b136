//! The numbers that the operator tells Prometheus, with the names that dashboards for controller-runtime already know.
//!
//! Takes counts, returns the text of `/metrics`. Every label is bounded: never an object's name, an id or free text of the cloud.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::{
    counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info,
};
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
    const ALL: [Self; 4] = [
        Self::Success,
        Self::Error,
        Self::Requeue,
        Self::RequeueAfter,
    ];
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
struct ControllerLabel {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    result: ReconcileResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    name: &'static str,
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RestLabels {
    code: String,
    method: String,
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabel {
    name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloudLabels {
    operation: &'static str,
    status: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

/// Histograms share their buckets; a plain function keeps the type of the family nameable.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// All metrics of the process; clones count into the same ones.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_errors: Family<ControllerLabel, Counter>,
    reconcile_panics: Family<ControllerLabel, Counter>,
    reconcile_time: Histograms<ControllerLabel>,
    active_workers: Family<ControllerLabel, Gauge>,
    max_concurrent: Family<ControllerLabel, Gauge>,
    queue_depth: Family<QueueLabels, Gauge>,
    rest_requests: Family<RestLabels, Counter>,
    leading: Family<NameLabel, Gauge>,
    cloud_requests: Family<CloudLabels, Counter>,
    cloud_time: Histograms<OperationLabel>,
    duplicates_removed: Counter,
    recoveries: Counter,
    orphaned: Counter,
    breakers_open: Gauge,
    log_lines_dropped: Counter,
    undecodable: Family<KindLabel, Gauge>,
    cloud_codes: Mutex<HashSet<String>>,
}

impl Metrics {
    /// The content type of [`Metrics::encode`]: `OpenMetrics` text.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Registers every metric; call it once per process.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner::register()))
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
    pub fn add_controller(&self, controller: &'static str, max_concurrent_reconciles: u16) {
        let label = ControllerLabel { controller };
        for result in ReconcileResult::ALL {
            drop(
                self.0
                    .reconciles
                    .get_or_create(&ReconcileLabels { controller, result }),
            );
        }
        drop(self.0.reconcile_errors.get_or_create(&label));
        drop(self.0.reconcile_panics.get_or_create(&label));
        drop(self.0.reconcile_time.get_or_create(&label));
        drop(self.0.active_workers.get_or_create(&label));
        self.0
            .max_concurrent
            .get_or_create(&label)
            .set(max_concurrent_reconciles.into());
    }

    /// Counts a worker as active until the returned value is dropped.
    #[must_use]
    pub fn active_worker(&self, controller: &'static str) -> ActiveWorker {
        let gauge = self
            .0
            .active_workers
            .get_or_create_owned(&ControllerLabel { controller });
        gauge.inc();
        ActiveWorker(gauge)
    }

    /// A pass over an object ended after `took`.
    pub fn reconciled(&self, controller: &'static str, result: ReconcileResult, took: Duration) {
        let label = ControllerLabel { controller };
        self.0
            .reconciles
            .get_or_create(&ReconcileLabels { controller, result })
            .inc();
        self.0
            .reconcile_time
            .get_or_create(&label)
            .observe(took.as_secs_f64());
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
        self.0
            .leading
            .get_or_create(&NameLabel { name })
            .set(leading.into());
    }

    /// A request to the cloud ended after `took`: with an HTTP `status`, or none when nobody answered, and with the cloud's error code.
    pub fn cloud_request(
        &self,
        operation: &'static str,
        status: Option<u16>,
        code: Option<&str>,
        took: Duration,
    ) {
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

    /// What a request without an answer had created was found again.
    pub fn recovered(&self) {
        self.0.recoveries.inc();
    }

    /// An object vanished and left a data source behind that the operator may not touch.
    pub fn orphaned(&self) {
        self.0.orphaned.inc();
    }

    /// How many access keys are refused by the cloud and therefore not used.
    pub fn set_breakers_open(&self, open: usize) {
        self.0.breakers_open.set(as_gauge(open));
    }

    /// How many objects of a kind are stored in a form that the operator cannot read.
    pub fn set_undecodable(&self, kind: &'static str, objects: usize) {
        self.0
            .undecodable
            .get_or_create(&KindLabel { kind })
            .set(as_gauge(objects));
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
        let mut known = self
            .0
            .cloud_codes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let word = code.len() <= LONGEST
            && code
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
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

/// A worker that is busy; see [`Metrics::active_worker`].
#[derive(Debug)]
pub struct ActiveWorker(Gauge);

impl Drop for ActiveWorker {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The buckets of controller-runtime (`pkg/internal/controller/metrics`), every second one.
fn reconcile_buckets() -> Histogram {
    Histogram::new([
        0.005, 0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.25, 1.75, 2.5, 3.5, 4.5, 6.0, 8.0, 10.0,
        20.0, 30.0, 50.0,
    ])
}

fn cloud_buckets() -> Histogram {
    Histogram::new([
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0,
    ])
}

impl Inner {
    /// prometheus-client appends `_total` to the names of counters and `_info` to those of infos.
    fn register() -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("dws_operator_build", "The version of the operator", build);
        let r = &mut registry;
        Self {
            reconciles: add(
                r,
                "controller_runtime_reconcile",
                "Passes over objects, by result",
            ),
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
            active_workers: add(
                r,
                "controller_runtime_active_workers",
                "Objects that are worked on now",
            ),
            max_concurrent: add(
                r,
                "controller_runtime_max_concurrent_reconciles",
                "Objects that may be worked on at the same time",
            ),
            queue_depth: add(r, "workqueue_depth", "Objects that wait in a queue"),
            rest_requests: add(r, "rest_client_requests", "Requests to the Kubernetes API"),
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
            duplicates_removed: add(
                r,
                "dws_duplicates_removed",
                "Surplus data sources that were deleted",
            ),
            recoveries: add(
                r,
                "dws_recoveries",
                "Data sources found again after an unanswered request",
            ),
            orphaned: add(
                r,
                "dws_orphaned",
                "Data sources that were left behind without an owner",
            ),
            breakers_open: add(
                r,
                "dws_breaker_open",
                "Access keys that are not used because the cloud refuses them",
            ),
            log_lines_dropped: add(
                r,
                "dws_log_lines_dropped",
                "Log lines that nobody read in time",
            ),
            undecodable: add(
                r,
                "dws_undecodable_objects",
                "Objects that the operator cannot read",
            ),
            cloud_codes: Mutex::default(),
            registry,
        }
    }
}

fn add<M: prometheus_client::registry::Metric + Clone + Default>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_those_that_dashboards_know() {
        let metrics = Metrics::new();
        metrics.add_controller("dwsdatasource", 16);
        metrics.reconciled(
            "dwsdatasource",
            ReconcileResult::Error,
            Duration::from_millis(20),
        );
        metrics.reconcile_panicked("dwsdatasource");
        metrics.set_queue_depth("lanes", "dwsdatasource", 3);
        metrics.rest_request("200", "GET", "127.0.0.1:6443");
        metrics.set_leading("dws-operator", true);
        metrics.cloud_request(
            "create",
            Some(500),
            Some("DWS.0005"),
            Duration::from_secs(1),
        );
        metrics.cloud_request("create", None, None, Duration::from_secs(20));
        metrics.duplicate_removed();
        metrics.recovered();
        metrics.orphaned();
        metrics.set_breakers_open(2);
        metrics.set_undecodable("DwsDataSource", 1);
        metrics.log_lines_dropped().inc();
        let working = metrics.active_worker("dwsdatasource");
        let text = metrics.encode();
        for line in [
            r#"controller_runtime_reconcile_total{controller="dwsdatasource",result="error"} 1"#,
            r#"controller_runtime_reconcile_total{controller="dwsdatasource",result="requeue_after"} 0"#,
            r#"controller_runtime_reconcile_errors_total{controller="dwsdatasource"} 1"#,
            r#"controller_runtime_reconcile_panics_total{controller="dwsdatasource"} 1"#,
            r#"controller_runtime_reconcile_time_seconds_bucket{le="0.025",controller="dwsdatasource"} 1"#,
            r#"controller_runtime_active_workers{controller="dwsdatasource"} 1"#,
            r#"controller_runtime_max_concurrent_reconciles{controller="dwsdatasource"} 16"#,
            r#"workqueue_depth{name="lanes",controller="dwsdatasource"} 3"#,
            r#"rest_client_requests_total{code="200",method="GET",host="127.0.0.1:6443"} 1"#,
            r#"leader_election_master_status{name="dws-operator"} 1"#,
            r#"dws_cloud_requests_total{operation="create",status="500",code="DWS.0005"} 1"#,
            r#"dws_cloud_requests_total{operation="create",status="none",code=""} 1"#,
            r#"dws_cloud_request_duration_seconds_count{operation="create"} 2"#,
            "dws_duplicates_removed_total 1",
            "dws_recoveries_total 1",
            "dws_orphaned_total 1",
            "dws_breaker_open 2",
            "dws_log_lines_dropped_total 1",
            r#"dws_undecodable_objects{kind="DwsDataSource"} 1"#,
            concat!(
                r#"dws_operator_build_info{version=""#,
                env!("CARGO_PKG_VERSION"),
                r#""} 1"#
            ),
        ] {
            assert!(
                text.lines().any(|got| got == line),
                "{line} is missing from\n{text}"
            );
        }
        drop(working);
        assert!(
            metrics
                .encode()
                .contains(r#"controller_runtime_active_workers{controller="dwsdatasource"} 0"#)
        );
    }

    #[test]
    fn codes_of_the_cloud_are_bounded() {
        let metrics = Metrics::new();
        metrics.cloud_request("list", Some(400), Some("DWS.0001"), Duration::ZERO);
        metrics.cloud_request("list", Some(400), Some("a\"b\n"), Duration::ZERO);
        for n in 0..1000 {
            metrics.cloud_request("list", Some(400), Some(&format!("X.{n}")), Duration::ZERO);
        }
        metrics.cloud_request("list", Some(400), Some("DWS.0001"), Duration::ZERO);
        let text = metrics.encode();
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("dws_cloud_requests_total"))
                .count(),
            65
        );
        assert!(text.contains(r#"code="DWS.0001"} 2"#), "{text}");
        assert!(text.contains(r#"code="other"} 938"#), "{text}");
    }
}
