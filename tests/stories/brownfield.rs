//! What others have created in the cloud is never touched.

use dws_operator::api::{Reason, names};
use dws_simulator::{Call, SourceSeed};
use jiff::Timestamp;

use crate::world::{World, cluster, message, obs, on_cluster};

/// A data source of that name which is not ours is refused, untouched, also by the object's end; when it goes away, the object
/// is created.
#[tokio::test(flavor = "multi_thread")]
async fn an_existing_data_source_is_refused_and_never_touched() {
    let world = World::new("brownfield").await;
    world.with_provider().await;
    let cases = [
        ("unmarked", "unmarked", None),
        (
            "marked",
            "marked",
            Some(names::mark(Some("theirs"), "0f0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a")),
        ),
        ("cased", "CASED", None),
        ("typed", "typed", Some("another type".to_owned())),
    ];
    let mut foreign = Vec::new();
    for (n, (_, name, description)) in cases.iter().enumerate() {
        let mut seed = SourceSeed {
            name: (*name).to_owned(),
            description: description.clone(),
            ..SourceSeed::default()
        };
        if *name == "typed" {
            "MRS".clone_into(&mut seed.type_);
        }
        foreign.push(world.cloud.put_source(&cluster(n), seed));
    }
    let before: Vec<_> = (0..cases.len()).map(|n| world.cloud.sources(&cluster(n))).collect();
    let _operator = world.operator().start().await;
    for (n, (object, ..)) in cases.iter().enumerate() {
        world.create(&on_cluster(n, obs(object))).await;
    }
    for (n, (object, ..)) in cases.iter().enumerate() {
        let told = message(&world.stalled(object, Reason::AlreadyExists).await);
        // A list shows only one type, so that of another type is known by the refusal of its name alone.
        assert!(*object == "typed" || told.contains(&foreign[n]), "{object}: {told}");
    }
    for object in ["unmarked", "marked", "cased"] {
        world.delete(object).await;
        world.gone(object).await;
    }
    for (n, before) in before.iter().enumerate() {
        assert_eq!(world.cloud.sources(&cluster(n)), *before);
        assert_eq!(world.cloud.restarts(&cluster(n)), 0);
    }
    for (n, (object, ..)) in cases.iter().enumerate().skip(1) {
        if *object != "typed" {
            world.create(&on_cluster(n, obs(object))).await;
            world.stalled(object, Reason::AlreadyExists).await;
        }
        assert!(world.cloud.remove_source(&cluster(n), &foreign[n]));
        let object = world.ready(object).await;
        let sources = world.cloud.sources(&cluster(n));
        assert_eq!(sources.len(), 1);
        assert_eq!(Some(&sources[0].id), object.status.unwrap().id.as_ref());
    }
    assert_eq!(world.effective(Call::Create), cases.len() - 1);
    assert_eq!(
        (world.calls(Call::Delete).len(), world.calls(Call::Update).len()),
        (0, 0)
    );
}

/// The list may lag behind the name check: the refusal of the create (DWS.0031) comes first, and the list names the culprit later.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_source_that_the_list_does_not_show_yet_is_refused_too() {
    let world = World::new("brownfield").await;
    world.with_provider().await;
    let seed = SourceSeed {
        name: "lake".to_owned(),
        ..SourceSeed::default()
    };
    let foreign = world.cloud.put_source(&cluster(0), seed);
    let shows_from = |time: Timestamp| {
        world
            .cloud
            .edit_source(&cluster(0), &foreign, |source| source.visible_from = time)
    };
    assert!(shows_from(Timestamp::MAX));
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let first = world.cloud.wait_log(crate::world::SOON, |log| {
        log.iter()
            .any(|entry| entry.call == Call::Create && entry.status.is_some())
    });
    let log = first.await.expect("a create");
    let post = log.iter().find(|entry| entry.call == Call::Create).unwrap();
    assert_eq!(
        (post.error_code.as_deref(), post.took_effect),
        (Some("DWS.0031"), false)
    );
    let unnamed = message(&world.stalled("lake", Reason::AlreadyExists).await);
    assert!(!unnamed.contains(&foreign), "{unnamed}");
    assert!(shows_from(Timestamp::now()));
    world
        .until("lake", "the culprit is named", |object| {
            message(object).contains(&foreign)
        })
        .await;
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    assert_eq!((world.effective(Call::Create), world.calls(Call::Delete).len()), (0, 0));
}
