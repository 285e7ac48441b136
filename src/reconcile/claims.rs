//! Who holds which name in which DWS cluster, over all objects that this process watches.
//!
//! An object with an id, or with a create that was begun, holds its name; among the others, the first in the lane does. An object
//! that cannot proceed is in no lane and claims nothing.

mod claim;
mod holders;
mod uses;

use claim::Claim;
pub use claim::Leftover;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::Stream;
use futures::channel::mpsc::{self, UnboundedSender};
use kube::api::ObjectMeta;

use super::context::Member;
use super::providers::ProviderId;
use super::secrets::SecretName;
use super::wakes::Scope;
use crate::api::DwsDataSource;
use crate::api::data_source::ProviderRef;

/// A DWS cluster and a name in it; names clash case-insensitively.
type Name = (String, String);

/// What follows from an object being gone.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Whom it sets free.
    pub freed: Vec<Member>,
    /// What it would leave behind, unless this process let it go.
    pub leaves: Option<Leftover>,
}

#[derive(Debug, Default)]
#[allow(clippy::struct_field_names, reason = "each is an index by something")]
struct Index {
    by_uid: HashMap<String, Claim>,
    by_name: HashMap<Name, BTreeSet<String>>,
    by_password: HashMap<SecretName, BTreeSet<String>>,
    by_provider: HashMap<ProviderId, BTreeSet<String>>,
    /// Who is about to use which provider.
    pledges: HashMap<String, ProviderId>,
    /// The parts of the cluster whose first list has been read.
    listed: HashSet<Scope>,
    /// Told of each provider that has its first user or has lost its last.
    stirred: Option<UnboundedSender<ProviderId>>,
    by_marker: HashMap<String, String>,
    by_id: HashMap<String, BTreeSet<String>>,
}

/// The claims of all objects.
#[derive(Debug, Default)]
pub struct Claims(Mutex<Index>);

impl Claims {
    /// No claims yet, and the stream of the providers that have their first user or have lost their last.
    pub fn new() -> (Self, impl Stream<Item = ProviderId>) {
        let (sender, stirred) = mpsc::unbounded();
        let index = Index {
            stirred: Some(sender),
            ..Index::default()
        };
        (Claims(Mutex::new(index)), stirred)
    }

    /// Takes note of a newer state of an object that the watch has told of. One that the watch has told the end of stays forgotten, however
    /// late a pass comes with what it read before. Returns whom the change concerns.
    pub fn renew(&self, object: &DwsDataSource) -> Vec<Member> {
        let known = object.metadata.uid.as_ref().is_some_and(|uid| self.knows(uid));
        if known { self.note(object) } else { Vec::new() }
    }

    /// Whether the watch has told of the object, and not of its end.
    pub fn knows(&self, uid: &str) -> bool {
        self.lock().by_uid.contains_key(uid)
    }

    /// Takes note of an object as the watch tells of it, unless a newer state of it is known. Returns whom the change concerns.
    pub fn note(&self, object: &DwsDataSource) -> Vec<Member> {
        let Some(claim) = Claim::of(object) else {
            return Vec::new();
        };
        let mut index = self.lock();
        let before = index.by_uid.get(&claim.member.uid).cloned();
        if before
            .as_ref()
            .is_some_and(|before| before.resource_version > claim.resource_version)
        {
            return Vec::new();
        }
        let mut freed = match &before {
            Some(before) if before.name != claim.name || (before.held_at.is_some() && claim.held_at.is_none()) => {
                index.namesakes(before)
            }
            Some(before) if before.deleting != claim.deleting => index.namesakes(before),
            _ => Vec::new(),
        };
        let used = before.as_ref().map(|before| before.used.clone()).unwrap_or_default();
        index.count(&claim.member.uid, &used, &claim.used);
        // Whoever took over the same may have to give way.
        let recorded = claim
            .id
            .clone()
            .filter(|id| before.and_then(|before| before.id).as_ref() != Some(id));
        let keepers = recorded.iter().filter_map(|id| index.by_id.get(id)).flatten();
        let others = keepers
            .filter_map(|uid| index.by_uid.get(uid))
            .filter(|other| other.member.uid != claim.member.uid);
        freed.extend(others.map(|other| other.member.clone()));
        index.insert(claim);
        freed
    }

