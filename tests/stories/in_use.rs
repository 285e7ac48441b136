//! Providers stay as long as data sources use them.

use dws_operator::api::data_source::{ProviderKind, ProviderRef};
use dws_operator::api::provider::DwsProvider;
use dws_operator::api::{ClusterDwsProvider, Condition, ConditionType, FINALIZER, Reason};
use dws_simulator::Call as CloudCall;
use dws_testbed::{Action, Api as Side, Call, ControlPlane, Rule, Stage, TestNamespace, wait};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::world::{SOON, World, cluster, message, obs, on_cluster, provider};

/// Waits until the provider is as described; none is one that is gone.
pub async fn until_provider(
    world: &World<'_>,
    name: &str,
    what: &str,
    is: impl Fn(Option<&DwsProvider>) -> bool,
) -> Option<DwsProvider> {
    let providers: Api<DwsProvider> = world.api();
    wait::until_object(&providers, name, SOON, &format!("{name}: {what}"), is).await
}

/// Waits until the provider `default` says that so many data sources use it.
pub async fn counted(world: &World<'_>, number: usize) {
    let number = i64::try_from(number).expect("a small number");
    until_provider(world, "default", &format!("{number} users"), |provider| {
        users(provider) == Some(number)
    })
    .await;
}

/// How many data sources use the provider, as it says.
fn users(provider: Option<&DwsProvider>) -> Option<i64> {
    provider?.status.as_ref()?.users
}

fn is_held(provider: Option<&DwsProvider>) -> bool {
    provider.is_some_and(|provider| provider.finalizers().iter().any(|finalizer| finalizer == FINALIZER))
}

async fn delete_provider(world: &World<'_>, name: &str) {
    let providers: Api<DwsProvider> = world.api();
    providers
        .delete(name, &DeleteParams::default())
        .await
        .expect("it exists");
}

/// The provider is held before the first create is even recorded; told to go, it says who uses it, serves what exists, takes nothing new, and
/// goes with its last user. Others' finalizers are none of the operator's business.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_goes_after_its_users() {
    let world = World::new("in-use").await;
    world.with_provider().await;
    let providers: Api<DwsProvider> = world.api();
    let other = Patch::Merge(json!({"metadata": {"finalizers": ["example.com/other"]}}));
    providers
        .patch("default", &PatchParams::default(), &other)
        .await
        .unwrap();
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    let provider = until_provider(&world, "default", "one user", |provider| users(provider) == Some(1)).await;
    assert_eq!(provider.unwrap().finalizers(), ["example.com/other", FINALIZER]);
    let writes = world.namespace.operator_writes().await;
    let first = |resource: &str| {
        let is_it = |write: &dws_testbed::Request| write.resource == resource && write.subresource.is_empty();
        writes.iter().position(is_it).expect("it is written")
    };
    assert!(first("dwsproviders") < first("dwsdatasources"), "{writes:#?}");

    delete_provider(&world, "default").await;
    let waiting = until_provider(&world, "default", "it says who uses it", |provider| {
        let conditions = provider
            .and_then(|provider| provider.status.as_ref())
            .map(|status| &status.conditions);
        let tells = |c: &Condition| c.type_ == ConditionType::Reconciling && c.reason == Reason::Deleting;
        conditions.is_some_and(|all| all.iter().any(|c| tells(c) && c.message.contains("/lake")))
    });
    waiting.await;
    world.create(&on_cluster(1, obs("too-late"))).await;
    let told = message(&world.reconciling("too-late", Reason::WaitingForProvider).await);
    assert!(told.contains("being deleted"), "{told}");
    world.lists_later(2).await;
    assert_eq!(world.flips("lake"), 0, "it is still observed");
    world.delete("lake").await;
    world.gone("lake").await;
    let left = until_provider(&world, "default", "it is let go", |provider| {
        provider.is_some_and(|provider| provider.finalizers() == ["example.com/other"])
    });
    left.await;
    assert!(world.cloud.sources(crate::world::CLUSTER).is_empty());
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    providers
        .patch("default", &PatchParams::default(), &none)
        .await
        .unwrap();
    until_provider(&world, "default", "gone", |provider| provider.is_none()).await;

    world.create(&crate::world::provider(&world.endpoint)).await;
    world.ready("too-late").await;
    assert_eq!(world.calls(CloudCall::Create).len(), 2);
}

