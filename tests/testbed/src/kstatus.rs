//! What kstatus, and with it Flux, `kubectl` plugins and Argo CD's conventions, say of an object.
//!
//! The decision order of `sigs.k8s.io/cli-utils`, `pkg/kstatus/status/generic.go`, for custom resources.

use serde_json::Value;

use crate::conditions::{conditions, generation, is, observed_generation};

/// kstatus' verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kstatus {
    /// The object is as its spec asks.
    Current,
    /// It is on its way there.
    InProgress,
    /// It will not get there by itself.
    Failed,
    /// It is being deleted.
    Terminating,
}

/// Computes the verdict for `object`, as the apiserver returns it.
#[must_use]
pub fn kstatus(object: &Value) -> Kstatus {
    if object["metadata"]["deletionTimestamp"]
        .as_str()
        .is_some_and(|time| !time.is_empty())
    {
        return Kstatus::Terminating;
    }
    if let (Some(generation), Some(observed)) = (generation(object), observed_generation(object))
        && generation != observed
    {
        return Kstatus::InProgress;
    }
    for condition in conditions(object) {
        match condition["type"].as_str() {
            Some("Reconciling") if is(condition, "True") => return Kstatus::InProgress,
            Some("Stalled") if is(condition, "True") => return Kstatus::Failed,
            _ => {}
        }
    }
    match conditions(object).iter().find(|condition| condition["type"] == "Ready") {
        Some(ready) if is(ready, "False") || is(ready, "Unknown") => Kstatus::InProgress,
        // An object without any status is finished, as far as kstatus can know.
        _ => Kstatus::Current,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(observed: Option<i64>, conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status}))
            .collect();
        let mut object = json!({"metadata": {"generation": 2}, "status": {"conditions": conditions}});
        if let Some(observed) = observed {
            object["status"]["observedGeneration"] = json!(observed);
        }
        object
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        for (what, object, verdict) in [
            ("no status", json!({"metadata": {"generation": 1}}), Kstatus::Current),
            (
                "the CRD's default",
                json!({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}),
                Kstatus::InProgress,
            ),
            ("behind", object(Some(1), &[("Ready", "True")]), Kstatus::InProgress),
            ("ready", object(Some(2), &[("Ready", "True")]), Kstatus::Current),
            (
                "ready without a root generation",
                object(None, &[("Ready", "True")]),
                Kstatus::Current,
            ),
            ("not ready", object(Some(2), &[("Ready", "False")]), Kstatus::InProgress),
            ("unknown", object(Some(2), &[("Ready", "Unknown")]), Kstatus::InProgress),
            (
                "reconciling",
                object(Some(2), &[("Ready", "True"), ("Reconciling", "True")]),
                Kstatus::InProgress,
            ),
            (
                "stalled",
                object(Some(2), &[("Ready", "False"), ("Stalled", "True")]),
                Kstatus::Failed,
            ),
            (
                "the list's order decides",
                object(Some(2), &[("Stalled", "True"), ("Reconciling", "True")]),
                Kstatus::Failed,
            ),
            (
                "a condition that is False is none",
                object(Some(2), &[("Stalled", "False"), ("Ready", "True")]),
                Kstatus::Current,
            ),
        ] {
            assert_eq!(kstatus(&object), verdict, "{what}");
        }
        let mut leaving = object(Some(2), &[("Stalled", "True")]);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T00:00:00Z");
        assert_eq!(kstatus(&leaving), Kstatus::Terminating);
    }
}
