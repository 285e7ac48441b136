//! The way out when an object cannot be deleted as it should be: its user lets it go by force, with a reason. Nothing is sent to the cloud,
//! and the last event names what was left behind.

use super::super::plan::{Note, Observation, Plan, Step};
use super::draft::Draft;
use super::remains;
use crate::api::Reason;
use crate::api::names::FORCE_DELETE_ANNOTATION;

/// Lets an object go that is being deleted, if its user gives a reason. Without a reason nothing happens, but it is said once.
pub fn decide(o: &Observation) -> Option<Plan> {
    if !o.object.deleting || !o.object.finalizer {
        return None;
    }
    let reason = o.object.annotations.force_delete.as_ref()?;
    if reason.is_empty() {
        let hint = || {
            Draft::new(o)
                .standing_or(Reason::Deleting, "Deleting the data source.")
                .note(
                    true,
                    "ForceDeleteIgnored",
                    format!("The annotation {FORCE_DELETE_ANNOTATION} needs a reason as its value; without one it does nothing."),
                )
                .standing_or(Reason::Deleting, "The data source is going to be deleted.")
                .again()
        };
        return (!o.memory.hinted).then(hint);
    }
    let left = remains::known(o).map_or_else(
        || "Nothing of it is known to be in the cloud".to_owned(),
        |what| format!("Left behind: {what}"),
    );
    Some(Plan::Act(Step::DropFinalizer {
        note: Some(Note {
            warning: true,
            reason: "ForceDeleted",
            text: format!(
                "{left}. The object was let go by force and nothing was sent to the cloud. Reason given: {reason}"
            ),
        }),
    }))
}
