//! Every version of every object of the operator's kinds, and the rules that hold from one version to the next.
//!
//! Pure: takes versions in any order, gives what they break.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::conditions::{condition, generation, is_true, observed_generation};
use crate::lists::Lists;
use crate::proxy::Call;
use crate::{Kstatus, flux_violations, kstatus};

/// One version of an object.
#[derive(Debug, Clone)]
pub struct Version {
    /// The object, as the apiserver returned it.
    pub object: Value,
    /// When the operator began to write it; none if somebody else did, such as the story itself.
    pub written: Option<Timestamp>,
}

/// The versions of each object, by uid and resourceVersion.
///
/// resourceVersions of one resource can be compared as integers (a guarantee of Kubernetes 1.35).
#[derive(Debug, Clone, Default)]
pub struct History {
    versions: BTreeMap<String, BTreeMap<u64, Version>>,
    lists: Lists,
}

impl History {
    /// Adds a version; one that is known already only learns who wrote it. What is no object is left out.
    pub fn add(&mut self, object: Value, written: Option<Timestamp>) {
        let metadata = &object["metadata"];
        let version = metadata["resourceVersion"]
            .as_str()
            .and_then(|version| version.parse().ok());
        let (Some(uid), Some(version)) = (metadata["uid"].as_str(), version) else {
            return;
        };
        let entry = self.versions.entry(uid.to_owned()).or_default().entry(version);
        let version = entry.or_insert(Version { object, written });
        version.written = version.written.or(written);
    }

    /// Adds what a list of the cloud said to the operator; any other call is left out.
    pub fn add_list(&mut self, call: &Call) {
        self.lists.add(call);
    }

    /// The versions of all objects of that kind and name, oldest first.
    #[must_use]
    pub fn of(&self, kind: &str, name: &str) -> Vec<&Version> {
        let mut versions: Vec<_> = self.versions.values().flatten().collect();
        versions.retain(|(_, version)| version.object["kind"] == kind && version.object["metadata"]["name"] == name);
        versions.sort_by_key(|(number, _)| **number);
        versions.into_iter().map(|(_, version)| version).collect()
    }

    /// What is wrong with any version, or with a step from one to the next; empty if nothing is.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let objects = self.versions.values();
        objects
            .flat_map(|versions| object_violations(versions, &self.lists))
            .collect()
    }
}

fn object_violations(versions: &BTreeMap<u64, Version>, lists: &Lists) -> Vec<String> {
    let mut broken = Vec::new();
    let mut previous: Option<&Value> = None;
    // The last version that the operator wrote.
    let mut own: Option<&Value> = None;
    for (number, Version { object, written }) in versions {
        let mut found = Vec::new();
        if kstatus(object) == Kstatus::Current && !is_true(object, "Ready") {
            found.push("kstatus: Current without Ready=True".to_owned());
        }
        if let (Kstatus::Failed, Some(class)) = (kstatus(object), retried(object)) {
            found.push(format!("kstatus: Failed while it is retried ({class})"));
        }
        let is_new_status = previous.is_none_or(|previous| previous["status"] != object["status"]);
        if written.is_some() && is_new_status && !is_untouched(object) {
            found.extend(flux_violations(object));
        }
        if let (Some(previous), true) = (previous, written.is_some() && is_new_status) {
            found.extend(step_violations(previous, object));
        }
        // An id that somebody else forged may go, and one that somebody else took away need not be known any more.
        let has_its_id =
            |own: &&Value| previous.is_some_and(|previous| previous["status"]["id"] == own["status"]["id"]);
        if let (Some(own), Some(written)) = (own.filter(has_its_id), written) {
            let is_gone = |id: &str| lists.lacking(id, own, *written) >= 2;
            found.extend(id_violation(own, object, is_gone));
        }
        let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]).replace('"', "");
        broken.extend(found.iter().map(|what| {
            let before = previous
                .map(|previous| previous["status"].to_string())
                .unwrap_or_default();
            format!(
                "{} at {number}: {what}\n  before: {before}\n  status: {}",
                name(object),
                object["status"]
            )
        }));
        previous = Some(object);
        own = if written.is_some() { Some(object) } else { own };
    }
    broken
}

/// What an object is retried for that passes by itself.
fn retried(object: &Value) -> Option<&str> {
    let class = object["status"]["retry"]["class"].as_str()?;
    ["Transient", "Busy", "Throttled", "ClusterMissing"]
        .contains(&class)
        .then_some(class)
}

/// What the operator may not do to a status from one version to the next.
fn step_violations(previous: &Value, object: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let unobserved = i64::MIN;
    let (before, after) = (
        observed_generation(previous).unwrap_or(unobserved),
        observed_generation(object).unwrap_or(unobserved),
    );
    if after < before {
        broken.push(format!("observedGeneration falls from {before} to {after}"));
    }
    let current = generation(object).unwrap_or_default();
    if before < current && after >= current && is_true(object, "Reconciling") {
        broken.push("FAIL0010: a generation is observed while Reconciling is True".to_owned());
    }
    broken
}

/// An id that the operator recorded stays until it is written down as the one to replace, or two lists have proven that the data source is
/// gone from the cloud. One that was only observed, neither made nor taken over, is no loss.
fn id_violation(own: &Value, object: &Value, is_gone: impl Fn(&str) -> bool) -> Option<String> {
    let id = own["status"]["id"].as_str()?;
    let is_replaced = |object: &Value| object["status"]["operation"]["oldID"] == id;
    let is_kept = object["status"]["id"] == id || is_replaced(own) || is_replaced(object);
    let may_go = || {
        let is_recovering = condition(object, "Ready").is_some_and(|ready| ready["reason"] == "Recovering");
        (is_recovering || object["status"]["id"].is_string()) && is_gone(id)
    };
    let outcome = own["status"]["lastAttempt"]["outcome"].as_str();
    let was_only_seen = own["status"]["imported"].is_null()
        && !outcome.is_some_and(|outcome| ["Created", "Recovered"].contains(&outcome));
    (!is_kept && !was_only_seen && !may_go()).then(|| format!("the id {id} is forgotten"))
}

