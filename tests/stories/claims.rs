//! Of several objects with the same DWS cluster and name, one holds the name; the others say whose it is.

use dws_operator::api::{DwsDataSource, DwsProvider, Reason};
use dws_simulator::{Answer, Call, Fault, JobOutcome, NameSettings};
use dws_testbed::{Action, Api as Side, Call as Passed, ControlPlane, Rule, Stage, TestNamespace, wait};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use std::time::Duration;

use crate::world::{
    ACCESS_KEY, CLUSTER, SECRET_KEY, SOON, World, cluster, message, mrs, obs, on_cluster, provider, secret, verdict,
};

/// An object of this name in the n-th DWS cluster, whose data source is called otherwise.
fn named(n: usize, name: &str, data_source: &str) -> DwsDataSource {
    let mut object = on_cluster(n, obs(name));
    data_source.clone_into(&mut object.spec.data_source_name);
    object
}

/// The second object with a name, also in other letters, says who holds it, and its end costs the holder nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_object_with_a_name_names_the_holder_and_never_deletes() {
    let world = World::new("claims").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    for (n, other) in ["lake", "LAKE"].into_iter().enumerate() {
        let (holder, loser) = (format!("holder-{n}"), format!("loser-{n}"));
        world.create(&named(n, &holder, "lake")).await;
        world.ready(&holder).await;
        world.create(&named(n, &loser, other)).await;
        let told = message(&world.stalled(&loser, Reason::DuplicateOwner).await);
        let owner = format!("{}/{holder}", world.namespace.name());
        assert!(told.contains(&owner), "{owner} is not in: {told}");
        world.delete(&loser).await;
        world.gone(&loser).await;
    }
    assert_eq!(world.calls(Call::Create).len(), 2);
    assert_eq!(world.calls(Call::Delete), []);
    for n in 0..2 {
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
    }
}

/// Two objects with one name wait for their turn in the same lane, also over a restart: whoever came first gets the name.
#[tokio::test(flavor = "multi_thread")]
async fn among_those_who_wait_the_first_one_gets_the_name() {
    let world = World::new("claims-order").await;
    world.with_provider().await;
    world.job_ends("running", JobOutcome::Never);
    let mut operator = world.operator().start().await;
    for (n, is_restarted) in [false, true].into_iter().enumerate() {
        world.create(&named(n, &format!("running-{n}"), "running")).await;
        let job = world.job(&format!("running-{n}")).await;
        // By name, the second one would be first.
        let (first, second) = (format!("z-first-{n}"), format!("a-second-{n}"));
        let created = world.create(&named(n, &first, "lake")).await;
        world.reconciling(&first, Reason::Creating).await;
        let created = created.metadata.creation_timestamp.unwrap();
        // Kubernetes tells the time of a creation in whole seconds.
        let next = created.0 + jiff::SignedDuration::from_secs(1);
        wait::until(SOON, "the next second", async || {
            (jiff::Timestamp::now() >= next).then_some(())
        })
        .await;
        world.create(&named(n, &second, "LAKE")).await;
        if is_restarted {
            operator.kill().await;
            operator.restart().await;
        }
        let told = message(&world.stalled(&second, Reason::DuplicateOwner).await);
        assert!(told.contains(&first), "{told}");
        assert!(world.cloud.end_job(&job, JobOutcome::Success));
        world.ready(&first).await;
        world.stalled(&second, Reason::DuplicateOwner).await;
        assert_eq!((world.posts("lake").len(), world.posts("LAKE").len()), (n + 1, 0));
    }
}

/// A create that is under way holds the name before the cloud has answered; one that is refused gives it up.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_under_way_holds_the_name_and_a_refused_one_gives_it_up() {
    let world = World::new("claims-open").await;
    world.with_provider().await;
    let _operator = world
        .operator_with(&["--write-deadline=20s", "--lease=40s"])
        .start()
        .await;
    let refused = Answer::error(400, "DWS.5130", "The agency does not exist.");
    world.cloud.add_fault(Fault::on(Call::Create, refused).times(1));
    let is_create = |call: &Passed| call.is(Side::Cloud, "POST", "/ext-data-sources");
    let held = Rule::new(Stage::Applied, Action::Hold, is_create);
    let mut held = world.namespace.proxy().on(held);
    world.create(&named(0, "first", "lake")).await;
    held.reached(SOON).await;
    world.create(&named(0, "second", "Lake")).await;
    let told = message(&world.stalled("second", Reason::DuplicateOwner).await);
    assert!(told.contains("/first "), "{told}");
    assert_eq!(world.calls(Call::Create).len(), 1);
    held.release();
    world.stalled("first", Reason::InvalidSpec).await;
    world.ready("second").await;
    let told = message(&world.stalled("first", Reason::InvalidSpec).await);
    assert!(told.contains("DWS.5130"), "{told}");
    assert_eq!(world.effective(Call::Create), 1);
}

