//! The definition of the kind is being deleted, and with it every object: that is no wish to delete all data sources.

use super::super::plan::{DefinitionView, Look, Note, Observation, Plan, Step};
use super::draft::Draft;
use super::{policy, remains};
use crate::api::Reason;
use crate::api::data_source::DeletionPolicy;
use crate::api::names::DEFINITION;

/// Lets an object go whose definition goes, and tells what stays. None if the definition stays, or nothing is known to be in the cloud.
pub fn decide(o: &Observation) -> Option<Plan> {
    let what = remains::known(o)?;
    if policy::of(o).is_ok_and(|policy| policy.word == DeletionPolicy::Retain) {
        return None; // It is let go anyhow, and that is told.
    }
    match &o.around.definition {
        DefinitionView::Stays => None,
        DefinitionView::Unasked => Some(Plan::Look(Look::Definition)),
        DefinitionView::Unreadable(why) => Some(
            Draft::new(o)
                .reconciling(
                    Reason::Deleting,
                    format!("The deletion waits until it is known whether the definition of the kind is being deleted, which cannot be read now: {why}"),
                )
                .wait(o.timings.secret_recheck),
        ),
        DefinitionView::Leaving => Some(Plan::Act(Step::DropFinalizer {
            note: Some(Note {
                warning: true,
                reason: "DefinitionRemoved",
                text: format!(
                    "The definition {DEFINITION} is being deleted, which deletes every object; nothing is deleted in the cloud for that. Left behind: {what}."
                ),
            }),
        })),
    }
}
