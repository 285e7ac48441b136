//! The sessions of a provider in other projects than its own: one each, with the same credentials.
//!
//! Takes the provider's own session and a project; returns a session there. Credentials, breaker and limits are shared, since they go by the
//! access key or user; a token is for one project.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cloud::{BreakerState, ConnectError, Session};

/// How long a session is kept that nobody asks for; every object asks more often than that while it waits for its credentials.
const KEPT: Duration = Duration::from_hours(1);

/// A session, and when somebody asked for it last.
type Asked = (Arc<Session>, Instant);

/// The sessions by project; clones share them.
#[derive(Clone, Default)]
pub struct ProjectSessions(Arc<Mutex<HashMap<String, Asked>>>);

impl ProjectSessions {
    /// The session in a project.
    ///
    /// # Errors
    /// If the project's id is none.
    pub fn within(&self, own: &Session, project_id: &str) -> Result<Arc<Session>, ConnectError> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, (_, asked)| asked.elapsed() < KEPT);
        let session = match sessions.get(project_id) {
            Some((session, _)) => Arc::clone(session),
            None => Arc::new(own.within(project_id)?),
        };
        sessions.insert(project_id.to_owned(), (Arc::clone(&session), Instant::now()));
        Ok(session)
    }

    /// Whether this is what one of them knows of the credentials since it was used last.
    #[must_use]
    pub fn any_is(&self, state: BreakerState) -> bool {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_use = sessions.values().filter(|(_, asked)| asked.elapsed() < KEPT);
        in_use.any(|(session, _)| session.breaker() == state)
    }
}
