//! A create without an answer whose effect comes late, or that nobody can tell is ours: never two data sources in the end.

use std::time::Duration;

use dws_operator::api::Reason;
use dws_operator::api::provider::OwnershipMarker;
use dws_simulator::{Answer, Call, Disconnect, DuplicateNames, Fault, LogEntry, Shape};
use dws_testbed::wait;
use futures::future::join_all;
use jiff::SignedDuration;

use crate::world::{ACCESS_KEY, CLUSTER, SECRET_KEY, SOON, World, cluster, obs, on_cluster, provider, secret};

/// An effect that shows after the create was given up and sent again: where the cloud refuses a second of that name, the first one
/// is recovered; where it does not, the surplus is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn an_effect_after_the_settle_time_ends_in_one_data_source() {
    const LATE: Duration = Duration::from_secs(8);
    let late = Fault::on(Call::Create, Answer::Drop(Disconnect::Reset)).applied_late(LATE);
    let hidden = Fault::on(Call::Create, Answer::Drop(Disconnect::Reset)).applied();
    join_all([
        shows_late("lag-refused", hidden.clone(), LATE, DuplicateNames::Refuse),
        shows_late("lag-allowed", hidden, LATE, DuplicateNames::Allow),
        shows_late("late-refused", late.clone(), Duration::ZERO, DuplicateNames::Refuse),
        shows_late("late-allowed", late, Duration::ZERO, DuplicateNames::Allow),
    ])
    .await;
}

async fn shows_late(name: &str, fault: Fault, list_lag: Duration, duplicates: DuplicateNames) {
    let world = World::new(name).await;
    world.with_provider().await;
    world.cloud.update_settings(|settings| {
        settings.list_lag = list_lag;
        settings.duplicate_names = duplicates;
    });
    world.cloud.add_fault(fault.clone().times(1));
    let _operator = world.operator().args(["--list-lag=12s"]).start().await;
    world.create(&obs(name)).await;
    if duplicates == DuplicateNames::Allow {
        world.event(name, "DuplicateRemoved").await;
        assert_eq!(world.effective(Call::Create), 2, "{name}: both creates took effect");
        assert_eq!(world.effective(Call::Delete), 1, "{name}: the surplus was deleted");
    } else if list_lag > Duration::ZERO {
        world.event(name, "Recovered").await;
        // Until the list shows the first one, it is tried again as after any failure.
        for refused in &world.calls(Call::Create)[1..] {
            assert_eq!(refused.error_code.as_deref(), Some("DWS.0031"), "{name}: {refused}");
        }
        assert_eq!(world.effective(Call::Create), 1, "{name}: the first create took effect");
    } else {
        // The first create finds the name taken when it is tried in the end.
        world.ready(name).await;
        let is_tried = |log: &[LogEntry]| {
            let first = log.iter().find(|entry| entry.call == Call::Create);
            first.is_some_and(|first| first.error_code.as_deref() == Some("DWS.0031"))
        };
        world.cloud.wait_log(SOON, is_tried).await.expect("it is refused");
        world.lists_later(2).await;
        assert_eq!(
            world.effective(Call::Create),
            1,
            "{name}: the second create took effect"
        );
    }
    world.ready(name).await;
    wait::until(SOON, "one data source is left", async || {
        let sources = world.cloud.sources(CLUSTER);
        if sources.len() == 1 { Ok(()) } else { Err(sources) }
    })
    .await;
    let status = world.ready(name).await.status.unwrap();
    assert_eq!(
        status.id.as_deref(),
        Some(world.cloud.sources(CLUSTER)[0].id.as_str()),
        "{name}: the recorded one stays"
    );
    if list_lag.is_zero() || duplicates == DuplicateNames::Allow {
        assert_eq!(world.calls(Call::Create).len(), 2, "{name}: two creates and no more");
    }
}

