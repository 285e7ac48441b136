//! A recording proxy in front of both APIs of one operator.
//!
//! It takes calls to the Kubernetes API over TLS and to the cloud over plain HTTP, numbers and records all of them in one
//! sequence, passes them on as they came (bearer tokens, signatures and `Host` included) and streams the answers. Rules
//! interfere with single calls; a story waits for a rule's moment and may kill the operator in it. The proxy never retries.

mod body;
mod call;
mod caller;
mod exchange;
mod front;
mod journal;
mod rule;
mod upstream;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::ControlPlane;
use crate::pki::{self, ServerIdentity};
pub use call::{Api, Call, Fate};
use front::{Front, listen};
use journal::Journal;
use rule::Rules;
pub use rule::{Action, Hit, Rule, Stage};
use upstream::Upstream;

/// A proxy; it ends, with all connections, when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    kube: Endpoint,
    listeners: Mutex<Vec<AbortHandle>>,
}

/// Where the operator finds the Kubernetes API.
struct Endpoint {
    url: String,
    authority: String,
}

/// What the listeners of one proxy share.
#[derive(Default)]
struct Shared {
    journal: Arc<Journal>,
    rules: Arc<Rules>,
    kube: Line,
    cloud: Line,
}

/// The state of the line to one API.
#[derive(Default)]
struct Line {
    is_blocked: AtomicBool,
    cuts: watch::Sender<()>,
}

impl Shared {
    fn line(&self, api: Api) -> &Line {
        match api {
            Api::Kube => &self.kube,
            Api::Cloud => &self.cloud,
        }
    }

    fn is_blocked(&self, api: Api) -> bool {
        self.line(api).is_blocked.load(Ordering::SeqCst)
    }

    fn cuts(&self, api: Api) -> &watch::Sender<()> {
        &self.line(api).cuts
    }
}

impl Proxy {
    /// Starts one in front of the control plane's apiserver.
    ///
    /// # Panics
    /// If no port can be had on loopback.
    #[must_use]
    pub fn start(plane: &ControlPlane) -> Self {
        Self::try_start(plane).unwrap_or_else(|error| panic!("a proxy before the apiserver: {error:#}"))
    }

    fn try_start(plane: &ControlPlane) -> Result<Self> {
        let identity = ServerIdentity::create()?;
        let shared = Arc::<Shared>::default();
        let upstream = Upstream::new(&plane.server(), Some(pki::client_config(plane.authorities()?)?))?;
        let front = Front {
            api: Api::Kube,
            upstream,
            shared: Arc::clone(&shared),
        };
        let (address, listener) = listen(front, Some(identity.server_config()?))?;
        Ok(Self {
            shared,
            kube: Endpoint {
                url: format!("https://{address}"),
                authority: identity.authority,
            },
            listeners: Mutex::new(vec![listener]),
        })
    }

    /// Listens in front of the cloud at `url` (plain http) too; gives the URL to use instead.
    ///
    /// # Panics
    /// If `url` is not a plain http URL with a host and a port, or no port can be had on loopback.
    #[must_use]
    pub fn cloud(&self, url: &str) -> String {
        let address = self.listen_for_cloud(url, None);
        format!("http://{address}")
    }

    /// Like [`Self::cloud`], but over TLS: gives the URL, with the host `localhost`, and the authority to trust, as PEM.
    ///
    /// # Panics
    /// As [`Self::cloud`].
    #[must_use]
    pub fn cloud_over_tls(&self, url: &str) -> (String, String) {
        let identity = ServerIdentity::create().unwrap_or_else(|error| panic!("a certificate: {error:#}"));
        let tls = identity.server_config();
        let tls = tls.unwrap_or_else(|error| panic!("a certificate: {error:#}"));
        let port = self.listen_for_cloud(url, Some(tls)).port();
        (format!("https://localhost:{port}"), identity.authority)
    }

    fn listen_for_cloud(&self, url: &str, tls: Option<Arc<ServerConfig>>) -> SocketAddr {
        assert!(url.starts_with("http://"), "{url} is not plain http");
        let listen = || {
            let front = Front {
                api: Api::Cloud,
                upstream: Upstream::new(url, None)?,
                shared: Arc::clone(&self.shared),
            };
            listen(front, tls)
        };
        let (address, listener) = listen().unwrap_or_else(|error| panic!("a proxy before {url}: {error:#}"));
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
        address
    }

    /// The URL of the Kubernetes API through this proxy.
    pub(crate) fn kube_url(&self) -> &str {
        &self.kube.url
    }

    /// The authority that vouches for this proxy, as PEM.
    pub(crate) fn kube_authority(&self) -> &str {
        &self.kube.authority
    }

    /// Puts a rule in force for the calls that arrive from now on.
    pub fn on(&self, rule: Rule) -> Hit {
        self.shared.rules.add(rule)
    }

    /// Closes all connections to `api`; new ones are accepted.
    pub fn cut_all(&self, api: Api) {
        self.shared.cuts(api).send_replace(());
    }

    /// Makes `api` unreachable (all connections are closed, new ones at once) or reachable again.
    pub fn block(&self, api: Api, is_blocked: bool) {
        self.shared.line(api).is_blocked.store(is_blocked, Ordering::SeqCst);
        if is_blocked {
            self.cut_all(api);
        }
    }

    /// All calls so far, in the order of their arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.journal.calls()
    }

    /// Waits until the calls so far are `enough`.
    ///
    /// # Panics
    /// If they are not in time; the message lists them.
    pub async fn wait_calls(&self, deadline: Duration, what: &str, enough: impl Fn(&[Call]) -> bool) -> Vec<Call> {
        self.shared
            .journal
            .wait(deadline, enough)
            .await
            .unwrap_or_else(|calls| panic!("{what}: not within {deadline:?}; the calls were {calls:#?}"))
    }

    /// The calls from now on, for somebody who outlives the proxy.
    pub(crate) fn journal(&self) -> impl Fn() -> Vec<Call> + Send + Sync + 'static {
        let journal = Arc::clone(&self.shared.journal);
        move || journal.calls()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for listener in self.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            listener.abort();
        }
    }
}
