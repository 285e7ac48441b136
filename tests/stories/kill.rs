//! The operator is killed at every write of a create and of a delete, and started again: one data source, Ready, and nothing left
//! after the delete, without a human step.

use std::time::Duration;

use dws_operator::api::DwsDataSource;
use dws_operator::api::names::INTENT_ANNOTATION;
use dws_operator::api::provider::DwsProvider;
use dws_simulator::Call as CloudCall;
use dws_testbed::{Action, Api, Call, Rule, Stage, wait};
use futures::future::join_all;
use serde_json::Value;

use crate::in_use::until_provider;
use crate::world::{CLUSTER, SOON, World, obs};

/// The data source of these stories.
const NAME: &str = "lake";
/// The steps of a create that write something, in their order.
const CREATE: [Step; 5] = [Step::Hold, Step::Intent, Step::Post, Step::Id, Step::Ready];
/// The steps of a delete that write something, in their order.
const DELETE: [Step; 4] = [Step::Delete, Step::Deleting, Step::Finalizer, Step::Release];

/// A write of the operator.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The finalizer on the provider.
    Hold,
    /// The intent and the finalizer.
    Intent,
    /// The request that creates the data source.
    Post,
    /// Its id into the status.
    Id,
    /// The verdict into the status.
    Ready,
    /// The request that deletes it.
    Delete,
    /// The delete job into the status.
    Deleting,
    /// The finalizer off the object.
    Finalizer,
    /// The finalizer off the provider.
    Release,
}

impl Step {
    fn is(self, call: &Call) -> bool {
        let object = || call.is(Api::Kube, "PATCH", "/dwsdatasources/") && call.path.ends_with(NAME);
        let status = || {
            let is_status = call.is(Api::Kube, "PATCH", "/dwsdatasources/") && call.path.ends_with("/status");
            is_status.then(|| written_status(&call.request)).flatten()
        };
        let provider = |is_held: bool| {
            let finalizers = call.request["metadata"]["finalizers"].as_array();
            call.is(Api::Kube, "PATCH", "/dwsproviders/") && finalizers.is_some_and(|all| all.is_empty() != is_held)
        };
        match self {
            Self::Hold => provider(true),
            Self::Release => provider(false),
            Self::Intent => object() && !call.request["metadata"]["annotations"][INTENT_ANNOTATION].is_null(),
            Self::Post => call.is(Api::Cloud, "POST", "/ext-data-sources"),
            Self::Id => status().is_some_and(|status| status["id"].is_string() && !is_ready(status)),
            Self::Ready => status().is_some_and(is_ready),
            Self::Delete => call.is(Api::Cloud, "DELETE", "/ext-data-sources/"),
            Self::Deleting => status().is_some_and(|status| status["operation"]["type"] == "Delete"),
            Self::Finalizer => object() && call.request["metadata"]["annotations"].is_null(),
        }
    }
}

/// The status in a JSON patch.
fn written_status(patch: &Value) -> Option<&Value> {
    patch
        .as_array()?
        .iter()
        .find(|operation| operation["path"] == "/status")
        .map(|operation| &operation["value"])
}

fn is_ready(status: &Value) -> bool {
    let conditions = status["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    })
}

/// A world in which jobs take long enough to be followed, so that every write of the sequences is one of its own.
async fn world(step: Step, stage: Stage) -> World<'static> {
    let world = World::new(&format!("kill-{stage:?}-{step:?}").to_lowercase()).await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(3));
    world
}

/// A create during which the operator is killed at one moment, and the delete after it.
async fn create(step: Step, stage: Stage) {
    let gap = format!("killed at {step:?}, {stage:?}");
    let world = world(step, stage).await;
    let mut hit = world
        .namespace
        .proxy()
        .on(Rule::new(stage, Action::Hold, move |call| step.is(call)));
    // A delete waits for the late effects of a create that got no answer.
    let mut operator = world.operator().args(["--late-effects=4s"]).start().await;
    world.create(&obs(NAME)).await;
    hit.reached(SOON).await;
    operator.kill().await;
    drop(hit);
    operator.restart().await;
    is_whole(&world, &gap).await;
    world.delete(NAME).await;
    ends_empty(&world, &gap).await;
}

/// A delete during which the operator is killed at one moment.
async fn delete(step: Step, stage: Stage) {
    let gap = format!("killed at {step:?}, {stage:?}");
    let world = world(step, stage).await;
    let mut operator = world.operator().start().await;
    world.create(&obs(NAME)).await;
    is_whole(&world, &gap).await;
    let mut hit = world
        .namespace
        .proxy()
        .on(Rule::new(stage, Action::Hold, move |call| step.is(call)));
    world.delete(NAME).await;
    hit.reached(SOON).await;
    operator.kill().await;
    drop(hit);
    operator.restart().await;
    ends_empty(&world, &gap).await;
}

/// One data source, recorded and Ready.
async fn is_whole(world: &World<'_>, gap: &str) {
    let object: DwsDataSource = world.ready(NAME).await;
    let sources = world.cloud.sources(CLUSTER);
    assert_eq!(sources.len(), 1, "{gap}: {sources:#?}");
    assert_eq!(
        object.status.unwrap().id.as_deref(),
        Some(sources[0].id.as_str()),
        "{gap}"
    );
    assert_eq!(world.effective(CloudCall::Create), 1, "{gap}: one create took effect");
    assert_eq!(
        world.calls(CloudCall::Create).len(),
        1,
        "{gap}: a create that arrived is not sent again"
    );
    assert_eq!(world.calls(CloudCall::Delete).len(), 0, "{gap}");
}

/// Nothing is left, in Kubernetes or in the cloud, and nothing comes back.
async fn ends_empty(world: &World<'_>, gap: &str) {
    world.gone(NAME).await;
    wait::until(SOON, &format!("{gap}: the cloud is empty"), async || {
        let sources = world.cloud.sources(CLUSTER);
        if sources.is_empty() { Ok(()) } else { Err(sources) }
    })
    .await;
    assert_eq!(
        world.effective(CloudCall::Create),
        1,
        "{gap}: nothing was created again"
    );
    assert_eq!(world.effective(CloudCall::Delete), 1, "{gap}: one delete took effect");
    world.later_life().await;
    assert!(
        !world.events(NAME).await.contains(&"Orphaned".to_owned()),
        "{gap}: nothing was lost"
    );
    let free = |provider: Option<&DwsProvider>| provider.is_some_and(|provider| provider.metadata.finalizers.is_none());
    until_provider(world, "default", &format!("{gap}: the provider is free"), free).await;
}

/// The write never arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_survives_a_kill_before_each_write() {
    join_all(CREATE.map(|step| create(step, Stage::Before))).await;
}

/// The write has its effect, and the operator does not learn of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_survives_a_kill_after_each_write_took_effect() {
    join_all(CREATE.map(|step| create(step, Stage::Applied))).await;
}

/// The operator knows of the write, and nothing follows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_survives_a_kill_after_each_answer() {
    join_all(CREATE.map(|step| create(step, Stage::Answered))).await;
}

/// The write never arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_survives_a_kill_before_each_write() {
    join_all(DELETE.map(|step| delete(step, Stage::Before))).await;
}

/// The write has its effect, and the operator does not learn of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_survives_a_kill_after_each_write_took_effect() {
    join_all(DELETE.map(|step| delete(step, Stage::Applied))).await;
}

/// The operator knows of the write, and nothing follows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_survives_a_kill_after_each_answer() {
    join_all(DELETE.map(|step| delete(step, Stage::Answered))).await;
}
