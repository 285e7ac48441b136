//! Every wait of the operator, with its default, its flag and the environment variable that is its twin.
//!
//! Values only: nothing here waits. The same values can be given to the whole operator in a test, in proportion.

use std::time::Duration;

use super::duration;

/// How a setting is read from its text.
trait Setting: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Setting for Duration {
    fn read(text: &str) -> Result<Self, String> {
        duration::parse(text)
    }
}

impl Setting for u32 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error| format!("`{text}` is not a number: {error}"))
    }
}

/// Declares `Timings`: one row a field, which gives the field, its flag, its environment variable and its default from one text.
macro_rules! timings {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:literal, $env:literal;)+) => {
        /// The waits of the operator. The rules that they belong to are explained in the documentation of each field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::Args)]
        #[command(next_help_heading = "Timings")]
        pub struct Timings {
            $($(#[doc = $doc])+
            #[arg(long, env = $env, default_value = $default, value_parser = <$type as Setting>::read)]
            pub $field: $type,)+
        }

        impl Default for Timings {
            fn default() -> Self {
                Self { $($field: <$type as Setting>::read($default).expect("the defaults are durations and numbers"),)+ }
            }
        }

        impl Timings {
            /// The name of each field and whether its value is zero.
            fn zeros(&self) -> impl Iterator<Item = (&'static str, bool)> {
                [$((stringify!($field), <$type>::default() == self.$field),)+].into_iter()
            }
        }
    };
}

timings! {
    /// Cloud calls: the longest wait for a connection.
    connect: Duration = "5s", "DWS_OPERATOR_CONNECT";
    /// Cloud calls: the longest wait for the answer to a request that changes something. A write starts only while the lease lasts longer.
    write_deadline: Duration = "20s", "DWS_OPERATOR_WRITE_DEADLINE";
    /// Cloud calls: the longest wait for the answer to a request that only reads.
    read_deadline: Duration = "30s", "DWS_OPERATOR_READ_DEADLINE";

    /// Leadership: how long the lease lasts after its last renewal. Also the extra wait before the unfinished work of another holder is settled.
    lease: Duration = "45s", "DWS_OPERATOR_LEASE";
    /// Leadership: how often the lease is renewed, and the longest wait for the answer.
    lease_renew: Duration = "10s", "DWS_OPERATOR_LEASE_RENEW";
    /// Leadership: what must be left of the lease when a write has reached its deadline. With no more than this left the leader gives up.
    lease_margin: Duration = "5s", "DWS_OPERATOR_LEASE_MARGIN";

    /// Unknown outcome: the gap between the two lists that settle a write which nobody answered.
    settle_gap: Duration = "30s", "DWS_OPERATOR_SETTLE_GAP";
    /// Late effects: how long after its deadline an unanswered create may still show an effect.
    late_effects: Duration = "10m", "DWS_OPERATOR_LATE_EFFECTS";
    /// Late effects: the same for a create that DWS itself answered with an error.
    late_effects_answered: Duration = "1m", "DWS_OPERATOR_LATE_EFFECTS_ANSWERED";
    /// Late effects: how often the cluster is listed while an effect may still show.
    late_list: Duration = "30s", "DWS_OPERATOR_LATE_LIST";

    /// Gone: the gap between the two lists that prove that a data source is gone.
    gone_gap: Duration = "60s", "DWS_OPERATOR_GONE_GAP";
    /// Gone: how long after the operator's last write a list may lack it. No earlier list proves that a data source is gone.
    list_lag: Duration = "2m", "DWS_OPERATOR_LIST_LAG";
    /// Delete without a job: the gap between the two lists that prove that the deletion took effect.
    deleted_gap: Duration = "10s", "DWS_OPERATOR_DELETED_GAP";

    /// Create: how long the first look at job and list, right after the request, may take.
    quick_look: Duration = "1s", "DWS_OPERATOR_QUICK_LOOK";
    /// Jobs: the shortest time between two looks at a job.
    job_poll_min: Duration = "1s", "DWS_OPERATOR_JOB_POLL_MIN";
    /// Jobs: the longest time between two looks at a job that is within its deadline.
    job_poll_max: Duration = "30s", "DWS_OPERATOR_JOB_POLL_MAX";
    /// Jobs: when a job that has not ended is called late; its lane is given to the next.
    job_deadline: Duration = "60m", "DWS_OPERATOR_JOB_DEADLINE";
    /// Jobs: the time between two looks at a late job.
    job_poll_late: Duration = "5m", "DWS_OPERATOR_JOB_POLL_LATE";
    /// Status: the shortest time between two patches that only tell a job's progress.
    progress_interval: Duration = "10s", "DWS_OPERATOR_PROGRESS_INTERVAL";

    /// Backoff: the longest wait after the first failure.
    backoff_min: Duration = "1s", "DWS_OPERATOR_BACKOFF_MIN";
    /// Backoff: the longest wait after any failure.
    backoff_max: Duration = "5m", "DWS_OPERATOR_BACKOFF_MAX";
    /// Busy: the longest wait while the DWS cluster runs another operation.
    busy_max: Duration = "60s", "DWS_OPERATOR_BUSY_MAX";
    /// Busy: after this long, an object says that it waits for the cluster.
    busy_deadline: Duration = "30m", "DWS_OPERATOR_BUSY_DEADLINE";
    /// Throttling: the wait when the cloud does not say how long to wait.
    throttle_default: Duration = "60s", "DWS_OPERATOR_THROTTLE_DEFAULT";

    /// Stalled objects: how often they are looked at again.
    stalled_recheck: Duration = "10m", "DWS_OPERATOR_STALLED_RECHECK";
    /// Secrets that are missing, invalid or rejected: how often they are read again.
    secret_recheck: Duration = "30s", "DWS_OPERATOR_SECRET_RECHECK";
    /// Flap damping: after this long of failures, a Ready object turns not Ready.
    ready_grace: Duration = "10m", "DWS_OPERATOR_READY_GRACE";
    /// Flap damping: after this many failures in a row, a Ready object turns not Ready.
    ready_failures: u32 = "5", "DWS_OPERATOR_READY_FAILURES";
    /// Breaker: how often an access key that was refused may be tried again.
    breaker_window: Duration = "5m", "DWS_OPERATOR_BREAKER_WINDOW";
    /// Shutdown: how long after SIGTERM a running request may still be answered.
    shutdown: Duration = "4s", "DWS_OPERATOR_SHUTDOWN";
}

