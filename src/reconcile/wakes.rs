//! Wakes objects for what no watch tells: a free lane, a changed provider, a claim given up.

use std::collections::HashMap;

use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;

use super::context::Member;
use crate::api::DwsDataSource;

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
