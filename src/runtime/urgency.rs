//! Who may go first where calls have to wait: what somebody has just asked for, before what only comes round.
//!
//! Takes what kind of work a task does, and when somebody begins to wait for it; returns a permit to routine work where there is room for it. Routine
//! work has less room than there is, so that something is always left for the rest. It decides nothing about the work itself, and work that
//! was routine becomes urgent the moment somebody waits for it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

tokio::task_local! {
    /// Of the work that the present task does; without one it is urgent.
    static CURRENT: Arc<Urgency>;
}

/// Whether some work is urgent; it may become so, and stays so then.
#[derive(Debug, Default)]
pub struct Urgency {
    urgent: AtomicBool,
    hurried: Notify,
}

impl Urgency {
    /// Of work that nobody waits for.
    #[must_use]
    pub fn routine() -> Arc<Self> {
        Arc::default()
    }

    /// Of work that somebody waits for.
    #[must_use]
    pub fn urgent() -> Arc<Self> {
        let urgency = Self::routine();
        urgency.hurry();
        urgency
    }

    /// Of the present task's work.
    #[must_use]
    pub fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_else(|_| Self::urgent())
    }

    /// Somebody waits for it from now on.
    pub fn hurry(&self) {
        self.urgent.store(true, Ordering::SeqCst);
        self.hurried.notify_waiters();
    }

    /// Whether somebody waits for it.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst)
    }

    async fn until_urgent(&self) {
        let hurried = self.hurried.notified();
        tokio::pin!(hurried);
        // Before the look at the flag, or a hurry between the two would be missed.
        hurried.as_mut().enable();
        if !self.is_urgent() {
            hurried.await;
        }
    }
}

/// Does work with this urgency.
pub async fn with<T>(urgency: Arc<Urgency>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(urgency, work).await
}

/// How much of a room routine work may take: three quarters, and always something.
#[must_use]
pub fn routine_share(room: usize) -> usize {
    (room - room / 4).max(1)
}

/// Waits for room for routine work; work that is urgent, or becomes so, needs none.
pub async fn room(routine: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let urgency = Urgency::current();
    if urgency.is_urgent() {
        return None;
    }
    tokio::select! {
        biased;
        () = urgency.until_urgent() => None,
        // The semaphore is never closed.
        permit = routine.acquire_owned() => permit.ok(),
    }
}

/// The work that is under way for each of many things, and which of them somebody has asked something of since their last work began.
#[derive(Debug, Default)]
pub struct Urgencies(Mutex<HashMap<String, State>>);

#[derive(Debug, Default)]
struct State {
    asked: bool,
    under_way: Option<Arc<Urgency>>,
}

impl Urgencies {
    /// Somebody has asked something of it: its work is urgent, whether it is under way or still to begin.
    pub fn ask(&self, of: &str) {
        let mut all = self.lock();
        let state = all.entry(of.to_owned()).or_default();
        match &state.under_way {
            Some(urgency) => urgency.hurry(),
            None => state.asked = true,
        }
    }

    /// Its work begins; routine, unless somebody has asked something of it.
    pub fn begin(&self, of: &str, is_routine: bool) -> Arc<Urgency> {
        let mut all = self.lock();
        let state = all.entry(of.to_owned()).or_default();
        let asked = std::mem::take(&mut state.asked);
        let urgency = if is_routine && !asked {
            Urgency::routine()
        } else {
            Urgency::urgent()
        };
        state.under_way = Some(Arc::clone(&urgency));
        urgency
    }

    /// Its work has ended.
    pub fn end(&self, of: &str) {
        let mut all = self.lock();
        if let Some(state) = all.get_mut(of) {
            state.under_way = None;
            if !state.asked {
                all.remove(of);
            }
        }
    }

    /// It is gone.
    pub fn forget(&self, of: &str) {
        self.lock().remove(of);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn routine_work_waits_for_its_share_and_urgent_work_does_not() {
        let share = Arc::new(Semaphore::new(routine_share(4)));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(with(Urgency::routine(), room(Arc::clone(&share))).await);
        }
        assert!(
            with(Urgency::routine(), room(Arc::clone(&share)))
                .now_or_never()
                .is_none()
        );
        assert!(
            with(Urgency::urgent(), room(Arc::clone(&share)))
                .now_or_never()
                .is_some()
        );
        assert!(room(Arc::clone(&share)).now_or_never().is_some(), "outside of any work");
        held.pop();
        assert!(with(Urgency::routine(), room(share)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_it_becomes_urgent() {
        let none = Arc::new(Semaphore::new(0));
        let urgency = Urgency::routine();
        let mut waiting = Box::pin(with(Arc::clone(&urgency), room(Arc::clone(&none))));
        assert!(waiting.as_mut().now_or_never().is_none());
        urgency.hurry();
        assert!(waiting.as_mut().now_or_never().is_some());
        assert!(with(urgency, room(none)).now_or_never().is_some(), "it stays so");
    }

    #[test]
    fn what_is_asked_counts_once_before_the_work_or_while_it_is_under_way() {
        let all = Urgencies::default();
        all.ask("a");
        assert!(all.begin("a", true).is_urgent());
        all.end("a");
        let routine = all.begin("a", true);
        assert!(!routine.is_urgent());
        all.ask("a");
        assert!(routine.is_urgent());
        all.end("a");
        assert!(!all.begin("a", true).is_urgent());
        assert!(all.begin("b", false).is_urgent());
        all.end("a");
        all.end("b");
        assert!(all.lock().is_empty());
    }

    #[test]
    fn something_is_left_for_the_rest_and_for_the_routine() {
        assert_eq!([1, 2, 3, 4, 16, 32].map(routine_share), [1, 2, 3, 3, 12, 24]);
    }
}
