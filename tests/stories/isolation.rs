//! Calls that hang delay no object of another DWS cluster.

use std::time::Duration;

use dws_simulator::{Answer, Call, Fault};
use dws_testbed::wait;

use crate::world::{SOON, World, cluster, obs, on_cluster};

/// How long the calls hang.
const HANG: Duration = Duration::from_secs(20);
/// How long an object may wait for its POST on a busy machine, whatever hangs elsewhere.
const BOUND: Duration = Duration::from_secs(5);
/// How many calls hang, on as many DWS clusters.
const HANGING: usize = 10;
/// Of how many objects the time is taken.
const MEASURED: usize = 5;

/// Applies one object after the other, each on a DWS cluster of its own, and takes the time to its POST: the median, as one
/// measurement on a busy machine tells little.
async fn time_to_post(world: &World<'_>, hint: &str, first: usize) -> Duration {
    let mut times = Vec::new();
    for n in first..first + MEASURED {
        let name = format!("{hint}_{n}");
        let applied = jiff::Timestamp::now();
        world.create(&on_cluster(n, obs(&name.replace('_', "-")))).await;
        let posted = world.cloud.wait_log(SOON, |log| {
            log.iter()
                .any(|entry| entry.call == Call::Create && entry.name.as_deref() == Some(&name))
        });
        posted.await.expect("its create arrives");
        times.push(world.posts(&name)[0].time.duration_since(applied).unsigned_abs());
    }
    times.sort_unstable();
    let median = times[MEASURED / 2];
    println!("{hint}: {median:?} of {times:?}");
    median
}

/// While ten calls to ten clusters hang, the objects of other clusters are created soon. How much later than without them is printed, not
/// judged: a busy machine tells little of that. The ten end well too.
async fn hanging_calls_delay_no_other_cluster(call: Call) {
    let world = World::new("isolation").await;
    world.with_provider().await;
    let _operator = world
        .operator()
        .args(["--write-deadline=20s", "--read-deadline=20s", "--lease=40s"])
        .start()
        .await;
    time_to_post(&world, "alone", 100).await;
    for n in 0..HANGING {
        world
            .cloud
            .add_fault(Fault::on(call, Answer::Hang).cluster(&cluster(n)).times(1));
        world.create(&on_cluster(n, obs(&format!("slow-{n}")))).await;
    }
    let hung = || {
        let log = world.cloud.log().into_iter();
        log.filter(|entry| entry.call == call && entry.fault.is_some())
            .collect::<Vec<_>>()
    };
    wait::until(SOON, "ten calls hang", async || {
        let hung = hung().len();
        if hung == HANGING { Ok(()) } else { Err(hung) }
    })
    .await;
    let beside = time_to_post(&world, "beside", 200).await;
    let measured = jiff::Timestamp::now();
    for entry in hung() {
        let age = measured.duration_since(entry.time).unsigned_abs();
        assert!(age < HANG, "they hung all the time, but not for {age:?}");
    }
    assert!(beside < BOUND, "{beside:?}");
    for n in 0..HANGING {
        let name = format!("slow-{n}");
        world.ready(&name).await;
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_creates_delay_no_other_cluster() {
    hanging_calls_delay_no_other_cluster(Call::Create).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_lists_delay_no_other_cluster() {
    hanging_calls_delay_no_other_cluster(Call::List).await;
}
