//! `dws-operator check`, run once with the operator's flags and under its ServiceAccount.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::{TestNamespace, programs};

/// How long it may take: longer than all of its deadlines.
const ENDS: Duration = Duration::from_mins(2);

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed, on both streams.
    pub report: String,
}

impl Checked {
    /// The lines that say that something is wrong.
    #[must_use]
    pub fn wrong(&self) -> Vec<&str> {
        self.report.lines().filter(|line| line.starts_with("wrong ")).collect()
    }
}

/// Checks the installation of `namespace`; more arguments may follow those of its operator.
///
/// # Panics
/// If the program cannot be run or does not end.
pub async fn check(namespace: &TestNamespace<'_>, args: &[&str]) -> Checked {
    try_check(namespace, args)
        .await
        .unwrap_or_else(|error| panic!("the check: {error:#}"))
}

async fn try_check(namespace: &TestNamespace<'_>, args: &[&str]) -> Result<Checked> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let kubeconfig = folder.path().join("kubeconfig");
    namespace.access(namespace.proxy()).write(&kubeconfig)?;
    let output = Command::new(programs::built("dws-operator")?)
        .arg("check")
        .args(namespace.flags(&kubeconfig))
        .args(args)
        .env_clear()
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(ENDS, output).await.context("it does not end")??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Checked {
        status: output.status,
        report: text(&output.stdout) + &text(&output.stderr),
    })
}
