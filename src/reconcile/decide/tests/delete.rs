//! The object is being deleted.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::api::data_source::DeletionPolicy;
use crate::cloud::ConfigureStatus;
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{
    AttemptOutcome, FailureKind, Grant, Item, JobState, Look, Observation, Plan, Provider, Rank, Rejection, RetryWait,
    Step,
};

fn absent_provider(o: Observation) -> Observation {
    with(o, |o| {
        o.provider = Provider::Absent {
            name: "DwsProvider/default".to_owned(),
        };
    })
}

/// DELETE of `id` came to this.
fn answered(o: Observation, result: Result<Option<String>, FailureKind>) -> Observation {
    with(o, |o| o.note_deleted("id".to_owned(), result.map_err(failure)))
}

fn lets_go(o: &Observation) -> bool {
    matches!(decide(o), Plan::Act(Step::DropFinalizer { .. }))
}

#[test]
fn what_was_never_created_goes_without_provider_secret_or_cloud() {
    // Refused once: an intent that is closed.
    let o = with(deleting(absent_provider(creating())), |o| {
        o.object.status.id = None;
        o.object.status.operation = None;
        o.object.status.last_attempt.as_mut().expect("there is one").outcome = AttemptOutcome::Rejected;
    });
    assert_eq!(step(&o), Step::DropFinalizer { note: None });
}

/// Somebody took the id out of the status: what the attempt created is looked for before the object goes.
#[test]
fn an_id_that_was_taken_away_is_looked_for() {
    let robbed = |o| {
        with(deleting(o), |o: &mut Observation| {
            o.object.status.id = None;
            o.object.spec.data_source_name = "renamed".to_owned();
        })
    };
    for o in [robbed(ready()), robbed(creating())] {
        assert!(matches!(look(&o), Look::List { at, .. } if at == coordinates()));
        let found = told(&listing(o.clone(), &[ours("id")]));
        assert_eq!((found.status.id.as_deref(), found.wait), (Some("id"), None));
        let outage = FailureKind::RetryAfter {
            wait: RetryWait::Transient,
            delay: None,
        };
        assert!(!lets_go(&unlisted(o.clone(), outage)), "it can be asked later");
        assert!(lets_go(&absent_provider(o.clone())), "nobody can ask");
        let mut o = listing(o, &[]);
        assert_eq!(told(&o).reason, Some(Reason::Deleting), "the list may lag");
        while !lets_go(&o) {
            let wait = told(&o).wait.expect("it waits");
            assert!(wait >= seconds(1), "not in circles: {wait:?}");
            o = listing(later(o, wait), &[]);
        }
    }
    let unmarked = with(robbed(ready()), |o| {
        if let Provider::Ready { marker, .. } = &mut o.provider {
            *marker = false;
        }
    });
    assert_eq!(
        told(&listing(unmarked, &[foreign("theirs")])).reason,
        Some(Reason::Ambiguous)
    );
}

/// What is gone for certain is not looked for again.
#[test]
fn what_was_gone_before_needs_no_look() {
    let mut o = listing(later(ready(), seconds(3600)), &[]);
    while told(&o).status.id.is_some() {
        let wait = told(&o).wait.expect("it waits");
        o = listing(later(o, wait), &[]);
    }
    let o = with(deleting(later(published(o), seconds(1))), |o| o.memory.attempt = None);
    assert_eq!(step(&o), Step::DropFinalizer { note: None });
}

#[test]
fn an_intent_that_was_not_sent_is_nothing() {
    let mut o = with(deleting(observation()), |o| o.object.intent = Some(intent("a1")));
    o.note_intent(intent("a1"));
    assert_eq!(step(&o), Step::DropFinalizer { note: None });
}

#[test]
fn foreign_finalizers_are_waited_for() {
    let o = with(deleting(ready()), |o| o.object.foreign_finalizer = true);
    assert_eq!(told(&o).reason, Some(Reason::Deleting));
}

#[test]
fn what_is_retained_is_named() {
    let retained = |o| {
        with(deleting(o), |o| {
            o.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
        })
    };
    let note = |o: &Observation| match step(o) {
        Step::DropFinalizer { note } => note.map(|note| note.text),
        other => panic!("{other:?}"),
    };
    assert!(note(&retained(ready())).expect("told").contains("id"));
    let mut o = retained(with(observation(), |o| o.object.intent = Some(intent("a1"))));
    o.recall(o.memory.clone());
    assert!(note(&o).expect("told").contains("lake_0"));
    assert_eq!(note(&retained(observation())), None);
}

#[test]
fn an_open_intent_is_settled_first() {
    let mut o = with(deleting(observation()), |o| o.object.intent = Some(intent("a1")));
    o.recall(o.memory.clone());
    assert!(matches!(look(&o), Look::List { .. }));
    let found = told(&with(listing(o.clone(), &[ours("found")]), |_| {}));
    assert_eq!(
        (found.status.id.as_deref(), found.reason, found.wait),
        (Some("found"), Some(Reason::Deleting), None)
    );
    let o = listing(later(listing(o, &[]), seconds(20)), &[]);
    let o = published(listing(later(o, seconds(30)), &[]));
    let held = told(&o);
    assert_eq!(
        (held.reason, held.wait),
        (Some(Reason::Deleting), Some(seconds(30))),
        "late effects hold the finalizer"
    );
}

