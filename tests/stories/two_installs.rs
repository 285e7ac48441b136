//! Two installs of the operator in one Kubernetes cluster: an object belongs to the one that wrote to it first, for as long as its Lease lasts.

use dws_operator::api::DwsDataSource;
use dws_simulator::Call;
use dws_testbed::{
    Action, Api as Side, Call as Passed, ControlPlane, Operator, Rule, Stage, TestNamespace, check, wait,
};
use futures::future::join_all;
use serde_json::json;

use crate::metrics::scrape;
use crate::world::{SOON, World, cluster, obs, on_cluster};

/// The install that an object belongs to.
fn controller(object: &DwsDataSource) -> Option<&str> {
    object.status.as_ref()?.controller.as_deref()
}

fn install(world: &World<'_>) -> String {
    format!("{}/dws-operator", world.namespace.home())
}

/// Two namespaces, each with an install for all namespaces. The objects of the stories are in the first one.
async fn two(plane: &ControlPlane) -> [World<'_>; 2] {
    let old = World::within(TestNamespace::create_cluster_wide(plane, "install-old").await).await;
    let new = old.beside(TestNamespace::create_cluster_wide(plane, "install-new").await);
    old.with_provider().await;
    [old, new]
}

/// Waits until an operator says how many objects it leaves to another install.
async fn leaves(operator: &Operator, objects: f64) {
    wait::until(SOON, "it says how many objects it leaves alone", async || {
        let metrics = scrape(operator).await;
        match metrics.get("dws_objects_claimed_elsewhere") {
            Some(found) if (found - objects).abs() < 0.5 => Ok(()),
            other => Err(other.copied()),
        }
    })
    .await;
}

/// The second install leaves the objects of the first one alone, old and new, live and deleted, and says so; the check finds it. When the
/// first one is stopped for good the second takes them over, and neither creates nor deletes anything for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_install_leaves_objects_alone_until_the_first_has_ended() {
    let plane = ControlPlane::start().await;
    let [old, new] = two(&plane).await;
    let first = old.operator().start().await;
    for n in 0..3 {
        old.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
        let object = old.ready(&format!("lake-{n}")).await;
        assert_eq!(controller(&object), Some(install(&old).as_str()));
    }
    let second = new.operator_with(&["--stalled-recheck=1h"]).start().await;
    leaves(&second, 3.0).await;
    let said = "another install of the operator works on an object";
    assert_eq!(second.log().matches(said).count(), 1, "one line for all objects");
    let checked = check(&new.namespace, &[]).await;
    let words = format!(
        "another install, {}: works on 3 of the watched data sources",
        install(&old)
    );
    assert!(
        checked.wrong().iter().any(|line| line.contains(&words)),
        "{}",
        checked.report
    );
    old.delete("lake-0").await;
    old.gone("lake-0").await;
    leaves(&second, 2.0).await;
    assert_eq!(old.cloud.sources(&cluster(0)), []);
    let writes = new.namespace.operator_writes().await;
    let touched: Vec<_> = writes
        .iter()
        .filter(|write| write.resource == "dwsdatasources")
        .collect();
    assert!(touched.is_empty(), "{touched:?}");

    first.terminate().await;
    for n in 1..3 {
        let name = format!("lake-{n}");
        old.event(&name, "TakenOver").await;
        old.until(&name, "taken over", |object| {
            controller(object) == Some(install(&new).as_str())
        })
        .await;
        old.ready(&name).await;
    }
    leaves(&second, 0.0).await;
    assert_eq!((old.calls(Call::Create).len(), old.calls(Call::Delete).len()), (3, 1));
    // The old one comes back: now it is the one that leaves them alone.
    let back = old.operator().start().await;
    leaves(&back, 2.0).await;
    old.delete("lake-1").await;
    old.gone("lake-1").await;
    assert_eq!(
        (old.cloud.sources(&cluster(1)).len(), old.calls(Call::Delete).len()),
        (0, 2)
    );
    assert!(!old.events("lake-1").await.contains(&"Orphaned".to_owned()));
}

