//! The real namespace controller: kube-controller-manager with nothing else switched on.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::supervisor::{Launch, Process, Supervisor};
use crate::{ControlPlane, programs};

/// The program.
const PROGRAM: &str = "kube-controller-manager";
/// Allows what needs the program to be skipped where it is missing.
const SKIP_VARIABLE: &str = "TEST_SKIP_NAMESPACE_END";

/// Empties namespaces that are being deleted, and lets them go once nothing is left in them. It ends when the value is dropped.
pub struct NamespaceController {
    _process: Process,
    // Ends the process and removes the folder.
    _supervisor: Supervisor,
    _folder: TempDir,
}

impl NamespaceController {
    /// Starts it for a control plane. None where the program is missing, as in the `KUBEBUILDER_ASSETS` of envtest, and `TEST_SKIP_NAMESPACE_END` is `1`; that is
    /// told on standard error.
    ///
    /// # Panics
    /// If it cannot be started, or is missing and nobody asked to go without it.
    pub async fn start(plane: &ControlPlane) -> Option<Self> {
        if let Err(error) = programs::kubernetes(PROGRAM) {
            assert!(
                std::env::var(SKIP_VARIABLE).is_ok_and(|skip| skip == "1"),
                "{error:#}; no namespace ends without it. {SKIP_VARIABLE}=1 skips these stories"
            );
            eprintln!("skipped, as {SKIP_VARIABLE} asks for: {error:#}");
            return None;
        }
        let started = Self::try_start(plane).await;
        Some(started.unwrap_or_else(|error| panic!("the namespace controller: {error:#}")))
    }

    async fn try_start(plane: &ControlPlane) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dws-namespaces-").tempdir();
        let folder = folder.context("making a folder")?;
        let flags = [
            format!("--kubeconfig={}", plane.kubeconfig().display()),
            "--controllers=namespace-controller".to_owned(),
            "--leader-elect=false".to_owned(),
            // It serves nothing; its health is the end of namespaces.
            "--bind-address=127.0.0.1".to_owned(),
            "--secure-port=0".to_owned(),
            "--kube-api-qps=200".to_owned(),
            "--kube-api-burst=400".to_owned(),
        ];
        let launch = Launch {
            program: programs::kubernetes(PROGRAM)?,
            args: flags.to_vec(),
            env: BTreeMap::new(),
            log: folder.path().join("log"),
        };
        let supervisor = Supervisor::start(Some(folder.path())).await?;
        Ok(Self {
            _process: supervisor.spawn(launch).await?,
            _supervisor: supervisor,
            _folder: folder,
        })
    }
}
