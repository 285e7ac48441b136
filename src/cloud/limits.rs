//! How much may be in flight at once, over all sessions of the process.
//!
//! Takes a credential and a cluster and returns permits to hold while a call is under way. It bounds
//! calls, it does not order them: that writes to a cluster follow one another is the lanes' business.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::breaker::{BreakerTimings, Breakers, Gate};
use super::credential_cache::{CredentialCache, CredentialCaches, SourceId};
use super::credentials::Principal;
use super::endpoints::Endpoint;
use super::rate::{Buckets, Meter, RateBound};

/// The most calls in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// With one access key or user.
    pub per_credential: usize,
    /// About one DWS cluster.
    pub per_cluster: usize,
}

impl Default for Bounds {
    /// No limit of DWS is published. One write, its job and a list per cluster, with one to spare; and for
    /// a credential what keeps 200 clusters moving at answers of 50 ms.
    fn default() -> Self {
        Self {
            per_credential: 32,
            per_cluster: 4,
        }
    }
}

/// Bounds, breakers, rates and temporary credentials, shared by all sessions of the process.
pub struct Limits {
    bounds: Bounds,
    breakers: Breakers<Principal>,
    credentials: Semaphores<Principal>,
    clusters: Semaphores<String>,
    rates: Buckets,
    caches: CredentialCaches,
}

impl Limits {
    /// With nothing in flight and no key known.
    #[must_use]
    pub fn new(bounds: Bounds, timings: BreakerTimings) -> Self {
        Self {
            bounds,
            breakers: Breakers::new(timings),
            credentials: Semaphores::default(),
            clusters: Semaphores::default(),
            rates: Buckets::default(),
            caches: CredentialCaches::default(),
        }
    }

    /// The gate of a new session.
    pub(super) fn gate(&self, principal: Principal) -> Gate {
        self.breakers.gate(principal)
    }

    /// The part of a new session in the rate of requests to an endpoint.
    pub(super) fn meter(&self, principal: &Principal, endpoint: &Endpoint, bound: Option<RateBound>) -> Meter {
        self.rates.meter(principal, &endpoint.to_string(), bound)
    }

    /// The temporary credential that sessions with this source share.
    pub(super) fn cache(&self, source: SourceId) -> Arc<CredentialCache> {
        self.caches.of(source)
    }

    /// Waits until a call with this credential, and about this cluster, may be in flight.
    pub(super) async fn permits(&self, principal: &Principal, cluster: Option<&str>) -> Permits {
        // The cluster first: a call that waits for its cluster must not keep others of its credential.
        let cluster = match cluster {
            Some(cluster) => {
                let key = cluster.to_ascii_lowercase();
                self.clusters.acquire(&key, self.bounds.per_cluster).await
            }
            None => None,
        };
        let bound = self.bounds.per_credential;
        let credential = self.credentials.acquire(principal, bound).await;
        Permits {
            _held: [cluster, credential],
        }
    }
}

/// Held while a call is in flight.
pub struct Permits {
    _held: [Option<OwnedSemaphorePermit>; 2],
}

/// One semaphore for each key that has calls in flight.
struct Semaphores<K>(Mutex<HashMap<K, Weak<Semaphore>>>);

impl<K> Default for Semaphores<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + std::hash::Hash + Eq> Semaphores<K> {
    /// A permit, which keeps its semaphore alive; none if the semaphore is closed, which none ever is.
    async fn acquire(&self, key: &K, bound: usize) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(semaphore) = all.get(key).and_then(Weak::upgrade) {
                semaphore
            } else {
                all.retain(|_, semaphore| semaphore.strong_count() > 0);
                let semaphore = Arc::new(Semaphore::new(bound));
                all.insert(key.clone(), Arc::downgrade(&semaphore));
                semaphore
            }
        };
        if let Ok(permit) = Arc::clone(&semaphore).try_acquire_owned() {
            return Some(permit);
        }
        tracing::debug!(bound, "a call waits until fewer are under way");
        semaphore.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use secrecy::SecretString;

    use super::super::credentials::Credentials;
    use super::*;

    fn limits(per_credential: usize, per_cluster: usize) -> Limits {
        let bounds = Bounds {
            per_credential,
            per_cluster,
        };
        let timings = BreakerTimings {
            window: Duration::from_mins(5),
            max_rejections: 3,
        };
        Limits::new(bounds, timings)
    }

    fn principal(user: &str) -> Principal {
        Credentials::Password {
            domain: "d".to_owned(),
            user: user.to_owned(),
            password: SecretString::from("p"),
        }
        .principal()
    }

    #[tokio::test]
    async fn calls_about_a_cluster_are_bounded_whoever_makes_them() {
        let limits = limits(9, 1);
        let first = limits.permits(&principal("a"), Some("c1")).await;
        assert!(limits.permits(&principal("b"), Some("C1")).now_or_never().is_none());
        assert!(limits.permits(&principal("b"), Some("c2")).now_or_never().is_some());
        drop(first);
        assert!(limits.permits(&principal("b"), Some("c1")).now_or_never().is_some());
    }

    #[tokio::test]
    async fn calls_of_a_credential_are_bounded_whatever_they_are_about() {
        let limits = limits(1, 9);
        let _first = limits.permits(&principal("a"), Some("c1")).await;
        assert!(limits.permits(&principal("a"), Some("c2")).now_or_never().is_none());
        assert!(limits.permits(&principal("a"), None).now_or_never().is_none());
        assert!(limits.permits(&principal("b"), None).now_or_never().is_some());
    }

    #[tokio::test]
    async fn idle_semaphores_are_forgotten() {
        let limits = limits(1, 1);
        for cluster in 0..100 {
            limits.permits(&principal("a"), Some(&cluster.to_string())).await;
        }
        assert!(limits.clusters.0.lock().unwrap().len() <= 1);
    }
}
