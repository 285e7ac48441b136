//! The command line: every setting is a flag with an environment variable as its twin, and the environment is read nowhere else.
//!
//! Takes arguments and environment, returns typed values; it may never connect to anything.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::duration;
use super::timings::Timings;

/// Manages external data sources of Huawei Cloud GaussDB(DWS) as Kubernetes resources.
#[derive(Debug, Parser)]
// The last of a flag counts, so that a manifest can add to the arguments of another one.
#[command(version, max_term_width = 120, args_override_self = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Print the custom resource definitions as YAML.
    Crds(CrdsArgs),
    /// Say what is wrong with permissions, custom resource definitions and providers.
    Check(ClusterArgs),
}

/// The flags of `crds`.
#[derive(Args, Clone, Debug)]
pub struct CrdsArgs {
    /// Write one file for each definition into this directory instead of printing them.
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,
}

/// Which cluster and which clouds: the flags that `run` and `check` share.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// The kubeconfig to use; by default the one that kubectl would use, else the service account of the pod.
    #[arg(long, env = "DWS_OPERATOR_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the operator: its Lease and the Secrets of cluster providers. By default that of the pod, else of the kubeconfig.
    #[arg(long, env = "DWS_OPERATOR_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,
    /// The namespace of the pod, from the downward API.
    #[arg(long, env = "POD_NAMESPACE", hide = true, value_parser = namespace)]
    pub pod_namespace: Option<String>,
    /// A namespace to watch (repeat the flag, or separate with commas); by default all.
    #[arg(long, env = "DWS_OPERATOR_WATCH_NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespace: Vec<String>,
    /// A domain that endpoints may be in (repeat the flag, or separate with commas); replaces the default list.
    #[arg(
        long,
        env = "DWS_OPERATOR_ALLOW_ENDPOINT_DOMAIN",
        value_name = "DOMAIN",
        value_delimiter = ',',
        value_parser = domain,
        default_value = "myhuaweicloud.com,myhuaweicloud.cn,myhuaweicloud.eu"
    )]
    pub allow_endpoint_domain: Vec<String>,
    /// Allow plain http to 127.0.0.1 and `[::1]`, for tests.
    #[arg(long, env = "DWS_OPERATOR_ALLOW_INSECURE_ENDPOINTS", default_value = "false", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub allow_insecure_endpoints: bool,
    /// Reach the cloud through the proxy that `HTTPS_PROXY` and `NO_PROXY` name.
    #[arg(long, env = "DWS_OPERATOR_USE_PROXY_ENV", default_value = "false", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub use_proxy_env: bool,
    /// Let a `DwsProvider` of a namespace use the operator's own identity (podIdentity, oidc, nodeAgency); by default only a `ClusterDwsProvider` may.
    #[arg(long, env = "DWS_OPERATOR_ALLOW_AMBIENT_CREDENTIALS_IN_NAMESPACES", default_value = "false", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub allow_ambient_credentials_in_namespaces: bool,
    /// The file of the `ServiceAccount` token that providers with oidc exchange; it is read anew at each exchange.
    #[arg(long, env = "DWS_OPERATOR_OIDC_TOKEN_FILE", value_name = "FILE")]
    pub oidc_token_file: Option<PathBuf>,
    /// The metadata service of the node, for providers with nodeAgency: a link-local address, or with --allow-insecure-endpoints a loopback one.
    #[arg(
        long,
        env = "DWS_OPERATOR_METADATA_ENDPOINT",
        value_name = "URL",
        default_value = "http://169.254.169.254"
    )]
    pub metadata_endpoint: String,
    /// Where the pod identity agent answers, as CCE sets it.
    #[arg(long, env = "HC_CONTAINER_CREDENTIALS_FULL_URI", value_name = "URL", hide = true)]
    pub pod_identity_uri: Option<String>,
    /// The file of the token for the pod identity agent, as CCE sets it.
    #[arg(
        long,
        env = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        value_name = "FILE",
        hide = true
    )]
    pub pod_identity_token_file: Option<PathBuf>,
    /// What is done with Secrets besides reading them by name.
    #[command(flatten)]
    pub secrets: SecretArgs,
}

/// The flags about Secrets.
#[derive(Args, Clone, Copy, Debug)]
pub struct SecretArgs {
    /// Watch the metadata of Secrets, so that a new or changed one acts at once; needs the rights in deploy/rbac/watch-secrets.
    #[arg(long, env = "DWS_OPERATOR_WATCH_SECRETS", default_value = "false", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub watch_secrets: bool,
    /// Keep the Secrets of providers, by a finalizer, while data sources use them; needs the rights in deploy/rbac/guard-secrets.
    #[arg(long, env = "DWS_OPERATOR_GUARD_SECRETS", default_value = "false", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub guard_secrets: bool,
}

