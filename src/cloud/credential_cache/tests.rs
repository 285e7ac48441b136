use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::SecretString;
use tokio::time::{advance, sleep};

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn token(lifetime: Duration) -> Issued {
    let value = SecretString::from("t");
    Issued {
        bearer: Bearer::Token {
            value,
            project_id: None,
        },
        lifetime,
        expires_at: Timestamp::UNIX_EPOCH + lifetime,
    }
}

#[derive(Default)]
struct Iam {
    logins: AtomicU32,
    down: bool,
}

impl Iam {
    async fn login(&self, lifetime: Duration) -> Result<Issued, Failure> {
        self.logins.fetch_add(1, Ordering::Relaxed);
        // A login takes its time; the clock of these tests is paused.
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
    let (tokens, iam) = (CredentialCache::default(), Iam::default());
    let callers = (0..20).map(|_| tokens.current(|| iam.login(HOUR)));
    assert!(futures::future::join_all(callers).await.iter().all(Result::is_ok));
    assert_eq!(iam.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_failure() {
    let tokens = CredentialCache::default();
    let iam = Iam {
        down: true,
        ..Iam::default()
    };
    let callers = (0..20).map(|_| tokens.current(|| iam.login(HOUR)));
    assert!(futures::future::join_all(callers).await.iter().all(Result::is_err));
    assert_eq!(iam.logins(), 1);
    assert!(tokens.current(|| iam.login(HOUR)).await.is_err());
    assert_eq!(iam.logins(), 1, "the failure stands for a moment");
    advance(Duration::from_secs(1)).await;
    assert!(tokens.current(|| iam.login(HOUR)).await.is_err());
    assert_eq!(iam.logins(), 2);
    advance(Duration::from_secs(1)).await;
    assert!(tokens.current(|| iam.login(HOUR)).await.is_err());
    assert_eq!(iam.logins(), 2, "and longer each time");
}

#[tokio::test(start_paused = true)]
async fn token_is_renewed_when_a_third_of_its_life_is_left() {
    let (tokens, iam) = (CredentialCache::default(), Iam::default());
    tokens.current(|| iam.login(HOUR)).await.unwrap();
    advance(Duration::from_secs(2399)).await;
    tokens.current(|| iam.login(HOUR)).await.unwrap();
    assert_eq!(iam.logins(), 1);
    advance(Duration::from_secs(1)).await;
    tokens.current(|| iam.login(HOUR)).await.unwrap();
    assert_eq!(iam.logins(), 2);
}

#[tokio::test(start_paused = true)]
async fn old_token_is_used_while_renewal_fails() {
    let (tokens, iam) = (CredentialCache::default(), Iam::default());
    let down = Iam {
        down: true,
        ..Iam::default()
    };
    tokens.current(|| iam.login(HOUR)).await.unwrap();
    advance(Duration::from_secs(2401)).await;
    tokens.current(|| down.login(HOUR)).await.unwrap();
    tokens.current(|| down.login(HOUR)).await.unwrap();
    assert_eq!(down.logins(), 1);
    advance(Duration::from_secs(31)).await;
    tokens.current(|| down.login(HOUR)).await.unwrap();
    advance(Duration::from_secs(31)).await;
    tokens.current(|| down.login(HOUR)).await.unwrap();
    assert_eq!(down.logins(), 2, "the second wait is longer");
    advance(Duration::from_mins(20)).await;
    assert!(tokens.current(|| down.login(HOUR)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_refused_renewal_is_not_tried_again_soon() {
    let tokens = CredentialCache::default();
    let iam = Iam::default();
    let refusals = AtomicU32::new(0);
    let refuse = async || {
        refusals.fetch_add(1, Ordering::Relaxed);
        Err(Failure::local(FailureKind::CredentialsRejected, "no"))
    };
    tokens.current(|| iam.login(HOUR)).await.unwrap();
    advance(Duration::from_secs(2401)).await;
    for _ in 0..4 {
        assert!(tokens.current(refuse).await.is_ok());
        advance(Duration::from_mins(1)).await;
    }
    assert_eq!(refusals.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_never_used() {
    let (tokens, iam) = (CredentialCache::default(), Iam::default());
    let down = Iam {
        down: true,
        ..Iam::default()
    };
    let short = Duration::from_secs(12);
    tokens.current(|| iam.login(short)).await.unwrap();
    advance(Duration::from_secs(9)).await;
    assert!(tokens.current(|| down.login(short)).await.is_ok());
    advance(Duration::from_secs(3)).await;
    assert!(tokens.current(|| down.login(short)).await.is_err());
}

#[test]
fn a_source_has_one_cache_while_somebody_uses_it() {
    let caches = CredentialCaches::default();
    let first = caches.of([1; 32]);
    assert!(Arc::ptr_eq(&first, &caches.of([1; 32])));
    assert!(!Arc::ptr_eq(&first, &caches.of([2; 32])));
    drop(first);
    let _third = caches.of([3; 32]);
    assert_eq!(caches.0.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn rejected_token_causes_one_new_login_and_then_none() {
    let (tokens, iam) = (CredentialCache::default(), Iam::default());
    let first = tokens.current(|| iam.login(HOUR)).await.unwrap();
    // Two calls carried the same token.
    assert_eq!(tokens.rejected(&first), BearerRejection::IssueAgain);
    assert_eq!(tokens.rejected(&first), BearerRejection::IssueAgain);
    let second = tokens.current(|| iam.login(HOUR)).await.unwrap();
    assert_eq!(iam.logins(), 2);
    assert_eq!(tokens.rejected(&second), BearerRejection::GiveUp);
    let third = tokens.current(|| iam.login(HOUR)).await.unwrap();
    tokens.accepted();
    assert_eq!(tokens.rejected(&third), BearerRejection::IssueAgain);
}

#[tokio::test(start_paused = true)]
async fn the_last_refusal_is_told_until_something_is_issued() {
    let (tokens, iam) = (CredentialCache::default(), Iam::default());
    assert!(tokens.refusal().is_none());
    let refuse = async || {
        Err(Failure::local(FailureKind::CredentialsRejected, "no")).map_err(|failure| Failure {
            status: Some(403),
            ..failure
        })
    };
    assert!(tokens.current(refuse).await.is_err());
    assert_eq!(tokens.refusal().unwrap().message, "no");
    advance(FAILED_FOR.1).await;
    tokens.current(|| iam.login(HOUR)).await.unwrap();
    assert!(tokens.refusal().is_none());
}
