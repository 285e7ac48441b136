//! A failed create leaves a record in the cloud. When the spec or the Secret changes, that record, and only that one, is
//! removed; then the object is created anew.

use super::super::plan::{self, Look, Observation, Operation, OperationType, Password, Plan, Remote, View};
use super::draft::Draft;
use super::removal::Removal;
use super::{compare, reach, trouble};
use crate::api::Reason;
use crate::api::conditions::Verdict;

/// What the user reads meanwhile.
pub const MESSAGE: &str = "Removing the record of the failed create before the next try.";

/// Starts the replacement if what failed has changed since.
pub fn trigger(o: &Observation) -> Option<Plan> {
    let failed = o.object.status.operation.as_ref().filter(|_| o.failed())?;
    if o.object.spec.user_pwd.is_some() && o.password == Password::Unknown {
        return Some(Plan::Look(Look::Password));
    }
    let changed = failed.generation != o.object.generation || o.password_changed();
    if !changed || trouble::closed(o).is_some() {
        return None;
    }
    // What has come about after all is not removed.
    match (&o.remote, reach::place(o)) {
        (_, Err(plan)) => return Some(plan),
        (Remote::Unknown, Ok(at)) => {
            return Some(Plan::Look(Look::List {
                since: o.started,
                at,
                type_: o.sought().1,
            }));
        }
        (Remote::Failed { .. }, Ok(_)) => return None,
        (
            Remote::Listed {
                view: View::Ours { item, .. },
                ..
            },
            Ok(_),
        ) if plan::health(item).exists() => return None,
        (Remote::Listed { .. }, Ok(_)) => {}
    }
    Some(begin(Draft::new(o)))
}

/// Records that the record goes, before anything is sent for that.
pub fn begin(draft: Draft<'_>) -> Plan {
    let o = draft.observation();
    draft
        .edit(|status| {
            status.operation = Some(Operation {
                old_id: status.id.clone(),
                ..Operation::begun(OperationType::Replace, o.now, o.object.generation)
            });
            status.job_id = None;
            status.retry = None;
        })
        .reconciling(Reason::Replacing, MESSAGE)
        .again()
}

/// Removes the failed record, then lets the create begin.
pub fn decide(o: &Observation, operation: &Operation) -> Result<Plan, Plan> {
    if let Remote::Listed {
        view: view @ View::Ours { item, .. },
        ..
    } = &o.remote
        && o.object.status.id.as_ref() == Some(&item.id)
        && o.object.status.job_id.is_none()
        && !o.removed_lately(item)
        && plan::health(item).exists()
    {
        return compare::evaluate(o, view);
    }
    let removal = Removal {
        at: reach::place(o)?,
        only: operation.old_id.clone(),
        verdict: Verdict::Reconciling(Reason::Replacing, MESSAGE.to_owned()),
    };
    removal.decide(o)?;
    Ok(Draft::new(o)
        .forget()
        .reconciling(
            Reason::Creating,
            "The failed record is gone; creating the data source again.",
        )
        .again())
}
