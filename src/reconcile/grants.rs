//! Whether a provider of the cluster is lent to a namespace and a DWS cluster. Pure.

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt};

/// To whom a provider of the cluster is lent.
#[derive(Clone, Debug)]
pub struct Grants {
    /// The provider, as `Kind/name`.
    pub provider: String,
    /// The namespaces.
    pub namespaces: Selector,
    /// The DWS clusters; all of them if none are named.
    pub cluster_ids: Option<Vec<String>>,
}

/// Why the provider is not lent; none if it is.
#[must_use]
pub fn refusal(
    grants: &Grants,
    labels: &BTreeMap<String, String>,
    namespace: &str,
    cluster_id: &str,
) -> Option<String> {
    let id = &grants.provider;
    if !grants.namespaces.matches(labels) {
        return Some(format!(
            "{id} is not lent to namespace {namespace}: its namespaceSelector does not match the namespace's labels."
        ));
    }
    let lent = grants
        .cluster_ids
        .as_ref()
        .is_none_or(|ids| ids.iter().any(|id| id.eq_ignore_ascii_case(cluster_id)));
    (!lent).then(|| format!("{id} is not lent for DWS cluster {cluster_id}: its clusterIDs do not name it."))
}
