//! Watches objects and runs a pass over those that changed in a way that matters.
//!
//! Streams and predicates only. The operator's own status writes wake nobody; an object that this version cannot decode is told of and
//! passed over, and never stops the watch.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::controller::Config;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::claims::Leftover;
use super::context::{Context, Member};
use super::wakes::{Scope, Woken};
use super::{claims, pass, report};
use crate::api::DwsDataSource;
use crate::api::names::INTENT_ANNOTATION;

/// Runs the data sources of one scope until the context's shutdown, and then until the passes that run have ended.
pub async fn data_sources(ctx: Arc<Context>, scope: Scope, wakes: Woken) {
    let api = api_of::<DwsDataSource>(&ctx, &scope);
    let (reader, writer) = reflector::store();
    let mut roll = Roll::new(Arc::clone(&ctx), scope);
    let stream = decoded(
        watcher(api, watcher::Config::default()).default_backoff(),
        move |noted| roll.note(&noted),
    )
    .modify(|object| {
        object.metadata.managed_fields = None;
        object.annotations_mut().retain(|key, _| key == INTENT_ANNOTATION);
    })
    .reflect(writer)
    .applied_objects()
    .predicate_filter(
        |object: &DwsDataSource| Some(relevant(object)),
        PredicateConfig::default(),
    );
    let passes = Controller::for_stream(stream, reader.clone())
        .with_config(Config::default())
        .reconcile_on(wakes)
        .graceful_shutdown_on(ctx.shutdown.clone().cancelled_owned())
        .run(pass::reconcile, |_, error, _| match *error {}, Arc::clone(&ctx))
        .for_each(|_| async {});
    until_shutdown(&ctx.shutdown, &reader, passes).await;
}

/// Runs `passes`, which end by themselves after the shutdown once `store` has its first list. Without that list kube's controller
/// waits for it, shutdown or not; as no pass can have begun, nothing is lost by dropping it.
pub async fn until_shutdown<K>(shutdown: &CancellationToken, store: &Store<K>, passes: impl Future<Output = ()>)
where
    K: reflector::Lookup<DynamicType = ()> + Clone + 'static,
{
    let shutdown_before_first_list = async {
        shutdown.cancelled().await;
        if store.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = passes => {}
        () = shutdown_before_first_list => {}
    }
}

/// The objects of a scope.
pub fn api_of<K>(ctx: &Context, scope: &Scope) -> Api<DeserializeGuard<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Scope::All => Api::all(ctx.kubernetes.client()),
        Scope::Namespace(namespace) => Api::namespaced(ctx.kubernetes.client(), namespace),
    }
}

/// What a change of an object is about, for the operator: the spec, its end, its finalizers and the intent; never the status.
fn relevant(object: &DwsDataSource) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.metadata.generation.hash(&mut hasher);
    object.metadata.deletion_timestamp.is_some().hash(&mut hasher);
    object.finalizers().hash(&mut hasher);
    object.annotations().get(INTENT_ANNOTATION).hash(&mut hasher);
    hasher.finish()
}

/// Tells of each event that could be decoded and passes it on; the others are only told.
pub fn decoded<K>(
    events: impl Stream<Item = watcher::Result<Event<DeserializeGuard<K>>>>,
    mut note: impl FnMut(Noted<'_, K>),
) -> impl Stream<Item = watcher::Result<Event<K>>>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    events.filter_map(move |event| {
        let event = match event {
            Err(error) => {
                tracing::warn!(%error, kind = %K::kind(&()), "the watch failed; trying again");
                Some(Err(error))
            }
            Ok(event) => decode(event, &mut note).map(Ok),
        };
        std::future::ready(event)
    })
}

/// What a watch says.
pub enum Noted<'a, K> {
    /// An event that could be decoded.
    Event(&'a Event<K>),
    /// An object that could not.
    Undecodable(&'a kube::core::error_boundary::InvalidObject),
}

fn decode<K: Clone>(event: Event<DeserializeGuard<K>>, note: &mut impl FnMut(Noted<'_, K>)) -> Option<Event<K>> {
    let mut open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            note(Noted::Undecodable(&invalid));
            None
        }
    };
    let event = match event {
        Event::Apply(guard) => Event::Apply(open(guard)?),
        Event::Delete(guard) => Event::Delete(open(guard)?),
        Event::InitApply(guard) => Event::InitApply(open(guard)?),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    };
    note(Noted::Event(&event));
    Some(event)
}

/// An object that was never seen before.
struct Newcomer {
    under_way: bool,
    created: Option<Time>,
    cluster_id: String,
    member: Member,
}

/// Who is there: keeps the claims up to date and notices who is gone.
struct Roll {
    ctx: Arc<Context>,
    scope: Scope,
    listed: HashSet<String>,
    /// Who was seen for the first time in the list that is being read.
    newcomers: Vec<Newcomer>,
    undecodable: HashSet<String>,
}

