//! The way to the one POST, and what may stand in it.

use super::builder::*;
use super::tell::{look, step, told};
use crate::api::{Reason, names};
use crate::cloud::ConfigureStatus;
use crate::reconcile::plan::{
    AttemptMemory, AttemptState, FailureKind, Grant, LanePlace, Look, Memory, Observation, Password, Provider, Rank,
    Rejection, RetryClass, RetryWait, SecretVersion, Step,
};

/// In the lane, with a list that shows nothing.
fn prepared() -> Observation {
    listing(in_lane(observation(), Rank::Create), &[])
}

#[test]
fn lane_then_fresh_list_then_intent_then_post() {
    let o = observation();
    assert_eq!(look(&o), Look::Lane(Rank::Create));
    let o = in_lane(o, Rank::Create);
    let Look::List { since, at, type_ } = look(&o) else {
        panic!("no list");
    };
    assert_eq!((since, at, type_), (o.uptime, coordinates(), o.object.spec.type_));
    let mut o = listing(o, &[]);
    let Step::RecordIntent(intent) = step(&o) else {
        panic!("no intent");
    };
    assert_eq!(
        (intent.attempt.as_str(), intent.holder.as_str()),
        ("fresh", "operator-0")
    );
    o.note_intent(intent.clone());
    o.object.intent = Some(intent.clone());
    o.object.finalizer = true;
    o.fresh_attempt = "another".to_owned();
    let Step::Post {
        request, intent: sent, ..
    } = step(&o)
    else {
        panic!("no POST");
    };
    assert_eq!(sent, intent);
    assert_eq!(request.description, Some(names::marker(UID)));
    assert!(!request.reboot);
}

#[test]
fn a_list_from_before_the_lane_proves_nothing() {
    let o = listing(observation(), &[]);
    let o = with(o, |o| {
        o.uptime += seconds(1);
        o.lane = Some(LanePlace::Held {
            since: o.uptime,
            rank: Rank::Create,
        });
    });
    assert!(matches!(look(&o), Look::List { since, .. } if since == o.uptime));
}

#[test]
fn a_lane_held_for_what_was_under_way_is_asked_for_again() {
    for rank in [Rank::Resume, Rank::Delete] {
        assert_eq!(look(&in_lane(observation(), rank)), Look::Lane(Rank::Create));
    }
}

#[test]
fn whoever_waits_for_the_lane_keeps_the_place() {
    let told = told(&with(observation(), |o| o.lane = Some(LanePlace::Waiting)));
    assert_eq!((told.reason, told.keeps_lane), (Some(Reason::Creating), true));
}

#[test]
fn the_provider_stands_in_the_way() {
    let name = || "DwsProvider/default".to_owned();
    let not_ready = |secret| Provider::NotReady {
        name: name(),
        message: "no".to_owned(),
        secret,
    };
    for (provider, reason, wait) in [
        (Provider::Absent { name: name() }, Reason::WaitingForProvider, 30),
        (not_ready(false), Reason::WaitingForProvider, 30),
        (not_ready(true), Reason::WaitingForSecret, 30),
    ] {
        let told = told(&with(observation(), |o| o.provider = provider));
        assert_eq!((told.reason, told.wait), (Some(reason), Some(seconds(wait))));
    }
    let rejected = |reason| FailureKind::Rejected { reason };
    for (kind, reason) in [
        (FailureKind::CredentialsRejected, Reason::CredentialsRejected),
        (rejected(Rejection::Denied), Reason::AccessDenied),
        (rejected(Rejection::Invalid), Reason::WaitingForProvider),
        (
            FailureKind::RetryAfter {
                wait: RetryWait::Transient,
                delay: None,
            },
            Reason::WaitingForProvider,
        ),
    ] {
        let told = told(&with(observation(), |o| {
            o.provider = Provider::Unreached {
                name: name(),
                failure: failure(kind),
            };
        }));
        assert_eq!((told.reason, told.wait), (Some(reason), Some(seconds(30))));
    }
    let told = told(&with(observation(), |o| {
        o.note_grant(Grant::Refused("not lent to this namespace".to_owned()));
    }));
    assert_eq!(
        (told.reason, told.wait),
        (Some(Reason::AccessDenied), Some(seconds(600)))
    );
}

#[test]
fn the_grant_is_asked_for_before_a_create_and_not_otherwise() {
    let unasked = |o| with(o, |o: &mut Observation| o.note_grant(Grant::Unasked));
    assert_eq!(look(&unasked(observation())), Look::Grant);
    for o in [later(ready(), seconds(3600)), deleting(ready())] {
        assert!(matches!(look(&unasked(o)), Look::List { .. }));
    }
    let told = told(&with(observation(), |o| {
        o.note_grant(Grant::Unreadable("the labels cannot be read".to_owned()));
    }));
    assert_eq!(
        (told.reason, told.wait),
        (Some(Reason::WaitingForProvider), Some(seconds(30)))
    );
}

