//! What proves that a deleted data source is gone, and what does not: until then the finalizer stays.

use dws_operator::api::{DwsDataSource, FINALIZER};
use dws_simulator::{Answer, Body, Call, Disconnect, Fault, JobOutcome, NameSettings, Shape};
use dws_testbed::{Api as Side, Call as Passed};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{ON_ITS_WAY, SOON, World, cluster, id, obs, on_cluster};

/// The gap between the two lists that prove a delete without a job, where it is measured.
const DELETED_GAP: SignedDuration = SignedDuration::from_secs(3);

/// The calls of a deletion, as the proxy saw them.
struct Deletion {
    calls: Vec<Passed>,
    cluster: String,
    id: String,
    name: String,
}

impl Deletion {
    /// Of a data source that is gone from Kubernetes.
    fn of(world: &World<'_>, object: &DwsDataSource) -> Self {
        Deletion {
            calls: world.namespace.proxy().calls(),
            cluster: object.spec.cluster_id.clone(),
            id: id(object).unwrap(),
            name: object.metadata.name.clone().unwrap(),
        }
    }

    /// The calls that are so, in their order.
    fn all(&self, is: impl Fn(&Passed) -> bool) -> Vec<&Passed> {
        self.calls.iter().filter(|call| is(call)).collect()
    }

    /// The one DELETE.
    fn request(&self) -> &Passed {
        let deletes = self.all(|call| call.is(Side::Cloud, "DELETE", &self.id));
        assert_eq!(deletes.len(), 1, "{}: {deletes:?}", self.name);
        deletes[0]
    }

    /// The write that took the finalizer off.
    fn let_go(&self) -> &Passed {
        let path = format!("/dwsdatasources/{}", self.name);
        let drops = self.all(|call| {
            let finalizers = call.request["metadata"]["finalizers"].as_array();
            call.is(Side::Kube, "PATCH", &path)
                && finalizers.is_some_and(|all| !all.iter().any(|finalizer| finalizer == FINALIZER))
        });
        assert_eq!(drops.len(), 1, "{}: {drops:?}", self.name);
        drops[0]
    }

    /// The lists of its cluster after the DELETE was answered and before the finalizer went, each with whether it shows the id.
    fn lists(&self) -> Vec<(&Passed, bool)> {
        let (from, to) = (self.request().ended.unwrap(), self.let_go().seq);
        let lists = self.all(|call| {
            call.is(Side::Cloud, "GET", &format!("{}/ext-data-sources", self.cluster))
                && call.started >= from
                && call.seq < to
        });
        let shows = |call: &Passed| {
            let sources = call.response_json().unwrap()["data_sources"].clone();
            sources.as_array().unwrap().iter().any(|source| source["id"] == self.id)
        };
        lists.into_iter().map(|call| (call, shows(call))).collect()
    }
}

/// The job's success and then one list without the id: only after both does the finalizer go.
#[tokio::test(flavor = "multi_thread")]
async fn the_finalizer_goes_after_the_job_and_a_list_without_the_id() {
    let world = World::new("proof-job").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    let object = world.ready("lake").await;
    world.cloud.update_settings(|settings| {
        settings.job_duration = std::time::Duration::from_secs(1);
        // The list still shows what the job has already deleted.
        settings.delete_lag = std::time::Duration::from_secs(3);
    });
    world.delete("lake").await;
    world.gone("lake").await;

    let deletion = Deletion::of(&world, &object);
    let job = deletion.request().response_json().unwrap()["job_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let is_success = |call: &Passed| call.response_json().is_some_and(|job| job["status"] == "SUCCESS");
    let succeeded = deletion.all(|call| call.is(Side::Cloud, "GET", &job) && is_success(call));
    assert!(!succeeded.is_empty(), "the job was followed to its end");
    let after: Vec<_> = deletion
        .lists()
        .into_iter()
        .filter(|(list, _)| list.seq > succeeded[0].seq)
        .collect();
    let (last, before) = after.split_last().expect("a list after the job's success");
    assert!(
        !last.1,
        "the last list before the finalizer went lacks the id: {after:?}"
    );
    assert!(
        !before.is_empty() && before.iter().all(|(_, shows)| *shows),
        "a list that shows it proves nothing, and one that lacks it is enough: {after:?}"
    );
    assert_eq!(world.cloud.sources(&cluster(0)), []);
}

/// Where no job tells the end, since it vanished or since the answer to the DELETE was lost, two lists without the id do.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_job_two_lists_are_the_proof() {
    let world = World::new("proof-lists").await;
    world.with_provider().await;
    let vanishes = NameSettings {
        delete_outcome: Some(JobOutcome::Vanish),
        ..NameSettings::default()
    };
    world
        .cloud
        .update_settings(|settings| drop(settings.by_name.insert("vanished".to_owned(), vanishes)));
    let lost = Fault::on(Call::Delete, Answer::Drop(Disconnect::Reset)).applied();
    world.cloud.add_fault(lost.name("lost"));
    let _operator = world.operator_with(&["--deleted-gap=3s"]).start().await;
    join_all(["vanished", "lost"].into_iter().enumerate().map(async |(n, name)| {
        world.create(&on_cluster(n, obs(name))).await;
        let object = world.ready(name).await;
        world.delete(name).await;
        world.gone(name).await;
        let deletion = Deletion::of(&world, &object);
        let lists = deletion.lists();
        let lacking: Vec<_> = lists.iter().filter(|(_, shows)| !shows).map(|(list, _)| list).collect();
        let apart = lacking.last().unwrap().started.duration_since(lacking[0].started);
        assert!(
            apart >= DELETED_GAP - ON_ITS_WAY,
            "{name}: two lists {DELETED_GAP:#} apart, not {apart:#}: {lists:?}"
        );
        assert_eq!(world.cloud.sources(&cluster(n)), [], "{name}");
    }))
    .await;
}

