//! Late effects of create requests that nobody answered.

use jiff::SignedDuration;

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::cloud::ConfigureStatus;
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{
    AttemptOutcome, DataSourceType, DeletionPolicy, FailureKind, Item, LanePlace, LastAttempt, Look, Missing,
    Observation, OperationType, Plan, Provider, Rank, RetryWait, SecretVersion, Step,
};

/// An earlier request may take effect for ten minutes more.
fn late(o: Observation) -> Observation {
    with(o, |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        o.object.status.last_attempt = Some(LastAttempt {
            name: None,
            type_: None,
            id: "a1".to_owned(),
            outcome: match o.object.status.id {
                Some(_) => AttemptOutcome::Recovered,
                None => AttemptOutcome::Absent,
            },
            late_until: Some(o.now + SignedDuration::from_mins(10)),
        });
        o.memory.attempt = None;
    })
}

fn lets_go(o: &Observation) -> bool {
    matches!(decide(o), Plan::Act(Step::DropFinalizer { .. }))
}

#[test]
fn no_wait_is_longer_than_the_time_between_two_looks() {
    assert_eq!(told(&listing(late(ready()), &[ours("id")])).wait, Some(seconds(30)));
    let o = with(late(observation()), |o| {
        o.memory.synced = Some(o.uptime);
        o.lane = Some(LanePlace::Waiting);
    });
    assert_eq!(told(&o).wait, Some(seconds(30)));
}

#[test]
fn the_list_is_read_every_thirty_seconds_whatever_the_object_waits_for() {
    for o in [late(ready()), late(observation()), deleting(late(observation()))] {
        let o = with(o, |o| {
            o.memory.synced = Some(o.uptime);
            o.memory.clear = Some(o.uptime);
        });
        let o = later(o, seconds(30));
        assert!(matches!(look(&o), Look::List { .. }), "{o:#?}");
    }
}

#[test]
fn what_shows_up_becomes_the_recorded_one_if_there_is_none() {
    let o = listing(late(observation()), &[ours("found")]);
    assert_eq!(told(&o).status.id.as_deref(), Some("found"));
    let told = told(&deleting(o));
    assert_eq!((told.status.id.as_deref(), told.wait), (Some("found"), None));
}

#[test]
fn the_finalizer_stays_until_a_list_after_the_window_is_clear() {
    let o = deleting(late(observation()));
    let o = listing(o, &[]);
    assert_eq!(
        (told(&o).reason, told(&o).wait),
        (Some(Reason::Deleting), Some(seconds(30)))
    );
    let o = later(o, seconds(601));
    assert!(matches!(look(&o), Look::List { .. }));
    let failed = unlisted(
        o.clone(),
        FailureKind::RetryAfter {
            wait: RetryWait::Transient,
            delay: None,
        },
    );
    assert!(!lets_go(&failed), "a list that failed proves nothing");
    assert_eq!(
        told(&listing(o.clone(), &[ours("found")])).status.id.as_deref(),
        Some("found")
    );
    assert!(lets_go(&listing(o.clone(), &[])));
    let gone = |o| unlisted(o, FailureKind::Gone { what: Missing::Cluster });
    let once = gone(o);
    assert!(!lets_go(&once), "a cluster that is not found once may be there");
    assert!(lets_go(&gone(later(published(once), seconds(10)))));
}

#[test]
fn a_provider_that_went_first_holds_the_object_only_while_the_window_lasts() {
    let went = with(deleting(late(observation())), |o| {
        o.provider = Provider::Absent {
            name: "DwsProvider/default".to_owned(),
        };
    });
    assert_eq!(told(&went).reason, Some(Reason::WaitingForProvider));
    let Step::DropFinalizer { note: Some(note) } = step(&later(went, seconds(601))) else {
        panic!("nothing is told");
    };
    assert_eq!((note.warning, note.reason), (true, "Orphaned"));
}

#[test]
fn what_is_gone_while_more_may_come_lets_nothing_go() {
    let mut o = deleting(late(ready()));
    for _ in 0..2 {
        o = listing(later(o, seconds(10)), &[]);
    }
    let told_of = told(&o);
    assert_eq!(
        (told_of.status.id.as_deref(), told_of.reason, told_of.wait),
        (Some("id"), Some(Reason::Deleting), Some(seconds(30)))
    );
    let o = later(published(o), seconds(30));
    let shown = in_lane(listing(o.clone(), &[ours("found")]), Rank::Delete);
    assert!(matches!(step(&shown), Step::Delete { id, .. } if id == "found"));
    let o = later(o, seconds(601));
    assert!(matches!(look(&o), Look::List { .. }));
    assert!(lets_go(&listing(o, &[])));
}

