//! A create whose outcome nobody knows.

use jiff::SignedDuration;

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::cloud::ConfigureStatus;
use crate::reconcile::fold::Posted;
use crate::reconcile::plan::{
    AttemptOutcome, FailureKind, Grant, Intent, LastAttempt, Look, Observation, Provider, Rank, Rejection, RetryClass,
    SecretVersion, Step,
};

const SILENCE: FailureKind = FailureKind::UnknownOutcome {
    answered: false,
    delay: None,
};
const SERVER_ERROR: FailureKind = FailureKind::UnknownOutcome {
    answered: true,
    delay: None,
};

/// The intent `a1` was sent this long ago, and came to this.
fn posted(kind: FailureKind) -> Observation {
    sent(intent("a1"), kind)
}

fn sent(intent: Intent, kind: FailureKind) -> Observation {
    with(observation(), |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent.clone());
        o.note_posted(Posted {
            intent,
            begun: o.uptime,
            result: Err(failure(kind)),
        });
    })
}

/// The first list was read and showed nothing; the failure is in the status.
fn unsettled(kind: &FailureKind) -> Observation {
    let o = posted(kind.clone());
    if *kind == SILENCE {
        assert!(matches!(look(&o), Look::List { .. }), "the list is asked at once");
        return published(listing(o, &[]));
    }
    published(o)
}

#[test]
fn silence_is_settled_by_two_lists_after_the_deadline() {
    // Seconds after the request at which lists are read; whether they prove that it had no effect.
    for (lists, proven) in [
        (vec![10, 19], false),
        (vec![21], false),
        (vec![21, 50], false),
        (vec![10, 45], false),
        (vec![21, 51], true),
        (vec![21, 30, 52], true),
    ] {
        let mut o = unsettled(&SILENCE);
        let sent = o.uptime;
        for at in &lists {
            o = later(o.clone(), (sent + seconds(*at)).saturating_sub(o.uptime));
            o = listing(o, &[]);
        }
        let told = told(&o);
        assert_eq!(told.status.last_attempt.is_some(), proven, "{lists:?}");
        let late = told.status.last_attempt.and_then(|last| last.late_until);
        // Ten minutes after the request's deadline.
        assert_eq!(
            late.is_some_and(|late| late == now() + SignedDuration::from_secs(620)),
            proven
        );
    }
}

#[test]
fn silence_waits_for_the_deadline_and_then_for_the_gap() {
    let o = posted(SILENCE);
    let first = told(&listing(o.clone(), &[]));
    assert_eq!(
        (first.reason, first.wait),
        (Some(Reason::Recovering), Some(seconds(20)))
    );
    assert_eq!(first.status.retry.map(|retry| retry.class), Some(RetryClass::Transient));
    let o = later(published(listing(o, &[])), seconds(20));
    assert!(matches!(look(&o), Look::List { .. }));
    assert_eq!(told(&listing(o, &[])).wait, Some(seconds(30)));
}

#[test]
fn an_answered_error_is_tried_again_after_the_backoff_and_one_fresh_list() {
    let o = unsettled(&SERVER_ERROR);
    let wait = told(&later(o.clone(), seconds(0))).wait;
    assert!(wait.is_some_and(|wait| wait <= seconds(1)), "{wait:?}");
    let o = later(o, seconds(1));
    assert!(matches!(look(&o), Look::List { since, .. } if since == o.uptime));
    let told = told(&listing(o, &[]));
    let last = told.status.last_attempt.expect("settled");
    assert_eq!(last.outcome, AttemptOutcome::Absent);
    // An effect shows in the list as late as the list lags: two minutes after the answer.
    assert_eq!(last.late_until, Some(now() + SignedDuration::from_secs(120)));
}

#[test]
fn an_edit_of_the_spec_ends_the_backoff() {
    let o = later(with(unsettled(&SERVER_ERROR), |o| o.object.generation += 1), seconds(0));
    assert!(matches!(look(&o), Look::List { .. }));
    let settled = published(listing(o, &[]));
    assert_eq!(
        look(&settled),
        Look::Lane(Rank::Create),
        "nor does its verdict revive it"
    );
}

#[test]
fn what_the_list_shows_of_ours_is_taken() {
    for kind in [SILENCE, SERVER_ERROR] {
        let o = listing(later(unsettled(&kind), seconds(60)), &[ours("found")]);
        let told = told(&o);
        let last = told.status.last_attempt.expect("closed");
        assert_eq!(told.status.id.as_deref(), Some("found"));
        assert_eq!((last.outcome, last.late_until), (AttemptOutcome::Recovered, None));
        assert_eq!(
            (told.reason, told.notes[0].reason),
            (Some(Reason::Available), "Recovered")
        );
    }
}

