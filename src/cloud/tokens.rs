//! The IAM token that a password is exchanged for, kept until shortly before it expires.
//!
//! Takes a way to log in and returns a token. One login at a time: whoever waited for it shares what it
//! came to, also its failure. Never writes a token anywhere.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

use super::errors::Failure;
use super::login::NewToken;

/// How long before its expiry a token is renewed.
const RENEW_BEFORE: Duration = Duration::from_mins(10);

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

impl Token {
    fn new(new: NewToken, serial: u64) -> Self {
        let now = Instant::now();
        // One that lives shorter than that is renewed half-way.
        let renew_in = new.lifetime.saturating_sub(RENEW_BEFORE).max(new.lifetime / 2);
        Self {
            value: new.value,
            project_id: new.project_id,
            serial,
            renew_at: now + renew_in,
            expires_at: now + new.lifetime,
        }
    }
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
                let token = Token::new(new, kept.issued);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::{advance, sleep};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

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
        let iam = Iam {
            down: true,
            ..Iam::default()
        };
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
        let down = Iam {
            down: true,
            ..Iam::default()
        };
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
}
