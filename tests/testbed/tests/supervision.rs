//! Nothing that the testbed starts outlives the process that asked for it.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the test may")]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use dws_testbed::KUBECONFIG_VARIABLE;
use dws_testbed::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const READY: Duration = Duration::from_mins(2);
const GONE: Duration = Duration::from_secs(30);

const DEFINITIONS: &str = "\
customresourcedefinition.apiextensions.k8s.io/clusterdwsproviders.dws.huaweicloud.com
customresourcedefinition.apiextensions.k8s.io/dwsdatasources.dws.huaweicloud.com
customresourcedefinition.apiextensions.k8s.io/dwsproviders.dws.huaweicloud.com
";

fn testbed() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dws-testbed"));
    // The shared control plane would be joined: nothing would be started.
    command.kill_on_drop(true).env_remove(KUBECONFIG_VARIABLE);
    command
}

/// A control plane in the foreground, once it has said that it is ready.
async fn control_plane(dir: &Path) -> Child {
    let mut child = testbed()
        .args(["control-plane", "--exit-with-stdin", "--dir"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(READY, lines.next_line())
        .await
        .expect("it is ready in time")
        .unwrap();
    assert!(
        first.is_some_and(|line| line.contains("is ready")),
        "the first line says so"
    );
    child
}

/// The CRDs that `kubectl` finds with a kubeconfig.
async fn definitions(kubeconfig: &Path) -> String {
    let output = Command::new(dws_testbed::kubernetes_program("kubectl").unwrap())
        .args(["get", "crd", "--output=name", "--kubeconfig"])
        .arg(kubeconfig)
        // Another control plane may have had the same port.
        .arg("--cache-dir")
        .arg(kubeconfig.with_file_name("cache"))
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All processes below `pid`, by their command lines.
fn descendants(pid: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    // A child is listed with the thread that started it.
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            found.push((child, command_line(child)));
            found.extend(descendants(child));
        }
    }
    found
}

fn command_line(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .unwrap_or_default()
        .replace('\0', " ")
}

/// The folder that etcd keeps its data in.
fn data_folder(processes: &[(u32, String)]) -> PathBuf {
    let (_, etcd) = processes
        .iter()
        .find(|(_, line)| line.contains("--data-dir="))
        .expect("etcd runs");
    let data = etcd
        .split("--data-dir=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap();
    Path::new(data).parent().unwrap().to_owned()
}

async fn all_gone(processes: &[(u32, String)], folder: &Path) {
    until(GONE, "processes and data are gone", async || {
        let alive: Vec<_> = processes
            .iter()
            .filter(|(pid, line)| command_line(*pid) == *line)
            .collect();
        if alive.is_empty() && !folder.exists() {
            Ok(())
        } else {
            Err(format!("{alive:?}, {}", folder.display()))
        }
    })
    .await;
}

async fn ended(child: &mut Child) -> ExitStatus {
    tokio::time::timeout(GONE, child.wait())
        .await
        .expect("it ends in time")
        .unwrap()
}

#[tokio::test]
async fn a_control_plane_ends_with_its_owner_however_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    for signal in [Some(Signal::KILL), Some(Signal::TERM), Some(Signal::INT), None] {
        let mut child = control_plane(dir.path()).await;
        let kubeconfig = dir.path().join("kubeconfig");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&kubeconfig).unwrap());
        assert_eq!(mode & 0o777, 0o600, "the kubeconfig is private");
        assert_eq!(definitions(&kubeconfig).await, DEFINITIONS, "it serves the CRDs");
        let pid = child.id().unwrap();
        let processes = descendants(pid);
        assert_eq!(
            processes.len(),
            3,
            "a supervisor, etcd and kube-apiserver: {processes:?}"
        );
        let folder = data_folder(&processes);
        assert!(folder.exists());

        // Waiting for a child closes its standard input, which would end it whatever the signal did.
        let stdin = child.stdin.take();
        let stdin = if let Some(signal) = signal {
            kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
            stdin
        } else {
            drop(stdin);
            None
        };
        let status = ended(&mut child).await;
        drop(stdin);
        assert_eq!(status.success(), signal != Some(Signal::KILL), "{status}");
        all_gone(&processes, &folder).await;
        assert_eq!(
            kubeconfig.exists(),
            signal == Some(Signal::KILL),
            "what ends in order leaves no kubeconfig"
        );
    }
}

#[tokio::test]
async fn run_gives_the_command_a_control_plane_and_returns_its_exit_code() {
    let script = r#"
        test -s "$TEST_AUDIT_LOG" || exit 3
        case "$TEST_ETCD" in http://127.0.0.1:*) ;; *) exit 4 ;; esac
        grep -q 'server: .*https://127.0.0.1:' "$TEST_KUBECONFIG" || exit 5
        exit 42
    "#;
    let status = testbed()
        .args(["run", "--", "sh", "-c", script])
        .status()
        .await
        .unwrap();
    assert_eq!(status.code(), Some(42));
}

#[tokio::test]
async fn run_passes_sigterm_on_to_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let started = dir.path().join("started");
    let mut child = testbed()
        .args(["run", "--", "sh", "-c", "touch \"$0\"; exec sleep 600"])
        .arg(&started)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let processes = until(READY, "the command runs", async || {
        // The shell becomes the command some time after it has touched the file.
        let processes = descendants(pid);
        let runs = started.exists() && processes.iter().any(|(_, line)| line.starts_with("sleep"));
        runs.then_some(processes)
    })
    .await;
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::TERM).unwrap();
    let status = ended(&mut child).await;
    assert_eq!(status.code(), Some(128 + Signal::TERM.as_raw()), "{status}");
    assert_eq!(status.signal(), None);
    all_gone(&processes, &data_folder(&processes)).await;
}
