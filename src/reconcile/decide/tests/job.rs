//! Following the job of an accepted create.

use super::builder::*;
use super::tell::{look, published, told};
use crate::api::Reason;
use crate::cloud::ConfigureStatus;
use crate::reconcile::decide::decide;
use crate::reconcile::fold::Posted;
use crate::reconcile::plan::{
    Accepted, FailureKind, JobState, LanePlace, Look, Missing, Observation, Plan, Rank, Rejection, Remote, RetryWait,
    Step,
};

fn running(o: Observation) -> Observation {
    in_lane(job(o, JobState::Running), Rank::Resume)
}

#[test]
fn an_accepted_create_is_looked_at_once_and_then_recorded() {
    let o = with(observation(), |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        o.note_posted(Posted {
            intent: intent("a1"),
            begun: o.uptime,
            result: Ok(Accepted {
                id: "id".to_owned(),
                job_id: "job".to_owned(),
            }),
        });
    });
    assert!(matches!(look(&o), Look::Quick { id, .. } if id == "job"));
    let o = with(o, |o| o.memory.looked = true);
    let pending = told(&o);
    assert_eq!(
        (pending.status.id.as_deref(), pending.reason, pending.wait),
        (Some("id"), Some(Reason::Creating), None)
    );
    let done = told(&listing(job(o.clone(), JobState::Succeeded), &[ours("id")]));
    assert_eq!(
        (done.status.id.as_deref(), done.reason),
        (Some("id"), Some(Reason::Available))
    );
    // One that is not what was asked for, or stands beside a surplus, is no end.
    for items in [
        vec![in_state(ours("id"), ConfigureStatus::Creating)],
        vec![ours("id"), ours("surplus")],
        vec![],
    ] {
        let told = told(&listing(job(o.clone(), JobState::Succeeded), &items));
        assert_eq!((told.reason, told.wait), (Some(Reason::Creating), None));
    }
    // For one that is being deleted nothing is looked at.
    let told = told(&with(deleting(o), |o| o.memory.looked = false));
    assert_eq!(
        (told.status.id.as_deref(), told.reason),
        (Some("id"), Some(Reason::Deleting))
    );
}

#[test]
fn the_lane_is_taken_up_again_and_kept_while_the_job_runs() {
    let o = creating();
    assert_eq!(look(&o), Look::Job { id: "job".to_owned() });
    let o = job(o, JobState::Running);
    assert_eq!(look(&o), Look::Lane(Rank::Resume));
    let told = told(&running(creating()));
    assert_eq!(
        (told.reason, told.wait, told.keeps_lane),
        (Some(Reason::Creating), Some(seconds(1)), true)
    );
}

#[test]
fn the_interval_grows_with_the_age_of_the_job() {
    for (age, interval) in [(1, 1), (40, 5), (400, 30), (3599, 30)] {
        assert_eq!(
            told(&running(later(creating(), seconds(age)))).wait,
            Some(seconds(interval)),
            "{age}"
        );
    }
}

#[test]
fn no_event_makes_the_job_be_read_early() {
    let o = with(later(creating(), seconds(80)), |o| o.memory.polled = Some(o.uptime));
    let early = told(&later(o.clone(), seconds(4)));
    assert!(
        early.keeps_lane && early.wait.is_some_and(|wait| wait >= seconds(6)),
        "{early:?}"
    );
    assert!(matches!(look(&later(o, seconds(12))), Look::Job { .. }));
}

#[test]
fn progress_is_told_every_ten_seconds() {
    for (patched_ago, progress) in [(3, None), (10, Some("40%"))] {
        let o = with(running(later(creating(), seconds(60))), |o| {
            o.memory.patched = Some(o.uptime.saturating_sub(seconds(patched_ago)));
        });
        let operation = told(&o).status.operation.expect("under way");
        assert_eq!(operation.progress.as_deref(), progress);
    }
}

