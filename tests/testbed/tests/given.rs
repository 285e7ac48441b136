//! A control plane, or programs, that were given from outside are used instead of the testbed's own.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the test may")]

use std::path::{Path, PathBuf};
use std::process::Output;

use dws_testbed::{AUDIT_LOG_VARIABLE, ControlPlane, ETCD_VARIABLE, KUBECONFIG_VARIABLE, TestNamespace};
use tokio::process::Command;

const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";
const CREATED: &str = "the namespace is created";

/// `dws-testbed run` in an environment that names nothing.
fn run() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dws-testbed"));
    command.arg("run").arg("--").kill_on_drop(true);
    for variable in [KUBECONFIG_VARIABLE, AUDIT_LOG_VARIABLE, ETCD_VARIABLE, ASSETS_VARIABLE] {
        command.env_remove(variable);
    }
    command
}

/// The kubeconfig of the shared control plane under another name, in a folder of its own.
async fn given(folder: &Path) -> PathBuf {
    let environment = ControlPlane::shared().await.environment().unwrap();
    let given = folder.join("given");
    std::os::unix::fs::symlink(&environment[KUBECONFIG_VARIABLE], &given).unwrap();
    given
}

async fn output(command: &mut Command) -> (Output, String) {
    let output = command.output().await.unwrap();
    let text = [output.stdout.as_slice(), &output.stderr]
        .map(String::from_utf8_lossy)
        .concat();
    (output, text)
}

#[tokio::test]
async fn run_joins_the_control_plane_that_was_given_and_passes_it_on() {
    let folder = tempfile::tempdir().unwrap();
    let given = given(folder.path()).await;
    let script = r#"test "$TEST_KUBECONFIG" = "$0" && test "${TEST_AUDIT_LOG-none}" = "$1" && exit 42"#;
    for (audit_log, passed_on) in [
        (None, "none".to_owned()),
        (Some("log"), folder.path().join("log").display().to_string()),
    ] {
        let mut command = run();
        command
            .args(["sh", "-c", script])
            .arg(&given)
            .arg(passed_on)
            // Relative paths are this process' own: what it runs may run elsewhere.
            .current_dir(folder.path())
            .env(KUBECONFIG_VARIABLE, "given")
            // There is nothing to start one from.
            .env(ASSETS_VARIABLE, folder.path());
        command.envs(audit_log.map(|log| (AUDIT_LOG_VARIABLE, log)));
        let (output, text) = output(&mut command).await;
        assert_eq!(output.status.code(), Some(42), "{text}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let given = given(folder.path()).await;
    for proxy in ["http://127.0.0.1:1", "no url"] {
        let mut command = run();
        command.args(["sh", "-c", "exit 42"]).env(KUBECONFIG_VARIABLE, &given);
        let (output, text) = output(command.env("HTTPS_PROXY", proxy)).await;
        assert_eq!(output.status.code(), Some(42), "{text}");
    }
}

#[tokio::test]
async fn a_control_plane_that_cannot_be_used_is_told_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let (output, text) = output(run().args(["sh", "-c", "exit 42"]).env(KUBECONFIG_VARIABLE, &missing)).await;
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(KUBECONFIG_VARIABLE) && text.contains("missing"), "{text}");
}

#[tokio::test]
async fn programs_are_taken_from_the_folder_that_was_given() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["etcd", "kube-apiserver"] {
        let program = dws_testbed::kubernetes_program(name).unwrap();
        std::os::unix::fs::symlink(program, folder.path().join(name)).unwrap();
    }
    // The programs are started under the name that they were found by.
    let script =
        r#"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' '\n' | grep -qx "$KUBEBUILDER_ASSETS/etcd" && exit 42"#;
    let (output, text) = output(run().args(["sh", "-c", script]).env(ASSETS_VARIABLE, folder.path())).await;
    assert_eq!(output.status.code(), Some(42), "{text}");
}

#[tokio::test]
#[ignore = "run by the test below, in an environment of its own"]
async fn namespace_whose_writes_are_counted() {
    let namespace = TestNamespace::create(ControlPlane::shared().await, "given").await;
    println!("{CREATED}");
    namespace.operator_writes().await;
}

#[tokio::test]
async fn only_what_counts_writes_needs_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let given = given(folder.path()).await;
    let mut child = run();
    child
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "namespace_whose_writes_are_counted",
        ])
        .env(KUBECONFIG_VARIABLE, given);
    let (output, text) = output(&mut child).await;
    assert!(!output.status.success() && text.contains("1 failed"), "{text}");
    assert!(text.contains(CREATED), "a namespace needs none: {text}");
    assert!(text.contains(&format!("{AUDIT_LOG_VARIABLE} is not set")), "{text}");
}
