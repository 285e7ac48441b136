//! The order in which members came, kept until each of them has been heard for the first time.
//!
//! Takes who has come and who has been heard, returns when nobody who came earlier is unheard any more. Members that come together are
//! heard in any order; with this, they still take their places in the order in which they came. It may never decide who goes first
//! once both have been heard: that is the lanes' part.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Those who came and have not been heard; clones share them. Only members of the same group `G` wait for each other.
#[derive(Clone, Debug)]
pub struct Arrivals<G, M>(Arc<Mutex<State<G, M>>>);

#[derive(Debug)]
struct State<G, M> {
    numbers: u64,
    members: HashMap<M, (G, u64)>,
    groups: HashMap<G, BTreeMap<u64, Arc<Notify>>>,
}

impl<G, M> Default for Arrivals<G, M> {
    fn default() -> Self {
        let state = State {
            numbers: 0,
            members: HashMap::new(),
            groups: HashMap::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl<G: Hash + Eq + Clone, M: Hash + Eq + Clone> Arrivals<G, M> {
    /// A member comes, after all who came before.
    pub fn arrive(&self, group: G, member: M) {
        let mut state = self.lock();
        state.numbers += 1;
        let number = state.numbers;
        state.heard(&member);
        state
            .groups
            .entry(group.clone())
            .or_default()
            .insert(number, Arc::new(Notify::new()));
        state.members.insert(member, (group, number));
    }

    /// The member has been heard, or is gone.
    pub fn heard(&self, member: &M) {
        self.lock().heard(member);
    }

    /// Waits until all who came earlier have been heard; not at all for a member that has been heard itself.
    pub async fn earlier_are_heard(&self, member: &M) {
        loop {
            let Some(earlier) = self.lock().last_before(member) else {
                return;
            };
            // `notify_waiters` would miss who is not waiting yet; a permit that nobody takes goes with its number.
            earlier.notified().await;
            earlier.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<G, M>> {
        // Nothing between two changes of the state can panic, short of a broken `Hash`.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<G: Hash + Eq, M: Hash + Eq> State<G, M> {
    fn heard(&mut self, member: &M) {
        let Some((group, number)) = self.members.remove(member) else {
            return;
        };
        let Some(unheard) = self.groups.get_mut(&group) else {
            return;
        };
        if let Some(notify) = unheard.remove(&number) {
            notify.notify_one();
        }
        if unheard.is_empty() {
            self.groups.remove(&group);
        }
    }

    fn last_before(&self, member: &M) -> Option<Arc<Notify>> {
        let (group, number) = self.members.get(member)?;
        let (_, notify) = self.groups.get(group)?.range(..number).next_back()?;
        Some(Arc::clone(notify))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn must_wait(arrivals: &Arrivals<&str, u8>, member: u8) -> bool {
        arrivals.earlier_are_heard(&member).now_or_never().is_none()
    }

    #[test]
    fn each_waits_for_all_who_came_earlier_in_its_group() {
        let arrivals = Arrivals::default();
        for member in [1, 2, 3] {
            arrivals.arrive("a", member);
        }
        arrivals.arrive("b", 4);
        assert_eq!(
            [1, 2, 3, 4].map(|member| must_wait(&arrivals, member)),
            [false, true, true, false]
        );
        arrivals.heard(&2);
        assert_eq!(
            [1, 2, 3].map(|member| must_wait(&arrivals, member)),
            [false, false, true]
        );
        arrivals.heard(&1);
        assert!(!must_wait(&arrivals, 3));
        arrivals.heard(&3);
        assert!(!must_wait(&arrivals, 3), "once heard, nobody waits");
    }

    #[test]
    fn who_waits_is_woken() {
        let arrivals = Arrivals::default();
        for member in [1, 2, 3] {
            arrivals.arrive("a", member);
        }
        let mut last = Box::pin(arrivals.earlier_are_heard(&3));
        let mut also = Box::pin(arrivals.earlier_are_heard(&3));
        assert!(last.as_mut().now_or_never().is_none() && also.as_mut().now_or_never().is_none());
        arrivals.heard(&2);
        assert!(last.as_mut().now_or_never().is_none() && also.as_mut().now_or_never().is_none());
        arrivals.heard(&1);
        assert!(last.as_mut().now_or_never().is_some() && also.as_mut().now_or_never().is_some());
    }

    #[test]
    fn who_comes_again_is_the_last() {
        let arrivals = Arrivals::default();
        for member in [1, 2, 1] {
            arrivals.arrive("a", member);
        }
        assert_eq!([1, 2].map(|member| must_wait(&arrivals, member)), [true, false]);
    }
}
