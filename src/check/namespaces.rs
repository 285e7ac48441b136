//! Whether the namespaces exist that the flags name.
//!
//! A watch of a namespace that does not exist is no error to Kubernetes, and rights in the whole cluster are rights there too: such an
//! operator would wait for ever, and a mistyped name would show nowhere else.

use k8s_openapi::api::core::v1::Namespace;

use super::finding::Finding;
use super::permissions;
use crate::api::GROUP;
use crate::reconcile::kubernetes::{Kubernetes, KubernetesError};
use crate::reconcile::wakes::Scope;

/// The findings: one for each namespace that could be looked at.
///
/// The roles for single namespaces do not grant to read them, and need not: who has rights in a namespace by a role in it knows that it
/// exists. So a refusal is no finding, but for an operator whose rights come from a role in the whole cluster: they prove nothing.
pub async fn findings(kubernetes: &Kubernetes, scopes: &[Scope], own: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let watched = scopes.iter().filter_map(|scope| match scope {
        Scope::Namespace(namespace) => Some((namespace.as_str(), "--watch-namespace", WATCHED)),
        Scope::All => None,
    });
    for (name, flag, right) in std::iter::once((own, "--namespace", OWN)).chain(watched) {
        let subject = format!("namespace {name} of {flag}");
        let namespaces = kubernetes.all::<Namespace>();
        match kubernetes.call(namespaces.get_opt(name)).await {
            Ok(Some(_)) => findings.push(Finding::ok(subject, "exists")),
            Ok(None) => findings.push(Finding::wrong(
                subject,
                format!("does not exist. Create it, or correct {flag}"),
            )),
            Err(error) if error.code() == Some(403) => {
                findings.extend(unreadable(kubernetes, subject, flag, right).await);
            }
            Err(error) => findings.push(unanswered(subject, &error)),
        }
    }
    findings
}

/// Group, resource and verb.
type Right = (&'static str, &'static str, &'static str);

/// A right that the operator has in each namespace that it watches.
const WATCHED: Right = (GROUP, "dwsdatasources", "list");

/// A right that the operator has in its own namespace.
const OWN: Right = ("coordination.k8s.io", "leases", "create");

/// What to say of a namespace that the operator may not read.
async fn unreadable(kubernetes: &Kubernetes, subject: String, flag: &str, right: Right) -> Option<Finding> {
    let (group, resource, verb) = right;
    match permissions::allowed_everywhere(kubernetes, group, resource, verb).await {
        Ok(false) => None,
        Ok(true) => Some(Finding::unverified(
            subject,
            format!(
                "may not exist, which cannot be verified: get on namespaces is not allowed, and the other rights are for the whole cluster. \
                 Correct {flag} if it is mistyped; allow get on namespaces, or grant the rights by a Role in the namespace, to have it checked"
            ),
        )),
        Err(error) => Some(unanswered(subject, &error)),
    }
}

fn unanswered(subject: String, error: &KubernetesError) -> Finding {
    Finding::wrong(subject, format!("cannot be read: {error}. Run the check again"))
}
