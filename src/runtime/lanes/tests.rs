use futures::{FutureExt, StreamExt};
use proptest::prelude::*;

use super::Place::{Held, Waiting};
use super::Rank::{Create, Delete, Resume};
use super::*;

fn woken(stream: &mut (impl Stream<Item = u8> + Unpin)) -> Vec<u8> {
    std::iter::from_fn(|| stream.next().now_or_never().flatten()).collect()
}

#[test]
fn first_come_first_served_but_deletions_first() {
    let (lanes, mut wakes) = Lanes::<&str, u8>::new();
    assert_eq!(lanes.enter(&"a", 1, Create), Held);
    for (member, rank) in [(2, Create), (3, Create), (4, Delete), (5, Delete)] {
        assert_eq!(lanes.enter(&"a", member, rank), Waiting);
    }
    assert_eq!(lanes.members(&"a"), [1, 4, 5, 2, 3]);
    assert_eq!(lanes.all_waiting(), 4);
    for next in [4, 5, 2, 3] {
        lanes.leave(&lanes.members(&"a")[0]);
        assert_eq!(woken(&mut wakes), [next]);
        assert_eq!(lanes.enter(&"a", next, Create), Held);
    }
    assert!(lanes.leave(&3));
    assert!(!lanes.leave(&3), "it has no place any more");
    assert!(lanes.members(&"a").is_empty());
    assert!(woken(&mut wakes).is_empty());
}

#[test]
fn lanes_do_not_wait_for_each_other() {
    let (lanes, _wakes) = Lanes::<&str, u8>::new();
    assert_eq!(lanes.enter(&"a", 1, Create), Held);
    assert_eq!(lanes.enter(&"b", 2, Create), Held);
}

#[test]
fn a_place_is_kept_and_only_improved() {
    let (lanes, _wakes) = Lanes::<&str, u8>::new();
    for member in [1, 2, 3] {
        lanes.enter(&"a", member, Create);
    }
    lanes.enter(&"a", 2, Create);
    assert_eq!(lanes.members(&"a"), [1, 2, 3]);
    lanes.enter(&"a", 3, Delete);
    assert_eq!(lanes.members(&"a"), [1, 3, 2]);
    lanes.enter(&"a", 3, Create);
    lanes.enter(&"a", 2, Delete);
    assert_eq!(lanes.members(&"a"), [1, 2, 3], "both delete now, and 2 came before 3");
}

#[test]
fn operations_under_way_share_the_lane_and_hold_the_rest_back() {
    let (lanes, mut wakes) = Lanes::<&str, u8>::new();
    assert_eq!(lanes.enter(&"a", 1, Create), Held);
    assert_eq!(lanes.enter(&"a", 2, Create), Waiting);
    assert_eq!(lanes.enter(&"a", 3, Create), Waiting);
    assert_eq!(lanes.enter(&"a", 4, Resume), Held);
    assert_eq!(lanes.enter(&"a", 3, Resume), Held);
    lanes.leave(&1);
    lanes.leave(&4);
    assert!(woken(&mut wakes).is_empty());
    lanes.leave(&3);
    assert_eq!(woken(&mut wakes), [2]);
}

#[test]
fn an_operation_that_ended_entitles_to_no_other() {
    let (lanes, mut wakes) = Lanes::<&str, u8>::new();
    lanes.enter(&"a", 1, Resume);
    lanes.enter(&"a", 2, Create);
    lanes.enter(&"a", 3, Delete);
    assert_eq!(lanes.enter(&"a", 1, Delete), Waiting);
    assert_eq!(woken(&mut wakes), [3]);
    assert_eq!(lanes.members(&"a"), [3, 1, 2]);
}

#[test]
fn entering_another_lane_leaves_the_first() {
    let (lanes, mut wakes) = Lanes::<&str, u8>::new();
    lanes.enter(&"a", 1, Create);
    lanes.enter(&"a", 2, Create);
    assert_eq!(lanes.enter(&"b", 1, Create), Held);
    assert_eq!(woken(&mut wakes), [2]);
    assert_eq!(lanes.members(&"b"), [1]);
}