#[test]
fn the_surplus_goes_after_the_verdict_and_the_recorded_one_stays() {
    let items = [ours("a-late-one"), ours("id")];
    let o = listing(with(late(ready()), |o| o.object.status.observed = None), &items);
    let verdict = told(&o);
    assert_eq!((verdict.reason, verdict.wait), (Some(Reason::Available), None));
    let o = published(o);
    assert_eq!(look(&o), Look::Lane(Rank::Delete));
    assert!(told(&with(o.clone(), |o| o.lane = Some(LanePlace::Waiting))).keeps_lane);
    let mut o = in_lane(o, Rank::Delete);
    assert!(matches!(step(&o), Step::Delete { id, .. } if id == "a-late-one"));
    o.note_deleted("a-late-one".to_owned(), Ok(Some("job-2".to_owned())));
    let told_of = told(&o);
    assert_eq!(told_of.notes[0].reason, "DuplicateRemoved");
    assert_eq!(
        (told_of.reason, told_of.status.job_id.as_deref()),
        (Some(Reason::Available), Some("job"))
    );
    // The list lags: it is not deleted again meanwhile.
    let o = listing(later(published(o), seconds(1)), &items);
    assert_eq!(told(&o).wait, Some(seconds(30)));
    let leaving = [in_state(ours("a-late-one"), ConfigureStatus::Deleting), ours("id")];
    assert_eq!(
        told(&listing(later(o, seconds(1)), &leaving)).reason,
        Some(Reason::Available)
    );
}

#[test]
fn trouble_with_the_surplus_only_delays_the_next_try() {
    let items = [ours("id"), ours("surplus")];
    let mut o = listing(late(ready()), &items);
    let mut waits = Vec::new();
    for _ in 0..4 {
        if told_wait(&o).is_none() {
            o = published(o);
        }
        o = in_lane(o, Rank::Delete);
        assert!(matches!(step(&o), Step::Delete { .. }));
        let busy = FailureKind::RetryAfter {
            wait: RetryWait::Busy,
            delay: None,
        };
        o.note_deleted("surplus".to_owned(), Err(failure(busy)));
        let told_of = told(&o);
        assert_eq!(told_of.reason, Some(Reason::Available));
        let wait = told_of.wait.expect("it waits");
        waits.push(wait.as_secs());
        o = later(published(o), wait);
        o = listing(later(o, seconds(1)), &items);
    }
    assert_eq!(waits, [1, 1, 3, 6]);
}

/// How long the plan waits, if it is a report that waits.
fn told_wait(o: &Observation) -> Option<std::time::Duration> {
    match decide(o) {
        Plan::Report(_) => told(o).wait,
        _ => Some(seconds(0)),
    }
}

#[test]
fn the_oldest_healthy_one_is_kept_where_none_is_recorded() {
    let created = |id: &str, at: &str, state| Item {
        created: Some(at.to_owned()),
        ..in_state(ours(id), state)
    };
    let items = [
        created("younger", "2026-11-24T09:00:00", ConfigureStatus::Active),
        created("failed", "2026-11-24T07:00:00", ConfigureStatus::Failed),
        created("older", "2026-11-24T08:00:00", ConfigureStatus::Active),
    ];
    let told = told(&listing(late(observation()), &items));
    assert_eq!((told.status.id.as_deref(), told.wait), (Some("older"), None));
}

#[test]
fn another_of_ours_takes_the_place_only_of_what_is_gone_for_certain() {
    let mut o = with(late(ready()), |o| o.memory.written = Some(o.uptime));
    o = listing(later(o, seconds(100)), &[ours("other")]);
    assert_eq!(told(&o).status.id.as_deref(), Some("id"));
    o = listing(later(o, seconds(21)), &[ours("other")]);
    assert_eq!(told(&o).status.id.as_deref(), Some("id"));
    o = listing(later(o, seconds(60)), &[ours("other")]);
    assert_eq!(told(&o).status.id.as_deref(), Some("other"));
}

