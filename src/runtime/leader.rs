//! Whether this process may write to the cloud now.
//!
//! The election tells it how long the Lease is certain to last; whoever writes asks here first, and says when the write is over. It may never
//! send anything itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::clock::Clock;

/// The leadership of this process; clones share it. It is acquired once and lost once: a process that has lost it ends.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    identity: String,
    clock: Clock,
    term: Mutex<Term>,
    acquired: CancellationToken,
    lost: CancellationToken,
}

#[derive(Debug)]
struct Term {
    /// The uptime until which nobody else can take the Lease.
    held_until: Duration,
    /// No write starts any more.
    closed: bool,
    /// Writes in flight.
    writes: usize,
    /// The uptime until which a write that was given up may still be in flight.
    given_up_until: Duration,
}

impl Leadership {
    /// Not leading yet.
    pub(super) fn standby(identity: String, clock: Clock) -> Self {
        let term = Term {
            held_until: Duration::ZERO,
            closed: false,
            writes: 0,
            given_up_until: Duration::ZERO,
        };
        Self(Arc::new(Shared {
            identity,
            clock,
            term: Mutex::new(term),
            acquired: CancellationToken::new(),
            lost: CancellationToken::new(),
        }))
    }

    /// Leading for ever, for a single replica without a Lease.
    pub(super) fn forever(identity: String, clock: Clock) -> Self {
        let leadership = Self::standby(identity, clock);
        leadership.hold_until(Duration::MAX);
        leadership
    }

    /// The name of this replica in the Lease.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.0.identity
    }

    /// Whether the Lease is this replica's now.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.allows(Duration::ZERO)
    }

    /// Whether the Lease lasts longer than `time` from now, counted from the start of the request that last renewed it.
    #[must_use]
    pub fn allows(&self, time: Duration) -> bool {
        let term = self.term();
        !term.closed && term.held_until.saturating_sub(self.0.clock.uptime()) > time
    }

    /// Begins a write that has ended `time` from now at the latest; nothing if the Lease does not last longer than that.
    ///
    /// While a write is in flight the Lease is not released.
    #[must_use]
    pub fn begin_write(&self, time: Duration) -> Option<WriteGuard> {
        let mut term = self.term();
        let now = self.0.clock.uptime();
        if term.closed || term.held_until.saturating_sub(now) <= time {
            return None;
        }
        term.writes += 1;
        Some(WriteGuard {
            shared: Arc::clone(&self.0),
            ends_by: now.saturating_add(time),
            finished: false,
        })
    }

    /// Resolves when this replica leads.
    pub async fn acquired(&self) {
        self.0.acquired.cancelled().await;
    }

    /// Resolves when this replica has lost the Lease or is about to: no write starts any more, and the process must end.
    pub async fn lost(&self) {
        self.0.lost.cancelled().await;
    }

    /// The Lease is certain until this uptime.
    pub(super) fn hold_until(&self, uptime: Duration) {
        self.term().held_until = uptime;
        self.0.acquired.cancel();
    }

    /// The uptime until which the Lease is certain.
    pub(super) fn held_until(&self) -> Duration {
        self.term().held_until
    }

    /// The Lease is gone or as good as gone.
    pub(super) fn lose(&self) {
        self.term().closed = true;
        self.0.lost.cancel();
    }

    /// Lets no write start any more; returns whether none can be in flight.
    pub(super) fn close(&self) -> bool {
        let mut term = self.term();
        term.closed = true;
        term.writes == 0 && self.0.clock.uptime() >= term.given_up_until
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        self.0.term()
    }
}

impl Shared {
    fn term(&self) -> MutexGuard<'_, Term> {
        // No change of a term can panic halfway.
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write in flight. Finish it when its answer, or its deadline, has come; one that is only dropped, with its future, counts as in flight until
/// its deadline, since the request may be on its way.
#[derive(Debug)]
pub struct WriteGuard {
    shared: Arc<Shared>,
    ends_by: Duration,
    finished: bool,
}

impl WriteGuard {
    /// The write is over.
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        let mut term = self.shared.term();
        term.writes -= 1;
        if !self.finished {
            term.given_up_until = term.given_up_until.max(self.ends_by);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn leader(lease: Duration) -> Leadership {
        let clock = Clock::start();
        let leadership = Leadership::standby("me".to_owned(), clock);
        leadership.hold_until(clock.uptime() + lease);
        leadership
    }

    #[test]
    fn a_standby_may_do_nothing() {
        let standby = Leadership::standby("me".to_owned(), Clock::start());
        assert!(!standby.is_leader() && !standby.allows(Duration::ZERO));
        assert!(standby.begin_write(SECOND).is_none());
        assert!(standby.acquired().now_or_never().is_none());
        assert!(standby.lost().now_or_never().is_none());
    }

    #[test]
    fn a_write_must_fit_into_the_rest_of_the_lease() {
        let leader = leader(60 * SECOND);
        assert!(leader.acquired().now_or_never().is_some());
        assert!(leader.is_leader() && leader.allows(50 * SECOND) && !leader.allows(60 * SECOND));
        assert!(leader.begin_write(50 * SECOND).is_some());
        assert!(leader.begin_write(60 * SECOND).is_none());
    }

    #[test]
    fn after_the_loss_nothing_starts() {
        let leader = leader(60 * SECOND);
        leader.lose();
        assert!(leader.lost().now_or_never().is_some());
        assert!(!leader.is_leader() && leader.begin_write(SECOND).is_none());
    }

    #[test]
    fn a_write_in_flight_is_seen_when_closing() {
        let leader = leader(60 * SECOND);
        let write = leader.begin_write(SECOND).unwrap();
        assert!(!leader.close());
        assert!(leader.begin_write(SECOND).is_none(), "closed");
        write.finish();
        assert!(leader.close());
    }

    #[test]
    fn a_write_that_was_given_up_counts_until_its_deadline() {
        let slow = leader(60 * SECOND);
        drop(slow.begin_write(30 * SECOND));
        assert!(!slow.close());

        let quick = leader(60 * SECOND);
        drop(quick.begin_write(Duration::from_nanos(1)));
        assert!(quick.close());
    }

    #[test]
    fn without_a_lease_it_leads_for_ever() {
        let leader = Leadership::forever("me".to_owned(), Clock::start());
        assert!(leader.allows(Duration::from_hours(24 * 365)));
        assert!(leader.acquired().now_or_never().is_some());
    }
}
