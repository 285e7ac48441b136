//! What only a new data source could bring about: the plan to replace the old one, and who has to agree to it.

use super::super::plan::{
    DataSourceType, Item, Observation, Operation, OperationType, Password, PlanAction, PlannedChange,
    ReplacementPolicy, Requested,
};
use super::drift;
use crate::api::conditions::Verdict;
use crate::api::{Reason, names};

/// The field of a password that has changed.
const PASSWORD: &str = "userPwd";
/// The field of the DWS cluster.
const CLUSTER: &str = "clusterID";
/// The cause of a plan to remove the record of a failed create.
const CREATE_FAILED: &str = "createFailed";

/// What differs between the spec and a listed data source that no update can change.
struct Difference {
    field: &'static str,
    /// For the user.
    text: String,
}

fn differences(o: &Observation, item: &Item, requested: Option<&Requested>) -> Vec<Difference> {
    let spec = &o.object.spec;
    let mut all = Vec::new();
    all.extend(other_cluster(o));
    let listed = drift::differences(spec, item, requested).into_iter();
    // The one field that the cloud updates.
    let fixed = listed.filter(|(field, _)| *field != "userName" || spec.type_ != DataSourceType::Obs);
    all.extend(fixed.map(|(field, text)| Difference { field, text }));
    if o.password_rotated() || is_rotation_standing(o) {
        all.push(Difference {
            field: PASSWORD,
            text: "userPwd (the Secret holds another password than was sent)".to_owned(),
        });
    }
    all
}

/// The data source is in another DWS cluster than the spec wants.
fn other_cluster(o: &Observation) -> Option<Difference> {
    let wanted = &o.object.spec.cluster_id;
    let recorded = &o.object.status.cloud.as_ref()?.cluster_id;
    (wanted != recorded).then(|| Difference {
        field: CLUSTER,
        text: drift::told(CLUSTER, wanted, recorded),
    })
}

/// Whether a change of the password was told that nobody can look at just now.
fn is_rotation_standing(o: &Observation) -> bool {
    let told = o.object.status.plan.as_ref();
    let is_told = told.is_some_and(|plan| plan.because.iter().any(|field| field == PASSWORD));
    let is_comparable = matches!(&o.password, Password::Present { version } if version.hmac.is_some());
    is_told && !is_comparable && o.object.spec.user_pwd.is_some()
}

/// The plan to replace a listed data source, which was requested like this, if it takes one.
pub fn of(o: &Observation, item: &Item, requested: Option<&Requested>) -> Option<PlannedChange> {
    let because: Vec<String> = differences(o, item, requested)
        .iter()
        .map(|difference| difference.field.to_owned())
        .collect();
    (!because.is_empty() && !o.observes()).then(|| plan(o, &item.id, because, interrupts(o)))
}

/// The plan to create anew elsewhere what went with its DWS cluster.
pub fn of_moved(o: &Observation) -> Option<PlannedChange> {
    let id = o.object.status.id.as_ref().filter(|_| !o.observes() && !o.failed())?;
    other_cluster(o)?;
    let interrupts = "nothing: the DWS cluster that held the data source is gone".to_owned();
    Some(plan(o, id, vec![CLUSTER.to_owned()], interrupts))
}

/// Whether the replacement that is under way leads from one DWS cluster to another.
pub fn is_move(o: &Observation) -> bool {
    let operation = o.object.status.operation.as_ref();
    let is_planned = |operation: &Operation| operation.type_ == OperationType::Replace && operation.plan_id.is_some();
    operation.is_some_and(is_planned) && other_cluster(o).is_some()
}

/// Whether the password has to be read to know whether it is another one than the data source was made with.
pub fn asks_for_password(o: &Observation) -> bool {
    let is_settled = o.generation_observed() && o.held().is_none() && o.object.status.retry.is_none();
    let has_one = o.object.spec.user_pwd.is_some() && o.object.status.secret.is_some();
    is_settled && has_one && !o.observes() && !o.failed() && o.password == Password::Unknown
}

/// Whether the password that was read calls for another plan than the one that is told.
pub fn is_password_news(o: &Observation) -> bool {
    let told = o.object.status.plan.as_ref();
    let told = told.filter(|plan| plan.because.iter().any(|field| field == PASSWORD));
    match (&o.password, &o.object.status.id) {
        (Password::Present { version }, Some(id)) if o.password_rotated() => {
            told.is_none_or(|plan| plan.id != names::plan_id(id, &o.object.spec, Some(version), false))
        }
        (Password::Present { .. }, Some(_)) => told.is_some(),
        _ => false,
    }
}

