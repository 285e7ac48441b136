//! A restart of the DWS cluster interrupts all of its users: it is a request, carried out at most once, and never a desired state.

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Disconnect, Fault};
use dws_testbed::wait;
use serde_json::json;

use crate::update::{RESYNC, bodies, request};
use crate::world::{CLUSTER, SOON, World, id, message, mrs, obs, verdict};

/// The update that asks for a restart and nothing else.
fn restart() -> serde_json::Value {
    json!({"reconfigure": {"reboot": true}})
}

async fn with_lake(hint: &str) -> World<'static> {
    let world = World::new(hint).await;
    world.with_provider().await;
    world.create(&obs("lake")).await;
    world
}

async fn handled(world: &World<'_>, name: &str, token: &str) {
    world
        .until(name, "the request is handled", |object| {
            let status = object.status.as_ref();
            status.and_then(|status| status.last_handled_reboot_at.as_deref()) == Some(token)
                && verdict(object).is_some_and(|(_, reason)| reason == Reason::Available)
        })
        .await;
}

/// A state that waits for a restart says so and what to do; the request is one PUT, also for an MRS source, and the reason clears by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_is_waited_for_is_told_and_carried_out_once_on_request() {
    let world = World::new("reboot").await;
    world.with_provider().await;
    world.with_password().await;
    world.create(&mrs("lake")).await;
    let mut operator = world.operator().args([RESYNC]).start().await;
    let known = id(&world.ready("lake").await).unwrap();
    let waits = || {
        world
            .cloud
            .edit_source(CLUSTER, &known, |source| "600".clone_into(&mut source.configure_status))
    };
    waits();
    let told = message(&world.stalled("lake", Reason::RebootRequired).await);
    assert!(told.contains("reboot-requested-at"), "{told}");
    world.lists_later(3).await;
    assert_eq!(world.cloud.restarts(CLUSTER), 0, "nobody has asked for it");
    request(&world, "lake", "reboot-requested-at", "monday").await;
    handled(&world, "lake", "monday").await;
    assert_eq!(bodies(&world), [restart()]);
    // The same token again is no new request, also for a new process.
    operator.restart().await;
    waits();
    world.stalled("lake", Reason::RebootRequired).await;
    world.lists_later(3).await;
    assert_eq!(bodies(&world).len(), 1);
    // Somebody restarts it in the console.
    world
        .cloud
        .edit_source(CLUSTER, &known, |source| "200".clone_into(&mut source.configure_status));
    world.ready("lake").await;
    request(&world, "lake", "reboot-requested-at", "tuesday").await;
    handled(&world, "lake", "tuesday").await;
    assert_eq!(bodies(&world).len(), 2);
}

/// `spec.reboot` goes out with the create and with the update of a later edit, once for each generation; the repair of drift and a new create do
/// not carry it.
#[tokio::test(flavor = "multi_thread")]
async fn the_spec_asks_once_for_each_generation_and_never_for_repairs() {
    let world = World::new("reboot-spec").await;
    world.with_provider().await;
    let mut lake = obs("lake");
    lake.spec.reboot = Some(true);
    world.create(&lake).await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let known = id(&world.ready("lake").await).unwrap();
    assert_eq!(world.cloud.restarts(CLUSTER), 1, "with the create");
    let drift = |id: &str| {
        world
            .cloud
            .edit_source(CLUSTER, id, |source| "Somebodys".clone_into(&mut source.user_name))
    };
    drift(&known);
    world
        .cloud
        .wait_log(SOON, |log| log.iter().any(|entry| entry.call == Call::Update))
        .await
        .unwrap();
    world.ready("lake").await;
    assert_eq!(bodies(&world), [json!({"reconfigure": {"agency": "DWSAccessOBS"}})]);
    assert_eq!(world.cloud.restarts(CLUSTER), 1, "not with a repair");
    world.edit("lake", json!({"spec": {"userName": "Second"}})).await;
    wait::until(SOON, "the edit is carried out", async || {
        let all = bodies(&world);
        if all.len() == 2 { Ok(()) } else { Err(all) }
    })
    .await;
    world.ready("lake").await;
    assert_eq!(
        bodies(&world)[1],
        json!({"reconfigure": {"reboot": true, "agency": "Second"}})
    );
    assert_eq!(world.cloud.restarts(CLUSTER), 2, "with the update of an edit");
    world.edit("lake", json!({"spec": {"deletionPolicy": "Delete"}})).await;
    world
        .until("lake", "the third generation is observed", |object| {
            object.status.as_ref().and_then(|status| status.observed_generation) == Some(3)
        })
        .await;
    drift(&known);
    world
        .cloud
        .wait_log(SOON, |log| {
            log.iter().filter(|entry| entry.call == Call::Update).count() == 3
        })
        .await
        .unwrap();
    world.ready("lake").await;
    assert!(world.cloud.remove_source(CLUSTER, &known));
    world.ready_anew("lake", &known).await;
    assert_eq!(
        world.cloud.restarts(CLUSTER),
        2,
        "neither with a repair in a later generation nor with a new create"
    );
}

