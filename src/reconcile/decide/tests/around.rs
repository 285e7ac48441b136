//! What is set around an object: policies, a deletion by force, the definition, and other installs.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::api::data_source::DeletionPolicy::{self, Delete, Retain};
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{
    AttemptOutcome, ClaimerView, DefinitionView, LastAttempt, Look, NamespaceView, Note, Observation, Plan, PolicyWord,
    Rank, Step,
};

pub fn paused(o: Observation) -> Observation {
    with(o, |o| o.object.annotations.paused = true)
}

fn forced(o: Observation, reason: &str) -> Observation {
    with(o, |o| o.object.annotations.force_delete = Some(reason.to_owned()))
}

/// A create of this object whose outcome nobody knows, as a new process finds it.
pub fn open() -> Observation {
    with(observation(), |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        o.recall(o.memory.clone());
    })
}

/// One that was settled as absent, and may still show an effect.
fn late() -> Observation {
    with(open(), |o| {
        o.object.status.last_attempt = Some(LastAttempt {
            name: None,
            type_: None,
            id: "a1".to_owned(),
            outcome: AttemptOutcome::Absent,
            late_until: Some(o.now + jiff::SignedDuration::from_mins(5)),
        });
    })
}

/// What is told when the object is let go.
pub fn note(o: &Observation) -> Note {
    match step(o) {
        Step::DropFinalizer { note: Some(note) } => note,
        other => panic!("{other:?}"),
    }
}

fn policies(object: Option<DeletionPolicy>, namespace: Option<PolicyWord>, operator: DeletionPolicy) -> Observation {
    with(deleting(ready()), |o| {
        o.object.spec.deletion_policy = object;
        o.around.namespace = super::builder::namespace(false, namespace);
        o.around.operator.deletion_policy = operator;
    })
}

#[test]
fn the_first_level_that_says_something_counts() {
    let known = |word| Some(PolicyWord::Known(word));
    for (object, namespace, operator, stays, whose) in [
        (None, None, Delete, false, "the operator's --deletion-policy=Delete"),
        (None, None, Retain, true, "the operator's --deletion-policy=Retain"),
        (
            None,
            known(Retain),
            Delete,
            true,
            "deletion-policy: Retain of Namespace team",
        ),
        (
            None,
            known(Delete),
            Retain,
            false,
            "deletion-policy: Delete of Namespace team",
        ),
        (
            Some(Delete),
            known(Retain),
            Retain,
            false,
            "as deletionPolicy Delete asks",
        ),
        (
            Some(Retain),
            known(Delete),
            Delete,
            true,
            "as deletionPolicy Retain asks",
        ),
    ] {
        let o = policies(object, namespace, operator);
        let text = if stays {
            note(&o).text
        } else {
            let o = in_lane(listing(o, &[ours("id")]), Rank::Delete);
            assert!(matches!(step(&o), Step::Delete { .. }));
            let o = with(o, |o| o.note_deleted("id".to_owned(), Ok(Some("job".to_owned()))));
            told(&o).status.conditions[0].message.clone()
        };
        assert!(text.contains(whose), "{whose}: {text}");
    }
}

#[test]
fn a_policy_that_cannot_be_read_is_never_guessed() {
    let word = PolicyWord::Unknown("keep".to_owned());
    for (view, reason, words) in [
        (
            super::builder::namespace(false, Some(word)),
            Reason::InvalidSpec,
            "\"keep\"",
        ),
        (
            NamespaceView::Forbidden("no".to_owned()),
            Reason::AccessDenied,
            "deploy/rbac",
        ),
        (
            NamespaceView::Unreadable("not now".to_owned()),
            Reason::Deleting,
            "not now",
        ),
    ] {
        let around = |o| with(o, |o: &mut Observation| o.around.namespace = view.clone());
        for o in [deleting(ready()), deleting(creating()), deleting(open())] {
            let told = told(&around(o));
            assert_eq!(told.reason, Some(reason));
            assert!(told.status.conditions[0].message.contains(words));
            let wait = if reason == Reason::Deleting { 30 } else { 600 };
            assert_eq!(told.wait, Some(seconds(wait)));
        }
        // Where nothing can be in the cloud it makes no difference.
        assert_eq!(step(&around(rejected())), Step::DropFinalizer { note: None });
        let own = with(around(deleting(ready())), |o| {
            o.object.spec.deletion_policy = Some(Retain);
        });
        assert_eq!(note(&own).reason, "Retained");
    }
}

/// An object that is being deleted and whose only attempt was refused.
pub fn rejected() -> Observation {
    with(deleting(open()), |o| {
        o.object.status.last_attempt = Some(LastAttempt {
            name: None,
            type_: None,
            id: "a1".to_owned(),
            outcome: AttemptOutcome::Rejected,
            late_until: None,
        });
        o.recall(o.memory.clone());
    })
}

