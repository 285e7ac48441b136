//! A create that failed, and its replacement.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::cloud::ConfigureStatus;
use crate::reconcile::plan::{
    FailureKind, Item, JobState, Look, Observation, OperationType, Password, Provider, Rank, RetryWait, SecretVersion,
    Step,
};

fn record() -> Item {
    Item {
        fail_reason: Some("the agency is gone".to_owned()),
        ..in_state(ours("id"), ConfigureStatus::Failed)
    }
}

/// The create failed, and the status says so.
fn failed() -> Observation {
    published(listing(job(creating(), JobState::Failed), &[record()]))
}

#[test]
fn it_says_why_and_stays() {
    let told = told(&listing(job(creating(), JobState::Failed), &[record()]));
    assert_eq!(
        (told.reason, told.wait),
        (Some(Reason::CreateFailed), Some(seconds(600)))
    );
    let operation = told.status.operation.expect("it stays");
    assert_eq!(operation.failed_code.as_deref(), Some("CreateTask-fail:DWS.0114"));
    assert!(told.status.conditions[0].message.contains("no agency"));
    assert_eq!(told.status.id.as_deref(), Some("id"));
}

#[test]
fn a_source_that_fails_after_it_was_available_is_no_failed_create() {
    let o = listing(later(ready(), seconds(3600)), &[record()]);
    let failed_since = told(&o);
    assert_eq!(failed_since.reason, Some(Reason::Drifted));
    let message = &failed_since.status.conditions[0].message;
    assert!(message.contains("the agency is gone"), "{message}");
    // A later generation, which the API server would refuse, does not remove it either.
    let edited = with(published(o), |o| o.object.generation += 1);
    assert_eq!(told(&listing(edited, &[record()])).reason, Some(Reason::Drifted));
}

#[test]
fn one_that_was_found_while_it_was_created_may_still_fail() {
    let creating = in_state(ours("id"), ConfigureStatus::Creating);
    let unrecorded = with(in_lane(observation(), Rank::Create), |o| o.object.finalizer = true);
    let found = published(listing(unrecorded, &[creating]));
    assert_eq!(found.object.status.id.as_deref(), Some("id"));
    let told = told(&listing(later(found, seconds(60)), &[record()]));
    assert_eq!(told.reason, Some(Reason::CreateFailed));
    assert!(told.status.conditions[0].message.contains("the agency is gone"));
}

#[test]
fn nothing_that_the_list_lacks_starts_another_create() {
    let mut o = failed();
    for _ in 0..5 {
        o = listing(later(o, seconds(600)), &[]);
        let told = told(&o);
        assert_eq!(
            (told.reason, told.status.id.as_deref()),
            (Some(Reason::CreateFailed), Some("id"))
        );
        o.object.status = told.status;
    }
}

#[test]
fn one_that_became_healthy_is_ready() {
    let told = told(&listing(later(failed(), seconds(600)), &[ours("id")]));
    assert_eq!((told.reason, told.status.operation), (Some(Reason::Available), None));
}

#[test]
fn an_edit_of_the_spec_begins_the_replacement() {
    let o = with(later(failed(), seconds(5)), |o| o.object.generation += 1);
    assert!(matches!(look(&o), Look::List { .. }));
    let told = told(&listing(o, &[record()]));
    let operation = told.status.operation.expect("it begins");
    assert_eq!(
        (operation.type_, operation.old_id.as_deref()),
        (OperationType::Replace, Some("id"))
    );
    assert_eq!((told.reason, told.wait), (Some(Reason::Replacing), None));
}

#[test]
fn an_edit_removes_nothing_that_is_available_by_now() {
    let o = with(later(failed(), seconds(5)), |o| o.object.generation += 1);
    let told = told(&listing(o, &[ours("id")]));
    assert_eq!(
        (told.reason, told.status.id.as_deref()),
        (Some(Reason::Available), Some("id"))
    );
}

#[test]
fn what_exists_is_no_failed_create_whatever_its_job_says() {
    let pending = || in_state(ours("id"), ConfigureStatus::PendingReboot);
    for (item, reason) in [(ours("id"), Reason::Available), (pending(), Reason::RebootRequired)] {
        let told = told(&listing(job(creating(), JobState::Failed), &[item]));
        assert_eq!(told.reason, Some(reason));
    }
    // Nor when it was told as one before: an edit would not be what the cloud holds.
    let told = told(&listing(later(failed(), seconds(600)), &[pending()]));
    let operation = told.status.operation.expect("it may fail yet");
    assert_eq!(
        (told.reason, operation.failed_code),
        (Some(Reason::RebootRequired), None)
    );
}

