//! Taking over, or observing, a data source that exists in the cloud already. It takes an explicit yes: of the spec, and of the provider.

use super::super::plan::{
    self, Coordinates, Grant, Import, ImportPolicy, ImportRecord, Item, Look, Observation, Password, Plan, Provider,
    Remote, Step, View,
};
use super::draft::Draft;
use super::{assess, compare, create, drift, reach, trouble};
use crate::api::Reason;

const LEAVING: &str = "is being deleted in the cloud";
const UNLISTED: &str = "is not in the cloud's list";

/// What is to be imported or observed; none if a data source of the object's own is to be created.
fn target(o: &Observation) -> Option<Import> {
    let spec = &o.object.spec;
    match &spec.import {
        Some(import) if o.observes() || !o.has_imported() => Some(import.clone()),
        None if o.observes() => Some(Import {
            id: None,
            name: Some(spec.data_source_name.clone()),
            policy: None,
        }),
        Some(_) | None => None,
    }
}

fn fits(target: &Import, item: &Item) -> bool {
    match (&target.id, &target.name) {
        (Some(id), _) => *id == item.id,
        (None, Some(name)) => item.name.eq_ignore_ascii_case(name),
        (None, None) => false,
    }
}

/// `Ok` if there is nothing to import, so that the create may go on; else the next plan towards the import.
pub fn decide(o: &Observation) -> Result<(), Plan> {
    let Some(target) = target(o) else { return Ok(()) };
    let at = reach::for_create(o)?.clone();
    allowed(o, &at.provider)?;
    let view = match &o.remote {
        Remote::Listed { began, view } if *began >= o.started => view,
        Remote::Failed { began, failure } if *began >= o.started => {
            let (draft, wait) = trouble::report(o, Draft::new(o), failure);
            return Err(draft.wait(wait));
        }
        _ => {
            return Err(Plan::Look(Look::List {
                since: o.started,
                at,
                type_: o.object.spec.type_,
            }));
        }
    };
    match view {
        View::Foreign { item } if fits(&target, item) => Err(take(o, item)),
        // The object's own is adopted where a create would begin.
        View::Ours { .. } => Ok(()),
        _ if target.policy == Some(ImportPolicy::IfExists) => Ok(()),
        View::Leaving { item, .. } if fits(&target, item) => Err(absent(o, LEAVING)),
        _ => Err(absent(o, UNLISTED)),
    }
}

/// Shows a data source that exists, whosever it is, and writes nothing to the cloud.
pub fn observe(o: &Observation) -> Plan {
    show(o).unwrap_or_else(|plan| plan)
}

fn show(o: &Observation) -> Result<Plan, Plan> {
    let at = reach::ready(o)?.clone();
    allowed(o, &at.provider)?;
    let Some(target) = target(o) else {
        return Ok(Draft::new(o).wait(o.timings.stalled_recheck));
    };
    let view = match &o.remote {
        Remote::Listed { view, .. } => view,
        Remote::Failed { failure, .. } => return Err(trouble::unreadable(o, failure)),
        Remote::Unknown => {
            // What was forbidden is looked at as soon as it is allowed.
            if let Some(wait) = compare::due(o).filter(|_| !was_denied(o)) {
                return Ok(match o.held() {
                    Some(_) => Draft::new(o).hold(wait),
                    None => Draft::new(o).wait(wait),
                });
            }
            reach::for_create(o)?;
            let since = compare::since(o);
            let type_ = o.object.spec.type_;
            return Ok(Plan::Look(Look::List { since, at, type_ }));
        }
    };
    Ok(match view {
        View::Foreign { item } if fits(&target, item) => take(o, item),
        View::Ours { item, .. } => take(o, item),
        // One list that lacks what was there proves nothing.
        _ if o.object.status.id.is_some() && o.generation_observed() => {
            let meanwhile = Draft::new(o).edit(|status| status.retry = None);
            compare::gone(o, meanwhile, o.timings.stalled_recheck)
        }
        View::Leaving { item, .. } if fits(&target, item) => absent(o, LEAVING),
        _ => absent(o, UNLISTED),
    })
}

fn was_denied(o: &Observation) -> bool {
    let mut conditions = o.object.status.conditions.iter();
    // What the cloud itself denies waits for its next try.
    o.object.status.retry.is_none() && conditions.any(|condition| condition.reason == Reason::AccessDenied)
}

/// The object only observed so far, and is to manage now. What it saw is not its own: it begins as if nothing were recorded.
pub fn forget_observed(o: &Observation) -> Plan {
    let reason = if o.object.deleting {
        Reason::Deleting
    } else {
        Reason::Recovering
    };
    Draft::new(o)
        .forget()
        .reconciling(reason, "It was only observed so far; comparing anew.")
        .again()
}

fn allowed(o: &Observation, provider: &str) -> Result<(), Plan> {
    if matches!(o.provider, Provider::Ready { imports: true, .. }) {
        return Ok(());
    }
    let way_out = if o.object.deleting {
        "set deletionPolicy to Retain to leave it"
    } else {
        "remove import"
    };
    let message = format!(
        "{provider} does not allow to take over or observe what exists already; ask its owner to set allowImport, or {way_out}."
    );
    let draft = Draft::new(o).edit(|status| status.retry = None);
    Err(draft
        .stalled(Reason::AccessDenied, message)
        .wait(o.timings.stalled_recheck))
}

