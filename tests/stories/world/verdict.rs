//! What a data source tells its reader.

use dws_operator::api::{ConditionStatus, ConditionType, DwsDataSource, Reason};

/// The verdict: the condition that is True, with its reason.
pub fn verdict(object: &DwsDataSource) -> Option<(ConditionType, Reason)> {
    let conditions = &object.status.as_ref()?.conditions;
    let current = object.metadata.generation;
    conditions
        .iter()
        .find(|condition| condition.status == ConditionStatus::True && Some(condition.observed_generation) == current)
        .map(|condition| (condition.type_, condition.reason))
}

/// The id of the cloud's data source, if one is recorded.
pub fn id(object: &DwsDataSource) -> Option<String> {
    object.status.as_ref()?.id.clone()
}

/// What the verdict tells its reader.
pub fn message(object: &DwsDataSource) -> String {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions
        .first()
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}