#[test]
fn a_deletion_by_force_names_what_it_leaves_and_sends_nothing() {
    type Case = (fn() -> Observation, [&'static str; 2]);
    let cases: [Case; 5] = [
        (
            ready,
            [
                "data source id (lake_0)",
                "cluster-0 at https://dws.example, project project",
            ],
        ),
        (creating, ["data source id (lake_0)", "cluster-0"]),
        (open, ["create attempt a1", "lake_0 in DWS cluster cluster-0"]),
        (late, ["create attempt a1", "lake_0 in DWS cluster cluster-0"]),
        (
            rejected,
            ["Nothing of it is known to be in the cloud", "nothing was sent"],
        ),
    ];
    for (make, words) in cases {
        let o = make();
        for o in [deleting(o.clone()), paused(deleting(o))] {
            let o = forced(with(o, |o| o.object.foreign_finalizer = true), "no way out");
            assert!(!o.needs_way());
            let told = note(&o);
            assert_eq!((told.warning, told.reason), (true, "ForceDeleted"));
            assert!(words.iter().all(|word| told.text.contains(word)), "{}", told.text);
            assert!(told.text.ends_with("Reason given: no way out"));
        }
    }
}

#[test]
fn without_a_reason_it_only_tells_and_without_a_deletion_not_even_that() {
    let o = forced(deleting(ready()), "");
    let hint = told(&o);
    assert_eq!((hint.notes[0].reason, hint.wait), ("ForceDeleteIgnored", None));
    assert!(
        matches!(look(&published(o)), Look::List { .. }),
        "once, then it goes on"
    );
    let o = forced(later(ready(), seconds(60)), "too early");
    assert_eq!(told(&o).status, o.object.status);
}

#[test]
fn whoever_deletes_the_definition_deletes_no_data_source() {
    let definition = |o, view: &DefinitionView| with(o, |o: &mut Observation| o.around.definition = view.clone());
    for o in [deleting(ready()), deleting(creating()), deleting(open())] {
        assert_eq!(look(&definition(o.clone(), &DefinitionView::Unasked)), Look::Definition);
        let waiting = told(&definition(
            o.clone(),
            &DefinitionView::Unreadable("not now".to_owned()),
        ));
        assert_eq!(
            (waiting.reason, waiting.wait),
            (Some(Reason::Deleting), Some(seconds(30)))
        );
        let told = note(&definition(paused(o), &DefinitionView::Leaving));
        assert_eq!((told.warning, told.reason), (true, "DefinitionRemoved"));
        assert!(told.text.contains("lake_0"), "{}", told.text);
    }
    let nothing = definition(rejected(), &DefinitionView::Unasked);
    assert_eq!(step(&nothing), Step::DropFinalizer { note: None }, "nobody has to ask");
    assert!(
        matches!(decide(&definition(ready(), &DefinitionView::Leaving)), Plan::Report(_)),
        "it is not deleted"
    );
}

#[test]
fn what_another_install_claims_is_left_alone_until_that_has_ended() {
    let other = |o| {
        with(o, |o: &mut Observation| {
            o.around.install = "new/dws-operator".to_owned();
        })
    };
    let claimer = |o, view| with(o, |o: &mut Observation| o.around.claimer = Some(view));
    let cases: [fn() -> Observation; 5] = [
        ready,
        creating,
        open,
        || deleting(ready()),
        || forced(deleting(ready()), "no way out"),
    ];
    for make in cases {
        let o = make();
        let o = other(o);
        assert_eq!(look(&o), Look::Claimer(INSTALL.to_owned()));
        assert!(!o.needs_way());
        let alone = claimer(o.clone(), ClaimerView::Lives);
        assert_eq!(
            (told(&alone).status, told(&alone).notes.len()),
            (alone.object.status.clone(), 0)
        );
        let over = claimer(o, ClaimerView::Ended);
        let taken = told(&over);
        assert_eq!(
            (taken.status.controller.as_deref(), taken.notes[0].reason),
            (Some("new/dws-operator"), "TakenOver")
        );
        assert_eq!((taken.wait, taken.status.id), (None, over.object.status.id.clone()));
        let o = published(over);
        assert_eq!((o.claimed_elsewhere(), o.around.claimer.as_ref()), (None, None));
    }
    // The settling of an attempt of another holder waits for that one's lease.
    let o = with(other(open()), |o| "operator-1".clone_into(&mut o.identity));
    assert!(o.open_attempt().is_some());
}

#[test]
fn nothing_is_deleted_before_the_claim_is_written() {
    let unclaimed = || {
        let o = with(ready(), |o| {
            o.object.status.controller = None;
            o.object.intent.as_mut().expect("there is one").controller.clear();
        });
        in_lane(listing(deleting(o), &[ours("id")]), Rank::Delete)
    };
    let o = unclaimed();
    let claim = told(&o);
    assert_eq!((claim.status.controller.as_deref(), claim.wait), (Some(INSTALL), None));
    assert!(matches!(step(&published(o)), Step::Delete { .. }));
    // Definitions of an older version drop the claim: that is no reason to try for ever.
    let dropped = with(published(unclaimed()), |o| o.object.status.controller = None);
    assert!(matches!(step(&dropped), Step::Delete { .. }));
}
