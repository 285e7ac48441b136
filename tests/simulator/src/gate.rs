//! The API gateway's check of who calls: request signatures, tokens, and the lock of keys that fail too often.
//!
//! Takes a received request and the account, returns the caller or the gateway's refusal. Never looks at what is called.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use axum::http::HeaderMap;
use jiff::Timestamp;
use uuid::Uuid;

use crate::account::{AccessKey, Account};
use crate::error_body::Refusal;
use crate::signature::{Authorization, Flaw, Received};

/// A key is locked when it failed more often than this in a row.
const TOLERATED_FAILURES: u32 = 5;

/// Who calls.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The access key id, or the owner of a temporary key or token.
    pub(crate) name: String,
    /// The project that the credential is bound to, if it is bound to one.
    pub(crate) project: Option<String>,
}

/// The issued tokens and the failures of each key.
#[derive(Default)]
pub(crate) struct Gate {
    tokens: Mutex<HashMap<String, Token>>,
    failures: Mutex<HashMap<String, Failures>>,
    keys: Mutex<HashMap<String, TemporaryKey>>,
    metadata_tokens: Mutex<HashMap<String, Timestamp>>,
    /// The access keys, secrets and tokens that were ever given out with temporary keys, and the tokens of the metadata service.
    given_out: Mutex<Vec<String>>,
}

/// A temporary access key that was issued.
#[derive(Clone)]
pub(crate) struct TemporaryKey {
    pub(crate) access: String,
    pub(crate) secret: String,
    pub(crate) security_token: String,
    pub(crate) expires_at: Timestamp,
    owner: String,
    project: Option<String>,
    /// A voided key is no good any more, but its owner is still told.
    is_void: bool,
}

struct Token {
    domain: String,
    user: String,
    project: Option<String>,
    expires_at: Timestamp,
}

#[derive(Default)]
struct Failures {
    in_a_row: u32,
    locked_until: Option<Timestamp>,
}

impl Gate {
    /// Checks a call to DWS, or a signed one to IAM.
    pub(crate) fn admit(
        &self,
        request: &Received<'_>,
        account: &Account,
        key_lock: Duration,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        if let Some(token) = text(request.headers, "x-auth-token") {
            return self.check_token(token, now);
        }
        let Some(header) = text(request.headers, "authorization") else {
            return Err(rejected("x-auth-token not found"));
        };
        let authorization =
            Authorization::parse(header).ok_or_else(|| rejected("authorization header format incorrect"))?;
        let issued = self.temporary_keys().get(authorization.access).cloned();
        if issued.as_ref().is_some_and(|key| key.is_void) {
            return Err(rejected("Get secretKey failed, ak not exist"));
        }
        if issued.as_ref().is_some_and(|key| now >= key.expires_at) {
            return Err(rejected("the security token has expired"));
        }
        let name = issued
            .as_ref()
            .map_or(authorization.access, |key| &key.owner)
            .to_owned();
        let issued = issued.map(|key| AccessKey {
            project: key.project,
            ..AccessKey::temporary(&key.access, &key.secret, &key.security_token)
        });
        let key = account
            .access_key(authorization.access)
            .or(issued.as_ref())
            .ok_or_else(|| rejected("Get secretKey failed, ak not exist"))?;

        let mut all_failures = self.failures();
        let failures = all_failures.entry(key.access.clone()).or_default();
        if failures.locked_until.is_some_and(|until| now < until) {
            return Err(rejected("AK access failed to reach the limit,forbidden"));
        }
        let token_matches = text(request.headers, "x-security-token") == key.security_token.as_deref();
        let verdict = match authorization.verify(request, &key.secret, now) {
            Ok(()) if token_matches => Ok(()),
            Ok(()) => Err(rejected("security token does not match the access key")),
            Err(Flaw::Skew) => Err(Refusal::gateway(
                401,
                "APIGW.0303",
                "Incorrect app authentication information: the time difference is too large",
            )),
            Err(Flaw::Date) => Err(rejected("x-sdk-date is not signed or not readable")),
            Err(Flaw::HeaderAbsent | Flaw::ContentHash | Flaw::Mismatch) => Err(rejected("verify aksk signature fail")),
        };
        if let Err(refusal) = verdict {
            failures.in_a_row += 1;
            if failures.in_a_row > TOLERATED_FAILURES {
                *failures = Failures {
                    in_a_row: 0,
                    locked_until: now.checked_add(key_lock).ok(),
                };
            }
            return Err(refusal);
        }
        *failures = Failures::default();
        Ok(Caller {
            name,
            project: key.project.clone(),
        })
    }

