//! Who holds which name in which DWS cluster, over all objects that this process watches.
//!
//! An object with an id, or with a create that was begun, holds its name; among the others, the first in the lane does. An object
//! that cannot proceed is in no lane and claims nothing.

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
use crate::api::data_source::{Coordinates, DeletionPolicy, ManagementPolicy, ProviderKind, ProviderRef};
use crate::api::intent::{self, Intent};
use crate::api::{DwsDataSource, FINALIZER};

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
    /// late a pass comes with what it read before. Returns whom the change may set free.
    pub fn renew(&self, object: &DwsDataSource) -> Vec<Member> {
        let known = object.metadata.uid.as_ref().is_some_and(|uid| self.knows(uid));
        if known { self.note(object) } else { Vec::new() }
    }

    /// Whether the watch has told of the object, and not of its end.
    pub fn knows(&self, uid: &str) -> bool {
        self.lock().by_uid.contains_key(uid)
    }

    /// Takes note of an object as the watch tells of it, unless a newer state of it is known. Returns whom the change may set free.
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
        let freed = match &before {
            Some(before) if before.name != claim.name || (before.held_at.is_some() && claim.held_at.is_none()) => {
                index.namesakes(before)
            }
            Some(before) if before.deleting != claim.deleting => index.namesakes(before),
            _ => Vec::new(),
        };
        let used = before.map(|before| before.used).unwrap_or_default();
        index.count(&claim.member.uid, &used, &claim.used);
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

    /// The objects whose password is in a Secret.
    pub fn with_password_in(&self, secret: &SecretName) -> Vec<Member> {
        let index = self.lock();
        let uids = index.by_password.get(secret).into_iter().flatten();
        uids.filter_map(|uid| index.by_uid.get(uid))
            .map(|claim| claim.member.clone())
            .collect()
    }

    /// Whether there is such an object.
    pub fn has_password_in(&self, secret: &SecretName) -> bool {
        self.lock().by_password.contains_key(secret)
    }

    /// A watch has shown all objects of this part of the cluster.
    pub fn listed(&self, scope: &Scope) {
        self.lock().listed.insert(scope.clone());
    }

    /// The object is about to use a provider. That counts until the end of its pass; by then it carries the finalizer, or does not use it.
    pub fn pledge(&self, uid: &str, provider: &ProviderId) {
        self.lock().pledges.insert(uid.to_owned(), provider.clone());
    }

    /// The pass of the object has ended.
    pub fn redeem(&self, uid: &str) {
        self.lock().pledges.remove(uid);
    }

    /// Whether somebody is about to use the provider.
    pub fn is_pledged(&self, provider: &ProviderId) -> bool {
        self.lock().pledges.values().any(|pledged| pledged == provider)
    }

    /// The objects that hold something in the cloud through a provider, or may do so; none as long as not all of them are known.
    pub fn users_of(&self, provider: &ProviderId) -> Option<Vec<Member>> {
        let index = self.lock();
        let here = match provider.kind {
            ProviderKind::DwsProvider => Scope::Namespace(provider.namespace.clone()),
            ProviderKind::ClusterDwsProvider => Scope::All,
        };
        if !index.listed.contains(&Scope::All) && !index.listed.contains(&here) {
            return None;
        }
        let uids = index.by_provider.get(provider).into_iter().flatten();
        let claims = uids.filter_map(|uid| index.by_uid.get(uid));
        Some(claims.map(|claim| claim.member.clone()).collect())
    }

    /// Who holds the name at `at` before the object `uid`, which has neither an id nor an open intent. `lane` is the lane of the DWS cluster, in order.
    pub fn rival(&self, uid: &str, at: &Coordinates, lane: &[Member]) -> Option<Rival> {
        let index = self.lock();
        let own = index.by_uid.get(uid)?;
        let others = || {
            let uids = index.by_name.get(&own.name).into_iter().flat_map(BTreeSet::iter);
            uids.filter(|other| *other != uid)
                .filter_map(|other| index.by_uid.get(other))
        };
        // Of two that were taken over the older one holds it.
        let is_first = |claim: &Claim| {
            !(own.imported && claim.imported) || (claim.created, &claim.member.uid) < (own.created, &own.member.uid)
        };
        let holds = |claim: &&Claim| {
            let held = claim.held_at.as_ref();
            is_first(claim) && held.is_some_and(|held| LaneKey::from(held) == LaneKey::from(at))
        };
        let place = |uid: &str| lane.iter().position(|member| member.uid == uid).unwrap_or(lane.len());
        let ahead = |claim: &&Claim| place(&claim.member.uid) < place(uid);
        let first = |claims: Vec<&Claim>| {
            claims
                .into_iter()
                .min_by_key(|claim| (claim.created, claim.member.uid.clone()))
                .map(|claim| Rival {
                    name: format!("{}/{}", claim.member.namespace, claim.member.name),
                    deleting: claim.deleting,
                })
        };
        first(others().filter(holds).collect()).or_else(|| first(others().filter(ahead).collect()))
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    fn of(object: &DwsDataSource) -> Option<Claim> {
        let member = member(&object.metadata)?;
        let status = object.status.clone().unwrap_or_default();
        let intent = intent::of(object);
        let last = status.last_attempt.as_ref();
        let is_open = |intent: &&Intent| last.is_none_or(|last| last.id != intent.attempt);
        // Somebody may have taken the id away of what an attempt created.
        let is_robbed = last.is_some_and(super::plan::LastAttempt::has_created);
        let observes = object.spec.management_policy == Some(ManagementPolicy::Observe);
        let held_at = if observes {
            None
        } else if status.id.is_some() {
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
                id: status.id.clone(),
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
        Some(Claim {
            used: used(object, &member, intent.as_ref()),
            password: password.map(|user_pwd| SecretName::new(&member.namespace, &user_pwd.secret_key_ref.name)),
            leaves,
            name: (
                object.spec.cluster_id.to_ascii_lowercase(),
                object.spec.data_source_name.to_ascii_lowercase(),
            ),
            created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            deleting: object.metadata.deletion_timestamp.is_some(),
            imported: status
                .imported
                .as_ref()
                .is_some_and(|imported| imported.uid == member.uid && Some(&imported.id) == status.id.as_ref()),
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
        self.by_uid.insert(claim.member.uid.clone(), claim);
    }

    /// Brings up to date who uses which provider, and tells of the first users and the last ones.
    fn count(&mut self, uid: &str, before: &[ProviderId], after: &[ProviderId]) {
        let gone = before.iter().filter(|id| !after.contains(id)).map(|id| (id, false));
        let come = after.iter().filter(|id| !before.contains(id)).map(|id| (id, true));
        for (id, comes) in gone.chain(come) {
            let uids = self.by_provider.entry(id.clone()).or_default();
            let was_used = !uids.is_empty();
            if comes {
                uids.insert(uid.to_owned());
            } else {
                uids.remove(uid);
            }
            let is_used = !uids.is_empty();
            if !is_used {
                self.by_provider.remove(id);
            }
            if was_used != is_used
                && let Some(stirred) = &self.stirred
            {
                // Only fails at the end of the process, when nobody listens any more.
                let _ = stirred.unbounded_send(id.clone());
            }
        }
    }

    fn remove(&mut self, uid: &str) -> Option<Claim> {
        let claim = self.by_uid.remove(uid)?;
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

/// The providers that an object uses: none before it carries the finalizer, with which every attempt begins.
fn used(object: &DwsDataSource, member: &Member, intent: Option<&Intent>) -> Vec<ProviderId> {
    if !object
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER)
    {
        return Vec::new();
    }
    let cloud = object.status.as_ref().and_then(|status| status.cloud.as_ref());
    let recorded = cloud.map(|cloud| &cloud.provider).or_else(|| Some(&intent?.provider));
    let recorded = recorded.and_then(|text| text.parse::<ProviderRef>().ok());
    match recorded.as_ref().or(object.spec.provider_ref.as_ref()) {
        Some(reference) => vec![ProviderId::of(reference, &member.namespace)],
        None => ProviderId::defaults(&member.namespace).to_vec(),
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
