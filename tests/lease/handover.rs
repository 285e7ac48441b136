//! Who leads, and how the lead passes on to another.

use std::time::Duration;

use dws_operator::runtime::election::Release;

use crate::stage::{PATIENCE, Stage, eventually, long, short, soon};

#[tokio::test]
async fn the_second_waits_and_takes_over_when_the_first_has_crashed() {
    let stage = Stage::set().await;
    let first = stage.stand("a", &short()).await;
    soon("leader", first.leadership().acquired()).await;
    let second = stage.stand("b", &short()).await;
    // Far longer than the lease lasts.
    for _ in 0..24 {
        stage.renewals(1).await;
        assert!(!second.leadership().is_leader());
        assert!(first.leadership().is_leader());
    }
    let leadership = first.leadership();
    drop(first);
    soon("takeover", second.leadership().acquired()).await;
    assert!(!leadership.is_leader(), "two leaders");
    let spec = stage.spec().await;
    assert_eq!(
        (
            spec.holder_identity.as_deref(),
            spec.lease_transitions,
            spec.lease_duration_seconds
        ),
        (Some("b"), Some(1), Some(6))
    );
    let annotations = stage.lease().await.metadata.annotations.unwrap_or_default();
    assert_eq!(annotations["example.com/holder"], "b", "it tells about its holder");
}

#[tokio::test]
async fn only_one_of_many_leads() {
    let stage = Stage::set().await;
    let mut elections = Vec::new();
    for n in 0..5 {
        elections.push(stage.stand(&format!("replica-{n}"), &long()).await);
    }
    let leads = || {
        elections
            .iter()
            .filter(|election| election.leadership().is_leader())
            .count()
    };
    eventually("leader", async || leads() == 1).await;
    stage.renewals(2).await;
    assert_eq!(leads(), 1);
}

#[tokio::test]
async fn a_released_lease_is_taken_at_once() {
    let stage = Stage::set().await;
    let first = stage.stand("a", &long()).await;
    soon("leader", first.leadership().acquired()).await;
    let second = stage.stand("b", &long()).await;
    let leadership = first.leadership();
    assert_eq!(first.release(PATIENCE).await, Release::Released);
    assert!(!leadership.is_leader());
    soon("takeover", second.leadership().acquired()).await;
    assert_eq!(stage.holder().await.as_deref(), Some("b"));
    let third = stage.stand("c", &long()).await;
    assert_eq!(third.release(PATIENCE).await, Release::NotHeld);
    assert_eq!(stage.holder().await.as_deref(), Some("b"));
}

#[tokio::test]
async fn with_a_write_in_flight_the_lease_is_kept() {
    let stage = Stage::set().await;
    let election = stage.stand("a", &long()).await;
    let leadership = election.leadership();
    soon("leader", leadership.acquired()).await;
    let write = leadership.begin_write(Duration::from_secs(25)).unwrap();
    assert_eq!(election.release(PATIENCE).await, Release::WriteInFlight);
    assert!(leadership.begin_write(Duration::ZERO).is_none());
    write.finish();
    assert_eq!(stage.holder().await.as_deref(), Some("a"));
}

#[tokio::test]
async fn the_same_identity_takes_its_own_lease_over_at_once() {
    let stage = Stage::set().await;
    let first = stage.stand("a", &long()).await;
    soon("leader", first.leadership().acquired()).await;
    let acquired = stage.spec().await.acquire_time;
    drop(first);
    let again = stage.stand("a", &long()).await;
    soon("leader", again.leadership().acquired()).await;
    let spec = stage.spec().await;
    assert_eq!((spec.lease_transitions, spec.acquire_time), (Some(0), acquired));
}
