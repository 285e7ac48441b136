//! Changes in place, and restarts.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::cloud::{ConfigureStatus, Reconfigure};
use crate::reconcile::plan::{
    DataSourceType, FailureKind, Item, JobState, Look, Observation, OperationType, Rank, Rejection, ReplacementPolicy,
    RetryWait, Step,
};

/// Ready for an hour, with another agency in the spec since.
fn edited() -> Observation {
    with(later(ready(), seconds(3600)), |o| {
        o.object.generation = 2;
        "other".clone_into(&mut o.object.spec.user_name);
    })
}

fn listed(o: Observation) -> Observation {
    listing(in_lane(o, Rank::Create), &[ours("id")])
}

fn change(agency: Option<&str>, reboot: bool) -> Reconfigure {
    Reconfigure {
        agency: agency.map(str::to_owned),
        reboot,
    }
}

/// What is sent.
fn sent(o: &Observation) -> Reconfigure {
    let Step::Update { id, change, .. } = step(o) else {
        panic!("no update: {:?}", step(o));
    };
    assert_eq!(id, "id");
    change
}

/// The update was accepted and recorded.
fn accepted(o: Observation) -> Observation {
    let (change, refresh) = match step(&o) {
        Step::Update { change, refresh, .. } => (change, refresh),
        other => panic!("no update: {other:?}"),
    };
    published(with(o, |o| o.note_updated(change, refresh, Ok("job".to_owned()))))
}

fn agency(name: &str) -> Item {
    Item {
        user_name: Some(name.to_owned()),
        ..ours("id")
    }
}

fn requested(o: Observation) -> Observation {
    with(o, |o| o.object.requests.reboot = Some("1".to_owned()))
}

#[test]
fn an_update_takes_the_lane_and_a_list_since() {
    let o = edited();
    assert!(matches!(look(&o), Look::List { .. }));
    let o = listing(o, &[ours("id")]);
    assert_eq!(look(&o), Look::Lane(Rank::Create));
    let held = with(o, |o| {
        o.uptime += seconds(1);
        o.lane = Some(crate::reconcile::plan::LanePlace::Held {
            since: o.uptime,
            rank: Rank::Create,
        });
    });
    assert!(matches!(look(&held), Look::List { since, .. } if since == held.uptime));
    assert_eq!(sent(&listed(edited())), change(Some("other"), false));
}

#[test]
fn one_that_was_accepted_is_followed_and_read_back() {
    let o = accepted(listed(edited()));
    let status = &o.object.status;
    assert_eq!(status.update_generation, Some(2));
    assert_eq!(
        status.operation.as_ref().map(|operation| operation.type_),
        Some(OperationType::Update)
    );
    let o = later(o, seconds(20));
    assert_eq!(look(&o), Look::Job { id: "job".to_owned() });
    let o = job(o, JobState::Succeeded);
    assert!(matches!(look(&o), Look::List { .. }));
    let told = told(&listing(o, &[agency("other")]));
    assert_eq!((told.reason, told.status.operation), (Some(Reason::Available), None));
}

#[test]
fn one_that_changed_nothing_fails_once_the_list_cannot_lag_any_more() {
    let mut o = later(accepted(listed(edited())), seconds(20));
    o.note_job("job".to_owned(), Ok(succeeded()));
    let lagging = told(&listing(o.clone(), &[agency("agency")]));
    assert_eq!(lagging.reason, Some(Reason::Updating));
    let lag = o.timings.list_lag;
    let mut o = later(o, lag + seconds(1));
    o.note_job("job".to_owned(), Ok(succeeded()));
    let o = published(listing(o, &[agency("agency")]));
    assert_eq!(reason(&o), Some(Reason::UpdateFailed));
    // It stays told, and is not tried again in this generation.
    let again = listing(in_lane(later(o, seconds(600)), Rank::Create), &[agency("agency")]);
    assert_eq!(told(&again).reason, Some(Reason::UpdateFailed));
    let next = with(again, |o| o.object.generation = 3);
    assert_eq!(sent(&next), change(Some("other"), false));
}

