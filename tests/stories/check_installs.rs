//! `dws-operator check` finds another install before either of the two has an object.

use dws_testbed::{Checked, ControlPlane, Operator, Scope, TestNamespace, check};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{World, operator_ready};

/// The line about the install of this namespace, if there is one.
fn about(checked: &Checked, other: &str) -> Option<String> {
    let words = format!("another install, {other}/dws-operator: ");
    let found = checked.report.lines().find(|line| line.contains(&words));
    found.map(str::to_owned)
}

async fn started(world: &World<'_>, flags: &[&str]) -> Operator {
    let operator = world.operator().args(flags.iter().copied()).start().await;
    operator_ready(&operator).await;
    operator
}

/// Who watches the same is told by its Lease, and no more once it has ended; who watches something else is no trouble, and who does not tell
/// may be.
#[tokio::test(flavor = "multi_thread")]
async fn two_installs_are_found_before_they_have_objects() {
    let plane = ControlPlane::start().await;
    let old = World::within(TestNamespace::create_cluster_wide(&plane, "check-old").await).await;
    let new = old.beside(TestNamespace::create_cluster_wide(&plane, "check-new").await);
    let (home, elsewhere) = (
        old.namespace.home(),
        format!("--watch-namespace={}", old.namespace.name()),
    );
    let alone = check(&new.namespace, &[]).await;
    assert_eq!(about(&alone, home), None, "{}", alone.report);

    let first = started(&old, &[]).await;
    for (flags, shared) in [
        (&[][..], "all namespaces"),
        (&[elsewhere.as_str()], old.namespace.name()),
    ] {
        let checked = check(&new.namespace, flags).await;
        let told = about(&checked, home).unwrap_or_else(|| panic!("{}", checked.report));
        let is_whole =
            told.starts_with("wrong") && told.contains(shared) && told.contains("Two installs must not watch");
        assert!(is_whole && !checked.status.success(), "{told}");
    }
    let own = check(&old.namespace, &[]).await;
    assert_eq!(
        about(&own, home),
        None,
        "its own Lease is no other install: {}",
        own.report
    );

    // Once it is stopped, it is no trouble any more.
    first.terminate().await;
    let ended = check(&new.namespace, &[]).await;
    assert_eq!(about(&ended, home), None, "{}", ended.report);

    let watched = new.namespace.name();
    let apart = started(&old, &[&format!("--watch-namespace={}", old.namespace.name())]).await;
    let other = check(&new.namespace, &[&format!("--watch-namespace={watched}")]).await;
    let told = about(&other, home).unwrap_or_else(|| panic!("{}", other.report));
    assert!(
        told.starts_with("ok") && told.contains("it watches other namespaces"),
        "{told}"
    );

    let silent = json!({"metadata": {"annotations": null}});
    let leases = Api::<Lease>::namespaced(old.namespace.admin(), home);
    apart.pause();
    leases
        .patch("dws-operator", &PatchParams::default(), &Patch::Merge(silent))
        .await
        .unwrap();
    let unknown = check(&new.namespace, &[]).await;
    let told = about(&unknown, home).unwrap_or_else(|| panic!("{}", unknown.report));
    assert!(
        told.starts_with("? ") && told.contains("does not tell what it watches"),
        "{told}"
    );
}

/// With rights in single namespaces nobody else's Lease can be read, and the check says what follows from that.
#[tokio::test(flavor = "multi_thread")]
async fn an_install_for_single_namespaces_is_told_what_it_cannot_see() {
    let plane = ControlPlane::shared().await;
    let world = World::within(TestNamespace::create_apart(plane, "check-apart", Scope::Namespaced).await).await;
    let checked = check(&world.namespace, &[]).await;
    let told = checked.report.lines().find(|line| line.contains("other installs: "));
    let words = "shows once it has claimed a data source";
    assert!(
        told.is_some_and(|line| line.starts_with("ok") && line.contains(words)),
        "{}",
        checked.report
    );
}
