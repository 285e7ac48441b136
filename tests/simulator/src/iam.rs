//! The IAM calls for tokens and projects.
//!
//! Takes a request and the account, returns the body and the token or a refusal. Never repeats a password.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Account;
use crate::error_body::Refusal;
use crate::gate::Gate;
use crate::settings::Settings;
use crate::signature::sha256_hex;

/// An issued token.
pub(crate) struct Issued {
    /// For the header `X-Subject-Token`.
    pub(crate) token: String,
    pub(crate) body: Value,
}

#[derive(Deserialize)]
struct TokenRequest {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    scope: Option<Scope>,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: PasswordMethod,
}

#[derive(Deserialize)]
struct PasswordMethod {
    user: UserClaim,
}

#[derive(Deserialize)]
struct UserClaim {
    name: String,
    password: String,
    domain: Named,
}

#[derive(Deserialize)]
pub(crate) struct Scope {
    project: Option<ProjectClaim>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct ProjectClaim {
    id: Option<String>,
    name: Option<String>,
}

/// `POST /v3/auth/tokens`
pub(crate) fn issue_token(body: &[u8], settings: &Settings, gate: &Gate, now: Timestamp) -> Result<Issued, Refusal> {
    let request: TokenRequest = serde_json::from_slice(body)
        .map_err(|_| Refusal::iam(400, "The request body is not a password authentication."))?;
    let identity = request.auth.identity;
    if identity.methods != ["password"] {
        return Err(Refusal::iam(400, "Only the method password is supported."));
    }
    let claim = identity.password.user;
    let user = settings
        .account
        .user(&claim.domain.name, &claim.name)
        .filter(|user| user.password == claim.password)
        .ok_or_else(|| Refusal::iam(401, "The username or password is wrong."))?;
    issue(
        (&user.domain, &user.name),
        request.auth.scope,
        "password",
        settings,
        gate,
        now,
    )
}

/// A token of a user, by domain and name, for the project of a scope.
pub(crate) fn issue(
    (domain, name): (&str, &str),
    scope: Option<Scope>,
    method: &str,
    settings: &Settings,
    gate: &Gate,
    now: Timestamp,
) -> Result<Issued, Refusal> {
    let project = match scope.and_then(|scope| scope.project) {
        Some(claim) => Some(scoped_project(&settings.account, &claim)?),
        None => None,
    };
    let project_id = project.as_ref().map(|(id, _)| id.clone());
    let (token, expires_at) = gate.issue((domain, name), project_id, settings.token_lifetime, now);
    let mut body = token_body((domain, name), project, now, expires_at);
    body["token"]["methods"] = json!([method]);
    Ok(Issued { token, body })
}

/// `GET /v3/projects[?name=…]`; a credential that is bound to a project still sees all of them.
pub(crate) fn projects(account: &Account, name: Option<&str>) -> Value {
    let projects: Vec<Value> = account
        .projects
        .iter()
        .filter(|(known, _)| name.is_none_or(|name| name == *known))
        .flat_map(|(name, ids)| {
            ids.iter()
                .map(move |id| json!({"id": id, "name": name, "enabled": true}))
        })
        .collect();
    json!({"projects": projects, "links": {"next": null, "previous": null}})
}

fn scoped_project(account: &Account, claim: &ProjectClaim) -> Result<(String, String), Refusal> {
    let mut known = account
        .projects
        .iter()
        .flat_map(|(name, ids)| ids.iter().map(move |id| (id, name)));
    known
        .find(|(id, name)| {
            claim.id.as_ref().is_none_or(|claimed| claimed == *id)
                && claim.name.as_ref().is_none_or(|claimed| claimed == *name)
        })
        .map(|(id, name)| (id.clone(), name.clone()))
        .ok_or_else(|| Refusal::iam(404, "Could not find the project."))
}

fn token_body(
    (domain, name): (&str, &str),
    project: Option<(String, String)>,
    issued_at: Timestamp,
    expires_at: Timestamp,
) -> Value {
    let domain = json!({"id": stable_id(domain), "name": domain});
    let mut token = json!({
        "issued_at": iam_time(issued_at),
        "expires_at": iam_time(expires_at),
        "user": {"id": stable_id(name), "name": name, "domain": domain},
        "roles": [],
        "catalog": [],
    });
    if let Some((id, name)) = project {
        token["project"] = json!({"id": id, "name": name, "domain": domain});
    }
    json!({"token": token})
}

/// IAM ids are 32 hex digits.
fn stable_id(name: &str) -> String {
    let mut id = sha256_hex(name.as_bytes());
    id.truncate(32);
    id
}

/// A time as IAM writes it, for example `2020-01-04T09:05:22.701000Z`.
pub(crate) fn iam_time(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string()
}
