//! Protection of an access key, or an IAM user, from being locked by the cloud.
//!
//! The cloud locks an access key after more than five consecutive failures ("API signing" FAQ), for
//! everybody who uses it. So all sessions of the process share one [`Breakers`]: it takes what each call
//! with a key came to, and says whether the next call may go out. It never sends anything.
//!
//! A session's credential is *unproven* until the cloud accepts it, and has one call in flight until
//! then. A rejected one stays back; once in a while one read finds out whether it works again. A new
//! Secret makes a new session and is tried at once. When a proven credential is rejected, all others with
//! its key have to be proven again. No unproven one is tried for a key that was rejected
//! [`BreakerTimings::max_rejections`] times within [`BreakerTimings::window`].

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// When rejected credentials are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerTimings {
    /// The time over which rejections of a key are counted, and from one to the next read that finds out whether the key works again.
    pub window: Duration,
    /// The most rejections of a key within the window.
    pub max_rejections: usize,
}

/// What is known of a session's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// The cloud has not accepted it yet; one call at a time.
    Unproven,
    /// The cloud accepts it.
    Proven,
    /// The cloud rejected it; it is held back, but for a probe.
    Rejected,
}

/// The call is held back: the cloud would reject it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack;

/// The breakers of all keys of the process.
pub struct Breakers<K> {
    timings: BreakerTimings,
    keys: Mutex<HashMap<K, Arc<Key>>>,
    sessions: AtomicU64,
}

struct Key {
    /// Held by the one call of the key whose credential is not proven.
    lane: Arc<Semaphore>,
    history: Mutex<History>,
}

#[derive(Default)]
struct History {
    rejections: VecDeque<Instant>,
    /// How often a proven credential of the key was rejected; what was proven before is not any more.
    epoch: u64,
    /// The last rejection or probe.
    last: Option<Try>,
}

/// A rejection, or a probe, of a session.
#[derive(Clone, Copy)]
struct Try {
    at: Instant,
    /// The same moment, for readers.
    time: Timestamp,
    session: u64,
}

impl Try {
    fn now(session: u64) -> Self {
        Try {
            at: Instant::now(),
            time: Timestamp::now(),
            session,
        }
    }
}

impl History {
    fn forget_before(&mut self, start: Option<Instant>) {
        while self.rejections.front().is_some_and(|at| Some(*at) <= start) {
            self.rejections.pop_front();
        }
    }
}

impl<K: Hash + Eq> Breakers<K> {
    /// No key known yet.
    #[must_use]
    pub fn new(timings: BreakerTimings) -> Self {
        Self {
            timings,
            keys: Mutex::default(),
            sessions: AtomicU64::default(),
        }
    }

    /// The gate of a new session with this key.
    pub fn gate(&self, key: K) -> Gate {
        let mut keys = locked(&self.keys);
        let now = Instant::now();
        // A key without sessions is remembered for as long as its rejections count.
        keys.retain(|_, key| {
            let history = locked(&key.history);
            let counts = history.last.is_some_and(|last| now < last.at + self.timings.window);
            counts || Arc::strong_count(key) > 1
        });
        let key = keys.entry(key).or_insert_with(|| {
            Arc::new(Key {
                lane: Arc::new(Semaphore::new(1)),
                history: Mutex::default(),
            })
        });
        Gate {
            timings: self.timings,
            key: Arc::clone(key),
            session: self.sessions.fetch_add(1, Ordering::Relaxed),
            standing: Mutex::new(Standing::Unproven),
        }
    }
}

/// A session's way to send with its key.
pub struct Gate {
    timings: BreakerTimings,
    key: Arc<Key>,
    session: u64,
    standing: Mutex<Standing>,
}

#[derive(Clone, Copy)]
enum Standing {
    Unproven,
    /// In this epoch of the key.
    Proven(u64),
    Rejected,
}