    /// Issues a temporary access key.
    pub(crate) fn issue_key(
        &self,
        owner: &str,
        project: Option<String>,
        lifetime: Duration,
        now: Timestamp,
    ) -> TemporaryKey {
        let word = || Uuid::new_v4().simple().to_string();
        let key = TemporaryKey {
            access: format!("HST{}", word().to_uppercase()),
            secret: word(),
            security_token: format!("gQpj{}/{}+==", word(), word()),
            expires_at: now.checked_add(lifetime).unwrap_or(Timestamp::MAX),
            owner: owner.to_owned(),
            project,
            is_void: false,
        };
        let parts = [&key.access, &key.secret, &key.security_token].map(Clone::clone);
        self.given_out().extend(parts);
        self.temporary_keys().insert(key.access.clone(), key.clone());
        key
    }

    /// Voids every temporary access key.
    pub(crate) fn revoke_keys(&self) {
        for key in self.temporary_keys().values_mut() {
            key.is_void = true;
        }
    }

    /// The secrets that were ever given out with temporary keys.
    pub(crate) fn secrets_given_out(&self) -> Vec<String> {
        self.given_out().clone()
    }

    /// Issues a token of the metadata service.
    pub(crate) fn issue_metadata_token(&self, lifetime: Duration, now: Timestamp) -> String {
        let text = format!("MDT{}", Uuid::new_v4().simple());
        let expires_at = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        let mut tokens = self.metadata_tokens.lock().expect(UNPOISONED);
        tokens.insert(text.clone(), expires_at);
        self.given_out().push(text.clone());
        text
    }

    /// Whether a token of the metadata service is valid.
    pub(crate) fn knows_metadata_token(&self, token: &str, now: Timestamp) -> bool {
        let tokens = self.metadata_tokens.lock().expect(UNPOISONED);
        tokens.get(token).is_some_and(|expires_at| now < *expires_at)
    }

    /// The user of a token, and the project that it is scoped to.
    pub(crate) fn user_of(&self, token: &str, now: Timestamp) -> Result<(String, Option<String>), Refusal> {
        let caller = self.check_token(token, now);
        let caller = caller.map_err(|_| Refusal::iam(401, "The token is not valid."))?;
        Ok((caller.name, caller.project))
    }

    /// Issues a token; returns its text and when it expires.
    pub(crate) fn issue(
        &self,
        (domain, user): (&str, &str),
        project: Option<String>,
        lifetime: Duration,
        now: Timestamp,
    ) -> (String, Timestamp) {
        let text = format!("MIIE{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let expires_at = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        let token = Token {
            domain: domain.to_owned(),
            user: user.to_owned(),
            project,
            expires_at,
        };
        self.tokens().insert(text.clone(), token);
        (text, expires_at)
    }

    /// The texts of the tokens that were not voided.
    pub(crate) fn token_texts(&self) -> Vec<String> {
        self.tokens().keys().cloned().collect()
    }

    /// Voids every token.
    pub(crate) fn revoke_all(&self) {
        self.tokens().clear();
    }

    /// Voids the tokens of a user, as a change of the password does.
    pub(crate) fn revoke_user(&self, domain: &str, name: &str) {
        self.tokens()
            .retain(|_, token| token.domain != domain || token.user != name);
    }

    /// Whom a request claims to come from: the access key id, or the owner of a temporary key or token that is known.
    pub(crate) fn claimed(&self, headers: &HeaderMap) -> Option<String> {
        if let Some(token) = text(headers, "x-auth-token") {
            return self
                .tokens()
                .get(token)
                .map(|token| format!("{}/{}", token.domain, token.user));
        }
        let access = Authorization::parse(text(headers, "authorization")?)?.access;
        let issued = self.temporary_keys().get(access).map(|key| key.owner.clone());
        Some(issued.unwrap_or_else(|| access.to_owned()))
    }

    fn check_token(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let tokens = self.tokens();
        let token = tokens.get(token).ok_or_else(|| rejected("decrypt token fail"))?;
        if now >= token.expires_at {
            return Err(Refusal::gateway(401, "APIGW.0307", "The token must be updated."));
        }
        Ok(Caller {
            name: format!("{}/{}", token.domain, token.user),
            project: token.project.clone(),
        })
    }

    fn temporary_keys(&self) -> MutexGuard<'_, HashMap<String, TemporaryKey>> {
        self.keys.lock().expect(UNPOISONED)
    }

    fn given_out(&self) -> MutexGuard<'_, Vec<String>> {
        self.given_out.lock().expect(UNPOISONED)
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        self.tokens.lock().expect(UNPOISONED)
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<String, Failures>> {
        self.failures.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics while it holds this lock";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn rejected(why: &str) -> Refusal {
    Refusal::gateway(
        401,
        "APIGW.0301",
        &format!("Incorrect IAM authentication information: {why}"),
    )
}
