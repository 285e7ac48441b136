//! Credentials as IAM, STS and the node issue them: a token or a temporary access key, and until when they are good.
//!
//! Takes an answer and returns what it issues, or nothing if something is missing or malformed.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::credentials::{AccessKey, fits_a_header};
use super::transport::Answer;
use super::{error_body, ids};

/// What a call is authorised with.
#[derive(Clone)]
pub enum Bearer {
    /// An IAM token, which is sent along.
    Token {
        /// The value of `X-Auth-Token`.
        value: SecretString,
        /// The project that it is scoped to.
        project_id: Option<String>,
    },
    /// An access key, which signs.
    Key(AccessKey),
}

/// A credential that was just issued.
pub struct Issued {
    /// The credential.
    pub bearer: Bearer,
    /// From its issue to its expiry.
    pub lifetime: Duration,
    /// When it expires, by the clock of whoever issued it.
    pub expires_at: Timestamp,
}

/// The names of the fields of an access key, in the order access, secret, token, expiry, under that of the object around them.
type Names = (&'static str, [&'static str; 4]);

/// The forms in which access keys are answered: by STS, by IAM and the metadata service, by the pod identity agent.
const KEYS: [Names; 3] = [
    (
        "credentials",
        ["access_key_id", "secret_access_key", "security_token", "expiration"],
    ),
    ("credential", ["access", "secret", "securitytoken", "expires_at"]),
    (
        "credentials",
        ["accessKeyId", "secretAccessKey", "securityToken", "expiration"],
    ),
];

impl Issued {
    /// The IAM token in an answer.
    pub fn token(answer: &Answer) -> Option<Self> {
        let value = answer.subject_token.clone()?;
        let body = error_body::object(&answer.body)?;
        let token = body.get("token")?;
        let project_id = token.pointer("/project/id").and_then(Value::as_str);
        let project_id = project_id.filter(|id| ids::is_project(id)).map(str::to_owned);
        let expiry = token.get("expires_at")?.as_str()?;
        Self::until(expiry, answer, Bearer::Token { value, project_id })
    }

    /// The temporary access key in an answer.
    pub fn key(answer: &Answer, body: &Map<String, Value>) -> Option<Self> {
        KEYS.iter().find_map(|(around, [access, secret, token, expiry])| {
            let fields = body.get(*around)?;
            let text = |name: &str| fields.get(name)?.as_str().filter(|text| !text.is_empty());
            let in_header = |name| Some(SecretString::from(text(name).filter(|text| fits_a_header(text))?));
            let key = AccessKey {
                access: in_header(access)?,
                secret: SecretString::from(text(secret)?),
                security_token: Some(in_header(token)?),
            };
            Self::until(text(expiry)?, answer, Bearer::Key(key))
        })
    }

    fn until(expiry: &str, answer: &Answer, bearer: Bearer) -> Option<Self> {
        let expires_at: Timestamp = expiry.parse().ok()?;
        // By the server's own clock, so that it does not matter how wrong ours is.
        let now = answer.date.unwrap_or_else(Timestamp::now);
        let lifetime = Duration::try_from(expires_at.duration_since(now)).ok()?;
        Some(Self {
            bearer,
            lifetime,
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: &Value) -> Answer {
        Answer {
            status: 201,
            request_id: None,
            retry_after: None,
            date: Some("2020-01-03T09:05:22Z".parse().unwrap()),
            subject_token: Some(SecretString::from("t")),
            body: body.to_string().into_bytes(),
        }
    }

    fn key(body: &Value) -> Option<Issued> {
        Issued::key(&answer(body), body.as_object().unwrap())
    }

    #[test]
    fn lifetime_is_by_the_clock_of_the_server() {
        let read = Issued::token(&answer(&json!({"token": {
            "expires_at": "2020-01-04T09:05:22.000000Z", "project": {"id": "p1"},
        }})))
        .unwrap();
        assert_eq!(read.lifetime, Duration::from_hours(24));
        let Bearer::Token { project_id, .. } = read.bearer else {
            panic!("no token")
        };
        assert_eq!(project_id.as_deref(), Some("p1"));
        for body in [json!({}), json!({"token": {"expires_at": "soon"}}), json!([])] {
            assert!(Issued::token(&answer(&body)).is_none());
        }
        let expired = json!({"token": {"expires_at": "2020-01-01T09:05:22Z"}});
        assert!(Issued::token(&answer(&expired)).is_none());
    }

    /// The three answers as the reference shows them.
    #[test]
    fn access_keys_are_read_in_each_form() {
        let forms = [
            json!({"credentials": {"access_key_id": "A", "secret_access_key": "S", "security_token": "T", "expiration": "2020-01-03T10:05:22Z"}}),
            json!({"credential": {"access": "A", "secret": "S", "securitytoken": "T", "expires_at": "2020-01-03T10:05:22.000000Z"}}),
            json!({"assumedAgency": {}, "audience": "", "credentials": {
                "accessKeyId": "A", "secretAccessKey": "S", "securityToken": "T", "expiration": "2020-01-03T10:05:22.574000Z",
            }, "podIdentityAssociationId": "", "subject": {"namespace": "n", "serviceAccount": "s"}}),
        ];
        for form in forms {
            let read = key(&form).unwrap();
            assert_eq!(read.lifetime.as_secs(), 3600);
            let Bearer::Key(key) = read.bearer else {
                panic!("no key")
            };
            assert_eq!(key.secrets(), ["A", "S", "T"]);
        }
    }

    #[test]
    fn an_incomplete_or_odd_access_key_is_none() {
        let whole = json!({"access": "A", "secret": "S", "securitytoken": "T", "expires_at": "2020-01-03T10:05:22Z"});
        for (field, value) in [
            ("access", json!("A B")),
            ("access", json!("")),
            ("secret", json!(7)),
            ("securitytoken", json!("T\r\nX: y")),
            ("expires_at", json!("never")),
            ("expires_at", json!("2019-01-03T10:05:22Z")),
        ] {
            let mut odd = whole.clone();
            odd[field] = value;
            assert!(key(&json!({"credential": odd})).is_none(), "{field}");
        }
        assert!(key(&json!({"credential": whole})).is_some());
        assert!(key(&json!({})).is_none());
    }
}
