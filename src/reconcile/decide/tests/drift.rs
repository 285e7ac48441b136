//! Comparing the cloud with the spec.

use std::time::Duration;

use super::builder::*;
use super::tell::{look, published, told};
use crate::api::{Reason, names};
use crate::cloud::{ConfigureStatus, SourceStatus};
use crate::reconcile::plan::{FailureKind, Item, Look, Missing, Observation, Provider, RetryWait};

fn transient() -> FailureKind {
    FailureKind::RetryAfter {
        wait: RetryWait::Transient,
        delay: None,
    }
}

#[test]
fn nothing_is_read_and_nothing_written_before_the_resync() {
    let o = published(listing(ready(), &[ours("id")]));
    for minutes in [1, 15, 26] {
        let told = told(&later(o.clone(), seconds(60 * minutes)));
        assert_eq!(told.status, o.object.status);
        assert!(told.wait > Some(seconds(0)));
    }
    // Jittered by a tenth.
    assert!(matches!(look(&later(o, seconds(33 * 60))), Look::List { .. }));
}

#[test]
fn a_look_that_finds_nothing_new_writes_nothing_but_the_time() {
    let o = published(listing(ready(), &[ours("id")]));
    let again = told(&listing(later(o.clone(), seconds(3600)), &[ours("id")])).status;
    let mut before = o.object.status;
    before.last_sync_time = again.last_sync_time;
    assert_eq!(again, before);
}

#[test]
fn no_resync_period_means_no_resync() {
    let o = with(published(listing(ready(), &[ours("id")])), |o| {
        o.resync_period = seconds(0);
    });
    assert!(told(&later(o, seconds(3600))).wait > Some(seconds(3600)));
}

#[test]
fn a_list_that_another_object_had_read_serves_too() {
    let o = published(listing(ready(), &[ours("id")]));
    let synced = o.memory.synced.expect("listed");
    let o = later(o, seconds(3600));
    assert!(matches!(look(&o), Look::List { since, .. } if since > synced && since < o.uptime));
    let edited = with(o, |o| o.object.generation += 1);
    assert!(matches!(look(&edited), Look::List { since, .. } if since == edited.uptime));
}

#[test]
fn a_restart_spreads_the_first_looks() {
    let mut waits: Vec<_> = (0..50)
        .map(|n| {
            told(&with(ready(), |o| {
                o.object.uid = format!("uid-{n}");
                o.uptime = seconds(1);
                o.started = o.uptime;
                o.memory = crate::reconcile::plan::Memory::default();
            }))
            .wait
        })
        .collect();
    waits.sort();
    assert!(
        waits[0] < Some(seconds(300)) && waits[49] > Some(seconds(1500)),
        "{waits:?}"
    );
}

#[test]
fn an_operator_that_is_restarted_more_often_than_the_period_is_long_compares_all_the_same() {
    for n in 0..50 {
        let reborn = with(ready(), |o| {
            o.object.uid = format!("uid-{n}");
            o.resync_period = Duration::from_hours(24);
            o.uptime = seconds(1);
            o.started = o.uptime;
            o.memory = crate::reconcile::plan::Memory::default();
        });
        assert!(told(&reborn).wait <= Some(seconds(1800)), "{n}");
    }
}

#[test]
fn the_period_is_jittered_both_ways() {
    let o = with(published(listing(ready(), &[ours("id")])), |o| {
        o.resync_period = seconds(1000);
    });
    let waits: Vec<_> = (0..200)
        .filter_map(|n| told(&with(o.clone(), |o| o.object.uid = format!("uid-{n}"))).wait)
        .collect();
    let within = |wait: &Duration| (seconds(900)..=seconds(1100)).contains(wait);
    assert!(waits.len() == 200 && waits.iter().all(within), "{waits:?}");
    let near = |low, high| waits.iter().any(|wait| (seconds(low)..=seconds(high)).contains(wait));
    assert!(near(900, 920) && near(1080, 1100), "{waits:?}");
}

#[test]
fn an_earlier_ready_is_not_written_beside_a_later_generation() {
    let o = with(ready(), |o| {
        o.object.generation = 2;
        o.object.spec.user_name = "other".to_owned();
    });
    let told = told(&listing(later(o, seconds(1)), &[]));
    assert_eq!(
        (told.reason, told.status.id.as_deref()),
        (Some(Reason::Recovering), Some("id"))
    );
}