/// Many data sources at once cost few writes to their provider, and the number is right in the end.
#[tokio::test(flavor = "multi_thread")]
async fn many_users_are_counted_with_few_writes() {
    const OBJECTS: usize = 60;
    let world = World::new("in-use").await;
    world.with_provider().await;
    let _operator = world.operator_with(&["--secret-recheck=2s"]).start().await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    counted(&world, OBJECTS).await;
    for n in 0..OBJECTS {
        world.delete(&format!("lake-{n}")).await;
    }
    for n in 0..OBJECTS {
        world.gone(&format!("lake-{n}")).await;
    }
    until_provider(&world, "default", "nobody is left", |provider| {
        users(provider) == Some(0) && !is_held(provider)
    })
    .await;
    let writes = world.namespace.operator_writes().await;
    let to_provider = writes.iter().filter(|write| write.resource == "dwsproviders").count();
    assert!(to_provider < OBJECTS / 2, "{to_provider}");
}

/// A restarted operator lets no provider go before it knows all data sources; a finalizer that somebody takes off a provider in use is put back.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_in_use_is_held_over_a_restart() {
    let world = World::new("in-use").await;
    world.with_provider().await;
    let mut operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    operator.kill().await;
    delete_provider(&world, "default").await;
    let is_list = |call: &Call| call.is(Side::Kube, "GET", "/dwsdatasources") && call.path.ends_with("/dwsdatasources");
    let mut list = world
        .namespace
        .proxy()
        .on(Rule::new(Stage::Before, Action::Hold, is_list));
    let since = jiff::Timestamp::now();
    operator.restart().await;
    list.reached(SOON).await;
    world.secret_read_since("dws-access-key", since, 3).await;
    let providers: Api<DwsProvider> = world.api();
    assert!(is_held(providers.get_opt("default").await.unwrap().as_ref()));
    list.release();
    world.delete("lake").await;
    world.gone("lake").await;
    until_provider(&world, "default", "gone", |provider| provider.is_none()).await;
    assert!(world.cloud.sources(crate::world::CLUSTER).is_empty());

    world.create(&crate::world::provider(&world.endpoint)).await;
    world.create(&on_cluster(1, obs("pond"))).await;
    world.ready("pond").await;
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    providers
        .patch("default", &PatchParams::default(), &none)
        .await
        .unwrap();
    until_provider(&world, "default", "held again", is_held).await;
    assert_eq!(world.cloud.sources(&cluster(1)).len(), 1);
}

/// A provider of the cluster that is told to go stays for those who use it, and not for those who only name it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_provider_goes_after_its_users() {
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_cluster_wide(&plane, "in-use").await).await;
    world.with_provider().await;
    let mut spec = serde_json::to_value(provider(&world.endpoint).spec.access).unwrap();
    spec["namespaceSelector"] = json!({});
    spec["clusterIDs"] = json!([cluster(0)]);
    let lent: ClusterDwsProvider = serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1", "kind": "ClusterDwsProvider",
        "metadata": {"name": "shared"}, "spec": spec,
    }))
    .unwrap();
    let providers: Api<ClusterDwsProvider> = Api::all(world.namespace.admin());
    providers.create(&PostParams::default(), &lent).await.unwrap();
    let _operator = world.operator().start().await;
    for (n, name) in ["lake", "refused"].into_iter().enumerate() {
        let mut object = on_cluster(n, obs(name));
        object.spec.provider_ref = Some(ProviderRef {
            kind: ProviderKind::ClusterDwsProvider,
            name: "shared".to_owned(),
        });
        world.create(&object).await;
    }
    world.ready("lake").await;
    world.stalled("refused", Reason::AccessDenied).await;
    providers.delete("shared", &DeleteParams::default()).await.unwrap();
    let tells = |provider: Option<&ClusterDwsProvider>| {
        let status = provider.and_then(|provider| provider.status.as_ref());
        status.is_some_and(|status| {
            let is_it = |c: &Condition| c.reason == Reason::Deleting && c.message.ends_with("/lake.");
            status.users == Some(1) && status.conditions.iter().any(is_it)
        })
    };
    wait::until_object(&providers, "shared", SOON, "it says who uses it", tells).await;
    world.delete("lake").await;
    world.gone("lake").await;
    let is_gone = |provider: Option<&ClusterDwsProvider>| provider.is_none();
    wait::until_object(&providers, "shared", SOON, "it is gone", is_gone).await;
    assert!(world.cloud.sources(&cluster(0)).is_empty());
    world.reconciling("refused", Reason::WaitingForProvider).await;
}
