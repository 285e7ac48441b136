//! Two operators on two control planes, with the same manifest, before one cloud.

use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Call, DuplicateNames};
use dws_testbed::{Action, Api, ControlPlane, Hit, Rule, Stage, TestNamespace};

use crate::world::{SOON, World, cluster, id, obs, on_cluster, verdict};

/// The first POST is held until the second has come as far, and must not run into its deadline meanwhile.
const PATIENT: [&str; 2] = ["--write-deadline=20s", "--lease=40s"];

/// Both operators have seen an empty list and are about to send their POST.
async fn both_posting(worlds: [&World<'_>; 2]) -> [Hit; 2] {
    let held = worlds.map(|world| {
        world
            .namespace
            .proxy()
            .on(Rule::new(Stage::Before, Action::Hold, |call| {
                call.is(Api::Cloud, "POST", "/ext-data-sources")
            }))
    });
    let [mut first, mut second] = held;
    for world in worlds {
        world.create(&on_cluster(0, obs("lake"))).await;
    }
    first.reached(SOON).await;
    second.reached(SOON).await;
    [first, second]
}

/// The cloud refuses the second of two racing creates: one object is ready, the other says that the data source exists, and its
/// end leaves the winner's alone.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_racing_operators_wins_and_the_other_never_deletes() {
    let plane = ControlPlane::start().await;
    let one = World::new("racing").await;
    let other = one.beside(TestNamespace::create(&plane, "racing").await);
    let worlds = [&one, &other];
    for world in worlds {
        world.with_provider().await;
    }
    let _operators = [
        one.operator_with(&PATIENT).start().await,
        other.operator_with(&PATIENT).start().await,
    ];
    for hit in both_posting(worlds).await {
        hit.release();
    }
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for world in worlds {
        let object = world
            .until("lake", "Ready or refused", |object| {
                matches!(verdict(object), Some((_, Reason::Available | Reason::AlreadyExists)))
            })
            .await;
        match verdict(&object) {
            Some((ConditionType::Ready, _)) => winners.push((world, id(&object))),
            _ => losers.push((world, id(&object))),
        }
    }
    assert_eq!((winners.len(), losers.len()), (1, 1));
    let sources = one.cloud.sources(&cluster(0));
    assert_eq!(sources.len(), 1);
    assert_eq!(winners[0].1.as_ref(), Some(&sources[0].id));
    assert_eq!(losers[0].1, None);
    losers[0].0.delete("lake").await;
    losers[0].0.gone("lake").await;
    assert_eq!(one.cloud.sources(&cluster(0)), sources);
    assert_eq!(one.calls(Call::Delete), []);
    winners[0].0.delete("lake").await;
    winners[0].0.gone("lake").await;
    assert_eq!(one.cloud.sources(&cluster(0)), []);
}

/// Where the cloud takes both, each operator has a data source of its own and deletes only that one.
#[tokio::test(flavor = "multi_thread")]
async fn with_duplicate_names_each_operator_deletes_its_own() {
    let plane = ControlPlane::start().await;
    let one = World::new("racing").await;
    let other = one.beside(TestNamespace::create(&plane, "racing").await);
    one.cloud
        .update_settings(|settings| settings.duplicate_names = DuplicateNames::Allow);
    let worlds = [&one, &other];
    for world in worlds {
        world.with_provider().await;
    }
    let _operators = [
        one.operator_with(&PATIENT).start().await,
        other.operator_with(&PATIENT).start().await,
    ];
    for hit in both_posting(worlds).await {
        hit.release();
    }
    let mut ids = Vec::new();
    for world in worlds {
        ids.push(id(&world.ready("lake").await).unwrap());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(one.effective(Call::Create), 2);
    one.delete("lake").await;
    one.gone("lake").await;
    let left: Vec<String> = one
        .cloud
        .sources(&cluster(0))
        .into_iter()
        .map(|source| source.id)
        .collect();
    assert_eq!(left, [ids[1].clone()]);
    other.delete("lake").await;
    other.gone("lake").await;
    assert_eq!(one.cloud.sources(&cluster(0)), []);
    assert_eq!(one.effective(Call::Delete), 2);
}
