//! What is only observed is shown, and nothing is written to the cloud for it.

use std::time::Duration;

use dws_operator::api::data_source::{DeletionPolicy, DwsDataSource, ManagementPolicy, ReplacementPolicy};
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Call as CloudCall, SourceSeed};
use futures::future::join_all;
use serde_json::json;

use crate::import::{importing, seed};
use crate::world::{CLUSTER, SOON, World, cluster, id, message, mrs, obs, on_cluster, verdict};

/// The object, told to observe.
pub fn observing(mut object: DwsDataSource) -> DwsDataSource {
    object.spec.management_policy = Some(ManagementPolicy::Observe);
    object
}

/// How many requests asked the cloud to change something.
pub fn changes(world: &World<'_>) -> [usize; 3] {
    [CloudCall::Create, CloudCall::Update, CloudCall::Delete].map(|call| world.calls(call).len())
}

/// By name or id, whosever it is, without a password and without a finalizer: state, differences, its end and its return are shown, and the object goes
/// without a trace.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_observed_is_shown_and_never_touched() {
    let world = World::new("observe").await;
    world.with_provider().await;
    let account = mrs("account");
    let account_seed = SourceSeed {
        type_: "MRS".to_owned(),
        user_name: account.spec.user_name.clone(),
        connect_info: None,
        data_source_id: account.spec.data_source_id.clone(),
        status: Some("200".to_owned()),
        ..seed("account")
    };
    let by_name = world.cloud.put_source(&cluster(0), seed("by-name"));
    let by_id = world.cloud.put_source(&cluster(1), seed("by-id"));
    let account_id = world.cloud.put_source(&cluster(2), account_seed);
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&on_cluster(0, observing(obs("by-name")))).await;
    world
        .create(&on_cluster(
            1,
            observing(importing(obs("by-id"), Some(&by_id), DeletionPolicy::Delete)),
        ))
        .await;
    // The API server asks for no password either.
    let mut account = on_cluster(2, observing(account));
    account.spec.user_pwd = None;
    world.create(&account).await;
    for (name, source) in [("by-name", &by_name), ("by-id", &by_id), ("account", &account_id)] {
        let object = world.ready(name).await;
        assert_eq!(id(&object).as_ref(), Some(source), "{name}");
        assert_eq!(object.metadata.finalizers, None, "{name}");
        let status = object.status.unwrap();
        let observed = status.observed.unwrap();
        assert_eq!(observed.configure_status.as_deref(), Some("Active"), "{name}");
        assert_eq!(
            (status.imported, status.last_attempt, status.plan),
            (None, None, None),
            "{name}"
        );
    }
    // Whatever is asked for by annotations and by the spec.
    let asks = json!({"metadata": {"annotations": {
        "dws.huaweicloud.com/reboot-requested-at": "now", "dws.huaweicloud.com/refresh-requested-at": "now",
        "dws.huaweicloud.com/reconcile-requested-at": "now",
    }}, "spec": {"reboot": true, "replacementPolicy": "Always", "userName": "another_agency"}});
    world.edit("by-name", asks).await;
    let told = message(&world.stalled("by-name", Reason::Drifted).await);
    assert!(
        told.contains("userName (\"DWSAccessOBS\" in the cloud, \"another_agency\" in the spec)"),
        "{told}"
    );
    world
        .edit("by-name", json!({"spec": {"userName": "DWSAccessOBS"}}))
        .await;
    world.ready("by-name").await;
    // It goes, and comes back under another id; by its id another one is not the same.
    for (n, name, source) in [(0, "by-name", &by_name), (1, "by-id", &by_id)] {
        assert!(world.cloud.remove_source(&cluster(n), source));
        world.stalled(name, Reason::ExternallyDeleted).await;
    }
    let anew = world.cloud.put_source(&cluster(0), seed("by-name"));
    let other = world.cloud.put_source(&cluster(1), seed("by-id"));
    let found = world
        .until("by-name", "found again", |object| id(object).as_ref() == Some(&anew))
        .await;
    assert_eq!(verdict(&found), Some((ConditionType::Ready, Reason::Available)));
    world.lists_later(3).await;
    world.stalled("by-id", Reason::ExternallyDeleted).await;
    // The spec is free.
    world
        .edit(
            "by-id",
            json!({"spec": {"import": null, "dataSourceName": "by_name", "clusterID": cluster(0)}}),
        )
        .await;
    let moved = world.ready("by-id").await;
    assert_eq!(id(&moved).as_ref(), Some(&anew));
    assert_eq!(moved.status.unwrap().cloud.unwrap().cluster_id, cluster(0));
    for name in ["by-name", "by-id", "account"] {
        world.delete(name).await;
        world.gone(name).await;
    }
    assert_eq!(changes(&world), [0; 3]);
    let ids = |n| {
        world
            .cloud
            .sources(&cluster(n))
            .into_iter()
            .map(|source| source.id)
            .collect::<Vec<_>>()
    };
    assert_eq!((ids(0), ids(1), ids(2)), (vec![anew], vec![other], vec![account_id]));
    assert!(!world.events("by-name").await.contains(&"Orphaned".to_owned()));
}

