//! The election of a leader on a real API server; `TEST_KUBECONFIG` names an administrator's kubeconfig for it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dws_operator::runtime::clock::Clock;
use dws_operator::runtime::connection::Connection;
use dws_operator::runtime::election::{Election, Release, Setting};
use dws_operator::runtime::health::Health;
use dws_operator::runtime::lease::NAME;
use dws_operator::runtime::metrics::Metrics;
use dws_operator::runtime::servers::Servers;
use dws_operator::runtime::timings::Timings;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_mins(1);

/// A connection to the API server under test, with its kubeconfig edited.
async fn connection(edit: impl FnOnce(&mut Kubeconfig)) -> Connection {
    let path = std::env::var_os("TEST_KUBECONFIG")
        .expect("set TEST_KUBECONFIG to an administrator's kubeconfig of a control plane for tests");
    let mut kubeconfig = Kubeconfig::read_from(path).unwrap();
    edit(&mut kubeconfig);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), serde_saphyr::to_string(&kubeconfig).unwrap()).unwrap();
    Connection::load(Some(file.path())).await.unwrap()
}

async fn client() -> Client {
    connection(|_| {}).await.client(&Metrics::new()).unwrap()
}

/// A lease that ends while a test can wait for it.
fn short() -> Timings {
    let timings = Timings {
        write_deadline: Duration::from_secs(1),
        lease: Duration::from_secs(4),
        lease_renew: Duration::from_millis(500),
        lease_margin: Duration::from_millis(500),
        ..Timings::default()
    };
    timings.check().unwrap();
    timings
}

/// A lease that does not end before the patience does.
fn long() -> Timings {
    let lease = Duration::from_mins(10);
    Timings {
        lease,
        lease_renew: Duration::from_secs(1),
        ..Timings::default()
    }
}

/// A namespace of its own for each test, with what the test sees in it.
struct Stage {
    client: Client,
    namespace: String,
    leases: Api<Lease>,
}

impl Stage {
    async fn set() -> Self {
        let client = client().await;
        let namespace = format!("lease-{}", uuid::Uuid::new_v4());
        let metadata = ObjectMeta {
            name: Some(namespace.clone()),
            ..ObjectMeta::default()
        };
        let object = Namespace {
            metadata,
            ..Namespace::default()
        };
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let leases = Api::namespaced(client.clone(), &namespace);
        Self {
            client,
            namespace,
            leases,
        }
    }

    fn setting(&self, identity: &str, timings: &Timings) -> Setting {
        Setting {
            identity: identity.to_owned(),
            namespace: self.namespace.clone(),
            clock: Clock::start(),
            timings: *timings,
            health: Health::new(),
            metrics: Metrics::new(),
        }
    }

    async fn stand(&self, identity: &str, timings: &Timings) -> Election {
        Election::start(client().await, self.setting(identity, timings))
    }

    async fn lease(&self) -> Lease {
        self.leases.get(NAME).await.unwrap()
    }

    async fn spec(&self) -> LeaseSpec {
        self.lease().await.spec.unwrap()
    }

    async fn holder(&self) -> Option<String> {
        self.spec().await.holder_identity
    }

