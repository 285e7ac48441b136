//! Waits for what a user or the cloud sees, each with a deadline.

use std::time::Duration;

use dws_operator::api::{ConditionType, DwsDataSource, Reason};
use dws_simulator::{Call, NameSettings};
use dws_testbed::{Api as Side, Call as Passed, Operator, wait};
use jiff::SignedDuration;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::{World, obs, on_cluster, verdict};

/// How long anything in a story may take.
pub const SOON: Duration = Duration::from_mins(1);
/// How long a request may be on its way between two processes of a machine that has much to do.
pub const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(1);
/// The cluster that no story uses otherwise.
const LATER_CLUSTER: usize = 999_999;

impl World<'_> {
    /// Waits until the data source is gone from Kubernetes.
    pub async fn gone(&self, name: &str) {
        let is_gone = |object: Option<&DwsDataSource>| object.is_none();
        wait::until_object(&self.api(), name, SOON, &format!("{name} is gone"), is_gone).await;
    }

    /// Waits until the data source is as described.
    pub async fn until(&self, name: &str, what: &str, is: impl Fn(&DwsDataSource) -> bool) -> DwsDataSource {
        let what = format!("{name}: {what}");
        let found = wait::until_object(&self.api(), name, SOON, &what, |object| object.is_some_and(&is)).await;
        found.expect("only an object that is there is accepted")
    }

    /// Waits until the data source is Ready.
    pub async fn ready(&self, name: &str) -> DwsDataSource {
        self.until(name, "Ready", |object| {
            verdict(object) == Some((ConditionType::Ready, Reason::Available))
        })
        .await
    }

    /// Waits until the data source is Ready with another id than this one.
    pub async fn ready_anew(&self, name: &str, id: &str) -> DwsDataSource {
        self.until(name, "Ready with another id", |object| {
            let status = object.status.as_ref();
            verdict(object) == Some((ConditionType::Ready, Reason::Available))
                && status.is_some_and(|status| status.id.as_deref() != Some(id))
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

    /// Waits until the data source has a job, and gives its id.
    pub async fn job(&self, name: &str) -> String {
        let job = |object: &DwsDataSource| object.status.as_ref()?.job_id.clone();
        let object = self.until(name, "its job", |object| job(object).is_some()).await;
        job(&object).expect("it was seen")
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

    /// Lets another object live and end, on a cluster of its own: what has not happened until then does not happen.
    pub async fn later_life(&self) {
        const NAME: &str = "later-life";
        let at_once = NameSettings {
            job_duration: Some(Duration::ZERO),
            ..NameSettings::default()
        };
        self.cloud
            .update_settings(|settings| drop(settings.by_name.insert(NAME.replace('-', "_"), at_once)));
        self.create(&on_cluster(LATER_CLUSTER, obs(NAME))).await;
        self.ready(NAME).await;
        self.delete(NAME).await;
        self.gone(NAME).await;
    }

    /// Waits until the operator has read the Secret this often.
    pub async fn secret_read(&self, name: &str, times: usize) {
        let part = format!("/secrets/{name}");
        let what = format!("the Secret {name} is read {times} times");
        let is_read = |call: &&Passed| call.is(Side::Kube, "GET", &part);
        let enough = |calls: &[Passed]| calls.iter().filter(is_read).count() >= times;
        self.namespace.proxy().wait_calls(SOON, &what, enough).await;
    }

    /// Waits until the operator has read the Secret this often since then.
    pub async fn secret_read_since(&self, name: &str, since: jiff::Timestamp, times: usize) {
        let part = format!("/secrets/{name}");
        let what = format!("the Secret {name} is read {times} times");
        let is_read = |call: &&Passed| call.is(Side::Kube, "GET", &part) && call.started > since;
        let enough = |calls: &[Passed]| calls.iter().filter(is_read).count() >= times;
        self.namespace.proxy().wait_calls(SOON, &what, enough).await;
    }

    /// Waits until the operator has asked for this many more lists, of whatever DWS clusters.
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

/// Asks a program on this machine, which no proxy of the environment reaches.
pub async fn get(url: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(url).send().await.expect("the program answers")
}

/// Whether the operator renews its lease.
pub fn is_renewal(call: &Passed) -> bool {
    call.is(Side::Kube, "PUT", "/leases/")
}

/// Asks `/livez` or `/readyz` of an operator: the status and the text.
pub async fn probe(operator: &Operator, path: &str) -> (u16, String) {
    let answer = get(&(operator.health_url().await + path)).await;
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
