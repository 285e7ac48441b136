//! What the operator tells Prometheus.

use std::collections::{BTreeMap, BTreeSet};

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Fault, JobOutcome};
use dws_testbed::{Action, Api as ApiSide, Operator, Rule, Stage, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{ACCESS_KEY, SECRET_KEY, SOON, World, cluster, get, obs, on_cluster, provider, secret};

/// The text of an operator's `/metrics`.
async fn exposition(operator: &Operator) -> String {
    let answer = get(&(operator.metrics_url().await + "/metrics")).await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("the answer is whole");
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so");
    text
}

/// Every series of an operator's `/metrics`, by name and labels.
pub async fn scrape(operator: &Operator) -> BTreeMap<String, f64> {
    exposition(operator)
        .await
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// Waits until the metrics are as described.
pub async fn until(
    operator: &Operator,
    what: &str,
    is: impl Fn(&BTreeMap<String, f64>) -> bool,
) -> BTreeMap<String, f64> {
    wait::until(SOON, what, async || {
        let series = scrape(operator).await;
        if is(&series) { Ok(series) } else { Err(series) }
    })
    .await
}

/// The sum over all series of a metric that have these labels.
fn sum(series: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let of = |series: &str| series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label));
    series.iter().filter(|(key, _)| of(key)).map(|(_, value)| value).sum()
}

/// How many providers have credentials that are refused.
pub fn breaker_open(series: &BTreeMap<String, f64>) -> f64 {
    sum(series, "dws_breaker_open", &[])
}

/// Whether a count is as expected.
pub fn equals(found: f64, expected: impl TryInto<u32>) -> bool {
    let expected = expected.try_into().unwrap_or(u32::MAX);
    (found - f64::from(expected)).abs() < 0.5
}

/// The metrics that the guide names, each with its type.
fn documented() -> BTreeSet<(String, String)> {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
    };
    guide.lines().filter_map(row).collect()
}

/// The metrics that are served, under the names that queries use, each with its type.
fn served(exposition: &str) -> BTreeSet<(String, String)> {
    let family = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let end = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        Some((format!("{name}{end}"), kind.to_owned()))
    };
    exposition.lines().filter_map(family).collect()
}

