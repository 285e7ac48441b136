//! Which providers and Secrets the objects need.
//!
//! An object uses a provider from the moment on that it carries the finalizer, with which every attempt begins; it pledges that right before. What
//! changes about that is told, so that the provider can be kept or let go.

use super::super::context::Member;
use super::super::providers::ProviderId;
use super::super::secrets::SecretName;
use super::super::wakes::Scope;
use super::{Claims, Index};
use crate::api::data_source::{ProviderKind, ProviderRef};
use crate::api::{DwsDataSource, FINALIZER, Intent};

impl Claims {
    /// The objects whose password is in a Secret.
    pub fn with_password_in(&self, secret: &SecretName) -> Vec<Member> {
        let index = self.lock();
        let uids = index.by_password.get(secret).into_iter().flatten();
        uids.filter_map(|uid| index.by_uid.get(uid))
            .map(|claim| claim.member.clone())
            .collect()
    }

    /// Whether there is such an object.
    pub fn has_password_in(&self, secret: &SecretName) -> bool {
        self.lock().by_password.contains_key(secret)
    }

    /// A watch has shown all objects of this part of the cluster.
    pub fn listed(&self, scope: &Scope) {
        self.lock().listed.insert(scope.clone());
    }

    /// The object is about to use a provider. That counts until the end of its pass; by then it carries the finalizer, or does not use it.
    pub fn pledge(&self, uid: &str, provider: &ProviderId) {
        self.lock().pledges.insert(uid.to_owned(), provider.clone());
    }

    /// The pass of the object has ended.
    pub fn redeem(&self, uid: &str) {
        self.lock().pledges.remove(uid);
    }

    /// Whether somebody is about to use the provider.
    pub fn is_pledged(&self, provider: &ProviderId) -> bool {
        self.lock().pledges.values().any(|pledged| pledged == provider)
    }

    /// The objects that hold something in the cloud through a provider, or may do so; none as long as not all of them are known.
    pub fn users_of(&self, provider: &ProviderId) -> Option<Vec<Member>> {
        let index = self.lock();
        let here = match provider.kind {
            ProviderKind::DwsProvider => Scope::Namespace(provider.namespace.clone()),
            ProviderKind::ClusterDwsProvider => Scope::All,
        };
        if !index.listed.contains(&Scope::All) && !index.listed.contains(&here) {
            return None;
        }
        let uids = index.by_provider.get(provider).into_iter().flatten();
        let claims = uids.filter_map(|uid| index.by_uid.get(uid));
        Some(claims.map(|claim| claim.member.clone()).collect())
    }
}

impl Index {
    /// Brings up to date who uses which provider, and tells of the first users and the last ones.
    pub(super) fn count(&mut self, uid: &str, before: &[ProviderId], after: &[ProviderId]) {
        let gone = before.iter().filter(|id| !after.contains(id)).map(|id| (id, false));
        let come = after.iter().filter(|id| !before.contains(id)).map(|id| (id, true));
        for (id, comes) in gone.chain(come) {
            let uids = self.by_provider.entry(id.clone()).or_default();
            let was_used = !uids.is_empty();
            if comes {
                uids.insert(uid.to_owned());
            } else {
                uids.remove(uid);
            }
            let is_used = !uids.is_empty();
            if !is_used {
                self.by_provider.remove(id);
            }
            if was_used != is_used
                && let Some(stirred) = &self.stirred
            {
                // Only fails at the end of the process, when nobody listens any more.
                let _ = stirred.unbounded_send(id.clone());
            }
        }
    }
}

/// The providers that an object uses: none before it carries the finalizer, with which every attempt begins.
pub(super) fn used(object: &DwsDataSource, member: &Member, intent: Option<&Intent>) -> Vec<ProviderId> {
    if !object
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER)
    {
        return Vec::new();
    }
    let cloud = object.status.as_ref().and_then(|status| status.cloud.as_ref());
    let recorded = cloud.map(|cloud| &cloud.provider).or_else(|| Some(&intent?.provider));
    let recorded = recorded.and_then(|text| text.parse::<ProviderRef>().ok());
    match recorded.as_ref().or(object.spec.provider_ref.as_ref()) {
        Some(reference) => vec![ProviderId::of(reference, &member.namespace)],
        None => ProviderId::defaults(&member.namespace).to_vec(),
    }
}
