//! Whatever goes wrong, the world keeps the invariants and settles.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::world::World;
use super::world::schedule::{Schedule, schedules};

/// Runs random worlds and says how many, and from which seed they come again (`PROPTEST_RNG_SEED`, `PROPTEST_CASES`).
fn prove(what: &str, cases: u32, worlds: impl Strategy<Value = Schedule>) {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        default.cases
    } else {
        cases
    };
    let seed = match default.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => uuid::Uuid::new_v4().as_u64_pair().0,
    };
    eprintln!("{what}: {cases} worlds from seed {seed}");
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..default
    });
    let outcome = runner.run(&worlds, |schedule| {
        World::new(schedule).run();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{what}, seed {seed}: {error}");
    }
}

#[test]
fn a_calm_world_takes_one_request_each_way() {
    let mut world = World::new(Schedule::calm());
    world.run();
    assert_eq!((world.cloud.posts, world.cloud.deletes), (1, 0));
}

#[test]
fn whatever_fails_there_is_one_in_the_end() {
    prove("failures", 1000, schedules(false, true));
}

#[test]
fn without_the_marker_only_the_recorded_one_is_touched() {
    prove("no marker", 300, schedules(false, false));
}

#[test]
fn whoever_tampers_nothing_of_others_is_touched() {
    prove("tampering", 500, schedules(true, true));
}
