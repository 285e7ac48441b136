//! Whether a provider's credentials are kept back, as its status tells it.
//!
//! Takes what the session knows of its credentials and what the status said before. Credentials that took the place of refused ones have to be
//! accepted before the breaker is told closed, so that a second wrong Secret is no news. It calls nobody.

use std::time::Duration;

use jiff::Timestamp;

use super::standing::Opened;
use crate::api::breaker::{Breaker, BreakerState};
use crate::api::conditions::whole_seconds;
use crate::cloud;

/// What is known of the credentials in use.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What the cloud says to them.
    pub state: cloud::BreakerState,
    /// When refused ones may be tried again, at the earliest.
    pub next_probe: Option<Timestamp>,
    /// How long they have been in use.
    pub age: Duration,
}

impl Seen {
    /// Of a session that is this old.
    #[must_use]
    pub fn of(opened: &Opened, age: Duration) -> Self {
        Seen {
            state: opened.breaker(),
            next_probe: opened.session().next_probe(),
            age,
        }
    }
}

/// What the breaker is judged by, beside the credentials.
pub struct Circumstances<'a> {
    /// What the status says.
    pub before: Option<&'a Breaker>,
    /// Whether the cloud refused the credentials when the provider was read just now.
    pub is_refused: bool,
    /// Whether an object may try new credentials soon, of the spec that the status is about. Of a new spec nothing is known yet.
    pub is_awaited: bool,
    /// How long new credentials may stay untried; an object that is paused does not try any.
    pub patience: Duration,
    /// The time.
    pub now: Timestamp,
}

/// The breaker as the status tells it; what is not known is as it was.
#[must_use]
pub fn judge(seen: Option<Seen>, circumstances: &Circumstances<'_>) -> Option<Breaker> {
    let Circumstances { before, is_refused, .. } = *circumstances;
    let Some(seen) = seen else {
        return before.cloned();
    };
    let was_open = before.is_some_and(|before| before.state == BreakerState::Open);
    let is_awaited = circumstances.is_awaited && seen.age < circumstances.patience;
    let is_open = is_refused
        || match seen.state {
            cloud::BreakerState::Rejected => true,
            cloud::BreakerState::Proven => false,
            cloud::BreakerState::Unproven => was_open && is_awaited,
        };
    let state = if is_open {
        BreakerState::Open
    } else {
        BreakerState::Closed
    };
    let same = before.filter(|before| before.state == state);
    // A process that has just started knows of no rejection yet.
    let next_probe = seen.next_probe.map(whole_seconds);
    let next_probe = next_probe.or(same.and_then(|same| same.next_probe_time));
    Some(Breaker {
        state,
        since: same.map_or_else(|| whole_seconds(circumstances.now), |same| same.since),
        next_probe_time: next_probe.filter(|_| is_open),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_800_000_000;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(AT + second).unwrap()
    }

    fn breaker(state: BreakerState, since: i64, next: Option<i64>) -> Breaker {
        Breaker {
            state,
            since: time(since),
            next_probe_time: next.map(time),
        }
    }

    fn seen(state: cloud::BreakerState, next: Option<i64>, age: u64) -> Seen {
        Seen {
            state,
            next_probe: next.map(time),
            age: Duration::from_secs(age),
        }
    }

    #[test]
    fn new_credentials_close_it_only_when_they_are_accepted() {
        use BreakerState::{Closed, Open};
        use cloud::BreakerState::{Proven, Rejected, Unproven};
        let open = || Some(breaker(Open, 0, Some(300)));
        let closed = || Some(breaker(Closed, 0, None));
        let since_now = |state, next| Some(breaker(state, 9, next));
        // What was told, what is known now, whether the read was refused, whether somebody tries them, what is told.
        let rows = [
            // No credentials: nothing new.
            (None, None, false, true, None),
            (open(), None, false, true, open()),
            // The first ones are used until they are refused, also after a restart.
            (
                None,
                Some(seen(Unproven, None, 0)),
                false,
                true,
                since_now(Closed, None),
            ),
            (closed(), Some(seen(Unproven, None, 0)), false, true, closed()),
            (closed(), Some(seen(Proven, Some(300), 0)), false, true, closed()),
            (
                closed(),
                Some(seen(Rejected, Some(300), 0)),
                false,
                true,
                since_now(Open, Some(300)),
            ),
            (
                closed(),
                Some(seen(Unproven, Some(300), 0)),
                true,
                true,
                since_now(Open, Some(300)),
            ),
            // A probe that was refused moves the next one.
            (
                open(),
                Some(seen(Rejected, Some(600), 900)),
                false,
                true,
                Some(breaker(Open, 0, Some(600))),
            ),
            // Others in their place have to be accepted.
            (open(), Some(seen(Unproven, None, 1)), false, true, open()),
            (open(), Some(seen(Unproven, Some(300), 1)), false, true, open()),
            (
                open(),
                Some(seen(Proven, Some(300), 1)),
                false,
                true,
                since_now(Closed, None),
            ),
            // Unless nobody tries them.
            (
                open(),
                Some(seen(Unproven, None, 1)),
                false,
                false,
                since_now(Closed, None),
            ),
            (
                open(),
                Some(seen(Unproven, None, 60)),
                false,
                true,
                since_now(Closed, None),
            ),
        ];
        for (n, (before, seen, is_refused, is_awaited, told)) in rows.into_iter().enumerate() {
            let circumstances = Circumstances {
                before: before.as_ref(),
                is_refused,
                is_awaited,
                patience: Duration::from_mins(1),
                now: time(9),
            };
            assert_eq!(judge(seen, &circumstances), told, "row {n}");
        }
    }
}
