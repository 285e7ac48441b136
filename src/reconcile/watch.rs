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
use kube::api::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::controller::Config;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::context::{Context, Member};
use super::undecodable::Undecodable;
use super::wakes::{Scope, Woken};
use super::{abandon, claims, pass};
use crate::api::DwsDataSource;
use crate::api::names;

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
        object.annotations_mut().retain(|key, _| names::is_own(key));
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
        .for_each(|ended| {
            if let Err(error) = ended {
                tracing::debug!(%error, "no pass for an object that the store does not show");
            }
            std::future::ready(())
        });
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

/// What a change of an object is about, for the operator: the spec, its end, its finalizers, the intent and what annotations ask
/// for; never the status.
fn relevant(object: &DwsDataSource) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.metadata.generation.hash(&mut hasher);
    object.metadata.deletion_timestamp.is_some().hash(&mut hasher);
    object.finalizers().hash(&mut hasher);
    for annotation in object.annotations().iter().filter(|(key, _)| names::is_own(key)) {
        annotation.hash(&mut hasher);
    }
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
    Undecodable(&'a InvalidObject),
    /// The end of an object that could not.
    UndecodableGone(&'a InvalidObject),
}

fn decode<K: Clone>(event: Event<DeserializeGuard<K>>, note: &mut impl FnMut(Noted<'_, K>)) -> Option<Event<K>> {
    let mut open = |guard: DeserializeGuard<K>, is_gone: bool| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) if is_gone => {
            note(Noted::UndecodableGone(&invalid));
            None
        }
        Err(invalid) => {
            note(Noted::Undecodable(&invalid));
            None
        }
    };
    let event = match event {
        Event::Apply(guard) => Event::Apply(open(guard, false)?),
        Event::Delete(guard) => Event::Delete(open(guard, true)?),
        Event::InitApply(guard) => Event::InitApply(open(guard, false)?),
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
    /// Who was seen for the first time since the last list that was read to its end.
    newcomers: Vec<Newcomer>,
    undecodable: Undecodable,
}

impl Roll {
    fn new(ctx: Arc<Context>, scope: Scope) -> Self {
        Roll {
            undecodable: Undecodable::new(Arc::clone(&ctx), "DwsDataSource"),
            ctx,
            scope,
            listed: HashSet::new(),
            newcomers: Vec::new(),
        }
    }

    fn note(&mut self, noted: &Noted<'_, DwsDataSource>) {
        self.undecodable.note(noted);
        match noted {
            Noted::Undecodable(invalid) => {
                self.listed.extend(invalid.metadata.uid.clone());
                if let Some(member) = claims::member(&invalid.metadata) {
                    // It gets no pass any more that could give its place back.
                    self.ctx.arrivals.heard(&member);
                    self.ctx.leave_lane(&member);
                }
            }
            Noted::UndecodableGone(invalid) => self.gone(&invalid.metadata),
            Noted::Event(Event::Init) => self.listed.clear(),
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
                    self.forget(&member);
                }
                // The list comes in the order of the names. What is under way already is there first.
                self.newcomers
                    .sort_by_key(|newcomer| (!newcomer.under_way, newcomer.created.clone()));
                for Newcomer { cluster_id, member, .. } in self.newcomers.drain(..) {
                    // A list that broke off may have shown one that is gone by now.
                    if self.ctx.claims.knows(&member.uid) {
                        self.ctx.arrivals.arrive(cluster_id, member.clone());
                        // Kube's store shows what a list holds when the list has ended; a pass that began earlier found nothing.
                        self.ctx.wakes.wake(&member);
                    }
                }
                self.ctx.claims.listed(&self.scope);
                self.ctx.health.ready("watch of data sources", true);
            }
            Noted::Event(Event::Apply(object)) => {
                if let Some(Newcomer { cluster_id, member, .. }) = self.newcomer(object) {
                    self.ctx.arrivals.arrive(cluster_id, member);
                }
                self.present(object);
            }
            Noted::Event(Event::Delete(object)) => self.gone(&object.metadata),
        }
    }

    /// The object, if it was never seen before.
    fn newcomer(&self, object: &DwsDataSource) -> Option<Newcomer> {
        let member = claims::member(&object.metadata).filter(|member| !self.ctx.claims.knows(&member.uid))?;
        Some(Newcomer {
            under_way: object.status.as_ref().is_some_and(|status| status.operation.is_some()),
            created: object.creation_timestamp(),
            cluster_id: object.spec.cluster_id.clone(),
            member,
        })
    }

    fn present(&self, object: &DwsDataSource) {
        for freed in self.ctx.claims.note(object) {
            self.ctx.wakes.wake(&freed);
        }
    }

    fn gone(&self, metadata: &ObjectMeta) {
        if let Some(member) = claims::member(metadata) {
            self.forget(&member);
        }
    }

    /// Forgets an object that is gone.
    fn forget(&self, member: &Member) {
        // First, so that a pass that still runs takes no new place in a lane.
        let forgotten = self.ctx.claims.forget(&member.uid);
        self.ctx.arrivals.heard(member);
        self.ctx.lanes.leave(member);
        self.ctx.installs.forget(&self.ctx, member);
        for freed in forgotten.freed {
            self.ctx.wakes.wake(&freed);
        }
        let slot = self.ctx.memories.forget(&member.uid);
        abandon::ended(&self.ctx, member, slot, forgotten.leaves);
    }
}