#[test]
fn gone_takes_two_lists_a_minute_apart_and_well_after_the_last_write() {
    // Seconds after the last write at which the list lacks it; whether that is the proof.
    for (lists, proven) in [
        (vec![130], false),
        (vec![130, 189], false),
        (vec![100, 180], false),
        (vec![130, 190], true),
        (vec![119, 121, 182], true),
    ] {
        let mut o = with(ready(), |o| o.memory.written = Some(o.uptime));
        let written = o.uptime;
        for at in &lists {
            o = listing(later(o.clone(), (written + seconds(*at)).saturating_sub(o.uptime)), &[]);
        }
        let told = told(&o);
        assert_eq!(told.status.id.is_none(), proven, "{lists:?}");
        let reason = if proven { Reason::Recovering } else { Reason::Available };
        assert_eq!(told.reason, Some(reason));
        assert_eq!(
            told.notes.first().map(|note| note.reason),
            proven.then_some("ExternallyDeleted")
        );
    }
}

#[test]
fn the_second_look_comes_in_its_time() {
    let o = with(ready(), |o| o.memory.written = Some(o.uptime));
    let o = published(listing(later(o, seconds(1000)), &[]));
    assert_eq!(told(&later(o.clone(), seconds(20))).wait, Some(seconds(40)));
    assert!(matches!(look(&later(o, seconds(60))), Look::List { .. }));
}

#[test]
fn presence_between_the_two_starts_the_proof_anew() {
    let o = with(ready(), |o| o.memory.written = Some(o.uptime));
    let o = listing(later(o, seconds(200)), &[]);
    let o = listing(later(o, seconds(30)), &[ours("id")]);
    let o = listing(later(o, seconds(40)), &[]);
    assert_eq!(told(&o).status.id.as_deref(), Some("id"));
}

#[test]
fn a_cluster_that_is_gone_is_waited_for_and_never_a_reason_to_create() {
    let mut o = with(ready(), |o| o.memory.written = Some(o.uptime));
    for _ in 0..12 {
        o = unlisted(later(o, seconds(120)), FailureKind::Gone { what: Missing::Cluster });
        assert_eq!(told(&o).status.id.as_deref(), Some("id"));
        o = published(o);
    }
    assert_eq!(told(&o).reason, Some(Reason::WaitingForCluster));
}

#[test]
fn a_namesake_in_its_place_is_told_of() {
    let told = told(&listing(later(ready(), seconds(3600)), &[foreign("theirs")]));
    assert_eq!(
        (told.reason, told.status.id.as_deref()),
        (Some(Reason::AlreadyExists), Some("id"))
    );
}

#[test]
fn each_state_has_its_verdict() {
    let with_status = |status| Item {
        status: Some(status),
        ..ours("id")
    };
    for (item, reason) in [
        (ours("id"), Reason::Available),
        (
            in_state(ours("id"), ConfigureStatus::PendingReboot),
            Reason::RebootRequired,
        ),
        (
            in_state(ours("id"), ConfigureStatus::Updating),
            Reason::WaitingForCluster,
        ),
        (
            in_state(ours("id"), ConfigureStatus::Other("777".to_owned())),
            Reason::Recovering,
        ),
        (with_status(SourceStatus::Frozen), Reason::Frozen),
        (with_status(SourceStatus::PoliceFrozen), Reason::Frozen),
        (with_status(SourceStatus::Stopped), Reason::WaitingForCluster),
        (with_status(SourceStatus::DeleteFailed), Reason::Drifted),
        (with_status(SourceStatus::CreateFailed), Reason::Drifted),
        (in_state(ours("id"), ConfigureStatus::Deleting), Reason::Recovering),
    ] {
        let told = told(&listing(later(ready(), seconds(3600)), std::slice::from_ref(&item)));
        assert_eq!(told.reason, Some(reason), "{item:?}");
    }
}

#[test]
fn what_differs_is_named_and_what_is_left_out_is_no_drift() {
    let changed = Item {
        connect_info: Some("postgres".to_owned()),
        description: Some(names::mark(Some("lake"), UID)),
        ..ours("id")
    };
    let drifted = told(&listing(later(ready(), seconds(3600)), &[changed]));
    assert_eq!(drifted.reason, Some(Reason::Drifted));
    let message = &drifted.status.conditions[0].message;
    let named = r#"connectInfo ("postgres" in the cloud, "gaussdb" in the spec), description ("lake" in the cloud, "" in the spec)"#;
    assert!(message.contains(named), "{message}");
    let bare = Item {
        user_name: None,
        connect_info: None,
        type_: None,
        ..ours("id")
    };
    assert_eq!(
        told(&listing(later(ready(), seconds(3600)), &[bare])).reason,
        Some(Reason::Available)
    );
}