#[test]
fn what_may_be_the_effect_of_an_earlier_request_leaves_this_one_late() {
    let o = with(posted(SILENCE), |o| {
        o.object.status.last_attempt = Some(LastAttempt {
            name: None,
            type_: None,
            id: "a0".to_owned(),
            outcome: AttemptOutcome::Absent,
            late_until: Some(now() + SignedDuration::from_secs(60)),
        });
    });
    let last = told(&listing(o, &[ours("found")])).status.last_attempt.expect("closed");
    assert_eq!(last.late_until, Some(now() + SignedDuration::from_secs(620)));
}

#[test]
fn a_window_for_late_effects_is_never_shortened() {
    let far = now() + SignedDuration::from_hours(1);
    let o = with(later(unsettled(&SERVER_ERROR), seconds(1)), |o| {
        o.object.status.last_attempt = Some(LastAttempt {
            name: None,
            type_: None,
            id: "a0".to_owned(),
            outcome: AttemptOutcome::Absent,
            late_until: Some(far),
        });
    });
    let last = told(&listing(o, &[])).status.last_attempt;
    assert_eq!(last.and_then(|last| last.late_until), Some(far));
}

#[test]
fn a_restarted_process_counts_from_its_first_sight_and_adds_the_lease_of_another() {
    for (holder, settled_after) in [("operator-0", 20), ("operator-1", 65)] {
        let intent = Intent {
            holder: holder.to_owned(),
            ..intent("a1")
        };
        let mut o = with(observation(), |o| {
            o.object.finalizer = true;
            o.object.intent = Some(intent);
        });
        o.recall(o.memory.clone());
        assert!(matches!(look(&o), Look::List { .. }), "the first list is read at once");
        assert_eq!(told(&listing(o, &[])).wait, Some(seconds(settled_after)), "{holder}");
    }
}

#[test]
fn without_the_marker_a_match_is_ambiguous() {
    let o = with(later(unsettled(&SILENCE), seconds(60)), |o| {
        if let Provider::Ready { marker, .. } = &mut o.provider {
            *marker = false;
        }
    });
    let told = told(&listing(o, &[foreign("whose")]));
    assert_eq!((told.reason, told.status.id), (Some(Reason::Ambiguous), None));
}

#[test]
fn a_restart_that_may_have_been_granted_is_spent_and_told() {
    let asked = Intent {
        reboot: true,
        ..intent("a1")
    };
    let o = later(published(sent(asked, SERVER_ERROR)), seconds(1));
    let told = told(&listing(o, &[]));
    assert_eq!(told.status.reboot_generation, Some(1));
    assert_eq!(told.notes[0].reason, "RestartNotRepeated");
}

#[test]
fn a_refusal_because_the_name_exists_is_checked_with_the_list() {
    let o = posted(FailureKind::Rejected {
        reason: Rejection::Exists,
    });
    assert!(matches!(look(&o), Look::List { .. }));
    let refused = told(&listing(o.clone(), &[foreign("theirs")]));
    let last = refused.status.last_attempt.expect("closed");
    assert_eq!(
        (refused.reason, last.outcome),
        (Some(Reason::AlreadyExists), AttemptOutcome::Rejected)
    );
    let found = told(&listing(o, &[ours("found")]));
    assert_eq!(
        (found.reason, found.status.id.as_deref()),
        (Some(Reason::Available), Some("found"))
    );
}

#[test]
fn a_list_that_cannot_be_read_now_is_no_endless_question() {
    for kind in [
        SILENCE,
        FailureKind::Rejected {
            reason: Rejection::Exists,
        },
    ] {
        let o = with(posted(kind), |o| {
            o.provider = Provider::Absent {
                name: "DwsProvider/default".to_owned(),
            };
        });
        assert!(told(&o).wait.is_some());
    }
}

#[test]
fn what_the_lease_did_not_cover_was_not_sent() {
    let o = posted(FailureKind::Fenced);
    let fenced = told(&o);
    assert_eq!((fenced.wait, fenced.keeps_lane), (Some(seconds(10)), true));
    let o = later(published(o), seconds(10));
    let o = listing(in_lane(o, crate::reconcile::plan::Rank::Create), &[]);
    assert!(matches!(step(&o), Step::Post { intent, .. } if intent.attempt == "a1"));
}

