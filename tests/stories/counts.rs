//! How many writes and calls a data source costs.

use dws_simulator::Call;
use dws_testbed::Request;
use std::time::Duration;

use crate::world::{World, cluster, mrs, obs, on_cluster};

/// The operator's accepted writes to one data source and its status.
async fn writes(world: &World<'_>, name: &str) -> Vec<Request> {
    let of =
        |write: &Request| write.resource.starts_with("dwsdatasources") && write.name == name && write.is_accepted();
    world.namespace.operator_writes().await.into_iter().filter(of).collect()
}

/// From create to Ready: intent, id, Ready; and only two writes where the job is done at the first look.
#[tokio::test(flavor = "multi_thread")]
async fn three_writes_lead_to_ready_and_two_where_the_job_is_done_at_once() {
    let world = World::new("counts").await;
    world.with_provider().await;
    let _operator = world.operator().args(["--progress-interval=10s"]).start().await;
    world.create(&on_cluster(0, obs("at-once"))).await;
    world.ready("at-once").await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(2));
    world.create(&on_cluster(1, obs("in-time"))).await;
    world.ready("in-time").await;
    assert_eq!(
        (
            writes(&world, "at-once").await.len(),
            writes(&world, "in-time").await.len()
        ),
        (2, 3)
    );
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
        let apart = times
            .windows(2)
            .all(|pair| pair[1].duration_since(pair[0]).as_millis() > 2000);
        assert!(apart, "one list of {kind} serves all five for a period: {times:?}");
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
