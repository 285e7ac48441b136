//! The exchange of an IAM user's password for a token.
//!
//! Takes domain, user and password and returns the body of the request. `KeystoneCreateUserTokenByPassword` of the IAM API reference.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

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
    use serde_json::{Value, json};

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
