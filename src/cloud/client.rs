//! A session: one endpoint, one project and one credential, and the calls made with them.
//!
//! Takes validated words and returns what the cloud answered, or a [`Failure`]. It keeps no list and no
//! job; what it keeps is the connection pool, the temporary credential and the project of the region.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Certificate;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use super::ambient::Agency;
use super::breaker::{BreakerState, Gate};
use super::credential_cache::CredentialCache;
use super::credentials::{Credentials, Principal};
use super::endpoints::Endpoint;
use super::errors::Failure;
use super::judge::Success;
use super::limits::Limits;
use super::observer::{Observer, Operation, Service};
use super::rate::{Meter, RateBound};
use super::request::{Call, Target};
use super::transport::{ConnectionSettings, Transport};
use super::wire::{Accepted, CreateRequest, Job, Listing, Reconfigure};
use super::{Dws, bodies, ids, source_id};
use crate::api::data_source::DataSourceType;

/// The longest wait for a service of the node; as in Huawei's own SDKs.
pub(super) const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// A write, from sending to the end of the answer.
    pub write: Duration,
    /// A read, from sending to the end of the answer.
    pub read: Duration,
}

impl Timeouts {
    pub(super) fn of(&self, operation: Operation) -> Duration {
        match operation.service() {
            // They answer at once or not at all.
            Service::Node => self.read.min(NODE_TIMEOUT),
            _ if operation.is_write() => self.write,
            _ => self.read,
        }
    }
}

/// Asked right before each write goes out, after all waiting.
pub trait Fence: Send + Sync {
    /// Whether a write that may take this long may start now.
    fn covers_write(&self, timeout: Duration) -> bool;
}

/// What a session is made of.
#[derive(Clone)]
pub struct SessionConfig {
    /// The endpoint of DWS.
    pub endpoint: Endpoint,
    /// The endpoint of IAM.
    pub iam_endpoint: Endpoint,
    /// The region, which is also the name of its own project.
    pub region: String,
    /// The project; if none, the region's own, which IAM is asked for.
    pub project_id: Option<String>,
    /// PEM certificates to trust instead of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The endpoint of STS; none if nothing needs it.
    pub sts_endpoint: Option<Endpoint>,
    /// What to authenticate with.
    pub credentials: Credentials,
    /// The agency to assume with the credentials.
    pub agency: Option<Agency>,
    /// How many requests may be made; none for no bound of its own.
    pub rate: Option<RateBound>,
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// Whether `HTTPS_PROXY` and its kin are obeyed.
    pub use_proxy_env: bool,
    /// Shared by all sessions of the process.
    pub limits: Arc<Limits>,
    /// Whether a write may start.
    pub fence: Arc<dyn Fence>,
    /// Told of each call.
    pub observer: Arc<dyn Observer>,
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The region is not one.
    #[error("the region {0:?} is not one: it has lower-case letters, digits and hyphens")]
    Region(String),
    /// The project id is not one.
    #[error("the project id {0:?} is not one: it has 1 to 64 letters and digits")]
    ProjectId(String),
    /// The certificates cannot be used.
    #[error("the CA bundle holds no certificate in PEM form, or one that cannot be read")]
    CaBundle,
    /// The system's TLS is not usable, for example because it has no root certificates.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// The rates of requests to each endpoint.
pub(super) struct Meters {
    pub dws: Meter,
    pub iam: Meter,
    pub sts: Option<Meter>,
}

/// A way to the cloud; see [`Dws`] for the calls.
pub struct Session {
    pub(super) config: SessionConfig,
    pub(super) principal: Principal,
    pub(super) gate: Gate,
    pub(super) meters: Meters,
    pub(super) cache: Arc<CredentialCache>,
    /// How many credentials had been issued when one was rejected last.
    pub(super) rejected_with: AtomicU64,
    cloud: Transport,
    /// To the services of the node; only for credentials that come from there.
    node: Option<Transport>,
    pub(super) project: OnceCell<String>,
}

impl Session {
    /// Sets a session up. Nothing is sent before the first call.
    ///
    /// # Errors
    /// If the configuration cannot be right.
    pub fn connect(config: SessionConfig) -> Result<Self, ConnectError> {
        if !ids::is_region(&config.region) {
            return Err(ConnectError::Region(config.region));
        }
        if let Some(id) = config.project_id.as_ref().filter(|id| !ids::is_project(id)) {
            return Err(ConnectError::ProjectId(id.clone()));
        }
        let settings = ConnectionSettings {
            connect_timeout: config.timeouts.connect,
            use_proxy_env: config.use_proxy_env,
            to_node: false,
            roots: config.ca_pem.as_deref().map(certificates).transpose()?,
        };
        let cloud = Transport::new(settings).map_err(|error| match &config.ca_pem {
            Some(_) => ConnectError::CaBundle,
            None => ConnectError::Tls(error.to_string()),
        })?;
        let is_of_node = matches!(
            config.credentials,
            Credentials::PodIdentity(_) | Credentials::NodeAgency(_)
        );
        let node = is_of_node
            .then(|| Transport::new(ConnectionSettings::to_node()))
            .transpose();
        let node = node.map_err(|error| ConnectError::Tls(error.to_string()))?;
        let principal = config.credentials.principal();
        let credentials = source_id::of_credentials(&config.credentials);
        let meter = |endpoint| config.limits.meter(credentials, endpoint, config.rate);
        let meters = Meters {
            dws: meter(&config.endpoint),
            iam: meter(&config.iam_endpoint),
            sts: config.sts_endpoint.as_ref().map(meter),
        };
        Ok(Self {
            gate: config.limits.gate(principal.clone()),
            project: OnceCell::new_with(config.project_id.clone()),
            cache: config.limits.cache(source_id::of(&config)),
            rejected_with: AtomicU64::default(),
            meters,
            principal,
            cloud,
            node,
            config,
        })
    }