#[test]
fn a_request_for_a_look_is_another_try() {
    let o = with(listed(edited()), |o| {
        o.object.status.update_generation = Some(2);
        o.object.requests.reconcile = Some("1".to_owned());
    });
    let o = published(o);
    assert_eq!(o.object.status.last_handled_reconcile_at.as_deref(), Some("1"));
    assert_eq!(sent(&o), change(Some("other"), false));
}

#[test]
fn a_restart_is_written_down_before_it_is_sent() {
    let o = requested(listed(later(ready(), seconds(3600))));
    let o = published(o);
    assert_eq!(o.object.status.last_handled_reboot_at.as_deref(), Some("1"));
    assert_eq!(sent(&o), change(None, true));
    // Another process, or this one born anew, does not know whether it was sent.
    let reborn = with(later(o, seconds(1)), |o| {
        o.memory = crate::reconcile::plan::Memory::default();
    });
    assert_eq!(told(&reborn).reason, Some(Reason::Recovering));
    let settled = told(&later(reborn, seconds(3600)));
    assert_eq!(settled.status.operation, None);
    assert_eq!(settled.notes[0].reason, "RestartNotRepeated");
}

#[test]
fn only_a_definite_refusal_gives_a_restart_back() {
    let busy = FailureKind::RetryAfter {
        wait: RetryWait::Busy,
        delay: None,
    };
    let invalid = FailureKind::Rejected {
        reason: Rejection::Invalid,
    };
    let unknown = FailureKind::UnknownOutcome {
        answered: false,
        delay: None,
    };
    for (kind, is_given_back) in [
        (busy, true),
        (invalid, true),
        (unknown, false),
        (FailureKind::Fenced, false),
    ] {
        let o = published(requested(listed(later(ready(), seconds(3600)))));
        let o = published(with(o, |o| {
            o.note_updated(change(None, true), None, Err(failure(kind.clone())));
        }));
        let handled = o.object.status.last_handled_reboot_at.is_none();
        assert_eq!(handled, is_given_back, "{kind:?}");
    }
}

#[test]
fn the_spec_asks_with_an_edit_and_not_with_drift() {
    let asks = |o: Observation| with(o, |o| o.object.spec.reboot = Some(true));
    let recorded = published(asks(listed(edited())));
    assert_eq!(recorded.object.status.reboot_generation, Some(2));
    assert_eq!(sent(&recorded), change(Some("other"), true));
    // Carried out without an update, the generation is spent.
    let o = published(listing(
        asks(with(later(ready(), seconds(3600)), |o| o.object.generation = 5)),
        &[ours("id")],
    ));
    assert_eq!(o.object.status.reboot_generation, Some(5));
    let drifted = listing(in_lane(later(o, seconds(3600)), Rank::Create), &[agency("somebodys")]);
    assert_eq!(sent(&drifted), change(Some("agency"), false));
}

#[test]
fn an_edit_of_something_else_lends_its_restart_to_no_repair() {
    let o = with(later(ready(), seconds(3600)), |o| {
        o.object.status.update_generation = Some(1);
    });
    let drifted = published(listing(o, &[agency("somebodys")]));
    assert_eq!(reason(&drifted), Some(Reason::Drifted));
    let edited = with(later(drifted, seconds(60)), |o| {
        o.object.generation = 2;
        o.object.spec.reboot = Some(true);
    });
    let repair = listing(in_lane(edited, Rank::Create), &[agency("somebodys")]);
    assert_eq!(sent(&repair), change(Some("agency"), false));
    // With the agency edited too it is an update of that edit.
    let both = with(repair, |o| o.object.spec.user_name = "other".to_owned());
    assert_eq!(published(both).object.status.reboot_generation, Some(2));
}

