//! Two objects with one name.

use super::builder::*;
use super::tell::{step, told};
use crate::api::Reason;
use crate::reconcile::plan::{AttemptOutcome, Observation, Rival, Step};

fn rivalled(is_leaving: bool) -> Observation {
    with(observation(), |o| {
        o.rival = Some(Rival {
            name: "other/lake".to_owned(),
            deleting: is_leaving,
        });
    })
}

#[test]
fn the_other_one_is_named() {
    for (is_leaving, reason) in [(false, Reason::DuplicateOwner), (true, Reason::WaitingForOwner)] {
        let told = told(&rivalled(is_leaving));
        assert_eq!((told.reason, told.wait), (Some(reason), Some(seconds(600))));
        assert!(told.status.conditions[0].message.contains("other/lake"));
        // It is woken when the other one leaves, and holds no lane meanwhile.
        assert!(!told.firm && !told.keeps_lane);
    }
}

#[test]
fn a_request_for_a_look_is_answered_all_the_same() {
    let o = with(rivalled(false), |o| {
        o.object.status = told(&rivalled(false)).status;
        o.object.requests.reconcile = Some("1".to_owned());
    });
    let told = told(&o);
    assert_eq!(told.reason, Some(Reason::DuplicateOwner));
    assert_eq!(told.status.last_handled_reconcile_at.as_deref(), Some("1"));
}

#[test]
fn the_loser_goes_without_a_call() {
    let o = with(deleting(rivalled(false)), |o| o.object.intent = Some(intent("a1")));
    let o = with(o, |o| {
        o.object.status.last_attempt = creating().object.status.last_attempt;
        o.object.status.last_attempt.as_mut().expect("there is one").outcome = AttemptOutcome::Rejected;
    });
    assert_eq!(step(&o), Step::DropFinalizer { note: None });
}

#[test]
fn whoever_has_an_id_asks_nobody() {
    let o = with(listing(later(ready(), seconds(3600)), &[ours("id")]), |o| {
        o.rival = rivalled(false).rival;
    });
    assert_eq!(told(&o).reason, Some(Reason::Available));
}
