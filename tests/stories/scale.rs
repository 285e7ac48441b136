//! What a thousand objects cost that are as they should be: lists by the number of DWS clusters, and no write.

use std::collections::BTreeMap;
use std::time::Duration;

use dws_operator::api::data_source::DwsDataSource;
use dws_operator::api::{ConditionType, DwsProvider, Reason};
use dws_simulator::{Call, LogEntry};
use dws_testbed::wait;
use futures::stream::{self, StreamExt};
use jiff::SignedDuration;
use kube::api::ListParams;
use serde_json::json;

use crate::world::{World, cluster, obs, on_cluster, operator_ready, verdict};

const CLUSTERS: usize = 10;
const OBJECTS: usize = 1000;
/// How many periods the objects are idle.
const PERIODS: usize = 10;
/// More than a list a period and cluster: the objects of a cluster are compared at moments of their own, by a tenth of the period around it.
const LISTS_A_PERIOD: usize = 3;
/// The rate that the provider allows after the restart, in requests a second, and how many at once.
const RATE: usize = 20;
const BURST: usize = 5;
/// How long a thousand creates may take a machine that has much to do.
const LONG: Duration = Duration::from_mins(5);

async fn all_ready(world: &World<'_>) {
    // The cloud's log is cheap to look at; a thousand objects are not.
    let created = |entry: &&LogEntry| entry.call == Call::Create && entry.took_effect;
    world
        .cloud
        .wait_log(LONG, |log| log.iter().filter(created).count() == OBJECTS)
        .await
        .expect("all are created");
    wait::until(LONG, "all are Ready", async || {
        let all = world.api::<DwsDataSource>().list(&ListParams::default()).await;
        let all = all.map(|list| list.items).unwrap_or_default();
        let is_ready = |object: &&DwsDataSource| verdict(object) == Some((ConditionType::Ready, Reason::Available));
        match all.iter().filter(is_ready).count() {
            OBJECTS => Ok(()),
            ready => Err(ready),
        }
    })
    .await;
}

async fn writes(world: &World<'_>) -> usize {
    let writes = world.namespace.operator_writes().await;
    writes.iter().filter(|write| write.resource.starts_with("dws")).count()
}

/// The lists of each cluster after this entry of the log.
fn lists(log: &[LogEntry], after: u64) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.seq > after && entry.call == Call::List) {
        *counts.entry(entry.cluster.clone().unwrap_or_default()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_objects_cost_lists_by_clusters_and_no_write() {
    let world = World::new("scale").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::ZERO);
    let flags = [
        "--resync-period=4s",
        "--lease=1m",
        "--write-deadline=20s",
        "--read-deadline=30s",
    ];
    let mut operator = world.operator_with(&flags).start().await;
    stream::iter(0..OBJECTS)
        .for_each_concurrent(8, async |n| {
            world.create(&on_cluster(n % CLUSTERS, obs(&format!("lake-{n}")))).await;
        })
        .await;
    all_ready(&world).await;
    // The provider counts its users in its own time.
    wait::until(LONG, "the provider knows all its users", async || {
        let provider = world.api::<DwsProvider>().get("default").await.unwrap();
        let users = provider.status.and_then(|status| status.users);
        if users == i64::try_from(OBJECTS).ok() {
            Ok(())
        } else {
            Err(users)
        }
    })
    .await;
    let (before, seen) = (writes(&world).await, world.cloud.log().last().unwrap().seq);
    let log = world
        .cloud
        .wait_log(LONG, |log| {
            let counts = lists(log, seen);
            counts.len() == CLUSTERS && counts.values().all(|count| *count > PERIODS)
        })
        .await
        .expect("they are compared for ten periods");
    let idle: Vec<_> = log.iter().filter(|entry| entry.seq > seen).collect();
    assert!(idle.iter().all(|entry| entry.call == Call::List), "nothing but lists");
    let took = idle.last().unwrap().time.duration_since(idle[0].time);
    let periods = usize::try_from(took.as_secs() / 4).unwrap() + 1;
    for n in 0..CLUSTERS {
        let count = lists(&log, seen)[&cluster(n)];
        assert!(
            count <= LISTS_A_PERIOD * periods,
            "{count} lists of a cluster in {periods} periods"
        );
    }
    assert_eq!(writes(&world).await, before, "no write to Kubernetes");

    let limit = json!({"rateLimit": {"requestsPerSecond": RATE, "burst": BURST}});
    world.patch_provider("default", limit).await;
    wait::until(LONG, "the provider's new rate is observed", async || {
        let provider = world.api::<DwsProvider>().get("default").await.unwrap();
        let observed = provider.status.and_then(|status| status.observed_generation);
        if observed == provider.metadata.generation {
            Ok(())
        } else {
            Err(observed)
        }
    })
    .await;
    let (before, seen) = (writes(&world).await, world.cloud.log().last().unwrap().seq);
    operator.restart().await;
    operator_ready(&operator).await;
    let log = world
        .cloud
        .wait_log(LONG, |log| {
            let counts = lists(log, seen);
            counts.len() == CLUSTERS && counts.values().all(|count| *count > 1)
        })
        .await
        .expect("they are compared again");
    let after: Vec<_> = log.iter().filter(|entry| entry.seq > seen).collect();
    assert!(after.iter().all(|entry| entry.call == Call::List), "nothing but lists");
    assert_eq!(writes(&world).await, before, "a restart writes nothing");
    // In no stretch of time are there more than the rate allows; a request may be a little later on its way than the one before it.
    for (n, first) in after.iter().enumerate() {
        for (m, last) in after.iter().enumerate().skip(n + BURST + 2) {
            let took = last.time.duration_since(first.time) + SignedDuration::from_millis(500);
            let allowed = f64::from(u32::try_from(BURST + 1).unwrap())
                + took.as_secs_f64() * f64::from(u32::try_from(RATE).unwrap());
            let count = f64::from(u32::try_from(m - n + 1).unwrap());
            assert!(count <= allowed, "{count} requests in {took:?}");
        }
    }
}
