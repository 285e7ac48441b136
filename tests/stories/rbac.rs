//! Least privilege: the shipped roles grant what is written here, and the operator uses every bit of it and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dws_operator::api::data_source::{ProviderKind, ProviderRef};
use dws_operator::api::{ClusterDwsProvider, DwsDataSource, Reason};
use dws_testbed::{ControlPlane, Request, Scope, TestNamespace, wait};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

use crate::world::{ACCESS_KEY, SECRET_KEY, SOON, World, cluster, message, mrs, obs, on_cluster, provider, secret};

/// Where an operator for all namespaces has its rights.
const ALL: [&str; 2] = ["cluster-wide.yaml", "operator.yaml"];
/// Where one for single namespaces has them.
const SINGLE: [&str; 2] = ["namespaced/watched-namespace.yaml", "operator.yaml"];

/// Everything that the shipped roles grant: the file, the kind of role, the API group, the resource, its subresource, the only object's
/// name, the verb. A line more is a right more for whoever takes the operator over; the stories below must use it.
const GRANTED: [&str; 48] = [
    "cluster-wide.yaml ClusterRole apiextensions.k8s.io/customresourcedefinitions/dwsdatasources.dws.huaweicloud.com get",
    "cluster-wide.yaml ClusterRole coordination.k8s.io/leases/dws-operator get",
    "cluster-wide.yaml ClusterRole core/namespaces get",
    "cluster-wide.yaml ClusterRole core/namespaces list",
    "cluster-wide.yaml ClusterRole core/namespaces watch",
    "cluster-wide.yaml ClusterRole core/secrets get",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/clusterdwsproviders get",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/clusterdwsproviders list",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/clusterdwsproviders patch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/clusterdwsproviders watch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/clusterdwsproviders/status patch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsdatasources get",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsdatasources list",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsdatasources patch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsdatasources watch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsdatasources/status patch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsproviders get",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsproviders list",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsproviders patch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsproviders watch",
    "cluster-wide.yaml ClusterRole dws.huaweicloud.com/dwsproviders/status patch",
    "cluster-wide.yaml ClusterRole events.k8s.io/events create",
    "cluster-wide.yaml ClusterRole events.k8s.io/events patch",
    "guard-secrets/cluster-wide.yaml ClusterRole core/secrets patch",
    "guard-secrets/namespaced/watched-namespace.yaml Role core/secrets patch",
    "namespaced/watched-namespace.yaml Role core/namespaces get",
    "namespaced/watched-namespace.yaml Role core/secrets get",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsdatasources get",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsdatasources list",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsdatasources patch",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsdatasources watch",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsdatasources/status patch",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsproviders get",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsproviders list",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsproviders patch",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsproviders watch",
    "namespaced/watched-namespace.yaml Role dws.huaweicloud.com/dwsproviders/status patch",
    "namespaced/watched-namespace.yaml Role events.k8s.io/events create",
    "namespaced/watched-namespace.yaml Role events.k8s.io/events patch",
    "operator.yaml Role coordination.k8s.io/leases create",
    "operator.yaml Role coordination.k8s.io/leases/dws-operator get",
    "operator.yaml Role coordination.k8s.io/leases/dws-operator update",
    "operator.yaml Role core/secrets create",
    "operator.yaml Role core/secrets/dws-operator-hmac get",
    "watch-secrets/cluster-wide.yaml ClusterRole core/secrets list",
    "watch-secrets/cluster-wide.yaml ClusterRole core/secrets watch",
    "watch-secrets/namespaced/watched-namespace.yaml Role core/secrets list",
    "watch-secrets/namespaced/watched-namespace.yaml Role core/secrets watch",
];

/// The other objects beside the roles: who is bound to what.
const BOUND: [&str; 8] = [
    "cluster-wide.yaml ClusterRoleBinding to ClusterRole dws-operator",
    "guard-secrets/cluster-wide.yaml ClusterRoleBinding to ClusterRole dws-operator-guard-secrets",
    "guard-secrets/namespaced/watched-namespace.yaml RoleBinding to Role dws-operator-guard-secrets",
    "namespaced/watched-namespace.yaml RoleBinding to Role dws-operator",
    "operator.yaml RoleBinding to Role dws-operator-own-namespace",
    "operator.yaml ServiceAccount",
    "watch-secrets/cluster-wide.yaml ClusterRoleBinding to ClusterRole dws-operator-watch-secrets",
    "watch-secrets/namespaced/watched-namespace.yaml RoleBinding to Role dws-operator-watch-secrets",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/rbac")
}

/// Every shipped object, with its file.
fn shipped() -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path.strip_prefix(folder()).unwrap().display().to_string();
            let text = std::fs::read_to_string(&path).unwrap();
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            objects.extend(documents.into_iter().map(|document| (file.clone(), document)));
        }
    }
    objects
}

