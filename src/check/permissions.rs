//! Whether the operator has the permissions it uses: each is asked for by a `SelfSubjectAccessReview`, which anybody may create.

use futures::stream::{self, StreamExt};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;

use super::CONCURRENCY;
use super::finding::Finding;
use super::inventory::Inventory;
use crate::api::GROUP;
use crate::api::names::DEFINITION;
use crate::reconcile::kubernetes::{Kubernetes, KubernetesError};
use crate::reconcile::password_key;
use crate::reconcile::secrets::SecretName;
use crate::reconcile::wakes::Scope;
use crate::runtime::lease;
use crate::runtime::settings::ClusterArgs;

/// Where a permission is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In each watched namespace, or in all.
    Watched,
    /// In the whole cluster, and only if all namespaces are watched.
    Cluster,
    /// In the operator's own namespace.
    Own,
    /// In each watched namespace, and only if single namespaces are watched.
    Single,
}

/// What the operator does with a resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Permission {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource in the plural, with its subresource.
    pub resource: &'static str,
    /// The only object that it is about, if there is only one.
    pub name: Option<&'static str>,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Where.
    pub place: Place,
}

const fn permission(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    place: Place,
) -> Permission {
    Permission {
        group,
        resource,
        name: None,
        verbs,
        place,
    }
}

/// Everything that the operator does with the Kubernetes API, but for reading the Secrets that objects name. A permission on a Lease is needed only with
/// `--leader-elect`, which is the default.
pub const PERMISSIONS: [Permission; 15] = [
    permission(
        GROUP,
        "dwsdatasources",
        &["get", "list", "watch", "patch"],
        Place::Watched,
    ),
    permission(GROUP, "dwsdatasources/status", &["patch"], Place::Watched),
    permission(
        GROUP,
        "dwsproviders",
        &["get", "list", "watch", "patch"],
        Place::Watched,
    ),
    permission(GROUP, "dwsproviders/status", &["patch"], Place::Watched),
    permission(
        GROUP,
        "clusterdwsproviders",
        &["get", "list", "watch", "patch"],
        Place::Cluster,
    ),
    permission(GROUP, "clusterdwsproviders/status", &["patch"], Place::Cluster),
    permission("", "namespaces", &["get", "list", "watch"], Place::Cluster),
    permission("", "namespaces", &["get"], Place::Single),
    Permission {
        name: Some(DEFINITION),
        ..permission(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            &["get"],
            Place::Cluster,
        )
    },
    Permission {
        name: Some(lease::NAME),
        ..permission("coordination.k8s.io", "leases", &["get"], Place::Cluster)
    },
    permission("events.k8s.io", "events", &["create", "patch"], Place::Watched),
    permission("coordination.k8s.io", "leases", &["create"], Place::Own),
    Permission {
        name: Some(lease::NAME),
        ..permission("coordination.k8s.io", "leases", &["get", "update"], Place::Own)
    },
    permission("", "secrets", &["create"], Place::Own),
    Permission {
        name: Some(password_key::SECRET),
        ..permission("", "secrets", &["get"], Place::Own)
    },
];

/// What `--watch-secrets` needs besides.
pub const WATCH_SECRETS: Permission = permission("", "secrets", &["list", "watch"], Place::Watched);

/// What `--guard-secrets` needs besides.
pub const GUARD_SECRETS: Permission = permission("", "secrets", &["patch"], Place::Watched);

/// One question: may I do this to that resource there?
#[derive(Clone, Debug)]
struct Question {
    group: &'static str,
    resource: &'static str,
    name: Option<String>,
    verb: &'static str,
    /// None for all of them.
    namespace: Option<String>,
}

/// The findings: one for each permission and place.
pub async fn findings(
    args: &ClusterArgs,
    kubernetes: &Kubernetes,
    scopes: &[Scope],
    own: &str,
    inventory: &Inventory,
) -> Vec<Finding> {
    let wanted = PERMISSIONS
        .iter()
        .chain(args.secrets.watch_secrets.then_some(&WATCH_SECRETS))
        .chain(args.secrets.guard_secrets.then_some(&GUARD_SECRETS))
        .flat_map(|permission| places(permission.place, scopes, own).map(move |place| (permission, place)));
    let mut findings: Vec<Finding> = stream::iter(wanted)
        .map(|(permission, place)| async move { one(kubernetes, permission, place).await })
        .buffered(usize::from(CONCURRENCY.get()))
        .collect()
        .await;
    for scope in scopes {
        findings.push(secrets(kubernetes, scope, inventory).await);
    }
    findings
}

/// The namespaces to ask about; none stands for the whole cluster.
fn places<'a>(place: Place, scopes: &'a [Scope], own: &'a str) -> Box<dyn Iterator<Item = Option<String>> + Send + 'a> {
    let namespace = |scope: &Scope| match scope {
        Scope::All => None,
        Scope::Namespace(namespace) => Some(namespace.clone()),
    };
    match place {
        Place::Watched => Box::new(scopes.iter().map(namespace)),
        Place::Cluster => Box::new(scopes.iter().filter(|scope| **scope == Scope::All).map(|_| None)),
        Place::Single => Box::new(scopes.iter().filter(|scope| **scope != Scope::All).map(namespace)),
        Place::Own => Box::new(std::iter::once(Some(own.to_owned()))),
    }
}

