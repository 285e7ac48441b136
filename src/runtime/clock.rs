//! The two clocks of the operator.
//!
//! Wall time is for people and for what is stored; every wait that safety rests on uses the uptime, which goes on while the machine sleeps
//! and does not care when somebody sets the wall clock.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use rustix::time::{ClockId, clock_gettime};

/// Where the time comes from; clones agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Duration,
}

impl Clock {
    /// Starts the uptime at zero. One clock is made per process, at its start.
    #[must_use]
    pub fn start() -> Self {
        Self { started: since_boot() }
    }

    /// The wall time, cut to milliseconds as it is stored.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // Rounding could only fail at the end of the calendar, in the year 9999.
        let mode = jiff::TimestampRound::new()
            .smallest(Unit::Millisecond)
            .mode(jiff::RoundMode::Trunc);
        now.round(mode).unwrap_or(now)
    }

    /// The time since the clock was started, suspended time included (`CLOCK_BOOTTIME`).
    #[must_use]
    pub fn uptime(&self) -> Duration {
        since_boot().saturating_sub(self.started)
    }
}

fn since_boot() -> Duration {
    // The kernel never reports a boot time before boot.
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_starts_at_zero_and_grows() {
        let clock = Clock::start();
        let first = clock.uptime();
        assert!(first < Duration::from_secs(5));
        let copy = clock;
        while clock.uptime() == first {
            std::thread::yield_now();
        }
        assert!(copy.uptime() > first);
    }

    #[test]
    fn wall_time_is_cut_to_milliseconds() {
        let clock = Clock::start();
        let before = Timestamp::now();
        let now = clock.now();
        assert_eq!(now.subsec_nanosecond() % 1_000_000, 0);
        assert!(before.duration_since(now) < jiff::SignedDuration::from_millis(1));
        assert!(Timestamp::now() >= now);
    }
}
