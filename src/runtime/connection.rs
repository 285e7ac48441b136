//! How to reach the Kubernetes API, and clients for it.
//!
//! Reads a kubeconfig or the pod's service account; sends nothing by itself.

use std::path::Path;

use kube::client::{Client, ClientBuilder};
use kube::config::{Config, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::metrics::Metrics;
use super::request_count::CountRequests;

/// Stands for no proxy at all where a kubeconfig names none; kube would take the one of `HTTPS_PROXY` there, which is only for the cloud, and
/// only if asked for.
const NO_PROXY: &str = "http://none.invalid";

/// Why there is no way to reach the Kubernetes API.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The kubeconfig that was asked for cannot be used.
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// The kubeconfig wants a proxy. Its address is not told: it may hold a password.
    #[error("the kubeconfig's proxy-url is not supported: the Kubernetes API is reached directly only")]
    Proxy,
    /// There is neither a kubeconfig nor a service account.
    #[error("no kubeconfig ({kubeconfig}) and not in a pod ({in_cluster})")]
    Nowhere {
        /// Why the default kubeconfig cannot be used.
        kubeconfig: KubeconfigError,
        /// Why there is no service account.
        in_cluster: InClusterError,
    },
    /// The client cannot be built, for example because of a certificate.
    #[error("cannot build a Kubernetes client: {0}")]
    Client(#[from] kube::Error),
}

/// A way to reach the Kubernetes API.
#[derive(Clone, Debug)]
pub struct Connection {
    config: Config,
    namespace: Option<String>,
}

impl Connection {
    /// Uses the given kubeconfig, else the one that kubectl would use, else the service account of the pod.
    ///
    /// # Errors
    /// When none of them can be used.
    pub async fn load(kubeconfig: Option<&Path>) -> Result<Self, ConnectionError> {
        if let Some(path) = kubeconfig {
            return Self::from_kubeconfig(Kubeconfig::read_from(path)?).await;
        }
        match Kubeconfig::read() {
            Ok(kubeconfig) => Self::from_kubeconfig(kubeconfig).await,
            Err(kubeconfig) => match Config::incluster() {
                Ok(config) => Ok(Self {
                    namespace: Some(config.default_namespace.clone()),
                    config,
                }),
                Err(in_cluster) => Err(ConnectionError::Nowhere { kubeconfig, in_cluster }),
            },
        }
    }

    async fn from_kubeconfig(mut kubeconfig: Kubeconfig) -> Result<Self, ConnectionError> {
        let namespace = context_namespace(&kubeconfig);
        for cluster in kubeconfig
            .clusters
            .iter_mut()
            .filter_map(|named| named.cluster.as_mut())
        {
            cluster.proxy_url = cluster.proxy_url.take().filter(|own| !own.is_empty());
            cluster.proxy_url.get_or_insert_with(|| NO_PROXY.to_owned());
        }
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        if config.proxy_url.take().is_some_and(|proxy| proxy != NO_PROXY) {
            return Err(ConnectionError::Proxy);
        }
        // A credential plugin may be told of the cluster, its proxy included.
        if let Some(told) = config.auth_info.exec.as_mut().and_then(|exec| exec.cluster.as_mut()) {
            told.proxy_url = None;
        }
        Ok(Self { config, namespace })
    }

    /// The namespace that the kubeconfig's context or the service account names.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// A client with connections of its own. It never repeats a request: the caller knows whether it may be sent twice.
    ///
    /// It has no timeout for answers, because watches are long; `reconcile::kubernetes` and the lease bound what must end.
    ///
    /// # Errors
    /// When the certificates or credentials of the configuration cannot be used.
    pub fn client(&self, metrics: &Metrics) -> Result<Client, ConnectionError> {
        let mut config = self.config.clone();
        config.default_retry = false;
        let host = config
            .cluster_url
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        Ok(ClientBuilder::try_from(config)?
            .with_layer(&CountRequests::new(metrics.clone(), host))
            .build())
    }
}

/// The namespace of the current context; none if it does not name one, where kubectl would say `default`.
fn context_namespace(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let named = kubeconfig.contexts.iter().find(|context| &context.name == current)?;
    named
        .context
        .as_ref()?
        .namespace
        .clone()
        .filter(|namespace| !namespace.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn kubeconfig(server: &str, context: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "{{clusters: [{{name: c, cluster: {{server: '{server}'}}}}], users: [{{name: u, user: {{token: t}}}}], \
             contexts: [{{name: x, context: {{cluster: c, user: u{context}}}}}], current-context: x}}"
        );
        fs::write(file.path(), text).unwrap();
        file
    }

    #[tokio::test]
    async fn the_namespace_is_known_only_if_named() {
        for (context, namespace) in [("", None), (", namespace: ops", Some("ops"))] {
            let file = kubeconfig("http://127.0.0.1:1", context);
            assert_eq!(
                Connection::load(Some(file.path())).await.unwrap().namespace(),
                namespace
            );
        }
    }

    #[tokio::test]
    async fn a_missing_kubeconfig_is_an_error() {
        let error = Connection::load(Some(Path::new("/nowhere/kubeconfig")))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("/nowhere/kubeconfig"), "{error}");
    }

    #[tokio::test]
    async fn a_proxy_of_the_kubeconfig_is_refused_and_not_told() {
        for (proxy, is_refused) in [("http://user:secret@127.0.0.1:1", true), ("", false)] {
            let file = kubeconfig(&format!("http://127.0.0.1:1', proxy-url: '{proxy}"), "");
            let loaded = Connection::load(Some(file.path())).await;
            let told = loaded.map_err(|error| error.to_string()).err();
            assert_eq!(told.is_some(), is_refused, "{told:?}");
            let is_clear = |told: &String| told.contains("proxy-url") && !told.contains("secret");
            assert!(told.as_ref().is_none_or(is_clear), "{told:?}");
        }
    }

    #[tokio::test]
    async fn a_credential_plugin_is_told_of_no_proxy_that_is_not_there() {
        let plugin = "command: c, apiVersion: client.authentication.k8s.io/v1, provideClusterInfo: true";
        let text = format!(
            "{{clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}], users: [{{name: u, user: {{exec: {{{plugin}}}}}}}], \
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}], current-context: x}}"
        );
        let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        let connection = Connection::from_kubeconfig(kubeconfig).await.unwrap();
        let told = connection.config.auth_info.exec.and_then(|exec| exec.cluster).unwrap();
        assert_eq!(told.server.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(told.proxy_url, None);
    }

    #[tokio::test]
    async fn requests_are_counted_and_never_repeated() {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(503))
            .expect(1)
            .mount(&server)
            .await;
        let metrics = Metrics::new();
        // Connections to it are made, but nobody answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent_uri = format!("http://{}", silent.local_addr().unwrap());
        let patience = [Duration::from_secs(30), Duration::from_millis(500)];
        for (address, patience) in [server.uri(), silent_uri].into_iter().zip(patience) {
            let file = kubeconfig(&address, "");
            let connection = Connection::load(Some(file.path())).await.unwrap();
            let client = connection.client(&metrics).unwrap();
            let config_maps: Api<ConfigMap> = Api::namespaced(client, "default");
            let answer = tokio::time::timeout(patience, config_maps.get("a"));
            assert!(!matches!(answer.await, Ok(Ok(_))));
        }
        let text = metrics.encode();
        assert!(
            text.contains(r#"rest_client_requests_total{code="503",method="GET",host="127.0.0.1:"#),
            "{text}"
        );
        assert!(
            text.contains(r#"rest_client_requests_total{code="<error>",method="GET""#),
            "{text}"
        );
    }
}
