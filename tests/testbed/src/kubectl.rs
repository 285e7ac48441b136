//! `kubectl` as a user runs it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::Command;

use crate::programs;

/// The real `kubectl`, with an administrator's rights in one namespace.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    /// Ports are used again by other control planes: what another run has learned about one must not be believed.
    cache: TempDir,
}

impl Kubectl {
    pub(crate) fn new(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        Ok(Self {
            program: programs::kubernetes("kubectl")?,
            kubeconfig: kubeconfig.to_owned(),
            namespace: namespace.to_owned(),
            cache: tempfile::Builder::new()
                .prefix("kubectl-")
                .tempdir()
                .context("making a folder")?,
        })
    }

    /// What it prints.
    ///
    /// # Panics
    /// If it cannot be run or fails; the message shows what it complains about.
    pub async fn run(&self, args: &[&str]) -> String {
        let output = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(self.cache.path())
            .args(["--namespace", &self.namespace])
            .args(args)
            .env("HOME", self.cache.path())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|error| panic!("running {}: {error}", self.program.display()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "kubectl {args:?}: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}
