//! Objects that this version of the operator cannot decode: each is told of once, counted while it is there, and left alone.
//!
//! Takes what a watch says, returns nothing; it never writes to the objects.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::watcher::Event;

use super::context::Context;
use super::watch::Noted;

/// The undecodable objects of one watch.
pub struct Undecodable {
    ctx: Arc<Context>,
    kind: &'static str,
    uids: HashSet<String>,
    /// Those that the watch has shown since its last list began.
    shown: HashSet<String>,
}

impl Undecodable {
    /// None yet of this kind.
    pub fn new(ctx: Arc<Context>, kind: &'static str) -> Self {
        Undecodable {
            ctx,
            kind,
            uids: HashSet::new(),
            shown: HashSet::new(),
        }
    }

    /// Takes note of what the watch says.
    pub fn note<K: Resource<DynamicType = ()>>(&mut self, noted: &Noted<'_, K>) {
        let before = self.uids.len();
        match noted {
            Noted::Undecodable(invalid) => self.tell::<K>(invalid),
            Noted::UndecodableGone(invalid) => self.forget(&invalid.metadata),
            Noted::Event(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
                self.forget(object.meta());
            }
            Noted::Event(Event::Init) => self.shown.clear(),
            Noted::Event(Event::InitDone) => self.uids.retain(|uid| self.shown.contains(uid)),
        }
        self.ctx.metrics.undecodable(self.kind, before, self.uids.len());
    }

    fn forget(&mut self, metadata: &ObjectMeta) {
        if let Some(uid) = &metadata.uid {
            self.uids.remove(uid);
        }
    }

    fn tell<K: Resource<DynamicType = ()>>(&mut self, invalid: &InvalidObject) {
        let ObjectMeta {
            namespace, name, uid, ..
        } = &invalid.metadata;
        let Some(uid) = uid else { return };
        tracing::error!(
            kind = self.kind,
            namespace,
            name,
            uid,
            error = invalid.error,
            "an object cannot be decoded; it is left alone"
        );
        self.shown.insert(uid.clone());
        if self.uids.insert(uid.clone()) {
            let about = ObjectReference {
                api_version: Some(K::api_version(&()).into_owned()),
                kind: Some(self.kind.to_owned()),
                namespace: namespace.clone(),
                name: name.clone(),
                uid: Some(uid.clone()),
                ..ObjectReference::default()
            };
            let note =
                "This version of the operator cannot decode the object and leaves it alone; apply a valid manifest.";
            self.ctx.events.publish(about, true, "Undecodable", note);
        }
    }
}
