//! Which passwords the cloud may still repeat, told by the versions of their Secrets.

use jiff::SignedDuration;

use super::builder::*;
use super::tell::step;
use crate::api::intent::EARLIER_SECRETS_MAX;
use crate::reconcile::plan::{
    AttemptMemory, AttemptOutcome, AttemptState, Intent, LastAttempt, Observation, Password, Rank, SecretVersion, Step,
};

fn version(number: usize) -> SecretVersion {
    SecretVersion {
        uid: "s".to_owned(),
        resource_version: number.to_string(),
        key: "password".to_owned(),
        hmac: None,
    }
}

fn versions(numbers: impl IntoIterator<Item = usize>) -> Vec<SecretVersion> {
    numbers.into_iter().map(version).collect()
}

/// About to create anew with the second version, after a request with the first one that may still take effect.
fn again() -> Observation {
    let o = with(observation(), |o| {
        o.object.finalizer = true;
        o.object.spec.user_pwd = Some(user_pwd());
        o.password = Password::Present { version: version(2) };
        o.object.intent = Some(Intent {
            secret: Some(version(1)),
            ..intent("a1")
        });
        o.object.status.last_attempt = Some(LastAttempt {
            name: None,
            type_: None,
            id: "a1".to_owned(),
            outcome: AttemptOutcome::Absent,
            late_until: Some(o.now + SignedDuration::from_mins(10)),
        });
    });
    listing(in_lane(o, Rank::Create), &[])
}

fn had_earlier(o: Observation, numbers: impl IntoIterator<Item = usize>) -> Observation {
    with(o, |o| {
        let intent = o.object.intent.as_mut().expect("there is one");
        intent.earlier_secrets = versions(numbers);
    })
}

fn recorded(o: &Observation) -> Intent {
    let Step::RecordIntent(intent) = step(o) else {
        panic!("no intent: {:?}", step(o));
    };
    intent
}

#[test]
fn an_intent_names_the_other_versions_whose_requests_may_still_take_effect() {
    assert_eq!(recorded(&again()).earlier_secrets, versions([1]));
    let o = had_earlier(again(), [0, 2]);
    assert_eq!(recorded(&o).earlier_secrets, versions([1, 0]));
    let same = with(again(), |o| o.password = Password::Present { version: version(1) });
    assert_eq!(recorded(&same).earlier_secrets, []);
    let other_key = with(again(), |o| {
        let version = SecretVersion {
            key: "another".to_owned(),
            ..version(1)
        };
        o.password = Password::Present { version };
    });
    assert_eq!(recorded(&other_key).earlier_secrets, versions([1]));
    let over = with(again(), |o| {
        o.object.status.last_attempt.as_mut().expect("there is one").late_until = None;
    });
    assert_eq!(recorded(&over).earlier_secrets, []);
}

#[test]
fn what_was_never_sent_is_not_among_them() {
    let o = with(had_earlier(again(), [0]), |o| {
        o.object.status.last_attempt.as_mut().expect("there is one").id = "a0".to_owned();
        o.memory.attempt = o.object.intent.clone().map(|intent| AttemptMemory {
            intent,
            state: AttemptState::Unsent,
        });
    });
    assert_eq!(recorded(&o).earlier_secrets, versions([0]));
}

#[test]
fn the_cloud_may_repeat_what_the_status_and_the_intent_name() {
    let o = with(had_earlier(again(), [0]), |o| o.object.status.secret = Some(version(3)));
    assert_eq!(o.carried_secrets(), Some(versions([3, 1, 0])));
    assert_eq!(observation().carried_secrets(), Some(Vec::new()));
}

#[test]
fn a_full_list_may_have_lost_some() {
    let o = had_earlier(again(), 10..10 + EARLIER_SECRETS_MAX - 1);
    assert!(o.carried_secrets().is_some());
    let next = recorded(&o);
    assert_eq!(next.earlier_secrets.len(), EARLIER_SECRETS_MAX);
    let o = with(o, |o| {
        o.object.status.last_attempt.as_mut().expect("there is one").id = next.attempt.clone();
        o.object.intent = Some(next);
    });
    assert_eq!(o.carried_secrets(), None);
    assert_eq!(recorded(&o).earlier_secrets.len(), EARLIER_SECRETS_MAX);
}

#[test]
fn an_intent_names_the_first_generation_whose_request_may_still_take_effect() {
    let o = with(again(), |o| o.object.generation = 5);
    assert_eq!(recorded(&o).earliest_generation, 1);
    let over = with(o, |o| {
        o.object.status.last_attempt.as_mut().expect("there is one").late_until = None;
    });
    assert_eq!(recorded(&over).earliest_generation, 5);
}