    /// Waits for `count` further writes of the Lease.
    async fn renewals(&self, count: usize) {
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

async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event)
        .await
        .unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    soon(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_second_waits_and_takes_over_when_the_first_has_crashed() {
    let stage = Stage::set().await;
    let first = stage.stand("a", &short()).await;
    soon("leader", first.leadership().acquired()).await;
    let second = stage.stand("b", &short()).await;
    // Far longer than the lease lasts.
    for _ in 0..16 {
        stage.renewals(1).await;
        assert!(!second.leadership().is_leader());
        assert!(first.leadership().is_leader());
    }
    let leadership = first.leadership();
    drop(first);
    soon("takeover", second.leadership().acquired()).await;
    assert!(!leadership.is_leader(), "two leaders");
    let spec = stage.spec().await;
    assert_eq!(
        (
            spec.holder_identity.as_deref(),
            spec.lease_transitions,
            spec.lease_duration_seconds
        ),
        (Some("b"), Some(1), Some(4))
    );
}

#[tokio::test]
async fn only_one_of_many_leads() {
    let stage = Stage::set().await;
    let mut elections = Vec::new();
    for n in 0..5 {
        elections.push(stage.stand(&format!("replica-{n}"), &long()).await);
    }
    let leads = || {
        elections
            .iter()
            .filter(|election| election.leadership().is_leader())
            .count()
    };
    eventually("leader", async || leads() == 1).await;
    stage.renewals(2).await;
    assert_eq!(leads(), 1);
}

#[tokio::test]
async fn a_released_lease_is_taken_at_once() {
    let stage = Stage::set().await;
    let first = stage.stand("a", &long()).await;
    soon("leader", first.leadership().acquired()).await;
    let second = stage.stand("b", &long()).await;
    let leadership = first.leadership();
    assert_eq!(first.release(PATIENCE).await, Release::Released);
    assert!(!leadership.is_leader());
    soon("takeover", second.leadership().acquired()).await;
    assert_eq!(stage.holder().await.as_deref(), Some("b"));
    let third = stage.stand("c", &long()).await;
    assert_eq!(third.release(PATIENCE).await, Release::NotHeld);
    assert_eq!(stage.holder().await.as_deref(), Some("b"));
}

#[tokio::test]
async fn with_a_write_in_flight_the_lease_is_kept() {
    let stage = Stage::set().await;
    let election = stage.stand("a", &long()).await;
    let leadership = election.leadership();
    soon("leader", leadership.acquired()).await;
    let write = leadership.begin_write(Duration::from_secs(25)).unwrap();
    assert_eq!(election.release(PATIENCE).await, Release::WriteInFlight);
    assert!(leadership.begin_write(Duration::ZERO).is_none());
    write.finish();
    assert_eq!(stage.holder().await.as_deref(), Some("a"));
}

#[tokio::test]
async fn the_same_identity_takes_its_own_lease_over_at_once() {
    let stage = Stage::set().await;
    let first = stage.stand("a", &long()).await;
    soon("leader", first.leadership().acquired()).await;
    let acquired = stage.spec().await.acquire_time;
    drop(first);
    let again = stage.stand("a", &long()).await;
    soon("leader", again.leadership().acquired()).await;
    let spec = stage.spec().await;
    assert_eq!((spec.lease_transitions, spec.acquire_time), (Some(0), acquired));
}

#[tokio::test]
async fn a_changed_lease_is_read_again_and_a_taken_one_is_lost() {
    let stage = Stage::set().await;
    let election = stage.stand("a", &long()).await;
    let leadership = election.leadership();
    soon("leader", leadership.acquired()).await;

    let label = json!({"metadata": {"labels": {"touched": "yes"}}});
    stage
        .leases
        .patch(NAME, &PatchParams::default(), &Patch::Merge(label))
        .await
        .unwrap();
    stage.renewals(2).await;
    assert!(leadership.is_leader());
    assert!(
        stage
            .lease()
            .await
            .metadata
            .labels
            .is_some_and(|labels| labels["touched"] == "yes")
    );

    let other = json!({"spec": {"holderIdentity": "somebody"}});
    stage
        .leases
        .patch(NAME, &PatchParams::default(), &Patch::Merge(other))
        .await
        .unwrap();
    soon("loss", leadership.lost()).await;
    assert!(!leadership.is_leader());
    assert_eq!(stage.holder().await.as_deref(), Some("somebody"));
    assert_eq!(election.release(PATIENCE).await, Release::NotHeld);
}

#[tokio::test]
async fn a_deleted_lease_is_lost() {
    let stage = Stage::set().await;
    let election = stage.stand("a", &long()).await;
    soon("leader", election.leadership().acquired()).await;
    stage.leases.delete(NAME, &DeleteParams::default()).await.unwrap();
    soon("loss", election.leadership().lost()).await;
    assert!(!election.leadership().is_leader());
}

/// Get, create and update are all it needs; without them it never leads, and it stops before a lease ends that it may not renew.
#[tokio::test]
async fn without_permission_it_stops_before_the_lease_ends() {
    let stage = Stage::set().await;
    let user = format!("system:serviceaccount:{}:operator", stage.namespace);
    let limited = connection(|kubeconfig| {
        for user_of in kubeconfig
            .auth_infos
            .iter_mut()
            .filter_map(|named| named.auth_info.as_mut())
        {
            user_of.impersonate = Some(user.clone());
        }
    })
    .await;
    let setting = stage.setting("a", &short());
    let clock = setting.clock;
    let loopback = "127.0.0.1:0".parse().unwrap();
    let servers = Servers::start(loopback, loopback, &setting.health, &setting.metrics)
        .await
        .unwrap();
    let probe = async || {
        let answer = reqwest::get(format!("http://{}/readyz?verbose", servers.health_address))
            .await
            .unwrap();
        answer.text().await.unwrap()
    };
    let metrics = setting.metrics.clone();
    let refused = || metrics.encode().contains(r#"rest_client_requests_total{code="403""#);
    let election = Election::start(limited.client(&metrics).unwrap(), setting);
    let leadership = election.leadership();
    eventually("refusal", async || refused()).await;
    assert!(probe().await.contains("[-]lease failed"));

    let role: Role = serde_json::from_value(json!({
        "metadata": {"name": "operator"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}],
    }))
    .unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": stage.namespace}],
    }))
    .unwrap();
    let (roles, bindings): (Api<Role>, Api<RoleBinding>) = (
        Api::namespaced(stage.client.clone(), &stage.namespace),
        Api::namespaced(stage.client.clone(), &stage.namespace),
    );
    roles.create(&PostParams::default(), &role).await.unwrap();
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    soon("leader", leadership.acquired()).await;
    stage.renewals(2).await;
    assert!(probe().await.contains("[+]lease ok"));
    assert!(
        metrics
            .encode()
            .contains(r#"leader_election_master_status{name="dws-operator"} 1"#)
    );

    bindings.delete("operator", &DeleteParams::default()).await.unwrap();
    soon("loss", leadership.lost()).await;
    let renewed = stage.spec().await.renew_time.unwrap().0;
    let since = clock.now().duration_since(renewed);
    assert!(
        Duration::try_from(since).unwrap() < short().lease,
        "lost {since:#} after the last renewal"
    );
    assert!(leadership.begin_write(Duration::ZERO).is_none());
    eventually("status", async || {
        metrics
            .encode()
            .contains(r#"leader_election_master_status{name="dws-operator"} 0"#)
    })
    .await;
}

/// Passes bytes on until it is cut; from then on it is silent but keeps every connection open.
async fn proxy(target: String, cut: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let (target, cut) = (target.clone(), Arc::clone(&cut));
            tokio::spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                let silence = async {
                    while !cut.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = silence => std::future::pending().await,
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn when_nobody_answers_it_stops_before_the_lease_ends_and_another_takes_over() {
    let stage = Stage::set().await;
    let cut = Arc::new(AtomicBool::new(false));
    let mut target = String::new();
    connection(|kubeconfig| {
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        target = cluster
            .server
            .clone()
            .unwrap()
            .trim_start_matches("https://")
            .to_owned();
    })
    .await;
    let port = proxy(target, Arc::clone(&cut)).await;
    let through = connection(|kubeconfig| {
        for cluster in kubeconfig
            .clusters
            .iter_mut()
            .filter_map(|named| named.cluster.as_mut())
        {
            cluster.server = Some(format!("https://127.0.0.1:{port}"));
        }
    })
    .await;
    let setting = stage.setting("a", &short());
    let first = Election::start(through.client(&setting.metrics).unwrap(), setting);
    let leadership = first.leadership();
    soon("leader", leadership.acquired()).await;
    let second = stage.stand("b", &short()).await;
    stage.renewals(2).await;

    cut.store(true, Ordering::SeqCst);
    let cut_at = Instant::now();
    soon("loss", leadership.lost()).await;
    assert!(
        cut_at.elapsed() < short().lease,
        "lost {:?} after the cut",
        cut_at.elapsed()
    );
    assert!(!second.leadership().is_leader(), "two leaders");
    soon("takeover", second.leadership().acquired()).await;
    assert_eq!(stage.holder().await.as_deref(), Some("b"));
}
