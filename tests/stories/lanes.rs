//! Writes to one DWS cluster follow one another, first come first served; DWS clusters do not wait for each other.

use std::time::Duration;

use dws_operator::api::Reason;
use dws_simulator::{Answer, Call, Fault, JobOutcome, LogEntry};
use dws_testbed::{Action, Api as Side, Call as Passed, Rule, Stage, wait};
use kube::ResourceExt;
use serde_json::json;

use crate::world::{CLUSTER, SOON, World, cluster, message, obs, on_cluster};

/// The error codes of a busy DWS cluster.
const BUSY: [&str; 2] = ["DWS.7023", "DWS.0011"];

/// How often the cloud refused a request since it was busy.
fn busy_answers(world: &World<'_>) -> usize {
    world
        .cloud
        .log()
        .iter()
        .filter(|entry| entry.error_code.as_deref().is_some_and(|code| BUSY.contains(&code)))
        .count()
}

/// Creates a data source whose job goes on until the story ends it; returns the job.
async fn lane_is_held(world: &World<'_>) -> String {
    world.job_ends("running", JobOutcome::Never);
    world.create(&obs("running")).await;
    world.job("running").await
}

/// The names of the first create requests, in the order of their arrival.
fn order_of_posts(world: &World<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for post in world.calls(Call::Create) {
        let name = post.name.unwrap();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// 50 data sources of one DWS cluster, applied at once while another is being created, are created one after the other in the order in
/// which they were applied. One that is refused, one whose job fails and one
/// whose creates fail again and again hold nobody up.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_on_one_cluster_are_created_in_their_order_one_at_a_time() {
    let world = World::new("lane").await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_millis(30));
    let fails = JobOutcome::Fail {
        code: "CreateTask-fail:DWS.0114".to_owned(),
        detail: "No route.".to_owned(),
    };
    world.job_ends("lake_20", fails);
    let refused = Answer::error(400, "DWS.5130", "The agency does not exist.");
    world.cloud.add_fault(Fault::on(Call::Create, refused).name("lake_10"));
    let failing = Answer::error(500, "DWS.9999", "System error.");
    world.cloud.add_fault(Fault::on(Call::Create, failing).name("lake_30"));
    world.with_provider().await;
    let _operator = world.operator().args(["--job-poll-min=40ms"]).start().await;
    let first = lane_is_held(&world).await;
    let names: Vec<String> = (0..50).map(|n| format!("lake-{n:02}")).collect();
    for name in &names {
        world.create(&obs(name)).await;
    }
    for name in &names {
        world.reconciling(name, Reason::Creating).await;
    }
    assert!(world.cloud.end_job(&first, JobOutcome::Success));
    for name in &names {
        match name.as_str() {
            "lake-10" => world.stalled(name, Reason::InvalidSpec).await,
            "lake-20" => world.stalled(name, Reason::CreateFailed).await,
            "lake-30" => world.reconciling(name, Reason::Retrying).await,
            _ => world.ready(name).await,
        };
    }
    let names = names.iter().map(|name| name.replace('-', "_"));
    assert_eq!(
        order_of_posts(&world),
        std::iter::once("running".to_owned()).chain(names).collect::<Vec<_>>()
    );
    assert_eq!(world.effective(Call::Create), 49);
    assert_eq!(world.cloud.sources(CLUSTER).len(), 49);
    assert_eq!(busy_answers(&world), 0, "no two operations at once");
}

/// The cloud accepts a create and the API server does not take the news: the operation is under way all the same, and the next one waits.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_no_status_holds_yet_keeps_the_others_waiting() {
    let world = World::new("lane-unrecorded").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(2));
    let _operator = world.operator().start().await;
    let is_record =
        |call: &Passed| call.is(Side::Kube, "PATCH", "/first/status") && call.request.to_string().contains("\"jobID\"");
    let refusal = Action::Answer(500, json!({"kind": "Status", "status": "Failure", "code": 500}));
    let mut record = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, refusal, is_record).times(2));
    world.create(&obs("first")).await;
    world.create(&obs("second")).await;
    record.reached(SOON).await;
    for name in ["first", "second"] {
        world.ready(name).await;
    }
    assert_eq!(order_of_posts(&world), ["first", "second"]);
    assert_eq!((world.calls(Call::Create).len(), busy_answers(&world)), (2, 0));
}

