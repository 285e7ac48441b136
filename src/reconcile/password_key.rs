//! Tells passwords apart without keeping them: HMAC-SHA256 under a key that only the operator can read.
//!
//! Takes a password and returns its HMAC behind the id of the key, or nothing where the key cannot be had: then nobody can tell. The key is in the
//! Secret `dws-operator-hmac` in the operator's namespace, which is created when it is first needed. A plain digest in a status could be guessed
//! offline by anybody who may read the status; without the key an HMAC cannot. It never passes the key or a password on.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::kubernetes::{Kubernetes, KubernetesError};
use crate::api::text;

/// The Secret that holds the key.
pub const SECRET: &str = "dws-operator-hmac";
/// The key of the value within it.
const FIELD: &str = "key";
/// The length of a key, as long as the digest (RFC 2104, section 3).
const BYTES: usize = 32;
/// How many bytes of the key's own digest name it in front of an HMAC: enough to notice another key.
const ID_BYTES: usize = 4;

struct Key {
    id: String,
    key: hmac::Key,
}

impl Key {
    fn new(bytes: &[u8]) -> Self {
        Key {
            id: text::hex(&digest(&SHA256, bytes).as_ref()[..ID_BYTES]),
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
        }
    }

    fn sign(&self, of: &str, password: &SecretString) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(of.as_bytes());
        context.update(&[0]);
        context.update(password.expose_secret().as_bytes());
        let tag = context.sign();
        format!("{}:{}", self.id, text::hex(tag.as_ref()))
    }
}

/// The key; it is read or made once.
pub struct PasswordKey {
    kubernetes: Kubernetes,
    namespace: String,
    key: Mutex<Option<Key>>,
}

impl PasswordKey {
    /// The key of the operator in this namespace.
    #[must_use]
    pub fn new(kubernetes: Kubernetes, namespace: String) -> Self {
        PasswordKey {
            kubernetes,
            namespace,
            key: Mutex::default(),
        }
    }

    /// The HMAC of a password of the object with this uid, so that nobody can find out by guesses in a Secret of their own what another object's
    /// is; none while the key cannot be had, which is logged.
    pub async fn hmac(&self, uid: &str, password: &SecretString) -> Option<String> {
        let mut known = self.key.lock().await;
        if known.is_none() {
            match self.read_or_make().await {
                Ok(Some(bytes)) => *known = Some(Key::new(&bytes)),
                Ok(None) => tracing::error!(
                    secret = SECRET,
                    namespace = self.namespace,
                    "the Secret holds no key of {BYTES} bytes, so changed passwords go unnoticed; delete it to have another one made"
                ),
                Err(error) => tracing::warn!(
                    secret = SECRET,
                    namespace = self.namespace,
                    %error,
                    "the key that tells passwords apart cannot be read or made, so changed passwords go unnoticed"
                ),
            }
        }
        known.as_ref().map(|key| key.sign(uid, password))
    }

    async fn read_or_make(&self) -> Result<Option<Vec<u8>>, KubernetesError> {
        let secrets = self.kubernetes.within::<Secret>(&self.namespace);
        let read = async || self.kubernetes.call(secrets.get_opt(SECRET)).await;
        if let Some(secret) = read().await? {
            return Ok(bytes(&secret));
        }
        let mut made = vec![0; BYTES];
        if rand::fill(&mut made).is_err() {
            return Ok(None);
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(SECRET.to_owned()),
                labels: Some(BTreeMap::from([(
                    "app.kubernetes.io/managed-by".to_owned(),
                    "dws-operator".to_owned(),
                )])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(FIELD.to_owned(), ByteString(made))])),
            immutable: Some(true),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        let created = self
            .kubernetes
            .call(secrets.create(&PostParams::default(), &secret))
            .await;
        match created {
            Ok(secret) => Ok(bytes(&secret)),
            // Another replica was faster.
            Err(error) if error.code() == Some(409) => Ok(read().await?.as_ref().and_then(bytes)),
            Err(error) => Err(error),
        }
    }
}

fn bytes(secret: &Secret) -> Option<Vec<u8>> {
    let ByteString(bytes) = secret.data.as_ref()?.get(FIELD)?;
    (bytes.len() >= BYTES).then(|| bytes.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hmac_is_of_object_and_password() {
        // printf 'uid\0password' | openssl dgst -sha256 -hmac Jefe
        let signed = Key::new(b"Jefe").sign("uid", &SecretString::from("password"));
        let (id, tag) = signed.split_once(':').expect("two parts");
        assert_eq!(tag, "336a50d1ff2f4c1522814c167f71b4f61f93517bcc1584ef0b534427040e66c3");
        assert_eq!(id, text::hex(&digest(&SHA256, b"Jefe").as_ref()[..ID_BYTES]));
    }

    #[test]
    fn a_secret_without_a_whole_key_has_none() {
        let secret = |field: &str, length| Secret {
            data: Some(BTreeMap::from([(field.to_owned(), ByteString(vec![7; length]))])),
            ..Secret::default()
        };
        assert_eq!(bytes(&secret(FIELD, 32)), Some(vec![7; 32]));
        assert_eq!(bytes(&secret(FIELD, 31)), None);
        assert_eq!(bytes(&secret("other", 32)), None);
        assert_eq!(bytes(&Secret::default()), None);
    }
}
