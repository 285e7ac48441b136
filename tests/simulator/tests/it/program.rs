//! The program: its first line, its options and its end.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::PATIENCE;

async fn start(arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dws-simulator"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let url = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    (program, lines, url)
}

async fn end(mut program: Child) -> bool {
    tokio::time::timeout(PATIENCE, program.wait())
        .await
        .unwrap()
        .unwrap()
        .success()
}

async fn settings(url: &str) -> Value {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("{url}/admin/settings"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test]
async fn it_prints_its_url_and_stops_on_sigterm() {
    let (program, _lines, url) = start(&["--address", "127.0.0.1:0"]).await;
    assert_eq!(settings(&url).await["job_duration"], "1s");
    let id = Pid::from_raw(program.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    assert!(end(program).await);
}

#[tokio::test]
async fn it_ends_with_its_stdin_when_told_to() {
    let (mut program, _lines, url) = start(&["--exit-with-stdin"]).await;
    settings(&url).await;
    drop(program.stdin.take());
    assert!(end(program).await);
}

#[tokio::test]
async fn it_reads_settings_from_a_file() {
    let path = std::env::temp_dir().join(format!("dws-simulator-{}.json", uuid::Uuid::new_v4()));
    std::fs::write(&path, r#"{"job_duration": "20ms", "busy": "conflict"}"#).unwrap();
    let (program, _lines, url) = start(&["--settings", path.to_str().unwrap()]).await;
    let shown = settings(&url).await;
    assert_eq!(
        (shown["job_duration"].as_str(), shown["busy"].as_str()),
        (Some("20ms"), Some("conflict"))
    );
    drop(program);

    std::fs::write(&path, r#"{"bussy": "conflict"}"#).unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_dws-simulator"))
        .args(["--settings", path.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("bussy"));
    std::fs::remove_file(&path).unwrap();
}
