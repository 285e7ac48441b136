//! What stays, or may stay, in the cloud of an object that is let go without looking there.

use super::super::plan::{AttemptMemory, AttemptState, Coordinates, Observation};
use super::attempts::coordinates;

/// What is known of it: id, name and place, and what an open attempt may still bring. None if nothing can be there.
pub fn known(o: &Observation) -> Option<String> {
    let recorded = o.object.status.id.as_ref().map(|id| {
        let name = o.sought().0;
        match o.recorded_place() {
            Some(at) => format!("data source {id} ({name}) in {}", place(&at)),
            None => format!("data source {id} ({name}) in DWS cluster {}", o.object.spec.cluster_id),
        }
    });
    let attempted = match o.open_attempt() {
        Some(AttemptMemory {
            intent,
            state: AttemptState::Unknown { .. },
        }) => Some(intent),
        // A lost request may still show an effect, and somebody may have taken the id away of what was created.
        _ if o.late() || o.robbed() => o.attempt().map(|attempt| attempt.intent),
        _ => None,
    };
    let attempted = attempted.map(|intent| {
        format!(
            "perhaps what the create attempt {} made, or still makes, of data source {} in {}",
            intent.attempt,
            intent.name,
            place(&coordinates(&intent))
        )
    });
    match (recorded, attempted) {
        (Some(recorded), Some(attempted)) => Some(format!("{recorded}, and {attempted}")),
        (None, None) if o.robbed() => Some(format!(
            "perhaps data source {} in DWS cluster {}, since somebody removed what was known of this object",
            o.object.spec.data_source_name, o.object.spec.cluster_id
        )),
        (recorded, attempted) => recorded.or(attempted),
    }
}

fn place(at: &Coordinates) -> String {
    format!(
        "DWS cluster {} at {}, project {}",
        at.cluster_id, at.endpoint, at.project_id
    )
}