/// After a restart too, who was created first goes first, whatever the names.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_order() {
    let world = World::new("lane-restart").await;
    world.with_provider().await;
    let mut operator = world.operator().start().await;
    let first = lane_is_held(&world).await;
    operator.kill().await;
    let names = ["lake-c", "lake-b", "lake-a"];
    for name in names {
        let created = world.create(&obs(name)).await.creation_timestamp().unwrap();
        // Kubernetes tells the time of a creation in whole seconds.
        let second = Duration::from_secs(1);
        wait::until(SOON, "the next second", async || {
            let age = jiff::Timestamp::now().duration_since(created.0);
            if age.unsigned_abs() > second { Ok(()) } else { Err(age) }
        })
        .await;
    }
    operator.restart().await;
    for name in names {
        world.reconciling(name, Reason::Creating).await;
    }
    assert!(world.cloud.end_job(&first, JobOutcome::Success));
    for name in names {
        world.ready(name).await;
    }
    assert_eq!(order_of_posts(&world), ["running", "lake_c", "lake_b", "lake_a"]);
}

/// A deletion goes before the creates that have waited longer.
#[tokio::test(flavor = "multi_thread")]
async fn deletions_go_first() {
    let world = World::new("lane-delete").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&obs("old")).await;
    world.ready("old").await;
    let running = lane_is_held(&world).await;
    for name in ["first", "second"] {
        world.create(&obs(name)).await;
        world.reconciling(name, Reason::Creating).await;
    }
    world.delete("old").await;
    world.reconciling("old", Reason::Deleting).await;

    assert!(world.cloud.end_job(&running, JobOutcome::Success));
    world.gone("old").await;
    for name in ["running", "first", "second"] {
        world.ready(name).await;
    }
    let writes: Vec<_> = world
        .cloud
        .log()
        .into_iter()
        .filter(|entry| matches!(entry.call, Call::Create | Call::Delete))
        .map(|entry| (entry.call, entry.name.unwrap()))
        .collect();
    let expected = [
        (Call::Create, "old"),
        (Call::Create, "running"),
        (Call::Delete, "old"),
        (Call::Create, "first"),
        (Call::Create, "second"),
    ];
    assert_eq!(writes, expected.map(|(call, name)| (call, name.to_owned())));
    assert_eq!(busy_answers(&world), 0);
}

/// 200 data sources on 200 DWS clusters are created side by side, each by one request: all 200 are under way before the first one ends.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_clusters_do_not_wait_for_each_other() {
    let world = World::new("parallel").await;
    world
        .cloud
        .update_settings(|settings| settings.create_outcome = JobOutcome::Never);
    world.with_provider().await;
    let _operator = world.operator().start().await;
    for n in 0..200 {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    let is_begun = |log: &[LogEntry]| {
        let creates = log.iter().filter(|entry| entry.call == Call::Create);
        creates.filter(|entry| entry.took_effect).count() == 200
    };
    world
        .cloud
        .wait_log(SOON, is_begun)
        .await
        .expect("all are under way at once");
    for create in world.calls(Call::Create) {
        assert!(world.cloud.end_job(&create.job_id.unwrap(), JobOutcome::Success));
    }
    for n in 0..200 {
        world.ready(&format!("lake-{n}")).await;
    }
    for n in 0..200 {
        let posts = world.posts(&format!("lake_{n}"));
        assert_eq!((posts.len(), posts[0].cluster.clone()), (1, Some(cluster(n))));
    }
}

/// An operation of somebody else on the DWS cluster is waited for; when that takes too long, the object says so, and goes on trying.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_busy_with_another_operation_is_waited_for() {
    let world = World::new("busy").await;
    world.with_provider().await;
    let rows = [(403, "DWS.7023"), (409, "DWS.0011")];
    for (n, (status, code)) in rows.into_iter().enumerate() {
        let busy = Answer::error(status, code, "Another operation is running.");
        world
            .cloud
            .add_fault(Fault::on(Call::Create, busy).cluster(&cluster(n)));
    }
    let _operator = world.operator().args(["--busy-deadline=2s"]).start().await;
    let names = ["forbidden", "conflict"];
    for (n, name) in names.into_iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
    }
    for (name, (_, code)) in names.into_iter().zip(rows) {
        let retrying = world.reconciling(name, Reason::Retrying).await;
        let retry = retrying.status.unwrap().retry.unwrap();
        assert_eq!(retry.last_error_code.as_deref(), Some(code));
    }
    for name in names {
        let waiting = message(&world.reconciling(name, Reason::WaitingForCluster).await);
        assert!(waiting.contains("look at its state"), "{waiting}");
        let tries = world.posts(name).len();
        world
            .cloud
            .wait_log(SOON, |log| {
                log.iter()
                    .filter(|entry| entry.call == Call::Create && entry.name.as_deref() == Some(name))
                    .count()
                    > tries
            })
            .await
            .expect("it goes on trying");
    }
    world.cloud.clear_faults();
    for (n, name) in names.into_iter().enumerate() {
        let ready = world.ready(name).await;
        assert!(ready.status.as_ref().unwrap().retry.is_none(), "{}", ready.name_any());
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
        assert_eq!(world.posts(name).iter().filter(|post| post.took_effect).count(), 1);
    }
}
