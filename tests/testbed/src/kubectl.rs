//! `kubectl` as a user runs it.

use std::os::unix::fs::PermissionsExt;
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

    /// What a shell script prints that calls `kubectl`, with `NAMESPACE` set to the namespace.
    ///
    /// # Panics
    /// If it cannot be run or fails; the message shows what it complains about.
    pub async fn script(&self, script: &str) -> String {
        let folder = self.cache.path().join("bin");
        std::fs::create_dir_all(&folder).expect("a folder for the script's programs");
        let wrapper = folder.join("kubectl");
        let quoted = |path: &Path| format!("'{}'", path.display());
        let call = format!(
            "#!/bin/sh\nexec {} --kubeconfig {} --cache-dir {} \"$@\"\n",
            quoted(&self.program),
            quoted(&self.kubeconfig),
            quoted(self.cache.path())
        );
        std::fs::write(&wrapper, call).expect("the script's kubectl can be written");
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("and made a program");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-euc", script])
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("HOME", self.cache.path())
            .env("NAMESPACE", &self.namespace)
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|error| panic!("running a script: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{}:\n{script}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}
