//! A pause: somebody asks the operator to leave an object alone. Nothing is read or written in the cloud, the verdict stays, and what was under
//! way or unsettled goes on after the pause from where it was.

use super::super::plan::{NamespaceView, Observation, Plan};
use super::draft::{self, Draft};
use super::remains;
use crate::api::conditions::Verdict;
use crate::api::names::PAUSED_ANNOTATION;
use crate::api::{ConditionStatus, ConditionType, Reason};

impl Observation {
    /// Who paused the object and how to go on, if anybody did.
    pub(in super::super) fn pause(&self) -> Option<String> {
        let mut who = Vec::new();
        if self.object.annotations.paused {
            who.push(format!("the annotation {PAUSED_ANNOTATION} of this object"));
        }
        if let NamespaceView::Read { name, paused: true, .. } = &self.around.namespace {
            who.push(format!("the annotation {PAUSED_ANNOTATION} of Namespace {name}"));
        }
        if self.around.operator.paused {
            who.push("the operator's flag --paused".to_owned());
        }
        (!who.is_empty()).then(|| {
            format!(
                "Paused by {}: nothing is read or written in the cloud, and no change is looked at. Remove it to go on.",
                who.join(" and ")
            )
        })
    }
}

/// What a pause means for an object that is not being deleted.
pub fn decide(o: &Observation) -> Option<Plan> {
    if o.object.deleting {
        return None;
    }
    if let NamespaceView::Unreadable(why) = &o.around.namespace {
        // It may ask for a pause.
        let waiting = format!("The Namespace cannot be read now: {why}");
        let draft = Draft::new(o).standing_or(Reason::Retrying, &waiting);
        return Some(draft.wait(o.timings.secret_recheck));
    }
    let message = o.pause()?;
    let conditions = &o.object.status.conditions;
    let ready = conditions.iter().find(|c| c.type_ == ConditionType::Ready);
    let is_told = conditions
        .iter()
        .any(|c| c.type_ == ConditionType::Paused && c.message == message);
    if ready.is_some() && is_told {
        // A change of the spec during a pause is not observed.
        return Some(draft::unchanged(o, o.timings.stalled_recheck));
    }
    // A verdict that is about an older spec must not say Ready, or whoever waits for this one would take it for done.
    let is_outdated = ready.is_none_or(|ready| ready.status == ConditionStatus::True && !o.generation_observed());
    let draft = Draft::new(o);
    let draft = if is_outdated {
        draft.verdict(&Verdict::Paused(message))
    } else {
        draft
    };
    Some(draft.wait(o.timings.stalled_recheck))
}

/// The deletion of a paused object waits, unless nothing of it is known to be in the cloud.
pub fn deletion(o: &Observation) -> Option<Plan> {
    if let NamespaceView::Unreadable(why) = &o.around.namespace {
        remains::known(o)?;
        let waiting = format!("The deletion waits, since the Namespace cannot be read now: {why}");
        let draft = Draft::new(o).reconciling(Reason::Deleting, waiting);
        return Some(draft.wait(o.timings.secret_recheck));
    }
    let message = o.pause()?;
    remains::known(o)?;
    let waiting =
        format!("The deletion waits, or set deletionPolicy to Retain to leave the data source in the cloud. {message}");
    let draft = Draft::new(o).reconciling(Reason::Deleting, waiting);
    Some(draft.wait(o.timings.stalled_recheck))
}
