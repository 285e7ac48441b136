//! Failures, their backoff, and the gate that events cannot open.

use std::time::Duration;

use jiff::SignedDuration;

use super::builder::*;
use super::tell::{look, told};
use crate::api::Reason;
use crate::api::conditions::{self, Verdict};
use crate::reconcile::decide::decide;
use crate::reconcile::fold::Posted;
use crate::reconcile::plan::{
    FailureKind, Look, Missing, Observation, Password, Plan, Rank, Rejection, Retry, RetryClass, RetryWait,
    SecretVersion,
};

fn again(wait: RetryWait, delay: Option<Duration>) -> FailureKind {
    FailureKind::RetryAfter { wait, delay }
}

/// A create was refused for this reason.
fn refused(o: Observation, kind: FailureKind) -> Observation {
    with(o, |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        o.note_posted(Posted {
            intent: intent("a1"),
            begun: o.uptime,
            result: Err(failure(kind)),
        });
    })
}

/// Something stands in the status to be retried in a minute.
fn gated(class: RetryClass) -> Observation {
    with(observation(), |o| {
        let verdict = Verdict::new(Reason::Retrying, "before");
        o.object.status.controller = Some(INSTALL.to_owned());
        o.object.status.conditions = conditions::conditions(&[], &verdict, 1, o.now);
        o.object.status.retry = Some(Retry {
            attempts: 3,
            class,
            since: o.now,
            next_retry_time: o.now + SignedDuration::from_secs(60),
            last_error_code: None,
            last_request_id: None,
        });
    })
}

#[test]
fn each_refusal_has_its_verdict_and_its_wait() {
    let rejected = |reason| FailureKind::Rejected { reason };
    let gone = |what| FailureKind::Gone { what };
    // With the jitter in the middle: three quarters of what grows, five quarters of what is fixed.
    for (kind, reason, wait) in [
        (again(RetryWait::Transient, None), Reason::Retrying, 1000),
        (again(RetryWait::Transient, Some(seconds(7))), Reason::Retrying, 7000),
        (again(RetryWait::Busy, None), Reason::Retrying, 1000),
        (again(RetryWait::Throttled, None), Reason::RateLimited, 75_000),
        (
            again(RetryWait::Throttled, Some(seconds(90))),
            Reason::RateLimited,
            90_750,
        ),
        (rejected(Rejection::Invalid), Reason::InvalidSpec, 30_000),
        (rejected(Rejection::Denied), Reason::AccessDenied, 30_000),
        (FailureKind::CredentialsRejected, Reason::CredentialsRejected, 30_000),
        (gone(Missing::Cluster), Reason::WaitingForCluster, 1000),
        (gone(Missing::Something), Reason::WaitingForCluster, 1000),
    ] {
        let told = told(&refused(observation(), kind.clone()));
        assert_eq!(
            (told.reason, told.wait),
            (Some(reason), Some(Duration::from_millis(wait))),
            "{kind:?}"
        );
        assert!(!told.keeps_lane);
        assert!(
            told.status.last_attempt.is_some(),
            "a definite answer closes the attempt"
        );
    }
}

#[test]
fn what_a_person_must_mend_is_not_asked_of_the_cloud_for_minutes() {
    for (kind, least) in [
        (FailureKind::CredentialsRejected, 300),
        (
            FailureKind::Rejected {
                reason: Rejection::Invalid,
            },
            600,
        ),
    ] {
        let retry = told(&refused(observation(), kind)).status.retry.expect("it waits");
        assert!(retry.next_retry_time >= now() + SignedDuration::from_secs(least));
    }
}

#[test]
fn waits_grow_with_every_failure_whatever_its_class() {
    let mut o = observation();
    let mut waits = Vec::new();
    for n in 0..8 {
        let wait = if n % 2 == 0 {
            RetryWait::Transient
        } else {
            RetryWait::Busy
        };
        o = refused(o, again(wait, None));
        let told = told(&o);
        waits.push(told.wait.expect("it waits").as_secs());
        o.object.status = told.status;
        o.memory.outcome = None;
    }
    assert_eq!(waits, [1, 1, 3, 6, 12, 24, 48, 45], "seconds, Busy at most a minute");
}

