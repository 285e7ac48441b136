//! The states that the cloud shows are told as what they mean, and clear by themselves.

use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Call, DuplicateNames};
use futures::future::join_all;

use crate::world::{World, cluster, message, mrs, obs, on_cluster, verdict};

/// A state of a data source that was Ready, and what its reader has to learn.
struct Row {
    name: &'static str,
    configure_status: &'static str,
    status: Option<&'static str>,
    verdict: (ConditionType, Reason),
    /// Words of the message.
    says: &'static str,
}

const fn row(
    name: &'static str,
    (configure_status, status): (&'static str, Option<&'static str>),
    verdict: (ConditionType, Reason),
    says: &'static str,
) -> Row {
    Row {
        name,
        configure_status,
        status,
        verdict,
        says,
    }
}

const ROWS: [Row; 15] = {
    use ConditionType::{Reconciling, Stalled};
    use Reason::{Creating, Drifted, Frozen, RebootRequired, Recovering, WaitingForCluster};
    let frozen = (Stalled, Frozen);
    // It was available before: no failed create, which an edit would remove.
    let failed = (Stalled, Drifted);
    let stopped = (Reconciling, WaitingForCluster);
    [
        row("frozen", ("200", Some("800")), frozen, "settle that with Huawei Cloud"),
        row(
            "police-frozen",
            ("200", Some("801")),
            frozen,
            "settle that with Huawei Cloud",
        ),
        row("failed", ("200", Some("300")), failed, "out of order"),
        row("create-failed", ("200", Some("303")), failed, "out of order"),
        row("not-configured", ("300", None), failed, "out of order"),
        row(
            "delete-failed",
            ("200", Some("302")),
            (Stalled, Drifted),
            "look at it in the console",
        ),
        row("stopped", ("200", Some("900")), stopped, "stopped or starting"),
        row("stopping", ("200", Some("910")), stopped, "stopped or starting"),
        row("starting", ("200", Some("920")), stopped, "stopped or starting"),
        row("updating", ("500", None), stopped, "is changing the data source"),
        row(
            "creating",
            ("100", None),
            (Reconciling, Creating),
            "creating the data source",
        ),
        row(
            "reboot",
            ("600", None),
            (Stalled, RebootRequired),
            "restart of the DWS cluster",
        ),
        row(
            "deleting",
            ("401", None),
            (Reconciling, Recovering),
            "Somebody is deleting",
        ),
        row("unheard-of", ("200", Some("777")), (Reconciling, Recovering), "777"),
        row("unheard-of-too", ("778", None), (Reconciling, Recovering), "778"),
    ]
};

/// Each state has its verdict, none makes the operator write to the cloud, and when the state has passed the object is Ready again.
#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_told_as_what_it_means_and_clears_by_itself() {
    let world = World::new("drift-states").await;
    world.with_provider().await;
    world.with_password().await;
    let _operator = world
        .operator_with(&["--resync-period=1s", "--stalled-recheck=1s"])
        .start()
        .await;
    join_all(ROWS.iter().enumerate().map(async |(n, row)| {
        let name = row.name;
        // For an OBS source the list leaves `status` out.
        let object = if row.status.is_some() { mrs(name) } else { obs(name) };
        world.create(&on_cluster(n, object)).await;
        let id = world.ready(name).await.status.unwrap().id.expect("an id");
        world.cloud.edit_source(&cluster(n), &id, |source| {
            row.configure_status.clone_into(&mut source.configure_status);
            source.status = row.status.map(str::to_owned);
            "It is out of order.".clone_into(&mut source.fail_reason);
        });
        let is_told = |object: &_| verdict(object) == Some(row.verdict);
        let object = world.until(name, &format!("{:?}", row.verdict), is_told).await;
        assert!(message(&object).contains(row.says), "{name}: {}", message(&object));
        let of_cluster = |entry: &&dws_simulator::LogEntry| entry.cluster == Some(cluster(n));
        let lists = |log: &[dws_simulator::LogEntry]| {
            let is_list = |entry: &&dws_simulator::LogEntry| entry.call == Call::List;
            log.iter().filter(of_cluster).filter(is_list).count()
        };
        let before = lists(&world.cloud.log());
        world
            .cloud
            .wait_log(crate::world::SOON, |log| lists(log) >= before + 2)
            .await
            .expect("it is looked at again");
        world.cloud.edit_source(&cluster(n), &id, |source| {
            "200".clone_into(&mut source.configure_status);
            source.status = row.status.map(|_| "200".to_owned());
            source.fail_reason.clear();
        });
        let object = world.ready(name).await;
        assert_eq!(object.status.unwrap().id, Some(id), "{name}: it is still the same");
    }))
    .await;
    assert_eq!(
        (
            world.calls(Call::Create).len(),
            world.calls(Call::Update).len(),
            world.calls(Call::Delete).len()
        ),
        (ROWS.len(), 0, 0)
    );
}

/// The record of a deleted data source may stay in the list: it is as good as gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_what_was_deleted_is_no_data_source() {
    let world = World::new("drift-record").await;
    world.with_provider().await;
    // The simulated cloud would take the record for a data source of this name.
    world
        .cloud
        .update_settings(|settings| settings.duplicate_names = DuplicateNames::Allow);
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let id = world.ready("lake").await.status.unwrap().id.expect("an id");
    world.cloud.edit_source(&cluster(0), &id, |source| {
        "400".clone_into(&mut source.configure_status);
    });
    world.event("lake", "ExternallyDeleted").await;
    world.ready_anew("lake", &id).await;
    world.lists_later(3).await;
    assert_eq!((world.posts("lake").len(), world.calls(Call::Delete).len()), (2, 0));
}
