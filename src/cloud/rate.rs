//! How many requests a second go out with a credential to an endpoint, over all sessions of the process.
//!
//! Takes the rate limits of the providers and what the cloud says when it throttles, and returns leave to send, or how long to stay away.
//! Never sends anything.
//!
//! Each credential and endpoint has one token bucket. Where sessions with different limits share it, the strictest rate and the smallest burst
//! of them hold for all. A `Retry-After` of the cloud closes the bucket, with or without a limit, until its time is over. Calls go out in the
//! order in which they came; one whose turn would come too late for its deadline is told so at once, with a time of its own to come back, so
//! that many objects neither queue up nor come back together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::credentials::Principal;

/// A bound on the rate of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateBound {
    /// From one request to the next, over time.
    pub interval: Duration,
    /// How many may be made at once after a quiet time; at least 1.
    pub burst: u32,
}

/// No leave to send before this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComeBack(pub Duration);

/// The buckets of the process.
#[derive(Default)]
pub struct Buckets(Mutex<HashMap<(Principal, String), Weak<Bucket>>>);

struct Bucket {
    /// Held by the call whose turn is next; tokio hands it on in the order in which it was asked for.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    /// The bounds of the sessions that use it.
    bounds: HashMap<u64, RateBound>,
    last_member: u64,
    /// When the bucket is full again.
    full_at: Instant,
    closed_until: Instant,
    /// How many calls have a ticket and wait.
    waiting: u32,
    /// The time that the last call was told to come back at.
    promised: Instant,
}

impl State {
    /// The interval and the burst that hold for all.
    fn bound(&self) -> Option<RateBound> {
        let interval = self.bounds.values().map(|bound| bound.interval).max()?;
        let burst = self.bounds.values().map(|bound| bound.burst).min()?;
        Some(RateBound { interval, burst })
    }

    /// When the next request may go out, after so many others.
    fn next(&self, others: u32, now: Instant) -> Instant {
        let open = self.closed_until.max(now);
        let Some(RateBound { interval, burst }) = self.bound() else {
            return open;
        };
        let full_at = self.full_at.max(now) + interval * others;
        let spare = interval * burst.saturating_sub(1);
        open.max(full_at.checked_sub(spare).unwrap_or(now))
    }

    fn take(&mut self, now: Instant) {
        if let Some(bound) = self.bound() {
            self.full_at = self.full_at.max(now) + bound.interval;
        }
    }

    /// A time to come back at, not before `at`, that nobody else was told.
    fn promise(&mut self, at: Instant, now: Instant) -> ComeBack {
        let interval = self.bound().map_or(Duration::ZERO, |bound| bound.interval);
        self.promised = at.max(self.promised + interval);
        ComeBack(self.promised.saturating_duration_since(now))
    }
}

impl Buckets {
    /// A session's part in the bucket of its credential and an endpoint.
    pub fn meter(&self, principal: &Principal, endpoint: &str, bound: Option<RateBound>) -> Meter {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (principal.clone(), endpoint.to_owned());
        let bucket = all.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            all.retain(|_, bucket| bucket.strong_count() > 0);
            let now = Instant::now();
            let bucket = Arc::new(Bucket {
                turn: tokio::sync::Mutex::default(),
                state: Mutex::new(State {
                    bounds: HashMap::new(),
                    last_member: 0,
                    full_at: now,
                    closed_until: now,
                    waiting: 0,
                    promised: now,
                }),
            });
            all.insert(key, Arc::downgrade(&bucket));
            bucket
        });
        let mut state = locked(&bucket.state);
        state.last_member += 1;
        let member = state.last_member;
        state.bounds.extend(bound.map(|bound| (member, bound)));
        drop(state);
        Meter { bucket, member }
    }
}

/// A session's part in a bucket; its bound holds until it is dropped.
pub struct Meter {
    bucket: Arc<Bucket>,
    member: u64,
}

/// A place in the line of those that wait to send; it is free again when they have sent, or given up.
pub struct Ticket<'a> {
    meter: &'a Meter,
    is_used: AtomicBool,
}

impl Meter {
    /// A place in the line, if its turn comes within `most`.
    ///
    /// # Errors
    /// When to come back, if it does not.
    pub fn ticket(&self, most: Duration) -> Result<Ticket<'_>, ComeBack> {
        let now = Instant::now();
        let mut state = self.state();
        let at = state.next(state.waiting, now);
        if at > now + most {
            return Err(state.promise(at, now));
        }
        state.waiting += 1;
        Ok(Ticket {
            meter: self,
            is_used: AtomicBool::new(false),
        })
    }

    /// Waits for leave to send one request now, at most so long.
    ///
    /// # Errors
    /// When to come back, if that is not enough.
    pub async fn leave(&self, most: Duration) -> Result<(), ComeBack> {
        let latest = Instant::now() + most;
        let come_back = |state: &mut State| {
            let now = Instant::now();
            let at = state.next(0, now);
            state.promise(at, now)
        };
        let Ok(_turn) = timeout_at(latest, self.bucket.turn.lock()).await else {
            return Err(come_back(&mut self.state()));
        };
        loop {
            let wait = {
                let mut state = self.state();
                let now = Instant::now();
                let at = state.next(0, now);
                if at <= now {
                    state.take(now);
                    return Ok(());
                }
                if at > latest {
                    return Err(come_back(&mut state));
                }
                at - now
            };
            sleep(wait).await;
        }
    }

    /// The cloud asks to stay away for so long.
    pub fn close(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.state();
        state.closed_until = state.closed_until.max(until);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.bucket.state)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.state().bounds.remove(&self.member);
    }
}

impl Ticket<'_> {
    /// Frees the place in the line, for the request goes out.
    pub fn redeem(&self) {
        if !self.is_used.swap(true, Ordering::Relaxed) {
            self.meter.state().waiting -= 1;
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.redeem();
    }
}

/// Each change is whole, so that a panic of a holder does no harm.
fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
