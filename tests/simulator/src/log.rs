//! The log of every request, in the order of arrival.
//!
//! An entry is written when its request has arrived and completed when its answer is known. It never holds a secret.

use std::error::Error;
use std::fmt;
use std::sync::{RwLock, RwLockWriteGuard};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::call::Call;
use crate::fault::FaultId;

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// 1 for the first request, then one more each.
    pub seq: u64,
    /// When it had arrived.
    pub time: Timestamp,
    /// Which call it is.
    pub call: Call,
    /// The HTTP method.
    pub method: String,
    /// The raw path.
    pub path: String,
    /// The raw query; empty if there is none.
    pub query: String,
    /// The status that the client was sent. None while nothing is sent, and for ever if nothing is.
    pub status: Option<u16>,
    /// The error code that the cloud decided on, whatever a fault made of the answer.
    pub error_code: Option<String>,
    /// Whether the cloud did what a create, update or delete asks for, or issued a credential.
    pub took_effect: bool,
    /// The fault that was put on it.
    pub fault: Option<FaultId>,
    /// The cluster it is about; for a job call, the job's.
    pub cluster: Option<String>,
    /// The name of the data source it is about.
    pub name: Option<String>,
    /// The id of the data source it is about, also of one that it created.
    pub id: Option<String>,
    /// The id of the job it asks for or started.
    pub job_id: Option<String>,
    /// Who sent it, as claimed: the access key id, or `domain/user` of a token or token request. Of temporary keys and their tokens the
    /// owner: `pod`, `node`, `service-account/` and the identity provider's id, `agency/` and its name, or `domain/user`.
    pub credential: Option<String>,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
    /// All headers in order, with credentials as digests.
    pub headers: Vec<(String, String)>,
    /// The JSON body, with passwords as digests; none if it is no JSON.
    pub body: Option<Value>,
}

impl LogEntry {
    /// The first value of a header; the name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} -> ", self.seq, self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("no answer")?,
        }
        f.write_str(if self.took_effect { ", took effect" } else { "" })
    }
}

/// A deadline passed before the log was as awaited.
#[derive(Debug)]
pub struct Timeout {
    /// The log at the deadline.
    pub log: Vec<LogEntry>,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        write!(
            f,
            "the log is not as awaited; the last of its {} entries:",
            self.log.len()
        )?;
        for entry in &self.log[self.log.len().saturating_sub(SHOWN)..] {
            write!(f, "\n  {entry}")?;
        }
        Ok(())
    }
}

impl Error for Timeout {}

/// The log.
pub(crate) struct Log {
    entries: RwLock<Vec<LogEntry>>,
    changes: watch::Sender<()>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            entries: RwLock::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Adds an entry, numbers it and returns the number.
    pub(crate) fn append(&self, mut entry: LogEntry) -> u64 {
        let mut entries = self.write();
        let seq = entries.len() as u64 + 1;
        entry.seq = seq;
        entries.push(entry);
        drop(entries);
        self.changes.send_replace(());
        seq
    }

    /// Completes an entry.
    pub(crate) fn amend(&self, seq: u64, change: impl FnOnce(&mut LogEntry)) {
        let mut entries = self.write();
        let index = usize::try_from(seq - 1).expect("a number that append returned");
        change(&mut entries[index]);
        drop(entries);
        self.changes.send_replace(());
    }

    /// The entries after a number.
    pub(crate) fn since(&self, seq: u64) -> Vec<LogEntry> {
        let start = usize::try_from(seq).unwrap_or(usize::MAX);
        self.entries
            .read()
            .expect(UNPOISONED)
            .get(start..)
            .unwrap_or_default()
            .to_vec()
    }

    /// Waits until the log is as described; looks at every change of it.
    pub(crate) async fn wait(
        &self,
        limit: Duration,
        is_awaited: impl Fn(&[LogEntry]) -> bool,
    ) -> Result<Vec<LogEntry>, Timeout> {
        let mut changes = self.changes.subscribe();
        let awaited = async {
            loop {
                changes.mark_unchanged();
                {
                    let entries = self.entries.read().expect(UNPOISONED);
                    if is_awaited(&entries) {
                        return entries.clone();
                    }
                }
                changes.changed().await.expect("the log outlives its waiters");
            }
        };
        match tokio::time::timeout(limit, awaited).await {
            Ok(entries) => Ok(entries),
            Err(_) => Err(Timeout { log: self.since(0) }),
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<LogEntry>> {
        self.entries.write().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics while it holds the write lock";
