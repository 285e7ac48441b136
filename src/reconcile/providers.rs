//! Providers and the sessions made of them.
//!
//! Takes a reference, returns where it leads and a session, or why there is none. Secrets are read by name, when a session is made and from
//! time to time while one is missing or refused; they are never listed. The last session that worked outlives its Secret and its
//! provider, for deletions only. A provider is kept while objects use it (`kept`). Whether an object may create through a provider of the cluster is asked only before it does.

mod id;
mod kept;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::id::ProviderId;
use super::access::{Access, Stood};
use super::claims::Claims;
use super::context::Member;
use super::grants::{self, Grants};
use super::plan::{Coordinates, Grant, Provider};
use super::protection::{Found, Protection, Unprotected};
use super::provider_breaker::Seen;
use super::secrets::SecretName;
use super::standing::{Connected, Opened, Standing};
use crate::api::data_source::{ProviderKind, ProviderRef};
use crate::cloud::Session;
use crate::runtime::clock::Clock;
use crate::runtime::timings::Timings;
use crate::runtime::urgency::{self, Urgency};

/// How long a provider that is gone is remembered after the last object asked for it; every object asks at least once a day.
const KEPT: Duration = Duration::from_hours(48);
/// A provider that cannot be used, or whose credentials were refused, is read again at most this often, however many objects ask.
const REFUSED_REREAD: Duration = Duration::from_secs(1);

/// What is known of one provider.
#[derive(Clone, Default)]
struct Known {
    standing: Option<Standing>,
    read: Duration,
    /// The version of the standing that was told last.
    told: Option<String>,
    /// How many refreshes in a row could not read it.
    unread: u32,
    opened: Option<Opened>,
    /// When the session was opened.
    opened_at: Duration,
    last_good: Option<Connected>,
    /// The object itself, as it was read or patched last.
    found: Option<Found>,
}

impl Known {
    /// Whether the cloud refuses the credentials that are in use.
    fn is_refused(&self) -> bool {
        let in_use = matches!(self.standing, Some(Standing::Connected(_) | Standing::Unreached { .. }));
        in_use && self.opened.as_ref().is_some_and(Opened::is_refused)
    }
}

/// What reading a provider again brought.
pub struct Refreshed {
    /// How it stands.
    pub standing: Standing,
    /// Whether it stood otherwise before.
    pub news: bool,
    /// How many times in a row, this one included, it could not be read.
    pub unread: u32,
    /// Who uses it; none while that is not known.
    pub users: Option<Vec<Member>>,
    /// Why its finalizers, or those of its Secrets, are not as they should be.
    pub unprotected: Option<Unprotected>,
    /// What is known of the credentials in use, if there are any.
    pub credentials: Option<Seen>,
}

/// Where an object's provider leads, and how to go there.
pub struct Way {
    /// What decisions read of it.
    pub provider: Provider,
    /// The session; none unless the provider is ready.
    pub session: Option<Arc<Session>>,
    /// To whom the provider is lent, if it is one of the cluster.
    pub grants: Option<Grants>,
}

impl From<Provider> for Way {
    fn from(provider: Provider) -> Self {
        Way {
            provider,
            session: None,
            grants: None,
        }
    }
}

/// What an object needs of its provider.
pub struct Asked<'a> {
    /// The object's namespace.
    pub namespace: &'a str,
    /// The reference in its spec.
    pub reference: Option<&'a ProviderRef>,
    /// The provider that was recorded with an attempt; it stays the object's.
    pub recorded: Option<&'a str>,
    /// The project in its spec.
    pub project_id: Option<&'a str>,
    /// The project that its data source is recorded in, or may have been created in.
    pub recorded_project: Option<&'a str>,
    /// The DWS cluster that it is about.
    pub cluster_id: &'a str,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// Whether a provider exists, or was asked for so lately that an object may still need what it last led to.
fn is_kept(slot: &Arc<tokio::sync::Mutex<Known>>, now: Duration) -> bool {
    let in_use = Arc::strong_count(slot) > 1;
    let counts = |known: &Known| !matches!(known.standing, None | Some(Standing::Absent)) || now < known.read + KEPT;
    in_use || slot.try_lock().is_ok_and(|known| counts(&known))
}

/// All providers.
pub struct Providers {
    access: Access,
    clock: Clock,
    timings: Timings,
    /// Whether this process may read the cluster kind.
    cluster_kind: bool,
    known: Mutex<HashMap<ProviderId, Arc<tokio::sync::Mutex<Known>>>>,
    protection: Protection,
    /// The Secrets that each provider names, as it was read last.
    named: Mutex<HashMap<ProviderId, Vec<SecretName>>>,
}