/// Whether the status is the CRD's default: nobody has written one yet.
fn is_untouched(object: &Value) -> bool {
    match object["status"].as_object() {
        None => true,
        Some(status) => status.len() == 1 && observed_generation(object) == Some(-1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A status with Ready and, if it is not True, a reason to wait.
    fn status(observed: i64, generation: i64, ready: &str, id: Option<&str>) -> Value {
        let mut conditions = vec![json!({"type": "Ready", "status": ready, "observedGeneration": generation})];
        if ready == "False" {
            conditions.push(json!({"type": "Reconciling", "status": "True", "observedGeneration": generation}));
        }
        let mut status = json!({"observedGeneration": observed, "conditions": conditions});
        if let Some(id) = id {
            status["id"] = json!(id);
            status["lastAttempt"] = json!({"id": "a1", "outcome": "Created"});
        }
        status
    }

    fn history(steps: &[(bool, i64, Value)]) -> History {
        let mut history = History::default();
        for (number, (by_operator, generation, status)) in steps.iter().enumerate() {
            let metadata = json!({"uid": "u", "name": "lake", "resourceVersion": (number + 9).to_string(), "generation": generation});
            history.add(
                json!({"kind": "DwsDataSource", "metadata": metadata, "status": status}),
                by_operator.then_some(Timestamp::UNIX_EPOCH),
            );
        }
        history
    }

    fn default() -> Value {
        json!({"observedGeneration": -1})
    }

    #[test]
    fn a_good_life_breaks_nothing() {
        let history = history(&[
            (false, 1, default()),
            (true, 1, default()),
            (true, 1, status(-1, 1, "False", Some("a"))),
            (true, 1, status(1, 1, "True", Some("a"))),
            (false, 2, status(1, 1, "True", Some("a"))),
            (true, 2, status(2, 2, "True", Some("a"))),
        ]);
        assert_eq!(history.violations(), [""; 0]);
        assert_eq!(history.of("DwsDataSource", "lake").len(), 6);
    }

    #[test]
    fn each_bad_step_is_named() {
        let ready = status(1, 1, "True", Some("a"));
        let mut recovering_without_lists = status(1, 1, "False", None);
        recovering_without_lists["conditions"][0]["reason"] = json!("Recovering");
        let mut failed_while_retried = status(1, 1, "False", Some("a"));
        failed_while_retried["retry"] = json!({"class": "Transient"});
        failed_while_retried["conditions"] = json!([
            {"type": "Ready", "status": "False", "observedGeneration": 1},
            {"type": "Stalled", "status": "True", "observedGeneration": 1},
        ]);
        for (what, steps) in [
            (
                "falls from 1 to -1",
                vec![(true, 1, ready.clone()), (true, 1, status(-1, 1, "False", Some("a")))],
            ),
            (
                "FAIL0010",
                vec![(false, 1, default()), (true, 1, status(1, 1, "False", Some("a")))],
            ),
            (
                "the id a is forgotten",
                vec![(true, 1, ready.clone()), (true, 1, status(1, 1, "False", None))],
            ),
            (
                "the id a is forgotten",
                vec![(true, 1, ready.clone()), (true, 1, recovering_without_lists)],
            ),
            (
                "the id a is forgotten",
                vec![(true, 1, ready.clone()), (true, 1, status(1, 1, "True", Some("b")))],
            ),
            (
                "FAIL0002",
                vec![
                    (false, 1, default()),
                    (true, 1, json!({"observedGeneration": 1, "id": "a"})),
                ],
            ),
            ("kstatus", vec![(false, 1, json!({}))]),
            ("Failed while it is retried", vec![(true, 1, failed_while_retried)]),
            ("FAIL0007", vec![(true, 2, ready.clone())]),
        ] {
            let broken = history(&steps).violations();
            assert!(broken.iter().any(|it| it.contains(what)), "{what} is not in {broken:?}");
        }
    }

    #[test]
    fn what_the_operator_did_not_write_is_not_held_against_it() {
        let ready = status(1, 1, "True", Some("a"));
        let tampered = history(&[
            (true, 1, ready.clone()),
            (false, 1, default()),
            (true, 1, status(-1, 1, "False", None)),
        ]);
        assert_eq!(tampered.violations(), [""; 0]);
        let retried_later = history(&[(true, 1, ready), (true, 1, status(1, 1, "False", Some("a")))]);
        assert_eq!(
            retried_later.violations(),
            [""; 0],
            "an observed generation may be reconciled again"
        );
    }

    #[test]
    fn what_was_only_observed_may_be_forgotten() {
        let mut seen = status(1, 1, "True", Some("a"));
        seen["lastAttempt"] = Value::Null;
        let steps = [(true, 1, seen), (true, 1, status(1, 1, "False", None))];
        assert_eq!(history(&steps).violations(), [""; 0]);
    }

    #[test]
    fn a_replaced_record_is_not_forgotten() {
        let mut replacing = status(1, 1, "False", None);
        replacing["operation"] = json!({"type": "Replace", "oldID": "a"});
        assert_eq!(
            history(&[(true, 1, status(1, 1, "True", Some("a"))), (true, 1, replacing)]).violations(),
            [""; 0]
        );
    }
}