impl Timings {
    /// The waits that zero switches off; any other zero would make a loop hot or a proof worthless.
    const MAY_BE_ZERO: [&str; 8] = [
        "lease_margin",
        "late_effects",
        "late_effects_answered",
        "list_lag",
        "quick_look",
        "progress_interval",
        "ready_grace",
        "shutdown",
    ];

    /// Whether the waits fit together.
    ///
    /// # Errors
    /// Names the flags to change: a zero that makes no sense, a least above its most, or a lease too short for a write to end within it.
    pub fn check(&self) -> Result<(), String> {
        if let Some((field, _)) = self
            .zeros()
            .find(|(field, zero)| *zero && !Self::MAY_BE_ZERO.contains(field))
        {
            return Err(format!("--{} must not be zero", field.replace('_', "-")));
        }
        for (low, high, flags) in [
            (
                self.job_poll_min,
                self.job_poll_max,
                "--job-poll-min is above --job-poll-max",
            ),
            (
                self.backoff_min,
                self.backoff_max,
                "--backoff-min is above --backoff-max",
            ),
            (self.backoff_min, self.busy_max, "--backoff-min is above --busy-max"),
        ] {
            if low > high {
                return Err(flags.to_owned());
            }
        }
        if self.lease.saturating_sub(self.lease_renew) <= self.write_floor() {
            return Err(format!(
                "a write could outlast the lease: --lease ({}) less --lease-renew ({}) must be more than --write-deadline ({}) plus \
                 --lease-margin ({}); raise --lease or lower one of the others",
                duration::format(self.lease),
                duration::format(self.lease_renew),
                duration::format(self.write_deadline),
                duration::format(self.lease_margin),
            ));
        }
        Ok(())
    }

    /// What must be left of the lease for a cloud write to start: its deadline plus the margin.
    #[must_use]
    pub fn write_floor(&self) -> Duration {
        self.write_deadline + self.lease_margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_defaults_fit_together() {
        let timings = Timings::default();
        assert_eq!(timings.check(), Ok(()));
        assert_eq!(
            (timings.lease, timings.lease_renew, timings.write_floor()),
            (seconds(45), seconds(10), seconds(25))
        );
        assert_eq!(
            (timings.job_deadline, timings.ready_failures),
            (Duration::from_hours(1), 5)
        );
    }

    #[test]
    fn a_lease_that_a_write_can_outlast_is_refused() {
        let timings = Timings {
            lease: seconds(35),
            ..Timings::default()
        };
        let message = timings.check().unwrap_err();
        for part in [
            "--lease (35s)",
            "--lease-renew (10s)",
            "--write-deadline (20s)",
            "--lease-margin (5s)",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(
            Timings {
                lease: Duration::from_millis(35_001),
                ..timings
            }
            .check(),
            Ok(())
        );
    }

    #[test]
    fn short_proportions_are_allowed() {
        let timings = Timings {
            write_deadline: seconds(2),
            lease: seconds(6),
            lease_renew: seconds(1),
            lease_margin: seconds(1),
            ..Timings::default()
        };
        assert_eq!(timings.check(), Ok(()));
    }

    #[test]
    fn zeros_and_reversed_limits_are_refused() {
        let default = Timings::default();
        let zero = Duration::ZERO;
        for (timings, message) in [
            (
                Timings {
                    settle_gap: zero,
                    ..default
                },
                "--settle-gap must not be zero",
            ),
            (
                Timings {
                    ready_failures: 0,
                    ..default
                },
                "--ready-failures must not be zero",
            ),
            (
                Timings {
                    backoff_min: seconds(301),
                    ..default
                },
                "--backoff-min is above --backoff-max",
            ),
            (
                Timings {
                    job_poll_min: seconds(31),
                    ..default
                },
                "--job-poll-min is above --job-poll-max",
            ),
        ] {
            assert_eq!(timings.check(), Err(message.to_owned()));
        }
        assert_eq!(
            Timings {
                quick_look: zero,
                ..default
            }
            .check(),
            Ok(())
        );
        for field in Timings::MAY_BE_ZERO {
            assert!(default.zeros().any(|(name, _)| name == field), "{field}");
        }
    }
}
