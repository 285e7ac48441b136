//! The RBAC that is shipped in `deploy/rbac`, for an operator in a story's namespace.

use anyhow::{Context, Result};
use kube::api::DynamicObject;

use crate::manifests::{kind, read_folder};

/// The folder for an operator that serves all namespaces.
const CLUSTER_WIDE: &str = "deploy/rbac";
/// The folder with what an operator needs instead that serves some namespaces.
const NAMESPACED: &str = "deploy/rbac/namespaced";
/// All folders with RBAC.
pub(crate) const FOLDERS: [&str; 2] = [CLUSTER_WIDE, NAMESPACED];

/// Which namespaces an operator serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Its own only.
    Namespaced,
    /// All of them.
    ClusterWide,
}

/// The objects to create for an operator in `namespace`, besides the ClusterRoles.
pub(crate) fn render(scope: Scope, namespace: &str) -> Result<Vec<DynamicObject>> {
    let mut objects = read_folder(CLUSTER_WIDE)?;
    if scope == Scope::Namespaced {
        objects.retain(|object| !kind(object).starts_with("Cluster"));
        objects.extend(read_folder(NAMESPACED)?);
    }
    objects.retain(|object| kind(object) != "ClusterRole");
    for object in &mut objects {
        if kind(object) == "ClusterRoleBinding" {
            let name = object
                .metadata
                .name
                .as_mut()
                .context("a ClusterRoleBinding without a name")?;
            name.push(':');
            name.push_str(namespace);
        } else {
            object.metadata.namespace = Some(namespace.to_owned());
        }
        if let Some(subjects) = object
            .data
            .get_mut("subjects")
            .and_then(|subjects| subjects.as_array_mut())
        {
            for subject in subjects {
                subject["namespace"] = namespace.into();
            }
        }
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;

    #[test]
    fn every_subject_and_every_namespaced_object_is_moved() {
        for scope in [Scope::Namespaced, Scope::ClusterWide] {
            let objects = render(scope, "story").unwrap();
            let mut kinds: Vec<&str> = objects.iter().map(kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            assert_eq!(
                kinds,
                ["ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount"],
                "{scope:?}"
            );
            for object in &objects {
                let text = serde_json::to_string(object).unwrap();
                assert!(!text.contains(r#""namespace":"dws-operator""#), "{text}");
                assert!(object.namespace().is_none() || object.namespace().as_deref() == Some("story"));
            }
        }
    }
}
