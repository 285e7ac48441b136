//! The exchange of an IAM user's password for a token.
//!
//! Takes domain, user and password and returns the body of the request; takes its answer and returns the
//! token. `KeystoneCreateUserTokenByPassword` of the IAM API reference.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use super::transport::Answer;
use super::{error_body, ids};

/// A token as a login brings it.
pub struct NewToken {
    /// The token itself.
    pub value: SecretString,
    /// The project that it is scoped to.
    pub project_id: Option<String>,
    /// From its issue to its expiry.
    pub lifetime: Duration,
}

impl NewToken {
    /// The token in the answer to a login; none if something is missing or malformed.
    pub fn read(answer: &Answer) -> Option<Self> {
        let value = answer.subject_token.clone()?;
        let body = error_body::object(&answer.body)?;
        let token = body.get("token")?;
        let expires_at: Timestamp = token.get("expires_at")?.as_str()?.parse().ok()?;
        // By the server's own clock, so that it does not matter how wrong ours is.
        let now = answer.date.unwrap_or_else(Timestamp::now);
        let lifetime = Duration::try_from(expires_at.duration_since(now)).ok()?;
        let project_id = token.pointer("/project/id").and_then(Value::as_str);
        Some(Self {
            value,
            project_id: project_id.filter(|id| ids::is_project(id)).map(str::to_owned),
            lifetime,
        })
    }
}

#[derive(Serialize)]
struct LoginBody<'a> {
    auth: Auth<'a>,
}

#[derive(Serialize)]
struct Auth<'a> {
    identity: Identity<'a>,
    scope: Scope<'a>,
}

#[derive(Serialize)]
struct Identity<'a> {
    methods: [&'static str; 1],
    password: PasswordOf<'a>,
}

#[derive(Serialize)]
struct PasswordOf<'a> {
    user: User<'a>,
}

#[derive(Serialize)]
struct User<'a> {
    name: &'a str,
    password: &'a str,
    domain: Named<'a>,
}

#[derive(Serialize)]
struct Scope<'a> {
    project: Named<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Named<'a> {
    Name(&'a str),
    Id(&'a str),
}

/// The body of a login, scoped to a project by id, or to the region's own by name.
pub fn body(domain: &str, user: &str, password: &SecretString, region: &str, project_id: Option<&str>) -> Vec<u8> {
    let body = LoginBody {
        auth: Auth {
            identity: Identity {
                methods: ["password"],
                password: PasswordOf {
                    user: User {
                        name: user,
                        password: password.expose_secret(),
                        domain: Named::Name(domain),
                    },
                },
            },
            scope: Scope {
                project: project_id.map_or(Named::Name(region), Named::Id),
            },
        },
    };
    serde_json::to_vec(&body).expect("texts always become JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lifetime_is_by_the_clock_of_the_server() {
        let answer = |body: Value| Answer {
            status: 201,
            request_id: None,
            retry_after: None,
            date: Some("2020-01-03T09:05:22Z".parse().unwrap()),
            subject_token: Some(SecretString::from("t")),
            body: body.to_string().into_bytes(),
        };
        let read = NewToken::read(&answer(json!({"token": {
            "expires_at": "2020-01-04T09:05:22.000000Z", "project": {"id": "p1"},
        }})))
        .unwrap();
        assert_eq!(read.lifetime, Duration::from_hours(24));
        assert_eq!(read.project_id.as_deref(), Some("p1"));
        for body in [json!({}), json!({"token": {"expires_at": "soon"}}), json!([])] {
            assert!(NewToken::read(&answer(body)).is_none());
        }
        let expired = json!({"token": {"expires_at": "2020-01-01T09:05:22Z"}});
        assert!(NewToken::read(&answer(expired)).is_none());
    }

    #[test]
    fn login_is_the_documented_one() {
        let body = |project| {
            let body = super::body("IAMDomain", "IAMUser", &"p".into(), "eu-west-101", project);
            serde_json::from_slice::<Value>(&body).unwrap()
        };
        assert_eq!(
            body(None),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": {
                    "name": "IAMUser", "password": "p", "domain": {"name": "IAMDomain"},
                }}},
                "scope": {"project": {"name": "eu-west-101"}},
            }})
        );
        assert_eq!(body(Some("p1"))["auth"]["scope"], json!({"project": {"id": "p1"}}));
    }
}
