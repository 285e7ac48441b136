//! The real namespace controller: kube-controller-manager with nothing else switched on.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::supervisor::{Launch, Process, Supervisor};
use crate::{ControlPlane, programs};

/// The program.
const PROGRAM: &str = "kube-controller-manager";

/// Empties namespaces that are being deleted, and lets them go once nothing is left in them. It ends when the value is dropped.
pub struct NamespaceController {
    _process: Process,
    // Ends the process and removes the folder.
    _supervisor: Supervisor,
    _folder: TempDir,
}

impl NamespaceController {
    /// Starts it for a control plane. None where the folder in `KUBEBUILDER_ASSETS` lacks the program, as that of envtest does; that is told on standard error.
    ///
    /// # Panics
    /// If it cannot be started, or `tools/build` has not built it.
    pub async fn start(plane: &ControlPlane) -> Option<Self> {
        if programs::is_given() && programs::kubernetes(PROGRAM).is_err() {
            eprintln!("skipped: the folder in KUBEBUILDER_ASSETS has no {PROGRAM}, and no namespace ends without it");
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
