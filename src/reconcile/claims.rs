//! Who holds which name in which DWS cluster, over all objects that this process watches.
//!
//! An object with an id, or with a create that was begun, holds its name; among the others, the first in the lane does. An object
//! that cannot proceed is in no lane and claims nothing.

mod uses;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::Stream;
use futures::channel::mpsc::{self, UnboundedSender};
use kube::api::ObjectMeta;

use super::context::{LaneKey, Member};
use super::plan::Rival;
use super::providers::ProviderId;
use super::secrets::SecretName;
use super::wakes::Scope;
use crate::api::data_source::{Coordinates, DeletionPolicy, ManagementPolicy, ProviderRef};
use crate::api::intent::{self, Intent};
use crate::api::{DwsDataSource, names};
use crate::cloud::Item;

/// A DWS cluster and a name in it; names clash case-insensitively.
type Name = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    member: Member,
    name: Name,
    created: Option<jiff::Timestamp>,
    deleting: bool,
    /// Whether its data source was taken over.
    imported: bool,
    /// The ownership marker of what it creates.
    marker: String,
    /// The id of its data source, made or taken over.
    id: Option<String>,
    /// Where it holds the name, if it has an id or began a create.
    held_at: Option<Coordinates>,
    provider: Option<ProviderRef>,
    /// What it would leave behind in the cloud if it vanished.
    leaves: Option<Leftover>,
    resource_version: Option<u64>,
    /// The Secret with its password.
    password: Option<SecretName>,
    /// The providers without which what it has, or may have, in the cloud could not be found: one, or both defaults if nothing tells which.
    used: Vec<ProviderId>,
}

