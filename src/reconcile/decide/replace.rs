//! A failed create leaves a record in the cloud. When the spec or the Secret changes, that record, and only that one, is
//! removed; then the object is created anew.

use super::super::plan::{Look, Observation, Operation, OperationType, Password, Plan};
use super::delete::Removal;
use super::draft::Draft;
use super::live;
use crate::api::Reason;
use crate::api::conditions::Verdict;

const MESSAGE: &str = "Removing the record of the failed create before the next try.";

/// Starts the replacement if what failed has changed since.
pub fn trigger(o: &Observation) -> Option<Plan> {
    let failed = o.object.status.operation.as_ref()?;
    if o.object.spec.user_pwd.is_some() && o.password == Password::Unknown {
        return Some(Plan::Look(Look::Password));
    }
    let changed = failed.generation != o.object.generation || o.secret_changed();
    changed.then(|| {
        Draft::new(o)
            .edit(|status| {
                status.operation = Some(Operation {
                    type_: OperationType::Replace,
                    started_at: o.now,
                    generation: o.object.generation,
                    progress: None,
                    old_id: status.id.clone(),
                    failed_code: None,
                    failed_detail: None,
                });
                status.job_id = None;
                status.retry = None;
            })
            .reconciling(Reason::Replacing, MESSAGE)
            .again()
    })
}

/// Removes the failed record, then lets the create begin.
pub fn decide(o: &Observation) -> Plan {
    let at = match live::place(o) {
        Ok(at) => at,
        Err(plan) => return plan,
    };
    let removal = Removal {
        at,
        only: o
            .object
            .status
            .operation
            .as_ref()
            .and_then(|operation| operation.old_id.clone()),
        verdict: Verdict::Reconciling(Reason::Replacing, MESSAGE.to_owned()),
    };
    match removal.decide(o) {
        Err(plan) => plan,
        Ok(()) => Draft::new(o)
            .edit(|status| {
                status.id = None;
                status.job_id = None;
                status.cloud = None;
                status.operation = None;
                status.observed = None;
                status.retry = None;
            })
            .reconciling(
                Reason::Creating,
                "The failed record is gone; creating the data source again.",
            )
            .again(),
    }
}