/// A first install that is killed at a write of a create or a delete never comes back: the second one waits for the end of its Lease, takes
/// over and ends it, with one data source or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_moved_install_goes_on_where_the_old_one_was_killed() {
    type Step = (&'static str, fn(&Passed) -> bool);
    let creates: [Step; 3] = [
        ("intent", |call| {
            call.is(Side::Kube, "PATCH", "/dwsdatasources/lake") && !call.path.ends_with("/status")
        }),
        ("post", |call| call.is(Side::Cloud, "POST", "/ext-data-sources")),
        ("status", |call| {
            call.is(Side::Kube, "PATCH", "/dwsdatasources/lake/status")
        }),
    ];
    let deletes: [Step; 2] = [
        ("delete", |call| call.is(Side::Cloud, "DELETE", "/ext-data-sources/")),
        ("finalizer", |call| {
            call.is(Side::Kube, "PATCH", "/dwsdatasources/lake") && !call.path.ends_with("/status")
        }),
    ];
    let steps = creates
        .iter()
        .map(|step| (step, false))
        .chain(deletes.iter().map(|step| (step, true)));
    let cases =
        steps.flat_map(|(step, is_delete)| [Stage::Before, Stage::Applied].map(|stage| (*step, is_delete, stage)));
    let plane = ControlPlane::start().await;
    let plane = &plane;
    let cases: Vec<_> = cases.collect();
    for some in cases.chunks(5) {
        join_all(some.iter().map(|((what, is_it), is_delete, stage)| async move {
            // Each in two namespaces of its own: installs for single namespaces would not read each other's Leases.
            let old =
                World::within(TestNamespace::create_apart(plane, "moved", dws_testbed::Scope::Namespaced).await).await;
            let other = TestNamespace::create(plane, "moving").await;
            grant(&old, other.home()).await;
            let new = old.beside(other);
            old.with_provider().await;
            let first = old.operator().args(["--late-effects=4s"]).start().await;
            if *is_delete {
                old.create(&obs("lake")).await;
                old.ready("lake").await;
            }
            let is_it = *is_it;
            let mut hit = old.namespace.proxy().on(Rule::new(*stage, Action::Hold, is_it));
            if *is_delete {
                old.delete("lake").await;
            } else {
                old.create(&obs("lake")).await;
            }
            hit.reached(SOON).await;
            first.kill().await;
            drop(hit);
            let watch = format!("--watch-namespace={}", old.namespace.name());
            let _second = new.operator().args([watch.as_str(), "--late-effects=4s"]).start().await;
            if !*is_delete {
                let is_taken = |object: &DwsDataSource| controller(object) == Some(install(&new).as_str());
                old.until("lake", "taken over", is_taken).await;
                let object = old.ready("lake").await;
                assert_eq!(controller(&object), Some(install(&new).as_str()), "{what} {stage:?}");
                assert_eq!(old.effective(Call::Create), 1, "{what} {stage:?}");
                assert_eq!(old.calls(Call::Delete), [], "{what} {stage:?}");
                old.delete("lake").await;
            }
            old.gone("lake").await;
            assert_eq!(old.cloud.sources(crate::world::CLUSTER), [], "{what} {stage:?}");
            assert_eq!(
                (old.effective(Call::Create), old.effective(Call::Delete)),
                (1, 1),
                "{what} {stage:?}"
            );
        }))
        .await;
    }
}

/// Lets the operator of the namespace `other` work in the watched namespace of a world, and read the Lease in its home.
async fn grant(world: &World<'_>, other: &str) {
    use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
    use kube::Api;
    use kube::api::PostParams;
    let (posting, admin) = (PostParams::default(), world.namespace.admin());
    let subject = json!([{"kind": "ServiceAccount", "name": "dws-operator", "namespace": other}]);
    let bind = |name: &str, role: &str| -> RoleBinding {
        serde_json::from_value(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}, "subjects": subject,
        }))
        .unwrap()
    };
    let role: Role = serde_json::from_value(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "sees-lease"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["dws-operator"], "verbs": ["get"]}],
    }))
    .unwrap();
    let home: Api<Role> = Api::namespaced(admin.clone(), world.namespace.home());
    home.create(&posting, &role).await.unwrap();
    let home: Api<RoleBinding> = Api::namespaced(admin.clone(), world.namespace.home());
    home.create(&posting, &bind("sees-lease", "sees-lease")).await.unwrap();
    let watched: Api<RoleBinding> = Api::namespaced(admin, world.namespace.name());
    watched.create(&posting, &bind("moved", "dws-operator")).await.unwrap();
}

/// Both installs meet the same new objects at once: each object is one's from its first write on, and gets one data source.
#[tokio::test(flavor = "multi_thread")]
async fn two_installs_that_meet_new_objects_at_once_share_them() {
    let plane = ControlPlane::start().await;
    let [old, new] = two(&plane).await;
    let operators = [old.operator().start().await, new.operator().start().await];
    for n in 0..20 {
        old.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    let mut owners = Vec::new();
    for n in 0..20 {
        let object = old.ready(&format!("lake-{n}")).await;
        owners.extend(controller(&object).map(str::to_owned));
        assert_eq!(old.cloud.sources(&cluster(n)).len(), 1);
    }
    assert!(
        owners
            .iter()
            .all(|owner| [install(&old), install(&new)].contains(owner)),
        "{owners:?}"
    );
    assert_eq!(old.calls(Call::Create).len(), 20, "one request each");
    // Each object keeps its owner, and that one deletes it.
    for n in 0..20 {
        old.delete(&format!("lake-{n}")).await;
    }
    for n in 0..20 {
        old.gone(&format!("lake-{n}")).await;
        assert_eq!(old.cloud.sources(&cluster(n)), []);
    }
    assert_eq!(old.calls(Call::Delete).len(), 20, "one request each");
    drop(operators);
}

/// Without the right to read the other's Lease an install takes it to live: it leaves the objects alone, and the check says what to do.
#[tokio::test(flavor = "multi_thread")]
async fn an_install_that_cannot_tell_leaves_objects_alone() {
    let world = World::new("install").await;
    world.with_provider().await;
    let operator = world.operator_with(&["--stalled-recheck=2s"]).start().await;
    world.create(&on_cluster(0, obs("lake"))).await;
    world.ready("lake").await;
    let claim = |by: Option<&str>| json!({"status": {"controller": by}});
    world.patch("lake", true, claim(Some("elsewhere/dws-operator"))).await;
    world.delete("lake").await;
    leaves(&operator, 1.0).await;
    world.later_life().await;
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    let checked = check(&world.namespace, &[]).await;
    let words = "another install, elsewhere/dws-operator: works on 1 of the watched data sources";
    let told = checked
        .report
        .lines()
        .any(|line| line.starts_with("? ") && line.contains(words));
    assert!(told && checked.status.success(), "{}", checked.report);
    world.patch("lake", true, claim(None)).await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(&cluster(0)), []);
}
