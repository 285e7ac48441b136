//! Reading generations and conditions from an object, as the oracles need them.

use serde_json::Value;

pub(crate) fn conditions(object: &Value) -> &[Value] {
    object["status"]["conditions"].as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    conditions(object).iter().find(|condition| condition["type"] == kind)
}

pub(crate) fn is(condition: &Value, status: &str) -> bool {
    condition["status"] == status
}

pub(crate) fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| is(condition, "True"))
}

pub(crate) fn generation(object: &Value) -> Option<i64> {
    object["metadata"]["generation"].as_i64()
}

pub(crate) fn observed_generation(holder: &Value) -> Option<i64> {
    // The root's is in the status, a condition's in itself.
    holder["status"]["observedGeneration"]
        .as_i64()
        .or_else(|| holder["observedGeneration"].as_i64())
}