/// The plan to remove the record of a failed create.
pub fn of_failed(o: &Observation) -> Option<PlannedChange> {
    let id = o.object.status.id.as_ref().filter(|_| !o.observes())?;
    let interrupts = "nothing: the data source was never available".to_owned();
    Some(plan(o, id, vec![CREATE_FAILED.to_owned()], interrupts))
}

fn interrupts(o: &Observation) -> String {
    format!(
        "the foreign server {} in the database, with its grants and foreign tables: they go with the data source and have to be set up again",
        o.sought().0
    )
}

/// The id that a plan to replace the recorded data source has now.
pub fn id(o: &Observation) -> Option<String> {
    let password = o.password_version().or(o.object.status.secret.as_ref());
    let id = o.object.status.id.as_ref()?;
    Some(names::plan_id(id, &o.object.spec, password, false))
}

fn plan(o: &Observation, id: &str, because: Vec<String>, interrupts: String) -> PlannedChange {
    let password = o.password_version().or(o.object.status.secret.as_ref());
    PlannedChange {
        id: names::plan_id(id, &o.object.spec, password, because == [CREATE_FAILED]),
        action: PlanAction::Replace,
        because,
        interrupts,
    }
}

/// Whether the plan may be begun now.
pub fn may_begin(o: &Observation, plan: &PlannedChange) -> bool {
    match policy(o) {
        ReplacementPolicy::Never => false,
        ReplacementPolicy::OnApproval => o.approves(&plan.id),
        ReplacementPolicy::Always => is_first(o, plan) || o.approves(&plan.id),
    }
}

/// Whether the generation has not had its replacement yet, or there is another password since. If what was made anew differs again, the cloud or
/// somebody else has its own mind about it, and replacing it would have no end.
fn is_first(o: &Observation, plan: &PlannedChange) -> bool {
    let replaced = o.object.status.replacement_generation;
    replaced.is_none_or(|generation| generation < o.object.generation)
        || plan.because.iter().any(|field| field == PASSWORD)
}

pub fn policy(o: &Observation) -> ReplacementPolicy {
    o.object.spec.replacement_policy.unwrap_or_default()
}

/// What the user reads of a data source that differs from the spec.
pub fn verdict(o: &Observation, item: &Item, requested: Option<&Requested>) -> Verdict {
    let texts: Vec<String> = if o.observes() {
        drift::texts(drift::differences(&o.object.spec, item, None))
    } else {
        differences(o, item, requested)
            .into_iter()
            .map(|difference| difference.text)
            .collect()
    };
    let texts = texts.join(", ");
    let differs = format!("The cloud's data source differs from the spec in {texts}");
    let planned = of(o, item, requested);
    if let Some(plan) = &planned
        && may_begin(o, plan)
    {
        return Verdict::Reconciling(Reason::Replacing, format!("{differs}; it is going to be replaced."));
    }
    let Some(plan) = planned else {
        return Verdict::Stalled(
            Reason::Drifted,
            format!("{differs}; correct the spec, or the data source in the cloud."),
        );
    };
    stands_still(o, &differs, &plan)
}

/// What the user reads of a data source that is gone with its DWS cluster, while the spec names another one.
pub fn verdict_moved(o: &Observation, plan: &PlannedChange) -> Verdict {
    let wanted = &o.object.spec.cluster_id;
    let gone = format!("The DWS cluster of the data source is gone, and the spec asks for DWS cluster {wanted}");
    stands_still(o, &gone, plan)
}

/// Nothing is done before somebody agrees to it.
fn stands_still(o: &Observation, why: &str, plan: &PlannedChange) -> Verdict {
    let (reason, way_out) = match policy(o) {
        ReplacementPolicy::Never => (
            Reason::Drifted,
            "only a new one can change that: set replacementPolicy to OnApproval or Always to have it replaced, or delete this object and create it again".to_owned(),
        ),
        ReplacementPolicy::OnApproval | ReplacementPolicy::Always => (
            Reason::ApprovalRequired,
            format!(
                "only a new one can change that: see status.plan for what it interrupts, and annotate this object with dws.huaweicloud.com/approve={} to have it replaced",
                plan.id
            ),
        ),
    };
    Verdict::Stalled(reason, format!("{why}; {way_out}."))
}