/// What a rule grants: each pair of a resource, or path, and a verb.
fn grants(rule: &PolicyRule) -> Vec<String> {
    let mut objects: Vec<String> = rule.non_resource_urls.iter().flatten().cloned().collect();
    for group in rule.api_groups.iter().flatten() {
        let group = if group.is_empty() { "core" } else { group };
        for resource in rule.resources.iter().flatten() {
            match &rule.resource_names {
                None => objects.push(format!("{group}/{resource}")),
                Some(names) => objects.extend(names.iter().map(|name| format!("{group}/{resource}/{name}"))),
            }
        }
    }
    let with_verb = |object: &String| {
        rule.verbs
            .iter()
            .map(|verb| format!("{object} {verb}"))
            .collect::<Vec<_>>()
    };
    objects.iter().flat_map(with_verb).collect()
}

/// A widened role shows here, where a reviewer sees it.
#[test]
fn the_shipped_roles_grant_what_is_listed() {
    let (mut granted, mut bound) = (Vec::new(), Vec::new());
    for (file, object) in shipped() {
        let kind = object["kind"].as_str().unwrap();
        if kind.ends_with("Role") {
            assert_eq!(
                object["aggregationRule"],
                Value::Null,
                "{file}: it takes rules from others"
            );
            let rules: Vec<PolicyRule> = serde_json::from_value(object["rules"].clone()).unwrap();
            let named = |grant: String| format!("{file} {kind} {grant}");
            granted.extend(rules.iter().flat_map(grants).map(named));
        } else if kind == "ServiceAccount" {
            bound.push(format!("{file} {kind}"));
        } else {
            let operator = json!([{"kind": "ServiceAccount", "name": "dws-operator", "namespace": "dws-operator"}]);
            assert_eq!(object["subjects"], operator, "{file}: {kind}");
            let role = |field: &str| object["roleRef"][field].as_str().unwrap().to_owned();
            bound.push(format!("{file} {kind} to {} {}", role("kind"), role("name")));
        }
    }
    granted.sort();
    bound.sort();
    assert_eq!(granted, GRANTED);
    assert_eq!(bound, BOUND);
}

/// The right that a request of an operator needs, as it is listed above; the narrowest where several grant it.
fn needed(request: &Request, namespace: &TestNamespace<'_>) -> String {
    let group = if request.group.is_empty() {
        "core"
    } else {
        &request.group
    };
    let mut object = format!("{group}/{}", request.resource);
    if !request.subresource.is_empty() {
        object = format!("{object}/{}", request.subresource);
    }
    let plain = format!("{object} {}", request.verb);
    let named = format!("{object}/{} {}", request.name, request.verb);
    let mut places = Vec::new();
    if group == "core" && request.resource == "secrets" {
        places.extend(match namespace.scope() {
            Scope::ClusterWide => [
                "guard-secrets/cluster-wide.yaml ClusterRole",
                "watch-secrets/cluster-wide.yaml ClusterRole",
            ],
            Scope::Namespaced => [
                "guard-secrets/namespaced/watched-namespace.yaml Role",
                "watch-secrets/namespaced/watched-namespace.yaml Role",
            ],
        });
    }
    if request.namespace == namespace.home() {
        places.push("operator.yaml Role");
    }
    match namespace.scope() {
        Scope::ClusterWide => places.push("cluster-wide.yaml ClusterRole"),
        Scope::Namespaced if request.namespace == namespace.name() => {
            places.push("namespaced/watched-namespace.yaml Role");
        }
        Scope::Namespaced => {}
    }
    places
        .iter()
        .flat_map(|place| [format!("{place} {plain}"), format!("{place} {named}")])
        .find(|right| GRANTED.contains(&right.as_str()))
        .unwrap_or_else(|| format!("nothing grants: {plain} in {:?}", request.namespace))
}

/// Waits until the operator has used all its rights; fails on a request that needed another one or was refused.
async fn uses_all(world: &World<'_>, files: &[&str]) {
    let granted: BTreeSet<String> = GRANTED
        .iter()
        .filter(|right| files.iter().any(|file| right.starts_with(&format!("{file} "))))
        .map(|right| (*right).to_owned())
        .collect();
    wait::until(SOON, "every right has been used, and no other", async || {
        let requests = world.namespace.operator_requests().await;
        let refused: Vec<_> = requests.iter().filter(|request| request.code == 403).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        let used: BTreeSet<String> = requests
            .iter()
            // The testbed asks about rights in the operator's name; anybody may.
            .filter(|request| !request.is_question())
            .map(|request| needed(request, &world.namespace))
            .collect();
        let excess: Vec<_> = used.difference(&granted).collect();
        assert!(excess.is_empty(), "{excess:#?}");
        match granted.difference(&used).cloned().collect::<Vec<_>>() {
            unused if unused.is_empty() => Ok(()),
            unused => Err(unused),
        }
    })
    .await;
}

/// An OBS data source that names the provider of the cluster.
fn borrower(n: usize) -> DwsDataSource {
    let mut object = on_cluster(n, obs("borrower"));
    object.spec.provider_ref = Some(ProviderRef {
        kind: ProviderKind::ClusterDwsProvider,
        name: "default".to_owned(),
    });
    object
}

