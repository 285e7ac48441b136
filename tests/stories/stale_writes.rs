//! What was read a moment ago is no longer true, or the answer to a write is lost: nothing is overwritten and nothing goes untold.

use dws_operator::api::Reason;
use dws_simulator::Call;
use dws_testbed::{Action, Api, Call as Passed, Rule, Stage};
use serde_json::json;

use crate::world::{SOON, World, obs};

/// A leader stands still between its look at an object and its status write, and another one records an id meanwhile: what the first one had
/// in mind is refused, and the id stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_on_an_older_state_overwrites_nothing() {
    const ID: &str = "11111111-2222-3333-4444-555555555555";
    let world = World::new("stale").await;
    let is_verdict = |call: &Passed| call.is(Api::Kube, "PATCH", "/lake/status");
    let mut verdict = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, is_verdict));
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    verdict.reached(SOON).await;
    let recorded = json!({"status": {"id": ID, "lastAttempt": {"id": "a1", "outcome": "Created"}}});
    world.patch("lake", true, recorded).await;
    verdict.release();
    let lake = world.reconciling("lake", Reason::WaitingForProvider).await;
    assert_eq!(lake.status.unwrap().id.as_deref(), Some(ID));
    assert_eq!(world.calls(Call::Create), []);
}

/// The API server takes the finalizer off and its answer is lost: that the data source is gone is told all the same, and once.
#[tokio::test(flavor = "multi_thread")]
async fn last_words_survive_a_lost_answer() {
    let world = World::new("stale").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let is_end =
        |call: &Passed| call.is(Api::Kube, "PATCH", "/lake") && call.request.to_string().contains(r#""finalizers":[]"#);
    let mut end = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Applied, Action::Cut, is_end));
    world.delete("lake").await;
    end.reached(SOON).await;
    world.gone("lake").await;
    world.event("lake", "Deleted").await;
    world.create(&obs("later")).await;
    world.ready("later").await;
    let told = world.events("lake").await;
    assert_eq!(told.iter().filter(|reason| *reason == "Deleted").count(), 1, "{told:?}");
    assert!(!told.contains(&"Orphaned".to_owned()), "{told:?}");
}
