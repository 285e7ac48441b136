//! How little a data source costs that waits for its job, that is as it should be, or whose operator is restarted.

use std::collections::BTreeMap;
use std::time::Duration;

use dws_simulator::{Call, LogEntry};
use dws_testbed::{Api as Side, Call as Passed};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::in_use::counted;
use crate::world::{SOON, World, mrs, obs, on_cluster, operator_ready};

/// The operator's writes to its own kinds so far, refused ones too.
async fn writes(world: &World<'_>) -> usize {
    let writes = world.namespace.operator_writes().await;
    writes.iter().filter(|write| write.resource.starts_with("dws")).count()
}

/// When each cluster was listed for each type, in the log given.
fn lists(log: &[LogEntry]) -> BTreeMap<(String, String), Vec<Timestamp>> {
    let mut times = BTreeMap::<_, Vec<_>>::new();
    for entry in log.iter().filter(|entry| entry.call == Call::List) {
        let cluster = entry.cluster.clone().expect("a list is of a cluster");
        times
            .entry((cluster, entry.query.clone()))
            .or_default()
            .push(entry.time);
    }
    times
}

/// Whether no two neighbours are closer than this.
fn are_apart(times: &[Timestamp], gap: SignedDuration) -> bool {
    times.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= gap)
}

/// A job whose progress changes at every look costs one patch an interval, not one a look.
#[tokio::test(flavor = "multi_thread")]
async fn progress_is_written_once_an_interval() {
    const INTERVAL: SignedDuration = SignedDuration::from_secs(3);
    let world = World::new("counts-progress").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(11));
    let flags = ["--progress-interval=3s", "--job-poll-max=200ms"];
    let _operator = world.operator_with(&flags).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let progress = |call: &Passed| {
        let written = |operation: &Value| operation["value"]["operation"]["progress"].is_string();
        let patch = call.request.as_array();
        call.is(Side::Kube, "PATCH", "/status") && patch.is_some_and(|all| all.iter().any(written))
    };
    let calls = world.namespace.proxy().calls();
    // The first of these told the id, with the progress of the first look.
    let patches: Vec<_> = calls.iter().filter(|call| progress(call)).collect();
    let looks = world.calls(Call::Job).len();
    assert!(
        patches.len() >= 2 && looks > patches.len(),
        "{looks} looks and {} patches",
        patches.len()
    );
    // The interval begins when the operator has the answer, a moment before or after the proxy has passed it on. The looks are a fifth
    // of a second apart.
    let moment = SignedDuration::from_millis(1500);
    let apart = patches
        .windows(2)
        .all(|pair| pair[1].started.duration_since(pair[0].ended.unwrap()) >= INTERVAL - moment);
    assert!(
        apart,
        "{:?}",
        patches.iter().map(|call| call.started).collect::<Vec<_>>()
    );
}

/// Five comparisons of idle objects are five lists for each cluster and type in use, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn idle_objects_cost_a_list_a_period_and_no_write() {
    const COMPARISONS: usize = 5;
    let world = World::new("counts-idle").await;
    world.with_provider().await;
    world.with_password().await;
    let _operator = world.operator().args(["--resync-period=4s"]).start().await;
    let mut names = Vec::new();
    for n in 0..2 {
        for i in 0..3 {
            for object in [obs(&format!("archive-{n}-{i}")), mrs(&format!("lake-{n}-{i}"))] {
                names.extend(object.metadata.name.clone());
                world.create(&on_cluster(n, object)).await;
            }
        }
    }
    for name in &names {
        world.ready(name).await;
    }
    counted(&world, names.len()).await;
    let (writes_before, seen) = (writes(&world).await, world.cloud.log().last().unwrap().seq);
    let since = |log: &[LogEntry]| log.iter().filter(|entry| entry.seq > seen).cloned().collect::<Vec<_>>();
    let log = world
        .cloud
        .wait_log(SOON, |log| {
            let lists = lists(&since(log));
            lists.len() == 4 && lists.values().all(|times| times.len() > COMPARISONS)
        })
        .await
        .expect("two clusters with two types each are compared");
    let log = since(&log);
    assert!(log.iter().all(|entry| entry.call == Call::List), "{log:#?}");
    for (of, times) in lists(&log) {
        assert!(
            are_apart(&times, SignedDuration::from_secs(2)),
            "one list serves all three of {of:?}: {times:?}"
        );
    }
    assert_eq!(writes(&world).await, writes_before);
}

/// A restart finds everything as it should be: it writes nothing, and looks at the clusters one after the other over a period.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_no_herd() {
    const CLUSTERS: usize = 12;
    const SHARING: usize = 4;
    const PERIOD: SignedDuration = SignedDuration::from_secs(12);
    let world = World::new("counts-restart").await;
    world.with_provider().await;
    let mut operator = world.operator().args(["--resync-period=12s"]).start().await;
    let mut names = Vec::new();
    // The first cluster is shared by several.
    for n in (0..CLUSTERS).chain([0; SHARING - 1]) {
        let name = format!("lake-{}", names.len());
        world.create(&on_cluster(n, obs(&name))).await;
        names.push(name);
    }
    for name in &names {
        world.ready(name).await;
    }
    counted(&world, names.len()).await;
    operator.kill().await;
    let (writes_before, seen) = (writes(&world).await, world.cloud.log().last().unwrap().seq);
    operator.restart().await;
    operator_ready(&operator).await;
    let since = |log: &[LogEntry]| log.iter().filter(|entry| entry.seq > seen).cloned().collect::<Vec<_>>();
    let log = world
        .cloud
        .wait_log(SOON, |log| {
            lists(&since(log)).values().filter(|times| times.len() >= 2).count() == CLUSTERS
        })
        .await
        .expect("every cluster is compared twice");
    let log = since(&log);
    assert!(log.iter().all(|entry| entry.call == Call::List), "{log:#?}");
    let lists = lists(&log);
    let mut first: Vec<_> = lists.values().map(|times| times[0]).collect();
    first.sort();
    let spread = first[CLUSTERS - 1].duration_since(first[0]);
    // Of twelve moments at random, all fall into a third of the period once in ten thousand times.
    assert!(spread >= PERIOD / 3, "the first comparisons are spread: {first:?}");
    for ((cluster, _), times) in &lists {
        assert!(
            are_apart(times, PERIOD / 2),
            "one list a period of {cluster}: {times:?}"
        );
    }
    assert_eq!(writes(&world).await, writes_before);
}
