//! One list for all objects of a type in a DWS cluster, read when somebody needs a newer one.
//!
//! Takes how new the list must be, returns one begun since then. Whoever comes while a list is being read waits for it and takes it if it is
//! new enough. A list that failed proves nothing and serves only those who were waiting for it with the same session: why it failed may lie
//! with the credentials.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::context::LaneKey;
use crate::api::data_source::{Coordinates, DataSourceType};
use crate::cloud::{Dws, Failure, Item, Session};
use crate::runtime::clock::Clock;
use crate::runtime::metrics::Metrics;
use crate::runtime::urgency::Urgency;

type Key = (LaneKey, DataSourceType);

/// A list, or why there is none.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When its request began, as an uptime.
    pub began: Duration,
    /// The list.
    pub result: Result<Arc<Vec<Item>>, Failure>,
    /// Whether all that was listed could be read; one that could not may be anybody's.
    pub is_whole: bool,
}

/// How long a list is kept that nobody asks for; far longer than any list is news.
const KEPT: Duration = Duration::from_hours(1);

/// The newest list of one type in one DWS cluster, and the session that read it; its lock is held while a newer one is read.
#[derive(Debug, Default)]
struct Newest {
    read: tokio::sync::Mutex<Option<(Snapshot, Weak<Session>)>>,
    line: Mutex<Line>,
}

/// Who reads the list now, and how many urgent ones wait for that: whoever holds them up becomes urgent too.
#[derive(Debug, Default)]
struct Line {
    reader: Option<Arc<Urgency>>,
    urgent: usize,
}

impl Newest {
    /// The newest list, once nobody reads it any more.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, Option<(Snapshot, Weak<Session>)>> {
        let urgency = Urgency::current();
        let waits = Waits::of(self, &urgency);
        let turn = self.read.lock().await;
        drop(waits);
        let mut line = self.line();
        if line.urgent > 0 {
            urgency.hurry();
        }
        line.reader = Some(urgency);
        turn
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An urgent one in the line.
struct Waits<'a>(&'a Newest);

impl<'a> Waits<'a> {
    fn of(newest: &'a Newest, urgency: &Urgency) -> Option<Self> {
        if !urgency.is_urgent() {
            return None;
        }
        let mut line = newest.line();
        line.urgent += 1;
        if let Some(reader) = &line.reader {
            reader.hurry();
        }
        Some(Waits(newest))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.line().urgent -= 1;
    }
}

/// The newest list of each type in each DWS cluster.
#[derive(Debug)]
pub struct Snapshots {
    clock: Clock,
    metrics: Metrics,
    newest: Mutex<HashMap<Key, Arc<Newest>>>,
}

impl Snapshots {
    /// With nothing listed yet.
    #[must_use]
    pub fn new(clock: Clock, metrics: Metrics) -> Self {
        Snapshots {
            clock,
            metrics,
            newest: Mutex::default(),
        }
    }

    /// A list begun at uptime `since` or later.
    pub async fn list(
        &self,
        session: &Arc<Session>,
        at: &Coordinates,
        type_: DataSourceType,
        since: Duration,
    ) -> Snapshot {
        let asked = self.clock.uptime();
        let slot = {
            let mut slots = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (LaneKey::from(at), type_);
            if !slots.contains_key(&key) {
                slots.retain(|_, slot| is_kept(slot, asked));
            }
            Arc::clone(slots.entry(key).or_default())
        };
        let mut newest = slot.turn().await;
        if let Some((snapshot, reader)) = newest.as_ref() {
            let serves = match &snapshot.result {
                Ok(_) => snapshot.began >= since,
                Err(_) => reader.ptr_eq(&Arc::downgrade(session)) && snapshot.began >= since.max(asked),
            };
            if serves {
                return snapshot.clone();
            }
        }
        let began = self.clock.uptime();
        let listing = session.list(&at.cluster_id, type_).await;
        if let Ok(listing) = &listing
            && let Some(count) = listing.count
            && count > listing.items.len() as u64
        {
            self.metrics.list_was_short();
            tracing::warn!(
                cluster = at.cluster_id,
                ?type_,
                count,
                items = listing.items.len(),
                "the cloud counts more data sources than it lists"
            );
        }
        let snapshot = Snapshot {
            began,
            is_whole: listing.as_ref().is_ok_and(|listing| listing.dropped == 0),
            result: listing.map(|listing| Arc::new(listing.items)),
        };
        *newest = Some((snapshot.clone(), Arc::downgrade(session)));
        snapshot
    }
}

/// Whether a list is being read, or was so lately that somebody may still want it.
fn is_kept(slot: &Arc<Newest>, now: Duration) -> bool {
    let in_use = Arc::strong_count(slot) > 1;
    in_use
        || slot
            .read
            .try_lock()
            .is_ok_and(|newest| newest.as_ref().is_some_and(|(last, _)| now < last.began + KEPT))
}