/// A provider that does not allow imports shows nothing that is others'.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_allows_no_imports_shows_nothing() {
    let world = World::new("observe").await;
    world.with_provider().await;
    world.patch_provider("default", json!({"allowImport": false})).await;
    world.cloud.put_source(CLUSTER, seed("lake"));
    let _operator = world.operator().start().await;
    world.create(&observing(obs("lake"))).await;
    let denied = world.stalled("lake", Reason::AccessDenied).await;
    assert_eq!(id(&denied), None);
    assert_eq!(world.calls(CloudCall::List), []);
    world.patch_provider("default", json!({"allowImport": true})).await;
    world.ready("lake").await;
    world.patch_provider("default", json!({"allowImport": false})).await;
    world.stalled("lake", Reason::AccessDenied).await;
}

/// From observing to managing: what was only seen is refused with the line to add, and taken over with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_seen_is_not_managed_without_an_import() {
    let world = World::new("observe").await;
    world.with_provider().await;
    let sources = [0, 1].map(|n| world.cloud.put_source(&cluster(n), seed("lake")));
    let mut operator = world.operator().start().await;
    let named = |n: usize, object: &str| {
        let mut object = on_cluster(n, observing(obs(object)));
        "lake".clone_into(&mut object.spec.data_source_name);
        object
    };
    world.create(&named(0, "refused")).await;
    world.create(&named(1, "leaves")).await;
    for (n, name) in ["refused", "leaves"].into_iter().enumerate() {
        assert_eq!(id(&world.ready(name).await).as_ref(), Some(&sources[n]));
        world.edit(name, json!({"spec": {"managementPolicy": "Manage"}})).await;
        let told = message(&world.stalled(name, Reason::AlreadyExists).await);
        let line = format!(
            "set spec.import to {{id: {}}} and deletionPolicy to Delete or Retain",
            sources[n]
        );
        assert!(told.contains(&line), "{told}");
        operator.kill().await;
        operator.restart().await;
        world.stalled(name, Reason::AlreadyExists).await;
    }
    world.delete("leaves").await;
    world.gone("leaves").await;
    world
        .edit(
            "refused",
            json!({"spec": {"import": {"id": sources[0]}, "deletionPolicy": "Delete"}}),
        )
        .await;
    let taken = world.ready("refused").await;
    assert_eq!(taken.status.unwrap().imported.unwrap().id, sources[0]);
    // What was taken over is managed on after a while of observing.
    world
        .edit("refused", json!({"spec": {"managementPolicy": "Observe"}}))
        .await;
    world.ready("refused").await;
    world.edit("refused", json!({"spec": {"managementPolicy": null}})).await;
    world.ready("refused").await;
    assert_eq!(changes(&world), [0; 3]);
    world.delete("refused").await;
    world.gone("refused").await;
    assert_eq!(
        (
            world.cloud.sources(&cluster(0)).len(),
            world.cloud.sources(&cluster(1)).len()
        ),
        (0, 1)
    );
    assert_eq!(changes(&world), [0, 0, 1]);
}

/// What is under way when an owned object is told to observe.
#[derive(Clone, Copy, Debug)]
enum UnderWay {
    Nothing,
    CreateJob,
    Update,
    Replacement,
}

