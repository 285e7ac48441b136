//! A failed create that is corrected: its record, and only that one, goes before the next try.

use dws_operator::api::data_source::DwsDataSource;
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Call, JobOutcome, SourceSeed};
use dws_testbed::{Action, Api as Side, Rule, Stage};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{CLUSTER, SOON, World, cluster, mrs, obs, on_cluster, verdict};

async fn with_failing_creates(hint: &str) -> World<'static> {
    let world = World::new(hint).await;
    world.with_provider().await;
    let fail = JobOutcome::Fail {
        code: "CreateTask-fail:DWS.5172".to_owned(),
        detail: "no such database".to_owned(),
    };
    world.cloud.update_settings(|settings| settings.create_outcome = fail);
    world
}

fn mend(world: &World<'_>) {
    world
        .cloud
        .update_settings(|settings| settings.create_outcome = JobOutcome::Success);
}

fn neighbour(name: &str) -> SourceSeed {
    serde_json::from_value(json!({
        "name": name, "type": "OBS", "user_name": "somebody", "connect_info": "gaussdb",
        "configure_status": "300", "description": "not ours",
    }))
    .expect("a seed")
}

/// Whatever the correction is, also another name, type or cluster: one DELETE of the recorded id where it is, then one POST of
/// what the spec says now.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_replaces_the_failed_record_and_nothing_else() {
    let world = with_failing_creates("replace").await;
    world.with_password().await;
    let mrs_fields = json!({
        "type": "MRS", "dataSourceID": "0f3b7c52-9d1e-4a86-b1c4-2e5f60718293", "connectInfo": null,
        "userPwd": {"secretKeyRef": {"name": "mrs-account", "key": "password"}},
    });
    let edits = [
        ("other-db", json!({"connectInfo": "postgres"})),
        ("other-type", mrs_fields),
        ("other-name", json!({"dataSourceName": "renamed"})),
        ("other-cluster", json!({"clusterID": cluster(99)})),
    ];
    let _operator = world.operator().start().await;
    let mut ids = Vec::new();
    for (n, (name, _)) in edits.iter().enumerate() {
        world
            .cloud
            .put_source(&cluster(n), neighbour(&format!("neighbour_{n}")));
        world.create(&on_cluster(n, obs(name))).await;
    }
    for (name, _) in &edits {
        let status = world.stalled(name, Reason::CreateFailed).await.status.unwrap();
        ids.push((status.id.unwrap(), status.cloud.unwrap().cluster_id));
    }
    mend(&world);
    for (name, change) in &edits {
        world.edit(name, json!({ "spec": change })).await;
    }
    for (name, _) in &edits {
        let object = world.ready(name).await;
        let status = object.status.unwrap();
        assert!(ids.iter().all(|(id, _)| Some(id) != status.id.as_ref()), "{name}");
        assert_eq!(status.cloud.unwrap().cluster_id, object.spec.cluster_id);
    }
    let mut deleted: Vec<_> = world
        .calls(Call::Delete)
        .into_iter()
        .map(|entry| (entry.id.unwrap(), entry.cluster.unwrap()))
        .collect();
    deleted.sort();
    ids.sort();
    assert_eq!(deleted, ids, "each failed record once, where it was");
    assert_eq!(world.calls(Call::Create).len(), 2 * edits.len());
    for n in 0..edits.len() {
        let names: Vec<_> = world
            .cloud
            .sources(&cluster(n))
            .into_iter()
            .map(|source| source.name)
            .collect();
        assert!(names.contains(&format!("neighbour_{n}")), "{names:?}");
        assert!(names.len() <= 2, "{names:?}");
    }
    assert_eq!(
        world
            .cloud
            .sources(&cluster(2))
            .iter()
            .filter(|source| source.name == "renamed")
            .count(),
        1
    );
    assert_eq!(world.cloud.sources(&cluster(99)).len(), 1);
}

