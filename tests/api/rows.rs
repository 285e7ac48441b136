//! The rows of the tables of checks: what passes a check of one field, and what it refuses.

use serde_json::{Value, json};

use crate::manifests::{
    assume_agency_by_name, assume_agency_by_urn, condition, merged, oidc_by_iam, oidc_by_sts, password,
};

/// What a row of the table is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The pattern of the field.
    Pattern,
    /// The CEL rule with this message.
    Rule(String),
}

/// One check of one field: patches on a valid object that pass it and that it refuses.
pub struct Row {
    /// The valid object.
    pub object: Value,
    /// The place of the check, from `spec` or `status`; empty for the root.
    pub place: &'static str,
    pub check: Check,
    pub accepted: Vec<Value>,
    pub refused: Vec<Value>,
}

/// A row about a pattern: the values are for the field itself.
pub fn pattern<const A: usize, const R: usize>(
    object: &Value,
    place: &'static str,
    accepted: [&str; A],
    refused: [&str; R],
) -> Row {
    let patches = |values: &[&str]| values.iter().map(|value| patch_at(place, value)).collect();
    Row {
        object: object.clone(),
        place,
        check: Check::Pattern,
        accepted: patches(&accepted),
        refused: patches(&refused),
    }
}

/// A row about a CEL rule, known by its message: the values are patches on the whole object.
pub fn rule<const A: usize, const R: usize>(
    object: &Value,
    place: &'static str,
    message: &str,
    accepted: [Value; A],
    refused: [Value; R],
) -> Row {
    let check = Check::Rule(message.to_owned());
    Row {
        object: object.clone(),
        place,
        check,
        accepted: accepted.into(),
        refused: refused.into(),
    }
}

/// The merge patch that puts a value at a place.
pub fn patch_at(place: &str, value: &str) -> Value {
    match place {
        "spec.namespaceSelector.matchLabels[]" => {
            json!({"spec": {"namespaceSelector": {"matchLabels": {"team": value}}}})
        }
        "spec.namespaceSelector.matchExpressions[].key" => requirement(value, "Exists", &json!(null)),
        "spec.namespaceSelector.matchExpressions[].values[]" => requirement("team", "In", &json!([value])),
        "spec.auth.password.domainName" | "spec.auth.password.userName" | "spec.auth.password.secretRef.name" => {
            merged(
                &json!({"spec": {"auth": merged(&json!({"accessKey": null}), &password())}}),
                &nested(place, json!(value)),
            )
        }
        "spec.auth.oidc.idpID" => only_with(&oidc_by_iam(), place, value),
        _ if place.starts_with("spec.auth.oidc.") => only_with(&oidc_by_sts(), place, value),
        "spec.auth.assumeAgency.agencyName" | "spec.auth.assumeAgency.domainName" => merged(
            &json!({"spec": {"auth": {"assumeAgency": assume_agency_by_name()}}}),
            &nested(place, json!(value)),
        ),
        "spec.auth.assumeAgency.sessionName" => merged(
            &json!({"spec": {"auth": {"assumeAgency": assume_agency_by_urn()}}}),
            &nested(place, json!(value)),
        ),
        "status.conditions[].type" => {
            json!({"status": {"conditions": [condition(value, "True", "Available")]}})
        }
        "status.conditions[].reason" => {
            json!({"status": {"conditions": [condition("Ready", "True", value)]}})
        }
        "spec.clusterIDs[]" => json!({"spec": {"clusterIDs": [value]}}),
        _ => nested(place, json!(value)),
    }
}

/// A patch that puts a source of credentials in the access key's place, with a value in it.
fn only_with(source: &Value, place: &str, value: &str) -> Value {
    let only = json!({"spec": {"auth": merged(&json!({"accessKey": null}), source)}});
    merged(&only, &nested(place, json!(value)))
}

fn nested(place: &str, value: Value) -> Value {
    place.rsplit('.').fold(value, |inner, name| json!({name: inner}))
}

/// A selector with one requirement; null stands for no values.
pub fn requirement(key: &str, operator: &str, values: &Value) -> Value {
    let mut requirement = json!({"key": key, "operator": operator});
    if !values.is_null() {
        requirement["values"] = values.clone();
    }
    json!({"spec": {"namespaceSelector": {"matchExpressions": [requirement]}}})
}

/// Object names that could change a URL.
pub const BAD_NAMES: [&str; 8] = ["..", "a/../b", "a%2fb", "a@b", "a\r\nb", "a b", "A", "a?b"];

/// The row about the name of an object.
pub fn name_fits(object: &Value) -> Row {
    let long_name = "n".repeat(64);
    rule(
        object,
        "",
        "metadata.name must be at most 63 characters",
        [json!({"metadata": {"name": &long_name[..63]}})],
        [json!({"metadata": {"name": long_name}})],
    )
}