/// An MRS data source with a provider of its namespace, from its creation to its end, with an event that is told twice.
async fn live_a_life(world: &World<'_>) {
    world.with_provider().await;
    world.with_password().await;
    world.create(&on_cluster(0, mrs("lake"))).await;
    let id = world.ready("lake").await.status.and_then(|status| status.id).unwrap();
    for _ in 0..2 {
        for (user, reason) in [("somebody", Some(Reason::Drifted)), ("dws_user", None)] {
            world
                .cloud
                .edit_source(&cluster(0), &id, |source| user.clone_into(&mut source.user_name));
            match reason {
                Some(reason) => world.stalled("lake", reason).await,
                None => world.ready("lake").await,
            };
        }
    }
    world.delete("lake").await;
    world.gone("lake").await;
}

/// A provider of the cluster, lent to the namespace.
async fn lend(world: &World<'_>) {
    let admin = world.namespace.admin();
    let posting = PostParams::default();
    let key = secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    );
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), world.namespace.home());
    secrets.create(&posting, &key).await.unwrap();
    let mut spec = serde_json::to_value(provider(&world.endpoint).spec.access).unwrap();
    spec["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": world.namespace.name()}});
    let lent: ClusterDwsProvider = serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1", "kind": "ClusterDwsProvider",
        "metadata": {"name": "default"}, "spec": spec,
    }))
    .unwrap();
    Api::all(admin).create(&posting, &lent).await.unwrap();
}

/// The same life, beside a data source that uses the provider of the cluster.
async fn live_with_the_cluster(world: &World<'_>) {
    world.create(&borrower(1)).await;
    world.ready("borrower").await;
    let claimed = json!({"status": {"controller": "elsewhere/dws-operator"}});
    world.patch("borrower", true, claimed).await;
    world.event("borrower", "TakenOver").await;
    live_a_life(world).await;
    world.delete("borrower").await;
    world.gone("borrower").await;
}

/// An operator for all namespaces, with a provider of each kind.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_for_all_namespaces_uses_all_its_rights_and_no_other() {
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_apart(&plane, "rbac", Scope::ClusterWide).await).await;
    lend(&world).await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    live_with_the_cluster(&world).await;
    let events: Api<Event> = Api::namespaced(world.namespace.admin(), "default");
    wait::until(SOON, "an event about the provider of the cluster", async || {
        let told = events.list(&ListParams::default()).await.unwrap().items;
        let is_it = |event: &&Event| {
            let about = event.regarding.as_ref().and_then(|about| about.kind.as_deref());
            about == Some("ClusterDwsProvider") && event.reason.as_deref() == Some("Available")
        };
        told.iter().find(is_it).map(|_| ()).ok_or_else(|| format!("{told:?}"))
    })
    .await;
    uses_all(&world, &ALL).await;
}

/// An operator for single namespaces needs nothing in the cluster and, in its own namespace, only the Lease. It cannot use a provider of
/// the cluster: it says so, without asking for one.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_for_one_namespace_uses_all_its_rights_and_no_other() {
    let plane = ControlPlane::shared().await;
    let world = World::within(TestNamespace::create_apart(plane, "rbac", Scope::Namespaced).await).await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&borrower(1)).await;
    let told = message(&world.reconciling("borrower", Reason::WaitingForProvider).await);
    assert!(told.contains("cannot read providers of the cluster"), "{told}");
    live_a_life(&world).await;
    world.delete("borrower").await;
    world.gone("borrower").await;
    uses_all(&world, &SINGLE).await;
}

/// With both flags about Secrets the operator uses the extra rights too; what they are for stays out of the roles of the others.
#[tokio::test(flavor = "multi_thread")]
async fn the_flags_about_secrets_use_their_extra_rights_and_no_other() {
    const EXTRA: [&str; 2] = [
        "guard-secrets/namespaced/watched-namespace.yaml",
        "watch-secrets/namespaced/watched-namespace.yaml",
    ];
    let plane = ControlPlane::shared().await;
    let world = World::within(TestNamespace::create_apart(plane, "rbac", Scope::Namespaced).await).await;
    world.namespace.grant("guard-secrets", "patch").await;
    world.namespace.grant("watch-secrets", "watch").await;
    let flags = ["--resync-period=1s", "--watch-secrets", "--guard-secrets"];
    let _operator = world.operator().args(flags).start().await;
    live_a_life(&world).await;
    uses_all(&world, &[SINGLE.as_slice(), &EXTRA].concat()).await;
}

/// The same for an operator that serves all namespaces.
#[tokio::test(flavor = "multi_thread")]
async fn the_flags_about_secrets_use_their_extra_rights_in_the_whole_cluster() {
    const EXTRA: [&str; 2] = ["guard-secrets/cluster-wide.yaml", "watch-secrets/cluster-wide.yaml"];
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_apart(&plane, "rbac", Scope::ClusterWide).await).await;
    world.namespace.grant("guard-secrets", "patch").await;
    world.namespace.grant("watch-secrets", "watch").await;
    let flags = ["--resync-period=1s", "--watch-secrets", "--guard-secrets"];
    lend(&world).await;
    let _operator = world.operator().args(flags).start().await;
    live_with_the_cluster(&world).await;
    uses_all(&world, &[ALL.as_slice(), &EXTRA].concat()).await;
}
