//! The cloud is compared with the spec; comparing only reads.

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Fault};

use crate::world::{World, cluster, obs, on_cluster};

/// What somebody deleted in the cloud is created again, once, after two lists have proven it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_created_again_once() {
    let world = World::new("drift").await;
    world.with_provider().await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let id = world
        .ready("lake")
        .await
        .status
        .and_then(|status| status.id)
        .expect("an id");
    world.cloud.remove_source(&cluster(0), &id);
    world.event("lake", "ExternallyDeleted").await;
    world.ready_anew("lake", &id).await;
    world.lists_later(3).await;
    assert_eq!(
        (world.effective(Call::Create), world.cloud.sources(&cluster(0)).len()),
        (2, 1)
    );
}

/// What somebody changed in the cloud is told, and nothing is written there; when it is changed back, the object is Ready again.
#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_and_left_alone() {
    let world = World::new("drift").await;
    world.with_provider().await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let id = world
        .ready("lake")
        .await
        .status
        .and_then(|status| status.id)
        .expect("an id");
    world.cloud.edit_source(&cluster(0), &id, |source| {
        source.connect_info = Some("postgres".to_owned());
    });
    let told = crate::world::message(&world.stalled("lake", Reason::Drifted).await);
    assert!(told.contains("connectInfo"), "{told}");
    world.cloud.edit_source(&cluster(0), &id, |source| {
        source.connect_info = Some("gaussdb".to_owned());
    });
    world.ready("lake").await;
    world.cloud.edit_source(&cluster(0), &id, |source| {
        "600".clone_into(&mut source.configure_status);
    });
    world.stalled("lake", Reason::RebootRequired).await;
    assert_eq!(
        (
            world.calls(Call::Create).len(),
            world.calls(Call::Update).len(),
            world.calls(Call::Delete).len()
        ),
        (1, 0, 0)
    );
}

/// A list that fails proves nothing: the object stays Ready for a while, and nothing is ever created again.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_proves_nothing() {
    let world = World::new("drift").await;
    world.with_provider().await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.ready("lake").await;
    let fault = world
        .cloud
        .add_fault(Fault::on(Call::List, Answer::error(503, "DWS.0005", "Server failure.")));
    world.reconciling("lake", Reason::Retrying).await;
    assert!(
        world.cloud.fault_hits(fault) >= 5,
        "Ready turns False only after five failures in a row"
    );
    world.cloud.clear_faults();
    world.ready("lake").await;
    assert_eq!(
        (world.calls(Call::Create).len(), world.cloud.sources(&cluster(0)).len()),
        (1, 1)
    );
}
