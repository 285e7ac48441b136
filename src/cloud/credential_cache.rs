//! A credential that was issued, kept until shortly before it expires.
//!
//! Takes a way to have one issued and returns the one to use. One exchange at a time: whoever waited for it shares what it came to, also its
//! failure. Sessions with the same source share one cache ([`CredentialCaches`]). Never writes a credential anywhere.
//!
//! A credential is renewed when a third of its life is left: after 40 minutes of an hour, after 16 hours of a day. That is early enough to
//! outlast a long outage of whoever issues it, and works for lives of minutes too. While a renewal fails, the old one is used on; the
//! renewal is tried again after 30 s, then after twice as long each time up to 5 minutes, and after 5 minutes if it was refused, which more
//! tries would not change and might lock a user. Without a valid one, a failure is the answer for a moment (1 s, doubled up to 30 s), so that
//! many objects do not ask as many times.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::errors::{Failure, FailureKind, Wait};
use super::issued::{Bearer, Issued};

/// A credential is not used for its last moments, for a request is on its way for a while: so long, or a twentieth of its life if that is less.
const ON_ITS_WAY: Duration = Duration::from_mins(1);

/// After a failed renewal, how long the old credential is used before the next try: at first, and at most.
const RENEW_AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(5));

/// How long a failure is the answer where there is no valid credential: at first, and at most.
const FAILED_FOR: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A credential in use.
#[derive(Clone)]
pub struct Held {
    /// The credential.
    pub bearer: Bearer,
    /// Its place among those of the cache.
    serial: u64,
    renew_at: Instant,
    expires_at: Instant,
    expiry: Timestamp,
}

impl Held {
    fn new(issued: Issued, serial: u64) -> Self {
        let now = Instant::now();
        Self {
            bearer: issued.bearer,
            serial,
            renew_at: now + issued.lifetime * 2 / 3,
            expires_at: now + issued.lifetime.saturating_sub(ON_ITS_WAY.min(issued.lifetime / 20)),
            expiry: issued.expires_at,
        }
    }
}

/// What the rejection of a credential calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerRejection {
    /// A new one: it may have expired or been voided.
    IssueAgain,
    /// Nothing: one that was just issued was rejected too.
    GiveUp,
}

/// No credential could be had.
#[derive(Debug)]
pub struct Unissued {
    /// Why.
    pub failure: Failure,
    /// Whether it was asked for just now; else somebody else, or an earlier try, came to this.
    pub asked: bool,
}

/// The credential of a source.
#[derive(Default)]
pub struct CredentialCache {
    /// Held by the one who has one issued.
    turn: tokio::sync::Mutex<()>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    held: Option<Held>,
    issued: u64,
    /// How many credentials were rejected since the last one that was accepted.
    rejected: u32,
    /// How many exchanges in a row have failed.
    failures: u32,
    last_failure: Option<(Instant, Failure)>,
}

impl Kept {
    fn fresh(&self) -> Option<&Held> {
        self.held.as_ref().filter(|held| Instant::now() < held.renew_at)
    }

    /// The failure that is the answer for now, to somebody who has waited since `asked`.
    fn standing_failure(&self, asked: Instant) -> Option<&Failure> {
        let (at, failure) = self.last_failure.as_ref()?;
        let lasts = doubled(FAILED_FOR, self.failures);
        (*at > asked || Instant::now() < *at + lasts).then_some(failure)
    }
}

/// The first of the bounds, doubled with each failure after the first, and no more than the second.
fn doubled((first, most): (Duration, Duration), failures: u32) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(most)
}