#[test]
fn a_running_create_is_waited_for_up_to_its_deadline() {
    let o = in_lane(job(deleting(creating()), JobState::Running), Rank::Resume);
    assert_eq!((told(&o).reason, told(&o).keeps_lane), (Some(Reason::Deleting), true));
    let o = later(deleting(creating()), seconds(3600));
    assert!(matches!(look(&o), Look::List { .. }));
}

#[test]
fn only_what_is_listed_and_ours_is_deleted() {
    let unmarked = |id| Item {
        description: None,
        ..ours(id)
    };
    let leaving = in_state(ours("id"), ConfigureStatus::Deleting);
    for (items, deleted) in [
        (vec![ours("id")], Some("id")),
        (vec![ours("id"), ours("surplus")], Some("id")),
        (vec![ours("surplus")], Some("surplus")),
        (vec![leaving], None),
        (vec![unmarked("id")], None),
        (vec![unmarked("other")], None),
        (vec![], None),
    ] {
        let o = in_lane(listing(deleting(ready()), &items), Rank::Delete);
        let sent = match decide(&o) {
            Plan::Act(Step::Delete { id, .. }) => Some(id),
            _ => None,
        };
        assert_eq!(sent.as_deref(), deleted, "{items:?}");
        assert!(!lets_go(&o), "one list lets nothing go");
    }
}

#[test]
fn without_the_marker_the_recorded_id_under_its_name_and_type_is_deleted() {
    let unmarked = |id: &str, name: &str| Item {
        name: name.to_owned(),
        description: None,
        ..ours(id)
    };
    for (item, is_deleted) in [
        (unmarked("id", "lake_0"), true),
        (unmarked("id", "other"), false),
        (unmarked("other", "lake_0"), false),
    ] {
        let o = with(deleting(ready()), |o| {
            if let Provider::Ready { marker, .. } = &mut o.provider {
                *marker = false;
            }
        });
        let o = in_lane(listing(o, std::slice::from_ref(&item)), Rank::Delete);
        assert_eq!(
            matches!(decide(&o), Plan::Act(Step::Delete { .. })),
            is_deleted,
            "{item:?}"
        );
    }
}

#[test]
fn a_recorded_one_that_lost_its_marker_is_neither_deleted_nor_forgotten() {
    let unmarked = Item {
        description: None,
        ..ours("id")
    };
    let mut o = deleting(ready());
    for _ in 0..3 {
        o = listing(later(o, seconds(600)), std::slice::from_ref(&unmarked));
        assert_eq!(told(&o).reason, Some(Reason::Ambiguous));
    }
}

#[test]
fn each_refusal_of_the_delete_has_its_verdict() {
    let rejected = |reason| FailureKind::Rejected { reason };
    let again = |wait| FailureKind::RetryAfter { wait, delay: None };
    for (kind, reason) in [
        (rejected(Rejection::Invalid), Reason::DeleteFailed),
        (rejected(Rejection::Denied), Reason::AccessDenied),
        (again(RetryWait::Busy), Reason::Retrying),
        (
            FailureKind::UnknownOutcome {
                answered: true,
                delay: None,
            },
            Reason::Retrying,
        ),
        (
            FailureKind::UnknownOutcome {
                answered: false,
                delay: None,
            },
            Reason::Recovering,
        ),
        (FailureKind::CredentialsRejected, Reason::CredentialsRejected),
    ] {
        let o = answered(deleting(ready()), Err(kind));
        let told_of = told(&o);
        assert_eq!(
            (told_of.reason, told_of.status.id.as_deref()),
            (Some(reason), Some("id"))
        );
        let wait = told_of.wait.expect("it waits");
        let next = told_of.status.retry.as_ref().expect("retried").next_retry_time;
        let o = published(o);
        assert!(!lets_go(&later(o.clone(), wait)));
        let due = std::time::Duration::try_from(next - o.now).expect("to come");
        assert!(
            matches!(look(&later(o, due)), Look::List { .. }),
            "tried again in its time"
        );
    }
}

#[test]
fn a_delete_job_that_fails_is_told_and_tried_again_later() {
    let o = published(answered(deleting(ready()), Ok(Some("job".to_owned()))));
    let o = job(later(o, seconds(8)), JobState::Failed);
    let failed = told(&o);
    assert_eq!((failed.reason, failed.keeps_lane), (Some(Reason::DeleteFailed), false));
    let o = published(o);
    assert!(told(&later(o.clone(), seconds(60))).wait.is_some());
    let o = in_lane(listing(later(o, seconds(900)), &[ours("id")]), Rank::Delete);
    assert!(matches!(step(&o), Step::Delete { .. }));
}

#[test]
fn a_provider_that_leads_elsewhere_is_not_asked() {
    let o = with(deleting(ready()), |o| {
        if let Provider::Ready { coordinates, .. } = &mut o.provider {
            coordinates.project_id = "another".to_owned();
        }
    });
    assert_eq!(told(&o).reason, Some(Reason::ProviderMismatch));
    let absent = told(&absent_provider(deleting(ready())));
    assert_eq!(absent.reason, Some(Reason::WaitingForProvider));
}

#[test]
fn a_withdrawn_grant_does_not_matter() {
    let o = with(deleting(ready()), |o| {
        o.note_grant(Grant::Refused("no longer lent".to_owned()));
    });
    assert!(matches!(look(&o), Look::List { .. }));
}
