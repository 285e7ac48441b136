//! A failing API server stops no object that it does not concern, and makes nothing happen twice.

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Fault};
use dws_testbed::{Action, Api, Call as Passed, Rule, Stage, wait};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::{SOON, World, cluster, obs, on_cluster, operator_ready, probe};

/// What an API server answers that fails.
fn failure(code: u16, reason: &str) -> Action {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": "it fails",
    });
    Action::Answer(code, status)
}

/// The operator's calls about an object.
#[derive(Debug, Clone, Copy)]
enum About {
    /// A look at it.
    Read,
    /// The intent and the finalizer, or no finalizer.
    Metadata,
    /// A status.
    Status,
}

impl About {
    fn is(self, call: &Passed, name: &str) -> bool {
        let (method, end) = match self {
            Self::Read => ("GET", format!("/dwsdatasources/{name}")),
            Self::Metadata => ("PATCH", format!("/dwsdatasources/{name}")),
            Self::Status => ("PATCH", format!("/dwsdatasources/{name}/status")),
        };
        call.is(Api::Kube, method, &end) && call.path.ends_with(&end)
    }
}

/// Errors of the API server on each call of a create and of a delete are outlasted, whether a write was done or not: one POST and
/// one DELETE each, and the objects beside them are served meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_to_kubernetes_are_made_again() {
    let world = World::new("api-server").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    let (error, throttled) = (failure(500, "InternalError"), failure(429, "TooManyRequests"));
    let cases = [
        ("read-500", About::Read, Stage::Before, error.clone()),
        ("read-429", About::Read, Stage::Before, throttled.clone()),
        ("read-cut", About::Read, Stage::Applied, Action::Cut),
        ("intent-500", About::Metadata, Stage::Before, error.clone()),
        ("intent-429", About::Metadata, Stage::Before, throttled.clone()),
        ("intent-lost", About::Metadata, Stage::Applied, error.clone()),
        ("intent-cut", About::Metadata, Stage::Applied, Action::Cut),
        ("status-500", About::Status, Stage::Before, error.clone()),
        ("status-429", About::Status, Stage::Before, throttled),
        ("status-lost", About::Status, Stage::Applied, error),
        ("status-cut", About::Status, Stage::Applied, Action::Cut),
    ];
    let fail = |(name, about, stage, action): (&'static str, About, Stage, Action)| {
        let rule = Rule::new(stage, action, move |call| about.is(call, name));
        world.namespace.proxy().on(rule.times(2))
    };
    let create = cases.clone().map(fail);
    for (n, (name, ..)) in cases.iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
    }
    world.create(&on_cluster(100, obs("beside"))).await;
    world.ready("beside").await;
    join_all(cases.iter().map(|(name, ..)| world.ready(name))).await;
    for (n, ((name, ..), hit)) in cases.iter().zip(&create).enumerate() {
        assert!(hit.matches() >= 2, "{name}: {} calls", hit.matches());
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1, "{name}");
        assert_eq!(world.posts(&name.replace('-', "_")).len(), 1, "{name}");
    }
    drop(create);

    let delete = cases.clone().map(fail);
    for (name, ..) in &cases {
        world.delete(name).await;
    }
    join_all(cases.iter().map(|(name, ..)| world.gone(name))).await;
    for (n, ((name, ..), hit)) in cases.iter().zip(&delete).enumerate() {
        assert!(hit.matches() >= 1, "{name}: no call");
        assert_eq!(world.cloud.sources(&cluster(n)), [], "{name}");
    }
    assert_eq!(world.calls(Call::Create).len(), cases.len() + 1);
    assert_eq!(world.calls(Call::Delete).len(), cases.len());
    world.later_life().await;
    for (name, ..) in &cases {
        assert!(!world.events(name).await.contains(&"Orphaned".to_owned()), "{name}");
    }
}

/// Watches that break off again and again, in the middle of creates and deletes, cost nothing but time.
#[tokio::test(flavor = "multi_thread")]
async fn broken_watches_are_taken_up_again() {
    let world = World::new("api-server").await;
    world.with_provider().await;
    let operator = world.operator().start().await;
    let names: Vec<String> = (0..6).map(|n| format!("lake-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        world.namespace.proxy().cut_all(Api::Kube);
        world.create(&on_cluster(n, obs(name))).await;
        world.namespace.proxy().cut_all(Api::Kube);
        world.ready(name).await;
    }
    for name in &names {
        world.delete(name).await;
        world.namespace.proxy().cut_all(Api::Kube);
    }
    for (n, name) in names.iter().enumerate() {
        world.gone(name).await;
        assert_eq!(world.cloud.sources(&cluster(n)), []);
    }
    assert_eq!(world.calls(Call::Create).len(), names.len());
    assert_eq!(world.effective(Call::Delete), names.len());
    world.later_life().await;
    for name in &names {
        assert!(!world.events(name).await.contains(&"Orphaned".to_owned()), "{name}");
    }
    let starts = operator.log().matches(r#""message":"listening""#).count();
    assert_eq!(starts, 1, "the process goes on");
}

/// While the API server is away for some seconds, objects are applied, deleted and corrected that the operator hears nothing of. When
/// it is back, all of it is done, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_during_an_outage_of_the_api_server_is_made_up_for() {
    let world = World::new("api-server").await;
    world.with_provider().await;
    let refused = Answer::error(400, "DWS.5130", "The agency does not exist.");
    world
        .cloud
        .add_fault(Fault::on(Call::Create, refused).name("wrong").times(1));
    let operator = world
        .operator()
        .args(["--lease=2m", "--stalled-recheck=1h"])
        .start()
        .await;
    for (n, name) in ["stays", "goes", "wrong"].into_iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
    }
    world.ready("stays").await;
    world.ready("goes").await;
    world.stalled("wrong", Reason::InvalidSpec).await;
    operator_ready(&operator).await;
    world.namespace.proxy().block(Api::Kube, true);
    wait::until(SOON, "the operator tells of the outage", async || {
        match probe(&operator, "/readyz").await {
            (503, _) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let before = world.cloud.log().len();
    for n in 3..6 {
        world.create(&on_cluster(n, obs(&format!("new-{n}")))).await;
    }
    world.delete("goes").await;
    let corrected: Value = json!({"spec": {"userName": "DWSAccessOBS2"}});
    world.edit("wrong", corrected).await;
    world.create(&on_cluster(6, obs("short-lived"))).await;
    world.delete("short-lived").await;
    world.namespace.proxy().block(Api::Kube, false);
    world.gone("goes").await;
    for name in ["stays", "wrong", "new-3", "new-4", "new-5"] {
        world.ready(name).await;
    }
    operator_ready(&operator).await;
    let writes: Vec<_> = world.cloud.log()[before..]
        .iter()
        .filter(|entry| matches!(entry.call, Call::Create | Call::Delete))
        .map(|entry| (entry.call, entry.name.clone().unwrap_or_default()))
        .collect();
    let count = |call: Call, name: &str| writes.iter().filter(|write| **write == (call, name.to_owned())).count();
    assert_eq!(count(Call::Delete, "goes"), 1, "{writes:?}");
    for name in ["wrong", "new_3", "new_4", "new_5"] {
        assert_eq!(count(Call::Create, name), 1, "{writes:?}");
    }
    assert_eq!(writes.len(), 5, "{writes:?}");
}
