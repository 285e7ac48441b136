//! The task that takes the Lease and renews it: the shell around [`lease`](super::lease), which holds the rules.
//!
//! Every write replaces exactly the version that was read, and no request outlives its time. When the Lease cannot be renewed the candidate gives
//! up before the Lease ends.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::backoff;
use super::election::Setting;
use super::leader::Leadership;
use super::lease::{self, LastChange, LeaseView, Step};
use super::lease_api::{LeaseError, Leases};

/// First a candidate, then the leader, then done.
pub(super) struct Candidate {
    leases: Leases,
    leadership: Leadership,
    setting: Setting,
    last: LastChange,
    tries: u64,
    failing: bool,
}

/// What came of a try to take the Lease.
enum Attempt {
    Held(Box<Lease>),
    Waits { holder: String, until: Duration },
}

impl Candidate {
    /// Reports to `leadership`.
    pub(super) fn new(leases: Leases, leadership: Leadership, setting: Setting) -> Self {
        setting.health.ready("lease", false);
        setting.metrics.set_leading(lease::NAME, false);
        Self {
            leases,
            leadership,
            setting,
            last: LastChange::default(),
            tries: 0,
            failing: false,
        }
    }

    /// Takes the Lease and renews it until it is lost or `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let metrics = self.setting.metrics.clone();
        let term = async {
            let held = self.campaign().await;
            metrics.set_leading(lease::NAME, true);
            let reason = self.hold(held).await;
            tracing::error!(identity = self.leadership.identity(), reason, "leadership lost");
            self.leadership.lose();
        };
        tokio::select! {
            // First, so that nothing is sent once it is stopped.
            biased;
            () = stop.cancelled() => {}
            () = term => {}
        }
        metrics.set_leading(lease::NAME, false);
    }

    /// Tries until the Lease is held; returns it as it was written.
    async fn campaign(&mut self) -> Lease {
        let mut shown = None;
        loop {
            let mut wait = self.pause();
            match self.try_to_take().await {
                Ok(Attempt::Held(lease)) => {
                    tracing::info!(identity = self.leadership.identity(), "leading");
                    self.answered();
                    return *lease;
                }
                Ok(Attempt::Waits { holder, until }) => {
                    self.answered();
                    wait = wait.min(until.saturating_sub(self.setting.clock.uptime()));
                    if shown.as_ref() != Some(&holder) {
                        tracing::info!(identity = self.leadership.identity(), holder, "standing by");
                        shown = Some(holder);
                    }
                }
                // Somebody was faster.
                Err(LeaseError::Conflict) => {}
                Err(error) => self.complain(&error),
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_to_take(&mut self) -> Result<Attempt, LeaseError> {
        let (read, step) = self.look().await?;
        if let Step::Wait { until } = step {
            let holder = read
                .and_then(|lease| LeaseView::from(&lease).holder)
                .unwrap_or_default();
            return Ok(Attempt::Waits { holder, until });
        }
        self.claim(read.as_ref(), Duration::MAX)
            .await
            .map(|lease| Attempt::Held(Box::new(lease)))
    }

    /// Renews the Lease until that fails for too long or somebody else has it; returns why.
    async fn hold(&mut self, lease: Lease) -> String {
        let mut known = Some(lease);
        let mut wait = self.until_renewal();
        loop {
            let give_up = self
                .leadership
                .held_until()
                .saturating_sub(self.setting.timings.lease_margin);
            tokio::time::sleep(wait.min(give_up.saturating_sub(self.setting.clock.uptime()))).await;
            let left = give_up.saturating_sub(self.setting.clock.uptime());
            if left.is_zero() {
                return "the Lease could not be renewed in time".to_owned();
            }
            // What a failed request did to the Lease is not known, so it is read again.
            let current = match known.take() {
                Some(current) => Some(current),
                None => match timeout(left, self.look()).await {
                    Ok(Ok((read, Step::Renew))) => read,
                    Ok(Ok((read, _))) => return taken(read.as_ref()),
                    Ok(Err(error)) => {
                        self.complain(&error);
                        wait = self.pause();
                        continue;
                    }
                    Err(_) => continue,
                },
            };
            let left = give_up.saturating_sub(self.setting.clock.uptime());
            match self.claim(current.as_ref(), left).await {
                Ok(renewed) => {
                    self.answered();
                    known = Some(renewed);
                    wait = self.until_renewal();
                }
                Err(LeaseError::Conflict) => wait = self.pause(),
                Err(error) => {
                    self.complain(&error);
                    wait = self.pause();
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(Option<Lease>, Step), LeaseError> {
        let read = self.leases.read().await?;
        let view = read.as_ref().map(LeaseView::from);
        let now = self.setting.clock.uptime();
        let seen_at = self.last.note(view.as_ref(), now);
        let step = lease::evaluate(
            view.as_ref(),
            self.leadership.identity(),
            seen_at,
            now,
            &self.setting.timings,
        );
        Ok((read, step))
    }

    /// Writes the Lease as this replica's own. It is counted from before the request, so that no other replica can see it end sooner.
    async fn claim(&mut self, read: Option<&Lease>, limit: Duration) -> Result<Lease, LeaseError> {
        let mut lease = lease::claimed(
            read,
            self.leadership.identity(),
            self.setting.clock.now(),
            &self.setting.timings,
        );
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.extend(self.setting.annotations.clone());
        let asked_at = self.setting.clock.uptime();
        let written = self.leases.write(&lease, limit).await?;
        self.leadership.hold_until(asked_at + self.setting.timings.lease);
        Ok(written)
    }

    fn answered(&mut self) {
        self.failing = false;
        self.setting.health.ready("lease", true);
    }

    /// Says so once for failures in a row.
    fn complain(&mut self, error: &LeaseError) {
        if !self.failing {
            tracing::warn!(%error, "cannot read or write the lease");
        }
        self.failing = true;
        self.setting.health.ready("lease", false);
    }

    /// The time until the next renewal is due, counted from the start of the last one.
    fn until_renewal(&self) -> Duration {
        let asked_at = self.leadership.held_until().saturating_sub(self.setting.timings.lease);
        (asked_at + self.setting.timings.lease_renew).saturating_sub(self.setting.clock.uptime())
    }

    /// The time between two tries: a fifth of the renewal, spread so that replicas do not try in step.
    fn pause(&mut self) -> Duration {
        let full = self.setting.timings.lease_renew / 5;
        self.tries += 1;
        backoff::delay(0, full, full, backoff::jitter(self.leadership.identity(), self.tries))
    }
}

fn taken(read: Option<&Lease>) -> String {
    match read.and_then(|lease| LeaseView::from(lease).holder) {
        Some(holder) => format!("{holder} has taken the Lease"),
        None => "somebody has cleared the Lease".to_owned(),
    }
}
