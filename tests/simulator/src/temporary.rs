//! The calls that issue temporary access keys: the pod identity agent, STS, IAM and the metadata service of a node.
//!
//! Takes a request, the account and who calls; returns the body of the answer or a refusal. Never repeats a token.

use std::time::Duration;

use axum::http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error_body::Refusal;
use crate::gate::{Gate, TemporaryKey};
use crate::iam::{self, Issued};
use crate::settings::Settings;

/// What the pod identity agent, the metadata service and the subjects of a cluster are called in the log.
pub(crate) const POD: &str = "pod";
pub(crate) const NODE: &str = "node";
pub(crate) const SERVICE_ACCOUNT: &str = "service-account";

/// How long keys may be asked for, in seconds (IAM).
const DURATIONS: std::ops::RangeInclusive<u64> = 900..=86_400;
/// How long a key is valid that nobody named a duration for (IAM).
const DEFAULT_SECONDS: u64 = 900;

/// Where a request is carried out.
pub(crate) struct Place<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) gate: &'a Gate,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) now: Timestamp,
}

#[derive(Deserialize)]
struct AssumeWithOidc {
    provider_urn: String,
    agency_urn: String,
    agency_session_name: String,
    id_token: String,
    duration_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct AssumeInSts {
    agency_urn: String,
    agency_session_name: String,
    duration_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct AuthRequest<T> {
    auth: T,
}

#[derive(Deserialize)]
struct IdTokenAuth {
    id_token: IdToken,
    scope: Option<iam::Scope>,
}

#[derive(Deserialize)]
struct IdToken {
    id: String,
}

#[derive(Deserialize)]
struct KeyAuth {
    identity: KeyIdentity,
}

#[derive(Deserialize)]
struct KeyIdentity {
    methods: Vec<String>,
    token: Option<TokenIdentity>,
    assume_role: Option<AssumeRole>,
}

#[derive(Deserialize)]
struct TokenIdentity {
    id: String,
    duration_seconds: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct AssumeRole {
    agency_name: String,
    domain_name: String,
    duration_seconds: Option<u64>,
}

/// What `POST /v3.0/OS-CREDENTIAL/securitytokens` asks for.
pub(crate) enum KeyRequest {
    /// The key of a token's user.
    OfToken { token: String, seconds: Option<u64> },
    /// The key of an agency; the request is signed.
    OfAgency(AssumeRole),
}

impl Place<'_> {
    /// `POST …/pod-identity/credentials`
    pub(crate) fn pod_identity(&self) -> Result<Value, Refusal> {
        let token = text(self.headers, "authorization");
        let known = self.settings.account.pod_token.as_deref();
        if known.is_none() || token != known {
            return Err(Refusal::new(
                401,
                "POD.0001",
                "The token is not valid, or no agency is associated.",
            ));
        }
        if !self.is_object() {
            return Err(Refusal::new(400, "POD.0002", "The body is not a JSON object."));
        }
        let key = self.key(POD, None, None)?;
        Ok(json!({
            "assumedAgency": {"urn": "iam::example:agency:pod", "id": "pod"},
            "audience": "",
            "credentials": {
                "accessKeyId": key.access, "secretAccessKey": key.secret, "securityToken": key.security_token,
                "expiration": iam::iam_time(key.expires_at),
            },
            "podIdentityAssociationId": "",
            "subject": {"namespace": "dws-operator", "serviceAccount": "dws-operator"},
        }))
    }

    /// `POST /v5/agencies/assume-with-oidc`
    pub(crate) fn assume_with_oidc(&self) -> Result<Value, Refusal> {
        let request: AssumeWithOidc = self.parse()?;
        check_session(&request.agency_session_name)?;
        let providers = &self.settings.account.identity_providers;
        let provider = providers.iter().find(|provider| provider.urn == request.provider_urn);
        let provider = provider.ok_or_else(|| denied("The identity provider does not exist."))?;
        if let Some(flaw) = provider.flaw(&request.id_token, self.now) {
            return Err(denied(&format!("The id token is not valid: {flaw}.")));
        }
        let caller = format!("{SERVICE_ACCOUNT}/{}", provider.id);
        self.agency_by_urn(&request.agency_urn, &caller, request.duration_seconds)
    }

    /// `POST /v5/agencies/assume`
    pub(crate) fn assume_in_sts(&self, caller: &str) -> Result<Value, Refusal> {
        let request: AssumeInSts = self.parse()?;
        check_session(&request.agency_session_name)?;
        self.agency_by_urn(&request.agency_urn, caller, request.duration_seconds)
    }

    /// `POST /v3.0/OS-AUTH/id-token/tokens`
    pub(crate) fn id_token(&self) -> Result<Issued, Refusal> {
        let request: AuthRequest<IdTokenAuth> = self.parse()?;
        let id = text(self.headers, "x-idp-id").unwrap_or_default();
        let account = &self.settings.account;
        let provider = account.identity_providers.iter().find(|provider| provider.id == id);
        let provider = provider.ok_or_else(|| Refusal::iam(404, "Could not find the identity provider."))?;
        if let Some(flaw) = provider.flaw(&request.auth.id_token.id, self.now) {
            return Err(Refusal::iam(401, &format!("The id token is not valid: {flaw}.")));
        }
        iam::issue(
            (SERVICE_ACCOUNT, id),
            request.auth.scope,
            "mapped",
            self.settings,
            self.gate,
            self.now,
        )
    }

    /// What `POST /v3.0/OS-CREDENTIAL/securitytokens` asks for.
    pub(crate) fn key_request(&self) -> Result<KeyRequest, Refusal> {
        let identity = self.parse::<AuthRequest<KeyAuth>>()?.auth.identity;
        match (
            identity.methods.join(",").as_str(),
            identity.token,
            identity.assume_role,
        ) {
            ("token", Some(token), None) => Ok(KeyRequest::OfToken {
                token: token.id,
                seconds: token.duration_seconds,
            }),
            ("assume_role", None, Some(agency)) => Ok(KeyRequest::OfAgency(agency)),
            _ => Err(Refusal::iam(
                400,
                "Only the methods token and assume_role are supported.",
            )),
        }
    }

    /// The key of a token's user.
    pub(crate) fn key_of_token(&self, token: &str, seconds: Option<u64>) -> Result<Value, Refusal> {
        let (user, project) = self.gate.user_of(token, self.now)?;
        let key = self.key(&user, project, Some(seconds.unwrap_or(DEFAULT_SECONDS)))?;
        Ok(in_iam(&key))
    }

    /// The key of an agency, for somebody that it trusts.
    pub(crate) fn key_of_agency(&self, agency: &AssumeRole, caller: &str) -> Result<Value, Refusal> {
        let known = self.settings.account.agencies.iter();
        let mut known = known.filter(|known| known.name == agency.agency_name && known.domain == agency.domain_name);
        let found = known.find(|known| known.trusts.iter().any(|trusted| trusted == caller));
        let found =
            found.ok_or_else(|| Refusal::iam(403, "The agency does not exist, or does not trust the caller."))?;
        let seconds = agency.duration_seconds.unwrap_or(DEFAULT_SECONDS);
        let key = self.key(&format!("agency/{}", found.name), None, Some(seconds))?;
        Ok(in_iam(&key))
    }

    /// `PUT /meta-data/latest/api/token`; none where the metadata service has no tokens.
    pub(crate) fn metadata_token(&self) -> Result<String, Refusal> {
        if !self.settings.metadata_tokens {
            return Err(Refusal::new(404, "META.0404", "Not found."));
        }
        let seconds = text(self.headers, "x-metadata-token-ttl-seconds").and_then(|text| text.parse().ok());
        let seconds: u64 = seconds.ok_or_else(|| Refusal::new(400, "META.0400", "No X-Metadata-Token-Ttl-Seconds."))?;
        Ok(self.gate.issue_metadata_token(Duration::from_secs(seconds), self.now))
    }

    /// `GET /openstack/latest/securitykey`
    pub(crate) fn metadata_key(&self) -> Result<Value, Refusal> {
        let token = text(self.headers, "x-metadata-token");
        let is_known = token.is_some_and(|token| self.gate.knows_metadata_token(token, self.now));
        if self.settings.metadata_tokens && !is_known {
            return Err(Refusal::new(401, "META.0401", "The metadata token is not valid."));
        }
        if !self.settings.account.node_agency {
            return Err(Refusal::new(
                401,
                "META.0401",
                "Please configure Cloud Service Agency first",
            ));
        }
        Ok(in_iam(&self.key(NODE, None, None)?))
    }

    fn agency_by_urn(&self, urn: &str, caller: &str, seconds: Option<u64>) -> Result<Value, Refusal> {
        let found = self.settings.account.agencies.iter().find(|agency| agency.urn == urn);
        let found = found.filter(|agency| agency.trusts.iter().any(|trusted| trusted == caller));
        let found = found.ok_or_else(|| denied("The agency does not exist, or does not trust the caller."))?;
        let key = self.key(&format!("agency/{}", found.name), None, Some(seconds.unwrap_or(3600)))?;
        Ok(json!({"credentials": {
            "access_key_id": key.access, "secret_access_key": key.secret, "security_token": key.security_token,
            "expiration": key.expires_at.to_string(),
        }}))
    }

    /// A new key; without seconds it is valid for as long as the settings allow.
    fn key(&self, owner: &str, project: Option<String>, seconds: Option<u64>) -> Result<TemporaryKey, Refusal> {
        if seconds.is_some_and(|seconds| !DURATIONS.contains(&seconds)) {
            return Err(Refusal::new(400, "IAM.0007", "duration_seconds is out of range."));
        }
        let most = self.settings.temporary_lifetime;
        let lifetime = seconds.map_or(most, |seconds| most.min(Duration::from_secs(seconds)));
        Ok(self.gate.issue_key(owner, project, lifetime, self.now))
    }

    fn parse<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| Refusal::new(400, "IAM.0001", "The request body is not valid."))
    }

    fn is_object(&self) -> bool {
        serde_json::from_slice::<Value>(self.body).is_ok_and(|body| body.is_object())
    }
}

fn check_session(name: &str) -> Result<(), Refusal> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if (2..=64).contains(&name.len()) && name.bytes().all(is_word) {
        Ok(())
    } else {
        Err(Refusal::new(400, "STS5.0001", "agency_session_name is not valid."))
    }
}

fn in_iam(key: &TemporaryKey) -> Value {
    json!({"credential": {
        "access": key.access, "secret": key.secret, "securitytoken": key.security_token,
        "expires_at": iam::iam_time(key.expires_at),
    }})
}

fn denied(message: &str) -> Refusal {
    Refusal::new(403, "STS5.0403", message)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
