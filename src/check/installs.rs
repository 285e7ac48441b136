//! Whether another install of the operator works on the objects that this one would watch, and what an install for single namespaces cannot
//! notice.
//!
//! Who has claimed objects stands in their status. Who has none yet is found by its Lease, which tells what its holder watches; Leases are read
//! one by one, by the only name that the operator may read.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::ListParams;

use super::CONCURRENCY;
use super::finding::Finding;
use super::inventory::Inventory;
use crate::reconcile::installs;
use crate::reconcile::kubernetes::{Kubernetes, KubernetesError};
use crate::reconcile::wakes::Scope;
use crate::runtime::lease::{self, LeaseView};

/// The findings: one for each other install that claims objects or lives, and one about the definition where nobody watches over it.
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
    findings.extend(neighbours(kubernetes, scopes, own, |install| claims.contains_key(install)).await);
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

/// The other installs that live and have claimed nothing yet, by their Leases.
async fn neighbours(
    kubernetes: &Kubernetes,
    scopes: &[Scope],
    own: &str,
    is_claimer: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    const SUBJECT: &str = "other installs";
    let namespaces = match kubernetes
        .call(kubernetes.all::<Namespace>().list_metadata(&ListParams::default()))
        .await
    {
        Ok(namespaces) => namespaces.items.into_iter().map(|namespace| namespace.name_any()),
        // The permission has its own finding.
        Err(error) if error.code() == Some(403) && scopes.contains(&Scope::All) => return Vec::new(),
        Err(error) if error.code() == Some(403) => {
            return vec![Finding::ok(
                SUBJECT,
                "not looked for with --watch-namespace, whose rights end at the watched namespaces: another install that watches one of \
                 them shows once it has claimed a data source",
            )];
        }
        Err(error) => return vec![unread(SUBJECT, &error)],
    };
    let others = namespaces.filter(|namespace| namespace != own && !is_claimer(&installs::name(namespace)));
    let leases = stream::iter(others)
        .map(async |namespace| {
            let leases = kubernetes.within::<Lease>(&namespace);
            let found = kubernetes.call(leases.get_opt(lease::NAME)).await;
            (namespace, found)
        })
        .buffered(usize::from(CONCURRENCY.get()));
    let findings = leases.filter_map(async |(namespace, found)| match found {
        Ok(Some(lease)) => neighbour(&namespace, &lease, scopes),
        Ok(None) => None,
        Err(error) if error.code() == Some(403) => None,
        Err(error) => Some(unread(&format!("{SUBJECT}, namespace {namespace}"), &error)),
    });
    findings.collect().await
}

fn unread(subject: &str, error: &KubernetesError) -> Finding {
    Finding::unverified(subject, format!("cannot be looked for: {error}. Run the check again"))
}

/// What to say of the install whose Lease this is, if somebody holds it.
fn neighbour(namespace: &str, lease: &Lease, scopes: &[Scope]) -> Option<Finding> {
    let holder = LeaseView::from(lease).holder?;
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    let renewed = renewed.map_or_else(|| "never".to_owned(), |time| format!("at {}", time.0));
    let subject = format!("another install, {}", installs::name(namespace));
    let lives = format!("{holder} holds its Lease, last renewed {renewed}");
    Some(match installs::watched(lease) {
        Some(watched) => match shared(scopes, &watched) {
            None => Finding::ok(subject, format!("{lives}; it watches other namespaces")),
            Some(what) => Finding::wrong(
                subject,
                format!(
                    "{lives}, and it watches {what} too, though it has claimed nothing there. Two installs must not watch the same objects: \
                     stop one of them, or name other namespaces with --watch-namespace. If it is gone for good, delete that Lease"
                ),
            ),
        },
        None => Finding::unverified(
            subject,
            format!(
                "{lives}, and does not tell what it watches, as older versions do not. Two installs must not watch the same objects: look \
                 at its --watch-namespace"
            ),
        ),
    })
}

/// What two installs both watch, if anything.
fn shared(own: &[Scope], other: &[Scope]) -> Option<String> {
    let named = |scopes: &[Scope]| -> Vec<String> {
        let name = |scope: &Scope| match scope {
            Scope::All => None,
            Scope::Namespace(name) => Some(name.clone()),
        };
        scopes.iter().filter_map(name).collect()
    };
    let both = match (own.contains(&Scope::All), other.contains(&Scope::All)) {
        (true, true) => return Some("all namespaces".to_owned()),
        (true, false) => named(other),
        (false, true) => named(own),
        (false, false) => {
            let other = named(other);
            named(own).into_iter().filter(|name| other.contains(name)).collect()
        }
    };
    match both.len() {
        0 => None,
        1 => Some(format!("namespace {}", both[0])),
        _ => Some(format!("namespaces {}", both.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_installs_share_what_both_watch() {
        let all = [Scope::All];
        let some =
            |names: &[&str]| -> Vec<Scope> { names.iter().map(|name| Scope::Namespace((*name).to_owned())).collect() };
        for (own, other, expected) in [
            (&all[..], &all[..], Some("all namespaces")),
            (&all, &some(&["a"]), Some("namespace a")),
            (&some(&["a", "b"]), &all, Some("namespaces a, b")),
            (&some(&["a", "b"]), &some(&["b", "c"]), Some("namespace b")),
            (&some(&["a"]), &some(&["b"]), None),
        ] {
            assert_eq!(shared(own, other).as_deref(), expected, "{own:?}, {other:?}");
        }
    }
}
