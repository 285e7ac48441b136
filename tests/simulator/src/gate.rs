//! The API gateway's check of who calls: request signatures, tokens, and the lock of keys that fail too often.
//!
//! Takes a received request and the account, returns the caller or the gateway's refusal. Never looks at what is called.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use axum::http::HeaderMap;
use jiff::Timestamp;
use uuid::Uuid;

use crate::account::{Account, User};
use crate::error_body::Refusal;
use crate::signature::{Authorization, Flaw, Received};

/// A key is locked when it failed more often than this in a row.
const TOLERATED_FAILURES: u32 = 5;

/// Who calls.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The project that the credential is bound to, if it is bound to one.
    pub(crate) project: Option<String>,
}

/// The issued tokens and the failures of each key.
#[derive(Default)]
pub(crate) struct Gate {
    tokens: Mutex<HashMap<String, Token>>,
    failures: Mutex<HashMap<String, Failures>>,
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
        let key = account
            .access_key(authorization.access)
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
            project: key.project.clone(),
        })
    }

    /// Issues a token; returns its text and when it expires.
    pub(crate) fn issue(
        &self,
        user: &User,
        project: Option<String>,
        lifetime: Duration,
        now: Timestamp,
    ) -> (String, Timestamp) {
        let text = format!("MIIE{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let expires_at = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        let token = Token {
            domain: user.domain.clone(),
            user: user.name.clone(),
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

    /// Whom a request claims to come from: the access key id, or the user of a token that is known.
    pub(crate) fn claimed(&self, headers: &HeaderMap) -> Option<String> {
        if let Some(token) = text(headers, "x-auth-token") {
            return self
                .tokens()
                .get(token)
                .map(|token| format!("{}/{}", token.domain, token.user));
        }
        Some(Authorization::parse(text(headers, "authorization")?)?.access.to_owned())
    }

    fn check_token(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let tokens = self.tokens();
        let token = tokens.get(token).ok_or_else(|| rejected("decrypt token fail"))?;
        if now >= token.expires_at {
            return Err(Refusal::gateway(401, "APIGW.0307", "The token must be updated."));
        }
        Ok(Caller {
            project: token.project.clone(),
        })
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
