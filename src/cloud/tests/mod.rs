//! The session as its callers see it, against servers on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;

use super::*;

mod answers;
mod authentication;
mod network;
mod secrets;
mod tls;

const CLUSTER: &str = "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90";
const PROJECT: &str = "89cd04f168b84af6be287f71730fdb4b";
pub(super) const REGION: &str = "eu-west-101";
const SOURCE: &str = "d303f19c-fbd1-4716-ae04-07d1ff358f22";
const JOB: &str = "2c9081c88418ed420184197c8bc80001";
const SOURCES_PATH: &str =
    "/v1.0/89cd04f168b84af6be287f71730fdb4b/clusters/4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90/ext-data-sources";
const SOURCE_PATH: &str = "/v1.0/89cd04f168b84af6be287f71730fdb4b/clusters/4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90/ext-data-sources/d303f19c-fbd1-4716-ae04-07d1ff358f22";
const JOB_PATH: &str = "/v1.0/89cd04f168b84af6be287f71730fdb4b/job/2c9081c88418ed420184197c8bc80001";

const ACCESS: &str = "AKCANARY0000000TEST";
const SECRET: &str = "SKcanaryExampleSecretKey0123456789";
const PASSWORD: &str = "canary-Password-1";

const UNANSWERED: FailureKind = FailureKind::UnknownOutcome {
    answered: false,
    delay: None,
};
const TRANSIENT: FailureKind = FailureKind::RetryAfter {
    wait: Wait::Transient,
    delay: None,
};

/// A lease that lasts, or one that does not.
struct Lease(bool);

impl Fence for Lease {
    fn covers_write(&self, _timeout: Duration) -> bool {
        self.0
    }
}

type Record = (Operation, Option<u16>, Option<String>);

/// What the session reported.
#[derive(Default)]
struct Records(Mutex<Vec<Record>>);

impl Observer for Records {
    fn called(&self, record: &CallRecord<'_>) {
        let code = record.code.map(str::to_owned);
        self.0.lock().unwrap().push((record.operation, record.status, code));
    }
}

fn access_key() -> Credentials {
    Credentials::AccessKey(AccessKey {
        access: ACCESS.into(),
        secret: SECRET.into(),
        security_token: None,
    })
}

fn password() -> Credentials {
    Credentials::Password {
        domain: "IAMDomain".to_owned(),
        user: "IAMUser".to_owned(),
        password: PASSWORD.into(),
    }
}

/// A session with an access key and a project, whose calls end soon.
pub(super) fn config(uri: &str) -> SessionConfig {
    let policy = EndpointPolicy {
        allowed_domains: vec!["localhost".to_owned()],
        allow_insecure: true,
    };
    SessionConfig {
        endpoint: policy.check(uri).unwrap(),
        iam_endpoint: policy.check(uri).unwrap(),
        sts_endpoint: Some(policy.check(uri).unwrap()),
        agency: None,
        rate: None,
        region: REGION.to_owned(),
        project_id: Some(PROJECT.to_owned()),
        ca_pem: None,
        credentials: access_key(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            write: Duration::from_secs(10),
            read: Duration::from_secs(10),
        },
        use_proxy_env: false,
        limits: Arc::new(Limits::new(
            Bounds::default(),
            BreakerTimings {
                window: Duration::from_mins(5),
                max_rejections: 3,
            },
        )),
        fence: Arc::new(Lease(true)),
        observer: Arc::new(Records::default()),
    }
}

fn session(uri: &str) -> Session {
    Session::connect(config(uri)).ok().unwrap()
}

fn mrs() -> CreateRequest {
    CreateRequest {
        type_: DataSourceType::Mrs,
        data_source_name: "source1".to_owned(),
        user_name: "dws_user".to_owned(),
        data_source_id: Some("mrs-1".to_owned()),
        connect_info: None,
        description: Some("数据源 é".to_owned()),
        reboot: false,
    }
}

async fn create(session: &Session) -> Result<Accepted, Failure> {
    let password = SecretString::from(PASSWORD);
    session.create(CLUSTER, &mrs(), Some(&password)).await
}

async fn list(session: &Session) -> Result<Listing, Failure> {
    session.list(CLUSTER, DataSourceType::Mrs).await
}
