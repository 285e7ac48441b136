//! More objects than the API server shows on one page of a list, and lists that break off between two pages: nobody is overlooked.

use dws_operator::api::{ConditionType, DwsDataSource, Reason};
use dws_testbed::{Action, Api as Side, Call, Rule, Stage, wait};
use futures::{StreamExt, stream};
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::world::{SOON, World, cluster, obs, on_cluster, operator_ready, uses, verdict};

/// A page holds 500.
const OBJECTS: usize = 520;
/// How many requests to the API server are under way at once.
const AT_ONCE: usize = 16;

/// Whether a call asks for the second page of a list of data sources.
fn is_second_page(call: &Call) -> bool {
    call.is(Side::Kube, "GET", "/dwsdatasources") && call.query.contains("continue=")
}

/// What the API server says when a list or a watch goes on from where its history does not reach any more.
fn expired() -> serde_json::Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": 410, "reason": "Expired", "message": "The provided continue parameter is too old.",
    })
}

async fn all_wait_for_a_provider(world: &World<'_>) {
    let api: Api<DwsDataSource> = world.api();
    wait::until(SOON, "all wait for their provider", async || {
        let objects = api
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let is_told =
            |object: &&DwsDataSource| verdict(object) == Some((ConditionType::Reconciling, Reason::WaitingForProvider));
        match objects.iter().filter(is_told).count() {
            OBJECTS => Ok(()),
            told => Err(format!("{told} of {OBJECTS} are told")),
        }
    })
    .await;
}

/// The first list takes two pages and breaks off between them once: every object gets its verdict. Later the watch has to begin anew,
/// and its list breaks off in the same way: an object that was applied meanwhile, and stands on the first page, is created all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_between_its_pages_overlooks_nobody() {
    let world = World::new("pages").await;
    world.with_provider().await;
    stream::iter(0..OBJECTS)
        .for_each_concurrent(AT_ONCE, async |n| {
            let object = uses(on_cluster(n, obs(&format!("waits-{n}"))), "absent");
            world.create(&object).await;
        })
        .await;
    let proxy = world.namespace.proxy();
    let breaks_off = || Rule::new(Stage::Before, Action::Answer(410, expired()), is_second_page);
    let mut first_list = proxy.on(breaks_off());
    // Nothing but a list or a change of the object brings a pass about.
    let operator = world
        .operator_with(&["--secret-recheck=1h", "--stalled-recheck=1h", "--lease=2m"])
        .start()
        .await;
    first_list.reached(SOON).await;
    all_wait_for_a_provider(&world).await;
    operator_ready(&operator).await;
    assert!(first_list.matches() >= 2, "the second page was asked for again");
    drop(first_list);
    assert!(world.cloud.log().is_empty());

    let mut later_list = proxy.on(breaks_off());
    proxy.block(Side::Kube, true);
    // The watch goes on where it was, and is told that this is too long ago.
    let too_old = json!({"type": "ERROR", "object": expired()});
    let mut watch = proxy.on(Rule::new(Stage::Before, Action::Answer(200, too_old), |call| {
        call.is(Side::Kube, "GET", "/dwsdatasources") && call.query.contains("watch=")
    }));
    world.create(&on_cluster(OBJECTS, obs("a-lake"))).await;
    proxy.block(Side::Kube, false);
    watch.reached(SOON).await;
    later_list.reached(SOON).await;
    world.ready("a-lake").await;
    assert_eq!(world.posts("a_lake").len(), 1);
    assert_eq!(world.cloud.sources(&cluster(OBJECTS)).len(), 1);
}
