//! What one object claims, as its spec, its status and its intent have it. Pure.

use super::super::context::Member;
use super::super::decide::coordinates;
use super::super::plan::{LastAttempt, Rival};
use super::super::providers::ProviderId;
use super::super::secrets::SecretName;
use super::{Name, member, uses};
use crate::api::data_source::{Coordinates, DeletionPolicy, ManagementPolicy, ProviderRef};
use crate::api::intent::{self, Intent};
use crate::api::{DwsDataSource, names};

/// What an object claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub member: Member,
    pub name: Name,
    pub created: Option<jiff::Timestamp>,
    pub deleting: bool,
    /// Whether its data source was taken over.
    pub imported: bool,
    /// The ownership marker of what it creates.
    pub marker: String,
    /// The id of its data source, made or taken over.
    pub id: Option<String>,
    /// Where it holds the name, if it has an id or began a create.
    pub held_at: Option<Coordinates>,
    pub provider: Option<ProviderRef>,
    /// What it would leave behind in the cloud if it vanished.
    pub leaves: Option<Leftover>,
    pub resource_version: Option<u64>,
    /// The Secret with its password.
    pub password: Option<SecretName>,
    /// The providers without which what it has, or may have, in the cloud could not be found: one, or both defaults if nothing tells which.
    pub used: Vec<ProviderId>,
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

impl Claim {
    /// Whether it comes before another claim to the same data source: of two that were taken over the older one does.
    pub fn precedes(&self, other: &Claim) -> bool {
        !(self.imported && other.imported) || (self.created, &self.member.uid) < (other.created, &other.member.uid)
    }

    /// As others see it.
    pub fn rival(&self) -> Rival {
        Rival {
            name: format!("{}/{}", self.member.namespace, self.member.name),
            deleting: self.deleting,
        }
    }

    /// None before the API server has given the object a uid and a namespace.
    pub fn of(object: &DwsDataSource) -> Option<Claim> {
        let member = member(&object.metadata)?;
        let status = object.status.clone().unwrap_or_default();
        let intent = intent::of(object);
        let last = status.last_attempt.as_ref();
        let is_open = |intent: &&Intent| last.is_none_or(|last| last.id != intent.attempt);
        // Somebody may have taken the id away of what an attempt created.
        let is_robbed = last.is_some_and(LastAttempt::has_created);
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
            intent.as_ref().filter(may_exist).map(coordinates)
        };
        let retained = observes || object.spec.deletion_policy == Some(DeletionPolicy::Retain);
        // A request that was given up may still take effect for a while.
        let until = last.and_then(|last| last.late_until).filter(|_| held_at.is_none());
        let late_at = || until.and(intent.as_ref()).map(coordinates);
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
        let recorded = last.filter(|last| last.has_created() && status.id.is_some());
        let recorded = recorded.and_then(|last| last.name.as_ref());
        let made = || recorded.or(intent.as_ref().map(|intent| &intent.name));
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