    /// The way to whoever answers.
    pub(super) fn transport(&self, operation: Operation) -> &Transport {
        match (&self.node, operation.service()) {
            (Some(node), Service::Node) => node,
            _ => &self.cloud,
        }
    }

    /// The project of the session: the configured one, or the region's own, asked for once. Also has a temporary credential issued or renewed
    /// that is due, so that it is there before a call needs it, and a source that does not work is told before an object uses it; but no
    /// password is tried before it is needed, for each try counts towards a lock of the user.
    ///
    /// # Errors
    /// If IAM does not list exactly one project of the region's name, or cannot be asked, or no credential is issued.
    pub async fn find_project(&self) -> Result<String, Failure> {
        self.notice_renewal();
        // Who only wants to know it must not take the turn of a call from the breaker.
        match self.project.get() {
            Some(project) if !self.is_exchange_due() => Ok(project.clone()),
            _ => self.prepared_project().await,
        }
    }

    /// A session in another project, with the same credential.
    ///
    /// # Errors
    /// If the project's id is none.
    pub fn within(&self, project_id: &str) -> Result<Self, ConnectError> {
        Self::connect(SessionConfig {
            project_id: Some(project_id.to_owned()),
            ..self.config.clone()
        })
    }

    fn is_exchange_due(&self) -> bool {
        match (&self.config.credentials, &self.config.agency) {
            (Credentials::AccessKey(_), None) => false,
            (Credentials::Password { .. }, _) => self.cache.expiry().is_some() && !self.cache.is_fresh(),
            _ => !self.cache.is_fresh(),
        }
    }

    /// When the temporary credential or token in use expires, if there is one.
    #[must_use]
    pub fn credential_expiry(&self) -> Option<Timestamp> {
        self.cache.expiry()
    }

    /// What is known of the session's credential.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        self.gate.state()
    }

    /// When rejected credentials may be tried again, at the earliest.
    #[must_use]
    pub fn next_probe(&self) -> Option<Timestamp> {
        self.gate.next_probe()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, ConnectError> {
    let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(ConnectError::CaBundle);
    }
    Ok(certificates)
}

impl Dws for Session {
    async fn create(
        &self,
        cluster: &str,
        request: &CreateRequest,
        user_pwd: Option<&SecretString>,
    ) -> Result<Accepted, Failure> {
        ids::check_cluster(cluster)?;
        let call = Call {
            body: bodies::create(request, user_pwd),
            secrets: user_pwd.map(ExposeSecret::expose_secret).into_iter().collect(),
            ..Call::new(Operation::Create, Target::DataSources { cluster })
        };
        self.exchange(&call, |success| bodies::accepted(&success.body)).await
    }

    async fn list(&self, cluster: &str, type_: DataSourceType) -> Result<Listing, Failure> {
        ids::check_cluster(cluster)?;
        let call = Call {
            query: Some(("type", type_.as_str())),
            ..Call::new(Operation::List, Target::DataSources { cluster })
        };
        let listing = self
            .exchange(&call, |Success { answer, body, redactor }| {
                // A list of something else proves nothing absent.
                let is_ours = bodies::is_about(body, "cluster_id", cluster) && bodies::is_of_type(body, type_);
                is_ours.then(|| bodies::listing(body, answer.date, redactor)).flatten()
            })
            .await?;
        if listing.dropped > 0 {
            tracing::warn!(
                cluster,
                dropped = listing.dropped,
                "items of a list have no valid id or no name"
            );
        }
        Ok(listing)
    }

    async fn update(&self, cluster: &str, id: &str, change: &Reconfigure) -> Result<String, Failure> {
        ids::check_cluster(cluster)?;
        ids::check_data_source(id)?;
        let call = Call {
            body: bodies::update(change),
            ..Call::new(Operation::Update, Target::DataSource { cluster, id })
        };
        self.exchange(&call, |success| bodies::job_id(&success.body)).await
    }

    async fn delete(&self, cluster: &str, id: &str) -> Result<Option<String>, Failure> {
        ids::check_cluster(cluster)?;
        ids::check_data_source(id)?;
        let call = Call::new(Operation::Delete, Target::DataSource { cluster, id });
        self.exchange(&call, |success| {
            // A job that is named but malformed is no answer; a job that is not named is one.
            let named = bodies::names_a_job(&success.body);
            let job = bodies::job_id(&success.body);
            (!named || job.is_some()).then_some(job)
        })
        .await
    }

    async fn job(&self, job_id: &str) -> Result<Job, Failure> {
        ids::check_job(job_id)?;
        let call = Call::new(Operation::Job, Target::Job { id: job_id });
        self.exchange(&call, |success: &Success<'_>| {
            let is_ours = bodies::is_about(&success.body, "job_id", job_id);
            is_ours.then(|| bodies::job(&success.body, success.redactor)).flatten()
        })
        .await
    }
}
