//! What another object made, or took over first, is taken over by nobody else.

use dws_operator::api::Reason;
use dws_operator::api::data_source::{DeletionPolicy, ReplacementPolicy};
use dws_simulator::Call as CloudCall;
use dws_testbed::{Action, Api, ControlPlane, Rule, Scope, Stage, TestNamespace};
use serde_json::{Value, json};

use crate::import::{imported, importing, seed};
use crate::observe::observing;
use crate::world::{CLUSTER, PROJECT, SOON, World, cluster, id, message, obs, on_cluster, provider, uses};

fn is_taken_over(patch: &Value) -> bool {
    let operations = patch.as_array().into_iter().flatten();
    let mut written = operations.filter(|operation| operation["path"] == "/status");
    written.any(|status| status["value"]["imported"].is_object())
}

/// Within a namespace what another object made is out of reach.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_object_made_is_out_of_reach() {
    let world = World::new("import").await;
    world.with_provider().await;
    out_of_reach(&world, &world).await;
}

/// Between two namespaces too, each with a provider of its own to the same account, by another name of its endpoint.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_tenant_made_is_out_of_reach() {
    let plane = ControlPlane::start().await;
    let thief = World::within(TestNamespace::create_apart(&plane, "thief", Scope::ClusterWide).await).await;
    let owner = thief.beside(TestNamespace::create(&plane, "owner").await);
    assert_ne!(owner.endpoint, thief.endpoint);
    owner.with_provider().await;
    thief.with_provider().await;
    out_of_reach(&owner, &thief).await;
}

/// By name, by id, by an edited status, by observing it first, through another provider, also while the owner's spec says another name or its
/// status is lost: what a living object made is not taken over, not updated and not deleted.
async fn out_of_reach(theirs: &World<'_>, own: &World<'_>) {
    const ALL: usize = 8;
    const OBSERVED: [usize; 2] = [6, 7];
    let mut other = provider(&own.endpoint);
    other.metadata.name = Some("other".to_owned());
    own.create(&other).await;
    let mut operator = own.operator().args(["--resync-period=1s"]).start().await;
    let owner = |n: usize| format!("owner-{n}");
    let mut ids = Vec::new();
    for n in 0..ALL {
        let mut object = on_cluster(n, obs(&owner(n)));
        "lake".clone_into(&mut object.spec.data_source_name);
        if n == 5 {
            // What was taken over carries no marker: only the record tells whose it is.
            theirs.cloud.put_source(&cluster(n), seed("lake"));
            object = importing(object, None, DeletionPolicy::Delete);
        }
        object.spec.replacement_policy = Some(ReplacementPolicy::OnApproval);
        theirs.create(&object).await;
        ids.push(id(&theirs.ready(&owner(n)).await).unwrap());
    }
    // Their specs say another name by now; nobody has approved of that yet.
    for n in [1, 5] {
        theirs
            .edit(&owner(n), json!({"spec": {"dataSourceName": "pond", "import": null}}))
            .await;
        theirs.stalled(&owner(n), Reason::ApprovalRequired).await;
    }
    let thief = |n: usize, import: Option<&str>| {
        let mut object = on_cluster(n, obs(&format!("thief-{n}")));
        "lake".clone_into(&mut object.spec.data_source_name);
        "stolen".clone_into(&mut object.spec.user_name);
        uses(importing(object, import, DeletionPolicy::Delete), "other")
    };
    for (n, import) in [(0, None), (1, Some(ids[1].as_str())), (5, Some(ids[5].as_str()))] {
        own.create(&thief(n, import)).await;
    }
    for (n, import) in [(6, None), (7, Some(ids[7].as_str()))] {
        own.create(&observing(thief(n, import))).await;
        own.stalled(&format!("thief-{n}"), Reason::Drifted).await;
    }
    // With a status that says that it is its own: created, and taken over.
    operator.kill().await;
    // Where the owner has lost all that it knew, it has to find out as well.
    theirs.patch(&owner(2), true, json!({"status": null})).await;
    let lost = json!({"metadata": {"annotations": null}});
    theirs.patch(&owner(2), false, lost).await;
    own.create(&thief(2, Some(&ids[2]))).await;
    for (n, is_imported) in [(3, false), (4, true)] {
        let created = own.create(&thief(n, Some(&ids[n]))).await;
        let uid = created.metadata.uid.unwrap();
        let forged = json!({"status": {
            "observedGeneration": -1, "id": ids[n],
            "cloud": {"provider": "DwsProvider/other", "endpoint": own.endpoint, "projectID": PROJECT, "clusterID": cluster(n)},
            "lastAttempt": {"id": "forged", "outcome": "Created"},
            "imported": is_imported.then(|| json!({"uid": uid, "id": ids[n], "name": "lake", "type": "OBS"})),
            "conditions": [],
        }});
        own.patch(&format!("thief-{n}"), true, forged).await;
    }
    operator.restart().await;
    let refused = async |n: usize| {
        let told = message(&own.stalled(&format!("thief-{n}"), Reason::DuplicateOwner).await);
        let holder = format!("{}/{}", theirs.namespace.name(), owner(n));
        assert!(told.contains(&holder), "{n}: {told}");
    };
    for n in (0..ALL).filter(|n| !OBSERVED.contains(n)) {
        refused(n).await;
    }
    own.lists_later(ALL).await;
    // What was observed is not managed for that.
    own.edit("thief-7", json!({"spec": {"managementPolicy": "Manage"}}))
        .await;
    refused(7).await;
    own.stalled("thief-6", Reason::Drifted).await;
    own.lists_later(ALL).await;
    for n in 0..ALL {
        let thief = format!("thief-{n}");
        own.delete(&thief).await;
        // What nobody can tell stays with its object until somebody says that it may go.
        if n == 3 {
            own.edit(&thief, json!({"spec": {"deletionPolicy": "Retain"}})).await;
        }
        own.gone(&thief).await;
        let left: Vec<_> = own
            .cloud
            .sources(&cluster(n))
            .into_iter()
            .map(|source| (source.id, source.user_name))
            .collect();
        assert_eq!(left, [(ids[n].clone(), "DWSAccessOBS".to_owned())], "{n}");
    }
    for n in (0..ALL).filter(|n| ![1, 5].contains(n)) {
        assert_eq!(id(&theirs.ready(&owner(n)).await).as_ref(), Some(&ids[n]), "{n}");
    }
    assert_eq!(
        (own.calls(CloudCall::Update), own.calls(CloudCall::Delete)),
        (vec![], vec![])
    );
    assert_eq!(own.calls(CloudCall::Create).len(), ALL - 1);
}

