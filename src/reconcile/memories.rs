//! What this process remembers of each object, by uid: an object that is deleted and created anew starts without a past.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::abandon::Unrecorded;
use super::echo::KnownPassword;
use super::plan::{Memory, Note};

/// What is remembered of one object.
#[derive(Default)]
pub struct Slot {
    /// What passes need. Whoever holds the lock is the one pass over the object.
    pub remembered: tokio::sync::Mutex<Remembered>,
    let_go: Mutex<LetGo>,
}

/// Whether this process took the finalizer off.
#[derive(Default)]
enum LetGo {
    #[default]
    No,
    /// It has, or is about to; the note is still to be told.
    Untold {
        note: Option<Note>,
        /// Of the object as it was; the patch holds for no other.
        resource_version: Option<String>,
    },
    Told,
}

/// What passes need from each other.
#[derive(Default)]
pub struct Remembered {
    /// What decisions read.
    pub memory: Memory,
    /// The passwords that were sent, the last one first.
    pub sent_passwords: Vec<KnownPassword>,
    /// What the cloud agreed to create and no status holds yet.
    pub unrecorded: Option<Unrecorded>,
    /// How many calls to Kubernetes failed in a row.
    pub kubernetes_failures: u32,
}

impl Slot {
    /// This process is about to take its finalizer off: nothing of the object is left but a note for its user.
    pub fn let_go(&self, note: Option<Note>, resource_version: Option<String>) {
        *self.lock() = LetGo::Untold { note, resource_version };
    }

    /// The object is there, with its finalizer: this process did not take it off. Where it is the very object that the patch was for, the patch may
    /// still be under way.
    pub fn keep(&self, now: Option<&String>) {
        let mut let_go = self.lock();
        match &*let_go {
            LetGo::Untold { resource_version, .. } if resource_version.as_ref() == now => {}
            _ => *let_go = LetGo::No,
        }
    }

    /// Whether this process took its finalizer off, and what is still to be told of that; it is given once.
    pub fn was_let_go(&self) -> Option<Option<Note>> {
        let mut let_go = self.lock();
        match std::mem::replace(&mut *let_go, LetGo::Told) {
            LetGo::No => {
                *let_go = LetGo::No;
                None
            }
            LetGo::Untold { note, .. } => Some(note),
            LetGo::Told => Some(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LetGo> {
        self.let_go.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is remembered of all objects.
#[derive(Default)]
pub struct Memories(Mutex<HashMap<String, Arc<Slot>>>);

impl Memories {
    /// What is remembered of an object.
    pub fn of(&self, uid: &str) -> Arc<Slot> {
        Arc::clone(self.lock().entry(uid.to_owned()).or_default())
    }

    /// Forgets an object that is gone; returns what was remembered.
    pub fn forget(&self, uid: &str) -> Option<Arc<Slot>> {
        self.lock().remove(uid)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
