//! The answer to an update that was sent.

use jiff::Timestamp;

use super::super::plan::{Failure, FailureKind, Observation, Operation, OperationType, Plan, Reconfigure, Rejection};
use super::draft::Draft;
use super::restart::{given_back, spend};
use super::trouble;
use super::update::{UPDATING, waiting};
use crate::api::Reason;

/// After an update that had no effect, or may be sent again. The operation in the status may be an earlier one.
fn refused<'a>(o: &'a Observation, change: &Reconfigure) -> Draft<'a> {
    if change.reboot {
        given_back(Draft::new(o))
    } else {
        Draft::new(o)
    }
}

/// The answer to an update that was sent.
pub fn answered(
    o: &Observation,
    change: &Reconfigure,
    refresh: Option<&String>,
    at: Timestamp,
    result: &Result<String, Failure>,
) -> Plan {
    let failure = match result {
        Ok(job) => return accepted(o, change, refresh, at, job),
        Err(failure) => failure,
    };
    match failure.kind {
        FailureKind::Fenced => waiting(Draft::new(o), change.agency.is_some() && refresh.is_none(), UPDATING)
            .wait_in_lane(o.timings.lease_renew),
        FailureKind::UnknownOutcome { .. } if change.reboot => {
            let (draft, wait) = trouble::report(o, Draft::new(o), failure);
            draft.wait(wait)
        }
        FailureKind::Rejected {
            reason: Rejection::Invalid | Rejection::Exists,
        } => {
            let message = format!(
                "The cloud refuses to change the data source: {}. Correct the spec; it is tried again later.",
                failure.message.trim_end_matches('.')
            );
            let (draft, wait) = trouble::report(o, refused(o, change), failure);
            draft.stalled(Reason::UpdateFailed, message).wait(wait)
        }
        _ => {
            let (draft, wait) = trouble::report(o, refused(o, change), failure);
            draft.wait(wait)
        }
    }
}

fn accepted(o: &Observation, change: &Reconfigure, refresh: Option<&String>, at: Timestamp, job: &str) -> Plan {
    // What was asked for before an edit is not the update of its generation.
    let updates = change.agency.as_ref() == Some(&o.object.spec.user_name) && refresh.is_none();
    // A restart is that of the generation which recorded it, however the spec reads by now.
    let recorded = o
        .object
        .status
        .operation
        .as_ref()
        .filter(|recorded| change.reboot && recorded.reboot);
    let generation = recorded.map_or(o.object.generation, |recorded| recorded.generation);
    let draft = Draft::new(o).edit(|status| {
        status.operation = Some(Operation {
            reboot: change.reboot,
            user_name: change.agency.clone().filter(|_| refresh.is_none()),
            ..Operation::begun(OperationType::Update, at, generation)
        });
        status.job_id = Some(job.to_owned());
        status.retry = None;
        if updates {
            status.update_generation = Some(o.object.generation);
        }
        if change.reboot {
            spend(status, generation);
        }
        if let Some(token) = refresh {
            status.last_handled_refresh_at = Some(token.clone());
        }
    });
    let what = match (change.reboot, refresh, updates) {
        (true, ..) => "a restart of the DWS cluster",
        (false, Some(_), false) => "the renewal of the agency's credentials",
        (false, ..) => "the update of userName",
    };
    draft
        .note(false, "Updated", format!("The cloud accepted {what}."))
        .reconciling(Reason::Updating, UPDATING)
        .again()
}
