//! Running an operator: here a stand-in that uses the real flags, kubeconfig and proxy, in place of the product.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the test may")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use dws_testbed::wait::{until, until_object};
use dws_testbed::{Action, Call, ControlPlane, Fate, Operator, Rule, Stage, TestNamespace, count};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

const SOON: Duration = Duration::from_secs(30);

/// Runs this test program as the operator: one process, with the flags in a variable, as libtest knows others.
const WRAPPER: &str = r#"#!/bin/sh
STAND_IN_FLAGS="$*" exec 'PROGRAM' --exact stand_in --ignored --nocapture
"#;

fn program() -> (TempDir, PathBuf) {
    let this = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("stand-in");
    std::fs::write(&program, WRAPPER.replace("PROGRAM", this.to_str().unwrap())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    (folder, program)
}

/// Patches the object `lake` and its status with the operator's kubeconfig, listens in name only, and obeys SIGTERM and the annotation `leave`.
#[tokio::test]
#[ignore = "the operator that the other tests run"]
async fn stand_in() {
    let Ok(flags) = std::env::var("STAND_IN_FLAGS") else {
        return;
    };
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    println!("run as: {flags} color={}", std::env::var("COLOR").unwrap_or_default());
    let kubeconfig = flags
        .split(' ')
        .find_map(|flag| flag.strip_prefix("--kubeconfig="))
        .unwrap();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = dws_testbed::client_config(kubeconfig).await.unwrap();
    let namespace = config.default_namespace.clone();
    let objects = data_sources(Client::try_from(config).unwrap(), &namespace);
    let annotation = json!({"metadata": {"annotations": {"run": std::process::id().to_string()}}});
    objects
        .patch("lake", &PatchParams::default(), &Patch::Merge(annotation))
        .await
        .unwrap();
    let status: Value = serde_json::from_str(&std::env::var("STATUS").unwrap()).unwrap();
    objects
        .patch_status("lake", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let health = format!("127.0.0.1:1{}", std::process::id());
    let fields = json!({"message": "listening", "health_address": health, "metrics_address": "127.0.0.1:2"});
    println!("\n{}", json!({"fields": fields}));
    let told = until_object(&objects, "lake", SOON, "somebody says leave", |lake| {
        lake.is_some_and(|lake| lake.annotations().contains_key("leave"))
    });
    tokio::select! {
        _ = terminate.recv() => {
            println!("leaving");
            std::process::exit(7);
        }
        _ = told => std::process::exit(8),
    }
}

fn data_sources(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("dws.huaweicloud.com", "v1alpha1", "DwsDataSource");
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

async fn create_lake(ns: &TestNamespace<'_>) {
    let lake = serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1",
        "kind": "DwsDataSource",
        "metadata": {"name": "lake"},
        "spec": {
            "clusterID": "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90",
            "type": "OBS",
            "dataSourceName": "sales_lake",
            "userName": "dws_agency",
            "connectInfo": "gaussdb",
        },
    }))
    .unwrap();
    data_sources(ns.admin(), ns.name())
        .create(&PostParams::default(), &lake)
        .await
        .unwrap();
}

fn ready() -> String {
    let condition = json!({
        "type": "Ready", "status": "True", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-24T00:00:00Z", "reason": "Available", "message": "It is there.",
    });
    json!({"status": {"observedGeneration": 1, "conditions": [condition]}}).to_string()
}

fn is_status_patch(call: &Call) -> bool {
    call.is(dws_testbed::Api::Kube, "PATCH", "/lake/status")
}

#[tokio::test]
async fn an_operator_is_started_watched_and_ended() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "operator").await;
    create_lake(&ns).await;
    let (_folder, program) = program();
    let mut operator = Operator::builder(&ns)
        .binary(program)
        .identity("a")
        .args(["--write-deadline=2s"])
        .env("COLOR", "red")
        .env("STATUS", &ready())
        .start()
        .await;
    let health = operator.health_url().await;
    assert_eq!(health, format!("http://127.0.0.1:1{}", operator.pid()));
    assert_eq!(operator.metrics_url().await, "http://127.0.0.1:2");
    let name = ns.name();
    let flags = [
        format!("--namespace={name}"),
        format!("--watch-namespace={name}"),
        "--identity=a".to_owned(),
        "--write-deadline=2s color=red".to_owned(),
    ];
    for flag in flags {
        assert!(operator.log().contains(&flag), "{flag}: {}", operator.log());
    }

    let writes = ns.operator_writes().await;
    let row = |resource: &str| ((resource.to_owned(), "lake".to_owned(), "patch".to_owned()), 1);
    let expected = [row("dwsdatasources"), row("dwsdatasources/status")].into();
    assert_eq!(count(&writes), expected, "under its own name");
    let calls = ns.proxy().calls();
    let patch = calls
        .iter()
        .find(|call| is_status_patch(call))
        .expect("it goes through the proxy");
    assert_eq!((patch.status, patch.fate), (Some(200), Fate::PassedOn));
    let versions = ns.recorder().versions("DwsDataSource", "lake");
    assert_eq!(
        versions
            .iter()
            .map(|version| version.written.is_some())
            .collect::<Vec<_>>(),
        [false, true, true]
    );

    let first = operator.pid();
    operator.restart().await;
    assert_ne!(
        operator.health_url().await,
        health,
        "the address of the present process"
    );
    assert_ne!(operator.pid(), first);

    operator.pause();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", operator.pid())).unwrap();
    until(SOON, "it stands still", async || state().contains(") T ").then_some(())).await;
    operator.resume();
    until(SOON, "it goes on", async || (!state().contains(") T ")).then_some(())).await;
    let (status, time) = operator.terminate().await;
    assert_eq!(status.code(), Some(7));
    assert!(time < SOON && operator.log().contains("leaving"));
}

