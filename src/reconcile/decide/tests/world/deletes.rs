//! What the cloud in memory makes of a delete.

use std::time::Duration;

use super::cloud::{Answer, Cloud, QUICK, TAKES, busy, failure};
use super::schedule::DeleteFault;
use crate::reconcile::plan::{FailureKind, JobState, Missing, Rejection};

impl Cloud {
    /// Deletes a data source, or does what the schedule says.
    pub fn delete(&mut self, id: &str, now: Duration) -> Answer<Option<String>> {
        self.deletes += 1;
        let fault = self.delete_faults.pop_front().unwrap_or(DeleteFault::Fine);
        let unknown = Err(failure(FailureKind::UnknownOutcome {
            answered: false,
            delay: None,
        }));
        let refused = Err(busy());
        let found = self.holds(id, now);
        let result = match fault {
            DeleteFault::Busy => refused,
            DeleteFault::Invalid => Err(failure(FailureKind::Rejected {
                reason: Rejection::Invalid,
            })),
            _ if !found => Err(failure(FailureKind::Gone {
                what: Missing::Something,
            })),
            _ if now < self.busy_until => refused,
            DeleteFault::Lost { applied } => {
                if applied {
                    self.begin_leaving(id, now, now + TAKES);
                }
                unknown
            }
            DeleteFault::JobFails => Ok(Some(self.work(now + TAKES, Ok(JobState::Failed)))),
            DeleteFault::JobForgotten => {
                self.begin_leaving(id, now, now + TAKES);
                Ok(Some(self.work(now, Err(()))))
            }
            DeleteFault::NoJob => {
                self.begin_leaving(id, now, now + TAKES);
                Ok(None)
            }
            DeleteFault::Fine => {
                self.begin_leaving(id, now, now + TAKES);
                Ok(Some(self.work(now + TAKES, Ok(JobState::Succeeded))))
            }
        };
        (result, QUICK)
    }
}