/// A list that fails in another way than by the cluster's own end never lets the object go, however often it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_list_is_no_proof() {
    let world = World::new("proof-none").await;
    world.with_provider().await;
    let said = |status, code| Answer::error(status, code, "Not found.");
    let gateway = |status, code| Answer::shaped(status, Shape::Gateway, code, "Not found.");
    let cases = [
        ("bare", Answer::with_body(404, Body::Empty)),
        ("page", Answer::with_body(404, Body::Html)),
        ("parameter", said(400, "DWS.0001")),
        ("hidden", said(403, "DWS.0015")),
        ("hidden-404", said(404, "DWS.0015")),
        ("no-such-api", gateway(404, "APIGW.0101")),
        ("no-backend", gateway(502, "APIGW.0201")),
        // What was recorded nowhere cannot be told from a wrong region or project.
        ("unrecorded", said(404, "DWS.0047")),
    ];
    let _operator = world
        .operator_with(&["--stalled-recheck=500ms", "--backoff-max=500ms"])
        .start()
        .await;
    join_all(cases.iter().enumerate().map(async |(n, (name, answer))| {
        world.create(&on_cluster(n, obs(name))).await;
        let id = id(&world.ready(name).await).unwrap();
        if *name == "unrecorded" {
            world.patch(name, true, json!({"status": {"cloud": null}})).await;
        }
        let fault = world
            .cloud
            .add_fault(Fault::on(Call::List, answer.clone()).cluster(&cluster(n)));
        world.delete(name).await;
        // Four lists at least 250 ms apart are a --deleted-gap and more.
        world
            .cloud
            .wait_log(SOON, |log| {
                log.iter().filter(|entry| entry.fault == Some(fault)).count() >= 5
            })
            .await
            .unwrap_or_else(|timeout| panic!("{name}: {timeout}"));
        let object = world
            .api::<DwsDataSource>()
            .get(name)
            .await
            .unwrap_or_else(|error| panic!("{name} stays: {error}"));
        assert_eq!(object.metadata.finalizers, Some(vec![FINALIZER.to_owned()]), "{name}");
        let ids: Vec<_> = world.cloud.sources(&cluster(n)).into_iter().map(|it| it.id).collect();
        assert_eq!(ids, [id], "{name}: what no list shows is not deleted");
    }))
    .await;
    assert_eq!(world.calls(Call::Delete), []);
    world.cloud.clear_faults();
    join_all(cases.iter().enumerate().map(async |(n, (name, _))| {
        world.gone(name).await;
        assert_eq!(world.cloud.sources(&cluster(n)), [], "{name}");
    }))
    .await;
}

/// Each code that says that the DWS cluster is gone ends the deletion, once two lists have said so.
#[tokio::test(flavor = "multi_thread")]
async fn two_lists_that_say_that_the_cluster_is_gone_are_the_proof() {
    let world = World::new("proof-cluster").await;
    world.with_provider().await;
    let cases = [
        ("deleted", 404, "DWS.0047"),
        ("missing", 400, "DWS.3027"),
        ("instance", 404, "DWS.0022"),
    ];
    let _operator = world.operator_with(&["--deleted-gap=3s"]).start().await;
    join_all(cases.into_iter().enumerate().map(async |(n, (name, status, code))| {
        world.create(&on_cluster(n, obs(name))).await;
        world.ready(name).await;
        let answer = Answer::error(status, code, "The cluster does not exist.");
        let fault = world
            .cloud
            .add_fault(Fault::on(Call::List, answer).cluster(&cluster(n)));
        world.delete(name).await;
        world.gone(name).await;
        let of = |entry: &dws_simulator::LogEntry| entry.fault == Some(fault);
        let lists: Vec<_> = world
            .calls(Call::List)
            .into_iter()
            .filter(of)
            .map(|it| it.time)
            .collect();
        let apart = lists.last().unwrap().duration_since(lists[0]);
        assert!(
            apart >= DELETED_GAP - ON_ITS_WAY,
            "{name}: one list is no proof: {lists:?}"
        );
    }))
    .await;
    assert_eq!(world.calls(Call::Delete), []);
}
