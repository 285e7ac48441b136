//! Whether the namespaces exist that the flags name.
//!
//! A watch of a namespace that does not exist is no error to Kubernetes, and rights in the whole cluster are rights there too: such an
//! operator would wait for ever, and a mistyped name would show nowhere else.

use k8s_openapi::api::core::v1::Namespace;

use super::finding::Finding;
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::wakes::Scope;

/// The findings: one for each namespace that could be looked at.
///
/// The roles for single namespaces do not grant to read them, and need not: who has rights in a namespace by a role in it knows that it
/// exists. So a refusal is no finding.
pub async fn findings(kubernetes: &Kubernetes, scopes: &[Scope], own: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let watched = scopes.iter().filter_map(|scope| match scope {
        Scope::Namespace(namespace) => Some((namespace.as_str(), "--watch-namespace")),
        Scope::All => None,
    });
    for (name, flag) in std::iter::once((own, "--namespace")).chain(watched) {
        let subject = format!("namespace {name} of {flag}");
        let namespaces = kubernetes.all::<Namespace>();
        match kubernetes.call(namespaces.get_opt(name)).await {
            Ok(Some(_)) => findings.push(Finding::ok(subject, "exists")),
            Ok(None) => findings.push(Finding::wrong(
                subject,
                format!("does not exist. Create it, or correct {flag}"),
            )),
            Err(error) if error.code() == Some(403) => {}
            Err(error) => findings.push(Finding::wrong(
                subject,
                format!("cannot be read: {error}. Run the check again"),
            )),
        }
    }
    findings
}
