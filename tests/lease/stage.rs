//! What each test of the election starts with: a namespace of its own, candidates, and what shows of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use dws_operator::runtime::clock::Clock;
use dws_operator::runtime::connection::Connection;
use dws_operator::runtime::election::{Election, Setting};
use dws_operator::runtime::health::Health;
use dws_operator::runtime::lease::NAME;
use dws_operator::runtime::metrics::Metrics;
use dws_operator::runtime::timings::Timings;
use dws_testbed::{ControlPlane, PlainNamespace};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::config::Kubeconfig;
use kube::{Api, Client};

/// How long anything in a test may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A connection to the API server under test, with its kubeconfig edited.
pub async fn connection(edit: impl FnOnce(&mut Kubeconfig)) -> Connection {
    let plane = ControlPlane::shared().await;
    let mut kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    edit(&mut kubeconfig);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), serde_saphyr::to_string(&kubeconfig).unwrap()).unwrap();
    Connection::load(Some(file.path())).await.unwrap()
}

pub async fn client() -> Client {
    connection(|_| {}).await.client(&Metrics::new()).unwrap()
}

/// A lease that ends while a test can wait for it.
pub fn short() -> Timings {
    let timings = Timings {
        write_deadline: Duration::from_secs(1),
        lease: Duration::from_secs(6),
        lease_renew: Duration::from_millis(500),
        lease_margin: Duration::from_secs(2),
        ..Timings::default()
    };
    timings.check().unwrap();
    timings
}

/// A lease that does not end before the patience does.
pub fn long() -> Timings {
    let lease = Duration::from_mins(10);
    Timings {
        lease,
        lease_renew: Duration::from_secs(1),
        ..Timings::default()
    }
}

/// A namespace of its own for each test, with what the test sees in it.
pub struct Stage {
    /// The administrator.
    pub client: Client,
    /// The namespace.
    pub namespace: PlainNamespace<'static>,
    /// The Leases in it.
    pub leases: Api<Lease>,
}

impl Stage {
    /// A stage nobody has been on.
    pub async fn set() -> Self {
        let client = client().await;
        let namespace = PlainNamespace::create(ControlPlane::shared().await, "lease").await;
        let leases = Api::namespaced(client.clone(), namespace.name());
        Self {
            client,
            namespace,
            leases,
        }
    }

    /// What a candidate of this name is started with.
    pub fn setting(&self, identity: &str, timings: &Timings) -> Setting {
        Setting {
            identity: identity.to_owned(),
            namespace: self.namespace.name().to_owned(),
            annotations: BTreeMap::from([("example.com/holder".to_owned(), identity.to_owned())]),
            clock: Clock::start(),
            timings: *timings,
            health: Health::new(),
            metrics: Metrics::new(),
        }
    }

    /// Starts a candidate of this name.
    pub async fn stand(&self, identity: &str, timings: &Timings) -> Election {
        Election::start(client().await, self.setting(identity, timings))
    }

    /// The Lease as it is.
    pub async fn lease(&self) -> Lease {
        self.leases.get(NAME).await.unwrap()
    }

    /// The Lease's content.
    pub async fn spec(&self) -> LeaseSpec {
        self.lease().await.spec.unwrap()
    }

    /// Who holds the Lease.
    pub async fn holder(&self) -> Option<String> {
        self.spec().await.holder_identity
    }

    /// Waits for `count` further writes of the Lease.
    pub async fn renewals(&self, count: usize) {
        let mut version = self.lease().await.metadata.resource_version;
        for _ in 0..count {
            eventually("a renewal", async || {
                self.lease().await.metadata.resource_version != version
            })
            .await;
            version = self.lease().await.metadata.resource_version;
        }
    }
}

/// What `event` brings, within the patience.
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event)
        .await
        .unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
}

/// Waits for a condition, within the patience.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    soon(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