#[test]
fn only_a_list_from_after_the_job_shows_its_effect() {
    let o = listing(creating(), &[ours("id")]);
    let o = with(o, |o| o.uptime += seconds(1));
    let o = job(o, JobState::Succeeded);
    assert!(matches!(look(&o), Look::List { since, .. } if since == o.uptime));
    assert_eq!(told(&listing(o, &[ours("id")])).reason, Some(Reason::Available));
}

#[test]
fn a_list_that_lags_behind_the_job_is_polled_and_proves_nothing_gone() {
    let o = listing(job(later(creating(), seconds(16)), JobState::Succeeded), &[]);
    let told = told(&o);
    assert_eq!((told.reason, told.wait), (Some(Reason::Creating), Some(seconds(2))));
    assert_eq!(told.status.id.as_deref(), Some("id"));
}

#[test]
fn a_job_that_the_cloud_forgot_is_decided_by_the_list() {
    for forgotten in [
        FailureKind::Gone {
            what: Missing::Something,
        },
        FailureKind::Rejected {
            reason: Rejection::Invalid,
        },
    ] {
        let o = with(later(creating(), seconds(30)), |o| {
            o.note_job("job".to_owned(), Err(failure(forgotten)));
        });
        assert!(matches!(look(&o), Look::List { .. }));
        assert_eq!(told(&listing(o.clone(), &[ours("id")])).reason, Some(Reason::Available));
        let busy = in_state(ours("id"), ConfigureStatus::Creating);
        let told = told(&listing(o, &[busy]));
        assert_eq!((told.reason, told.keeps_lane), (Some(Reason::Creating), true));
    }
}

#[test]
fn a_job_that_cannot_be_read_is_backed_off_from_with_the_lane_kept_for_short_trouble_only() {
    for (kind, wait, keeps_lane) in [
        (
            FailureKind::RetryAfter {
                wait: RetryWait::Transient,
                delay: Some(seconds(50)),
            },
            seconds(50),
            true,
        ),
        // Looked at for a new Secret every 30 s, but the cloud is not asked.
        (FailureKind::CredentialsRejected, seconds(30), false),
        (
            FailureKind::Rejected {
                reason: Rejection::Denied,
            },
            seconds(30),
            false,
        ),
    ] {
        let o = with(later(creating(), seconds(60)), |o| {
            o.note_job("job".to_owned(), Err(failure(kind)));
        });
        let failed = told(&o);
        assert_eq!((failed.wait, failed.keeps_lane), (Some(wait), keeps_lane));
        let o = later(published(o), wait.saturating_sub(seconds(1)));
        assert_eq!(told(&o).status, o.object.status, "no read, no write");
    }
}

#[test]
fn a_job_past_its_deadline_is_decided_by_the_list_and_looked_at_slowly() {
    let o = later(creating(), seconds(3600));
    for state in [JobState::Running, JobState::Other("PAUSED".to_owned())] {
        let o = job(o.clone(), state.clone());
        let unended = told(&listing(o.clone(), &[in_state(ours("id"), ConfigureStatus::Creating)]));
        assert_eq!(
            (unended.reason, unended.wait),
            (Some(Reason::JobTimedOut), Some(seconds(300)))
        );
        assert!(!unended.keeps_lane);
        let message = &unended.status.conditions[0].message;
        assert_eq!(message.contains("PAUSED"), state != JobState::Running);
        assert_eq!(told(&listing(o.clone(), &[])).reason, Some(Reason::JobTimedOut));
        assert_eq!(told(&listing(o, &[ours("id")])).reason, Some(Reason::Available));
    }
    let o = published(listing(
        job(o, JobState::Running),
        &[in_state(ours("id"), ConfigureStatus::Creating)],
    ));
    let o = with(o, |o| o.memory.polled = Some(o.uptime));
    assert_eq!(told(&later(o, seconds(60))).wait, Some(seconds(240)));
}

#[test]
fn the_end_of_the_job_ends_the_stay_in_the_lane() {
    for items in [vec![ours("id")], vec![]] {
        let o = listing(in_lane(job(creating(), JobState::Succeeded), Rank::Resume), &items);
        assert!(!told(&o).keeps_lane);
    }
    let o = listing(in_lane(job(creating(), JobState::Failed), Rank::Resume), &[ours("id")]);
    assert!(!told(&o).keeps_lane);
}

