//! Providers and the sessions made of them.
//!
//! Takes a reference, returns where it leads and a session, or why there is none. Secrets are read by name, when a session is made and from
//! time to time while one is missing or refused; they are never listed or watched. The last session that worked outlives its Secret and its
//! provider, for deletions only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::access::{Access, Connected, Standing};
use super::context::Member;
use super::grants;
use super::plan::{Coordinates, Provider};
use crate::api::data_source::{ProviderKind, ProviderRef};
use crate::cloud::{BreakerState, Session};
use crate::runtime::clock::Clock;
use crate::runtime::timings::Timings;

/// The name of the provider that is used where none is named.
const DEFAULT: &str = "default";
/// How long a provider that is gone is remembered after the last object asked for it; every object asks at least once a day.
const KEPT: Duration = Duration::from_hours(48);
/// A Secret whose credentials were refused is read again at most this often, however many objects ask.
const REFUSED_REREAD: Duration = Duration::from_secs(1);

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId {
    /// Its kind.
    pub kind: ProviderKind,
    /// Its namespace; empty for the cluster kind.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ProviderId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            ProviderKind::DwsProvider => "DwsProvider",
            ProviderKind::ClusterDwsProvider => "ClusterDwsProvider",
        };
        write!(f, "{kind}/{}", self.name)
    }
}

impl ProviderId {
    /// The provider that a reference in a namespace names.
    #[must_use]
    pub fn of(reference: &ProviderRef, namespace: &str) -> Self {
        let namespace = match reference.kind {
            ProviderKind::DwsProvider => namespace,
            ProviderKind::ClusterDwsProvider => "",
        };
        ProviderId {
            kind: reference.kind,
            namespace: namespace.to_owned(),
            name: reference.name.clone(),
        }
    }

    /// Reads what `Display` writes.
    fn parse(text: &str, namespace: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        let kind = match kind {
            "DwsProvider" => ProviderKind::DwsProvider,
            "ClusterDwsProvider" => ProviderKind::ClusterDwsProvider,
            _ => return None,
        };
        Some(Self::of(
            &ProviderRef {
                kind,
                name: name.to_owned(),
            },
            namespace,
        ))
    }

    fn default_of(kind: ProviderKind, namespace: &str) -> Self {
        Self::of(
            &ProviderRef {
                kind,
                name: DEFAULT.to_owned(),
            },
            namespace,
        )
    }

    /// Whether an object uses this provider, by its reference or by default.
    #[must_use]
    pub fn serves(&self, member: &Member, reference: Option<&ProviderRef>) -> bool {
        match reference {
            Some(reference) => *self == Self::of(reference, &member.namespace),
            None => {
                self.name == DEFAULT
                    && (self.kind == ProviderKind::ClusterDwsProvider || self.namespace == member.namespace)
            }
        }
    }
}

/// What is known of one provider.
#[derive(Clone, Default)]
struct Known {
    standing: Option<Standing>,
    read: Duration,
    last_good: Option<Connected>,
}

/// What an object needs of its provider.
pub struct Asked<'a> {
    /// The object's namespace.
    pub namespace: &'a str,
    /// The reference in its spec.
    pub reference: Option<&'a ProviderRef>,
    /// The provider that was recorded with an attempt; it stays the object's.
    pub recorded: Option<&'a str>,
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
}

impl Providers {
    /// With nothing known yet.
    #[must_use]
    pub fn new(access: Access, clock: Clock, timings: Timings, cluster_kind: bool) -> Self {
        Providers {
            access,
            clock,
            timings,
            cluster_kind,
            known: Mutex::default(),
        }
    }

    /// Reads the provider and its Secrets again; returns how it stands, and whether that is news.
    pub async fn refresh(&self, id: &ProviderId) -> (Standing, bool) {
        let slot = self.slot(id);
        let mut known = slot.lock().await;
        let before = known.standing.as_ref().map(Standing::version);
        self.read(id, &mut known).await;
        let standing = known.standing.clone().unwrap_or(Standing::Absent);
        let news = before.is_some_and(|before| before != standing.version());
        (standing, news)
    }