#[test]
fn what_has_failed_since_is_mended_by_an_update() {
    let failed = in_state(ours("id"), ConfigureStatus::Failed);
    let o = listing(in_lane(edited(), Rank::Create), &[failed]);
    assert_eq!(sent(&o), change(Some("other"), false));
}

fn succeeded() -> crate::reconcile::plan::Job {
    crate::reconcile::plan::Job {
        state: JobState::Succeeded,
        progress: None,
        failed_code: None,
        failed_detail: None,
    }
}

fn reason(o: &Observation) -> Option<Reason> {
    o.object.status.conditions.first().map(|condition| condition.reason)
}

fn busy() -> FailureKind {
    FailureKind::RetryAfter {
        wait: RetryWait::Busy,
        delay: None,
    }
}

#[test]
fn what_is_no_obs_source_yet_is_not_updated_however_the_spec_reads() {
    let o = with(edited(), |o| {
        o.object.intent.as_mut().expect("it was created").type_ = DataSourceType::Mrs;
        o.object.spec.replacement_policy = Some(ReplacementPolicy::OnApproval);
        o.object.requests.refresh = Some("1".to_owned());
    });
    let mrs = Item {
        type_: Some(DataSourceType::Mrs),
        ..ours("id")
    };
    let told = told(&listing(in_lane(o, Rank::Create), &[mrs]));
    assert_eq!(told.notes[0].reason, "RequestRefused");
    let waiting = told.status.conditions.first().map(|condition| condition.reason);
    assert_ne!(waiting, Some(Reason::Updating));
}

#[test]
fn a_refusal_gives_back_the_request_that_it_answered_and_no_other() {
    // The spec asks; the annotation of an earlier request still stands.
    let o = with(listed(edited()), |o| {
        o.object.spec.reboot = Some(true);
        o.object.requests.reboot = Some("old".to_owned());
        o.object.status.last_handled_reboot_at = Some("old".to_owned());
    });
    let o = published(with(published(o), |o| {
        o.note_updated(change(Some("other"), true), None, Err(failure(busy())));
    }));
    let status = &o.object.status;
    assert_eq!(status.last_handled_reboot_at.as_deref(), Some("old"));
    assert_eq!(status.reboot_generation, Some(1), "the generation may ask again");
}

#[test]
fn a_restart_that_is_refused_is_asked_for_ever_more_slowly() {
    let mut o = requested(listed(later(ready(), seconds(3600))));
    for attempts in 1..4 {
        o = published(o);
        o = published(with(o, |o| {
            o.note_updated(change(None, true), None, Err(failure(busy())));
        }));
        let retry = o.object.status.retry.as_ref().expect("it is tried again");
        assert_eq!(retry.attempts, attempts);
        o = listing(in_lane(later(o, seconds(70)), Rank::Create), &[ours("id")]);
    }
}

#[test]
fn who_withdraws_a_request_before_it_is_sent_is_heard() {
    let o = published(requested(listed(later(ready(), seconds(3600)))));
    let withdrawn = with(o, |o| o.object.requests.reboot = None);
    let told = told(&withdrawn);
    assert_eq!(
        (told.status.operation, told.status.last_handled_reboot_at),
        (None, None)
    );
}

#[test]
fn an_answer_about_an_earlier_agency_is_no_update_of_the_generation() {
    let o = with(listed(edited()), |o| {
        o.note_updated(change(Some("other"), false), None, Ok("job".to_owned()));
    });
    let o = published(with(o, |o| {
        o.object.generation = 3;
        "third".clone_into(&mut o.object.spec.user_name);
    }));
    assert_eq!(o.object.status.update_generation, None);
    let mut o = later(o, seconds(20));
    o.note_job("job".to_owned(), Ok(succeeded()));
    let o = listing(in_lane(o, Rank::Create), &[agency("other")]);
    assert_eq!(sent(&o), change(Some("third"), false));
}