/// What an object would leave behind in the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The id of its data source; none if a create request may have made one.
    pub id: Option<String>,
    /// Its name in the DWS cluster.
    pub name: String,
    /// Where it is.
    pub at: Coordinates,
    /// Until when a lost request may still take effect, if nothing else may be there.
    pub until: Option<jiff::Timestamp>,
    /// The install that works on the object.
    pub controller: Option<String>,
}

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

    /// Who holds the object's name at `at` before the object `uid`, which has neither an id nor an open intent. `lane` is the lane of the DWS
    /// cluster, in order.
    pub fn rival(&self, uid: &str, at: &Coordinates, lane: &[Member]) -> Option<Rival> {
        let index = self.lock();
        let own = index.by_uid.get(uid)?;
        index.rival(own, &own.name, at, lane)
    }

    /// Who holds this name at `at` before the object `uid`, which would like to be there.
    pub fn rival_for(&self, uid: &str, at: &Coordinates, name: &str, lane: &[Member]) -> Option<Rival> {
        let index = self.lock();
        let own = index.by_uid.get(uid)?;
        let name = (at.cluster_id.to_ascii_lowercase(), name.to_ascii_lowercase());
        index.rival(own, &name, at, lane)
    }

    /// Which other living object a listed data source belongs to, wherever its provider leads and whatever its spec says today: the one
    /// whose marker it carries, else the one that recorded its id. None if it carries the marker of the object `uid` itself.
    pub fn owner(&self, uid: &str, item: &Item) -> Option<Rival> {
        let index = self.lock();
        let own = index.by_uid.get(uid)?;
        let (_, marker) = names::strip(item.description.as_deref().unwrap_or_default());
        if marker == Some(own.marker.as_str()) {
            return None;
        }
        let author = marker.and_then(|marker| index.by_marker.get(marker));
        let keepers = index.by_id.get(&item.id).into_iter().flatten();
        let others = author.into_iter().chain(keepers).filter(|other| *other != uid);
        let mut claims = others.filter_map(|other| index.by_uid.get(other));
        claims.find(|claim| claim.precedes(own)).map(Claim::rival)
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Whether it comes before another claim to the same data source: of two that were taken over the older one does.
    fn precedes(&self, other: &Claim) -> bool {
        !(self.imported && other.imported) || (self.created, &self.member.uid) < (other.created, &other.member.uid)
    }

    fn rival(&self) -> Rival {
        Rival {
            name: format!("{}/{}", self.member.namespace, self.member.name),
            deleting: self.deleting,
        }
    }

    fn of(object: &DwsDataSource) -> Option<Claim> {
        let member = member(&object.metadata)?;
        let status = object.status.clone().unwrap_or_default();
        let intent = intent::of(object);
        let last = status.last_attempt.as_ref();
        let is_open = |intent: &&Intent| last.is_none_or(|last| last.id != intent.attempt);
        // Somebody may have taken the id away of what an attempt created.
        let is_robbed = last.is_some_and(super::plan::LastAttempt::has_created);
        let observes = object.spec.management_policy == Some(ManagementPolicy::Observe);
        let imported = status.imported.as_ref().filter(|imported| imported.uid == member.uid);
        let imported = imported.is_some_and(|imported| Some(&imported.id) == status.id.as_ref());
        // An id alone may only have been seen.
        let id = status.id.clone().filter(|_| !observes && (is_robbed || imported));
        let held_at = if observes {
            None
        } else if id.is_some() {
            status.cloud.clone()
        } else {
            let may_exist = |intent: &&Intent| is_robbed || is_open(intent);
            intent.as_ref().filter(may_exist).map(super::decide::coordinates)
        };
        let retained = observes || object.spec.deletion_policy == Some(DeletionPolicy::Retain);
        // A request that was given up may still take effect for a while.
        let until = last.and_then(|last| last.late_until).filter(|_| held_at.is_none());
        let late_at = || until.and(intent.as_ref()).map(super::decide::coordinates);
        let leaves = held_at
            .clone()
            .or_else(late_at)
            .filter(|_| !retained)
            .map(|at| Leftover {
                id: id.clone(),
                name: intent
                    .as_ref()
                    .map_or(&object.spec.data_source_name, |intent| &intent.name)
                    .clone(),
                at,
                until,
                controller: status
                    .controller
                    .clone()
                    .or_else(|| Some(intent.as_ref()?.controller.clone())),
            });
        let password = object.spec.user_pwd.as_ref();
        // Who holds a name goes on holding that one, whatever its spec would like to be called.
        let taken = status
            .imported
            .as_ref()
            .filter(|_| imported)
            .map(|imported| &imported.name);
        let made = || intent.as_ref().map(|intent| &intent.name);
        let held_name = taken.or_else(made).filter(|_| held_at.is_some());
        let name = held_name.unwrap_or(&object.spec.data_source_name).to_ascii_lowercase();
        let cluster = held_at
            .as_ref()
            .map_or(&object.spec.cluster_id, |held| &held.cluster_id);
        let cluster = cluster.to_ascii_lowercase();
        Some(Claim {
            used: uses::used(object, &member, intent.as_ref()),
            password: password.map(|user_pwd| SecretName::new(&member.namespace, &user_pwd.secret_key_ref.name)),
            leaves,
            name: (cluster, name),
            created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            deleting: object.metadata.deletion_timestamp.is_some(),
            imported,
            marker: names::marker(&member.uid),
            id,
            held_at,
            provider: object.spec.provider_ref.clone(),
            resource_version: object
                .metadata
                .resource_version
                .as_deref()
                .and_then(|version| version.parse().ok()),
            member,
        })
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

    fn rival(&self, own: &Claim, name: &Name, at: &Coordinates, lane: &[Member]) -> Option<Rival> {
        let uid = &own.member.uid;
        let others = || {
            let uids = self.by_name.get(name).into_iter().flat_map(BTreeSet::iter);
            uids.filter(|other| *other != uid)
                .filter_map(|other| self.by_uid.get(other))
        };
        let holds = |claim: &&Claim| {
            let held = claim.held_at.as_ref();
            claim.precedes(own) && held.is_some_and(|held| LaneKey::from(held) == LaneKey::from(at))
        };
        // Who holds the name is behind nobody who only waits for it.
        let is_holder = own.name == *name
            && own
                .held_at
                .as_ref()
                .is_some_and(|held| LaneKey::from(held) == LaneKey::from(at));
        let place = |uid: &str| lane.iter().position(|member| member.uid == uid).unwrap_or(lane.len());
        let ahead = |claim: &&Claim| !is_holder && place(&claim.member.uid) < place(uid);
        let first = |claims: Vec<&Claim>| {
            let first = claims
                .into_iter()
                .min_by_key(|claim| (claim.created, claim.member.uid.clone()));
            first.map(Claim::rival)
        };
        first(others().filter(holds).collect()).or_else(|| first(others().filter(ahead).collect()))
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
