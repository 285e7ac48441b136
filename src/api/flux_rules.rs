//! Flux's rules for the status of an object at the end of a reconcile, as a check on the JSON that a user reads.
//!
//! It takes any object with a `status` and returns the rules that it breaks (`runtime/conditions/check` of fluxcd/pkg).
//! FAIL0010 is about the time within a reconcile and cannot be seen on one status. It shares nothing with the code that
//! builds conditions.

use serde_json::Value;

/// The names of the rules that the object breaks.
pub fn broken(object: &Value) -> Vec<&'static str> {
    let generation = object["metadata"]["generation"].as_i64();
    let observed = object["status"]["observedGeneration"].as_i64();
    let conditions = object["status"]["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let statuses = |type_: &str| -> Vec<&str> {
        conditions
            .iter()
            .filter(|c| c["type"] == type_)
            .filter_map(|c| c["status"].as_str())
            .collect()
    };
    let (ready, reconciling, stalled) = (statuses("Ready"), statuses("Reconciling"), statuses("Stalled"));
    let [is_ready, is_reconciling, is_stalled] =
        [&ready, &reconciling, &stalled].map(|statuses| statuses.contains(&"True"));
    let every_observed = conditions
        .iter()
        .all(|c| c["observedGeneration"].as_i64() == generation);

    [
        ("FAIL0001", is_ready && (is_reconciling || is_stalled)),
        ("FAIL0002", ready.len() != 1),
        ("FAIL0003", is_reconciling && ready != ["False"]),
        ("FAIL0004", is_stalled && ready != ["False"]),
        ("FAIL0005", is_reconciling && is_stalled),
        ("FAIL0006", observed > generation),
        ("FAIL0007", observed < generation && is_ready),
        ("FAIL0008", is_ready && !every_observed),
        ("FAIL0009", is_ready && observed != generation),
        ("FAIL0011", ready == ["Unknown"] && !is_reconciling),
        ("WARN0003", reconciling.iter().any(|status| *status != "True")),
        ("WARN0004", stalled.iter().any(|status| *status != "True")),
        ("WARN0005", conditions.iter().any(|c| !c["observedGeneration"].is_i64())),
    ]
    .into_iter()
    .filter_map(|(rule, is_broken)| is_broken.then_some(rule))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn condition(type_: &str, status: &str, observed: &Value) -> Value {
        json!({"type": type_, "status": status, "observedGeneration": observed})
    }

    #[test]
    fn each_rule_can_be_broken() {
        let ready = |status| condition("Ready", status, &json!(2));
        let reconciling = |status| condition("Reconciling", status, &json!(2));
        let stalled = |status| condition("Stalled", status, &json!(2));
        for (rule, observed, conditions) in [
            ("FAIL0001", 2, vec![ready("True"), stalled("True")]),
            ("FAIL0002", 2, vec![]),
            ("FAIL0003", 2, vec![ready("True"), reconciling("True")]),
            ("FAIL0004", 2, vec![ready("Unknown"), stalled("True")]),
            (
                "FAIL0005",
                2,
                vec![ready("False"), reconciling("True"), stalled("True")],
            ),
            ("FAIL0006", 3, vec![ready("False")]),
            ("FAIL0007", 1, vec![ready("True")]),
            ("FAIL0008", 2, vec![condition("Ready", "True", &json!(1))]),
            ("FAIL0009", 1, vec![ready("True")]),
            ("FAIL0011", 2, vec![ready("Unknown")]),
            ("WARN0003", 2, vec![ready("True"), reconciling("False")]),
            ("WARN0004", 2, vec![ready("True"), stalled("False")]),
            ("WARN0005", 2, vec![condition("Ready", "False", &Value::Null)]),
        ] {
            let object = json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed, "conditions": conditions}});
            assert!(broken(&object).contains(&rule), "{rule}: {object}");
        }
    }

    #[test]
    fn good_statuses_break_none() {
        for conditions in [
            json!([condition("Ready", "True", &json!(2))]),
            json!([
                condition("Ready", "False", &json!(2)),
                condition("Stalled", "True", &json!(2))
            ]),
        ] {
            let object =
                json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "conditions": conditions}});
            assert_eq!(broken(&object), Vec::<&str>::new());
        }
    }
}