/// A kill at any point between the edit and the new id neither leaks the old record nor creates twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_the_way_neither_leaks_nor_forgets() {
    let world = with_failing_creates("replace-kill").await;
    let mut operator = world.operator().start().await;
    let kills: [(&str, Side, &str, &str, Stage); 6] = [
        ("plan", Side::Kube, "PATCH", "kill-plan/status", Stage::Applied),
        (
            "before-delete",
            Side::Cloud,
            "DELETE",
            "ext-data-sources",
            Stage::Before,
        ),
        (
            "after-delete",
            Side::Cloud,
            "DELETE",
            "ext-data-sources",
            Stage::Applied,
        ),
        (
            "intent",
            Side::Kube,
            "PATCH",
            "dwsdatasources/kill-intent",
            Stage::Applied,
        ),
        ("before-post", Side::Cloud, "POST", "ext-data-sources", Stage::Before),
        ("after-post", Side::Cloud, "POST", "ext-data-sources", Stage::Applied),
    ];
    for (n, (point, api, method, path, stage)) in kills.into_iter().enumerate() {
        let name = format!("kill-{point}");
        let fail = JobOutcome::Fail {
            code: "CreateTask-fail:DWS.5172".to_owned(),
            detail: "no such database".to_owned(),
        };
        world.cloud.update_settings(|settings| settings.create_outcome = fail);
        world.create(&on_cluster(n, obs(&name))).await;
        let failed = world.stalled(&name, Reason::CreateFailed).await.status.unwrap().id;
        mend(&world);
        let cluster_path = if api == Side::Cloud { cluster(n) } else { String::new() };
        let mut hit = world.namespace.proxy().on(Rule::new(stage, Action::Hold, move |call| {
            call.is(api, method, path) && call.path.contains(&cluster_path)
        }));
        world.edit(&name, json!({"spec": {"connectInfo": "postgres"}})).await;
        hit.reached(SOON).await;
        operator.kill().await;
        hit.cut();
        drop(hit);
        operator.restart().await;
        let id = world.ready(&name).await.status.unwrap().id;
        let sources = world.cloud.sources(&cluster(n));
        assert_eq!(
            sources.iter().map(|source| Some(source.id.clone())).collect::<Vec<_>>(),
            std::slice::from_ref(&id),
            "{name}"
        );
        assert_ne!(id, failed, "{name}");
    }
}

/// For an MRS source, a new version of the password's Secret is the correction.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_replaces_the_failed_record() {
    let world = with_failing_creates("replace-secret").await;
    world.with_password().await;
    let _operator = world.operator().start().await;
    world.create(&mrs("lake")).await;
    let failed = world
        .stalled("lake", Reason::CreateFailed)
        .await
        .status
        .unwrap()
        .id
        .unwrap();
    mend(&world);
    let secrets: Api<Secret> = world.api();
    let change = json!({"stringData": {"password": "Another-Passw0rd"}});
    secrets
        .patch("mrs-account", &PatchParams::default(), &Patch::Merge(change))
        .await
        .expect("the Secret exists");
    let object = world.ready("lake").await;
    assert_eq!(object.metadata.generation, Some(1));
    let deleted: Vec<_> = world
        .calls(Call::Delete)
        .into_iter()
        .map(|entry| entry.id.unwrap())
        .collect();
    assert_eq!(deleted, [failed]);
    let sources = world.cloud.sources(CLUSTER);
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].password, Some(world.cloud.digest("Another-Passw0rd")));
}

/// What exists and is healthy is protected: the API server refuses the edit and says what to do instead.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_healthy_data_source_is_refused() {
    let world = World::new("replace-healthy").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    let before = world.ready("lake").await;
    let change = Patch::Merge(json!({"spec": {"connectInfo": "postgres"}}));
    let objects = world.api::<DwsDataSource>();
    let refused = objects.patch("lake", &PatchParams::default(), &change).await;
    let refused = refused.expect_err("it is healthy");
    assert!(
        refused.to_string().contains("delete this object and create it again"),
        "{refused}"
    );
    world.edit("lake", json!({"spec": {"deletionPolicy": "Retain"}})).await;
    let after = world.until("lake", "the edit is observed", |object| {
        object.metadata.generation == Some(2) && verdict(object) == Some((ConditionType::Ready, Reason::Available))
    });
    assert_eq!(after.await.status.unwrap().id, before.status.unwrap().id);
    assert_eq!(world.calls(Call::Create).len(), 1);
    assert!(world.calls(Call::Delete).is_empty());
}
