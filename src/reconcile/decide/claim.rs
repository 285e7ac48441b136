//! Which install of the operator works on an object: the one that wrote to it first, for as long as its Lease lasts.
//!
//! Two installs that watch the same object would do everything twice. The claim keeps them apart; the intent, which only one of two writers
//! gets through, and the ownership marker remain behind it.

use super::super::plan::{ClaimerView, Look, Observation, Plan, Step};
use super::draft::{self, Draft};
use crate::api::Reason;

impl Observation {
    /// The install that claims the object: in the status or, before the first one is written, in the intent.
    pub(in super::super) fn claimer(&self) -> Option<&str> {
        let written = self.object.intent.as_ref().map(|intent| intent.controller.as_str());
        self.object
            .status
            .controller
            .as_deref()
            .or(written)
            .filter(|claimer| !claimer.is_empty())
    }

    /// The other install that claims the object.
    pub(in super::super) fn claimed_elsewhere(&self) -> Option<&str> {
        self.claimer().filter(|claimer| *claimer != self.around.install)
    }

    /// Whether the cloud may be looked at for this object now. What a write to it brought is told in any case.
    pub(in super::super) fn needs_way(&self) -> bool {
        let is_forced = self.object.deleting
            && self
                .object
                .annotations
                .force_delete
                .as_ref()
                .is_some_and(|why| !why.is_empty());
        let is_idle = self.pause().is_some() || self.claimed_elsewhere().is_some() || is_forced;
        self.memory.outcome.is_some() || !is_idle
    }
}

/// Leaves an object alone that another install claims, for as long as that lives; then takes it over.
pub fn stand_back(o: &Observation) -> Option<Plan> {
    let other = o.claimed_elsewhere()?;
    Some(match &o.around.claimer {
        None => Plan::Look(Look::Claimer(other.to_owned())),
        // Not even the status is written, or the two would write for ever.
        Some(ClaimerView::Lives) => draft::unchanged(o, o.timings.stalled_recheck),
        Some(ClaimerView::Ended) => claim(o)
            .note(
                false,
                "TakenOver",
                format!(
                    "The operator of {} works on this object now; the Lease of {other} has ended.",
                    o.around.install
                ),
            )
            .again(),
    })
}

/// A delete or an update is sent only by the install that claims the object: before the first one, the claim is written. (A create has it in its
/// intent.) Definitions of an older version drop it; then that this process has written a status has to do.
pub fn before_writes(o: &Observation, plan: Plan) -> Plan {
    let is_claimed = o.claimer() == Some(&o.around.install) || o.memory.patched.is_some();
    match plan {
        Plan::Act(Step::Delete { .. } | Step::Update { .. }) if !is_claimed => claim(o).again(),
        plan => plan,
    }
}

/// Every report writes this install into the status.
fn claim(o: &Observation) -> Draft<'_> {
    let reason = if o.object.deleting {
        Reason::Deleting
    } else {
        Reason::Recovering
    };
    Draft::new(o).standing_or(reason, "This install of the operator begins to work on the object.")
}
