//! Credentials as they are kept in a Secret.
//!
//! Takes the data of a Secret and returns [`Credentials`] or a precise reason why not. Values never
//! appear in an error, and no type here can be printed.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretString};

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

/// What a session authenticates with.
#[derive(Clone)]
pub enum Credentials {
    /// An access key, which signs each request.
    AccessKey {
        /// The access key id (AK).
        access: SecretString,
        /// The secret access key (SK).
        secret: SecretString,
        /// The security token, if the key is a temporary one.
        security_token: Option<SecretString>,
    },
    /// An IAM user, whose password is exchanged for tokens.
    Password {
        /// The name of the account (IAM domain).
        domain: String,
        /// The name of the IAM user.
        user: String,
        /// The password.
        password: SecretString,
    },
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
        Ok(Self::AccessKey {
            access: header_value(data, ACCESS_KEY)?,
            secret: value(data, SECRET_KEY)?,
            security_token,
        })
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

    /// What the cloud counts failures by.
    pub(super) fn principal(&self) -> Principal {
        Principal(match self {
            Self::AccessKey { access, .. } => (access.expose_secret().to_owned(), None),
            Self::Password { domain, user, .. } => (domain.clone(), Some(user.clone())),
        })
    }

    /// The values that no message may repeat.
    pub(super) fn secrets(&self) -> Vec<&str> {
        match self {
            Self::AccessKey {
                access,
                secret,
                security_token,
            } => [Some(access), Some(secret), security_token.as_ref()]
                .into_iter()
                .flatten()
                .map(ExposeSecret::expose_secret)
                .collect(),
            Self::Password { password, .. } => vec![password.expose_secret()],
        }
    }
}

/// An access key, or a domain and user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal((String, Option<String>));

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

/// A value that goes into a header as it is: visible ASCII, and no comma, which ends it there.
fn header_value(data: &BTreeMap<String, ByteString>, key: &str) -> Result<SecretString, CredentialsError> {
    let value = value(data, key)?;
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    if value.expose_secret().bytes().all(fits) {
        Ok(value)
    } else {
        let key = key.to_owned();
        Err(CredentialsError::UnexpectedCharacter { key })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(pairs: &[(&str, &[u8])]) -> BTreeMap<String, ByteString> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())))
            .collect()
    }

    fn error(pairs: &[(&str, &[u8])]) -> String {
        Credentials::access_key(&data(pairs)).err().unwrap().to_string()
    }

    #[test]
    fn permanent_and_temporary_access_keys_are_read() {
        let permanent = data(&[(ACCESS_KEY, b"AK1"), (SECRET_KEY, b"SK/+=")]);
        let read = Credentials::access_key(&permanent).ok().unwrap();
        assert_eq!(read.secrets(), ["AK1", "SK/+="]);
        let temporary = data(&[(ACCESS_KEY, b"AK1"), (SECRET_KEY, b"SK"), (SECURITY_TOKEN, b"T")]);
        let read = Credentials::access_key(&temporary).ok().unwrap();
        assert_eq!(read.secrets(), ["AK1", "SK", "T"]);
    }

    #[test]
    fn error_names_the_key_and_what_is_wrong_with_it() {
        for (pairs, key, what) in [
            (vec![(ACCESS_KEY, b"AK".as_slice())], SECRET_KEY, "no key"),
            (vec![(SECRET_KEY, b"SK")], ACCESS_KEY, "no key"),
            (vec![(ACCESS_KEY, b""), (SECRET_KEY, b"SK")], ACCESS_KEY, "empty"),
            (vec![(ACCESS_KEY, b"AK"), (SECRET_KEY, b"\xff")], SECRET_KEY, "UTF-8"),
            (
                vec![(ACCESS_KEY, b"AK\n"), (SECRET_KEY, b"SK")],
                ACCESS_KEY,
                "line break",
            ),
            (
                vec![(ACCESS_KEY, b"AK"), (SECRET_KEY, b"S\0K")],
                SECRET_KEY,
                "control character",
            ),
            (
                vec![(ACCESS_KEY, b"A\r\nX: y"), (SECRET_KEY, b"SK")],
                ACCESS_KEY,
                "control character",
            ),
            (
                vec![(ACCESS_KEY, b"A, B"), (SECRET_KEY, b"SK")],
                ACCESS_KEY,
                "characters",
            ),
            (
                vec![(ACCESS_KEY, b"A"), (SECRET_KEY, b"SK"), (SECURITY_TOKEN, b"")],
                SECURITY_TOKEN,
                "empty",
            ),
        ] {
            let error = error(&pairs);
            assert!(error.contains(key) && error.contains(what), "{error}");
        }
        let long = vec![b'a'; MAX_BYTES + 1];
        assert!(error(&[(ACCESS_KEY, &long), (SECRET_KEY, b"SK")]).contains("more than"));
    }

    #[test]
    fn principal_is_the_access_key_or_the_user() {
        let key = |secret: &[u8]| {
            let data = data(&[(ACCESS_KEY, b"AK"), (SECRET_KEY, secret)]);
            Credentials::access_key(&data).ok().unwrap().principal()
        };
        assert!(key(b"one") == key(b"two"));
        let user = |domain, user| {
            let data = data(&[(PASSWORD, b"p")]);
            Credentials::password(domain, user, &data).ok().unwrap().principal()
        };
        assert!(user("d", "u") == user("d", "u"));
        assert!(user("d", "u") != user("d", "v"));
        assert!(user("a/b", "c") != user("a", "b/c"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(access in any::<Vec<u8>>(), secret in any::<Vec<u8>>()) {
            let pairs: [(&str, &[u8]); 2] = [(ACCESS_KEY, &access), (SECRET_KEY, &secret)];
            if let Ok(read) = Credentials::access_key(&data(&pairs)) {
                prop_assert!(http::HeaderValue::from_str(read.secrets()[0]).is_ok());
                prop_assert_eq!(read.secrets()[1].as_bytes(), secret);
            }
        }
    }
}
