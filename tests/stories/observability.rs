//! What the operator tells those who run it: probes, metrics, logs and events.

use std::collections::{BTreeMap, BTreeSet};

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Fault, JobOutcome};
use dws_testbed::{Api as ApiSide, Operator, Rule, Stage, wait};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::Value;

use crate::world::{ACCESS_KEY, SOON, World, cluster, obs, on_cluster, operator_ready, probe, provider, secret};

/// The text of an operator's `/metrics`.
async fn exposition(operator: &Operator) -> String {
    let answer = reqwest::get(operator.metrics_url().await + "/metrics")
        .await
        .expect("the operator answers");
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
async fn until(operator: &Operator, what: &str, is: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
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

fn is(found: f64, expected: impl TryInto<u32>) -> bool {
    let expected = expected.try_into().unwrap_or(u32::MAX);
    (found - f64::from(expected)).abs() < 0.5
}

/// The probes name each check, in the words of the API server.
#[tokio::test(flavor = "multi_thread")]
async fn probes_name_their_checks() {
    let world = World::new("probes").await;
    let mut list = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, dws_testbed::Action::Hold, |call| {
            call.is(ApiSide::Kube, "GET", "/dwsproviders")
        }));
    let operator = world.operator().start().await;
    list.reached(SOON).await;
    wait::until(SOON, "only the watch of providers is missing", async || {
        match probe(&operator, "/readyz").await {
            (503, text) if text == "[-]watch of providers failed\nreadyz check failed\n" => Ok(()),
            other => Err(other),
        }
    })
    .await;
    list.release();
    operator_ready(&operator).await;
    assert_eq!(probe(&operator, "/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(probe(&operator, "/livez").await, (200, "ok\n".to_owned()));
    let checks = "[+]lease ok\n[+]watch of data sources ok\n[+]watch of providers ok\nreadyz check passed\n";
    assert_eq!(probe(&operator, "/readyz?verbose").await, (200, checks.to_owned()));
    let (status, checks) = probe(&operator, "/livez?verbose").await;
    assert!(
        status == 200 && checks.contains("[+]work ok\n") && checks.ends_with("livez check passed\n"),
        "{status} {checks}"
    );
    assert_eq!(
        probe(&operator, "/metrics").await.0,
        404,
        "they have an address of their own"
    );
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
    assert!(is(sum(&start, "controller_runtime_reconcile_total", &[]), 0));
    assert!(is(sum(&start, "controller_runtime_max_concurrent_reconciles", &[]), 16));

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
        is(sum(series, "workqueue_depth", &[r#"name="lanes""#]), 1)
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
        is(sum(series, "workqueue_depth", &[]), 0) && is(sum(series, "controller_runtime_active_workers", &[]), 0)
    })
    .await;
    let passes = sum(&end, "controller_runtime_reconcile_total", &[]);
    assert!(passes >= 2.0, "{passes} passes");
    assert!(is(
        passes - sum(&end, "controller_runtime_reconcile_time_seconds_count", &[]),
        0
    ));
    for quiet in [
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_reconcile_panics_total",
    ] {
        assert!(is(sum(&end, quiet, &[]), 0), "{quiet}");
    }
    assert!(is(sum(&end, "dws_recoveries_total", &[]), 1));
    assert!(
        sum(
            &end,
            "rest_client_requests_total",
            &[r#"method="PATCH""#, r#"code="200""#]
        ) >= 4.0
    );
    let failed = [r#"operation="create""#, r#"status="503""#, r#"code="DWS.0005""#];
    assert!(is(sum(&end, "dws_cloud_requests_total", &failed), 1));
    let labels = [r#"operation="create""#];
    assert!(is(
        sum(&end, "dws_cloud_requests_total", &labels),
        world.calls(Call::Create).len()
    ));
    assert!(is(
        sum(&end, "dws_cloud_request_duration_seconds_count", &labels),
        world.calls(Call::Create).len()
    ));

    // An API server that fails is an error of the pass.
    let mut cut = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, dws_testbed::Action::Cut, |call| {
            call.is(ApiSide::Kube, "PATCH", "/dwsdatasources/third/status")
        }));
    world.create(&on_cluster(1, obs("third"))).await;
    cut.reached(SOON).await;
    world.ready("third").await;
    let errors = [r#"controller="dwsdatasource""#];
    let after = scrape(&operator).await;
    assert_eq!(documented(), served(&exposition(&operator).await), "docs/metrics.md");
    assert!(sum(&after, "controller_runtime_reconcile_errors_total", &errors) >= 1.0);
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
    let open = |series: &BTreeMap<String, f64>| sum(series, "dws_breaker_open", &[]);
    until(&operator, "a breaker is open", |series| is(open(series), 1)).await;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> = world.api();
    let right = serde_json::json!({"stringData": {"secretKey": crate::world::SECRET_KEY}});
    secrets
        .patch(
            "dws-access-key",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(right),
        )
        .await
        .expect("the Secret exists");
    world.ready("lake").await;
    until(&operator, "no breaker is open", |series| is(open(series), 0)).await;
}

/// Labels are few and bounded: no name, id or place of an object is among their values, and more objects make no more series.
#[tokio::test(flavor = "multi_thread")]
async fn no_label_grows_with_the_number_of_objects() {
    let world = World::new("metrics").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("zebra-0"))).await;
    world.ready("zebra-0").await;
    let keys = |series: BTreeMap<String, f64>| series.into_keys().collect::<BTreeSet<_>>();
    let few = keys(scrape(&operator).await);
    let mut secrets = vec![world.namespace.name().to_owned(), "zebra".to_owned(), cluster(0)];
    for n in 1..8 {
        world.create(&on_cluster(n, obs(&format!("zebra-{n}")))).await;
    }
    for n in 1..8 {
        let object = world.ready(&format!("zebra-{n}")).await;
        secrets.extend([
            object.metadata.uid.unwrap(),
            object.status.unwrap().id.unwrap(),
            cluster(n),
        ]);
    }
    let many = keys(scrape(&operator).await);
    assert_eq!(many.difference(&few).collect::<Vec<_>>(), Vec::<&String>::new());
    for series in &many {
        let leak = secrets.iter().find(|word| series.contains(word.as_str()));
        assert_eq!(leak, None, "{series}");
    }
}

/// Each line of the log is one JSON object that says when, how bad, what and about which object; text is for people.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_json_lines_or_text() {
    let world = World::new("logs").await;
    world.with_provider().await;
    let operator = world.operator().args(["--log-level=debug"]).start().await;
    world
        .cloud
        .add_fault(Fault::on(Call::Create, Answer::error(503, "DWS.0005", "a \"quoted\"\nline")).times(1));
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    operator.terminate().await;
    let log = operator.log();
    assert!(log.ends_with('\n'), "the last line is whole");
    let mut about = BTreeSet::new();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let time = entry["timestamp"].as_str().map(str::parse::<jiff::Timestamp>);
        assert!(matches!(time, Some(Ok(_))), "{line}");
        for field in ["level", "message", "target"] {
            assert!(entry[field].is_string(), "no {field}: {line}");
        }
        if entry["object"] == "lake" && entry["namespace"] == world.namespace.name() {
            about.extend(entry["reason"].as_str().map(str::to_owned));
        }
    }
    let told = ["Available", "Retrying"].map(str::to_owned);
    assert!(told.iter().all(|reason| about.contains(reason)), "{about:?}");

    let operator = world.operator().args(["--log-format=text"]).start().await;
    world.create(&on_cluster(1, obs("pond"))).await;
    world.ready("pond").await;
    operator.terminate().await;
    let log = operator.log();
    assert!(!log.contains('\u{1b}'), "no colours in a file");
    let told = |line: &str| line.contains(" INFO ") && line.contains("pond") && line.contains(r#"reason="Available""#);
    assert!(log.lines().any(told), "{log}");
    for line in log.lines() {
        let time = line.split(' ').next().unwrap_or_default();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
    }
}

/// Each transition is one event; comparing the cloud or being refused again and again tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn events_tell_each_transition_once() {
    let world = World::new("events").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = std::time::Duration::from_secs(2));
    let refused = Answer::error(400, "DWS.5130", "The agency does not exist.");
    world.cloud.add_fault(Fault::on(Call::Create, refused).name("wrong"));
    let _operator = world
        .operator()
        .args(["--resync-period=1s", "--stalled-recheck=1s"])
        .start()
        .await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.create(&on_cluster(1, obs("wrong"))).await;
    world.ready("lake").await;
    world.stalled("wrong", Reason::InvalidSpec).await;
    world.event("lake", "Available").await;
    world.event("wrong", "InvalidSpec").await;
    let compared = || {
        let of = |call: &&dws_simulator::LogEntry| call.cluster.as_deref() == Some(&cluster(0));
        world.calls(Call::List).iter().filter(of).count()
    };
    let before = compared();
    wait::until(SOON, "five more comparisons, and three more refusals", async || {
        let seen = (compared() - before, world.posts("wrong").len());
        if seen.0 >= 5 && seen.1 >= 4 { Ok(()) } else { Err(seen) }
    })
    .await;
    let events = world
        .api::<Event>()
        .list(&ListParams::default())
        .await
        .expect("events")
        .items;
    for (name, expected) in [
        ("lake", vec!["Available", "Created", "Creating"]),
        ("wrong", vec!["InvalidSpec"]),
    ] {
        let about = |event: &&Event| event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(name);
        let told: Vec<&Event> = events.iter().filter(about).collect();
        let mut reasons: Vec<_> = told.iter().filter_map(|event| event.reason.as_deref()).collect();
        reasons.sort_unstable();
        assert_eq!(reasons, expected, "{name}");
        for event in told {
            assert!(event.series.is_none(), "told again: {event:?}");
            assert_eq!(event.reporting_controller.as_deref(), Some("dws-operator"));
            let regarding = event.regarding.as_ref().unwrap();
            assert_eq!(regarding.kind.as_deref(), Some("DwsDataSource"));
            assert!(regarding.uid.is_some() && event.note.as_ref().is_some_and(|note| !note.is_empty()));
            let bad = event.reason.as_deref() == Some("InvalidSpec");
            assert_eq!(event.type_.as_deref(), Some(if bad { "Warning" } else { "Normal" }));
        }
    }
}
