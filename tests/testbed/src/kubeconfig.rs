//! Kubeconfigs for one server and one bearer token.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
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
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig()?)?;
        Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    }

    /// Writes the kubeconfig to a file that only its owner can read.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_private(path, &self.kubeconfig()?)
    }
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
