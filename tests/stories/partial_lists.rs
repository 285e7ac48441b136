//! Lists in which something cannot be read.

use dws_operator::api::Reason;
use dws_simulator::{Answer, Body, Call, Fault};

use crate::world::{World, cluster, message, obs, on_cluster};

/// A listed data source without an id may be the object's own: nothing is created while it is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_proves_nothing_absent() {
    const LISTS: usize = 3;
    let world = World::new("partial").await;
    world.with_provider().await;
    let nameless = Body::Text {
        content_type: "application/json".to_owned(),
        text:
            r#"{"count": 1, "data_sources": [{"id": null, "name": "lake", "type": "OBS", "configure_status": "200"}]}"#
                .to_owned(),
    };
    let partial = Fault::on(Call::List, Answer::with_body(200, nameless)).cluster(&cluster(0));
    world.cloud.add_fault(partial.times(LISTS as u64));
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let waiting = world.reconciling("lake", Reason::Retrying).await;
    assert!(
        message(&waiting).contains("without a valid id"),
        "{}",
        message(&waiting)
    );
    world.ready("lake").await;
    let log = world.cloud.log();
    let first_create = log.iter().position(|entry| entry.call == Call::Create).unwrap();
    let partial = log[..first_create].iter().filter(|entry| entry.fault.is_some()).count();
    assert_eq!((partial, world.posts("lake").len()), (LISTS, 1));
}