#[test]
fn a_new_password_begins_it_but_nothing_about_the_provider() {
    let version = |version: &str| SecretVersion {
        uid: "s".to_owned(),
        resource_version: version.to_owned(),
        key: "password".to_owned(),
        hmac: None,
    };
    let o = with(later(failed(), seconds(5)), |o| {
        o.object.spec.user_pwd = Some(user_pwd());
        o.object.status.secret = Some(version("1"));
        o.memory.tried_version = Some("1".to_owned());
    });
    assert_eq!(look(&o), Look::Password);
    let with_password = |v: &str| with(o.clone(), |o| o.password = Password::Present { version: version(v) });
    let changed = listing(with_password("2"), &[record()]);
    assert_eq!(told(&changed).reason, Some(Reason::Replacing));
    let other_provider = with(with_password("1"), |o| {
        if let Provider::Ready { version, .. } = &mut o.provider {
            *version = "2".to_owned();
        }
    });
    let told = told(&other_provider);
    assert_eq!(
        (told.reason, told.wait),
        (Some(Reason::CreateFailed), Some(seconds(30)))
    );
}

/// The replacement has begun.
fn replacing() -> Observation {
    let o = with(later(failed(), seconds(5)), |o| {
        o.object.generation += 1;
        o.object.spec.data_source_name = "other".to_owned();
    });
    later(published(listing(o, &[record()])), seconds(1))
}

#[test]
fn only_the_recorded_one_is_removed_and_then_the_create_begins_anew() {
    let o = replacing();
    assert!(matches!(look(&o), Look::List { .. }));
    let o = listing(o, &[record(), ours("late")]);
    assert_eq!(look(&o), Look::Lane(Rank::Delete));
    let mut o = in_lane(o, Rank::Delete);
    assert!(matches!(step(&o), Step::Delete { id, .. } if id == "id"));
    o.note_deleted("id".to_owned(), Ok(Some("job".to_owned())));
    let o = published(o);
    assert_eq!(look(&o), Look::Job { id: "job".to_owned() });
    let o = with(job(o, JobState::Succeeded), |o| o.uptime += seconds(1));
    let o = with(o, |o| o.job.as_mut().expect("read").read = o.uptime);
    let o = published(listing(o, &[]));
    assert_eq!(
        (o.object.status.id.as_ref(), o.object.status.cloud.as_ref()),
        (None, None)
    );
    // What was listed under the old name proves nothing about the new one.
    assert_eq!(look(&o), Look::Lane(Rank::Create));
    assert!(matches!(look(&in_lane(o, Rank::Create)), Look::List { .. }));
}

#[test]
fn a_record_that_never_shows_is_gone_after_the_lists_lag() {
    let o = replacing();
    let first = listing(later(o.clone(), seconds(1)), &[]);
    assert!(told(&first).status.id.is_some(), "the list may lag behind the create");
    let mut o = listing(later(first, seconds(130)), &[]);
    assert!(told(&o).status.id.is_some());
    o = listing(later(o, seconds(10)), &[]);
    assert_eq!(told(&o).status.id, None);
}

#[test]
fn short_trouble_with_the_list_changes_no_verdict() {
    let outage = || FailureKind::RetryAfter {
        wait: RetryWait::Transient,
        delay: None,
    };
    let mut o = unlisted(later(failed(), seconds(600)), outage());
    assert_eq!(told(&o).reason, Some(Reason::CreateFailed));
    for _ in 0..4 {
        o = unlisted(later(o, seconds(60)), outage());
    }
    assert_eq!(told(&o).reason, Some(Reason::Retrying));
}

/// The cloud went on with what it had called failed, after the replacement had begun: it is not deleted.
#[test]
fn what_has_come_about_after_all_is_kept() {
    let o = in_lane(listing(replacing(), &[ours("id")]), Rank::Delete);
    let told = told(&o);
    assert_eq!((told.status.id.as_deref(), told.status.operation), (Some("id"), None));
    assert_eq!(told.reason, Some(Reason::Drifted), "the spec has another name");
}

/// The list still shows the record whose removal a job has proven.
#[test]
fn a_record_that_was_just_removed_is_not_taken_for_a_new_one() {
    let mut o = in_lane(listing(replacing(), &[record()]), Rank::Delete);
    o.note_deleted("id".to_owned(), Ok(None));
    let o = with(in_lane(later(o, seconds(1)), Rank::Create), |o| {
        o.memory.outcome = None;
        o.object.status.id = None;
        o.object.status.operation = None;
    });
    let told = told(&listing(o, &[record()]));
    assert_eq!((told.status.id, told.reason), (None, Some(Reason::Creating)));
}
