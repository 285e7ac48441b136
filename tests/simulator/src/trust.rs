//! Whom the simulated account trusts besides keys and passwords: a pod, a node, the tokens of a Kubernetes cluster, and agencies.
//!
//! Values, and the check of a token. No type here can be printed with its secret.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// The header of the tokens: this simulator takes one algorithm, with a shared key. The cloud takes RS256, with the keys that the cluster
/// publishes; no client can tell, for the token is opaque to it.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// An OIDC identity provider: the Kubernetes cluster whose `ServiceAccount` tokens are taken.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProvider {
    /// Its name in IAM, the value of `X-Idp-Id`.
    pub id: String,
    /// Its URN in STS.
    pub urn: String,
    /// The key that its tokens are signed with (HMAC).
    pub key: String,
    /// The audience (`aud`) that a token must have.
    pub audience: String,
    /// The subject (`sub`) that a token must have, for example `system:serviceaccount:dws-operator:dws-operator`.
    pub subject: String,
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProvider")
            .field("id", &self.id)
            .field("urn", &self.urn)
            .finish_non_exhaustive()
    }
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
    /// A token as the cluster would issue it, valid until then.
    #[must_use]
    pub fn token(&self, expires_at: Timestamp) -> String {
        let claims = json!({
            "aud": [self.audience],
            "sub": self.subject,
            "exp": expires_at.as_second(),
            "jti": uuid::Uuid::new_v4().to_string(),
        });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(HEADER),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = hmac::sign(&self.hmac(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// What is wrong with a token, if something is.
    pub(crate) fn flaw(&self, token: &str, now: Timestamp) -> Option<&'static str> {
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return Some("it is no token");
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        if hmac::verify(&self.hmac(), signed.as_bytes(), &signature).is_err() {
            return Some("its signature does not match");
        }
        let claims = signed
            .split_once('.')
            .and_then(|(_, claims)| URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: Value = claims
            .and_then(|claims| serde_json::from_slice(&claims).ok())
            .unwrap_or_default();
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

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn provider(key: &str, audience: &str, subject: &str) -> IdentityProvider {
        IdentityProvider {
            id: "cce".to_owned(),
            urn: "iam::d:oidcProvider:cce".to_owned(),
            key: key.to_owned(),
            audience: audience.to_owned(),
            subject: subject.to_owned(),
        }
    }

    #[test]
    fn a_token_is_checked_for_all_that_it_says() {
        let now = Timestamp::now();
        let later = now + Duration::from_mins(1);
        let right = provider("k", "a", "s");
        assert_eq!(right.flaw(&right.token(later), now), None);
        for (other, flaw) in [
            (provider("x", "a", "s"), "its signature does not match"),
            (provider("k", "x", "s"), "it is for another audience"),
            (provider("k", "a", "x"), "it is of another subject"),
        ] {
            assert_eq!(right.flaw(&other.token(later), now), Some(flaw));
        }
        assert_eq!(right.flaw(&right.token(now), now), Some("it has expired"));
        assert_eq!(right.flaw("", now), Some("it is no token"));
        assert_eq!(right.flaw("a.b.c", now), Some("its signature does not match"));
    }
}
