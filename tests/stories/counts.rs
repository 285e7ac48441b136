//! How many writes and calls a data source costs.

use dws_simulator::Call;
use dws_testbed::Request;
use std::time::Duration;

use crate::world::{World, cluster, mrs, obs, on_cluster};

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

/// Comparing the cloud with ten data sources costs one list per DWS cluster and type, and no write.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_one_list_per_cluster_and_type_and_no_write() {
    let world = World::new("counts").await;
    world.with_provider().await;
    world.with_password().await;
    let _operator = world.operator().args(["--resync-period=4s"]).start().await;
    for n in 0..5 {
        world.create(&on_cluster(7, obs(&format!("archive-{n}")))).await;
        world.create(&on_cluster(7, mrs(&format!("lake-{n}")))).await;
    }
    for n in 0..5 {
        world.ready(&format!("archive-{n}")).await;
        world.ready(&format!("lake-{n}")).await;
    }
    let writes_before = world
        .namespace
        .operator_writes()
        .await
        .iter()
        .filter(|w| w.resource.starts_with("dws"))
        .count();
    let lists = |kind: &str| {
        let of = |entry: &&dws_simulator::LogEntry| {
            entry.cluster.as_deref() == Some(cluster(7).as_str()) && entry.query == format!("type={kind}")
        };
        world
            .calls(Call::List)
            .iter()
            .filter(of)
            .map(|entry| entry.time)
            .collect::<Vec<_>>()
    };
    let (obs_before, mrs_before) = (lists("OBS").len(), lists("MRS").len());
    world.lists_later(6).await;
    for (kind, before) in [("OBS", obs_before), ("MRS", mrs_before)] {
        let times = &lists(kind)[before..];
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            panic!("no list of {kind}");
        };
        // The jitter shortens a period by a tenth at most; one that was late may be followed by one in time.
        let periods = last.duration_since(*first).as_secs_f64() / (4.0 * 0.9) + 2.0;
        #[allow(clippy::cast_precision_loss, reason = "a handful")]
        let seen = times.len() as f64;
        assert!(
            seen <= periods,
            "one list of {kind} serves all five for a period: {times:?}"
        );
    }
    let writes_after = world
        .namespace
        .operator_writes()
        .await
        .iter()
        .filter(|w| w.resource.starts_with("dws"))
        .count();
    assert_eq!(writes_after, writes_before);
}