    /// Forgets an object that is gone. Returns what follows from that.
    pub fn forget(&self, uid: &str) -> Forgotten {
        let mut index = self.lock();
        let Some(claim) = index.remove(uid) else {
            return Forgotten::default();
        };
        index.pledges.remove(uid);
        index.count(uid, &claim.used, &[]);
        Forgotten {
            freed: index.namesakes(&claim),
            leaves: claim.leaves,
        }
    }

    /// The objects with the same cluster and name as this one.
    pub fn namesakes(&self, uid: &str) -> Vec<Member> {
        let index = self.lock();
        index
            .by_uid
            .get(uid)
            .map(|claim| index.namesakes(claim))
            .unwrap_or_default()
    }

    /// The objects of a namespace, or of all, that are not among the uids given.
    pub fn missing(&self, namespace: Option<&str>, present: &HashSet<String>) -> Vec<Member> {
        let index = self.lock();
        let within = |member: &Member| namespace.is_none_or(|namespace| namespace == member.namespace);
        let members = index.by_uid.values().map(|claim| &claim.member);
        members
            .filter(|member| within(member) && !present.contains(&member.uid))
            .cloned()
            .collect()
    }

    /// The objects that use a provider, by the reference in their spec or by default.
    pub fn users(&self, uses: impl Fn(&Member, Option<&ProviderRef>) -> bool) -> Vec<Member> {
        let index = self.lock();
        let claims = index.by_uid.values();
        claims
            .filter(|claim| uses(&claim.member, claim.provider.as_ref()))
            .map(|claim| claim.member.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn insert(&mut self, claim: Claim) {
        self.remove(&claim.member.uid);
        self.by_name
            .entry(claim.name.clone())
            .or_default()
            .insert(claim.member.uid.clone());
        if let Some(password) = &claim.password {
            let uids = self.by_password.entry(password.clone()).or_default();
            uids.insert(claim.member.uid.clone());
        }
        self.by_marker.insert(claim.marker.clone(), claim.member.uid.clone());
        if let Some(id) = &claim.id {
            self.by_id
                .entry(id.clone())
                .or_default()
                .insert(claim.member.uid.clone());
        }
        self.by_uid.insert(claim.member.uid.clone(), claim);
    }

    fn remove(&mut self, uid: &str) -> Option<Claim> {
        let claim = self.by_uid.remove(uid)?;
        self.by_marker.remove(&claim.marker);
        if let Some(id) = &claim.id
            && let Some(uids) = self.by_id.get_mut(id)
        {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_id.remove(id);
            }
        }
        if let Some(uids) = self.by_name.get_mut(&claim.name) {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_name.remove(&claim.name);
            }
        }
        if let Some(password) = &claim.password
            && let Some(uids) = self.by_password.get_mut(password)
        {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_password.remove(password);
            }
        }
        Some(claim)
    }

    fn namesakes(&self, claim: &Claim) -> Vec<Member> {
        let uids = self.by_name.get(&claim.name).into_iter().flat_map(BTreeSet::iter);
        let others = uids
            .filter(|uid| **uid != claim.member.uid)
            .filter_map(|uid| self.by_uid.get(uid));
        others.map(|claim| claim.member.clone()).collect()
    }
}

/// An object as a member; none before the API server has given it a uid and a namespace.
#[must_use]
pub fn member(metadata: &ObjectMeta) -> Option<Member> {
    Some(Member {
        uid: metadata.uid.clone()?,
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone().unwrap_or_default(),
    })
}