#[test]
fn a_short_outage_does_not_flip_ready() {
    let mut o = published(listing(ready(), &[ours("id")]));
    for failures in 1..=5 {
        o = unlisted(later(o, seconds(40)), transient());
        let told = told(&o);
        let flips = failures == 5;
        assert_eq!(
            told.reason,
            Some(if flips { Reason::Retrying } else { Reason::Available })
        );
        assert_eq!(told.firm, !flips, "no event shortens the backoff");
    }
    let o = published(o);
    assert!(told(&later(o.clone(), seconds(0))).wait.is_some());
    assert_eq!(
        told(&listing(later(o, seconds(300)), &[ours("id")])).reason,
        Some(Reason::Available)
    );
}

#[test]
fn a_ready_object_that_is_throttled_stays_away_as_long_as_it_is_asked_to() {
    let throttled = |delay| FailureKind::RetryAfter {
        wait: RetryWait::Throttled,
        delay,
    };
    for (asked, at_least) in [(Some(seconds(90)), seconds(90)), (None, Duration::ZERO)] {
        let o = published(listing(ready(), &[ours("id")]));
        let told = told(&unlisted(later(o, seconds(3600)), throttled(asked)));
        assert_eq!(told.reason, Some(Reason::Available));
        assert!(told.firm && told.wait.unwrap() >= at_least, "{:?}", told.wait);
        assert!(told.wait.unwrap() <= at_least.max(seconds(2)));
    }
}

/// An hour later, with a provider that the way to fails with this.
fn unreached(o: Observation, kind: FailureKind) -> Observation {
    with(later(o, seconds(3600)), |o| {
        o.provider = Provider::Unreached {
            name: "DwsProvider/default".to_owned(),
            failure: failure(kind),
        };
    })
}

/// With the list that the object asked for, which failed like the way there.
fn asked_in_vain(o: Observation) -> Observation {
    assert!(matches!(look(&o), Look::List { .. }));
    let kind = match &o.provider {
        Provider::Unreached { failure, .. } => failure.kind.clone(),
        other => panic!("{other:?}"),
    };
    unlisted(o, kind)
}

#[test]
fn a_provider_that_cannot_be_read_flips_ready_no_sooner_than_the_cloud() {
    for (kind, reason) in [
        (transient(), Reason::Retrying),
        (FailureKind::CredentialsRejected, Reason::CredentialsRejected),
    ] {
        let mut o = asked_in_vain(unreached(ready(), kind));
        for _ in 0..3 {
            assert_eq!(told(&o).reason, Some(Reason::Available));
            o = asked_in_vain(later(o, seconds(40)));
        }
        let told_last = told(&asked_in_vain(later(o.clone(), seconds(40))));
        assert_eq!(told_last.reason, Some(reason));
        // Once the provider can be used again, no backoff counts.
        let mended = with(published(asked_in_vain(later(o, seconds(40)))), |o| {
            o.provider = observation().provider;
        });
        assert!(matches!(look(&later(mended, seconds(1))), Look::List { .. }));
    }
}

#[test]
fn ten_minutes_of_failures_flip_ready_however_few() {
    let o = unlisted(later(ready(), seconds(40)), transient());
    assert_eq!(told(&o).reason, Some(Reason::Available));
    let o = unlisted(later(o, seconds(600)), transient());
    assert_eq!(told(&o).reason, Some(Reason::Retrying));
}

#[test]
fn a_provider_that_leads_elsewhere_is_not_asked() {
    let o: Observation = with(later(ready(), seconds(3600)), |o| {
        if let Provider::Ready { coordinates, .. } = &mut o.provider {
            coordinates.endpoint = "https://elsewhere.example".to_owned();
        }
    });
    assert_eq!(told(&o).reason, Some(Reason::ProviderMismatch));
}

#[test]
fn without_a_resync_period_nothing_is_compared_again() {
    let never = with(ready(), |o| o.resync_period = Duration::ZERO);
    let seen = published(listing(never.clone(), &[ours("id")]));
    for o in [never, seen] {
        let told = told(&later(o, Duration::from_hours(24 * 400)));
        assert_eq!(told.reason, Some(Reason::Available));
    }
}