/// Without the ownership marker nobody can tell whose a data source is after a lost answer: it is neither taken nor deleted, and no
/// second one is created until a person has removed it. The one that is recorded goes with its object.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_marker_a_lost_create_is_ambiguous() {
    let world = World::new("unknown-unmarked").await;
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    let mut unmarked = provider(&world.endpoint);
    unmarked.spec.access.ownership_marker = Some(OwnershipMarker::None);
    world.create(&unmarked).await;
    world
        .cloud
        .update_settings(|settings| settings.duplicate_names = DuplicateNames::Allow);
    world.cloud.add_fault(
        Fault::on(Call::Create, Answer::Drop(Disconnect::Reset))
            .applied()
            .times(1),
    );
    let _operator = world.operator().start().await;
    world.create(&obs("unmarked")).await;
    world.stalled("unmarked", Reason::Ambiguous).await;
    world.lists_later(3).await;
    world.stalled("unmarked", Reason::Ambiguous).await;
    let sources = world.cloud.sources(CLUSTER);
    assert_eq!(
        (
            sources.len(),
            world.posts("unmarked").len(),
            world.calls(Call::Delete).len()
        ),
        (1, 1, 0)
    );
    assert_eq!(sources[0].description, None, "no marker was asked for");

    assert!(world.cloud.remove_source(CLUSTER, &sources[0].id));
    let status = world.ready("unmarked").await.status.unwrap();
    let sources = world.cloud.sources(CLUSTER);
    assert_eq!(
        (
            sources.len(),
            world.posts("unmarked").len(),
            world.calls(Call::Delete).len()
        ),
        (1, 2, 0)
    );
    assert_eq!(status.id.as_deref(), Some(sources[0].id.as_str()));

    world.delete("unmarked").await;
    world.gone("unmarked").await;
    assert_eq!(world.cloud.sources(CLUSTER), []);
    assert_eq!(world.calls(Call::Delete).len(), 1);
}

/// A request that the cloud carries out after a minute, with the default waits: the operator gives up on it, creates anew, and
/// deletes the one that shows up late. What the cloud answers with an error is tried again within seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_hang_of_a_minute_ends_in_one_data_source() {
    const LIMIT: Duration = Duration::from_mins(3);
    let world = World::new("unknown-hang").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.duplicate_names = DuplicateNames::Allow);
    let hang = || Fault::on(Call::Create, Answer::Hang).times(1);
    let late = Fault::on(Call::Create, Answer::Genuine)
        .delay_before(Duration::from_mins(1))
        .times(1);
    for (number, (name, fault)) in [("nothing", hang()), ("done", hang().applied()), ("late", late)]
        .into_iter()
        .enumerate()
    {
        world.cloud.add_fault(fault.name(name));
        world.create(&on_cluster(number, obs(name))).await;
    }
    let answered = Fault::on(
        Call::Create,
        Answer::shaped(503, Shape::ErrorCode, "DWS.0005", "Service unavailable."),
    );
    world.cloud.add_fault(answered.name("answered").times(1));
    world.create(&on_cluster(3, obs("answered"))).await;
    let _operator = world.unhurried_operator().start().await;
    let effects = |log: &[LogEntry], call| {
        log.iter()
            .filter(|entry| entry.call == call && entry.took_effect)
            .count()
    };
    world
        .cloud
        .wait_log(LIMIT, |log| {
            effects(log, Call::Create) == 5 && effects(log, Call::Delete) == 1
        })
        .await
        .expect("all take effect, one twice, and the surplus is deleted");
    for (number, (name, posts)) in [("nothing", 2), ("done", 1), ("late", 2)].into_iter().enumerate() {
        let status = world.ready(name).await.status.unwrap();
        let sources = world.cloud.sources(&cluster(number));
        assert_eq!((sources.len(), world.posts(name).len()), (1, posts), "{name}");
        assert_eq!(status.id.as_deref(), Some(sources[0].id.as_str()), "{name}");
        if let [first, second] = &world.posts(name)[..] {
            let waited = second.time.duration_since(first.time);
            assert!(
                waited >= SignedDuration::from_secs(49),
                "{name}: the deadline and the settle gap, less what the first one took to arrive, not {waited:#}"
            );
        }
    }
    let posts = world.posts("answered");
    let waited = posts[1].time.duration_since(posts[0].time);
    assert!(
        waited < SignedDuration::from_secs(15),
        "an answered error is tried again within seconds, not {waited:#}"
    );
    world.event("done", "Recovered").await;
    world.event("late", "DuplicateRemoved").await;
}
