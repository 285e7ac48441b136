//! Whether the cloud can be reached for an object, and where.

use super::super::plan::{Coordinates, FailureKind, Grant, Look, Observation, Plan, Provider, Rejection};
use super::draft::Draft;
use super::verdict;
use crate::api::Reason;
use crate::api::conditions::Verdict;

/// Where the object's data source is, or would be created, if the provider leads there.
pub fn place(o: &Observation) -> Result<Coordinates, Plan> {
    match o.recorded_place() {
        Some(at) => recorded(o, &at).map(|()| at),
        // A status that was tampered with may lack the place; then the provider tells.
        None if o.object.deleting => ready(o).cloned(),
        None => for_create(o).cloned(),
    }
}

/// The coordinates of a first create: what the provider resolves to, if it admits the object.
pub fn for_create(o: &Observation) -> Result<&Coordinates, Plan> {
    let coordinates = ready(o)?;
    let Provider::Ready { grant, .. } = &o.provider else {
        return Ok(coordinates);
    };
    let waiting = || Draft::new(o).edit(|status| status.retry = None);
    match grant {
        Grant::Given | Grant::Held => Ok(coordinates),
        Grant::Unasked => Err(Plan::Look(Look::Grant)),
        Grant::Refused(why) => Err(waiting()
            .stalled(Reason::AccessDenied, why.clone())
            .wait(o.timings.stalled_recheck)),
        Grant::Leaving => Err(waiting()
            .reconciling(
                Reason::WaitingForProvider,
                format!(
                    "{} is being deleted and takes nothing new; create it again, or use another provider.",
                    coordinates.provider
                ),
            )
            .wait(o.timings.secret_recheck)),
        Grant::Unreadable(why) => Err(waiting()
            .reconciling(Reason::WaitingForProvider, format!("{}: {why}", coordinates.provider))
            .wait(o.timings.secret_recheck)),
    }
}

/// Whether the provider is kept for the object.
pub fn is_held(o: &Observation) -> bool {
    matches!(o.provider, Provider::Ready { grant: Grant::Held, .. })
}

/// Whether the provider leads to the place that was recorded. A withdrawn grant does not matter here: what was created through
/// it may still be observed and deleted. Where the way to the provider fails, whatever is read there fails with it: that is trouble like any
/// other with a read, and told as late.
pub fn recorded(o: &Observation, at: &Coordinates) -> Result<(), Plan> {
    if matches!(o.provider, Provider::Unreached { .. }) {
        return Ok(());
    }
    let coordinates = ready(o)?;
    if coordinates.endpoint == at.endpoint && coordinates.project_id == at.project_id {
        return Ok(());
    }
    Err(Draft::new(o)
        .edit(|status| status.retry = None)
        .stalled(
            Reason::ProviderMismatch,
            format!(
                "{} now leads to {} and project {}, but this data source was recorded at {} and project {}; no call is made until the provider leads there again.",
                coordinates.provider, coordinates.endpoint, coordinates.project_id, at.endpoint, at.project_id
            ),
        )
        .wait(o.timings.stalled_recheck))
}

/// What the provider resolves to, if it can be used.
pub fn ready(o: &Observation) -> Result<&Coordinates, Plan> {
    let waiting = |reason, message| Verdict::Reconciling(reason, message);
    let verdict = match &o.provider {
        Provider::Ready { coordinates, .. } => return Ok(coordinates),
        Provider::Absent { name } => waiting(Reason::WaitingForProvider, format!("{name} does not exist; create it.")),
        Provider::NotReady { name, message, secret } => {
            let reason = if *secret {
                Reason::WaitingForSecret
            } else {
                Reason::WaitingForProvider
            };
            waiting(reason, format!("{name}: {message}"))
        }
        Provider::Unreached { name, failure } => match failure.kind {
            FailureKind::CredentialsRejected
            | FailureKind::Rejected {
                reason: Rejection::Denied,
            } => verdict::of_failure(failure, false),
            _ => waiting(Reason::WaitingForProvider, format!("{name}: {}", failure.message)),
        },
    };
    Err(Draft::new(o)
        .edit(|status| status.retry = None)
        .verdict(&verdict)
        .wait(o.timings.secret_recheck))
}