#[test]
fn a_cluster_that_is_busy_for_half_an_hour_is_waited_for() {
    for (minutes, reason) in [(29, Reason::Retrying), (30, Reason::WaitingForCluster)] {
        let o = with(gated(RetryClass::Busy), |o| {
            let retry = o.object.status.retry.as_mut().expect("set");
            retry.since = o.now - SignedDuration::from_mins(minutes);
        });
        assert_eq!(told(&refused(o, again(RetryWait::Busy, None))).reason, Some(reason));
    }
}

#[test]
fn no_event_opens_the_gate_before_its_time() {
    for class in [
        RetryClass::Transient,
        RetryClass::Busy,
        RetryClass::Throttled,
        RetryClass::ClusterMissing,
    ] {
        let o = gated(class);
        let closed = told(&later(o.clone(), seconds(20)));
        assert_eq!(
            (closed.wait, closed.status),
            (Some(seconds(40)), o.object.status.clone())
        );
        assert_eq!(look(&later(o, seconds(60))), Look::Lane(Rank::Create));
    }
}

#[test]
fn a_new_generation_opens_the_gate() {
    let o = with(gated(RetryClass::Terminal), |o| o.object.generation += 1);
    assert_eq!(look(&o), Look::Lane(Rank::Create));
}

#[test]
fn what_failed_is_tried_again_when_it_has_changed() {
    let changed_provider = |class| {
        with(gated(class), |o| {
            o.memory.tried_version = Some("0".to_owned());
        })
    };
    for class in [
        RetryClass::Credentials,
        RetryClass::Terminal,
        RetryClass::Transient,
        RetryClass::Busy,
    ] {
        assert_eq!(look(&changed_provider(class)), Look::Lane(Rank::Create), "{class:?}");
    }
    let limited = told(&changed_provider(RetryClass::Throttled));
    assert_eq!(limited.wait, Some(seconds(60)), "a rate limit is obeyed");

    let version = |version: &str| SecretVersion {
        uid: "s".to_owned(),
        resource_version: version.to_owned(),
        key: "password".to_owned(),
        hmac: None,
    };
    let sent = |class| {
        with(gated(class), |o| {
            o.object.spec.user_pwd = Some(user_pwd());
            o.object.status.secret = Some(version("1"));
        })
    };
    for class in [RetryClass::Terminal, RetryClass::Transient] {
        let o = sent(class);
        assert_eq!(look(&o), Look::Password);
        let same = with(o.clone(), |o| o.password = Password::Present { version: version("1") });
        assert_eq!(told(&same).wait, Some(seconds(30)));
        let new = with(o, |o| o.password = Password::Present { version: version("2") });
        assert_eq!(look(&new), Look::Lane(Rank::Create));
    }
    assert_eq!(told(&sent(RetryClass::Throttled)).wait, Some(seconds(60)));
}

#[test]
fn a_clock_that_was_wrong_holds_nobody_for_ever() {
    let o = with(gated(RetryClass::Transient), |o| {
        let retry = o.object.status.retry.as_mut().expect("set");
        retry.next_retry_time = o.now + SignedDuration::from_hours(24 * 365);
    });
    assert_eq!(look(&o), Look::Lane(Rank::Create));
}

#[test]
fn a_status_without_a_verdict_closes_no_gate() {
    let o = with(gated(RetryClass::Transient), |o| o.object.status.conditions.clear());
    assert_eq!(look(&o), Look::Lane(Rank::Create));
}

#[test]
fn messages_are_the_same_at_every_try() {
    let told_at = |minutes: u64, jitter: u32, request: &str| {
        let mut failure = failure(again(RetryWait::Busy, Some(seconds(u64::from(jitter)))));
        failure.request_id = Some(request.to_owned());
        let o = with(later(observation(), seconds(60 * minutes)), |o| {
            o.jitter = jitter;
            o.object.finalizer = true;
            o.object.intent = Some(intent("a1"));
            o.note_posted(Posted {
                intent: intent("a1"),
                begun: o.uptime,
                result: Err(failure),
            });
        });
        told(&o).status.conditions[0].message.clone()
    };
    assert_eq!(told_at(0, 1, "request-1"), told_at(7, 900, "request-2"));
}

#[test]
fn nobody_waits_for_less_than_a_second() {
    for uptime in [0, 1, 1000] {
        let o = with(gated(RetryClass::Transient), |o| {
            o.now += SignedDuration::from_millis(60_000 - uptime);
        });
        if let Plan::Report(_) = decide(&o) {
            assert!(told(&o).wait >= Some(seconds(1)));
        }
    }
}