/// The flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Which cluster and which clouds.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Where /livez and /readyz are served.
    #[arg(long, env = "DWS_OPERATOR_HEALTH_ADDRESS", default_value = "0.0.0.0:8081")]
    pub health_address: SocketAddr,
    /// Where /metrics is served.
    #[arg(long, env = "DWS_OPERATOR_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_address: SocketAddr,
    /// Work only while holding the Lease. Without it there must never be a second replica.
    #[arg(long, env = "DWS_OPERATOR_LEADER_ELECT", default_value = "true", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub leader_elect: bool,
    /// The name of this replica in the Lease; replicas must differ. By default that of the pod, else of the host.
    #[arg(long, env = "DWS_OPERATOR_IDENTITY", value_parser = identity)]
    pub identity: Option<String>,
    /// The name of the pod, from the downward API.
    #[arg(long, env = "POD_NAME", hide = true, value_parser = identity)]
    pub pod_name: Option<String>,
    /// How many calls to Kubernetes may be under way at the same time, watches and the Lease aside. Neither objects nor calls to the cloud are bounded by it.
    #[arg(long, env = "DWS_OPERATOR_CONCURRENCY", default_value = "16")]
    pub concurrency: NonZeroU16,
    /// How often the cloud is compared with the spec (0s: never).
    #[arg(long, env = "DWS_OPERATOR_RESYNC_PERIOD", default_value = "30m", value_parser = duration::parse)]
    pub resync_period: Duration,
    /// Pause everything: no data source is looked at or changed in the cloud, and no deletion but with Retain goes on. Providers are not paused: one without projectID still asks IAM for its project.
    #[arg(long, env = "DWS_OPERATOR_PAUSED", default_value = "false", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub paused: bool,
    /// What becomes of the cloud's data source when its object is deleted and neither the object nor its Namespace says so.
    #[arg(long, env = "DWS_OPERATOR_DELETION_POLICY", value_enum, default_value = "Delete")]
    pub deletion_policy: OnDeletion,
    /// How log lines are written.
    #[arg(long, env = "DWS_OPERATOR_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
    /// What is logged: a level, or levels by module (`info,dws_operator=debug`).
    #[arg(
        long,
        env = "DWS_OPERATOR_LOG_LEVEL",
        default_value = "info,kube_client=warn,kube_runtime=warn"
    )]
    pub log_level: String,
    /// Every wait of the operator.
    #[command(flatten)]
    pub timings: Timings,
}

/// What becomes of a data source in the cloud when its object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnDeletion {
    /// It is deleted.
    #[value(name = "Delete")]
    Delete,
    /// It stays.
    #[value(name = "Retain")]
    Retain,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl ClusterArgs {
    /// The operator's own namespace: the flag, else the pod's, else `configured`, that of the kubeconfig or the service account.
    ///
    /// # Errors
    /// When nothing names a namespace.
    pub fn namespace(&self, configured: Option<&str>) -> Result<String, String> {
        let named = self
            .namespace
            .as_deref()
            .or(self.pod_namespace.as_deref())
            .or(configured);
        named
            .map(str::to_owned)
            .ok_or_else(|| "no namespace for the operator: set --namespace or POD_NAMESPACE".to_owned())
    }
}

impl RunArgs {
    /// The name of this replica in the Lease: the flag, else the pod's name, else the host's.
    ///
    /// # Errors
    /// When the host has no name that could be used.
    pub fn identity(&self) -> Result<String, String> {
        if let Some(named) = self.identity.as_ref().or(self.pod_name.as_ref()) {
            return Ok(named.clone());
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        identity(&host).map_err(|error| format!("the host's name is no identity, set --identity: {error}"))
    }
}

fn namespace(text: &str) -> Result<String, String> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&text.len()) && text.chars().all(label) && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("a namespace has 1 to 63 lower-case letters, digits and hyphens".to_owned())
    }
}

/// A single label would allow a whole top-level domain; `localhost` is this machine, for a gateway beside the operator.
fn domain(text: &str) -> Result<String, String> {
    let is_deep_enough = text == "localhost" || text.split('.').count() > 1;
    if is_deep_enough && text.split('.').all(|part| namespace(part).is_ok()) {
        Ok(text.to_owned())
    } else {
        Err("a domain is lower-case and has no scheme, port, path or wildcard, such as myhuaweicloud.com".to_owned())
    }
}

fn identity(text: &str) -> Result<String, String> {
    if (1..=253).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("an identity has 1 to 253 printable characters and no spaces".to_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests;