/// The metrics are those of the guide, and count what happens: passes, waits, calls to Kubernetes and every call that the cloud has seen.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_move() {
    let world = World::new("metrics").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    let start = until(&operator, "it leads and watches", |series| {
        series.get(r#"leader_election_master_status{name="dws-operator"}"#) == Some(&1.0)
            && series.contains_key(r#"dws_undecodable_objects{kind="DwsDataSource"}"#)
    })
    .await;
    let (objects, providers) = ([r#"controller="dwsdatasource""#], [r#"controller="dwsprovider""#]);
    assert!(equals(sum(&start, "controller_runtime_reconcile_total", &objects), 0));
    assert!(equals(sum(&start, "dws_kubernetes_calls_limit", &[]), 16));

    // One waits behind another whose job does not end.
    world
        .cloud
        .update_settings(|settings| settings.create_outcome = JobOutcome::Never);
    world.create(&on_cluster(0, obs("first"))).await;
    let first = world
        .until("first", "its job", |object| {
            object.status.as_ref().is_some_and(|status| status.job_id.is_some())
        })
        .await;
    world.create(&on_cluster(0, obs("second"))).await;
    until(&operator, "one waits for its lane", |series| {
        equals(sum(series, "workqueue_depth", &[r#"name="lanes""#]), 1)
    })
    .await;
    world
        .cloud
        .update_settings(|settings| settings.create_outcome = JobOutcome::Success);
    let unavailable = Answer::error(503, "DWS.0005", "Server failure.");
    let fault = Fault::on(Call::Create, unavailable).name("second").times(1);
    world.cloud.add_fault(fault.applied());
    world
        .cloud
        .end_job(first.status.unwrap().job_id.as_deref().unwrap(), JobOutcome::Success);
    world.ready("first").await;
    world.ready("second").await;
    world.event("second", "Recovered").await;

    let end = until(&operator, "nothing waits, and nobody works", |series| {
        equals(sum(series, "workqueue_depth", &[]), 0)
            && equals(sum(series, "controller_runtime_active_workers", &[]), 0)
    })
    .await;
    let passes = sum(&end, "controller_runtime_reconcile_total", &objects);
    assert!(passes >= 2.0, "{passes} passes");
    let timed = sum(&end, "controller_runtime_reconcile_time_seconds_count", &objects);
    assert!(equals(passes - timed, 0), "{timed} of {passes} passes");
    for counted in [
        "controller_runtime_reconcile_total",
        "controller_runtime_reconcile_time_seconds_count",
    ] {
        assert!(sum(&end, counted, &providers) >= 1.0, "{counted} of providers");
    }
    for quiet in [
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_reconcile_panics_total",
    ] {
        assert!(equals(sum(&end, quiet, &[]), 0), "{quiet}");
    }
    assert!(equals(sum(&end, "dws_recoveries_total", &[]), 1));
    assert!(
        sum(
            &end,
            "rest_client_requests_total",
            &[r#"method="PATCH""#, r#"code="200""#]
        ) >= 4.0
    );
    let failed = [r#"operation="create""#, r#"status="503""#, r#"code="DWS.0005""#];
    assert!(equals(sum(&end, "dws_cloud_requests_total", &failed), 1));
    let labels = [r#"operation="create""#];
    assert!(equals(
        sum(&end, "dws_cloud_requests_total", &labels),
        world.calls(Call::Create).len()
    ));
    assert!(equals(
        sum(&end, "dws_cloud_request_duration_seconds_count", &labels),
        world.calls(Call::Create).len()
    ));

    // An API server that fails is an error of the pass.
    let mut cut = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Cut, |call| {
            call.is(ApiSide::Kube, "PATCH", "/dwsdatasources/third/status")
        }));
    world.create(&on_cluster(1, obs("third"))).await;
    cut.reached(SOON).await;
    world.ready("third").await;
    let after = scrape(&operator).await;
    assert_eq!(documented(), served(&exposition(&operator).await), "docs/metrics.md");
    assert!(sum(&after, "controller_runtime_reconcile_errors_total", &objects) >= 1.0);
    assert!(sum(&after, "controller_runtime_reconcile_total", &[r#"result="error""#]) >= 1.0);
    assert!(sum(&after, "rest_client_requests_total", &[r#"code="<error>""#]) >= 1.0);
}

/// A refused key opens its breaker until the Secret is corrected.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_shows_in_the_metrics() {
    let world = World::new("metrics").await;
    let wrong = secret("dws-access-key", &[("accessKey", ACCESS_KEY), ("secretKey", "wrong")]);
    world.create(&wrong).await;
    world.create(&provider(&world.endpoint)).await;
    let operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    world.stalled("lake", Reason::CredentialsRejected).await;
    until(&operator, "a breaker is open", |series| equals(breaker_open(series), 1)).await;
    let secrets: Api<Secret> = world.api();
    let right = json!({"stringData": {"secretKey": SECRET_KEY}});
    secrets
        .patch("dws-access-key", &PatchParams::default(), &Patch::Merge(right))
        .await
        .expect("the Secret exists");
    world.ready("lake").await;
    until(&operator, "no breaker is open", |series| {
        equals(breaker_open(series), 0)
    })
    .await;
}

/// Labels are few and bounded: no name, id or place of an object is among their values, and more objects make no more series.
#[tokio::test(flavor = "multi_thread")]
async fn no_label_grows_with_the_number_of_objects() {
    let world = World::new("metrics").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("zebra-0"))).await;
    world.ready("zebra-0").await;
    // Calls to Kubernetes, such as those for the Lease, go on beside the objects.
    let keys = |series: BTreeMap<String, f64>| {
        let of = |series: &String| !series.starts_with("rest_client_requests_total{");
        series.into_keys().filter(of).collect::<BTreeSet<_>>()
    };
    let few = keys(scrape(&operator).await);
    let mut words = vec![world.namespace.name().to_owned(), "zebra".to_owned(), cluster(0)];
    for n in 1..8 {
        world.create(&on_cluster(n, obs(&format!("zebra-{n}")))).await;
    }
    for n in 1..8 {
        let object = world.ready(&format!("zebra-{n}")).await;
        words.extend([
            object.metadata.uid.unwrap(),
            object.status.unwrap().id.unwrap(),
            cluster(n),
        ]);
    }
    let all = scrape(&operator).await;
    let many = keys(all.clone());
    assert_eq!(many.difference(&few).collect::<Vec<_>>(), Vec::<&String>::new());
    for series in all.keys() {
        let leak = words.iter().find(|word| series.contains(word.as_str()));
        assert_eq!(leak, None, "{series}");
    }
}