#[test]
fn a_create_elsewhere_waits_until_the_window_is_closed() {
    for change in [
        |o: &mut Observation| {
            if let crate::reconcile::plan::Provider::Ready { coordinates, .. } = &mut o.provider {
                coordinates.cluster_id = "cluster-1".to_owned();
            }
        },
        |o: &mut Observation| o.object.spec.type_ = DataSourceType::LakeFormation,
    ] {
        let o = with(late(observation()), change);
        let Look::List { at, type_, .. } = look(&o) else {
            panic!("no look for late effects");
        };
        assert_eq!((at.cluster_id.as_str(), type_), ("cluster-0", DataSourceType::Obs));
        let waiting = told(&listing(o.clone(), &[]));
        assert_eq!(
            (waiting.reason, waiting.wait),
            (Some(Reason::Recovering), Some(seconds(30)))
        );
        let o = listing(later(o, seconds(601)), &[]);
        assert_eq!(look(&o), Look::Lane(Rank::Create));
    }
}

/// Without the marker, somebody's data source of that name may be what the lost request made: no window closes while it is listed.
#[test]
fn without_the_marker_a_namesake_holds_the_deletion() {
    let mut o = with(deleting(late(observation())), |o| {
        if let Provider::Ready { marker, .. } = &mut o.provider {
            *marker = false;
        }
    });
    for _ in 0..3 {
        o = later(o, seconds(601));
        assert!(matches!(look(&o), Look::List { .. }));
        o = published(listing(o, &[foreign("lost")]));
        assert_eq!(o.object.status.conditions[0].reason, Reason::Ambiguous);
    }
    assert!(lets_go(&listing(later(o, seconds(601)), &[])));
}

#[test]
fn retain_tells_of_what_may_still_take_effect() {
    let retained = with(deleting(late(observation())), |o| {
        o.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
    });
    let Step::DropFinalizer { note: Some(note) } = step(&retained) else {
        panic!("nothing is told");
    };
    assert!(note.text.contains("may still take effect"), "{}", note.text);
    let over = listing(later(retained, seconds(601)), &[]);
    assert_eq!(step(&over), Step::DropFinalizer { note: None });
}

/// A late record of an earlier spec, or of an earlier password, is no verdict on those of today, which have their try.
#[test]
fn a_late_failure_is_no_verdict_on_what_is_asked_for_today() {
    let failed = [in_state(ours("found"), ConfigureStatus::Failed)];
    let edited = with(late(observation()), |o| o.object.generation = 2);
    let other_password = with(late(observation()), |o| {
        let intent = o.object.intent.as_mut().expect("there is one");
        intent.earlier_secrets = vec![SecretVersion {
            uid: "s".to_owned(),
            resource_version: "1".to_owned(),
            key: "password".to_owned(),
            hmac: None,
        }];
    });
    for o in [edited, other_password] {
        let told = told(&listing(o, &failed));
        let operation = told.status.operation.expect("the record is removed");
        assert_eq!(
            (operation.type_, operation.old_id.as_deref(), told.reason),
            (OperationType::Replace, Some("found"), Some(Reason::Replacing))
        );
    }
    let mut o = published(listing(late(observation()), &failed));
    for _ in 0..3 {
        assert_eq!(
            o.object.status.conditions[0].reason,
            Reason::CreateFailed,
            "of this very spec"
        );
        o = published(listing(later(o, seconds(600)), &failed));
    }
}

#[test]
fn each_of_the_surplus_is_deleted_once() {
    let items = [ours("id"), ours("late-1"), ours("late-2")];
    let mut o = in_lane(published(listing(late(ready()), &items)), Rank::Delete);
    for surplus in ["late-1", "late-2"] {
        assert!(matches!(step(&o), Step::Delete { id, .. } if id == surplus));
        o.note_deleted(surplus.to_owned(), Ok(None));
        o = in_lane(listing(later(published(o), seconds(1)), &items), Rank::Delete);
    }
    assert_eq!(told(&o).wait, Some(seconds(30)), "the list lags");
}

#[test]
fn a_window_that_is_over_is_written_down_as_over() {
    let o = published(listing(later(late(ready()), seconds(601)), &[ours("id")]));
    let last = o.object.status.last_attempt.expect("it stays");
    assert_eq!(last.late_until, None);
}