impl Gate {
    /// Lets a call through, after those that the credential has in flight while it is not proven.
    /// `probe` is whether the call is a read that may find out whether a rejected credential works again.
    ///
    /// # Errors
    /// If the credential, or the key over all its credentials, was rejected too recently.
    pub async fn pass(&self, probe: bool) -> Result<Pass<'_>, HeldBack> {
        let pass = |lane| Pass {
            gate: self,
            epoch: self.epoch(),
            lane,
            is_probe: false,
        };
        match self.state() {
            BreakerState::Proven => return Ok(pass(None)),
            // Nothing to wait for: this also keeps callers of a rejected key from queueing up.
            BreakerState::Rejected if !(probe && self.probe_is_due()) => return Err(HeldBack),
            BreakerState::Rejected | BreakerState::Unproven => {}
        }
        let lane = Arc::clone(&self.key.lane).acquire_owned().await;
        // What was in flight may have proven or disproven the credential meanwhile.
        match self.state() {
            BreakerState::Proven => Ok(pass(None)),
            BreakerState::Unproven if self.may_fail() => Ok(pass(lane.ok())),
            BreakerState::Rejected if probe && self.probe_is_due() && self.may_fail() => Ok(Pass {
                is_probe: true,
                ..pass(lane.ok())
            }),
            BreakerState::Unproven | BreakerState::Rejected => Err(HeldBack),
        }
    }

    /// A new credential was issued in place of the rejected one: nothing is known of it yet.
    pub fn renewed(&self) {
        let mut standing = locked(&self.standing);
        if matches!(*standing, Standing::Rejected) {
            *standing = Standing::Unproven;
        }
    }

    /// What is known of the credential.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        let standing = *locked(&self.standing);
        match standing {
            Standing::Proven(epoch) if epoch == self.epoch() => BreakerState::Proven,
            Standing::Proven(_) | Standing::Unproven => BreakerState::Unproven,
            Standing::Rejected => BreakerState::Rejected,
        }
    }

    /// The earliest time of the next probe of the key, if one was rejected or probed.
    #[must_use]
    pub fn next_probe(&self) -> Option<Timestamp> {
        let last = locked(&self.key.history).last?;
        last.time.checked_add(self.timings.window).ok()
    }

    fn epoch(&self) -> u64 {
        locked(&self.key.history).epoch
    }

    /// Whether one more rejection of the key is allowed now.
    fn may_fail(&self) -> bool {
        let mut history = locked(&self.key.history);
        history.forget_before(Instant::now().checked_sub(self.timings.window));
        history.rejections.len() < self.timings.max_rejections
    }

    fn probe_is_due(&self) -> bool {
        let Some(Try { at, session, .. }) = locked(&self.key.history).last else {
            return true;
        };
        let mut interval = self.timings.window;
        if session == self.session {
            // Gives other sessions of the key the next probe, so that one wrong Secret cannot take them all.
            interval += interval / 10;
        }
        Instant::now() >= at + interval
    }
}

/// Leave to send one call.
pub struct Pass<'a> {
    gate: &'a Gate,
    epoch: u64,
    lane: Option<OwnedSemaphorePermit>,
    is_probe: bool,
}

impl Pass<'_> {
    /// To be called when the call goes out: from then on a probe counts. One that never goes out leaves its turn to the next.
    ///
    /// # Errors
    /// If the key was rejected since; then the call must not go out any more.
    pub fn go(&self) -> Result<(), HeldBack> {
        if self.is_void() {
            return Err(HeldBack);
        }
        if self.is_probe {
            locked(&self.gate.key.history).last = Some(Try::now(self.gate.session));
        }
        Ok(())
    }

    fn is_void(&self) -> bool {
        self.lane.is_none() && self.gate.state() != BreakerState::Proven
    }

    /// The cloud accepted the credential.
    pub fn accepted(&self) {
        // An answer to what was sent before a rejection proves nothing after it.
        if !self.is_void() {
            *locked(&self.gate.standing) = Standing::Proven(self.epoch);
        }
    }

    /// The same credential was rejected just now in another session, which counted it.
    pub fn shares_rejection(&self) {
        *locked(&self.gate.standing) = Standing::Rejected;
    }

    /// The cloud rejected the credential.
    pub fn rejected(&self) {
        let was_proven = self.gate.state() == BreakerState::Proven;
        *locked(&self.gate.standing) = Standing::Rejected;
        let rejection = Try::now(self.gate.session);
        let mut history = locked(&self.gate.key.history);
        history.rejections.push_back(rejection.at);
        history.last = Some(rejection);
        // A wrong Secret says nothing about the right one; a right one that fails does.
        history.epoch += u64::from(was_proven);
    }
}

/// The data stays whole even if a holder of the lock panicked: each change is one assignment or push.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
