//! Whether the cloud can be reached for an object, and where.

use super::super::plan::{Coordinates, Observation, Plan, Provider};
use super::draft::Draft;
use crate::api::Reason;

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
    if let Provider::Ready {
        refusal: Some(refusal), ..
    } = &o.provider
    {
        return Err(Draft::new(o)
            .edit(|status| status.retry = None)
            .stalled(Reason::AccessDenied, refusal.clone())
            .wait(o.timings.stalled_recheck));
    }
    Ok(coordinates)
}

/// Whether the provider leads to the place that was recorded. A withdrawn grant does not matter here: what was created through
/// it may still be observed and deleted.
pub fn recorded(o: &Observation, at: &Coordinates) -> Result<(), Plan> {
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

fn ready(o: &Observation) -> Result<&Coordinates, Plan> {
    let (reason, message) = match &o.provider {
        Provider::Ready { coordinates, .. } => return Ok(coordinates),
        Provider::Absent { name } => (Reason::WaitingForProvider, format!("{name} does not exist; create it.")),
        Provider::NotReady {
            name,
            message,
            secret: true,
        } => (Reason::WaitingForSecret, format!("{name}: {message}")),
        Provider::NotReady {
            name,
            message,
            secret: false,
        } => (Reason::WaitingForProvider, format!("{name}: {message}")),
    };
    Err(Draft::new(o)
        .edit(|status| status.retry = None)
        .reconciling(reason, message)
        .wait(o.timings.secret_recheck))
}