/// Manage → Observe → Manage of what the object made: nothing is sent meanwhile, and in the end all is as if it had managed all the time.
async fn to_and_fro(under_way: UnderWay, is_killed: bool) {
    let case = format!("{under_way:?}, killed: {is_killed}");
    let world = World::new(&format!("observe-{under_way:?}").to_lowercase()).await;
    world.with_provider().await;
    let takes = |seconds| {
        world
            .cloud
            .update_settings(|settings| settings.job_duration = Duration::from_secs(seconds));
    };
    let mut operator = world.operator().args(["--resync-period=1s"]).start().await;
    let mut object = obs("lake");
    object.spec.replacement_policy = Some(ReplacementPolicy::Always);
    if matches!(under_way, UnderWay::CreateJob) {
        takes(4);
    }
    world.create(&object).await;
    if matches!(under_way, UnderWay::CreateJob) {
        world.job("lake").await;
    } else {
        world.ready("lake").await;
        takes(4);
    }
    let began = changes(&world);
    match under_way {
        UnderWay::Nothing | UnderWay::CreateJob => {}
        UnderWay::Update => drop(
            world
                .edit("lake", json!({"spec": {"userName": "another_agency"}}))
                .await,
        ),
        UnderWay::Replacement => drop(world.edit("lake", json!({"spec": {"connectInfo": "postgres"}})).await),
    }
    let reason = match under_way {
        UnderWay::Nothing | UnderWay::CreateJob => None,
        UnderWay::Update => Some((CloudCall::Update, Reason::Updating)),
        UnderWay::Replacement => Some((CloudCall::Delete, Reason::Replacing)),
    };
    if let Some((call, reason)) = reason {
        world.reconciling("lake", reason).await;
        let sent =
            |log: &[dws_simulator::LogEntry]| log.iter().any(|entry| entry.call == call && entry.status.is_some());
        world.cloud.wait_log(SOON, sent).await.expect("it is sent");
    }
    let sent = changes(&world);
    world
        .edit("lake", json!({"spec": {"managementPolicy": "Observe"}}))
        .await;
    if is_killed {
        operator.kill().await;
        operator.restart().await;
    }
    // What was under way in the cloud comes to its end there.
    let settled = match under_way {
        UnderWay::Replacement => world.stalled("lake", Reason::ExternallyDeleted).await,
        _ => world.ready("lake").await,
    };
    world.lists_later(2).await;
    assert_eq!(changes(&world), sent, "{case}: nothing is sent while it observes");
    assert!(id(&settled).is_some(), "{case}: it knows what is its own");
    takes(0);
    world.edit("lake", json!({"spec": {"managementPolicy": null}})).await;
    if is_killed {
        operator.kill().await;
        operator.restart().await;
    }
    let object = match under_way {
        UnderWay::Replacement => world.ready_anew("lake", &id(&settled).unwrap()).await,
        _ => world.ready("lake").await,
    };
    let sources = world.cloud.sources(CLUSTER);
    assert_eq!(sources.len(), 1, "{case}");
    assert_eq!(Some(&sources[0].id), id(&object).as_ref(), "{case}");
    assert_eq!(sources[0].user_name, object.spec.user_name, "{case}");
    assert_eq!(sources[0].connect_info, object.spec.connect_info, "{case}");
    let more = match under_way {
        UnderWay::Nothing | UnderWay::CreateJob => [0, 0, 0],
        UnderWay::Update => [0, 1, 0],
        UnderWay::Replacement => [1, 0, 1],
    };
    let total: Vec<usize> = began.iter().zip(more).map(|(before, more)| before + more).collect();
    assert_eq!(changes(&world).to_vec(), total, "{case}");
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(CLUSTER), [], "{case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owned_one_is_managed_on_after_a_while_of_observing() {
    let cases = [
        UnderWay::Nothing,
        UnderWay::CreateJob,
        UnderWay::Update,
        UnderWay::Replacement,
    ];
    join_all(cases.map(|case| to_and_fro(case, false))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owned_one_is_managed_on_though_the_operator_is_killed_at_the_switch() {
    let cases = [
        UnderWay::Nothing,
        UnderWay::CreateJob,
        UnderWay::Update,
        UnderWay::Replacement,
    ];
    join_all(cases.map(|case| to_and_fro(case, true))).await;
}

/// A deletion under way lets go at once when the object is told to observe; one that observes goes at once, with its data source left and told.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_what_observes_leaves_the_cloud_alone() {
    let world = World::new("observe").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    for (n, name) in ["goes", "deleting"].into_iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
        world.ready(name).await;
    }
    world
        .edit("goes", json!({"spec": {"managementPolicy": "Observe"}}))
        .await;
    world.ready("goes").await;
    world.delete("goes").await;
    world.gone("goes").await;
    let told = world.event("goes", "Retained").await;
    assert!(told.contains("managementPolicy Observe"), "{told}");
    assert_eq!(
        (world.cloud.sources(&cluster(0)).len(), changes(&world)),
        (1, [2, 0, 0])
    );
    // The cloud takes its time for the delete.
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_mins(10));
    world.delete("deleting").await;
    world
        .until("deleting", "its delete job is known", |object| {
            let operation = object.status.as_ref().and_then(|status| status.operation.as_ref());
            operation.is_some_and(|operation| operation.type_ == dws_operator::api::data_source::OperationType::Delete)
        })
        .await;
    world
        .edit("deleting", json!({"spec": {"managementPolicy": "Observe"}}))
        .await;
    world.gone("deleting").await;
    let told = world.event("deleting", "Retained").await;
    assert!(told.contains("may have reached the cloud"), "{told}");
    assert_eq!(changes(&world), [2, 0, 1]);
}
