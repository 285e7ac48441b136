//! What proves that a deleted data source is gone.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{FailureKind, JobState, Look, Missing, Observation, OperationType, Plan, Rank, Step};

/// DELETE of `id` came to this.
fn answered(o: Observation, result: Result<Option<String>, FailureKind>) -> Observation {
    with(o, |o| o.note_deleted("id".to_owned(), result.map_err(failure)))
}

fn lets_go(o: &Observation) -> bool {
    matches!(decide(o), Plan::Act(Step::DropFinalizer { .. }))
}

#[test]
fn the_jobs_success_and_one_fresh_list_are_the_proof() {
    let o = published(answered(deleting(ready()), Ok(Some("job".to_owned()))));
    let operation = o.object.status.operation.as_ref().expect("under way");
    assert_eq!(operation.type_, OperationType::Delete);
    assert_eq!(look(&o), Look::Job { id: "job".to_owned() });
    let o = job(o, JobState::Succeeded);
    assert!(matches!(look(&o), Look::List { .. }));
    assert!(lets_go(&listing(o.clone(), &[])));
    let lagging = told(&listing(o, &[ours("id")]));
    assert_eq!(
        (lagging.wait, lagging.keeps_lane),
        (Some(seconds(1)), false),
        "not sent again"
    );
}

#[test]
fn without_a_job_two_lists_ten_seconds_apart_are_the_proof() {
    let missing = FailureKind::Gone {
        what: Missing::Something,
    };
    for result in [Ok(None), Err(missing)] {
        let o = published(answered(deleting(ready()), result));
        let first = listing(later(o, seconds(1)), &[]);
        assert_eq!(told(&first).wait, Some(seconds(10)));
        assert!(!lets_go(&listing(later(first.clone(), seconds(9)), &[])));
        assert!(lets_go(&listing(later(first, seconds(10)), &[])));
    }
}

#[test]
fn a_create_that_the_list_does_not_show_yet_is_not_gone() {
    // The object is deleted right after its create: the job succeeds, the list lags.
    let mut o = job(deleting(creating()), JobState::Succeeded);
    o = listing(o, &[]);
    for _ in 0..2 {
        assert!(!lets_go(&o));
        o = listing(job(later(o, seconds(59)), JobState::Succeeded), &[]);
    }
    assert!(!lets_go(&o));
    let shown = listing(job(later(o.clone(), seconds(1)), JobState::Succeeded), &[ours("id")]);
    assert_eq!(look(&shown), Look::Lane(Rank::Delete));
    let o = listing(job(later(o, seconds(2)), JobState::Succeeded), &[]);
    assert!(lets_go(&listing(job(later(o, seconds(10)), JobState::Succeeded), &[])));
}

#[test]
fn the_clusters_absence_counts_only_by_its_code() {
    let gone = |what| FailureKind::Gone { what };
    let o = unlisted(deleting(ready()), gone(Missing::Cluster));
    assert!(!lets_go(&o));
    assert!(lets_go(&unlisted(later(o, seconds(10)), gone(Missing::Cluster))));
    let unrecorded = with(deleting(ready()), |o| o.object.status.cloud = None);
    let o = unlisted(unrecorded, gone(Missing::Cluster));
    assert!(!lets_go(&unlisted(later(o, seconds(10)), gone(Missing::Cluster))));
    let o = published(unlisted(deleting(ready()), gone(Missing::Something)));
    let o = unlisted(later(o, seconds(10)), gone(Missing::Something));
    assert_eq!(told(&o).reason, Some(Reason::WaitingForCluster));
}

#[test]
fn a_delete_job_that_never_ends_leaves_it_to_the_list() {
    let o = published(answered(deleting(ready()), Ok(Some("job".to_owned()))));
    let o = later(o, seconds(3600));
    assert!(matches!(look(&o), Look::List { .. }));
    let o = listing(o, &[]);
    assert!(!told(&o).keeps_lane);
    assert!(lets_go(&listing(later(o, seconds(10)), &[])));
}

#[test]
fn the_end_of_a_surplus_proves_nothing_about_the_recorded_one() {
    // The recorded one is hidden by the list's lag while a late effect shows.
    let o = listing(job(deleting(creating()), JobState::Succeeded), &[ours("late")]);
    let o = in_lane(o, Rank::Delete);
    assert!(matches!(step(&o), Step::Delete { id, .. } if id == "late"));
    let o = with(o, |o| o.note_deleted("late".to_owned(), Ok(Some("job-2".to_owned()))));
    let told_of = told(&o);
    assert_eq!(told_of.notes[0].reason, "DuplicateRemoved");
    assert_eq!(told_of.status.job_id.as_deref(), Some("job"));
    let o = listing(job(later(published(o), seconds(20)), JobState::Succeeded), &[]);
    assert!(!lets_go(&o));
    let o = listing(job(later(o, seconds(20)), JobState::Succeeded), &[]);
    assert!(!lets_go(&o), "two lists, but within the lag of the create");
}

/// The cloud accepts delete after delete and goes on listing the data source.
#[test]
fn a_deletion_that_drags_on_is_told_and_asked_for_less_and_less() {
    let mut o = deleting(ready());
    let mut sent = Vec::new();
    let began = o.uptime;
    while o.uptime < began + seconds(4 * 3600) {
        o = listing(o, &[ours("id")]);
        if let Plan::Look(Look::Lane(rank)) = decide(&o) {
            o = in_lane(o, rank);
            assert!(matches!(step(&o), Step::Delete { .. }));
            sent.push(o.uptime);
            o = published(answered(o, Ok(None)));
        } else {
            assert!(!told(&o).keeps_lane);
            o = published(o);
        }
        o = later(o, seconds(30));
    }
    let gaps: Vec<_> = sent.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(
        gaps.is_sorted() && gaps[0] >= seconds(120) && gaps.last() >= Some(&seconds(600)),
        "{gaps:?}"
    );
    assert_eq!(o.object.status.conditions[0].reason, Reason::JobTimedOut);
}
