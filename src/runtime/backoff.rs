//! How long to wait before the next try, and how to spread work over time.
//!
//! Pure arithmetic: takes counts, limits and text, returns durations; it may never read a clock or draw a random number, so that the same
//! input always gives the same wait and a decision can be replayed.

use std::time::Duration;

use aws_lc_rs::digest;

/// The wait after `attempts` failures: uniform in [d/2, d] where d = min(`max`, `min` · 2^`attempts`).
///
/// `jitter` in [0, 1) picks the place in that range; values outside it are moved to its nearest end.
#[must_use]
pub fn delay(attempts: u32, min: Duration, max: Duration, jitter: f64) -> Duration {
    let doubled = 1u32.checked_shl(attempts).and_then(|factor| min.checked_mul(factor));
    // Past 2^31 every `min` of a microsecond or more is above half an hour, and doubling no longer means anything.
    let full = doubled.unwrap_or(if min.is_zero() { min } else { max }).min(max);
    let half = full / 2;
    half.saturating_add(half.mul_f64(share(jitter))).min(full)
}

/// A number in [0, 1) that depends on nothing but its arguments, spread evenly over them.
///
/// `seed` names who waits (a uid), `salt` the occasion (the number of the try).
#[must_use]
pub fn jitter(seed: &str, salt: u64) -> f64 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(seed.as_bytes());
    context.update(&salt.to_be_bytes());
    let hash = context.finish();
    let word = hash.as_ref()[..4]
        .iter()
        .fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
    f64::from(word) / (f64::from(u32::MAX) + 1.0)
}

/// Where in `period` the regular work of `uid` falls: a fixed moment in [0, `period`), spread evenly over all uids.
#[must_use]
pub fn spread(uid: &str, period: Duration) -> Duration {
    period.mul_f64(jitter(uid, 0))
}

fn share(jitter: f64) -> f64 {
    if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_mins(5);

    #[test]
    fn doubles_up_to_the_cap() {
        let waits: Vec<u64> = (0..11).map(|n| delay(n, MIN, MAX, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(delay(3, MIN, MAX, 0.0), Duration::from_secs(4));
    }

    #[test]
    fn spreads_evenly() {
        let period = Duration::from_mins(30);
        let mut per_tenth = [0u32; 10];
        for n in 0..1000 {
            let tenth = spread(&format!("uid-{n}"), period).as_secs() / 180;
            per_tenth[usize::try_from(tenth).unwrap()] += 1;
        }
        assert!(per_tenth.iter().all(|count| (60..150).contains(count)), "{per_tenth:?}");
    }

    proptest! {
        #[test]
        fn stays_between_half_and_full(attempts: u32, min in 0u64..10_000, max in 0u64..1_000_000, jitter in 0.0f64..1.0) {
            let (min, max) = (Duration::from_millis(min), Duration::from_millis(max));
            let wait = delay(attempts, min, max, jitter);
            let full = if attempts < 31 { (min * (1 << attempts)).min(max) } else if min.is_zero() { min } else { max };
            prop_assert!(wait >= full / 2 && wait <= full, "{:?} of {:?}", wait, full);
        }

        #[test]
        fn takes_any_number(attempts: u32, jitter: f64) {
            prop_assert!(delay(attempts, MIN, Duration::MAX, jitter) <= Duration::MAX);
        }

        #[test]
        fn never_shrinks_with_more_failures(attempts in 0u32..100, jitter in 0.0f64..1.0) {
            prop_assert!(delay(attempts + 1, MIN, MAX, jitter) >= delay(attempts, MIN, MAX, jitter));
        }

        #[test]
        fn jitter_is_a_fraction_and_repeats(seed: String, salt: u64) {
            let first = jitter(&seed, salt);
            prop_assert!((0.0..1.0).contains(&first));
            prop_assert!((first - jitter(&seed, salt)).abs() < f64::EPSILON);
        }

        #[test]
        fn spread_stays_within_the_period(uid: String, seconds in 1u64..100_000) {
            prop_assert!(spread(&uid, Duration::from_secs(seconds)) < Duration::from_secs(seconds));
        }
    }
}
