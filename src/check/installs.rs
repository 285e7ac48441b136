//! Whether another install of the operator works on the objects that this one would watch, and what an install for single namespaces cannot
//! notice.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;

use super::finding::Finding;
use super::inventory::Inventory;
use crate::reconcile::installs;
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::wakes::Scope;
use crate::runtime::lease::{self, LeaseView};

/// The findings: one for each other install that claims objects, and one about the definition where nobody watches over it.
pub async fn findings(kubernetes: &Kubernetes, scopes: &[Scope], own: &str, inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !scopes.contains(&Scope::All) {
        findings.push(Finding::ok(
            "removal of the definitions",
            "not noticed with --watch-namespace: whoever deletes the definition of DwsDataSource has all data sources deleted; \
             set --deletion-policy=Retain first",
        ));
    }
    let mut claims: BTreeMap<&str, usize> = BTreeMap::new();
    for object in &inventory.data_sources {
        let claimer = object.status.as_ref().and_then(|status| status.controller.as_deref());
        if let Some(claimer) = claimer.filter(|claimer| *claimer != installs::name(own)) {
            *claims.entry(claimer).or_default() += 1;
        }
    }
    for (claimer, objects) in claims {
        // A name that no install has claims nothing.
        if let Some(namespace) = installs::namespace(claimer) {
            findings.push(judge(kubernetes, claimer, namespace, objects).await);
        }
    }
    findings
}

async fn judge(kubernetes: &Kubernetes, claimer: &str, namespace: &str, objects: usize) -> Finding {
    let subject = format!("another install, {claimer}");
    let leases = kubernetes.within::<Lease>(namespace);
    let work = format!("works on {objects} of the watched data sources");
    match kubernetes.call(leases.get_opt(lease::NAME)).await {
        Ok(found) => match found.as_ref().map(LeaseView::from).and_then(|view| view.holder) {
            Some(holder) => Finding::wrong(
                subject,
                format!(
                    "{work}, and {holder} holds its Lease. Two installs must not watch the same objects: stop one of them, or name \
                     other namespaces with --watch-namespace. If it was stopped just now, its Lease ends by itself"
                ),
            ),
            None => Finding::ok(subject, format!("{work}, but has ended; this install takes them over")),
        },
        Err(error) => Finding::unverified(
            subject,
            format!(
                "{work}, and whether it still lives cannot be found out: {error}. Until it can, they are left alone; allow get on that \
                 Lease, or remove status.controller of the objects if it is gone for good"
            ),
        ),
    }
}
