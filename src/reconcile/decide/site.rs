//! Whether a replacement may be created where the spec wants it. Nothing is deleted for it before that is known.

use super::super::plan::{Look, Observation, Occupant, Plan};
use super::draft::Draft;
use super::{create, reach, trouble};
use crate::api::Reason;

/// `Ok` if nothing that is known would keep the new data source from being created; else the next plan towards that. The old one stays as it is.
pub fn is_free(o: &Observation) -> Result<(), Plan> {
    let at = reach::for_create(o)?;
    create::password(o)?;
    match &o.site {
        None => Err(Plan::Look(Look::Site {
            at: at.clone(),
            type_: o.object.spec.type_,
        })),
        Some(Ok(Occupant::Nobody)) => Ok(()),
        Some(Ok(Occupant::Object(rival))) => Err(create::rivalled(o, rival)),
        Some(Ok(Occupant::Item { id })) => Err(taken(o, id)),
        Some(Err(failure)) => {
            let (draft, wait) = trouble::report(o, Draft::new(o), failure);
            Err(draft.wait(wait))
        }
    }
}

fn taken(o: &Observation, id: &str) -> Plan {
    let spec = &o.object.spec;
    let message = format!(
        "The recorded data source is not replaced: DWS cluster {} holds another one named {}, with id {id}; choose another dataSourceName, or delete that one.",
        spec.cluster_id, spec.data_source_name
    );
    Draft::new(o)
        .edit(|status| status.retry = None)
        .stalled(Reason::AlreadyExists, message)
        .wait(o.timings.stalled_recheck)
}
