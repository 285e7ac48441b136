//! One reading of something that many passes need at the same time.
//!
//! Takes how new it must be, returns one begun since then. Whoever comes while it is being read waits and takes it if it is new enough.

use std::time::Duration;

use crate::runtime::clock::Clock;

/// The newest reading, with the uptime at which it began.
#[derive(Debug)]
pub struct Reading<T>(tokio::sync::Mutex<Option<(Duration, T)>>);

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Reading(tokio::sync::Mutex::default())
    }
}

impl<T: Clone> Reading<T> {
    /// A reading begun at uptime `since` or later.
    pub async fn since(&self, clock: Clock, since: Duration, read: impl Future<Output = T>) -> T {
        let mut newest = self.0.lock().await;
        if let Some((began, value)) = newest.as_ref()
            && *began >= since
        {
            return value.clone();
        }
        let began = clock.uptime();
        let value = read.await;
        *newest = Some((began, value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_who_come_together_share_a_reading_and_those_who_come_later_do_not() {
        let (clock, reading, reads) = (Clock::start(), Reading::default(), AtomicUsize::new(0));
        let read = || async { reads.fetch_add(1, Ordering::Relaxed) };
        let since = clock.uptime();
        let early = futures::join!(reading.since(clock, since, read()), reading.since(clock, since, read()));
        assert_eq!(early, (0, 0));
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(reading.since(clock, clock.uptime(), read()).await, 1);
    }
}