impl Providers {
    /// With nothing known yet.
    #[must_use]
    pub fn new(access: Access, clock: Clock, timings: Timings, cluster_kind: bool, guards: bool) -> Self {
        let (kubernetes, namespace) = (access.kubernetes.clone(), access.namespace.clone());
        Providers {
            protection: Protection::new(kubernetes, namespace, guards, cluster_kind),
            named: Mutex::default(),
            access,
            clock,
            timings,
            cluster_kind,
            known: Mutex::default(),
        }
    }

    /// Reads the provider and its Secrets again. With users it is held; without, it is let go.
    pub async fn refresh(&self, id: &ProviderId, claims: &Claims) -> Refreshed {
        let slot = self.slot(id);
        let mut known = slot.lock().await;
        let seen = known.standing.as_ref().map(Standing::version);
        self.read(id, &mut known).await;
        let standing = known.standing.clone().unwrap_or(Standing::Absent);
        // An object may have read it since it was told last; the others have not heard of that.
        let version = standing.version();
        let before = known.told.replace(version.clone()).or(seen);
        known.unread = if standing.is_unread() {
            known.unread.saturating_add(1)
        } else {
            0
        };
        let users = claims.users_of(id);
        let unprotected = match (&users, &mut known.found) {
            (Some(users), Some(found)) => {
                let is_used = !users.is_empty() || claims.is_pledged(id);
                self.protect(id, found, is_used).await.err()
            }
            _ => None,
        };
        let age = self.clock.uptime().saturating_sub(known.opened_at);
        Refreshed {
            credentials: known.opened.as_ref().map(|opened| Seen::of(opened, age)),
            standing,
            news: before.is_some_and(|before| before != version),
            unread: known.unread,
            users,
            unprotected,
        }
    }

    /// Where an object's provider leads, and the session to go there with.
    pub async fn resolve(&self, asked: &Asked<'_>) -> Way {
        let (id, known) = self.find(asked).await;
        let name = id.to_string();
        if id.kind == ProviderKind::ClusterDwsProvider && !self.cluster_kind {
            let message = "this operator watches single namespaces and cannot read providers of the cluster".to_owned();
            let secret = false;
            return Provider::NotReady { name, message, secret }.into();
        }
        let is_leaving = known.found.as_ref().is_some_and(Found::is_leaving);
        // What was created with it can still be deleted with it.
        let last_good = known.last_good.filter(|_| asked.deleting);
        let connected = match (known.standing, last_good) {
            (Some(Standing::Connected(connected)), _) | (_, Some(connected)) => connected,
            (Some(Standing::Broken { secret, message, .. }), None) => {
                return Provider::NotReady { name, message, secret }.into();
            }
            (Some(Standing::Unreached { failure }), None) => return Provider::Unreached { name, failure }.into(),
            (Some(Standing::Absent) | None, None) => return Provider::Absent { name }.into(),
        };
        let project_id = project(&connected, asked);
        let session = if project_id == connected.project_id {
            Ok(connected.session)
        } else {
            connected.elsewhere.within(&connected.session, &project_id)
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => {
                let (message, secret) = (error.to_string(), false);
                return Provider::NotReady { name, message, secret }.into();
            }
        };
        let is_lent = project_id == connected.project_id || connected.projects.contains(&project_id);
        let grant = match connected.grants {
            _ if is_leaving => Grant::Leaving,
            _ if !is_lent => Grant::Refused(format!(
                "{name} is not for project {project_id}: add it to the provider's projects, or leave projectID out for its own project, {}.",
                connected.project_id
            )),
            None => Grant::Given,
            Some(_) => Grant::Unasked,
        };
        let provider = Provider::Ready {
            coordinates: Coordinates {
                provider: name,
                endpoint: connected.endpoint,
                project_id,
                cluster_id: asked.cluster_id.to_owned(),
            },
            grant,
            marker: connected.marker,
            imports: connected.imports,
            version: connected.version,
        };
        Way {
            provider,
            session: Some(session),
            grants: connected.grants,
        }
    }

