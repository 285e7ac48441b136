//! Whoever agreed to a replacement may think better of it, up to the DELETE and after one that failed.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::cloud::{FailureKind, JobState, Missing};
use crate::reconcile::plan::{Look, Observation, Operation, OperationType, Provider, Rank, ReplacementPolicy, Step};

/// Ready, edited in what only a replacement changes, which was approved and has begun.
fn begun() -> Observation {
    let o = with(later(ready(), seconds(3600)), |o| {
        o.object.generation = 2;
        o.object.spec.connect_info = Some("other".to_owned());
        o.object.spec.replacement_policy = Some(ReplacementPolicy::OnApproval);
    });
    let shown = published(listing(o, &[ours("id")]));
    let plan = shown.object.status.plan.as_ref().expect("a plan").id.clone();
    published(free(with(shown, |o| o.object.requests.approve = Some(plan))))
}

/// Its DELETE was sent, and this came of it.
fn sent(o: Observation, result: Result<Option<String>, FailureKind>) -> Observation {
    published(with(o, |o| {
        o.note_deleted("id".to_owned(), result.map_err(failure));
    }))
}

fn taken_back(o: Observation) -> Observation {
    with(o, |o| {
        o.object.generation += 1;
        o.object.spec.connect_info = Some("gaussdb".to_owned());
    })
}

fn in_cloud(o: Observation, after: u64) -> Observation {
    free(in_lane(listing(later(o, seconds(after)), &[ours("id")]), Rank::Delete))
}

fn operation(o: &Observation) -> Option<&Operation> {
    o.object.status.operation.as_ref()
}

#[test]
fn who_takes_it_back_after_the_delete_failed_keeps_the_data_source() {
    let failed = sent(begun(), Ok(Some("job".to_owned())));
    let failed = published(job(later(failed, seconds(20)), JobState::Failed));
    assert_eq!(failed.object.status.conditions[0].reason, Reason::DeleteFailed);
    // As long as it is asked for, it is tried again.
    let again = in_cloud(failed.clone(), 1000);
    assert!(matches!(step(&again), Step::Delete { id, .. } if id == "id"));
    let cancelled = told(&in_cloud(taken_back(failed.clone()), 1));
    assert_eq!((cancelled.status.operation, cancelled.status.job_id), (None, None));
    let withdrawn = with(failed, |o| o.object.requests.approve = None);
    assert_eq!(told(&in_cloud(withdrawn, 1000)).status.operation, None);
}

#[test]
fn who_takes_it_back_after_a_delete_without_an_answer_waits_for_what_comes_of_it() {
    let unknown = FailureKind::UnknownOutcome {
        answered: false,
        delay: None,
    };
    for result in [Err(unknown), Ok(None)] {
        let o = taken_back(sent(begun(), result));
        let waiting = in_cloud(o.clone(), 600);
        let told_of = told(&waiting);
        assert_eq!(told_of.reason, Some(Reason::Replacing));
        assert!(operation(&published(waiting)).is_some(), "it is not told as nothing");
        // What it did is carried through.
        let gone = listing(later(listing(later(o.clone(), seconds(700)), &[]), seconds(60)), &[]);
        assert_eq!(told(&gone).reason, Some(Reason::Creating));
        // What it can have no effect on any more is left alone.
        let cancelled = told(&in_cloud(o, 2 * 3600));
        assert_eq!(
            (cancelled.status.operation, cancelled.status.id.as_deref()),
            (None, Some("id"))
        );
    }
}

#[test]
fn a_delete_is_not_late_because_its_replacement_waited_long() {
    let o = later(begun(), seconds(2 * 3600));
    let o = sent(o, Ok(Some("job".to_owned())));
    assert_eq!(
        operation(&o).map(|operation| operation.type_),
        Some(OperationType::Replace)
    );
    let o = later(o, seconds(20));
    assert_eq!(look(&o), Look::Job { id: "job".to_owned() });
}

/// It is gone before anything was sent for that: somebody else's doing, of which the replacement makes use only while it is asked for.
#[test]
fn who_takes_it_back_has_nothing_created_in_its_place() {
    let gone = |o: Observation| {
        let mut o = o;
        for _ in 0..2 {
            o = listing(later(o, seconds(600)), &[]);
        }
        o
    };
    assert_eq!(told(&gone(begun())).reason, Some(Reason::Creating));
    let once = told(&listing(later(begun(), seconds(600)), &[]));
    assert_eq!(
        (once.reason, once.status.id.as_deref()),
        (Some(Reason::Replacing), Some("id"))
    );
    let withdrawn = with(gone(begun()), |o| o.object.requests.approve = None);
    let cancelled = told(&withdrawn);
    assert_eq!(
        (cancelled.status.operation, cancelled.status.id.as_deref()),
        (None, Some("id"))
    );
}

/// A list that finds no such cluster, once, keeps what nobody took back.
#[test]
fn a_cluster_that_is_missing_for_a_moment_cancels_nothing() {
    let o = unlisted(
        later(begun(), seconds(60)),
        FailureKind::Gone { what: Missing::Cluster },
    );
    let told = told(&o);
    assert_eq!(told.reason, Some(Reason::WaitingForCluster));
    assert!(told.status.operation.is_some());
}

/// A request during a deletion is answered before the DELETE, so that it opens the gate of the backoff once only.
#[test]
fn a_request_during_a_deletion_is_answered_once() {
    let asked = with(deleting(later(ready(), seconds(3600))), |o| {
        o.object.requests.reconcile = Some("1".to_owned());
    });
    let answered = published(in_lane(listing(asked, &[ours("id")]), Rank::Delete));
    assert_eq!(answered.object.status.last_handled_reconcile_at.as_deref(), Some("1"));
    assert!(matches!(step(&answered), Step::Delete { .. }));
}

/// Nobody can look while the provider cannot be used: that is the answer.
#[test]
fn a_request_that_nobody_can_look_for_is_answered_with_the_reason() {
    let asked = with(later(ready(), seconds(60)), |o| {
        o.object.requests.reconcile = Some("1".to_owned());
        o.provider = Provider::Absent {
            name: "DwsProvider/default".to_owned(),
        };
    });
    let told = told(&asked);
    assert_eq!(told.reason, Some(Reason::WaitingForProvider));
    assert_eq!(told.status.last_handled_reconcile_at.as_deref(), Some("1"));
}