impl Roll {
    fn new(ctx: Arc<Context>, scope: Scope) -> Self {
        Roll {
            ctx,
            scope,
            listed: HashSet::new(),
            newcomers: Vec::new(),
            undecodable: HashSet::new(),
        }
    }

    fn note(&mut self, noted: &Noted<'_, DwsDataSource>) {
        match noted {
            Noted::Undecodable(invalid) => self.undecodable(invalid),
            Noted::Event(Event::Init) => {
                self.listed.clear();
                self.newcomers.clear();
            }
            Noted::Event(Event::InitApply(object)) => {
                self.listed.extend(object.uid());
                self.newcomers.extend(self.newcomer(object));
                self.present(object);
            }
            Noted::Event(Event::InitDone) => {
                let namespace = match &self.scope {
                    Scope::All => None,
                    Scope::Namespace(namespace) => Some(namespace.as_str()),
                };
                for member in self.ctx.claims.missing(namespace, &self.listed) {
                    self.gone(&member);
                }
                // The list comes in the order of the names. What is under way already is there first.
                self.newcomers
                    .sort_by_key(|newcomer| (!newcomer.under_way, newcomer.created.clone()));
                for Newcomer { cluster_id, member, .. } in self.newcomers.drain(..) {
                    self.ctx.arrivals.arrive(cluster_id, member);
                }
                self.ctx.health.ready("watch of data sources", true);
            }
            Noted::Event(Event::Apply(object)) => {
                if let Some(Newcomer { cluster_id, member, .. }) = self.newcomer(object) {
                    self.ctx.arrivals.arrive(cluster_id, member);
                }
                self.present(object);
            }
            Noted::Event(Event::Delete(object)) => {
                if let Some(member) = claims::member(object) {
                    self.gone(&member);
                }
            }
        }
        self.ctx
            .metrics
            .set_undecodable("DwsDataSource", self.undecodable.len());
    }

    /// The object, if it was never seen before.
    fn newcomer(&self, object: &DwsDataSource) -> Option<Newcomer> {
        let member = claims::member(object).filter(|member| !self.ctx.claims.knows(&member.uid))?;
        Some(Newcomer {
            under_way: object.status.as_ref().is_some_and(|status| status.operation.is_some()),
            created: object.creation_timestamp(),
            cluster_id: object.spec.cluster_id.clone(),
            member,
        })
    }

    fn present(&mut self, object: &DwsDataSource) {
        if let Some(uid) = object.metadata.uid.as_ref() {
            self.undecodable.remove(uid);
        }
        for freed in self.ctx.claims.note(object) {
            self.ctx.wakes.wake(&freed);
        }
    }

    /// An object is gone. Unless this process let it go, somebody took its finalizer away, and what it held has no owner any more.
    fn gone(&mut self, member: &Member) {
        self.undecodable.remove(&member.uid);
        self.ctx.arrivals.heard(member);
        self.ctx.lanes.leave(member);
        let forgotten = self.ctx.claims.forget(&member.uid);
        for freed in forgotten.freed {
            self.ctx.wakes.wake(&freed);
        }
        let let_go = self
            .ctx
            .memories
            .forget(&member.uid)
            .is_some_and(|slot| slot.was_let_go());
        if let Some(leftover) = forgotten.leaves.filter(|_| !let_go) {
            tell_orphan(&self.ctx, member, &leftover);
        }
    }

    fn undecodable(&mut self, invalid: &kube::core::error_boundary::InvalidObject) {
        let metadata = &invalid.metadata;
        let Some(uid) = metadata.uid.clone() else { return };
        self.listed.insert(uid.clone());
        let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
        tracing::error!(
            ?namespace,
            ?name,
            error = invalid.error,
            "an object cannot be decoded; it is left alone"
        );
        if self.undecodable.insert(uid.clone()) {
            let member = Member {
                uid,
                namespace: namespace.unwrap_or_default(),
                name: name.unwrap_or_default(),
            };
            let note =
                "This version of the operator cannot decode the object and leaves it alone; apply a valid manifest.";
            self.ctx
                .events
                .publish(report::named(&member), true, "Undecodable", note);
        }
    }
}

/// Tells of a data source that lost its owner; no call is made, since nothing would remember it.
fn tell_orphan(ctx: &Context, member: &Member, leftover: &Leftover) {
    let Leftover { id, name, at } = leftover;
    let what = match id {
        Some(id) => format!("data source {id} ({name}) stays"),
        None => format!("a create request for data source {name} may have taken effect; look for it"),
    };
    let note = format!(
        "The object was removed without its finalizer; {what} in DWS cluster {} at {}, project {}.",
        at.cluster_id, at.endpoint, at.project_id
    );
    tracing::error!(
        namespace = member.namespace,
        object = member.name,
        uid = member.uid,
        "{note}"
    );
    ctx.events.publish(report::named(member), true, "Orphaned", &note);
    ctx.metrics.orphaned();
}
