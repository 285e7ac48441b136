//! Kubeconfigs for one server and one bearer token.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

/// A server and the identity to use there. Never shown: it holds the token.
#[derive(Clone)]
pub(crate) struct Access {
    /// The server's URL.
    pub server: String,
    /// The authority that vouches for the server, as PEM.
    pub authority: String,
    /// The bearer token.
    pub token: String,
    /// The namespace to use where none is named.
    pub namespace: String,
}

impl Access {
    /// The kubeconfig, as YAML.
    pub fn kubeconfig(&self) -> Result<String> {
        let name = "testbed";
        let document = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {
                "server": self.server,
                "certificate-authority-data": STANDARD.encode(&self.authority),
            }}],
            "users": [{"name": name, "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": self.namespace}}],
            "current-context": name,
        });
        serde_saphyr::to_string(&document).context("writing a kubeconfig")
    }

    /// The configuration of a client.
    pub async fn config(&self) -> Result<Config> {
        client_config(Kubeconfig::from_yaml(&self.kubeconfig()?)?).await
    }

    /// Writes the kubeconfig to a file that only its owner can read.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_private(path, &self.kubeconfig()?)
    }
}

/// The configuration of a client, which takes no proxy from the environment: control planes are on this machine.
///
/// # Errors
/// If the kubeconfig cannot be used, or has a proxy of its own.
pub async fn client_config(mut kubeconfig: Kubeconfig) -> Result<Config> {
    // kube would use `HTTPS_PROXY` where no proxy is named.
    const NO_PROXY: &str = "http://none.invalid";
    for cluster in kubeconfig
        .clusters
        .iter_mut()
        .filter_map(|named| named.cluster.as_mut())
    {
        cluster.proxy_url.get_or_insert_with(|| NO_PROXY.to_owned());
    }
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let is_direct = config.proxy_url.take().is_some_and(|proxy| proxy == NO_PROXY);
    ensure!(is_direct, "a kubeconfig with a proxy-url cannot be used");
    Ok(config)
}

/// Writes `text` to a new file that only its owner can read; an old one of that name goes first.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}
