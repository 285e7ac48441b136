//! The end of a namespace, with the real namespace controller: whatever goes first, it ends, and the cloud is clean or what stays is told.

use std::time::Duration;

use dws_operator::api::data_source::DeletionPolicy;
use dws_operator::api::names::FORCE_DELETE_ANNOTATION;
use dws_operator::api::provider::DwsProvider;
use dws_operator::api::{DwsDataSource, Reason};
use dws_testbed::{ControlPlane, NamespaceController, Scope, TestNamespace, wait};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::world::{ACCESS_KEY, SECRET_KEY, World, cluster, obs, on_cluster, provider, secret, verdict};

/// How long a namespace may take to end: its controller looks again after some seconds only.
const END: Duration = Duration::from_mins(2);

/// What a user may delete before, or instead of, the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Secret,
    Provider,
    DataSource,
}

/// Every order of the three, and the namespace without any of them.
const ORDERS: [&[Part]; 7] = {
    use Part::{DataSource, Provider, Secret};
    [
        &[],
        &[Secret, Provider, DataSource],
        &[Secret, DataSource, Provider],
        &[Provider, Secret, DataSource],
        &[Provider, DataSource, Secret],
        &[DataSource, Secret, Provider],
        &[DataSource, Provider, Secret],
    ]
};

/// A namespace of a tenant with a data source, its provider and its Secret.
struct Tenant {
    admin: Client,
    name: String,
    n: usize,
}

