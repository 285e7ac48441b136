//! The decision: from one observation to the next plan.
//!
//! Pure and total: no clock, no randomness, no log, no await; the same observation gives the same plan. It imports only the
//! API and the words of `plan`. It asks for what it still has to know (`Plan::Look`), for at most one write
//! (`Plan::Act`), or ends with a status (`Plan::Report`).

mod assess;
mod attempts;
mod claim;
mod compare;
mod create;
mod definition;
mod delete;
mod draft;
mod drift;
mod facts;
mod force;
mod import;
mod job;
mod lane;
mod live;
mod outcome;
mod pause;
mod policy;
mod proposal;
mod reach;
mod remains;
mod removal;
mod replace;
mod requests;
mod restart;
mod settle;
mod site;
mod trouble;
mod update;
mod update_answer;
mod update_job;
mod verdict;

pub use attempts::coordinates;

use super::plan::{Grant, Look, Observation, Plan, Provider, Step};

/// Decides what to do next.
#[must_use]
pub fn decide(o: &Observation) -> Plan {
    if let Some(outcome) = &o.memory.outcome {
        return outcome::decide(o, outcome);
    }
    let set = claim::stand_back(o)
        .or_else(|| force::decide(o))
        .or_else(|| pause::decide(o));
    claim::before_writes(o, set.unwrap_or_else(|| requests::answer_at_rest(o, work(o))))
}

/// What the object itself asks for.
fn work(o: &Observation) -> Plan {
    if o.object.status.id.is_some() && !o.observes() && !o.has_stake() {
        return import::forget_observed(o);
    }
    if o.is_imported()
        && matches!(
            o.provider,
            Provider::Ready {
                grant: Grant::Unasked,
                ..
            }
        )
    {
        return Plan::Look(Look::Grant);
    }
    if let Some(step) = restore(o) {
        return Plan::Act(step);
    }
    if let Some(plan) = requests::acknowledge(o) {
        return plan;
    }
    if o.object.deleting {
        delete::decide(o)
    } else if o.only_observes() {
        import::observe(o)
    } else if o.object.status.id.is_some() {
        live::decide(o)
    } else {
        create::decide(o)
    }
}

/// Puts back what somebody took away while something in the cloud depends on it.
fn restore(o: &Observation) -> Option<Step> {
    if o.object.deleting {
        return None; // Kubernetes takes no new finalizer then, and what is left of the old ones is enough.
    }
    let attempt = o.open_attempt();
    let written = o.object.intent.as_ref();
    if let Some(open) = &attempt
        && written.is_none_or(|intent| intent.attempt != open.intent.attempt)
    {
        return Some(Step::RecordIntent(open.intent.clone()));
    }
    let depends = attempt.is_some() || o.object.status.id.is_some() || o.late();
    (depends && !o.object.finalizer && !o.observes()).then_some(Step::PutFinalizer)
}

#[cfg(test)]
mod tests;
