use proptest::prelude::*;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn view(holder: &str, length: Option<u64>) -> LeaseView {
    let holder = Some(holder.to_owned()).filter(|holder| !holder.is_empty());
    LeaseView {
        holder,
        length: length.map(Duration::from_secs),
        resource_version: "1".to_owned(),
    }
}

fn step(lease: Option<&LeaseView>, now: u64) -> Step {
    evaluate(lease, "me", seconds(100), seconds(now), &Timings::default())
}

#[test]
fn a_missing_or_released_lease_is_taken_at_once() {
    assert_eq!(step(None, 100), Step::Create);
    assert_eq!(step(Some(&view("", Some(45))), 100), Step::Acquire);
}

#[test]
fn the_own_lease_is_kept_also_after_a_restart() {
    assert_eq!(step(Some(&view("me", Some(45))), 100), Step::Renew);
}

#[test]
fn the_lease_of_another_ends_after_the_length_its_holder_wrote() {
    let lease = view("other", Some(15));
    assert_eq!(step(Some(&lease), 114), Step::Wait { until: seconds(115) });
    assert_eq!(step(Some(&lease), 115), Step::Acquire);
    assert_eq!(
        step(Some(&view("other", None)), 144),
        Step::Wait { until: seconds(145) }
    );
}

#[test]
fn only_a_change_starts_the_time_anew() {
    let mut last = LastChange::default();
    let mut lease = view("other", Some(15));
    assert_eq!(last.note(Some(&lease), seconds(1)), seconds(1));
    assert_eq!(last.note(Some(&lease), seconds(9)), seconds(1));
    lease.resource_version = "2".to_owned();
    assert_eq!(last.note(Some(&lease), seconds(10)), seconds(10));
    assert_eq!(last.note(None, seconds(11)), seconds(11));
}

#[test]
fn what_is_written_tells_the_holder_and_the_transitions() {
    let timings = Timings {
        lease: Duration::from_millis(5_500),
        ..Timings::default()
    };
    let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
    let spec = |lease: &Lease| lease.spec.clone().unwrap();

    let created = claimed(None, "a", first, &timings);
    assert_eq!(created.metadata.name.as_deref(), Some(NAME));
    assert_eq!(
        (spec(&created).lease_duration_seconds, spec(&created).lease_transitions),
        (Some(6), Some(0))
    );

    let renewed = claimed(Some(&created), "a", later, &timings);
    assert_eq!(
        (spec(&renewed).acquire_time, spec(&renewed).renew_time),
        (Some(MicroTime(first)), Some(MicroTime(later)))
    );
    assert_eq!(spec(&renewed).lease_transitions, Some(0));

    let mut taken = claimed(Some(&renewed), "b", later, &timings);
    assert_eq!(
        (spec(&taken).acquire_time, spec(&taken).lease_transitions),
        (Some(MicroTime(later)), Some(1))
    );
    taken.metadata.resource_version = Some("7".to_owned());

    let free = released(taken, later);
    assert_eq!(
        (spec(&free).holder_identity, LeaseView::from(&free).holder),
        (None, None)
    );
    assert_eq!(free.metadata.resource_version.as_deref(), Some("7"));
}

#[test]
fn a_senseless_length_is_not_believed() {
    for written in [0, -5] {
        let spec = LeaseSpec {
            lease_duration_seconds: Some(written),
            ..LeaseSpec::default()
        };
        assert_eq!(
            LeaseView::from(&Lease {
                spec: Some(spec),
                ..Lease::default()
            })
            .length,
            None
        );
    }
}

/// A contender with a clock of its own: how far ahead of the server's it is, and until when it believes to hold the Lease.
#[derive(Clone, Debug)]
struct Contender {
    offset: Duration,
    last: LastChange,
    /// Whether it has read the Lease and not written since.
    asked: bool,
    read: Option<(u64, Lease)>,
    asked_at: Duration,
    held_until: Duration,
}

/// One moment in the life of two contenders and the server between them.
#[derive(Clone, Debug)]
enum Moment {
    Pass(u64),
    Read(usize),
    Write(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    /// Reads and writes may be late and in any order, clocks may disagree by any amount: never do two believe to hold the Lease.
    #[test]
    fn never_two_holders(
        offsets in [0u64..1000, 0u64..1000],
        moments in prop::collection::vec(
            prop_oneof![
                (1u64..20).prop_map(Moment::Pass),
                (0usize..2).prop_map(Moment::Read),
                (0usize..2).prop_map(Moment::Write),
            ],
            0..200,
        ),
    ) {
        let timings = Timings::default();
        let mut now = Duration::ZERO;
        let mut stored: Option<(u64, Lease)> = None;
        let mut contenders = offsets.map(|offset| Contender {
            offset: seconds(offset),
            last: LastChange::default(),
            asked: false,
                read: None,
            asked_at: Duration::ZERO,
            held_until: Duration::ZERO,
        });
        for moment in moments {
            match moment {
                Moment::Pass(time) => now += seconds(time),
                Moment::Read(who) => {
                    let contender = &mut contenders[who];
                    let uptime = now + contender.offset;
                    contender.last.note(stored.as_ref().map(|(_, lease)| LeaseView::from(lease)).as_ref(), uptime);
                    (contender.asked, contender.read) = (true, stored.clone());
                    // The write that follows starts now and may take effect much later.
                    contender.asked_at = uptime;
                }
                Moment::Write(who) => {
                    let contender = &mut contenders[who];
                    if !std::mem::take(&mut contender.asked) {
                            continue;
                        }
                        let read = contender.read.take();
                    let view = read.as_ref().map(|(_, lease)| LeaseView::from(lease));
                    let seen_at = contender.last.seen_at;
                    let step = evaluate(view.as_ref(), ["a", "b"][who], seen_at, contender.asked_at, &timings);
                    let unchanged = read.as_ref().map(|(version, _)| version) == stored.as_ref().map(|(version, _)| version);
                    if matches!(step, Step::Wait { .. }) || !unchanged {
                        continue;
                    }
                    let version = stored.as_ref().map_or(1, |(version, _)| version + 1);
                    let mut lease = claimed(read.as_ref().map(|(_, lease)| lease), ["a", "b"][who], Timestamp::UNIX_EPOCH, &timings);
                    lease.metadata.resource_version = Some(version.to_string());
                    stored = Some((version, lease));
                    contender.held_until = contender.asked_at + timings.lease;
                }
            }
            let holders = contenders.iter().filter(|contender| now + contender.offset < contender.held_until).count();
            prop_assert!(holders <= 1, "two holders at {:?}: {:?}", now, contenders);
        }
    }
}
