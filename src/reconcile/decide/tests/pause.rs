//! A pause: the verdict stays, and nothing is read or written in the cloud.

use super::around::{note, open, paused, rejected};
use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::data_source::DeletionPolicy::Retain;
use crate::api::{ConditionStatus, ConditionType, Reason};
use crate::reconcile::plan::{Accepted, FailureKind, JobState, Look, Observation, Outcome, Provider, Rank, Step};

#[test]
fn a_pause_leaves_the_verdict_and_the_cloud_alone() {
    for by in 0..3 {
        let pause = |o| {
            with(o, |o: &mut Observation| match by {
                0 => o.object.annotations.paused = true,
                1 => o.around.namespace = super::builder::namespace(true, None),
                _ => o.around.operator.paused = true,
            })
        };
        let cases: [fn() -> Observation; 4] = [ready, creating, open, observation];
        for make in cases {
            let o = make();
            let before = o.object.status.conditions.clone();
            let o = pause(o);
            assert!(!o.needs_way());
            let first = told(&o);
            assert_eq!((first.wait, first.keeps_lane), (Some(seconds(600)), false));
            let paused = first.status.conditions.last().expect("told");
            assert_eq!((paused.type_, paused.reason), (ConditionType::Paused, Reason::Paused));
            if before.is_empty() {
                assert_eq!(
                    first.status.conditions[0].status,
                    ConditionStatus::False,
                    "nobody has looked"
                );
            } else {
                assert_eq!(first.status.conditions[..before.len()], before, "the verdict stays");
            }
            let o = published(o);
            assert_eq!(
                told(&later(o.clone(), seconds(600))).status,
                o.object.status,
                "and is not told again"
            );
            let edited = with(later(o, seconds(600)), |o| o.object.generation += 1);
            assert_eq!(told(&edited).status, edited.object.status, "an edit is not observed");
        }
    }
}

#[test]
fn an_edit_that_comes_with_the_pause_is_not_ready() {
    let o = with(paused(ready()), |o| o.object.generation += 1);
    let told = told(&o);
    assert_eq!(
        (told.status.observed_generation, told.reason),
        (Some(1), Some(Reason::Paused))
    );
    // After the pause it is looked at.
    let o = with(published(o), |o| o.object.annotations.paused = false);
    assert!(matches!(look(&o), Look::List { .. }));
}

#[test]
fn after_a_pause_it_goes_on_where_it_was() {
    let resume = |o| with(o, |o: &mut Observation| o.object.annotations.paused = false);
    let o = resume(published(paused(creating())));
    let o = in_lane(job(later(o, seconds(2)), JobState::Running), Rank::Resume);
    let followed = told(&o);
    assert_eq!((followed.reason, followed.keeps_lane), (Some(Reason::Creating), true));
    assert!(
        followed
            .status
            .conditions
            .iter()
            .all(|c| c.type_ != ConditionType::Paused)
    );
    let o = resume(published(paused(open())));
    assert!(matches!(look(&o), Look::List { .. }), "an open attempt is settled");
}

#[test]
fn what_a_request_brought_is_recorded_during_a_pause_and_nothing_is_read() {
    let posted = |result| {
        with(paused(open()), |o| {
            o.memory.outcome = Some(Outcome::Posted {
                intent: intent("a1"),
                at: o.now,
                result,
            });
        })
    };
    let accepted = Accepted {
        id: "id".to_owned(),
        job_id: "job".to_owned(),
    };
    let told_of = told(&posted(Ok(accepted)));
    assert_eq!(told_of.status.id.as_deref(), Some("id"));
    assert!(
        told_of
            .status
            .conditions
            .iter()
            .any(|c| c.type_ == ConditionType::Paused)
    );
    let lost = FailureKind::UnknownOutcome {
        answered: false,
        delay: None,
    };
    let told_of = told(&posted(Err(failure(lost))));
    assert_eq!(told_of.status.last_attempt, None, "it stays open");
}

#[test]
fn a_deletion_waits_for_the_end_of_a_pause_unless_nothing_is_deleted() {
    for o in [ready(), creating(), open()] {
        let waiting = told(&paused(deleting(o)));
        assert_eq!(
            (waiting.reason, waiting.wait),
            (Some(Reason::Deleting), Some(seconds(600)))
        );
        assert!(waiting.status.conditions[0].message.starts_with("The deletion waits"));
    }
    assert_eq!(step(&paused(rejected())), Step::DropFinalizer { note: None });
    let retained = with(paused(deleting(ready())), |o| {
        o.object.spec.deletion_policy = Some(Retain);
    });
    assert_eq!(note(&retained).reason, "Retained");
    // What somebody made unknown is looked for after the pause.
    let robbed = with(paused(deleting(observation())), |o| {
        o.provider = Provider::Absent { name: String::new() };
    });
    assert_eq!(told(&robbed).reason, Some(Reason::Deleting));
}