/// A definite refusal gives the request back; an answer that is lost does not, and the user is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_restart_is_asked_for_again_and_an_unanswered_one_is_not() {
    let world = with_lake("reboot-lost").await;
    let _operator = world.operator().args([RESYNC]).start().await;
    world.ready("lake").await;
    let busy = Answer::error(403, "DWS.7023", "Cluster status is not allowed to operation.");
    world.cloud.add_fault(Fault::on(Call::Update, busy).times(2));
    request(&world, "lake", "reboot-requested-at", "first").await;
    handled(&world, "lake", "first").await;
    assert_eq!(world.calls(Call::Update).len(), 3);
    assert_eq!(world.cloud.restarts(CLUSTER), 1);

    world.cloud.add_fault(
        Fault::on(Call::Update, Answer::Drop(Disconnect::Reset))
            .applied()
            .times(1),
    );
    request(&world, "lake", "reboot-requested-at", "second").await;
    let told = world.event("lake", "RestartNotRepeated").await;
    assert!(told.contains("reboot-requested-at"), "{told}");
    handled(&world, "lake", "second").await;
    world.lists_later(3).await;
    assert_eq!(world.cloud.restarts(CLUSTER), 2);
    assert_eq!(world.calls(Call::Update).len(), 4, "it is not sent again");
}

/// A token that an object comes with was meant for an earlier life of it: it is noted and not carried out.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_an_object_comes_with_is_noted_and_not_carried_out() {
    let world = World::new("reboot-restored").await;
    world.with_provider().await;
    let mut lake = obs("lake");
    lake.metadata.annotations = Some(
        [
            ("dws.huaweicloud.com/reboot-requested-at", "old"),
            ("dws.huaweicloud.com/refresh-requested-at", "old"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    );
    world.create(&lake).await;
    let _operator = world.operator().args([RESYNC]).start().await;
    handled(&world, "lake", "old").await;
    world.lists_later(3).await;
    assert!(bodies(&world).is_empty());
    assert_eq!(world.cloud.restarts(CLUSTER), 0);
}

/// The renewal of the agency's credentials is a PUT with the same agency, once for each token; it does not count as the update of the generation.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_one_update_with_the_same_agency() {
    let world = with_lake("refresh").await;
    let _operator = world.operator().args([RESYNC]).start().await;
    let known = id(&world.ready("lake").await).unwrap();
    request(&world, "lake", "refresh-requested-at", "1").await;
    world
        .until("lake", "the request is handled", |object| {
            object
                .status
                .as_ref()
                .and_then(|status| status.last_handled_refresh_at.as_deref())
                == Some("1")
        })
        .await;
    world.ready("lake").await;
    world.lists_later(3).await;
    assert_eq!(bodies(&world), [json!({"reconfigure": {"agency": "DWSAccessOBS"}})]);
    let told = world.event("lake", "Updated").await;
    assert!(told.contains("renewal"), "{told}");
    world
        .cloud
        .edit_source(CLUSTER, &known, |source| "Somebodys".clone_into(&mut source.user_name));
    wait::until(SOON, "the drift is put right all the same", async || {
        let all = bodies(&world);
        if all.len() == 2 { Ok(()) } else { Err(all) }
    })
    .await;
    world.ready("lake").await;
    // What has failed since it was available may come back by a renewal.
    world
        .cloud
        .edit_source(CLUSTER, &known, |source| "300".clone_into(&mut source.configure_status));
    let told = message(&world.stalled("lake", Reason::Drifted).await);
    assert!(told.contains("refresh-requested-at"), "{told}");
    request(&world, "lake", "refresh-requested-at", "2").await;
    world.ready("lake").await;
    assert_eq!(bodies(&world).len(), 3);
}