impl Tenant {
    /// Makes one; its data source is on the n-th cluster.
    async fn create(world: &World<'_>, n: usize, change: impl Fn(&mut DwsDataSource)) -> Self {
        let tenant = Tenant {
            admin: world.namespace.admin(),
            name: format!("{}-tenant-{n}", world.namespace.name()),
            n,
        };
        let posting = PostParams::default();
        let namespace = serde_json::from_value(json!({"metadata": {"name": tenant.name}})).unwrap();
        let namespaces: Api<Namespace> = Api::all(tenant.admin.clone());
        namespaces.create(&posting, &namespace).await.unwrap();
        let key = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
        tenant
            .secrets()
            .create(&posting, &secret("dws-access-key", &key))
            .await
            .unwrap();
        tenant
            .providers()
            .create(&posting, &provider(&world.endpoint))
            .await
            .unwrap();
        let mut object = on_cluster(n, obs("lake"));
        change(&mut object);
        tenant.sources().create(&posting, &object).await.unwrap();
        tenant
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.admin.clone(), &self.name)
    }

    fn providers(&self) -> Api<DwsProvider> {
        Api::namespaced(self.admin.clone(), &self.name)
    }

    fn sources(&self) -> Api<DwsDataSource> {
        Api::namespaced(self.admin.clone(), &self.name)
    }

    /// Waits until the data source says this.
    async fn says(&self, reason: Reason) {
        wait::until(END, &format!("{} says {reason}", self.name), async || {
            let object = self
                .sources()
                .get_opt("lake")
                .await
                .map_err(|error| error.to_string())?;
            match object.as_ref().and_then(verdict) {
                Some((_, said)) if said == reason => Ok(()),
                _ => Err(format!("{object:?}")),
            }
        })
        .await;
    }

    /// Waits until the Secret carries the operator's finalizer.
    async fn guarded(&self) {
        wait::until(END, &format!("the Secret of {} is guarded", self.name), async || {
            let found = self.secrets().get_metadata("dws-access-key").await;
            let finalizers = found.ok().and_then(|found| found.metadata.finalizers);
            match finalizers.as_deref() {
                Some([only]) if only == "dws.huaweicloud.com/secret-in-use" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Changes the data source by a merge patch.
    async fn patch(&self, patch: Value) {
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        self.sources().patch("lake", &parameters, &patch).await.unwrap();
    }

    async fn delete(&self, order: &[Part]) {
        let at_once = DeleteParams::default();
        for part in order {
            match part {
                Part::Secret => drop(self.secrets().delete("dws-access-key", &at_once).await.unwrap()),
                Part::Provider => drop(self.providers().delete("default", &at_once).await.unwrap()),
                Part::DataSource => drop(self.sources().delete("lake", &at_once).await.unwrap()),
            }
        }
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        namespaces.delete(&self.name, &at_once).await.unwrap();
    }

    /// Waits until the namespace is gone.
    async fn ended(&self) {
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        wait::until(END, &format!("{} is gone", self.name), async || {
            match namespaces.get_opt(&self.name).await {
                Ok(None) => Ok(()),
                other => Err(other.map(|found| found.and_then(|namespace| namespace.status))),
            }
        })
        .await;
    }
}

/// A world of a whole cluster, with its namespace controller; none if that cannot be had here.
async fn whole_cluster(plane: &ControlPlane) -> Option<(World<'_>, NamespaceController)> {
    let controller = NamespaceController::start(plane).await?;
    let world = World::within(TestNamespace::create_apart(plane, "ends", Scope::ClusterWide).await).await;
    Some((world, controller))
}

/// Makes a tenant for each order, all of them Ready.
async fn tenants(world: &World<'_>) -> Vec<Tenant> {
    let tenants = join_all((0..ORDERS.len()).map(|n| Tenant::create(world, n, |_| {}))).await;
    join_all(tenants.iter().map(|tenant| tenant.says(Reason::Available))).await;
    tenants
}

async fn end_in_every_order(world: &World<'_>, tenants: &[Tenant]) {
    join_all(tenants.iter().zip(ORDERS).map(|(tenant, order)| tenant.delete(order))).await;
    join_all(tenants.iter().map(Tenant::ended)).await;
    for tenant in tenants {
        assert!(
            world.cloud.sources(&cluster(tenant.n)).is_empty(),
            "{:?}",
            ORDERS[tenant.n]
        );
    }
}

/// A running operator remembers the credentials: no order leaves anything behind, or hangs.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_ends_in_every_order() {
    let plane = ControlPlane::start().await;
    let Some((world, _controller)) = whole_cluster(&plane).await else {
        return;
    };
    let _operator = world.operator().start().await;
    let tenants = tenants(&world).await;
    end_in_every_order(&world, &tenants).await;
}

/// An operator that was down meanwhile remembers nothing: guarded Secrets wait for it. Afterwards nothing is guarded any more.
#[tokio::test(flavor = "multi_thread")]
async fn guarded_namespaces_end_in_every_order_after_a_restart() {
    let plane = ControlPlane::start().await;
    let Some((world, _controller)) = whole_cluster(&plane).await else {
        return;
    };
    world.namespace.grant("guard-secrets", "patch").await;
    let mut operator = world.operator().args(["--guard-secrets"]).start().await;
    let tenants = tenants(&world).await;
    join_all(tenants.iter().map(Tenant::guarded)).await;
    operator.kill().await;
    join_all(tenants.iter().zip(ORDERS).map(|(tenant, order)| tenant.delete(order))).await;
    for tenant in &tenants {
        let found = tenant.secrets().get_metadata("dws-access-key").await;
        assert!(found.is_ok(), "the Secret of {} waits for the operator", tenant.name);
    }
    operator.restart().await;
    join_all(tenants.iter().map(Tenant::ended)).await;
    for tenant in &tenants {
        assert!(
            world.cloud.sources(&cluster(tenant.n)).is_empty(),
            "{:?}",
            ORDERS[tenant.n]
        );
    }
}

/// With guarded Secrets and a running operator too every order ends.
#[tokio::test(flavor = "multi_thread")]
async fn guarded_namespaces_end_in_every_order() {
    let plane = ControlPlane::start().await;
    let Some((world, _controller)) = whole_cluster(&plane).await else {
        return;
    };
    world.namespace.grant("guard-secrets", "patch").await;
    let _operator = world.operator().args(["--guard-secrets"]).start().await;
    let tenants = tenants(&world).await;
    join_all(tenants.iter().map(Tenant::guarded)).await;
    end_in_every_order(&world, &tenants).await;
}

/// Without a guard a restarted operator has no credentials for what lost its Secret: the data source says what it waits for, and
/// `deletionPolicy: Retain` lets the namespace end. What stays in the cloud, by a policy, by force or since nobody can look for it, is told by
/// an event about the namespace, outside of it: a namespace that ends takes no events.
#[tokio::test(flavor = "multi_thread")]
async fn what_stays_in_the_cloud_is_told_outside_of_the_namespace() {
    let plane = ControlPlane::start().await;
    let Some((world, _controller)) = whole_cluster(&plane).await else {
        return;
    };
    let mut operator = world.operator().start().await;
    let retain = |object: &mut DwsDataSource| object.spec.deletion_policy = Some(DeletionPolicy::Retain);
    let retained = Tenant::create(&world, 0, retain).await;
    let robbed = Tenant::create(&world, 1, |_| {}).await;
    let forced = Tenant::create(&world, 2, |_| {}).await;
    let orphaned = Tenant::create(&world, 3, |_| {}).await;
    let all = [&retained, &robbed, &forced, &orphaned];
    join_all(all.map(|tenant| tenant.says(Reason::Available))).await;
    let id = |tenant: &Tenant| world.cloud.sources(&cluster(tenant.n))[0].id.clone();
    let by_force = json!({"metadata": {"annotations": {FORCE_DELETE_ANNOTATION: "the cluster is gone"}}});
    forced.patch(by_force).await;
    for tenant in [&retained, &forced] {
        tenant.delete(&[]).await;
        tenant.ended().await;
    }

    operator.kill().await;
    // Of this one nothing is known any more but that there was something.
    orphaned.patch(json!({"metadata": {"annotations": null}})).await;
    let parameters = PatchParams::default();
    let forgotten = Patch::Merge(json!({"status": null}));
    let patched = orphaned.sources().patch_status("lake", &parameters, &forgotten).await;
    patched.unwrap();
    for tenant in [&robbed, &orphaned] {
        tenant.delete(&[]).await;
        wait::until(END, "the Secret is gone", async || {
            match tenant.secrets().get_metadata_opt("dws-access-key").await {
                Ok(None) => Ok(()),
                other => Err(other.map(|found| found.map(|found| found.metadata))),
            }
        })
        .await;
    }
    operator.restart().await;
    orphaned.ended().await;
    robbed.says(Reason::WaitingForSecret).await;
    robbed.patch(json!({"spec": {"deletionPolicy": "Retain"}})).await;
    robbed.ended().await;

    let events: Api<Event> = Api::namespaced(world.namespace.admin(), "default");
    for (tenant, reason, what) in [
        (&retained, "Retained", id(&retained)),
        (&robbed, "Retained", id(&robbed)),
        (&forced, "ForceDeleted", id(&forced)),
        (&orphaned, "Orphaned", cluster(orphaned.n)),
    ] {
        wait::until(END, &format!("what stays of {} is told", tenant.name), async || {
            let told = events.list(&ListParams::default()).await.unwrap().items;
            let is_it = |event: &&Event| {
                let about = event.regarding.as_ref();
                let note = event.note.as_deref().unwrap_or_default();
                about.is_some_and(|about| {
                    about.kind.as_deref() == Some("Namespace") && about.name.as_ref() == Some(&tenant.name)
                }) && event.reason.as_deref() == Some(reason)
                    && note.contains(what.as_str())
                    && note.contains("DwsDataSource lake")
            };
            told.iter().find(is_it).map(|_| ()).ok_or_else(|| format!("{told:?}"))
        })
        .await;
        assert_eq!(world.cloud.sources(&cluster(tenant.n)).len(), 1);
    }
}
