//! What every story starts with: a namespace, a cloud, an operator with short waits, and the objects that users apply.

use std::sync::Arc;
use std::time::Duration;

use dws_operator::api::data_source::{
    DataSourceType, DwsDataSource, DwsDataSourceSpec, ProviderRef, SecretKeyRef, UserPwd,
};
use dws_operator::api::provider::{Access, AccessKeyAuth, Auth, DwsProvider, DwsProviderSpec, PasswordAuth, SecretRef};
use dws_operator::api::{ConditionStatus, ConditionType, Reason};
use dws_simulator::{Admin, Call, LogEntry, Settings, Simulator};
use dws_testbed::{ControlPlane, Operator, OperatorBuilder, TestNamespace, wait};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::Value;

/// A DWS cluster.
pub const CLUSTER: &str = "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90";
/// The access key that the simulated cloud knows.
pub const ACCESS_KEY: &str = "AKEXAMPLE0000000TEST";
/// Its secret key.
pub const SECRET_KEY: &str = "SKexampleExampleSecretKey0123456789abcdEF";
/// The project of that key.
pub const PROJECT: &str = "89cd04f168b84af6be287f71730fdb4b";
/// The password of an MRS account.
pub const PASSWORD: &str = "Mrs-Passw0rd-1";
/// How long anything in a story may take.
pub const SOON: Duration = Duration::from_mins(1);

/// The waits of the stories, in proportion to the defaults (design, Timings).
const TIMINGS: &[&str] = &[
    "--connect=1s",
    "--write-deadline=2s",
    "--read-deadline=3s",
    "--lease=6s",
    "--lease-renew=1s",
    "--lease-margin=1s",
    "--settle-gap=500ms",
    "--late-effects=10s",
    "--late-effects-answered=4s",
    "--late-list=1s",
    "--gone-gap=500ms",
    "--list-lag=3s",
    "--deleted-gap=500ms",
    "--job-poll-min=200ms",
    "--job-poll-max=1s",
    "--job-deadline=30s",
    "--job-poll-late=1s",
    "--progress-interval=1s",
    "--backoff-min=250ms",
    "--backoff-max=4s",
    "--busy-max=1s",
    "--busy-deadline=20s",
    "--throttle-default=1s",
    "--stalled-recheck=4s",
    "--secret-recheck=1s",
    "--ready-grace=10s",
    "--breaker-window=20s",
];

/// A namespace and a cloud.
pub struct World<'p> {
    /// The namespace.
    pub namespace: TestNamespace<'p>,
    /// The cloud's own view and levers.
    pub cloud: Admin,
    /// Where the operator finds the cloud: the recording proxy in front of it.
    pub endpoint: String,
    simulator: Arc<Simulator>,
}

impl World<'static> {
    /// A world on the shared control plane, with a cloud whose jobs are done at the first look.
    pub async fn new(hint: &str) -> Self {
        let plane = ControlPlane::shared().await;
        Self::within(TestNamespace::create(plane, hint).await).await
    }
}

impl<'p> World<'p> {
    /// A world in a given namespace.
    pub async fn within(namespace: TestNamespace<'p>) -> Self {
        let settings = Settings {
            job_duration: Duration::ZERO,
            ..Settings::default()
        };
        let simulator = Simulator::start(settings).await.expect("the simulator starts");
        Self::before(namespace, Arc::new(simulator))
    }

