//! One list serves all objects of a DWS cluster; why a list failed is the business of those who asked with the same credentials.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use dws_operator::api::data_source::{Coordinates, DataSourceType};
use dws_operator::cloud::{
    AccessKey, Bounds, BreakerTimings, CallRecord, Credentials, EndpointPolicy, FailureKind, Fence, Limits, Observer,
    Session, SessionConfig, Timeouts,
};
use dws_operator::reconcile::snapshots::{Snapshot, Snapshots};
use dws_operator::runtime::clock::Clock;
use dws_operator::runtime::metrics::Metrics;
use dws_simulator::{
    Admin, Answer, Call, DEFAULT_ACCESS_KEY, DEFAULT_PROJECT, DEFAULT_SECRET_KEY, Fault, Settings, Simulator,
};

const CLUSTER: &str = "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90";

/// A lease that never ends, and nobody who counts the calls.
struct Alone;

impl Fence for Alone {
    fn covers_write(&self, _timeout: Duration) -> bool {
        true
    }
}

impl Observer for Alone {
    fn called(&self, _record: &CallRecord<'_>) {}
}

/// A cloud, and what the objects of one process share.
struct Stage {
    simulator: Simulator,
    snapshots: Snapshots,
    at: Coordinates,
}

impl Stage {
    async fn set() -> Self {
        let simulator = Simulator::start(Settings::default()).await.unwrap();
        let at = Coordinates {
            provider: "DwsProvider/default".to_owned(),
            endpoint: simulator.url(),
            project_id: DEFAULT_PROJECT.to_owned(),
            cluster_id: CLUSTER.to_owned(),
        };
        Stage {
            snapshots: Snapshots::new(Clock::start(), Metrics::new()),
            simulator,
            at,
        }
    }

    fn cloud(&self) -> Admin {
        self.simulator.admin()
    }

    /// A provider's session.
    fn session(&self, access: &str, secret: &str) -> Arc<Session> {
        let policy = EndpointPolicy {
            allow_insecure: true,
            allowed_domains: Vec::new(),
        };
        let endpoint = || policy.check(&self.simulator.url()).unwrap();
        let session = Session::connect(SessionConfig {
            endpoint: endpoint(),
            iam_endpoint: endpoint(),
            region: "eu-west-101".to_owned(),
            project_id: Some(DEFAULT_PROJECT.to_owned()),
            ca_pem: None,
            sts_endpoint: None,
            credentials: Credentials::AccessKey(AccessKey {
                access: access.into(),
                secret: secret.into(),
                security_token: None,
            }),
            agency: None,
            rate: None,
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                write: Duration::from_secs(20),
                read: Duration::from_secs(30),
            },
            use_proxy_env: false,
            limits: Arc::new(Limits::new(
                Bounds::default(),
                BreakerTimings {
                    window: Duration::from_mins(5),
                    max_rejections: 3,
                },
            )),
            fence: Arc::new(Alone),
            observer: Arc::new(Alone),
        });
        Arc::new(session.ok().unwrap())
    }

    /// A list for somebody who takes any.
    async fn list(&self, session: &Arc<Session>) -> Snapshot {
        let since = Duration::ZERO;
        self.snapshots.list(session, &self.at, DataSourceType::Obs, since).await
    }

    fn fails(&self, times: u64) {
        let failure = Answer::error(500, "DWS.0005", "Server failure.");
        self.cloud().add_fault(Fault::on(Call::List, failure).times(times));
    }

    fn lists(&self) -> usize {
        let log = self.cloud().log();
        log.iter().filter(|entry| entry.call == Call::List).count()
    }
}

/// Three ask while a list is being read, which fails: the next in turn reads another one, and while that is refused for its own
/// credentials, the last has long been waiting. It is not told of somebody else's refusal, but reads a list of its own.
#[tokio::test]
async fn a_refusal_is_no_answer_to_other_credentials() {
    let stage = Stage::set().await;
    let (right, wrong) = (
        stage.session(DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY),
        stage.session("AKUNKNOWN0000000TEST", "SKunknown"),
    );
    stage.fails(1);
    let (first, refused, last) = tokio::join!(stage.list(&right), stage.list(&wrong), stage.list(&right));
    assert!(first.result.is_err());
    assert_eq!(refused.result.unwrap_err().kind, FailureKind::CredentialsRejected);
    assert_eq!(last.result.unwrap().len(), 0);
    assert_eq!(stage.lists(), 3);
    let again = stage.list(&wrong).await;
    assert!(again.result.is_ok(), "a list that was read is one for everybody");
    assert_eq!(stage.lists(), 3);
}

/// Those who wait with the same credentials share a failure that began when they were waiting already: a cloud that is down is not
/// asked by one after the other.
#[tokio::test]
async fn a_failure_is_shared_among_those_who_waited_for_it() {
    let stage = Stage::set().await;
    let session = stage.session(DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY);
    stage.fails(2);
    let (first, second, third) = tokio::join!(stage.list(&session), stage.list(&session), stage.list(&session));
    for shared in [first, second, third] {
        assert_eq!(shared.result.unwrap_err().code.as_deref(), Some("DWS.0005"));
    }
    assert_eq!(stage.lists(), 2);
    assert!(stage.list(&session).await.result.is_ok(), "nobody later is told of it");
}