#[test]
fn an_operation_that_ended_entitles_to_no_other() {
    let o = deleting(listing(
        in_lane(job(creating(), JobState::Succeeded), Rank::Resume),
        &[ours("id")],
    ));
    assert_eq!(look(&o), Look::Lane(Rank::Delete));
    let o = in_lane(o, Rank::Delete);
    assert!(matches!(decide(&o), Plan::Act(Step::Delete { id, .. }) if id == "id"));
    let waiting = told(&with(o, |o| o.lane = Some(LanePlace::Waiting)));
    assert!(waiting.keeps_lane);
}

#[test]
fn a_source_that_somebody_deletes_meanwhile_is_told_of() {
    let leaving = in_state(ours("id"), ConfigureStatus::Deleting);
    let o = listing(job(creating(), JobState::Succeeded), &[leaving]);
    assert!(matches!(o.remote, Remote::Listed { .. }));
    assert_eq!(told(&o).reason, Some(Reason::Recovering));
}

#[test]
fn without_a_job_a_create_that_never_ends_is_told_too() {
    let adopted = with(creating(), |o| o.object.status.job_id = None);
    let creating = in_state(ours("id"), ConfigureStatus::Creating);
    let o = listing(later(adopted, seconds(3599)), std::slice::from_ref(&creating));
    assert_eq!(told(&o).reason, Some(Reason::Creating));
    let o = listing(later(o, seconds(1)), std::slice::from_ref(&creating));
    assert_eq!(
        (told(&o).reason, told(&o).keeps_lane),
        (Some(Reason::JobTimedOut), false)
    );
    assert_eq!(
        told(&listing(later(o, seconds(600)), &[ours("id")])).reason,
        Some(Reason::Available)
    );
}

#[test]
fn a_source_that_was_never_healthy_may_still_be_a_failed_create() {
    let pending = in_state(ours("id"), ConfigureStatus::PendingReboot);
    let o = published(listing(job(creating(), JobState::Succeeded), &[pending]));
    assert_eq!(o.object.status.conditions[0].reason, Reason::RebootRequired);
    // No event turns what was told into something that is not known.
    let woken = with(later(o.clone(), seconds(1)), |o| o.memory.polled = Some(o.uptime));
    assert_eq!(told(&woken).reason, Some(Reason::RebootRequired));
    let failed = in_state(ours("id"), ConfigureStatus::Failed);
    let o = listing(job(later(o, seconds(600)), JobState::Succeeded), &[failed]);
    assert_eq!(told(&o).reason, Some(Reason::CreateFailed));
}

/// Its job says that all went well, and the data source is created for ever.
#[test]
fn a_create_that_outlives_its_job_is_told_too() {
    let creating_still = in_state(ours("id"), ConfigureStatus::Creating);
    let ended = |o| listing(job(o, JobState::Succeeded), std::slice::from_ref(&creating_still));
    assert_eq!(
        told(&ended(later(creating(), seconds(3599)))).reason,
        Some(Reason::Creating)
    );
    let told = told(&ended(later(creating(), seconds(3600))));
    assert_eq!((told.reason, told.keeps_lane), (Some(Reason::JobTimedOut), false));
}

/// An hour later the cloud has forgotten the job, and the list lacks the data source: the rule for what is gone decides.
#[test]
fn what_is_gone_long_after_its_job_is_created_again() {
    let forgotten = |o: Observation| {
        let gone = FailureKind::Gone {
            what: Missing::Something,
        };
        with(o, |o| o.note_job("job".to_owned(), Err(failure(gone))))
    };
    let o = listing(forgotten(later(creating(), seconds(3700))), &[]);
    assert_eq!(told(&o).reason, Some(Reason::Creating));
    let o = listing(forgotten(later(published(o), seconds(60))), &[]);
    let told = told(&o);
    assert_eq!((told.status.id, told.notes[0].reason), (None, "ExternallyDeleted"));
}
