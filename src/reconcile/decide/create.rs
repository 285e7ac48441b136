//! No id is recorded: the way to the one POST.
//!
//! lane → fresh list (absent) → hold on the provider → intent → POST. Whatever stands in the way becomes the verdict.

use std::time::Duration;

use super::super::plan::{
    AttemptMemory, AttemptState, Coordinates, CreateRequest, Intent, Item, Look, Observation, Password, Plan, Rank,
    Remote, Requested, Rival, SecretVersion, Step, View,
};
use super::draft::Draft;
use super::{import, lane, live, reach, settle, trouble};
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
    if let Some(plan) = settle::late_effects(o) {
        return plan;
    }
    if let Some(rest) = o.held() {
        return Draft::new(o).hold(rest);
    }
    if o.observes() {
        // What it lost the trace of shows in the list, or late.
        return import::observe(o);
    }
    if trouble::needs_password(o) {
        return Plan::Look(Look::Password);
    }
    if let Some(rest) = trouble::closed(o) {
        return taken(o).map_or_else(|| Draft::new(o).wait(rest), |item| exists(o, item));
    }
    prepare(o, attempt.map(|attempt| attempt.intent)).unwrap_or_else(|plan| plan)
}

/// Goes through everything that a create needs; the first that is missing is the plan.
fn prepare(o: &Observation, unsent: Option<Intent>) -> Result<Plan, Plan> {
    import::decide(o)?;
    let at = reach::for_create(o)?;
    let secret = password(o)?;
    unrivalled(o)?;
    same_place(o, at)?;
    let since = lane::held(o, Rank::Create, |draft| {
        draft.reconciling(
            Reason::Creating,
            "Waiting for other operations of this DWS cluster to end.",
        )
    })?;
    absent(o, at, since, secret)?;
    let reboot = o.object.spec.reboot == Some(true) && o.object.status.reboot_generation.is_none();
    let intent = Intent {
        uid: o.object.uid.clone(),
        attempt: o.fresh_attempt.clone(),
        holder: o.identity.clone(),
        controller: o.around.install.clone(),
        time: o.now,
        provider: at.provider.clone(),
        endpoint: at.endpoint.clone(),
        project_id: at.project_id.clone(),
        cluster_id: at.cluster_id.clone(),
        type_: o.object.spec.type_,
        name: o.object.spec.data_source_name.clone(),
        requested: Some(Requested::of(&o.object.spec)),
        reboot,
        generation: o.object.generation,
        earliest_generation: o.earliest_generation(),
        secret: secret.cloned(),
        earlier_secrets: o.earlier_secrets(secret),
    };
    Ok(Plan::Act(match unsent {
        Some(recorded) if same_request(&recorded, &intent) => Step::Post {
            request: request(o, reboot),
            intent: recorded,
        },
        // The first user comes after the hold, so that no attempt can outlive its provider.
        _ if !reach::is_held(o) => Step::HoldProvider,
        // A recorded intent that was not sent and no longer fits is simply written over.
        _ => Step::RecordIntent(intent),
    }))
}

/// Whether two intents lead to the same place with the same request.
fn same_request(a: &Intent, b: &Intent) -> bool {
    let strip = |intent: &Intent| Intent {
        attempt: String::new(),
        time: jiff::Timestamp::UNIX_EPOCH,
        earliest_generation: 0,
        earlier_secrets: Vec::new(),
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

pub fn password(o: &Observation) -> Result<Option<&SecretVersion>, Plan> {
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
    o.holder().map_or(Ok(()), |holder| Err(rivalled(o, holder)))
}

/// What the user reads while another object holds the cluster and name.
pub fn rivalled(o: &Observation, rival: &Rival) -> Plan {
    let waiting = Draft::new(o).edit(|status| status.retry = None);
    let name = &o.object.spec.data_source_name;
    if rival.deleting {
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
    .wait(o.timings.stalled_recheck)
}

/// While a request to another place may still take effect, nothing is created: only one place is watched for late effects.
fn same_place(o: &Observation, at: &Coordinates) -> Result<(), Plan> {
    let Some(earlier) = o.recorded_place().filter(|_| o.late()) else {
        return Ok(());
    };
    let place = |at: &Coordinates| (at.endpoint.clone(), at.project_id.clone(), at.cluster_id.clone());
    if place(&earlier) == place(at) && o.late_type() == o.object.spec.type_ {
        return Ok(());
    }
    let message = format!(
        "An earlier create request to DWS cluster {} got no answer and may still take effect; the next one waits until that is over.",
        earlier.cluster_id
    );
    Err(Draft::new(o)
        .reconciling(Reason::Recovering, message)
        .wait(o.timings.late_list))
}

/// Whether nothing of that name exists; what does exist decides.
fn absent(o: &Observation, at: &Coordinates, since: Duration, secret: Option<&SecretVersion>) -> Result<(), Plan> {
    if let Remote::Failed { began, failure } = &o.remote
        && *began >= since
    {
        // This was a try too: the version of the Secret that caused it causes no other.
        let draft = Draft::new(o).edit(|status| status.secret = secret.cloned());
        let (draft, wait) = trouble::report(o, draft, failure);
        return Err(draft.wait(wait));
    }
    match o.listed_since(since) {
        None => Err(Plan::Look(Look::List {
            since,
            at: at.clone(),
            type_: o.object.spec.type_,
        })),
        Some(View::Absent) => Ok(()),
        Some(View::Ours { item, .. }) if o.removed_lately(item) => Err(leaving(o)),
        Some(View::Ours { item, surplus }) => Err(live::adopt(o, item, surplus, at.clone(), None)),
        Some(View::Leaving { .. }) => Err(leaving(o)),
        Some(View::Foreign { item }) => Err(exists(o, item)),
    }
}

fn leaving(o: &Observation) -> Plan {
    Draft::new(o)
        .edit(|status| status.retry = None)
        .reconciling(
            Reason::Creating,
            "The cloud is still deleting a data source of this name.",
        )
        .hold(o.timings.job_poll_max)
}

/// Who has the name already, as a list of this pass shows: no try that is being waited for can come to anything.
fn taken(o: &Observation) -> Option<&Item> {
    let at = reach::ready(o).ok()?;
    match o.listed_since(o.started)? {
        View::Foreign { item } if o.marks() && o.holder().is_none() && same_place(o, at).is_ok() => Some(item),
        _ => None,
    }
}

/// Somebody else's data source has the name; it is left alone.
fn exists(o: &Observation, item: &Item) -> Plan {
    let (_, marker) = names::strip(item.description.as_deref().unwrap_or_default());
    let whose = if marker.is_some() {
        "that an object with another uid created, perhaps this one before it was restored or moved"
    } else {
        "that is not this object's"
    };
    let message = format!(
        "The DWS cluster holds a data source of this name, with id {}, {whose}; choose another dataSourceName, delete that one, or, {}.",
        item.id,
        import::advice(&item.id)
    );
    Draft::new(o)
        .edit(|status| status.retry = None)
        .stalled(Reason::AlreadyExists, message)
        .hold(o.timings.stalled_recheck)
}
