//! Lanes: one operation at a time for each DWS cluster, first come first served.
//!
//! Takes who wants to work where, returns who may and wakes the next one. It may never call the cloud: a lane only spares useless calls, the
//! cloud itself is the judge of what runs at the same time.
//!
//! - At most one member that starts an operation holds a lane. The others wait: deletions first, then by the moment they entered.
//! - An operation that is under way already (`Resume`, after a restart) cannot be held back, so such a member always gets in, even where the
//!   lane is held. Nobody starts anything new before all of them have left: a member whose operation has ended leaves, and enters again for the
//!   next one.
//! - When the last holder leaves, the next member becomes the holder and is woken. It keeps the lane until it leaves, so whoever entered must
//!   leave: at the end of the operation, before a long wait, and when its object is gone.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Why a member enters; the first gets in first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Its operation is under way already.
    Resume,
    /// It is going to delete.
    Delete,
    /// It is going to create.
    Create,
}

/// Whether a member may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// It holds the lane until it leaves.
    Held,
    /// It is woken when its turn comes.
    Waiting,
}

/// A member's place in the order: its rank, then when it entered.
type Turn = (Rank, u64);

#[derive(Debug)]
struct Lane<M> {
    holders: BTreeMap<Turn, M>,
    waiting: BTreeMap<Turn, M>,
}

impl<M> Default for Lane<M> {
    fn default() -> Self {
        Self {
            holders: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }
}

/// All lanes; clones share them. `K` names a lane, `M` a member.
#[derive(Clone, Debug)]
pub struct Lanes<K, M> {
    state: Arc<Mutex<State<K, M>>>,
}

#[derive(Debug)]
struct State<K, M> {
    lanes: HashMap<K, Lane<M>>,
    members: HashMap<M, (K, Turn)>,
    entered: u64,
    wakes: UnboundedSender<M>,
}

impl<K: Hash + Eq + Clone, M: Hash + Eq + Clone> Lanes<K, M> {
    /// No lanes yet, and the stream of members whose turn has come. A member that left again in the meantime may still show up in it.
    pub fn new() -> (Self, impl Stream<Item = M> + use<K, M>) {
        let (wakes, woken): (_, UnboundedReceiver<M>) = mpsc::unbounded();
        let state = State {
            lanes: HashMap::new(),
            members: HashMap::new(),
            entered: 0,
            wakes,
        };
        (
            Self {
                state: Arc::new(Mutex::new(state)),
            },
            woken,
        )
    }

    /// Takes a place in `lane`. Asking again keeps the place; a better rank improves it, a worse one does not. A member is in one lane at a
    /// time: entering another leaves the first. A member that was let in for an operation under way, and now starts one, gives that place up:
    /// its operation has ended.
    pub fn enter(&self, lane: &K, member: M, rank: Rank) -> Place {
        let mut state = self.lock();
        let elsewhere =
            |(current, turn): &(K, Turn)| current != lane || (turn.0 == Rank::Resume && rank != Rank::Resume);
        if state.members.get(&member).is_some_and(elsewhere) {
            state.leave(&member);
        }
        state.enter(lane, member, rank)
    }

    /// Gives the place up, whether held or waiting, and wakes the next member if the lane has become free. Returns whether there was one.
    pub fn leave(&self, member: &M) -> bool {
        self.lock().leave(member)
    }

    /// How many members wait for any lane.
    #[must_use]
    pub fn all_waiting(&self) -> usize {
        self.lock().lanes.values().map(|lane| lane.waiting.len()).sum()
    }

    /// The members of `lane` in order, the holders first.
    #[must_use]
    pub fn members(&self, lane: &K) -> Vec<M> {
        let state = self.lock();
        state.lanes.get(lane).map_or_else(Vec::new, |lane| {
            lane.holders.values().chain(lane.waiting.values()).cloned().collect()
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<K, M>> {
        // Nothing between two changes of the state can panic, short of a broken `Hash`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone, M: Hash + Eq + Clone> State<K, M> {
    fn enter(&mut self, name: &K, member: M, rank: Rank) -> Place {
        let lane = self.lanes.entry(name.clone()).or_default();
        let turn = match self.members.get(&member) {
            Some((_, turn)) if turn.0 <= rank => *turn,
            // A better rank keeps the moment of the first entry.
            Some((_, turn)) => (rank, turn.1),
            None => {
                self.entered += 1;
                (rank, self.entered)
            }
        };
        let before = self.members.insert(member.clone(), (name.clone(), turn));
        let held = before.is_some_and(|(_, turn)| {
            lane.waiting.remove(&turn);
            lane.holders.remove(&turn).is_some()
        });
        if held || rank == Rank::Resume || lane.holders.is_empty() {
            lane.holders.insert(turn, member);
            Place::Held
        } else {
            lane.waiting.insert(turn, member);
            Place::Waiting
        }
    }

    fn leave(&mut self, member: &M) -> bool {
        let Some((name, turn)) = self.members.remove(member) else {
            return false;
        };
        let Some(lane) = self.lanes.get_mut(&name) else {
            return true;
        };
        lane.waiting.remove(&turn);
        lane.holders.remove(&turn);
        if lane.holders.is_empty() {
            match lane.waiting.pop_first() {
                Some((turn, next)) => {
                    lane.holders.insert(turn, next.clone());
                    // Only fails when nobody listens any more, at the end of the process.
                    let _ = self.wakes.unbounded_send(next);
                }
                None => {
                    self.lanes.remove(&name);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