/// Of two objects that take over the same, the older one holds it; the other one writes nothing and leaves it alone when it goes.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_imports_of_the_same_the_older_one_holds_it() {
    let world = World::new("import").await;
    world.with_provider().await;
    let source = world.cloud.put_source(CLUSTER, seed("lake"));
    let mut hold = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, |call| {
            call.is(Api::Kube, "PATCH", "/status") && is_taken_over(&call.request)
        }));
    let mut operator = world.operator().start().await;
    let twin = |name: &str| {
        let mut object = importing(obs(name), Some(&source), DeletionPolicy::Delete);
        "lake".clone_into(&mut object.spec.data_source_name);
        object
    };
    let first = world.create(&twin("first")).await;
    let created = first.metadata.creation_timestamp.unwrap().0;
    // The first has looked, and has not told yet what it took over, when the second one looks.
    hold.reached(SOON).await;
    let next = created + jiff::SignedDuration::from_secs(1);
    dws_testbed::wait::until(SOON, "the next second", async || {
        (jiff::Timestamp::now() >= next).then_some(())
    })
    .await;
    world.create(&twin("second")).await;
    world
        .until("second", "it took over or was refused", |object| {
            imported(object).is_some() || crate::world::verdict(object).is_some()
        })
        .await;
    hold.release();
    world.ready("first").await;
    for _ in 0..2 {
        let told = message(&world.stalled("second", Reason::DuplicateOwner).await);
        assert!(told.contains("/first"), "{told}");
        operator.kill().await;
        operator.restart().await;
    }
    world.ready("first").await;
    world.delete("second").await;
    world.gone("second").await;
    assert_eq!(world.calls(CloudCall::Delete), []);
    world.delete("first").await;
    world.gone("first").await;
    assert_eq!(world.cloud.sources(CLUSTER), []);
    assert_eq!(
        (world.calls(CloudCall::Create).len(), world.effective(CloudCall::Delete)),
        (0, 1)
    );
}
