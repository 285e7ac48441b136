//! What somebody has just asked for goes before what only comes round.

use dws_testbed::{Action, Api as Side, Call, Rule, Stage};
use serde_json::json;

use crate::world::{SOON, World, cluster, obs, on_cluster};

/// How many lists hang: as many as all calls with one credential may be in flight.
const HANGING: usize = 32;
/// How many of them are in flight at the same time: the share of routine calls.
const SHARE: usize = 24;
/// More objects, whose lists would be answered if they were asked for.
const OTHERS: usize = 8;

/// All objects are due to be compared with the cloud, and the lists hang. An object that is new, one that is edited and one that is deleted are
/// served before any of these lists has been answered.
#[tokio::test(flavor = "multi_thread")]
async fn new_and_edited_objects_pass_before_resyncs() {
    let world = World::new("urgent").await;
    world.with_provider().await;
    let flags = ["--read-deadline=2m", "--breaker-window=20s"];
    let _operator = world.operator_with(&flags).args(["--resync-period=1s"]).start().await;
    let name = |n: usize| format!("lake-{n}");
    for n in 0..HANGING + OTHERS {
        world.create(&on_cluster(n, obs(&name(n)))).await;
    }
    for n in 0..HANGING + OTHERS {
        world.ready(&name(n)).await;
    }

    let hanging: Vec<String> = (0..HANGING).map(cluster).collect();
    let is_hanging = move |call: &Call| {
        call.is(Side::Cloud, "GET", "/ext-data-sources") && hanging.iter().any(|id| call.path.contains(id.as_str()))
    };
    let mut lists = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, is_hanging).always());
    for _ in 0..SHARE {
        lists.reached(SOON).await;
    }
    world.create(&on_cluster(HANGING + OTHERS, obs("new"))).await;
    world.ready("new").await;
    let (edited, deleted) = (name(HANGING), name(HANGING + 1));
    world.edit(&edited, json!({"spec": {"deletionPolicy": "Retain"}})).await;
    world
        .until(&edited, "the edit is observed", |object| {
            let observed = object.status.as_ref().and_then(|status| status.observed_generation);
            observed == Some(2)
        })
        .await;
    world.delete(&deleted).await;
    world.gone(&deleted).await;
    assert!(world.cloud.sources(&cluster(HANGING + 1)).is_empty());
    // The hang is as it was: no list was answered, and none went out beyond the share.
    let calls = world.namespace.proxy().calls();
    let in_flight = calls
        .iter()
        .filter(|call| call.api == Side::Cloud && call.ended.is_none())
        .count();
    assert_eq!(in_flight, SHARE);
    lists.release();
}
