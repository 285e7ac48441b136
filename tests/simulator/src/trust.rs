//! Whom the simulated account trusts besides keys and passwords: a pod, a node, the tokens of a Kubernetes cluster, and agencies.
//!
//! Values, and the check of a token. No type here can be printed with its secret.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::jwt::{self, Issuer, Jwk};

/// An OIDC identity provider: the Kubernetes cluster whose `ServiceAccount` tokens are taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProvider {
    /// Its name in IAM, the value of `X-Idp-Id`.
    pub id: String,
    /// Its URN in STS.
    pub urn: String,
    /// The keys that its tokens may be signed with: the `keys` of its JWKS.
    pub keys: Vec<Jwk>,
    /// The audience (`aud`) that a token must have.
    pub audience: String,
    /// The subject (`sub`) that a token must have, for example `system:serviceaccount:dws-operator:dws-operator`.
    pub subject: String,
}

/// An agency that can be assumed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agency {
    /// Its URN in STS.
    pub urn: String,
    /// Its name in IAM.
    pub name: String,
    /// The domain (account) that it belongs to.
    pub domain: String,
    /// Who may assume it, as [`LogEntry::credential`](crate::LogEntry::credential) names them.
    pub trusts: Vec<String>,
}

impl IdentityProvider {
    /// A token as the cluster would issue it for this provider, valid until then.
    #[must_use]
    pub fn token(&self, issuer: &Issuer, expires_at: Timestamp) -> String {
        issuer.sign(&json!({
            "aud": [self.audience],
            "sub": self.subject,
            "exp": expires_at.as_second(),
            "jti": uuid::Uuid::new_v4().to_string(),
        }))
    }

    /// What is wrong with a token, if something is.
    pub(crate) fn flaw(&self, token: &str, now: Timestamp) -> Option<&'static str> {
        let claims = match jwt::claims(&self.keys, token) {
            Ok(claims) => claims,
            Err(flaw) => return Some(flaw),
        };
        let audiences = claims["aud"].as_array().cloned().unwrap_or_default();
        if !audiences.contains(&json!(self.audience)) {
            Some("it is for another audience")
        } else if claims["sub"] != self.subject.as_str() {
            Some("it is of another subject")
        } else if claims["exp"].as_i64().is_none_or(|expires| expires <= now.as_second()) {
            Some("it has expired")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn provider(issuer: &Issuer, audience: &str, subject: &str) -> IdentityProvider {
        IdentityProvider {
            id: "cce".to_owned(),
            urn: "iam::d:oidcProvider:cce".to_owned(),
            keys: vec![issuer.jwk()],
            audience: audience.to_owned(),
            subject: subject.to_owned(),
        }
    }

    #[test]
    fn a_token_is_checked_for_all_that_it_says() {
        let now = Timestamp::now();
        let later = now + Duration::from_mins(1);
        for issuer in [Issuer::rs256("k"), Issuer::hs256("k", "secret")] {
            let right = provider(&issuer, "a", "s");
            assert_eq!(right.flaw(&right.token(&issuer, later), now), None);
            for (other, flaw) in [
                (provider(&issuer, "x", "s"), "it is for another audience"),
                (provider(&issuer, "a", "x"), "it is of another subject"),
            ] {
                assert_eq!(right.flaw(&other.token(&issuer, later), now), Some(flaw));
            }
            let forged = right.token(&Issuer::hs256("k", "another"), later);
            assert!(right.flaw(&forged, now).is_some());
            assert_eq!(right.flaw(&right.token(&issuer, now), now), Some("it has expired"));
        }
    }
}
