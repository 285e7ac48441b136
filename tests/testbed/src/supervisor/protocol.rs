//! What a supervisor and its parent say to each other: one JSON document a line, orders in, events out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Launch;

/// What the parent asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Order {
    Spawn {
        /// The parent's number for the child.
        id: u64,
        launch: Command,
    },
    Signal {
        id: u64,
        signal: i32,
    },
}

/// [`Launch`] on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Command {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub log: PathBuf,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Event {
    Started {
        id: u64,
        pid: u32,
    },
    Failed {
        id: u64,
        error: String,
    },
    Exited {
        id: u64,
        /// The wait status, as `ExitStatusExt::from_raw` takes it.
        status: i32,
    },
}

impl Order {
    pub(super) fn line(&self) -> String {
        line(self)
    }
}

impl Event {
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Started { id, .. } | Self::Failed { id, .. } | Self::Exited { id, .. } => *id,
        }
    }

    pub(super) fn line(&self) -> String {
        line(self)
    }
}

fn line(message: &impl Serialize) -> String {
    let mut line = serde_json::to_string(message).expect("strings and numbers always serialize");
    line.push('\n');
    line
}

impl From<Launch> for Command {
    fn from(launch: Launch) -> Self {
        let Launch {
            program,
            args,
            env,
            log,
        } = launch;
        Self {
            program,
            args,
            env,
            log,
        }
    }
}