    /// Another namespace before the same cloud.
    pub fn beside<'q>(&self, namespace: TestNamespace<'q>) -> World<'q> {
        World::before(namespace, Arc::clone(&self.simulator))
    }

    fn before(namespace: TestNamespace<'p>, simulator: Arc<Simulator>) -> Self {
        let endpoint = namespace.proxy().cloud(&simulator.url());
        World {
            cloud: simulator.admin(),
            endpoint,
            namespace,
            simulator,
        }
    }

    /// The URL of the simulator itself, without a proxy before it.
    pub fn simulator_url(&self) -> String {
        self.simulator.url()
    }

    /// An operator with the stories' waits; more flags may follow.
    pub fn operator(&self) -> OperatorBuilder<'_> {
        Operator::builder(&self.namespace).args(TIMINGS.iter().copied())
    }

    /// An operator with the stories' waits, but for these flags.
    pub fn operator_with(&self, flags: &[&str]) -> OperatorBuilder<'_> {
        let name = |flag: &str| {
            flag.split_once('=')
                .map_or(flag.to_owned(), |(name, _)| name.to_owned())
        };
        let others = TIMINGS
            .iter()
            .filter(|known| !flags.iter().any(|flag| name(flag) == name(known)));
        Operator::builder(&self.namespace)
            .args(others.copied())
            .args(flags.iter().copied())
    }

    /// An operator with the default waits.
    pub fn unhurried_operator(&self) -> OperatorBuilder<'_> {
        Operator::builder(&self.namespace)
    }

    /// Applies the access key and the provider `default`.
    pub async fn with_provider(&self) {
        self.create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
        self.create(&provider(&self.endpoint)).await;
    }

    /// Applies the password that MRS data sources use.
    pub async fn with_password(&self) {
        self.create(&secret("mrs-account", &[("password", PASSWORD)])).await;
    }

    /// The administrator's view of a kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        self.namespace.api()
    }

    /// Creates an object.
    pub async fn create<K>(&self, object: &K) -> K
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        self.api()
            .create(&PostParams::default(), object)
            .await
            .expect("the API server takes the object")
    }

    /// Asks for the end of a data source; it may take its time.
    pub async fn delete(&self, name: &str) {
        let api: Api<DwsDataSource> = self.api();
        api.delete(name, &DeleteParams::default())
            .await
            .expect("the object exists");
    }

    /// Waits until the data source is gone from Kubernetes.
    pub async fn gone(&self, name: &str) {
        let api: Api<DwsDataSource> = self.api();
        wait::until(SOON, &format!("{name} is gone"), async || {
            match api.get_opt(name).await {
                Ok(None) => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }

    /// Waits until the data source is as described.
    pub async fn until(&self, name: &str, what: &str, is: impl Fn(&DwsDataSource) -> bool) -> DwsDataSource {
        let api: Api<DwsDataSource> = self.api();
        wait::until(SOON, &format!("{name}: {what}"), async || match api.get(name).await {
            Ok(object) if is(&object) => Ok(object),
            other => Err(other.map(|object| object.status)),
        })
        .await
    }

    /// Waits until the data source is Ready.
    pub async fn ready(&self, name: &str) -> DwsDataSource {
        self.until(name, "Ready", |object| {
            verdict(object) == Some((ConditionType::Ready, Reason::Available))
        })
        .await
    }

    /// Waits until the data source is Stalled for this reason.
    pub async fn stalled(&self, name: &str, reason: Reason) -> DwsDataSource {
        self.until(name, &format!("Stalled, {reason}"), |object| {
            verdict(object) == Some((ConditionType::Stalled, reason))
        })
        .await
    }

    /// Waits until the data source is Reconciling for this reason.
    pub async fn reconciling(&self, name: &str, reason: Reason) -> DwsDataSource {
        self.until(name, &format!("Reconciling, {reason}"), |object| {
            verdict(object) == Some((ConditionType::Reconciling, reason))
        })
        .await
    }

    /// The reasons of the events about a data source, so far.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let events = self
            .api::<Event>()
            .list(&ListParams::default())
            .await
            .expect("events can be listed");
        let about = |event: &Event| {
            event
                .regarding
                .as_ref()
                .is_some_and(|object| object.name.as_deref() == Some(name))
        };
        events
            .items
            .into_iter()
            .filter(about)
            .filter_map(|event| event.reason)
            .collect()
    }

    /// The calls of one kind that the cloud has had so far.
    pub fn calls(&self, call: Call) -> Vec<LogEntry> {
        self.cloud
            .log()
            .into_iter()
            .filter(|entry| entry.call == call)
            .collect()
    }

    /// The calls of one kind that took effect.
    pub fn effective(&self, call: Call) -> usize {
        self.calls(call).iter().filter(|entry| entry.took_effect).count()
    }

    /// The create requests for a data source of this name, in the order of their arrival.
    pub fn posts(&self, name: &str) -> Vec<LogEntry> {
        self.calls(Call::Create)
            .into_iter()
            .filter(|post| post.name.as_deref() == Some(name))
            .collect()
    }

    /// Changes a data source by a merge patch.
    pub async fn edit(&self, name: &str, change: Value) -> DwsDataSource {
        self.patch(name, false, change).await
    }

    /// Changes an object as an administrator may, by a merge patch of the object or of its status.
    pub async fn patch(&self, name: &str, is_status: bool, patch: serde_json::Value) -> DwsDataSource {
        let api: Api<DwsDataSource> = self.api();
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = if is_status {
            api.patch_status(name, &parameters, &patch).await
        } else {
            api.patch(name, &parameters, &patch).await
        };
        patched.expect("the API server takes the patch")
    }

    /// Waits until an event of this reason about the object of this name is told, and gives its note.
    pub async fn event(&self, name: &str, reason: &str) -> String {
        let api: Api<Event> = self.api();
        wait::until(SOON, &format!("the event {reason} about {name}"), async || {
            let events = api
                .list(&ListParams::default())
                .await
                .map(|list| list.items)
                .unwrap_or_default();
            let about = |event: &Event| event.regarding.as_ref().and_then(|about| about.name.as_deref()) == Some(name);
            let found = events
                .iter()
                .find(|event| about(event) && event.reason.as_deref() == Some(reason));
            found
                .map(|event| event.note.clone().unwrap_or_default())
                .ok_or_else(|| {
                    events
                        .iter()
                        .map(|event| (event.reason.clone(), event.note.clone()))
                        .collect::<Vec<_>>()
                })
        })
        .await
    }

    /// Waits for this many more lists: what does not happen until then does not happen.
    pub async fn lists_later(&self, lists: usize) {
        let before = self.calls(Call::List).len();
        self.cloud
            .wait_log(SOON, |log| {
                log.iter().filter(|entry| entry.call == Call::List).count() >= before + lists
            })
            .await
            .expect("the operator goes on comparing");
    }
}

/// Asks `/livez` or `/readyz` of an operator: the status and the text.
pub async fn probe(operator: &Operator, path: &str) -> (u16, String) {
    let answer = reqwest::get(operator.health_url().await + path)
        .await
        .expect("the operator answers");
    (
        answer.status().as_u16(),
        answer.text().await.expect("the answer is whole"),
    )
}

/// Waits until the operator is ready.
pub async fn operator_ready(operator: &Operator) {
    wait::until(SOON, "the operator is ready", async || {
        match probe(operator, "/readyz").await {
            (200, _) => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

/// The verdict: the condition that is True, with its reason.
pub fn verdict(object: &DwsDataSource) -> Option<(ConditionType, Reason)> {
    let conditions = &object.status.as_ref()?.conditions;
    let current = object.metadata.generation;
    conditions
        .iter()
        .find(|condition| condition.status == ConditionStatus::True && Some(condition.observed_generation) == current)
        .map(|condition| (condition.type_, condition.reason))
}

/// What the verdict tells its reader.
pub fn message(object: &DwsDataSource) -> String {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions
        .first()
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}

/// The n-th of many DWS clusters.
pub fn cluster(n: usize) -> String {
    format!("4ca46bf1-5c61-48ff-b4f3-{n:012}")
}

/// The same data source, on the n-th cluster.
pub fn on_cluster(n: usize, mut object: DwsDataSource) -> DwsDataSource {
    object.spec.cluster_id = cluster(n);
    object
}

/// A Secret.
pub fn secret(name: &str, data: &[(&str, &str)]) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.string_data = Some(
        data.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    );
    secret
}

/// The provider `default`, with the access key of the Secret `dws-access-key`.
pub fn provider(endpoint: &str) -> DwsProvider {
    let secret_ref = SecretRef {
        name: "dws-access-key".to_owned(),
    };
    let access = access(
        endpoint,
        Auth {
            access_key: Some(AccessKeyAuth { secret_ref }),
            password: None,
        },
    );
    DwsProvider::new("default", DwsProviderSpec { access })
}

/// The provider `default`, with the IAM user whose password is in the Secret `iam-user`.
pub fn password_provider(endpoint: &str) -> DwsProvider {
    let password = PasswordAuth {
        domain_name: "example".to_owned(),
        user_name: "operator".to_owned(),
        secret_ref: SecretRef {
            name: "iam-user".to_owned(),
        },
    };
    let access = access(
        endpoint,
        Auth {
            access_key: None,
            password: Some(password),
        },
    );
    DwsProvider::new("default", DwsProviderSpec { access })
}

/// How to reach the simulated cloud.
pub fn access(endpoint: &str, auth: Auth) -> Access {
    Access {
        region: "eu-west-101".to_owned(),
        project_id: Some(PROJECT.to_owned()),
        endpoint: Some(endpoint.to_owned()),
        iam_endpoint: Some(endpoint.to_owned()),
        ca_bundle_secret_ref: None,
        auth,
        ownership_marker: None,
    }
}

/// An OBS data source, named in the cloud like the object.
pub fn obs(name: &str) -> DwsDataSource {
    DwsDataSource::new(
        name,
        DwsDataSourceSpec {
            cluster_id: CLUSTER.to_owned(),
            type_: DataSourceType::Obs,
            data_source_name: name.replace('-', "_"),
            data_source_id: None,
            user_name: "DWSAccessOBS".to_owned(),
            user_pwd: None,
            connect_info: Some("gaussdb".to_owned()),
            description: None,
            reboot: None,
            provider_ref: None::<ProviderRef>,
            deletion_policy: None,
        },
    )
}

/// An MRS data source, with the password of the Secret `mrs-account`.
pub fn mrs(name: &str) -> DwsDataSource {
    let mut object = obs(name);
    let spec = &mut object.spec;
    spec.type_ = DataSourceType::Mrs;
    spec.connect_info = None;
    spec.data_source_id = Some("0f3b7c52-9d1e-4a86-b1c4-2e5f60718293".to_owned());
    "dws_user".clone_into(&mut spec.user_name);
    spec.user_pwd = Some(UserPwd {
        secret_key_ref: SecretKeyRef {
            name: "mrs-account".to_owned(),
            key: "password".to_owned(),
        },
    });
    object
}
