//! The shipped roles and the permissions that are asked for are the same.

use std::collections::BTreeSet;
use std::path::Path;

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::*;

/// Group, resource, name and verb.
type Grant = (String, String, Option<String>, String);

/// What the shipped files grant.
fn granted(files: &[&str]) -> BTreeSet<Grant> {
    let mut grants = BTreeSet::new();
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/rbac").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        for document in serde_saphyr::from_multiple::<serde_json::Value>(&text).unwrap() {
            if matches!(document["kind"].as_str(), Some("Role" | "ClusterRole")) {
                let rules: Vec<PolicyRule> = serde_json::from_value(document["rules"].clone()).unwrap();
                grants.extend(rules.iter().flat_map(each));
            }
        }
    }
    grants
}

fn each(rule: &PolicyRule) -> BTreeSet<Grant> {
    let names: Vec<Option<String>> = match &rule.resource_names {
        None => vec![None],
        Some(names) => names.iter().cloned().map(Some).collect(),
    };
    let mut grants = BTreeSet::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for name in &names {
                let grant = |verb: &String| (group.clone(), resource.clone(), name.clone(), verb.clone());
                grants.extend(rule.verbs.iter().map(grant));
            }
        }
    }
    grants
}

/// What the operator uses at these places.
fn used(places: &[Place]) -> BTreeSet<Grant> {
    let mut grants = BTreeSet::from([(String::new(), "secrets".to_owned(), None, "get".to_owned())]);
    for permission in PERMISSIONS
        .iter()
        .filter(|permission| places.contains(&permission.place))
    {
        let name = permission.name.map(str::to_owned);
        let (group, resource) = (permission.group.to_owned(), permission.resource.to_owned());
        let grant = |verb: &&str| (group.clone(), resource.clone(), name.clone(), (*verb).to_owned());
        grants.extend(permission.verbs.iter().map(grant));
    }
    grants
}

#[test]
fn the_shipped_roles_for_the_whole_cluster_grant_exactly_what_is_asked_for() {
    assert_eq!(
        granted(&["cluster-wide.yaml", "operator.yaml"]),
        used(&[Place::Watched, Place::Cluster, Place::Own])
    );
}

#[test]
fn the_shipped_roles_for_single_namespaces_grant_exactly_what_is_asked_for() {
    assert_eq!(
        granted(&["namespaced/watched-namespace.yaml", "operator.yaml"]),
        used(&[Place::Watched, Place::Single, Place::Own])
    );
}

#[test]
fn the_extra_roles_grant_exactly_what_their_flag_needs() {
    for (folder, permission) in [("watch-secrets", &WATCH_SECRETS), ("guard-secrets", &GUARD_SECRETS)] {
        let verbs = permission.verbs.iter();
        let needed: BTreeSet<Grant> = verbs
            .map(|verb| (String::new(), "secrets".to_owned(), None, (*verb).to_owned()))
            .collect();
        for file in ["cluster-wide.yaml", "namespaced/watched-namespace.yaml"] {
            assert_eq!(granted(&[&format!("{folder}/{file}")]), needed, "{folder}/{file}");
        }
    }
}