/// Whether the provider's consent to what was taken over still stands. Without it nothing is done to it.
pub fn consent(o: &Observation) -> Result<(), Plan> {
    match &o.provider {
        Provider::Ready { grant, coordinates, .. } if o.is_imported() => {
            if let Grant::Refused(why) = grant {
                let why = if o.object.deleting {
                    format!("{why} Set deletionPolicy to Retain to leave the data source in the cloud.")
                } else {
                    why.clone()
                };
                return Err(Draft::new(o)
                    .edit(|status| status.retry = None)
                    .stalled(Reason::AccessDenied, why)
                    .wait(o.timings.stalled_recheck));
            }
            if let Grant::Unreadable(why) = grant {
                return Err(Draft::new(o)
                    .edit(|status| status.retry = None)
                    .reconciling(Reason::WaitingForProvider, format!("{}: {why}", coordinates.provider))
                    .wait(o.timings.secret_recheck));
            }
            allowed(o, &coordinates.provider)
        }
        _ => Ok(()),
    }
}

fn absent(o: &Observation, how: &str) -> Plan {
    let spec = &o.object.spec;
    let what = match spec.import.as_ref().and_then(|import| import.id.as_ref()) {
        Some(id) => format!("with id {id}"),
        None => format!("named {}", spec.data_source_name),
    };
    let way_out = match (o.observes(), &spec.import) {
        (true, None) => "correct dataSourceName",
        (true, Some(_)) => "correct import",
        (false, _) => "correct import, or set import.policy to IfExists to create it",
    };
    let message = format!(
        "The data source {what} of type {} {how}; {way_out}.",
        spec.type_.as_str()
    );
    Draft::new(o)
        .edit(|status| {
            status.retry = None;
            status.observed = None;
        })
        .stalled(Reason::ExternallyDeleted, message)
        .hold(o.timings.stalled_recheck)
}

/// Takes a data source that is not the object's into the status, if it is what the spec describes.
fn take(o: &Observation, item: &Item) -> Plan {
    if let Some(holder) = o.holder().filter(|_| !o.observes()) {
        return create::rivalled(o, holder);
    }
    let differences = drift::differences(&o.object.spec, item, None).into_iter();
    // The agency is updated in place once it is taken over; what is observed may differ in all but name and type.
    let differences: Vec<_> = differences
        .filter(|(field, _)| match *field {
            "dataSourceName" | "type" => true,
            "userName" => !o.observes() && o.object.spec.type_ != plan::DataSourceType::Obs,
            _ => !o.observes(),
        })
        .collect();
    if !differences.is_empty() {
        let message = format!(
            "Data source {} is not what the spec describes: it differs in {}; correct the spec.",
            item.id,
            drift::texts(differences).join(", ")
        );
        return Draft::new(o)
            .edit(|status| status.retry = None)
            .stalled(Reason::InvalidSpec, message)
            .hold(o.timings.stalled_recheck);
    }
    let at = match reach::ready(o) {
        Ok(at) => at.clone(),
        Err(plan) => return plan,
    };
    if !o.observes() {
        if o.object.spec.user_pwd.is_some() && o.password == Password::Unknown {
            return Plan::Look(Look::Password);
        }
        if !reach::is_held(o) {
            return Plan::Act(Step::HoldProvider);
        }
        if !o.object.finalizer {
            return Plan::Act(Step::PutFinalizer);
        }
    }
    let draft = Draft::new(o).edit(|status| {
        status.id = Some(item.id.clone());
        status.job_id = None;
        status.cloud = Some(at);
        status.operation = None;
        status.plan = None;
        status.requested = None;
        if !o.observes() {
            status.imported = Some(ImportRecord {
                uid: o.object.uid.clone(),
                id: item.id.clone(),
                name: item.name.clone(),
                type_: o.object.spec.type_,
            });
            status.secret = o.password_version().cloned();
            status.reboot_generation = Some(o.object.generation);
        }
    });
    let draft = if o.observes() {
        draft
    } else {
        let text = format!("Took over data source {}, which existed already.", item.id);
        draft.note(false, "Imported", text)
    };
    let (draft, wait) = assess::listed(o, draft, item, &[]);
    draft.wait(wait)
}

/// A recorded data source that is not the object's: the status was copied, restored or edited, or the object only observed it before. It is taken
/// over if the spec says so, as if nothing were recorded; but only where the spec wants it, since the provider's consent is about that place.
pub fn recorded(o: &Observation, item: &Item) -> Option<Plan> {
    target(o).filter(|target| fits(target, item))?;
    let at = reach::ready(o).ok()?;
    let place = |at: &Coordinates| (at.endpoint.clone(), at.project_id.clone(), at.cluster_id.clone());
    if o.recorded_place().is_some_and(|recorded| place(&recorded) != place(at)) {
        return None;
    }
    if let Err(plan) = allowed(o, &at.provider) {
        return Some(plan);
    }
    Some(take(o, item))
}

/// How to take over what exists already, for the user.
pub fn advice(id: &str) -> String {
    format!("to take it over, set spec.import to {{id: {id}}} and deletionPolicy to Delete or Retain")
}
