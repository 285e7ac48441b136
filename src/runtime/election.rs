//! The part of this process in the election of a leader: enters it, says how it goes ([`Leadership`]) and leaves it.
//!
//! It gets, creates and updates one Lease and needs no other permission.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::candidate::Candidate;
use super::clock::Clock;
use super::health::Health;
use super::leader::Leadership;
use super::lease::{self, LeaseView};
use super::lease_api::{LeaseError, Leases};
use super::metrics::Metrics;
use super::timings::Timings;

/// How an election ended for the replica that left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The Lease is free for the next one at once.
    Released,
    /// The Lease was not this replica's.
    NotHeld,
    /// A write may be in flight: the next one waits until the Lease ends.
    WriteInFlight,
    /// The API server did not take it: the next one waits until the Lease ends.
    Failed,
}

/// The part of this process in the election.
#[derive(Debug)]
pub struct Election {
    leadership: Leadership,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    leases: Leases,
    clock: Clock,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What an election needs of the process.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The name of this replica; replicas must differ.
    pub identity: String,
    /// The namespace of the Lease.
    pub namespace: String,
    /// What the annotations of the Lease tell about its holder.
    pub annotations: BTreeMap<String, String>,
    /// The clocks of the process.
    pub clock: Clock,
    /// How long the Lease lasts, and when it is renewed.
    pub timings: Timings,
    /// Gets the readiness check `lease`: whether the API server answers about the Lease.
    pub health: Health,
    /// Gets `leader_election_master_status`.
    pub metrics: Metrics,
}

impl Election {
    /// Stands for election until the Lease is held, then renews it. `client` is used for nothing else and must not repeat requests.
    #[must_use]
    pub fn start(client: Client, setting: Setting) -> Self {
        let clock = setting.clock;
        let leases = Leases::new(client, &setting.namespace, setting.timings.lease_renew);
        let leadership = Leadership::standby(setting.identity.clone(), clock);
        let stop = CancellationToken::new();
        let candidate = Candidate::new(leases.clone(), leadership.clone(), setting);
        let task = tokio::spawn(candidate.run(stop.clone()));
        Self {
            leadership,
            running: Some(Running {
                leases,
                clock,
                stop,
                task,
            }),
        }
    }

    /// No election: this process always leads. Sound only while there is no second one.
    #[must_use]
    pub fn without_lease(identity: String, clock: Clock, metrics: &Metrics) -> Self {
        metrics.set_leading(lease::NAME, true);
        Self {
            leadership: Leadership::forever(identity, clock),
            running: None,
        }
    }

    /// The leadership that the election decides about.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Leaves the election, and frees the Lease if it is held and no write is in flight; waits no longer than `limit` for the API server.
    /// No write starts any more.
    pub async fn release(mut self, limit: Duration) -> Release {
        let led = self.leadership.is_leader();
        let idle = self.leadership.close();
        let Some(mut running) = self.running.take() else {
            return Release::NotHeld;
        };
        running.stop.cancel();
        // The task only waits for requests and for the stop, so this is at once.
        let _ = (&mut running.task).await;
        if !led {
            return Release::NotHeld;
        }
        if !idle {
            return Release::WriteInFlight;
        }
        match timeout(limit, running.free(self.leadership.identity())).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot release the lease");
                Release::Failed
            }
            Err(_) => Release::Failed,
        }
    }
}

impl Drop for Election {
    /// Stops renewing, as a crash would; the Lease ends by itself.
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }
}

impl Running {
    /// Frees the Lease if it is held by `me`. A renewal that was under way may have changed it in between: then once more.
    async fn free(&self, me: &str) -> Result<Release, LeaseError> {
        let mut conflicts = 0;
        loop {
            let Some(read) = self.leases.read().await? else {
                return Ok(Release::NotHeld);
            };
            if LeaseView::from(&read).holder.as_deref() != Some(me) {
                return Ok(Release::NotHeld);
            }
            let free = lease::released(read, self.clock.now());
            match self.leases.write(&free, Duration::MAX).await {
                Ok(_) => return Ok(Release::Released),
                Err(LeaseError::Conflict) if conflicts == 0 => conflicts += 1,
                Err(error) => return Err(error),
            }
        }
    }
}