    /// Where an object's provider leads, and the session to go there with.
    pub async fn resolve(&self, asked: &Asked<'_>) -> (Provider, Option<Arc<Session>>) {
        let (id, known) = self.find(asked).await;
        if id.kind == ProviderKind::ClusterDwsProvider && !self.cluster_kind {
            let message = "this operator watches single namespaces and cannot read providers of the cluster".to_owned();
            return (
                Provider::NotReady {
                    name: id.to_string(),
                    message,
                    secret: false,
                },
                None,
            );
        }
        let connected = match known.standing {
            Some(Standing::Connected(connected)) => connected,
            // What was created with it can still be deleted with it.
            _ if asked.deleting && known.last_good.is_some() => match known.last_good {
                Some(connected) => connected,
                None => return (Provider::Absent { name: id.to_string() }, None),
            },
            Some(Standing::Broken { secret, message, .. }) => {
                return (
                    Provider::NotReady {
                        name: id.to_string(),
                        message,
                        secret,
                    },
                    None,
                );
            }
            Some(Standing::Absent) | None => return (Provider::Absent { name: id.to_string() }, None),
        };
        let refusal = match &connected.grants {
            None => None,
            Some(grants) => match self.access.namespace_labels(asked.namespace).await {
                Ok(labels) => grants::refusal(grants, &labels, &id, asked.namespace, asked.cluster_id),
                Err(error) => {
                    let message = format!("the labels of namespace {} cannot be read: {error}", asked.namespace);
                    return (
                        Provider::NotReady {
                            name: id.to_string(),
                            message,
                            secret: false,
                        },
                        None,
                    );
                }
            },
        };
        let provider = Provider::Ready {
            coordinates: Coordinates {
                provider: id.to_string(),
                endpoint: connected.endpoint.clone(),
                project_id: connected.project_id.clone(),
                cluster_id: asked.cluster_id.to_owned(),
            },
            refusal,
            marker: connected.marker,
            version: connected.version.clone(),
        };
        (provider, Some(connected.session))
    }

    /// How many providers have credentials that the cloud refused the last time they were used.
    #[must_use]
    pub fn refused(&self) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is being read just now is counted the next time.
        let settled = known.values().filter_map(|slot| slot.try_lock().ok());
        settled
            .filter(|known| matches!(&known.standing, Some(Standing::Connected(connected)) if connected.refused()))
            .count()
    }

    /// The provider that an object uses: the recorded one, else the one it names, else the default of its namespace, else that of the cluster.
    async fn find(&self, asked: &Asked<'_>) -> (ProviderId, Known) {
        let recorded = asked.recorded.and_then(|text| ProviderId::parse(text, asked.namespace));
        if let Some(id) = recorded.or_else(|| {
            asked
                .reference
                .map(|reference| ProviderId::of(reference, asked.namespace))
        }) {
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
            Some(Standing::Connected(connected)) => match connected.session.breaker() {
                BreakerState::Rejected => age >= REFUSED_REREAD,
                BreakerState::Proven | BreakerState::Unproven => age >= self.timings.secret_recheck,
            },
            Some(Standing::Absent | Standing::Broken { .. }) => age >= REFUSED_REREAD,
        };
        if stale {
            self.read(id, &mut known).await;
        }
        known.clone()
    }

    async fn read(&self, id: &ProviderId, known: &mut Known) {
        let before = match &known.standing {
            Some(Standing::Connected(connected)) => Some(connected),
            _ => known.last_good.as_ref(),
        };
        let standing = self.access.stand(id, before).await;
        if let Standing::Connected(connected) = &standing {
            known.last_good = Some(connected.clone());
        }
        known.standing = Some(standing);
        known.read = self.clock.uptime();
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
