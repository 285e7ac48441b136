//! Flux's rules for a compliant status, by the names of `fluxcd/pkg`, `runtime/conditions/check/{fail,warn}.go`.
//!
//! FAIL0010 compares two statuses and binds only while a generation is unobserved: see [`crate::History`].

use serde_json::Value;

use crate::conditions::{condition, conditions, generation, is, is_true, observed_generation};

/// The conditions that are bad news when True.
const NEGATIVE: [&str; 2] = ["Reconciling", "Stalled"];

/// The names of the rules that `object` breaks, each with what is wrong; empty if its status is compliant.
#[must_use]
pub fn flux_violations(object: &Value) -> Vec<String> {
    let generation = generation(object).unwrap_or_default();
    let root = observed_generation(object).unwrap_or_default();
    let ready = is_true(object, "Ready");
    let negative: Vec<&str> = NEGATIVE.into_iter().filter(|kind| is_true(object, kind)).collect();
    let not_false = condition(object, "Ready").is_some_and(|ready| !is(ready, "False"));
    let observed = |condition: &Value| observed_generation(condition).unwrap_or_default();
    let all = conditions(object);

    let mut broken = Vec::new();
    let mut rule = |name: &str, is_broken: bool, what: &str| {
        if is_broken {
            broken.push(format!("{name}: {what}"));
        }
    };
    rule(
        "FAIL0001",
        ready && !negative.is_empty(),
        "Reconciling or Stalled is True beside Ready=True",
    );
    // Flux looks for the first; a reader may find another.
    let readies = all.iter().filter(|it| it["type"] == "Ready").count();
    rule("FAIL0002", readies != 1, "Ready is missing, or there more than once");
    rule(
        "FAIL0003",
        negative.contains(&"Reconciling") && not_false,
        "Reconciling is True and Ready is not False",
    );
    rule(
        "FAIL0004",
        negative.contains(&"Stalled") && not_false,
        "Stalled is True and Ready is not False",
    );
    rule(
        "FAIL0005",
        NEGATIVE.iter().all(|kind| condition(object, kind).is_some()),
        "Reconciling and Stalled are both present",
    );
    rule(
        "FAIL0006",
        root > generation,
        "observedGeneration is ahead of the generation",
    );
    rule(
        "FAIL0007",
        root < generation && ready,
        "Ready=True while observedGeneration is behind",
    );
    rule(
        "FAIL0008",
        ready && all.iter().any(|it| observed(it) < generation),
        "Ready=True and a condition is behind the generation",
    );
    rule(
        "FAIL0009",
        ready && all.iter().any(|it| observed(it) != root),
        "Ready=True and a condition differs from observedGeneration",
    );
    let unknown = condition(object, "Ready").is_some_and(|ready| is(ready, "Unknown"));
    rule(
        "FAIL0011",
        unknown && !negative.contains(&"Reconciling"),
        "Ready=Unknown without Reconciling",
    );
    for (name, kind) in [("WARN0003", "Reconciling"), ("WARN0004", "Stalled")] {
        let present = condition(object, kind).is_some_and(|it| !is(it, "True"));
        rule(name, present, &format!("{kind} is present without being True"));
    }
    rule(
        "WARN0005",
        all.iter().any(|it| observed(it) < 1),
        "a condition has no observedGeneration",
    );
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An object of generation 3; conditions as (type, status, observedGeneration).
    fn object(root: i64, conditions: &[(&str, &str, i64)]) -> Value {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status, observed)| json!({"type": kind, "status": status, "observedGeneration": observed}))
            .collect();
        json!({"metadata": {"generation": 3}, "status": {"observedGeneration": root, "conditions": conditions}})
    }

    #[test]
    fn compliant_statuses_pass() {
        for conditions in [
            [("Ready", "True", 3)].as_slice(),
            &[("Ready", "False", 3), ("Stalled", "True", 3)],
            &[("Ready", "False", 3), ("Reconciling", "True", 3)],
            &[("Ready", "False", 3)],
        ] {
            assert_eq!(flux_violations(&object(3, conditions)), [""; 0], "{conditions:?}");
        }
        assert_eq!(
            flux_violations(&object(2, &[("Ready", "False", 3), ("Reconciling", "True", 3)])),
            [""; 0],
            "mid-way"
        );
    }

    #[test]
    fn each_rule_catches_what_it_names() {
        for (rule, object) in [
            ("FAIL0001", object(3, &[("Ready", "True", 3), ("Stalled", "True", 3)])),
            ("FAIL0002", object(3, &[("Stalled", "True", 3)])),
            ("FAIL0002", object(3, &[("Ready", "False", 3), ("Ready", "True", 3)])),
            (
                "FAIL0003",
                object(3, &[("Ready", "True", 3), ("Reconciling", "True", 3)]),
            ),
            (
                "FAIL0004",
                object(3, &[("Ready", "Unknown", 3), ("Stalled", "True", 3)]),
            ),
            (
                "FAIL0005",
                object(
                    3,
                    &[
                        ("Ready", "False", 3),
                        ("Stalled", "True", 3),
                        ("Reconciling", "True", 3),
                    ],
                ),
            ),
            ("FAIL0006", object(4, &[("Ready", "False", 4)])),
            ("FAIL0007", object(2, &[("Ready", "True", 3)])),
            ("FAIL0008", object(3, &[("Ready", "True", 2)])),
            ("FAIL0009", object(3, &[("Ready", "True", 4)])),
            ("FAIL0011", object(3, &[("Ready", "Unknown", 3)])),
            (
                "WARN0003",
                object(3, &[("Ready", "True", 3), ("Reconciling", "False", 3)]),
            ),
            ("WARN0004", object(3, &[("Ready", "True", 3), ("Stalled", "False", 3)])),
            ("WARN0005", object(3, &[("Ready", "False", 0)])),
        ] {
            let broken = flux_violations(&object);
            assert!(
                broken.iter().any(|it| it.starts_with(rule)),
                "{rule} is not in {broken:?}"
            );
        }
    }
}
