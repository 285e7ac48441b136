//! A real etcd and kube-apiserver on loopback, with TLS, RBAC and an audit log, the CRDs and ClusterRoles installed.
//!
//! There is no controller manager but where a story starts a `NamespaceController`: elsewhere namespaces do not finish deleting, and nothing is
//! garbage-collected.

mod install;
mod launch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kube::config::Kubeconfig;
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::audit::AuditLog;
use crate::kubeconfig::{Access, client_config};
use crate::programs;
use crate::supervisor::Supervisor;

/// Names the kubeconfig of a control plane that is already there.
pub const KUBECONFIG_VARIABLE: &str = "TEST_KUBECONFIG";
/// Names the audit log of that control plane.
pub const AUDIT_LOG_VARIABLE: &str = "TEST_AUDIT_LOG";
/// Names the URL of that control plane's etcd, which asks for no client certificate.
pub const ETCD_VARIABLE: &str = "TEST_ETCD";

/// A control plane; one that was started here ends when the value is dropped, or with the process.
#[derive(Debug)]
pub struct ControlPlane {
    config: Config,
    audit_log: Option<PathBuf>,
    etcd: Option<String>,
    kubeconfig: PathBuf,
    own: Option<Own>,
}

/// What only the process knows that started the control plane.
struct Own {
    admin: Access,
    // Ends etcd and kube-apiserver and removes their folder.
    _supervisor: Supervisor,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// The control plane that all stories share: the one of `TEST_KUBECONFIG`, else one per process.
    ///
    /// # Panics
    /// If there is none and none can be started; the message says why.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                Self::given_or_started()
                    .await
                    .unwrap_or_else(|error| panic!("the shared control plane: {error:#}"))
            })
            .await
    }

    /// The control plane of `TEST_KUBECONFIG`; if that is not set, one that is started here.
    ///
    /// # Errors
    /// If the one that was given cannot be used, or none can be started.
    pub async fn given_or_started() -> Result<Self> {
        match programs::path_in(KUBECONFIG_VARIABLE)? {
            Some(kubeconfig) => Self::join(&kubeconfig)
                .await
                .with_context(|| format!("the control plane of {KUBECONFIG_VARIABLE}")),
            None => Self::try_start().await.context("starting a control plane"),
        }
    }

    /// Starts a control plane of its own, for a story that breaks one or needs two.
    ///
    /// # Panics
    /// If it does not start; the message says why.
    pub async fn start() -> Self {
        Self::try_start()
            .await
            .unwrap_or_else(|error| panic!("a control plane: {error:#}"))
    }

    /// Starts a control plane.
    ///
    /// # Errors
    /// If a program is missing, does not become ready, or refuses the CRDs or ClusterRoles.
    pub async fn try_start() -> Result<Self> {
        let launched = launch::launch().await?;
        let plane = Self {
            config: launched.admin.config().await?,
            audit_log: Some(launched.audit_log),
            etcd: Some(launched.etcd),
            kubeconfig: launched.kubeconfig,
            own: Some(Own {
                admin: launched.admin,
                _supervisor: launched.supervisor,
            }),
        };
        install::install(&plane.try_admin()?).await?;
        Ok(plane)
    }

    async fn join(kubeconfig: &Path) -> Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
        let plane = Self {
            config: client_config(file).await?,
            audit_log: programs::path_in(AUDIT_LOG_VARIABLE)?,
            etcd: std::env::var(ETCD_VARIABLE).ok().filter(|url| !url.is_empty()),
            kubeconfig: kubeconfig.to_owned(),
            own: None,
        };
        install::install(&plane.try_admin()?).await?;
        Ok(plane)
    }

    /// A client with every right. It belongs to the runtime that asks for it.
    ///
    /// # Panics
    /// If the kubeconfig cannot be used.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.try_admin()
            .unwrap_or_else(|error| panic!("the administrator's client: {error:#}"))
    }

    fn try_admin(&self) -> Result<Client> {
        Ok(Client::try_from(self.config.clone())?)
    }

    /// The audit log from now on; none if the control plane was given by `TEST_KUBECONFIG` without `TEST_AUDIT_LOG`.
    pub(crate) fn audit(&self) -> Result<Option<AuditLog>> {
        let from_now = |path: &PathBuf| {
            AuditLog::from_now(path, self.config.clone()).with_context(|| format!("the audit log {}", path.display()))
        };
        self.audit_log.as_ref().map(from_now).transpose()
    }

    /// The file that the audit log is written to.
    ///
    /// # Panics
    /// If the control plane was given by `TEST_KUBECONFIG` without `TEST_AUDIT_LOG`.
    #[must_use]
    pub fn audit_log(&self) -> &Path {
        self.audit_log.as_deref().unwrap_or_else(|| {
            panic!("requests are looked for in the control plane's audit log, and {AUDIT_LOG_VARIABLE} is not set")
        })
    }

    /// etcd's URL.
    ///
    /// # Panics
    /// If the control plane was given by `TEST_KUBECONFIG` without `TEST_ETCD`.
    #[must_use]
    pub fn etcd(&self) -> &str {
        self.etcd.as_deref().unwrap_or_else(|| {
            panic!("what is stored is looked for in the control plane's etcd, and {ETCD_VARIABLE} is not set")
        })
    }

    /// The environment through which other processes, wherever they run, join this control plane.
    ///
    /// # Errors
    /// If a path is not UTF-8, or cannot be made absolute.
    pub fn environment(&self) -> Result<BTreeMap<&'static str, String>> {
        let paths = [
            (KUBECONFIG_VARIABLE, Some(self.kubeconfig.clone())),
            (AUDIT_LOG_VARIABLE, self.audit_log.clone()),
            // Stories that break a control plane start their own.
            (programs::ASSETS_VARIABLE, programs::path_in(programs::ASSETS_VARIABLE)?),
        ];
        let mut environment = BTreeMap::new();
        for (variable, path) in paths {
            if let Some(path) = path {
                let path = path
                    .to_str()
                    .with_context(|| format!("{} is not UTF-8", path.display()))?;
                environment.insert(variable, path.to_owned());
            }
        }
        environment.extend(self.etcd.clone().map(|url| (ETCD_VARIABLE, url)));
        Ok(environment)
    }

    /// Writes the administrator's kubeconfig to a file that only its owner can read.
    ///
    /// # Errors
    /// If the control plane was not started by this process, or the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<()> {
        self.own
            .as_ref()
            .context("the control plane is somebody else's")?
            .admin
            .write(path)
    }

    /// The apiserver's URL.
    #[must_use]
    pub fn server(&self) -> String {
        self.config.cluster_url.to_string().trim_end_matches('/').to_owned()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The configuration of the administrator's clients.
    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    /// The authorities that vouch for the apiserver, as DER.
    pub(crate) fn authorities(&self) -> Result<&[Vec<u8>]> {
        let authorities = self.config.root_cert.as_deref().unwrap_or_default();
        ensure!(
            !authorities.is_empty(),
            "the kubeconfig has no certificate-authority-data"
        );
        Ok(authorities)
    }
}
