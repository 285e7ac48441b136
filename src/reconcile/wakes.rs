//! Wakes objects for what no watch tells: a free lane, a changed provider, a claim given up.

use std::collections::HashMap;

use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;

use super::context::Member;
use super::providers::ProviderId;
use crate::api::data_source::ProviderKind;
use crate::api::{ClusterDwsProvider, DwsDataSource, DwsProvider};

/// The part of the cluster that one watch covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All namespaces.
    All,
    /// One namespace.
    Namespace(String),
}

/// The objects of a scope that somebody wakes.
pub type Woken = BoxStream<'static, ObjectRef<DwsDataSource>>;

/// The ways to wake the objects of each scope.
pub struct Wakes(HashMap<Scope, UnboundedSender<ObjectRef<DwsDataSource>>>);

impl Wakes {
    /// A way for each scope, and the streams at their ends.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> (Self, Vec<(Scope, Woken)>) {
        let mut ways = HashMap::new();
        let mut streams = Vec::new();
        for scope in scopes {
            let (sender, receiver) = unbounded();
            ways.insert(scope.clone(), sender);
            streams.push((scope, receiver.boxed()));
        }
        (Wakes(ways), streams)
    }

    /// Wakes an object; one that this process does not watch stays asleep.
    pub fn wake(&self, member: &Member) {
        let scope = Scope::Namespace(member.namespace.clone());
        if let Some(way) = self.0.get(&scope).or_else(|| self.0.get(&Scope::All)) {
            // The other end closes only when the process ends.
            let _ = way.unbounded_send(ObjectRef::new(&member.name).within(&member.namespace));
        }
    }

    /// Wakes everybody that a stream names, until it ends.
    pub async fn wake_all(&self, members: impl Stream<Item = Member>) {
        members.for_each(|member| async move { self.wake(&member) }).await;
    }
}

/// The providers of a scope that somebody wakes.
pub type WokenProviders<K> = BoxStream<'static, ObjectRef<K>>;

/// The ways to wake providers: those of each scope, and those of the cluster.
pub struct ProviderWakes {
    namespaced: HashMap<Scope, UnboundedSender<ObjectRef<DwsProvider>>>,
    cluster: UnboundedSender<ObjectRef<ClusterDwsProvider>>,
}

/// The other ends of the ways to wake providers.
pub struct ProvidersWoken {
    /// Of each scope.
    pub namespaced: HashMap<Scope, WokenProviders<DwsProvider>>,
    /// Of the cluster.
    pub cluster: WokenProviders<ClusterDwsProvider>,
}

impl ProviderWakes {
    /// A way for each scope and one for the cluster, and the streams at their ends.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> (Self, ProvidersWoken) {
        let (mut ways, mut streams) = (HashMap::new(), HashMap::new());
        for scope in scopes {
            let (sender, receiver) = unbounded();
            ways.insert(scope.clone(), sender);
            streams.insert(scope, receiver.boxed());
        }
        let (sender, receiver) = unbounded();
        let wakes = ProviderWakes {
            namespaced: ways,
            cluster: sender,
        };
        let woken = ProvidersWoken {
            namespaced: streams,
            cluster: receiver.boxed(),
        };
        (wakes, woken)
    }

    /// Wakes a provider; one that this process does not watch stays asleep.
    pub fn wake(&self, id: &ProviderId) {
        // The other ends close only when the process ends.
        match id.kind {
            ProviderKind::DwsProvider => {
                let scope = Scope::Namespace(id.namespace.clone());
                let way = self.namespaced.get(&scope).or_else(|| self.namespaced.get(&Scope::All));
                let about = ObjectRef::new(&id.name).within(&id.namespace);
                let _ = way.map(|way| way.unbounded_send(about));
            }
            ProviderKind::ClusterDwsProvider => {
                let _ = self.cluster.unbounded_send(ObjectRef::new(&id.name));
            }
        }
    }

    /// Wakes every provider that a stream names, until it ends.
    pub async fn wake_all(&self, providers: impl Stream<Item = ProviderId>) {
        providers.for_each(|id| async move { self.wake(&id) }).await;
    }
}