async fn one(kubernetes: &Kubernetes, permission: &Permission, namespace: Option<String>) -> Finding {
    let mut lacking = Vec::new();
    let subject = subject(permission.resource, permission.name, namespace.as_deref());
    for verb in permission.verbs {
        let question = Question {
            group: permission.group,
            resource: permission.resource,
            name: permission.name.map(str::to_owned),
            verb,
            namespace: namespace.clone(),
        };
        match allowed(kubernetes, &question).await {
            Ok(true) => {}
            Ok(false) => lacking.push(*verb),
            Err(error) => return unanswered(subject, &error),
        }
    }
    if lacking.is_empty() {
        Finding::ok(subject, permission.verbs.join(", "))
    } else {
        let verbs = lacking.join(", ");
        Finding::wrong(
            subject,
            format!(
                "not allowed: {verbs}. {}",
                extra(permission).unwrap_or_else(|| advice(permission.place, namespace.as_deref()))
            ),
        )
    }
}

/// Whether Secrets can be read. An installation may grant it for single names: then those that objects name must be among them.
async fn secrets(kubernetes: &Kubernetes, scope: &Scope, inventory: &Inventory) -> Finding {
    let namespace = match scope {
        Scope::All => None,
        Scope::Namespace(namespace) => Some(namespace.clone()),
    };
    let subject = subject("secrets", None, namespace.as_deref());
    let question = |secret: Option<&SecretName>| Question {
        group: "",
        resource: "secrets",
        name: secret.map(|secret| secret.name.clone()),
        verb: "get",
        namespace: secret.map_or_else(|| namespace.clone(), |secret| Some(secret.namespace.clone())),
    };
    match allowed(kubernetes, &question(None)).await {
        Ok(true) => return Finding::ok(subject, "get"),
        Ok(false) => {}
        Err(error) => return unanswered(subject, &error),
    }
    let within = |secret: &SecretName| {
        namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == secret.namespace)
    };
    let named: Vec<_> = inventory.secrets().into_iter().filter(within).collect();
    let mut lacking = Vec::new();
    for secret in &named {
        match allowed(kubernetes, &question(Some(secret))).await {
            Ok(true) => {}
            Ok(false) => lacking.push(format!("{}/{}", secret.namespace, secret.name)),
            Err(error) => return unanswered(subject, &error),
        }
    }
    if lacking.is_empty() && !named.is_empty() {
        return Finding::ok(subject, format!("get, for the {} that objects name", named.len()));
    }
    let which = if lacking.is_empty() {
        String::new()
    } else {
        format!(" for {}", lacking.join(", "))
    };
    let advice = advice(Place::Watched, namespace.as_deref());
    Finding::wrong(
        subject,
        format!("not allowed: get{which}. {advice}, or allow the names that objects use"),
    )
}

/// Whether the operator may do this in the whole cluster, so that it has the right also in a namespace that does not exist.
pub async fn allowed_everywhere(
    kubernetes: &Kubernetes,
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
) -> Result<bool, KubernetesError> {
    let question = Question {
        group,
        resource,
        name: None,
        verb,
        namespace: None,
    };
    allowed(kubernetes, &question).await
}

async fn allowed(kubernetes: &Kubernetes, question: &Question) -> Result<bool, KubernetesError> {
    let (resource, subresource) = match question.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (question.resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(question.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                name: question.name.clone(),
                namespace: question.namespace.clone(),
                verb: Some(question.verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews = kubernetes.all::<SelfSubjectAccessReview>();
    let answer = kubernetes.call(reviews.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn subject(resource: &str, name: Option<&str>, namespace: Option<&str>) -> String {
    let name = name.map(|name| format!(" {name}")).unwrap_or_default();
    match namespace {
        Some(namespace) => format!("permission on {resource}{name} in namespace {namespace}"),
        None => format!("permission on {resource}{name} in the whole cluster"),
    }
}

/// What to do about a right that only a flag needs.
fn extra(permission: &Permission) -> Option<String> {
    let name = [(&WATCH_SECRETS, "watch-secrets"), (&GUARD_SECRETS, "guard-secrets")]
        .into_iter()
        .find_map(|(known, name)| (known == permission).then_some(name))?;
    Some(format!(
        "Apply deploy/rbac/{name}, or run the operator without --{name}"
    ))
}

fn advice(place: Place, namespace: Option<&str>) -> String {
    match (place, namespace) {
        (Place::Own, _) => "Apply the operator's Role and RoleBinding of deploy/rbac".to_owned(),
        (_, Some(namespace)) => format!("Apply deploy/rbac/namespaced to namespace {namespace}"),
        (_, None) => "Apply the ClusterRole of deploy/rbac, or name the namespaces with --watch-namespace".to_owned(),
    }
}

fn unanswered(subject: String, error: &KubernetesError) -> Finding {
    Finding::wrong(subject, format!("cannot be asked about: {error}. Run the check again"))
}

#[cfg(test)]
mod tests;