#[derive(Clone, Debug)]
enum Move {
    Enter(u8, u8, Rank),
    Leave(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let rank = prop_oneof![1 => Just(Resume), 3 => Just(Delete), 5 => Just(Create)];
    let one = prop_oneof![
        3 => (0u8..2, 0u8..6, rank).prop_map(|(lane, member, rank)| Move::Enter(lane, member, rank)),
        2 => (0u8..6).prop_map(Move::Leave),
    ];
    prop::collection::vec(one, 0..80)
}

/// A member as a slow, obvious implementation keeps it.
#[derive(Clone, Debug)]
struct Known {
    member: u8,
    lane: u8,
    rank: Rank,
    holds: bool,
}

/// The rules, over a plain list in order of first entry.
#[derive(Default)]
struct Model {
    known: Vec<Known>,
    woken: Vec<u8>,
}

impl Model {
    fn leave(&mut self, member: u8) {
        let Some(at) = self.known.iter().position(|known| known.member == member) else {
            return;
        };
        let lane = self.known.remove(at).lane;
        if self.known.iter().any(|known| known.lane == lane && known.holds) {
            return;
        }
        let mut waiting: Vec<&mut Known> = self.known.iter_mut().filter(|known| known.lane == lane).collect();
        waiting.sort_by_key(|known| known.rank);
        if let Some(next) = waiting.into_iter().next() {
            next.holds = true;
            self.woken.push(next.member);
        }
    }

    fn enter(&mut self, lane: u8, member: u8, rank: Rank) -> Place {
        let elsewhere = |known: &Known| known.lane != lane || (known.rank == Resume && rank != Resume);
        if self
            .known
            .iter()
            .any(|known| known.member == member && elsewhere(known))
        {
            self.leave(member);
        }
        let free = !self.known.iter().any(|known| known.lane == lane && known.holds);
        let at = self
            .known
            .iter()
            .position(|known| known.member == member)
            .unwrap_or_else(|| {
                self.known.push(Known {
                    member,
                    lane,
                    rank,
                    holds: free,
                });
                self.known.len() - 1
            });
        let known = &mut self.known[at];
        known.rank = known.rank.min(rank);
        known.holds |= rank == Resume;
        if known.holds { Held } else { Waiting }
    }
}

proptest! {
    #[test]
    fn follows_the_rules(moves in moves()) {
        let (lanes, mut wakes) = Lanes::<u8, u8>::new();
        let mut model = Model::default();
        for step in moves {
            match step {
                Move::Enter(lane, member, rank) => {
                    let place = lanes.enter(&lane, member, rank);
                    prop_assert_eq!(place, model.enter(lane, member, rank));
                    prop_assert_eq!(lanes.enter(&lane, member, rank), place, "asking again changes nothing");
                }
                Move::Leave(member) => {
                    lanes.leave(&member);
                    model.leave(member);
                }
            }
            let all_waiting = model.known.iter().filter(|known| !known.holds).count();
            prop_assert_eq!(lanes.all_waiting(), all_waiting);
            for lane in 0..2 {
                let here: Vec<Known> = model.known.iter().filter(|known| known.lane == lane).cloned().collect();
                let (mut holders, mut waiting): (Vec<Known>, Vec<Known>) = here.iter().cloned().partition(|known| known.holds);
                prop_assert!(here.is_empty() || !holders.is_empty(), "a lane with members has a holder");
                prop_assert!(holders.iter().filter(|known| known.rank != Resume).count() <= 1, "two holders");
                holders.sort_by_key(|known| known.rank);
                waiting.sort_by_key(|known| known.rank);
                let expected: Vec<u8> = holders.iter().chain(&waiting).map(|known| known.member).collect();
                prop_assert_eq!(lanes.members(&lane), expected);
            }
        }
        prop_assert_eq!(woken(&mut wakes), model.woken);
        // In the end everybody gets a turn.
        for _ in 0..model.known.len() {
            let holder = (0..2).find_map(|lane| lanes.members(&lane).first().copied());
            prop_assert!(holder.is_some_and(|holder| lanes.leave(&holder)));
        }
        prop_assert!((0..2).all(|lane| lanes.members(&lane).is_empty()));
    }
}
