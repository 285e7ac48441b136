//! What the operator tells those who run it and those who use it: probes, logs and events.

use std::collections::BTreeSet;
use std::time::Duration;

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Fault};
use dws_testbed::{Action, Api, Rule, Stage, wait};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::Value;

use crate::world::{SOON, World, cluster, obs, on_cluster, operator_ready, probe};

/// The probes name each check, in the words of the API server.
#[tokio::test(flavor = "multi_thread")]
async fn probes_name_their_checks() {
    let world = World::new("probes").await;
    let mut list = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, |call| {
            call.is(Api::Kube, "GET", "/dwsproviders")
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

/// Each line of the log is one JSON object that says when, how bad, what and about which object; text is for people.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_json_lines_or_text() {
    let world = World::new("logs").await;
    world.with_provider().await;
    let operator = world.operator().args(["--log-level=trace"]).start().await;
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
        for field in ["level", "target"] {
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
        .update_settings(|settings| settings.job_duration = Duration::from_secs(2));
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
