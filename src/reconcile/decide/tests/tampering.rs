//! Somebody edits what the operator wrote.

use jiff::SignedDuration;

use super::builder::*;
use super::tell::{look, step, told};
use crate::api::Reason;
use crate::reconcile::fold::Posted;
use crate::reconcile::plan::{
    DataSourceType, DwsDataSourceStatus, FailureKind, Intent, Look, Memory, Object, Observation, Operation,
    OperationType, Provider, Rank, RetryWait, Step,
};

/// The intent `a1` was sent and nobody answered.
fn open() -> Observation {
    with(observation(), |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        o.note_posted(Posted {
            intent: intent("a1"),
            begun: o.uptime,
            result: Err(failure(FailureKind::UnknownOutcome {
                answered: false,
                delay: None,
            })),
        });
        o.memory.outcome = None;
    })
}

/// The same object in another state, as the API server gives it next.
fn renewed(mut o: Observation, change: impl FnOnce(&mut Object)) -> Observation {
    let mut object = o.object.clone();
    change(&mut object);
    o.renew(object);
    o
}

#[test]
fn an_intent_that_was_taken_away_is_put_back() {
    let o = renewed(open(), |object| object.intent = None);
    assert_eq!(step(&o), Step::RecordIntent(intent("a1")));
}

#[test]
fn an_older_intent_does_not_hide_the_one_that_is_open() {
    let older = Intent {
        time: now() - SignedDuration::from_hours(1),
        ..intent("a0")
    };
    let o = renewed(open(), |object| object.intent = Some(older));
    assert_eq!(step(&o), Step::RecordIntent(intent("a1")));
    let closed_long_ago = renewed(o, |object| {
        object.status.last_attempt =
            creating()
                .object
                .status
                .last_attempt
                .map(|last| crate::reconcile::plan::LastAttempt {
                    id: "a0".to_owned(),
                    ..last
                });
    });
    assert_eq!(step(&closed_long_ago), Step::RecordIntent(intent("a1")));
}

#[test]
fn a_newer_intent_is_another_leaders() {
    let newer = Intent {
        time: now() + SignedDuration::from_secs(1),
        holder: "operator-1".to_owned(),
        ..intent("a2")
    };
    let o = renewed(open(), |object| object.intent = Some(newer.clone()));
    assert_eq!(o.open_attempt().map(|attempt| attempt.intent), Some(newer));
}

#[test]
fn a_finalizer_that_was_taken_away_is_put_back_while_something_depends_on_it() {
    let robbed = |o| renewed(o, |object| object.finalizer = false);
    assert_eq!(step(&robbed(open())), Step::PutFinalizer);
    assert_eq!(step(&robbed(ready())), Step::PutFinalizer);
    assert!(
        matches!(look(&robbed(observation())), Look::Lane(_)),
        "nothing depends on it yet"
    );
    assert!(
        told(&robbed(deleting(ready()))).wait.is_some(),
        "Kubernetes takes none back any more"
    );
}

#[test]
fn a_status_that_was_wiped_is_found_again() {
    let o = renewed(later(ready(), seconds(60)), |object| {
        object.status = DwsDataSourceStatus::default();
    });
    let waiting = told(&o);
    assert_eq!(
        (waiting.reason, waiting.wait),
        (Some(Reason::Recovering), Some(seconds(20))),
        "its intent is open again"
    );
    let o = later(o, seconds(20));
    assert!(matches!(look(&o), Look::List { .. }));
    assert_eq!(told(&listing(o, &[ours("id")])).status.id.as_deref(), Some("id"));
}

#[test]
fn an_id_that_somebody_wrote_is_nobody_of_ours() {
    // The list shows both the forged id and ours: the forged one is left alone.
    let forged = crate::reconcile::plan::Item {
        name: "other".to_owned(),
        ..foreign("forged")
    };
    let items = [forged, ours("id")];
    let o = renewed(later(ready(), seconds(3600)), |object| {
        object.status.id = Some("forged".to_owned());
    });
    let mut o = listing(with(o, |o| o.memory.written = Some(seconds(0))), &items);
    assert_eq!(told(&o).status.id.as_deref(), Some("forged"));
    o = listing(later(o, seconds(60)), &items);
    assert_eq!(told(&o).status.id.as_deref(), Some("id"));
    let o = in_lane(listing(deleting(o), &items), Rank::Delete);
    assert!(matches!(step(&o), Step::Delete { id, .. } if id == "id"));
}

