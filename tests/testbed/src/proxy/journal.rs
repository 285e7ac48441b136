//! The record of all calls, in the order in which they arrived.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::http::request::Parts;
use jiff::Timestamp;
use tokio::sync::watch;

use super::call::{Api, Call, Fate, RESPONSE_LIMIT};

/// The record; it tells those who wait for a call when it changes.
#[derive(Default)]
pub(super) struct Journal {
    calls: Mutex<Vec<Call>>,
    changes: watch::Sender<()>,
}

impl Journal {
    pub fn open(&self, api: Api, parts: &Parts, body: &[u8]) -> Call {
        let mut calls = self.lock();
        let call = Call::new(calls.len() as u64, api, parts, body);
        calls.push(call.clone());
        drop(calls);
        self.changes.send_replace(());
        call
    }

    pub fn change(&self, seq: u64, change: impl FnOnce(&mut Call)) {
        if let Some(call) = usize::try_from(seq)
            .ok()
            .and_then(|seq| self.lock().get_mut(seq).map(change))
        {
            self.changes.send_replace(call);
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    pub async fn wait(&self, deadline: Duration, enough: impl Fn(&[Call]) -> bool) -> Result<Vec<Call>, Vec<Call>> {
        let mut changes = self.changes.subscribe();
        let wait = async {
            loop {
                {
                    // A long record is copied once, and not with every call that comes.
                    let calls = self.lock();
                    if enough(&calls) {
                        return calls.clone();
                    }
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(deadline, wait).await.map_err(|_| self.calls())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the record of one call up to date, and closes it however the call ends.
pub(super) struct Entry {
    journal: Arc<Journal>,
    seq: u64,
    keeps_response: bool,
}

impl Entry {
    pub fn new(journal: &Arc<Journal>, call: &Call) -> Self {
        Self {
            journal: Arc::clone(journal),
            seq: call.seq,
            keeps_response: call.keeps_response(),
        }
    }

    pub fn keeps_response(&self) -> bool {
        self.keeps_response
    }

    pub fn reached(&self, fate: Fate) {
        self.journal.change(self.seq, |call| call.fate = fate);
    }

    pub fn answered(&self, status: u16) {
        self.journal.change(self.seq, |call| {
            call.status = Some(status);
            call.fate = Fate::Withheld;
        });
    }

    pub fn received(&self, body: &[u8]) {
        if self.keeps_response {
            let body = Bytes::copy_from_slice(&body[..body.len().min(RESPONSE_LIMIT)]);
            self.journal.change(self.seq, |call| call.response = body);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.journal
            .change(self.seq, |call| call.ended = Some(Timestamp::now()));
    }
}
