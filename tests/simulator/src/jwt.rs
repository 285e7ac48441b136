//! Signed tokens (JWS, RFC 7515) and the keys that they are verified with (JWK, RFC 7517): RS256, as Kubernetes signs the tokens of its
//! `ServiceAccount`s, and HS256, with a shared key.
//!
//! The key decides on the algorithm: a token that names another one than its key has is refused, whatever its signature.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

/// A key that verifies, in the notation of a JWK; what else a JWK may say is ignored.
#[derive(Clone, Deserialize)]
#[serde(tag = "kty")]
pub enum Jwk {
    /// The public half of an RSA key of 2048 to 8192 bits: RS256.
    #[serde(rename = "RSA")]
    Rsa {
        /// Its name.
        kid: Option<String>,
        /// The modulus, in base64url.
        n: String,
        /// The exponent, in base64url.
        e: String,
    },
    /// A shared key: HS256.
    #[serde(rename = "oct")]
    Shared {
        /// Its name.
        kid: Option<String>,
        /// The key, in base64url.
        k: String,
    },
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, kid) = match self {
            Self::Rsa { kid, .. } => ("Rsa", kid),
            Self::Shared { kid, .. } => ("Shared", kid),
        };
        f.debug_struct(name).field("kid", kid).finish_non_exhaustive()
    }
}

/// The header of a token.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Jwk {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::Shared { .. } => "HS256",
        }
    }

    /// Whether a token with this header may be signed with this key.
    fn suits(&self, header: &Header) -> bool {
        let (Self::Rsa { kid, .. } | Self::Shared { kid, .. }) = self;
        header.alg == self.algorithm() && (header.kid.is_none() || header.kid == *kid)
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        match self {
            Self::Rsa { n, e, .. } => {
                let key = PublicKeyComponents {
                    n: bytes(n),
                    e: bytes(e),
                };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            Self::Shared { k, .. } => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes(k));
                !k.is_empty() && hmac::verify(&key, signed, signature).is_ok()
            }
        }
    }
}

/// The claims of a token that one of the keys has signed.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn claims(keys: &[Jwk], token: &str) -> Result<Value, &'static str> {
    const NO_TOKEN: &str = "it is no token";
    let (signed, signature) = token.rsplit_once('.').ok_or(NO_TOKEN)?;
    let (header, claims) = signed.split_once('.').ok_or(NO_TOKEN)?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NO_TOKEN);
    let header: Header = serde_json::from_slice(&bytes(header)?).map_err(|_| NO_TOKEN)?;
    let signature = bytes(signature)?;
    let mut suitable = keys.iter().filter(|key| key.suits(&header)).peekable();
    if suitable.peek().is_none() {
        Err("its identity provider has no key of that name and algorithm")
    } else if suitable.any(|key| key.verifies(signed.as_bytes(), &signature)) {
        serde_json::from_slice(&bytes(claims)?).map_err(|_| NO_TOKEN)
    } else {
        Err("its signature does not match")
    }
}

/// Who signs tokens, as a Kubernetes cluster does.
#[derive(Clone)]
pub struct Issuer {
    kid: String,
    key: SigningKey,
}

#[derive(Clone)]
enum SigningKey {
    Rsa(Arc<RsaKeyPair>),
    Shared(String),
}

impl Issuer {
    /// With an RSA key of its own: RS256.
    ///
    /// # Panics
    /// If the system has no random numbers.
    #[must_use]
    pub fn rs256(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("random numbers");
        Self {
            kid: kid.to_owned(),
            key: SigningKey::Rsa(Arc::new(pair)),
        }
    }

    /// With a shared key: HS256.
    #[must_use]
    pub fn hs256(kid: &str, key: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            key: SigningKey::Shared(key.to_owned()),
        }
    }

    /// The key that verifies its tokens.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        let kid = Some(self.kid.clone());
        match &self.key {
            SigningKey::Rsa(pair) => {
                let public = pair.public_key();
                Jwk::Rsa {
                    kid,
                    n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                    e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                }
            }
            SigningKey::Shared(key) => Jwk::Shared {
                kid,
                k: URL_SAFE_NO_PAD.encode(key),
            },
        }
    }

    /// A token with these claims.
    ///
    /// # Panics
    /// If the key cannot sign.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": self.jwk().algorithm(), "kid": self.kid, "typ": "JWT"});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = match &self.key {
            SigningKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    signed.as_bytes(),
                    &mut signature,
                )
                .expect("the key signs");
                signature
            }
            SigningKey::Shared(key) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_the_key_that_signed_it_and_of_no_other() {
        let said = json!({"sub": "s"});
        for (issuer, other) in [
            (Issuer::rs256("one"), Issuer::rs256("one")),
            (Issuer::hs256("one", "k"), Issuer::hs256("one", "x")),
        ] {
            let token = issuer.sign(&said);
            assert_eq!(claims(&[other.jwk(), issuer.jwk()], &token), Ok(said.clone()));
            assert_eq!(claims(&[other.jwk()], &token), Err("its signature does not match"));
            let unknown = Err("its identity provider has no key of that name and algorithm");
            assert_eq!(claims(&[Issuer::hs256("two", "k").jwk()], &token), unknown);
            assert_eq!(claims(&[], &token), unknown);
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let (header, _) = signed.split_once('.').unwrap();
            let altered = URL_SAFE_NO_PAD.encode(r#"{"sub":"root"}"#);
            let forged = format!("{header}.{altered}.{signature}");
            assert_eq!(claims(&[issuer.jwk()], &forged), Err("its signature does not match"));
        }
        for no_token in ["", "a", "a.b", "a.b.c", "!.!.!"] {
            assert_eq!(claims(&[], no_token), Err("it is no token"), "{no_token}");
        }
    }

    /// Neither "none" nor an HMAC with the public key as the shared one passes for a signature.
    #[test]
    fn the_key_decides_on_the_algorithm() {
        let issuer = Issuer::rs256("one");
        let Jwk::Rsa { n, .. } = issuer.jwk() else {
            panic!("an RSA key")
        };
        let refused = Err("its identity provider has no key of that name and algorithm");
        let confused = Issuer::hs256("one", &n).sign(&json!({}));
        assert_eq!(claims(&[issuer.jwk()], &confused), refused);
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"one"}"#);
        let unsigned = format!("{header}.{}.", URL_SAFE_NO_PAD.encode("{}"));
        assert_eq!(claims(&[issuer.jwk()], &unsigned), refused);
    }

    /// The example of RFC 7515, appendix A.2: another implementation's key and signature.
    #[test]
    fn the_example_of_the_standard_is_verified() {
        const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
                         T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
                         dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
                         GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
        const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
                             b290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_\
                             O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1\
                             L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8\
                             np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let key = Jwk::Rsa {
            kid: None,
            n: N.to_owned(),
            e: "AQAB".to_owned(),
        };
        assert_eq!(
            claims(&[key], TOKEN).map(|claims| claims["iss"].clone()),
            Ok(json!("joe"))
        );
    }
}