/// While the holder is being deleted the other waits for it, and then is created.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_object_follows_a_deleted_holder() {
    let world = World::new("claims").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&named(0, "first", "lake")).await;
    world.ready("first").await;
    world.create(&named(0, "second", "Lake")).await;
    world.stalled("second", Reason::DuplicateOwner).await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(3));
    world.delete("first").await;
    let told = message(&world.reconciling("second", Reason::WaitingForOwner).await);
    assert!(told.contains(&format!("{}/first", world.namespace.name())), "{told}");
    world.gone("first").await;
    let second = world.ready("second").await;
    let sources = world.cloud.sources(&cluster(0));
    assert_eq!(sources.len(), 1);
    assert_eq!(Some(&sources[0].id), second.status.unwrap().id.as_ref());
    assert_eq!(sources[0].name, "Lake");
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (2, 1)
    );
}

/// A holder whose create failed may take another name; the name that it leaves goes to the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_changes_its_name_sets_the_other_free() {
    let world = World::new("claims").await;
    world.with_provider().await;
    let failed = JobOutcome::Fail {
        code: "DWS.6000".to_owned(),
        detail: "no route".to_owned(),
    };
    world.cloud.update_settings(|settings| {
        let create = NameSettings {
            create_outcome: Some(failed),
            ..NameSettings::default()
        };
        settings.by_name.insert("lake".to_owned(), create);
    });
    let _operator = world.operator().start().await;
    world.create(&named(0, "first", "lake")).await;
    world.stalled("first", Reason::CreateFailed).await;
    world.create(&named(0, "second", "LAKE")).await;
    world.stalled("second", Reason::DuplicateOwner).await;
    world
        .patch("first", false, json!({"spec": {"dataSourceName": "pond"}}))
        .await;
    world.ready("first").await;
    world.ready("second").await;
    let mut names: Vec<String> = world
        .cloud
        .sources(&cluster(0))
        .into_iter()
        .map(|source| source.name)
        .collect();
    names.sort();
    assert_eq!(names, ["LAKE", "pond"]);
}

/// An object that cannot proceed claims nothing, however old it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_its_secret_claims_nothing() {
    let world = World::new("claims").await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    let mut first = mrs("first");
    "lake".clone_into(&mut first.spec.data_source_name);
    world.create(&first).await;
    world.reconciling("first", Reason::WaitingForSecret).await;
    let mut second = named(0, "second", "lake");
    CLUSTER.clone_into(&mut second.spec.cluster_id);
    world.create(&second).await;
    world.ready("second").await;
    world.with_password().await;
    let told = message(&world.stalled("first", Reason::DuplicateOwner).await);
    assert!(told.contains(&format!("{}/second", world.namespace.name())), "{told}");
    assert_eq!(world.calls(Call::Create).len(), 1);
}

/// Names clash across namespaces too, where one operator serves them all.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_another_namespace_may_hold_the_name() {
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_cluster_wide(&plane, "claims").await).await;
    world.with_provider().await;
    let _operator = world.operator().start().await;
    world.create(&named(0, "lake", "lake")).await;
    world.ready("lake").await;

    let admin = world.namespace.admin();
    let mut other = Namespace::default();
    other.metadata.name = Some("other".to_owned());
    let posting = PostParams::default();
    Api::all(admin.clone()).create(&posting, &other).await.unwrap();
    let key = secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    );
    Api::<Secret>::namespaced(admin.clone(), "other")
        .create(&posting, &key)
        .await
        .unwrap();
    let same = provider(&world.endpoint);
    Api::<DwsProvider>::namespaced(admin.clone(), "other")
        .create(&posting, &same)
        .await
        .unwrap();
    let lakes: Api<DwsDataSource> = Api::namespaced(admin, "other");
    lakes.create(&posting, &named(0, "lake", "Lake")).await.unwrap();
    let told = wait::until(SOON, "other/lake is a duplicate", async || {
        let lake = lakes.get("lake").await.unwrap();
        match verdict(&lake) {
            Some((_, Reason::DuplicateOwner)) => Ok(message(&lake)),
            other => Err(other),
        }
    })
    .await;
    assert!(told.contains(&format!("{}/lake", world.namespace.name())), "{told}");
    lakes.delete("lake", &DeleteParams::default()).await.unwrap();
    wait::until(SOON, "other/lake is gone", async || {
        match lakes.get_opt("lake").await.unwrap() {
            None => Ok(()),
            Some(lake) => Err(lake.status),
        }
    })
    .await;
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
}
