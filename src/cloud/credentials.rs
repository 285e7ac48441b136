//! What a session authenticates with, and credentials as they are kept in a Secret.
//!
//! Takes the data of a Secret and returns [`Credentials`] or a precise reason why not. Values never
//! appear in an error, and no type here can be printed.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretString};

use super::ambient::{Oidc, OidcBy, PodIdentity};
use super::endpoints::Endpoint;

/// The key of a Secret that holds the access key id.
pub const ACCESS_KEY: &str = "accessKey";
/// The key of a Secret that holds the secret access key.
pub const SECRET_KEY: &str = "secretKey";
/// The key of a Secret that holds the security token of a temporary access key.
pub const SECURITY_TOKEN: &str = "securityToken";
/// The key of a Secret that holds the password of an IAM user.
pub const PASSWORD: &str = "password";

/// The most bytes of a value; security tokens have a few thousand.
const MAX_BYTES: usize = 16 * 1024;

/// An access key, permanent or temporary.
#[derive(Clone)]
pub struct AccessKey {
    /// The access key id (AK).
    pub access: SecretString,
    /// The secret access key (SK).
    pub secret: SecretString,
    /// The security token, if the key is a temporary one.
    pub security_token: Option<SecretString>,
}

impl AccessKey {
    /// The values that no message may repeat.
    pub(super) fn secrets(&self) -> Vec<&str> {
        [Some(&self.access), Some(&self.secret), self.security_token.as_ref()]
            .into_iter()
            .flatten()
            .map(ExposeSecret::expose_secret)
            .collect()
    }
}

/// What a session authenticates with.
#[derive(Clone)]
pub enum Credentials {
    /// An access key, which signs each request.
    AccessKey(AccessKey),
    /// An IAM user, whose password is exchanged for tokens.
    Password {
        /// The name of the account (IAM domain).
        domain: String,
        /// The name of the IAM user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// The identity of the operator's pod.
    PodIdentity(PodIdentity),
    /// The token of the operator's `ServiceAccount`.
    Oidc(Oidc),
    /// The agency of the operator's node, from the metadata service at this endpoint.
    NodeAgency(Endpoint),
}

/// What is wrong with a Secret; it names keys, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A key is missing.
    #[error("the Secret has no key {key:?}")]
    Missing {
        /// The key.
        key: String,
    },
    /// A value is empty.
    #[error("the value of the key {key:?} is empty")]
    Empty {
        /// The key.
        key: String,
    },
    /// A value is longer than any credential.
    #[error("the value of the key {key:?} has more than {MAX_BYTES} bytes")]
    TooLong {
        /// The key.
        key: String,
    },
    /// A value is not text.
    #[error("the value of the key {key:?} is not UTF-8 text")]
    NotUtf8 {
        /// The key.
        key: String,
    },
    /// A value ends with a line break.
    #[error("the value of the key {key:?} ends with a line break: write it without one, for example with printf %s")]
    LineBreakAtEnd {
        /// The key.
        key: String,
    },
    /// A value has a control character in it.
    #[error("the value of the key {key:?} has a control character in it")]
    ControlCharacter {
        /// The key.
        key: String,
    },
    /// A value has characters that no access key or token has.
    #[error("the value of the key {key:?} has characters in it that cannot be part of one")]
    UnexpectedCharacter {
        /// The key.
        key: String,
    },
}

impl Credentials {
    /// The access key in the data of a Secret.
    ///
    /// # Errors
    /// If a key is missing or its value cannot be one.
    pub fn access_key(data: &BTreeMap<String, ByteString>) -> Result<Self, CredentialsError> {
        let security_token = if data.contains_key(SECURITY_TOKEN) {
            Some(header_value(data, SECURITY_TOKEN)?)
        } else {
            None
        };
        Ok(Self::AccessKey(AccessKey {
            access: header_value(data, ACCESS_KEY)?,
            secret: value(data, SECRET_KEY)?,
            security_token,
        }))
    }

    /// The password of an IAM user in the data of a Secret.
    ///
    /// # Errors
    /// If the key is missing or its value cannot be a password.
    pub fn password(domain: &str, user: &str, data: &BTreeMap<String, ByteString>) -> Result<Self, CredentialsError> {
        Ok(Self::Password {
            domain: domain.to_owned(),
            user: user.to_owned(),
            password: value(data, PASSWORD)?,
        })
    }

    /// What the cloud counts failures and requests by.
    pub(super) fn principal(&self) -> Principal {
        match self {
            Self::AccessKey(key) => Principal::Key(key.access.expose_secret().to_owned()),
            Self::Password { domain, user, .. } => Principal::User(domain.clone(), user.clone()),
            Self::PodIdentity(_) => Principal::Pod,
            Self::Oidc(oidc) => Principal::ServiceAccount(oidc.by.clone()),
            Self::NodeAgency(_) => Principal::Node,
        }
    }

    /// The values that no message may repeat, of those that are known without asking anybody.
    pub(super) fn secrets(&self) -> Vec<&str> {
        match self {
            Self::AccessKey(key) => key.secrets(),
            Self::Password { password, .. } => vec![password.expose_secret()],
            Self::PodIdentity(_) | Self::Oidc(_) | Self::NodeAgency(_) => Vec::new(),
        }
    }

    /// The file of the token that is exchanged.
    #[must_use]
    pub fn token_file(&self) -> Option<&Path> {
        match self {
            Self::PodIdentity(pod) => Some(&pod.token_file),
            Self::Oidc(oidc) => Some(&oidc.token_file),
            Self::AccessKey(_) | Self::Password { .. } | Self::NodeAgency(_) => None,
        }
    }
}

/// Whose failures and requests the cloud counts together: an access key, a user, or what the operator itself is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// An access key, by its id.
    Key(String),
    /// A user, by domain and name.
    User(String, String),
    /// The operator's pod.
    Pod,
    /// The operator's `ServiceAccount`, with what it is exchanged for.
    ServiceAccount(OidcBy),
    /// The operator's node.
    Node,
}

/// One secret text in the data of a Secret.
///
/// # Errors
/// If the key is missing, or its value is empty, too long, not UTF-8 or has a control character in it.
pub fn value(data: &BTreeMap<String, ByteString>, key: &str) -> Result<SecretString, CredentialsError> {
    let key = || key.to_owned();
    let bytes = match data.get(&key()) {
        None => return Err(CredentialsError::Missing { key: key() }),
        Some(ByteString(bytes)) if bytes.is_empty() => {
            return Err(CredentialsError::Empty { key: key() });
        }
        Some(ByteString(bytes)) if bytes.len() > MAX_BYTES => {
            return Err(CredentialsError::TooLong { key: key() });
        }
        Some(ByteString(bytes)) => bytes,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| CredentialsError::NotUtf8 { key: key() })?;
    if text.trim_end_matches(['\r', '\n']).chars().any(char::is_control) {
        Err(CredentialsError::ControlCharacter { key: key() })
    } else if text.ends_with(['\r', '\n']) {
        Err(CredentialsError::LineBreakAtEnd { key: key() })
    } else {
        Ok(SecretString::from(text))
    }
}

/// Whether a text can go into a header, and into a list there.
pub(super) fn fits_a_header(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// A value that goes into a header as it is: visible ASCII, and no comma, which ends it there.
fn header_value(data: &BTreeMap<String, ByteString>, key: &str) -> Result<SecretString, CredentialsError> {
    let value = value(data, key)?;
    if fits_a_header(value.expose_secret()) {
        Ok(value)
    } else {
        let key = key.to_owned();
        Err(CredentialsError::UnexpectedCharacter { key })
    }
}

#[cfg(test)]
mod tests;
