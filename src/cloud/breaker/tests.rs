use futures::FutureExt;
use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn breakers() -> Breakers<&'static str> {
    Breakers::new(BreakerTimings {
        window: 300 * SECOND,
        max_rejections: 3,
    })
}

async fn reject(gate: &Gate, probe: bool) -> bool {
    match gate.pass(probe).await {
        Ok(pass) => {
            pass.rejected();
            true
        }
        Err(HeldBack) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn unproven_credential_has_one_call_in_flight() {
    let breakers = breakers();
    let (one, other) = (breakers.gate("ak"), breakers.gate("ak"));
    let first = one.pass(false).await.unwrap();
    assert!(one.pass(false).now_or_never().is_none());
    assert!(other.pass(false).now_or_never().is_none());
    assert!(breakers.gate("another").pass(false).now_or_never().is_some());
    drop(first);
    assert!(other.pass(false).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn success_frees_those_that_wait() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    let first = gate.pass(false).await.unwrap();
    let (one, two) = (gate.pass(false), gate.pass(false));
    let accept = async {
        first.accepted();
        drop(first);
    };
    let (one, two, ()) = tokio::join!(one, two, accept);
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(gate.state(), BreakerState::Proven);
}

#[tokio::test(start_paused = true)]
async fn rejected_credential_is_held_back_also_for_those_that_wait() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    let first = gate.pass(false).await.unwrap();
    let waiting = gate.pass(true);
    let reject = async {
        first.rejected();
        drop(first);
    };
    let (waiting, ()) = tokio::join!(waiting, reject);
    assert!(waiting.is_err());
    assert!(gate.pass(true).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_list_probes_at_each_interval() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    assert!(reject(&gate, false).await);
    for _ in 0..3 {
        advance(299 * SECOND).await;
        assert!(!reject(&gate, true).await);
        advance(32 * SECOND).await;
        assert!(!reject(&gate, false).await);
        assert!(reject(&gate, true).await);
        assert!(!reject(&gate, true).await);
    }
    advance(331 * SECOND).await;
    gate.pass(true).await.unwrap().accepted();
    assert!(gate.pass(false).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn probe_that_ends_without_a_verdict_still_counts() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    assert!(reject(&gate, false).await);
    advance(331 * SECOND).await;
    gate.pass(true).await.unwrap().go().unwrap();
    assert!(gate.pass(true).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn probe_that_is_not_sent_is_given_back() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    assert!(reject(&gate, false).await);
    advance(331 * SECOND).await;
    let probe = gate.pass(true).await.unwrap();
    assert!(gate.pass(true).now_or_never().is_none(), "one at a time");
    drop(probe);
    assert!(gate.pass(true).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn new_secret_is_tried_at_once_but_only_three_fail_in_the_window() {
    let breakers = breakers();
    let mut rejected = Vec::new();
    for second in 0..1200_u64 {
        // A new Secret version at each second, each with many callers.
        let gate = breakers.gate("ak");
        for _ in 0..5 {
            if reject(&gate, true).await {
                rejected.push(second);
            }
        }
        advance(SECOND).await;
    }
    assert_eq!(rejected[..4], [0, 1, 2, 300]);
    assert!(rejected.windows(4).all(|four| four[3] - four[0] >= 300));
}

#[tokio::test(start_paused = true)]
async fn right_secret_goes_on_beside_a_wrong_one() {
    let breakers = breakers();
    let (right, wrong) = (breakers.gate("ak"), breakers.gate("ak"));
    right.pass(false).await.unwrap().accepted();
    assert!(reject(&wrong, false).await);
    assert!(right.pass(false).await.is_ok());
    assert!(wrong.pass(false).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_wrong_secret_does_not_take_every_probe() {
    let breakers = breakers();
    let (wrong, mended) = (breakers.gate("ak"), breakers.gate("ak"));
    assert!(reject(&mended, false).await);
    assert!(reject(&wrong, false).await);
    advance(300 * SECOND).await;
    assert!(!reject(&wrong, true).await);
    assert!(mended.pass(true).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn pass_of_a_proven_credential_is_void_once_another_call_was_rejected() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    gate.pass(false).await.unwrap().accepted();
    let (queued, sent) = (gate.pass(false).await.unwrap(), gate.pass(false).await.unwrap());
    assert!(queued.go().is_ok());
    sent.rejected();
    assert!(queued.go().is_err());
}

#[tokio::test(start_paused = true)]
async fn revoked_key_fails_three_times_however_many_sessions_it_had_proven() {
    let breakers = breakers();
    let gates: Vec<Gate> = (0..10).map(|_| breakers.gate("ak")).collect();
    for gate in &gates {
        gate.pass(false).await.unwrap().accepted();
    }
    let mut rejected = 0;
    for gate in &gates {
        rejected += usize::from(reject(gate, false).await);
    }
    assert_eq!(rejected, 3);
}

#[tokio::test(start_paused = true)]
async fn late_success_does_not_undo_a_rejection() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    gate.pass(false).await.unwrap().accepted();
    let slow = gate.pass(false).await.unwrap();
    assert!(reject(&gate, false).await);
    slow.accepted();
    assert_eq!(gate.state(), BreakerState::Rejected);
}

#[tokio::test(start_paused = true)]
async fn key_is_forgotten_when_nothing_counts_any_more() {
    let breakers = breakers();
    for _ in 0..3 {
        assert!(reject(&breakers.gate("ak"), false).await);
    }
    assert!(breakers.gate("ak").pass(false).await.is_err());
    advance(301 * SECOND).await;
    let _other = breakers.gate("other");
    assert_eq!(locked(&breakers.keys).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_was_issued_anew_is_tried_at_once() {
    let breakers = breakers();
    let gate = breakers.gate("ak");
    assert!(reject(&gate, false).await);
    advance(331 * SECOND).await;
    let probe = gate.pass(true).await.unwrap();
    probe.go().unwrap();
    gate.renewed();
    assert_eq!(gate.state(), BreakerState::Unproven);
    drop(probe);
    let next = gate.pass(false).await.unwrap();
    next.go().unwrap();
    next.accepted();
    gate.renewed();
    assert_eq!(
        gate.state(),
        BreakerState::Proven,
        "a renewal takes nothing from a proven one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejection_that_is_shared_counts_once() {
    let breakers = breakers();
    let gates: Vec<_> = (0..5).map(|_| breakers.gate("ak")).collect();
    assert!(reject(&gates[0], false).await);
    for gate in &gates[1..] {
        gate.pass(false).await.unwrap().shares_rejection();
        assert_eq!(gate.state(), BreakerState::Rejected);
    }
    let another = breakers.gate("ak");
    assert!(reject(&another, false).await && reject(&breakers.gate("ak"), false).await);
    assert!(!reject(&breakers.gate("ak"), false).await, "three were counted");
}
