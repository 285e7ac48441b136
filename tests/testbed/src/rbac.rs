//! The RBAC that is shipped in `deploy/rbac`, for an operator of a story.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};

use crate::manifests::{kind, read_folder};
use crate::wait;

/// How long the apiserver may take to notice new rights.
const RIGHTS: Duration = Duration::from_secs(20);

/// How long a token is valid: longer than any story.
const TOKEN_SECONDS: i64 = 6 * 60 * 60;

/// The folder for an operator that serves all namespaces; its ClusterRoles are installed once, as they are.
pub(crate) const CLUSTER_WIDE: &str = "deploy/rbac";
/// The folder with what an operator needs instead that serves some namespaces.
const NAMESPACED: &str = "deploy/rbac/namespaced";

/// Which namespaces an operator serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Its own only.
    Namespaced,
    /// All of them.
    ClusterWide,
}

/// The objects to create for an operator in the namespace `home`, besides the ClusterRoles; it serves `watched`, or all.
pub(crate) fn render(scope: Scope, watched: &str, home: &str) -> Result<Vec<DynamicObject>> {
    let mut objects = read_folder(CLUSTER_WIDE)?;
    objects.retain(|object| kind(object) != "ClusterRole");
    let mut there = Vec::new();
    if scope == Scope::Namespaced {
        objects.retain(|object| kind(object) != "ClusterRoleBinding");
        there = read_folder(NAMESPACED)?;
    }
    for object in &mut objects {
        settle(object, home, home)?;
    }
    for object in &mut there {
        settle(object, watched, home)?;
    }
    objects.extend(there);
    Ok(objects)
}

/// The objects to create for an operator that runs with a flag which needs more rights: those of the folder `extra`.
pub(crate) fn render_extra(scope: Scope, extra: &str, watched: &str, home: &str) -> Result<Vec<DynamicObject>> {
    let folder = match scope {
        Scope::ClusterWide => format!("{CLUSTER_WIDE}/{extra}"),
        Scope::Namespaced => format!("{CLUSTER_WIDE}/{extra}/namespaced"),
    };
    let mut objects = read_folder(&folder)?;
    anyhow::ensure!(!objects.is_empty(), "{folder} is empty");
    for object in &mut objects {
        if kind(object) != "ClusterRole" {
            settle(object, watched, home)?;
        }
    }
    Ok(objects)
}

/// Waits until `user` has a right: the apiserver learns of roles and bindings by watches of its own.
pub(crate) async fn until_allowed(user: &Client, right: ResourceAttributes) {
    let what = format!("the right {right:?}");
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(right),
        ..Default::default()
    };
    let review = SelfSubjectAccessReview {
        spec,
        ..Default::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(user.clone());
    wait::until(RIGHTS, &what, async || {
        match reviews.create(&PostParams::default(), &review).await {
            Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => Ok(()),
            answer => Err(answer.map(|review| review.status)),
        }
    })
    .await;
}

/// Moves an object into a namespace, or names it after that if it is in none, and its subjects into the operator's.
fn settle(object: &mut DynamicObject, namespace: &str, home: &str) -> Result<()> {
    if kind(object) == "ClusterRoleBinding" {
        let name = object.metadata.name.as_mut();
        let name = name.context("a ClusterRoleBinding without a name")?;
        name.push(':');
        name.push_str(namespace);
    } else {
        object.metadata.namespace = Some(namespace.to_owned());
    }
    let subjects = object.data.get_mut("subjects");
    for subject in subjects
        .and_then(|subjects| subjects.as_array_mut())
        .into_iter()
        .flatten()
    {
        subject["namespace"] = home.into();
    }
    Ok(())
}

/// A token of a ServiceAccount.
pub(crate) async fn token(admin: &Client, namespace: &str, account: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    let spec = TokenRequestSpec {
        expiration_seconds: Some(TOKEN_SECONDS),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest {
        spec,
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await?;
    Ok(answer.status.context("an answer without a token")?.token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_and_every_namespaced_object_is_moved() {
        for (scope, expected) in [
            (
                Scope::Namespaced,
                [
                    "Role there",
                    "RoleBinding there",
                    "Role home",
                    "RoleBinding home",
                    "ServiceAccount home",
                ]
                .as_slice(),
            ),
            (
                Scope::ClusterWide,
                [
                    "ClusterRoleBinding",
                    "Role home",
                    "RoleBinding home",
                    "ServiceAccount home",
                ]
                .as_slice(),
            ),
        ] {
            let objects = render(scope, "there", "home").unwrap();
            let shown = |object: &DynamicObject| match &object.metadata.namespace {
                Some(namespace) => format!("{} {namespace}", kind(object)),
                None => kind(object).to_owned(),
            };
            let (mut kinds, mut expected) = (objects.iter().map(shown).collect::<Vec<_>>(), expected.to_vec());
            kinds.sort();
            expected.sort_unstable();
            assert_eq!(kinds, expected, "{scope:?}");
            for object in &objects {
                let text = serde_json::to_string(object).unwrap();
                assert!(!text.contains(r#""namespace":"dws-operator""#), "{text}");
                let subjects = object.data["subjects"].as_array();
                assert!(
                    subjects.is_none_or(|all| all.iter().all(|subject| subject["namespace"] == "home")),
                    "{text}"
                );
            }
        }
    }
}