    /// Whether an object of a namespace may create through a provider that is lent like this.
    pub async fn grant(&self, grants: &Grants, namespace: &str, cluster_id: &str) -> Grant {
        match self.access.namespace_labels(namespace).await {
            Ok(labels) => grants::refusal(grants, &labels, namespace, cluster_id).map_or(Grant::Given, Grant::Refused),
            Err(error) => Grant::Unreadable(format!("the labels of namespace {namespace} cannot be read: {error}")),
        }
    }

    /// How many providers have credentials that the cloud refused the last time they were used.
    #[must_use]
    pub fn refused(&self) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is being read just now is counted the next time.
        let settled = known.values().filter_map(|slot| slot.try_lock().ok());
        settled.filter(|known| known.is_refused()).count()
    }

    /// When the first of the temporary credentials in use expires, in seconds since 1970.
    #[must_use]
    pub fn first_expiry(&self) -> Option<i64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = known.values().filter_map(|slot| slot.try_lock().ok());
        let expiries = settled.filter_map(|known| known.opened.as_ref()?.session().credential_expiry());
        expiries.map(jiff::Timestamp::as_second).min()
    }

    /// The provider that an object uses: the recorded one, else the one it names, else the default of its namespace, else that of the cluster.
    async fn find(&self, asked: &Asked<'_>) -> (ProviderId, Known) {
        let recorded = asked.recorded.and_then(|text| text.parse::<ProviderRef>().ok());
        if let Some(reference) = recorded.as_ref().or(asked.reference) {
            let id = ProviderId::of(reference, asked.namespace);
            let known = self.fresh(&id).await;
            return (id, known);
        }
        let own = ProviderId::default_of(ProviderKind::DwsProvider, asked.namespace);
        let known = self.fresh(&own).await;
        if !self.cluster_kind || !matches!(known.standing, None | Some(Standing::Absent)) {
            return (own, known);
        }
        let lent = ProviderId::default_of(ProviderKind::ClusterDwsProvider, asked.namespace);
        let lent_known = self.fresh(&lent).await;
        match lent_known.standing {
            None | Some(Standing::Absent) => (own, known),
            Some(_) => (lent, lent_known),
        }
    }

    /// What is known of a provider, read again where that may have changed.
    async fn fresh(&self, id: &ProviderId) -> Known {
        if id.kind == ProviderKind::ClusterDwsProvider && !self.cluster_kind {
            return Known::default();
        }
        let slot = self.slot(id);
        let mut known = slot.lock().await;
        let age = self.clock.uptime().saturating_sub(known.read);
        let stale = match &known.standing {
            None => true,
            Some(Standing::Connected(_)) if !known.is_refused() => age >= self.timings.secret_recheck,
            Some(_) => age >= REFUSED_REREAD,
        };
        if stale {
            self.read(id, &mut known).await;
        }
        known.clone()
    }

    async fn read(&self, id: &ProviderId, known: &mut Known) {
        // Many may wait for it, whoever reads it.
        let before = known.opened.as_ref().map(Opened::version);
        let standing = Box::pin(self.access.stand(id, &mut known.opened));
        let Stood { standing, found } = urgency::with(Urgency::urgent(), standing).await;
        if let Standing::Connected(connected) = &standing {
            known.last_good = Some(connected.clone());
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        match (&standing, &found) {
            (_, Some(found)) => drop(named.insert(id.clone(), found.secrets.clone())),
            (Standing::Absent, None) => drop(named.remove(id)),
            // What cannot be read now is as it was.
            _ => {}
        }
        drop(named);
        if found.is_some() || matches!(standing, Standing::Absent) {
            known.found = found;
        }
        known.standing = Some(standing);
        known.read = self.clock.uptime();
        if known.opened.as_ref().map(Opened::version) != before {
            known.opened_at = known.read;
        }
    }

    fn slot(&self, id: &ProviderId) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(id) {
            let now = self.clock.uptime();
            known.retain(|_, slot| is_kept(slot, now));
        }
        Arc::clone(known.entry(id.clone()).or_default())
    }
}

/// The project that an object is about: where it has something or may have, as long as the provider leads there, else where its spec wants it.
/// A project that was taken off the provider's list is not forgotten by those who ask for it.
fn project(connected: &Connected, asked: &Asked<'_>) -> String {
    let leads_to = |project: &&str| {
        connected.project_id == **project
            || asked.project_id == Some(*project)
            || connected.projects.iter().any(|listed| listed == *project)
    };
    let recorded = asked.recorded_project.filter(leads_to);
    recorded
        .or(asked.project_id)
        .unwrap_or(&connected.project_id)
        .to_owned()
}
