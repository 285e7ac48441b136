//! How many writes and calls a data source costs.

use dws_testbed::Request;
use std::time::Duration;

use crate::world::{World, mrs, obs, on_cluster};

/// The operator's writes to one data source and its status, refused ones too.
async fn writes(world: &World<'_>, name: &str) -> Vec<Request> {
    let of = |write: &Request| write.resource.starts_with("dwsdatasources") && write.name == name;
    world.namespace.operator_writes().await.into_iter().filter(of).collect()
}

/// From create to Ready: intent, id, Ready; and only two writes where the job is done at the first look, however long the two looks
/// right after the create take here.
#[tokio::test(flavor = "multi_thread")]
async fn three_writes_lead_to_ready_and_two_where_the_job_is_done_at_once() {
    let world = World::new("counts").await;
    world.with_provider().await;
    world.with_password().await;
    let flags = ["--progress-interval=1h", "--resync-period=1s", "--quick-look=10s"];
    let _operator = world.operator_with(&flags).start().await;
    world.create(&on_cluster(0, obs("at-once"))).await;
    world.create(&on_cluster(1, mrs("at-once-mrs"))).await;
    world.ready("at-once").await;
    world.ready("at-once-mrs").await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(2));
    world.create(&on_cluster(2, obs("in-time"))).await;
    world.create(&on_cluster(3, mrs("in-time-mrs"))).await;
    world.ready("in-time").await;
    world.ready("in-time-mrs").await;
    // Comparing them with the cloud costs no more.
    world.lists_later(8).await;
    for (name, count) in [("at-once", 2), ("at-once-mrs", 2), ("in-time", 3), ("in-time-mrs", 3)] {
        let writes = writes(&world, name).await;
        assert_eq!(writes.len(), count, "{name}: {writes:?}");
    }
}
