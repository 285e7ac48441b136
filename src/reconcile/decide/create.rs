//! No id is recorded: the way to the one POST.
//!
//! lane → fresh list (absent) → intent → POST. Whatever stands in the way becomes the verdict.

use super::super::plan::{
    AttemptMemory, AttemptState, Coordinates, CreateRequest, Failure, FailureKind, Intent, LanePlace, Look,
    Observation, Password, Plan, Rank, Rejection, Remote, SecretVersion, Step, View,
};
use super::draft::Draft;
use super::{live, reach, settle, trouble};
use crate::api::{Reason, names};

pub fn decide(o: &Observation) -> Plan {
    let attempt = o.open_attempt();
    if let Some(AttemptMemory {
        intent,
        state: AttemptState::Unknown { settled_from, answered },
    }) = &attempt
    {
        return settle::decide(o, intent, *settled_from, *answered);
    }
    if let Some(plan) = settle::late_effects(o).or_else(|| trouble::gate(o)) {
        return plan;
    }
    prepare(o, attempt.map(|attempt| attempt.intent)).unwrap_or_else(|plan| plan)
}

/// Goes through everything that a create needs; the first that is missing is the plan.
fn prepare(o: &Observation, unsent: Option<Intent>) -> Result<Plan, Plan> {
    let at = reach::for_create(o)?;
    let secret = password(o)?;
    unrivalled(o)?;
    let since = lane(o)?;
    absent(o, at, since)?;
    let reboot = o.object.spec.reboot == Some(true) && o.object.status.reboot_generation.is_none();
    let intent = Intent {
        uid: o.object.uid.clone(),
        attempt: o.fresh_attempt.clone(),
        holder: o.identity.clone(),
        time: o.now,
        provider: at.provider.clone(),
        endpoint: at.endpoint.clone(),
        project_id: at.project_id.clone(),
        cluster_id: at.cluster_id.clone(),
        type_: o.object.spec.type_,
        name: o.object.spec.data_source_name.clone(),
        reboot,
    };
    Ok(Plan::Act(match unsent {
        Some(recorded) if same_request(&recorded, &intent) => Step::Post {
            request: request(o, reboot),
            intent: recorded,
            secret: secret.cloned(),
        },
        // A recorded intent that was not sent and no longer fits is simply written over.
        _ => Step::RecordIntent(intent),
    }))
}

/// Whether two intents lead to the same place with the same request.
fn same_request(a: &Intent, b: &Intent) -> bool {
    let strip = |intent: &Intent| Intent {
        attempt: String::new(),
        time: jiff::Timestamp::UNIX_EPOCH,
        ..intent.clone()
    };
    strip(a) == strip(b)
}

fn request(o: &Observation, reboot: bool) -> CreateRequest {
    let spec = &o.object.spec;
    let description = if o.marks() {
        Some(names::mark(spec.description.as_deref(), &o.object.uid))
    } else {
        spec.description.clone()
    };
    CreateRequest {
        type_: spec.type_,
        data_source_name: spec.data_source_name.clone(),
        user_name: spec.user_name.clone(),
        data_source_id: spec.data_source_id.clone(),
        connect_info: spec.connect_info.clone(),
        description,
        reboot,
    }
}

fn password(o: &Observation) -> Result<Option<&SecretVersion>, Plan> {
    let Some(user_pwd) = &o.object.spec.user_pwd else {
        return Ok(None);
    };
    let waiting = Draft::new(o).edit(|status| status.retry = None);
    let name = &user_pwd.secret_key_ref.name;
    match &o.password {
        Password::Unknown => Err(Plan::Look(Look::Password)),
        Password::Present { version } => Ok(Some(version)),
        Password::Absent => Err(waiting
            .reconciling(
                Reason::WaitingForSecret,
                format!("Secret {name} does not exist; create it."),
            )
            .wait(o.timings.secret_recheck)),
        Password::Invalid { message, .. } => Err(waiting
            .stalled(Reason::InvalidSpec, message.clone())
            .wait(o.timings.secret_recheck)),
        Password::Unreadable { message } => Err(waiting
            .reconciling(Reason::Retrying, message.clone())
            .wait(o.timings.secret_recheck)),
    }
}

/// Another object that holds the cluster and name comes first, whatever this one would like.
fn unrivalled(o: &Observation) -> Result<(), Plan> {
    let Some(rival) = &o.rival else { return Ok(()) };
    let waiting = Draft::new(o).edit(|status| status.retry = None);
    let name = &o.object.spec.data_source_name;
    Err(if rival.deleting {
        waiting.reconciling(
            Reason::WaitingForOwner,
            format!("DwsDataSource {} holds {name} in this DWS cluster and is being deleted.", rival.name),
        )
    } else {
        waiting.stalled(
            Reason::DuplicateOwner,
            format!("DwsDataSource {} holds {name} in this DWS cluster; choose another dataSourceName or delete one of the two.", rival.name),
        )
    }
    .wait(o.timings.stalled_recheck))
}

/// The moment from which a list is fresh: this pass, with the lane held.
fn lane(o: &Observation) -> Result<std::time::Duration, Plan> {
    match o.lane {
        None => Err(Plan::Look(Look::Lane(Rank::Create))),
        Some(LanePlace::Held { since }) => Ok(since.max(o.started)),
        Some(LanePlace::Waiting) => Err(Draft::new(o)
            .reconciling(
                Reason::Creating,
                "Waiting for other operations of this DWS cluster to end.",
            )
            .wait_in_lane(o.timings.stalled_recheck)),
    }
}

/// Whether nothing of that name exists; what does exist decides.
fn absent(o: &Observation, at: &Coordinates, since: std::time::Duration) -> Result<(), Plan> {
    if let Remote::Failed { began, failure } = &o.remote
        && *began >= since
    {
        return Err(trouble::unreadable(o, failure));
    }
    match o.listed_since(since) {
        None => Err(Plan::Look(Look::List {
            since,
            at: at.clone(),
            type_: o.object.spec.type_,
        })),
        Some(View::Absent) => Ok(()),
        Some(View::Ours { item, .. }) => Err(live::adopt(o, item, at.clone(), None)),
        Some(View::Leaving { .. }) => Err(Draft::new(o)
            .reconciling(
                Reason::Creating,
                "The cloud is still deleting a data source of this name.",
            )
            .wait(o.timings.job_poll_max)),
        Some(View::Foreign { item }) => Err(exists(o, &item.id)),
    }
}

/// The verdict about somebody else's data source of the same name.
pub fn exists(o: &Observation, id: &str) -> Plan {
    let failure = Failure {
        kind: FailureKind::Rejected {
            reason: Rejection::Exists,
        },
        code: None,
        status: None,
        message: format!("its id is {id}"),
        request_id: None,
    };
    trouble::wait_for_retry(o, trouble::report(o, Draft::new(o), &failure), &failure)
}
