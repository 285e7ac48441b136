//! Salted digests, so that the log can prove which secret a request carried without showing it.

use axum::http::HeaderMap;
use serde_json::Value;
use uuid::Uuid;

use crate::signature::sha256_hex;

/// Headers that carry a credential.
const SECRET_HEADERS: [&str; 4] = ["authorization", "x-auth-token", "x-security-token", "x-metadata-token"];
/// Fields of a JSON body that carry a password when they are strings.
const SECRET_FIELDS: [&str; 3] = ["user_pwd", "password", "id_token"];
/// Objects in a JSON body whose `id` is a token.
const TOKENS: [&str; 2] = ["id_token", "token"];

/// Makes digests with one salt, which is new for each simulator.
#[derive(Debug)]
pub(crate) struct Digester {
    salt: String,
}

impl Digester {
    pub(crate) fn new() -> Self {
        Self {
            salt: Uuid::new_v4().to_string(),
        }
    }

    /// `sha256:` and the hex SHA-256 of the salt, `|` and the value.
    pub(crate) fn digest(&self, value: &str) -> String {
        format!("sha256:{}", sha256_hex(format!("{}|{value}", self.salt).as_bytes()))
    }

    /// Names and values of headers, a credential as its digest.
    pub(crate) fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                let shown = if SECRET_HEADERS.contains(&name.as_str()) {
                    self.digest(&value)
                } else {
                    value.into_owned()
                };
                (name.to_string(), shown)
            })
            .collect()
    }

    /// A JSON body with its passwords as digests; none for a body that is no JSON, which could hide a secret anywhere.
    pub(crate) fn body(&self, body: &[u8]) -> Option<Value> {
        let mut body = serde_json::from_slice(body).ok()?;
        self.hide_passwords(&mut body);
        Some(body)
    }

    fn hide_passwords(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    match field {
                        Value::String(secret) if SECRET_FIELDS.contains(&key.as_str()) => {
                            *secret = self.digest(secret);
                        }
                        Value::Object(token) if TOKENS.contains(&key.as_str()) => {
                            if let Some(Value::String(id)) = token.get_mut("id") {
                                *id = self.digest(id);
                            }
                        }
                        other => self.hide_passwords(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_passwords(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    #[test]
    fn secrets_become_digests_wherever_they_are() {
        let digester = Digester::new();
        let body =
            json!({"user_pwd": "secret-1", "name": "kept", "auth": [{"password": {"user": {"password": "secret-2"}}}]});
        let shown = digester.body(body.to_string().as_bytes()).unwrap();
        assert_eq!(shown["user_pwd"], digester.digest("secret-1"));
        assert_eq!(
            shown["auth"][0]["password"]["user"]["password"],
            digester.digest("secret-2")
        );
        assert_eq!(shown["name"], "kept");
        assert!(!shown.to_string().contains("secret-"));
        assert_eq!(digester.body(b"secret-1"), None);

        let tokens =
            json!({"id_token": "secret-3", "auth": {"id_token": {"id": "secret-4"}, "token": {"id": "secret-5"}}});
        let shown = digester.body(tokens.to_string().as_bytes()).unwrap();
        assert_eq!(shown["id_token"], digester.digest("secret-3"));
        assert_eq!(shown["auth"]["token"]["id"], digester.digest("secret-5"));
        assert!(!shown.to_string().contains("secret-"));

        let mut headers = HeaderMap::new();
        headers.insert("X-Auth-Token", HeaderValue::from_static("token"));
        headers.insert("User-Agent", HeaderValue::from_static("agent"));
        let shown = digester.headers(&headers);
        assert!(shown.contains(&("x-auth-token".to_owned(), digester.digest("token"))));
        assert!(shown.contains(&("user-agent".to_owned(), "agent".to_owned())));
    }

    #[test]
    fn digests_of_two_simulators_differ() {
        assert_ne!(Digester::new().digest("secret"), Digester::new().digest("secret"));
    }
}