#[tokio::test]
async fn an_operator_is_killed_at_a_chosen_point() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "kill").await;
    create_lake(&ns).await;
    let (_folder, program) = program();
    for (stage, written) in [(Stage::Before, 0), (Stage::Applied, 1), (Stage::Answered, 2)] {
        let mut hit = ns.proxy().on(Rule::new(stage, Action::Hold, is_status_patch));
        let operator = Operator::builder(&ns)
            .binary(&program)
            .env("STATUS", &ready())
            .start()
            .await;
        hit.reached(SOON).await;
        operator.kill().await;
        hit.release();
        assert_eq!(operator.exited(SOON).await.signal(), Some(9));
        let writes = ns.operator_writes().await;
        let patches = writes.iter().filter(|write| write.subresource == "status").count();
        assert_eq!(patches, written, "{stage:?}");
    }
}

#[tokio::test]
#[should_panic(expected = "FAIL0002")]
async fn a_status_that_breaks_the_rules_fails_the_story() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "rules").await;
    create_lake(&ns).await;
    let (_folder, program) = program();
    let operator = Operator::builder(&ns)
        .binary(program)
        .env("STATUS", r#"{"status": {"observedGeneration": 1}}"#)
        .start()
        .await;
    operator.health_url().await;
}

#[tokio::test]
async fn a_watch_goes_through_the_proxy() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "watch").await;
    create_lake(&ns).await;
    let (_folder, program) = program();
    let operator = Operator::builder(&ns)
        .binary(program)
        .env("STATUS", &ready())
        .start()
        .await;
    let is_watch = |call: &Call| call.query.contains("watch=true") && call.status == Some(200);
    ns.proxy()
        .wait_calls(SOON, "a watch", |calls| calls.iter().any(is_watch))
        .await;
    let leave = Patch::Merge(json!({"metadata": {"annotations": {"leave": "now"}}}));
    data_sources(ns.admin(), ns.name())
        .patch("lake", &PatchParams::default(), &leave)
        .await
        .unwrap();
    assert_eq!(operator.exited(SOON).await.code(), Some(8));
    let calls = ns.proxy().wait_calls(SOON, "the watch is over", |calls| {
        calls.iter().any(|call| is_watch(call) && call.ended.is_some())
    });
    assert!(
        calls
            .await
            .iter()
            .filter(|call| is_watch(call))
            .all(|call| call.response.is_empty()),
        "reads are not kept"
    );
}

#[tokio::test]
async fn an_operator_is_gone_when_it_is_dropped() {
    let ns = TestNamespace::create(ControlPlane::shared().await, "drop").await;
    create_lake(&ns).await;
    let (_folder, program) = program();
    let operator = Operator::builder(&ns)
        .binary(program)
        .env("STATUS", &ready())
        .start()
        .await;
    operator.health_url().await;
    let process = format!("/proc/{}", operator.pid());
    assert!(std::fs::exists(&process).unwrap());
    drop(operator);
    assert!(!std::fs::exists(&process).unwrap());
}

/// A test process that starts an operator and then stands still.
#[tokio::test]
#[ignore = "the test process that another test kills"]
async fn host() {
    let Ok(pid_file) = std::env::var("HOST_PID_FILE") else {
        return;
    };
    let ns = TestNamespace::create(ControlPlane::shared().await, "host").await;
    create_lake(&ns).await;
    let (_folder, program) = program();
    let operator = Operator::builder(&ns)
        .binary(program)
        .env("STATUS", &ready())
        .start()
        .await;
    operator.health_url().await;
    std::fs::write(pid_file, operator.pid().to_string()).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn an_operator_ends_when_its_test_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let mut host = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "host", "--ignored"])
        .env("HOST_PID_FILE", &pid_file)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid: u32 = until(Duration::from_mins(2), "the operator runs", async || {
        std::fs::read_to_string(&pid_file).ok().and_then(|pid| pid.parse().ok())
    })
    .await;
    let process = format!("/proc/{pid}");
    assert!(std::fs::exists(&process).unwrap());
    host.kill().await.unwrap();
    until(SOON, "the operator is gone", async || {
        (!std::fs::exists(&process).unwrap()).then_some(())
    })
    .await;
}
