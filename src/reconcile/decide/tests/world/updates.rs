//! What the cloud in memory makes of an update.

use std::time::Duration;

use super::cloud::{Answer, Cloud, QUICK, TAKES, busy, failure};
use super::schedule::UpdateFault;
use crate::reconcile::plan::{FailureKind, JobState, Missing, Reconfigure, Rejection};

impl Cloud {
    /// Updates a data source, or does what the schedule says.
    pub fn update(&mut self, id: &str, change: &Reconfigure, now: Duration) -> Answer<String> {
        self.updates += 1;
        let fault = self.update_faults.pop_front().unwrap_or(UpdateFault::Fine);
        let refused = Err(busy());
        let found = self.holds(id, now);
        let result = match fault {
            UpdateFault::Busy => refused,
            UpdateFault::Fenced => Err(failure(FailureKind::Fenced)),
            UpdateFault::Invalid => Err(failure(FailureKind::Rejected {
                reason: Rejection::Invalid,
            })),
            _ if !found => Err(failure(FailureKind::Gone {
                what: Missing::Something,
            })),
            _ if now < self.busy_until => refused,
            UpdateFault::Lost { applied } => {
                if applied {
                    self.set_agency(id, change);
                }
                Err(failure(FailureKind::UnknownOutcome {
                    answered: false,
                    delay: None,
                }))
            }
            UpdateFault::Unchanged => Ok(self.work(now + TAKES, Ok(JobState::Succeeded))),
            UpdateFault::JobFails => Ok(self.work(now + TAKES, Ok(JobState::Failed))),
            UpdateFault::Fine => {
                self.set_agency(id, change);
                Ok(self.work(now + TAKES, Ok(JobState::Succeeded)))
            }
        };
        let spent = result.as_ref().map_or_else(
            |failure| matches!(failure.kind, FailureKind::UnknownOutcome { .. }),
            |_| true,
        );
        self.reboots += usize::from(change.reboot && spent);
        (result, QUICK)
    }

    fn set_agency(&mut self, id: &str, change: &Reconfigure) {
        for source in self.sources.iter_mut().filter(|source| source.id == id) {
            if let Some(agency) = &change.agency {
                source.user_name.clone_from(agency);
            }
        }
    }

    /// Somebody gives a data source another agency.
    pub fn drift(&mut self, id: &str) {
        for source in self.sources.iter_mut().filter(|source| source.id == id) {
            "drifted".clone_into(&mut source.user_name);
        }
    }
}
