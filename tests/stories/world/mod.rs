//! What every story starts with: a namespace, a cloud, an operator with short waits, and the objects that users apply.

mod annotations;
mod identities;
mod kills;
mod objects;
mod verdict;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use dws_operator::api::{DwsDataSource, DwsProvider};
use dws_simulator::{Admin, Call, JobOutcome, LogEntry, NameSettings, Settings, Simulator};
use dws_testbed::{ControlPlane, Operator, OperatorBuilder, TestNamespace, Version};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

pub use self::annotations::pause;
pub use self::identities::{AGENCY, IN_NAMESPACES, Identities, provider_by};
pub use self::kills::{Kill, survives};
pub use self::objects::{
    ACCESS_KEY, CLUSTER, PASSWORD, PROJECT, SECRET_KEY, cluster, mrs, obs, on_cluster, password_provider, projectless,
    provider, secret, uses,
};
pub use self::verdict::{id, message, verdict};
pub use self::waits::{ON_ITS_WAY, SOON, get, is_renewal, operator_ready, probe};

/// The waits of the stories, in proportion to the defaults (docs/configuration.md, Timings).
pub const TIMINGS: &[&str] = &[
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

    /// Makes the Secret hold exactly this.
    pub async fn put(&self, object: Secret) {
        let secrets: Api<Secret> = self.api();
        let name = object.metadata.name.clone().expect("a name");
        if secrets.get_opt(&name).await.expect("the API server answers").is_some() {
            secrets
                .replace(&name, &PostParams::default(), &object)
                .await
                .expect("the API server takes the Secret");
        } else {
            self.create(&object).await;
        }
    }

    /// Changes the spec of a provider by a merge patch.
    pub async fn patch_provider(&self, name: &str, spec: Value) {
        let providers: Api<DwsProvider> = self.api();
        let patch = Patch::Merge(json!({ "spec": spec }));
        providers
            .patch(name, &PatchParams::default(), &patch)
            .await
            .expect("the API server takes the change");
    }

    /// The reasons of the events about a data source so far: one for each time that it was told, as a repetition is no new Event but
    /// counted in the series of the first.
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
            .flat_map(|event| {
                let told = event.series.map_or(1, |series| usize::try_from(series.count).unwrap());
                std::iter::repeat_n(event.reason.unwrap_or_default(), told)
            })
            .collect()
    }

    /// How often a data source that had been Ready was told not Ready, so far.
    pub fn flips(&self, name: &str) -> usize {
        self.flips_of("DwsDataSource", name)
    }

    /// The same of an object of one of the operator's kinds.
    pub fn flips_of(&self, kind: &str, name: &str) -> usize {
        let is_ready = |version: &Version| {
            let conditions = version.object["status"]["conditions"].as_array();
            let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
            conditions.is_some_and(|all| all.iter().any(ready))
        };
        let versions = self.namespace.recorder().versions(kind, name);
        let since_ready = versions.iter().skip_while(|version| !is_ready(version));
        since_ready.filter(|version| !is_ready(version)).count()
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

    /// From now on the create job of the data source with this name in the cloud ends so.
    pub fn job_ends(&self, name: &str, outcome: JobOutcome) {
        let settings = NameSettings {
            create_outcome: Some(outcome),
            ..NameSettings::default()
        };
        self.cloud
            .update_settings(|all| drop(all.by_name.insert(name.to_owned(), settings)));
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
}