/// What was recorded with the request tells what it was made from, not what the object says now.
#[test]
fn what_is_found_keeps_the_generation_and_the_secret_of_its_request() {
    let secret = SecretVersion {
        uid: "s".to_owned(),
        resource_version: "1".to_owned(),
        key: "password".to_owned(),
        hmac: None,
    };
    let request = Intent {
        secret: Some(secret.clone()),
        ..intent("a1")
    };
    let o = with(sent(request, SILENCE), |o| o.object.generation = 2);
    let creating = in_state(ours("found"), ConfigureStatus::Creating);
    let told = told(&listing(o, &[creating]));
    let operation = told.status.operation.expect("it is going on");
    assert_eq!((told.reason, operation.generation), (Some(Reason::Creating), 1));
    assert_eq!(told.status.secret, Some(secret));
}

/// The list lags behind an earlier request of the object's own, which nobody answered.
#[test]
fn ones_own_name_is_not_somebody_elses() {
    let exists = FailureKind::Rejected {
        reason: Rejection::Exists,
    };
    let lost = |o| {
        with(o, |o: &mut Observation| {
            o.object.status.last_attempt = Some(LastAttempt {
                name: None,
                type_: None,
                id: "a0".to_owned(),
                outcome: AttemptOutcome::Absent,
                late_until: Some(o.now + SignedDuration::from_mins(10)),
            });
        })
    };
    let o = lost(posted(exists.clone()));
    assert!(matches!(look(&o), Look::List { .. }));
    let told_of = told(&listing(o.clone(), &[]));
    assert_eq!(told_of.reason, Some(Reason::Recovering));
    assert_eq!(
        told_of.status.retry.map(|retry| retry.class),
        Some(RetryClass::Transient)
    );
    assert!(told_of.wait.is_some_and(|wait| wait <= seconds(30)));
    assert_eq!(
        told(&listing(o.clone(), &[foreign("theirs")])).reason,
        Some(Reason::AlreadyExists)
    );
    // The lists go on, the requests do not; the first list that shows whose it is tells.
    let o = later(published(listing(o, &[])), seconds(30));
    assert!(matches!(look(&o), Look::List { .. }));
    assert_eq!(told(&listing(o.clone(), &[])).reason, Some(Reason::Recovering));
    let seen = listing(o, &[foreign("theirs")]);
    assert_eq!(told(&seen).reason, Some(Reason::AlreadyExists));
    let lent = with(seen, |o| {
        if let Provider::Ready { grant, .. } = &mut o.provider {
            *grant = Grant::Unasked;
        }
    });
    assert_eq!(told(&lent).reason, Some(Reason::AlreadyExists), "whoever may create");
    assert_eq!(told(&listing(posted(exists), &[])).reason, Some(Reason::AlreadyExists));
}

#[test]
fn what_somebody_deletes_already_is_not_available() {
    let leaving = in_state(ours("found"), ConfigureStatus::Deleting);
    let told = told(&listing(posted(SILENCE), &[leaving]));
    assert_eq!(
        (told.status.id.as_deref(), told.reason),
        (Some("found"), Some(Reason::Recovering))
    );
}

/// An edit since the request is an edit, also where the list is silent about its field and whoever sent the request is dead.
#[test]
fn what_is_found_is_compared_with_what_was_asked_for() {
    let silent = crate::reconcile::plan::Item {
        user_name: None,
        connect_info: None,
        ..ours("found")
    };
    let found = with(observation(), |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        o.object.generation = 2;
        o.object.spec.connect_info = Some("another".to_owned());
    });
    let adopted = told(&listing(
        later(found.clone(), seconds(600)),
        std::slice::from_ref(&silent),
    ));
    assert_eq!(adopted.status.id.as_deref(), Some("found"));
    assert_eq!(
        adopted.reason,
        Some(Reason::Drifted),
        "nobody asked for the edit to be carried out"
    );
    // So it is with one that was given up and shows late.
    let late = with(found, |o| {
        o.object.status.last_attempt = Some(LastAttempt {
            id: "a1".to_owned(),
            outcome: AttemptOutcome::Absent,
            name: None,
            type_: None,
            late_until: Some(o.now + jiff::SignedDuration::from_mins(10)),
        });
        o.memory.attempt = None;
    });
    let adopted = told(&listing(late, &[silent]));
    assert_eq!(
        (adopted.status.id.as_deref(), adopted.reason),
        (Some("found"), Some(Reason::Drifted))
    );
}
