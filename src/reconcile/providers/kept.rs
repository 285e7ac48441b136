//! Keeping providers while objects use them. Whoever looks at the users and changes a finalizer holds the provider's lock for both.

use std::sync::PoisonError;

use super::super::claims::Claims;
use super::super::context::Member;
use super::super::plan::Grant;
use super::super::protection::{Found, Unprotected};
use super::super::secrets::SecretName;
use super::{ProviderId, Providers};

impl Providers {
    pub(super) async fn protect(&self, id: &ProviderId, found: &mut Found, is_used: bool) -> Result<(), Unprotected> {
        if is_used {
            self.protection.hold(id, found).await
        } else {
            self.protection.release(id, found).await
        }
    }

    /// Holds a provider for an object that is about to create through it. Nobody lets it go before the object's pass has ended.
    pub async fn hold(&self, id: &ProviderId, claims: &Claims, member: &Member) -> Grant {
        let slot = self.slot(id);
        let mut known = slot.lock().await;
        claims.pledge(&member.uid, id);
        let Some(found) = &mut known.found else {
            return Grant::Unreadable("the provider has not been read".to_owned());
        };
        if found.is_leaving() {
            return Grant::Leaving;
        }
        match self.protect(id, found, true).await {
            // The guard is one more safety: nobody has to wait for it. The provider's own pass tells what is wrong with it.
            Ok(()) | Err(Unprotected::Secret { .. }) => Grant::Held,
            Err(error) => Grant::Unreadable(error.to_string()),
        }
    }

    /// The providers that name a Secret, as they were read last.
    #[must_use]
    pub fn named_by(&self, secret: &SecretName) -> Vec<ProviderId> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let naming = named.iter().filter(|(_, secrets)| secrets.contains(secret));
        naming.map(|(id, _)| id.clone()).collect()
    }
}