#[test]
fn the_password_stands_in_the_way() {
    let version = || SecretVersion {
        uid: "s".to_owned(),
        resource_version: "1".to_owned(),
        key: "password".to_owned(),
        hmac: None,
    };
    let mrs = |password| {
        with(observation(), |o| {
            o.object.spec.user_pwd = Some(user_pwd());
            o.password = password;
        })
    };
    assert_eq!(look(&mrs(Password::Unknown)), Look::Password);
    let message = || "no".to_owned();
    for (password, reason) in [
        (Password::Absent, Reason::WaitingForSecret),
        (
            Password::Invalid {
                version: version(),
                message: message(),
            },
            Reason::InvalidSpec,
        ),
        (Password::Unreadable { message: message() }, Reason::Retrying),
    ] {
        let told = told(&mrs(password));
        assert_eq!((told.reason, told.wait), (Some(reason), Some(seconds(30))));
    }
    let o = listing(
        in_lane(mrs(Password::Present { version: version() }), Rank::Create),
        &[],
    );
    let mut o = with(o, |o| o.object.finalizer = true);
    let Step::RecordIntent(intent) = step(&o) else {
        panic!("no intent");
    };
    o.note_intent(intent.clone());
    o.object.intent = Some(intent);
    assert!(matches!(step(&o), Step::Post { intent, .. } if intent.secret == Some(version())));
}

#[test]
fn somebody_elses_data_source_is_left_alone_and_not_written_of_twice() {
    let o = listing(in_lane(observation(), Rank::Create), &[foreign("theirs")]);
    let first = told(&o);
    assert_eq!(
        (first.reason, first.wait),
        (Some(Reason::AlreadyExists), Some(seconds(600)))
    );
    assert!(first.firm && !first.keeps_lane && first.status.retry.is_none());
    let o = with(o, |o| o.object.status = first.status);
    assert_eq!(told(&o).status, o.object.status);
}

#[test]
fn no_event_shortens_the_wait_for_somebody_elses_data_source() {
    let mut o = listing(in_lane(observation(), Rank::Create), &[foreign("theirs")]);
    o.object.status = told(&o).status;
    o.note_wait(seconds(600), true);
    let o = later(o, seconds(60));
    assert_eq!(told(&o).wait, Some(seconds(540)));
    let edited = with(o.clone(), |o| o.object.generation += 1);
    assert_eq!(look(&edited), Look::Lane(Rank::Create));
    assert_eq!(look(&later(o, seconds(541))), Look::Lane(Rank::Create));
}

#[test]
fn what_is_leaving_is_waited_for() {
    for item in [ours("ours"), foreign("theirs")] {
        let leaving = in_state(item, ConfigureStatus::Deleting);
        let told = told(&listing(in_lane(observation(), Rank::Create), &[leaving]));
        assert_eq!((told.reason, told.wait), (Some(Reason::Creating), Some(seconds(30))));
    }
}

#[test]
fn one_of_ours_is_taken_and_the_finalizer_comes_first() {
    let o = listing(in_lane(observation(), Rank::Create), &[ours("found")]);
    assert_eq!(step(&o), Step::PutFinalizer);
    let told = told(&with(o, |o| o.object.finalizer = true));
    assert_eq!(told.status.id.as_deref(), Some("found"));
    assert_eq!(
        (told.reason, told.notes[0].reason),
        (Some(Reason::Available), "Recovered")
    );
}

#[test]
fn an_intent_that_was_not_sent_and_no_longer_fits_is_written_over() {
    let unsent = with(prepared(), |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        o.memory.attempt = Some(AttemptMemory {
            intent: intent("a1"),
            state: AttemptState::Unsent,
        });
    });
    assert!(matches!(step(&unsent), Step::Post { intent, .. } if intent.attempt == "a1"));
    let renamed = with(unsent, |o| o.object.spec.data_source_name = "other".to_owned());
    assert!(
        matches!(step(&renamed), Step::RecordIntent(intent) if intent.attempt == "fresh" && intent.name == "other")
    );
}

#[test]
fn a_restart_is_asked_for_until_one_was_spent() {
    for (wanted, spent, asked) in [
        (None, None, false),
        (Some(true), None, true),
        (Some(true), Some(1), false),
    ] {
        let o = with(prepared(), |o| {
            o.object.spec.reboot = wanted;
            o.object.status.reboot_generation = spent;
        });
        assert!(matches!(step(&o), Step::RecordIntent(intent) if intent.reboot == asked));
    }
}

#[test]
fn a_list_that_fails_is_a_try_of_its_secret() {
    let version = SecretVersion {
        uid: "s".to_owned(),
        resource_version: "2".to_owned(),
        key: "password".to_owned(),
        hmac: None,
    };
    let o = with(observation(), |o| {
        o.object.spec.user_pwd = Some(user_pwd());
        o.password = Password::Present {
            version: version.clone(),
        };
    });
    let kind = FailureKind::RetryAfter {
        wait: RetryWait::Transient,
        delay: None,
    };
    let told = told(&unlisted(in_lane(o, Rank::Create), kind));
    assert_eq!(told.status.secret, Some(version));
    assert_eq!(told.status.retry.map(|retry| retry.class), Some(RetryClass::Transient));
}

#[test]
fn a_process_without_memory_decides_the_same() {
    let o = with(prepared(), |o| o.memory = Memory::default());
    assert!(matches!(step(&o), Step::RecordIntent(_)));
}
