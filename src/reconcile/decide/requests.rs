//! What annotations ask for: each holds a token, and a token that the status does not repeat is a new request. Requests are acted on once;
//! they are no desired state.

use super::super::plan::{Observation, Password, Plan, Provider, Remote, ReplacementPolicy, Report, Step, Then};
use super::draft::Draft;
use super::update::UPDATING;
use super::{reach, replace};
use crate::api::data_source::DwsDataSourceStatus;
use crate::api::{Condition, ConditionStatus, ConditionType, Reason};

/// What the user reads if no verdict stands.
const LOOKING: &str = "Comparing the cloud with the spec.";

impl Observation {
    /// Whether nothing was ever reported of the object. What is asked of it then was asked before it was lost, copied or restored: it is recorded
    /// and not carried out.
    pub(super) fn is_blank(&self) -> bool {
        let status = &self.object.status;
        status.conditions.is_empty() && status.id.is_none() && status.last_attempt.is_none()
    }

    /// Whether a look at the cloud is asked for.
    pub(super) fn reconcile_requested(&self) -> bool {
        let requested = &self.object.requests.reconcile;
        self.is_new(
            requested.as_ref(),
            self.object.status.last_handled_reconcile_at.as_ref(),
        )
    }

    /// Whether a restart of the DWS cluster is asked for.
    pub(super) fn reboot_requested(&self) -> bool {
        let requested = &self.object.requests.reboot;
        self.is_new(requested.as_ref(), self.object.status.last_handled_reboot_at.as_ref())
    }

    /// The token that asks to renew the credentials which the cloud took from the agency.
    pub(super) fn refresh_requested(&self) -> Option<&String> {
        let requested = self.object.requests.refresh.as_ref();
        requested.filter(|token| self.is_new(Some(token), self.object.status.last_handled_refresh_at.as_ref()))
    }

    /// Whether the plan with this id was approved.
    pub(super) fn approves(&self, plan: &str) -> bool {
        let status = &self.object.status;
        self.object.requests.approve.as_deref() == Some(plan) && status.approved_plan.as_deref() != Some(plan)
    }

    /// Whether an annotation asks for something that only a look at the cloud can lead to.
    pub(super) fn anything_requested(&self) -> bool {
        let plan = self.object.status.plan.as_ref();
        self.reconcile_requested()
            || self.reboot_requested()
            || self.refresh_requested().is_some()
            || plan.is_some_and(|plan| self.approves(&plan.id) && self.may_approve())
    }

    /// Whether an approval has an effect: a failed create is removed by anybody's leave, a healthy data source by its policy only.
    fn may_approve(&self) -> bool {
        self.failed() || self.object.spec.replacement_policy.unwrap_or_default() != ReplacementPolicy::Never
    }

    fn is_new(&self, requested: Option<&String>, handled: Option<&String>) -> bool {
        !self.is_blank() && requested.is_some() && requested != handled
    }
}

/// Notes in a first status that all that is asked for was seen.
pub fn record_unexecuted(o: &Observation, status: &mut DwsDataSourceStatus) {
    let requests = &o.object.requests;
    status.last_handled_reconcile_at.clone_from(&requests.reconcile);
    status.last_handled_reboot_at.clone_from(&requests.reboot);
    status.last_handled_refresh_at.clone_from(&requests.refresh);
}

/// Who only observes restarts and renews nothing, now or later.
fn refuse(o: &Observation) -> Plan {
    let requests = &o.object.requests;
    Draft::new(o)
        .edit(|status| {
            status.last_handled_reboot_at.clone_from(&requests.reboot);
            status.last_handled_refresh_at.clone_from(&requests.refresh);
        })
        .note(
            true,
            "RequestRefused",
            "Restarts and renewals are not asked for while managementPolicy is Observe.",
        )
        .standing_or(Reason::Recovering, LOOKING)
        .again()
}

