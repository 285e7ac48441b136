//! A data source is created exactly once, with the body that the cloud documents, and becomes Ready when its job has succeeded.

use dws_operator::api::data_source::DataSourceType;
use dws_operator::api::{DwsDataSource, names};
use dws_simulator::{Answer, Call, Disconnect, Fault, LogEntry};
use serde_json::{Value, json};

use crate::world::{CLUSTER, PASSWORD, World, cluster, mrs, obs, on_cluster};

/// The body is that of Huawei's API reference plus the ownership marker, for each of the three types.
#[tokio::test(flavor = "multi_thread")]
async fn the_body_is_the_documented_one_with_the_marker() {
    let world = World::new("create").await;
    world.with_provider().await;
    world.with_password().await;
    let _operator = world.operator().start().await;
    let mut source1 = obs("source1");
    source1.spec.description = Some("description".to_owned());
    let mut formation = obs("formation");
    formation.spec.type_ = DataSourceType::LakeFormation;
    formation.spec.connect_info = None;
    let source1 = world.create(&source1).await;
    let lake = world.create(&mrs("lake")).await;
    let formation = world.create(&formation).await;
    for name in ["source1", "lake", "formation"] {
        world.ready(name).await;
    }

    assert_eq!(world.calls(Call::Create).len(), 3);
    let body = |name: &str| world.posts(name)[0].body.clone().unwrap();
    let uid = |object: &DwsDataSource| object.metadata.uid.clone().unwrap();
    assert_eq!(
        body("source1"),
        json!({
            "type": "OBS", "data_source_name": "source1", "user_name": "DWSAccessOBS", "connect_info": "gaussdb",
            "description": names::mark(Some("description"), &uid(&source1)),
        })
    );
    assert_eq!(
        body("lake"),
        json!({
            "type": "MRS", "data_source_name": "lake", "user_name": "dws_user",
            "data_source_id": "0f3b7c52-9d1e-4a86-b1c4-2e5f60718293", "user_pwd": world.cloud.digest(PASSWORD),
            "description": names::marker(&uid(&lake)),
        })
    );
    assert_eq!(
        body("formation"),
        json!({
            "type": "LAKE_FORMATION", "data_source_name": "formation", "user_name": "DWSAccessOBS",
            "description": names::marker(&uid(&formation)),
        })
    );
}

/// Whether each create request for the name asked for a restart of the DWS cluster.
fn restarts_asked(world: &World<'_>, name: &str) -> Vec<bool> {
    let asks = |post: &LogEntry| {
        post.body
            .as_ref()
            .is_some_and(|body| body.get("reboot") == Some(&Value::Bool(true)))
    };
    world.posts(name).iter().map(asks).collect()
}

/// `spec.reboot: true` restarts the DWS cluster at most once: a busy cluster gives the request back, a lost request does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_asked_for_with_the_first_accepted_create_and_only_then() {
    let busy = || Answer::error(403, "DWS.7023", "The cluster is busy.");
    let failure = || Answer::error(500, "DWS.0005", "Server failure.");
    let reset = || Answer::Drop(Disconnect::Reset);
    type Row = (&'static str, Option<bool>, Vec<Fault>, &'static [bool], u64);
    let rows: Vec<Row> = vec![
        ("accepted", Some(true), vec![], &[true], 1),
        ("not_wanted", Some(false), vec![], &[false], 0),
        ("not_said", None, vec![], &[false], 0),
        (
            "busy",
            Some(true),
            vec![Fault::on(Call::Create, busy()).times(2)],
            &[true, true, true],
            1,
        ),
        (
            "answered_500",
            Some(true),
            vec![Fault::on(Call::Create, failure()).times(1)],
            &[true, false],
            0,
        ),
        (
            "reset_before",
            Some(true),
            vec![Fault::on(Call::Create, reset()).times(1)],
            &[true, false],
            0,
        ),
        (
            "reset_after",
            Some(true),
            vec![Fault::on(Call::Create, reset()).times(1).applied()],
            &[true],
            1,
        ),
        (
            "busy_then_500",
            Some(true),
            vec![
                Fault::on(Call::Create, busy()).times(1),
                Fault::on(Call::Create, failure()).times(1),
            ],
            &[true, true, false],
            0,
        ),
        (
            "500_then_busy",
            Some(true),
            vec![
                Fault::on(Call::Create, failure()).times(1),
                Fault::on(Call::Create, busy()).times(1),
            ],
            &[true, false, false],
            0,
        ),
    ];
    let world = World::new("restart").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    let object = |name: &str| name.replace('_', "-");
    for (n, (name, reboot, faults, ..)) in rows.iter().enumerate() {
        for fault in faults {
            world.cloud.add_fault(fault.clone().name(name));
        }
        let mut source = on_cluster(n, obs(&object(name)));
        source.spec.reboot = *reboot;
        world.create(&source).await;
    }
    for (n, (name, _, _, asked, restarts)) in rows.iter().enumerate() {
        world.ready(&object(name)).await;
        assert_eq!(restarts_asked(&world, name), *asked, "{name}");
        assert_eq!(world.cloud.restarts(&cluster(n)), *restarts, "{name}");
    }
    for name in ["answered-500", "reset-before"] {
        let told = world.event(name, "RestartNotRepeated").await;
        assert!(told.contains("restart"), "{told}");
    }
}

/// A data source that somebody deleted in the cloud is created again without another restart.
#[tokio::test(flavor = "multi_thread")]
async fn creating_again_never_restarts_the_cluster_again() {
    let world = World::new("restart-once").await;
    world.with_provider().await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    let mut lake = obs("lake");
    lake.spec.reboot = Some(true);
    world.create(&lake).await;
    let id = world.ready("lake").await.status.unwrap().id.unwrap();
    assert!(world.cloud.remove_source(CLUSTER, &id));
    world
        .until("lake", "created again", |object| {
            object
                .status
                .as_ref()
                .and_then(|status| status.id.as_ref())
                .is_some_and(|now| *now != id)
        })
        .await;
    world.ready("lake").await;
    assert_eq!(restarts_asked(&world, "lake"), [true, false]);
    assert_eq!(world.cloud.restarts(CLUSTER), 1);
}