#[test]
fn without_the_annotation_the_recorded_one_keeps_its_name_and_type() {
    let o = renewed(later(ready(), seconds(3600)), |object| {
        object.intent = None;
        object.generation = 2;
        object.spec.type_ = DataSourceType::Mrs;
        object.spec.data_source_name = "other".to_owned();
    });
    let reborn = with(o, |o| o.memory = Memory::default());
    assert!(matches!(
        look(&reborn),
        Look::List {
            type_: DataSourceType::Obs,
            ..
        }
    ));
    let told_of = told(&listing(reborn.clone(), &[ours("id")]));
    assert_eq!(
        (told_of.reason, told_of.status.id.as_deref()),
        (Some(Reason::Drifted), Some("id"))
    );
    let going = in_lane(listing(deleting(reborn), &[ours("id")]), Rank::Delete);
    assert!(matches!(step(&going), Step::Delete { id, .. } if id == "id"));
}

#[test]
fn a_status_that_was_restored_in_the_middle_of_a_replacement_names_the_import() {
    let restored = with(later(ready(), seconds(3600)), |o| {
        let mut operation = Operation::begun(OperationType::Replace, o.now, 1);
        operation.old_id = Some("id".to_owned());
        operation.plan_id = Some("plan".to_owned());
        o.object.status.operation = Some(operation);
        o.object.intent = None;
    });
    let told = told(&listing(restored, &[foreign("id")]));
    assert_eq!(told.reason, Some(Reason::Ambiguous));
    assert!(
        told.status.conditions[0]
            .message
            .contains("set spec.import to {id: id}")
    );
}

#[test]
fn a_place_that_was_taken_away_is_that_of_the_intent() {
    let o = renewed(later(ready(), seconds(3600)), |object| {
        object.status.cloud = None;
        object.spec.cluster_id = "cluster-1".to_owned();
    });
    assert!(matches!(look(&o), Look::List { at, .. } if at.cluster_id == "cluster-0"));
}

#[test]
fn whoever_was_robbed_of_everything_looks_once_more_before_it_goes() {
    let robbed = with(deleting(observation()), |o| o.memory = Memory::default());
    assert!(matches!(look(&robbed), Look::List { .. }));
    let found = told(&listing(robbed.clone(), &[ours("id")]));
    assert_eq!(
        (found.status.id.as_deref(), found.reason),
        (Some("id"), Some(Reason::Deleting))
    );
    let watching = listing(robbed, &[]);
    assert_eq!(
        told(&watching).wait,
        Some(seconds(120)),
        "the list may lag behind a create"
    );
    let o = listing(later(watching, seconds(120)), &[]);
    assert_eq!(step(&o), Step::DropFinalizer { note: None });
}

#[test]
fn whoever_was_robbed_where_nobody_can_look_goes_and_is_told_of() {
    let robbed = with(deleting(observation()), |o| o.memory = Memory::default());
    let transient = FailureKind::RetryAfter {
        wait: RetryWait::Transient,
        delay: None,
    };
    let without_provider = with(robbed.clone(), |o| {
        o.provider = Provider::Absent {
            name: "DwsProvider/default".to_owned(),
        };
    });
    for o in [unlisted(robbed, transient), without_provider] {
        let Step::DropFinalizer { note: Some(note) } = step(&o) else {
            panic!("nothing is told");
        };
        assert_eq!((note.warning, note.reason), (true, "Orphaned"));
        assert!(note.text.contains("lake_0") && note.text.contains("cluster-0"));
    }
}

#[test]
fn a_proof_that_takes_long_outlives_many_lists() {
    let mut o = with(deleting(observation()), |o| {
        o.memory = Memory::default();
        o.timings.list_lag = seconds(3600);
    });
    let lists = 3600 / 6;
    for _ in 0..lists {
        o = listing(o, &[]);
        assert!(told(&o).wait.is_some());
        o = later(o, seconds(6));
    }
    assert_eq!(step(&listing(o, &[])), Step::DropFinalizer { note: None });
}

#[test]
fn what_was_read_for_another_name_or_place_does_not_count() {
    let o = listing(in_lane(observation(), Rank::Create), &[]);
    let moved = renewed(o, |object| object.spec.data_source_name = "other".to_owned());
    assert!(matches!(look(&moved), Look::List { .. }));
}
