//! Looks at the cloud: how often, for each object; and at once, for whoever asks.

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Fault};

use crate::update::request;
use crate::world::{World, cluster, id, obs, on_cluster};

fn differ(world: &World<'_>, n: usize, known: &str) {
    let database = Some("postgres".to_owned());
    world
        .cloud
        .edit_source(&cluster(n), known, |source| source.connect_info = database);
}

/// `resyncPeriod` is the object's own: one looks every ten seconds, another never, whatever the operator's setting is; and a token is a look.
#[tokio::test(flavor = "multi_thread")]
async fn each_object_is_compared_in_its_own_time_and_on_request() {
    let world = World::new("resync").await;
    world.with_provider().await;
    for (n, (name, period)) in [("often", Some("10s")), ("never", Some("0s")), ("default", None)]
        .into_iter()
        .enumerate()
    {
        let mut object = on_cluster(n, obs(name));
        object.spec.resync_period = period.map(str::to_owned);
        world.create(&object).await;
    }
    let _operator = world.operator().args(["--resync-period=2s"]).start().await;
    let mut ids = Vec::new();
    for name in ["often", "never", "default"] {
        ids.push(id(&world.ready(name).await).unwrap());
    }
    for (n, known) in ids.iter().enumerate() {
        differ(&world, n, known);
    }
    world.stalled("default", Reason::Drifted).await;
    world.stalled("often", Reason::Drifted).await;
    world.ready("never").await;
    request(&world, "never", "reconcile-requested-at", "1").await;
    let looked = world.stalled("never", Reason::Drifted).await;
    assert_eq!(looked.status.unwrap().last_handled_reconcile_at.as_deref(), Some("1"));
}

/// A token also ends a wait: what was refused is tried again at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_a_backoff() {
    let world = World::new("request-backoff").await;
    world.with_provider().await;
    let refused = Answer::error(400, "DWS.5172", "database does not exist");
    world.cloud.add_fault(Fault::on(Call::Create, refused).times(1));
    world.create(&obs("lake")).await;
    let _operator = world.operator_with(&["--stalled-recheck=1h"]).start().await;
    world.stalled("lake", Reason::InvalidSpec).await;
    assert_eq!(world.posts("lake").len(), 1);
    request(&world, "lake", "reconcile-requested-at", "now").await;
    world.ready("lake").await;
    assert_eq!(world.posts("lake").len(), 2);
}
