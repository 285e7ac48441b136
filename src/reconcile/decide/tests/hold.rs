//! The provider is kept before anything can depend on it.

use proptest::prelude::*;

use super::arbitrary::observations;
use super::builder::*;
use super::tell::{step, told};
use crate::api::Reason;
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{Grant, Observation, Plan, Provider, Rank, Step};

fn lent(o: Observation, as_it_is: Grant) -> Observation {
    with(o, |o| {
        if let Provider::Ready { grant, .. } = &mut o.provider {
            *grant = as_it_is;
        }
    })
}

#[test]
fn the_provider_is_held_before_the_intent() {
    let ready_to_create = listing(in_lane(observation(), Rank::Create), &[]);
    let mut o = lent(ready_to_create, Grant::Given);
    assert_eq!(step(&o), Step::HoldProvider);
    o.note_grant(Grant::Held);
    assert!(matches!(step(&o), Step::RecordIntent(_)));
}

#[test]
fn a_provider_that_is_being_deleted_takes_nothing_new_and_serves_what_exists() {
    let told_of = told(&lent(observation(), Grant::Leaving));
    assert_eq!(told_of.reason, Some(Reason::WaitingForProvider));
    let message = &told_of.status.conditions[0].message;
    assert!(message.contains("being deleted"), "{message}");
    assert_eq!(told_of.wait, Some(observation().timings.secret_recheck));

    let exists = lent(listing(ready(), &[ours("id")]), Grant::Leaving);
    assert_eq!(told(&exists).reason, Some(Reason::Available));
    let o = deleting(lent(ready(), Grant::Leaving));
    let o = listing(in_lane(later(o, seconds(1)), Rank::Delete), &[ours("id")]);
    assert!(matches!(step(&o), Step::Delete { id, .. } if id == "id"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Nothing new is begun through a provider that may go before it.
    #[test]
    fn an_attempt_begins_with_its_provider_held(o in observations()) {
        if let Plan::Act(Step::RecordIntent(intent)) = decide(&o)
            && intent.attempt == o.fresh_attempt
        {
            let is_held = matches!(o.provider, Provider::Ready { grant: Grant::Held, .. });
            prop_assert!(is_held);
        }
    }
}