/// Answers the request for a look once the look was taken, or nobody can look: what was given up is tried anew. The answer comes along with what
/// comes of the look, so that nobody who waits for the answer reads an earlier verdict with it. `work` decides what comes of it.
pub fn acknowledge(o: &Observation, work: impl Fn(&Observation) -> Plan) -> Option<Plan> {
    let has_looked = o.remote != Remote::Unknown
        || !matches!(o.provider, Provider::Ready { .. } | Provider::Unreached { .. })
        || (o.object.status.id.is_none()
            && matches!(
                o.password,
                Password::Absent | Password::Invalid { .. } | Password::Unreadable { .. }
            ));
    if o.observes() && (o.reboot_requested() || o.refresh_requested().is_some()) {
        return Some(refuse(o));
    }
    if !o.reconcile_requested() || !has_looked {
        return None;
    }
    let mut answered = o.clone();
    let status = &mut answered.object.status;
    status
        .last_handled_reconcile_at
        .clone_from(&o.object.requests.reconcile);
    status.retry = None;
    status.update_generation = None;
    // Who dies before the end of the comparison compares anew.
    status.last_sync_time = None;
    if o.remote == Remote::Unknown
        && o.object.status.id.is_some()
        && !o.object.deleting
        && !o.only_observes()
        && let Err(plan) = reach::place(&answered)
    {
        // Nobody can look: that is what there is to tell.
        return Some(plan);
    }
    if !o.object.deleting && !o.observes() && o.failed() && replace::may_be_removed(o) {
        return Some(replace::begin(Draft::new(&answered)));
    }
    Some(match work(&answered) {
        Plan::Report(mut report) if is_unsettled(o, &report) => {
            let (status, before) = (&mut report.status, &o.object.status);
            status
                .last_handled_reconcile_at
                .clone_from(&before.last_handled_reconcile_at);
            status.last_sync_time = before.last_sync_time;
            status.update_generation = before.update_generation;
            Plan::Report(report)
        }
        Plan::Act(step @ Step::DropFinalizer { .. }) => Plan::Act(step),
        Plan::Act(_) if o.object.deleting => Draft::new(&answered).standing_or(Reason::Deleting, LOOKING).again(),
        Plan::Act(Step::Update { .. }) => Draft::new(&answered).reconciling(Reason::Updating, UPDATING).again(),
        Plan::Act(_) => Draft::new(&answered).standing_or(Reason::Recovering, LOOKING).again(),
        plan => plan,
    })
}

/// Whether an earlier Ready, or the verdict on a failed create, stands although the comparison has not come to its end: one list that lacks the data
/// source, or one that failed, proves nothing.
fn is_unsettled(o: &Observation, report: &Report) -> bool {
    if o.failed() && !o.object.deleting && matches!(o.remote, Remote::Failed { .. }) {
        return true;
    }
    let mut conditions = report.status.conditions.iter();
    let is_ready =
        |condition: &Condition| condition.type_ == ConditionType::Ready && condition.status == ConditionStatus::True;
    report.status.last_sync_time.is_none() && conditions.any(is_ready)
}

/// A request for a look that no look could answer otherwise, or that the look at a running job answers, is answered where the pass comes to rest.
pub fn answer_at_rest(o: &Observation, plan: Plan) -> Plan {
    match plan {
        Plan::Report(mut report) if o.reconcile_requested() && rests(o, &report) => {
            let status = &mut report.status;
            status
                .last_handled_reconcile_at
                .clone_from(&o.object.requests.reconcile);
            Plan::Report(report)
        }
        plan => plan,
    }
}

/// Whether the pass ends with what a look at the data source would not change.
fn rests(o: &Observation, report: &Report) -> bool {
    let mut conditions = report.status.conditions.iter();
    let is_barred = conditions.any(|condition| {
        matches!(
            condition.reason,
            Reason::DuplicateOwner | Reason::WaitingForOwner | Reason::AccessDenied | Reason::ProviderMismatch
        )
    });
    let waits_for_others = o.object.deleting && o.object.finalizer && o.object.foreign_finalizer;
    let is_stranger = o.object.deleting && !o.object.finalizer;
    matches!(report.then, Then::Wait { .. }) && !is_stranger && (is_barred || waits_for_others || o.job.is_some())
}