impl CredentialCache {
    /// The credential in use, or the one that `issue` brings.
    ///
    /// # Errors
    /// What `issue` failed with, if there is no credential that is still valid.
    pub async fn current<L>(&self, issue: impl FnOnce() -> L) -> Result<Held, Unissued>
    where
        L: Future<Output = Result<Issued, Failure>>,
    {
        if let Some(held) = self.kept().fresh() {
            return Ok(held.clone());
        }
        let asked = Instant::now();
        let _turn = self.turn.lock().await;
        {
            let kept = self.kept();
            if let Some(held) = kept.fresh() {
                return Ok(held.clone());
            }
            let valid = kept.held.as_ref().is_some_and(|held| Instant::now() < held.expires_at);
            if let (Some(failure), false) = (kept.standing_failure(asked), valid) {
                return Err(Unissued {
                    failure: failure.clone(),
                    asked: false,
                });
            }
        }
        let result = issue().await;
        let mut kept = self.kept();
        match result {
            Ok(new) => {
                kept.issued += 1;
                kept.failures = 0;
                kept.last_failure = None;
                let held = Held::new(new, kept.issued);
                kept.held = Some(held.clone());
                Ok(held)
            }
            Err(failure) => {
                let now = Instant::now();
                kept.failures = kept.failures.saturating_add(1);
                let (failures, (_, longest)) = (kept.failures, RENEW_AGAIN);
                if let Some(held) = kept.held.as_mut().filter(|held| now < held.expires_at) {
                    tracing::warn!(
                        %failure, expires = %held.expiry,
                        "a temporary credential could not be renewed; the old one is used until it expires"
                    );
                    let refused = failure.kind == FailureKind::CredentialsRejected;
                    let again = if refused {
                        longest
                    } else {
                        doubled(RENEW_AGAIN, failures)
                    };
                    held.renew_at = (now + again).min(held.expires_at);
                    return Ok(held.clone());
                }
                if was_asked(&failure) {
                    kept.last_failure = Some((now, failure.clone()));
                }
                Err(Unissued { failure, asked: true })
            }
        }
    }

    /// Whether the credential in use needs no renewal yet.
    pub fn is_fresh(&self) -> bool {
        self.kept().fresh().is_some()
    }

    /// What the last exchange was refused for, if it was, and nothing was issued since.
    pub fn refusal(&self) -> Option<Failure> {
        let kept = self.kept();
        let (_, failure) = kept.last_failure.as_ref()?;
        (failure.kind == FailureKind::CredentialsRejected).then(|| failure.clone())
    }

    /// How many credentials were issued so far.
    pub fn issued(&self) -> u64 {
        self.kept().issued
    }

    /// When the credential in use expires.
    pub fn expiry(&self) -> Option<Timestamp> {
        self.kept().held.as_ref().map(|held| held.expiry)
    }

    /// The cloud accepted a credential.
    pub fn accepted(&self) {
        self.kept().rejected = 0;
    }

    /// The cloud rejected a credential: it is dropped, and counted once however many calls carried it.
    pub fn rejected(&self, held: &Held) -> BearerRejection {
        let mut kept = self.kept();
        if kept.held.as_ref().is_some_and(|kept| kept.serial == held.serial) {
            kept.held = None;
            kept.rejected += 1;
        }
        if kept.rejected > 1 {
            BearerRejection::GiveUp
        } else {
            BearerRejection::IssueAgain
        }
    }

    /// Each change of the data is whole, so that a panic of a holder does no harm.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody was asked, so that asking again soon would be of no use.
fn was_asked(failure: &Failure) -> bool {
    let is_throttled = matches!(
        failure.kind,
        FailureKind::RetryAfter {
            wait: Wait::Throttled,
            ..
        }
    );
    !failure.is_held_back() && !is_throttled
}

/// What tells a source of credentials from others: a digest over everything that it is made of.
pub type SourceId = [u8; 32];

/// The caches of all sessions of the process, by source.
#[derive(Default)]
pub struct CredentialCaches(Mutex<HashMap<SourceId, Weak<CredentialCache>>>);

impl CredentialCaches {
    /// The cache of a source; it lives as long as somebody holds it.
    pub fn of(&self, source: SourceId) -> Arc<CredentialCache> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = all.get(&source).and_then(Weak::upgrade) {
            return cache;
        }
        all.retain(|_, cache| cache.strong_count() > 0);
        let cache = Arc::new(CredentialCache::default());
        all.insert(source, Arc::downgrade(&cache));
        cache
    }
}

#[cfg(test)]
mod tests;
