//! The IAM token that a password is exchanged for, kept until shortly before it expires.
//!
//! Takes a way to log in and returns a token. One login at a time: whoever waited for it shares what it
//! came to, also its failure. Never writes a token anywhere.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::error_body;
use super::errors::Failure;
use super::ids;
use super::transport::Answer;

/// How long before its expiry a token is renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(600);

/// After a failed renewal, how long the old token is used before the next try.
const RENEW_AGAIN: Duration = Duration::from_secs(30);

/// A token and what it is good for.
#[derive(Clone)]
pub struct Token {
    /// The value of `X-Auth-Token`.
    pub value: SecretString,
    /// The project that it is scoped to.
    pub project_id: Option<String>,
    /// Its place among the tokens of the session.
    serial: u64,
    renew_at: Instant,
    expires_at: Instant,
}

/// What the rejection of a token calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRejection {
    /// A new login: the token may have expired or been voided.
    LogInAgain,
    /// Nothing: a token that was just issued was rejected too.
    GiveUp,
}

/// The token of a session.
#[derive(Default)]
pub struct Tokens {
    /// Held by the one who logs in.
    turn: tokio::sync::Mutex<()>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    issued: u64,
    /// How many tokens were rejected since the last one that was accepted.
    rejected: u32,
    last_failure: Option<(Instant, Failure)>,
}

impl Kept {
    fn fresh(&self) -> Option<&Token> {
        self.token.as_ref().filter(|token| Instant::now() < token.renew_at)
    }
}

impl Tokens {
    /// The token in use, or the one that `login` brings.
    ///
    /// # Errors
    /// What `login` failed with, if there is no token that is still valid.
    pub async fn current<L>(&self, login: impl FnOnce() -> L) -> Result<Token, Failure>
    where
        L: Future<Output = Result<NewToken, Failure>>,
    {
        if let Some(token) = self.kept().fresh() {
            return Ok(token.clone());
        }
        let asked = Instant::now();
        let _turn = self.turn.lock().await;
        {
            let kept = self.kept();
            if let Some(token) = kept.fresh() {
                return Ok(token.clone());
            }
            if let Some((at, failure)) = &kept.last_failure
                && *at > asked
            {
                return Err(failure.clone());
            }
        }
        let result = login().await;
        let mut kept = self.kept();
        match result {
            Ok(new) => {
                kept.issued += 1;
                let token = new.issued_as(kept.issued);
                kept.token = Some(token.clone());
                Ok(token)
            }
            Err(failure) => {
                let now = Instant::now();
                if let Some(token) = &mut kept.token
                    && now < token.expires_at
                {
                    token.renew_at = now + RENEW_AGAIN;
                    return Ok(token.clone());
                }
                kept.last_failure = Some((now, failure.clone()));
                Err(failure)
            }
        }
    }

    /// The cloud accepted a token.
    pub fn accepted(&self) {
        self.kept().rejected = 0;
    }

    /// The cloud rejected a token: it is dropped, and counted once however many calls carried it.
    pub fn rejected(&self, token: &Token) -> TokenRejection {
        let mut kept = self.kept();
        if kept.token.as_ref().is_some_and(|kept| kept.serial == token.serial) {
            kept.token = None;
            kept.rejected += 1;
        }
        if kept.rejected > 1 {
            TokenRejection::GiveUp
        } else {
            TokenRejection::LogInAgain
        }
    }

    /// Each change of the data is whole, so that a panic of a holder does no harm.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token as a login brings it.
pub struct NewToken {
    value: SecretString,
    project_id: Option<String>,
    lifetime: Duration,
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

    fn issued_as(self, serial: u64) -> Token {
        let now = Instant::now();
        // One that lives shorter than that is renewed half-way.
        let renew_in = self.lifetime.saturating_sub(RENEW_BEFORE).max(self.lifetime / 2);
        Token {
            value: self.value,
            project_id: self.project_id,
            serial,
            renew_at: now + renew_in,
            expires_at: now + self.lifetime,
        }
    }
}

/// The body of a login, `KeystoneCreateUserTokenByPassword` of the IAM API reference.
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
pub fn login_body(
    domain: &str,
    user: &str,
    password: &SecretString,
    region: &str,
    project_id: Option<&str>,
) -> Vec<u8> {
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
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;
    use tokio::time::{advance, sleep};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn token(lifetime: Duration) -> NewToken {
        NewToken {
            value: SecretString::from("t"),
            project_id: None,
            lifetime,
        }
    }

    #[derive(Default)]
    struct Iam {
        logins: AtomicU32,
        down: bool,
    }

    impl Iam {
        async fn login(&self, lifetime: Duration) -> Result<NewToken, Failure> {
            self.logins.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(1)).await;
            if self.down {
                return Err(Failure::transient("down"));
            }
            Ok(token(lifetime))
        }

        fn logins(&self) -> u32 {
            self.logins.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_share_one_login() {
        let (tokens, iam) = (Tokens::default(), Iam::default());
        let callers = (0..20).map(|_| tokens.current(|| iam.login(HOUR)));
        assert!(futures::future::join_all(callers).await.iter().all(Result::is_ok));
        assert_eq!(iam.logins(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_share_one_failure() {
        let tokens = Tokens::default();
        let iam = Iam { down: true, ..Iam::default() };
        let callers = (0..20).map(|_| tokens.current(|| iam.login(HOUR)));
        assert!(futures::future::join_all(callers).await.iter().all(Result::is_err));
        assert_eq!(iam.logins(), 1);
        assert!(tokens.current(|| iam.login(HOUR)).await.is_err());
        assert_eq!(iam.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn token_is_renewed_ten_minutes_before_it_expires() {
        let (tokens, iam) = (Tokens::default(), Iam::default());
        tokens.current(|| iam.login(HOUR)).await.unwrap();
        advance(Duration::from_secs(2999)).await;
        tokens.current(|| iam.login(HOUR)).await.unwrap();
        assert_eq!(iam.logins(), 1);
        advance(Duration::from_secs(1)).await;
        tokens.current(|| iam.login(HOUR)).await.unwrap();
        assert_eq!(iam.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn old_token_is_used_while_renewal_fails() {
        let (tokens, iam) = (Tokens::default(), Iam::default());
        let down = Iam { down: true, ..Iam::default() };
        tokens.current(|| iam.login(HOUR)).await.unwrap();
        advance(Duration::from_secs(3001)).await;
        tokens.current(|| down.login(HOUR)).await.unwrap();
        tokens.current(|| down.login(HOUR)).await.unwrap();
        assert_eq!(down.logins(), 1);
        advance(Duration::from_secs(601)).await;
        assert!(tokens.current(|| down.login(HOUR)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn rejected_token_causes_one_new_login_and_then_none() {
        let (tokens, iam) = (Tokens::default(), Iam::default());
        let first = tokens.current(|| iam.login(HOUR)).await.unwrap();
        // Two calls carried the same token.
        assert_eq!(tokens.rejected(&first), TokenRejection::LogInAgain);
        assert_eq!(tokens.rejected(&first), TokenRejection::LogInAgain);
        let second = tokens.current(|| iam.login(HOUR)).await.unwrap();
        assert_eq!(iam.logins(), 2);
        assert_eq!(tokens.rejected(&second), TokenRejection::GiveUp);
        let third = tokens.current(|| iam.login(HOUR)).await.unwrap();
        tokens.accepted();
        assert_eq!(tokens.rejected(&third), TokenRejection::LogInAgain);
    }

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
        assert_eq!(read.lifetime, 24 * HOUR);
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
            let body = login_body("IAMDomain", "IAMUser", &"p".into(), "eu-west-101", project);
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
