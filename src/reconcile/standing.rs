//! How a provider stands, and the session that was made of it.

use std::sync::Arc;

use jiff::Timestamp;

use super::grants::Grants;
use super::project_sessions::ProjectSessions;
use crate::api::Reason;
use crate::cloud::{BreakerState, Failure, FailureKind, Rejection, Session};

/// How a provider stands.
#[derive(Clone)]
pub enum Standing {
    /// It does not exist.
    Absent,
    /// It cannot be used.
    Broken {
        /// Why, in one word.
        reason: Reason,
        /// Why, for the user.
        message: String,
        /// Whether it lacks a Secret.
        secret: bool,
    },
    /// Whether it can be used is not known: it, one of its Secrets or its project could not be read.
    Unreached {
        /// Why.
        failure: Failure,
    },
    /// It can be used.
    Connected(Connected),
}

/// A provider that can be used.
#[derive(Clone)]
pub struct Connected {
    /// The way to the cloud.
    pub session: Arc<Session>,
    /// The DWS endpoint.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
    /// Whether creates carry the ownership marker.
    pub marker: bool,
    /// Whether what exists already may be taken over or observed.
    pub imports: bool,
    /// To whom it is lent; a provider of a namespace belongs to all of it.
    pub grants: Option<Grants>,
    /// Changes whenever the provider or one of its Secrets changes.
    pub version: String,
    /// The other projects that data sources may ask for.
    pub projects: Vec<String>,
    /// The sessions in other projects.
    pub elsewhere: ProjectSessions,
}

/// The session that was made of a provider last. It outlives trouble with the look-up of its project: another one for the same Secret would
/// risk another rejection of the same key.
#[derive(Clone)]
pub struct Opened {
    session: Arc<Session>,
    /// Of the provider and its Secrets.
    made_of: String,
    /// Of the file of the token that is exchanged, when the session was made.
    token_file: Option<String>,
    /// What the cloud said when it refused the credentials; until it is asked again, that is the answer.
    refusal: Option<Failure>,
    elsewhere: ProjectSessions,
}

impl Opened {
    /// A session that was just made of this version of a provider and its Secrets, and of a token file.
    #[must_use]
    pub fn new(session: Session, made_of: String, token_file: Option<String>) -> Self {
        Opened {
            session: Arc::new(session),
            made_of,
            token_file,
            refusal: None,
            elsewhere: ProjectSessions::default(),
        }
    }

    /// The sessions with the same credentials in other projects.
    #[must_use]
    pub fn elsewhere(&self) -> ProjectSessions {
        self.elsewhere.clone()
    }

    /// Whether it was made of this version, and no other token file may mend it: Kubernetes replaces the file before the token in it expires,
    /// which is no news as long as the credentials work.
    #[must_use]
    pub fn is_of(&self, made_of: &str, token_file: Option<&str>) -> bool {
        self.made_of == made_of && (!self.is_refused() || self.token_file.as_deref() == token_file)
    }

    /// Changes whenever another session is made.
    #[must_use]
    pub fn version(&self) -> String {
        match &self.token_file {
            Some(token_file) => format!("{}/{token_file}", self.made_of),
            None => self.made_of.clone(),
        }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Whether the cloud refused the credentials the last time they were used.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.breaker() == BreakerState::Rejected
    }

    /// What is known of the credentials, in whichever project.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        let of_any = |state| self.session.breaker() == state || self.elsewhere.any_is(state);
        let known = [BreakerState::Rejected, BreakerState::Proven];
        known
            .into_iter()
            .find(|state| of_any(*state))
            .unwrap_or(BreakerState::Unproven)
    }

    /// The project, asked for if it is not known.
    ///
    /// # Errors
    /// What the cloud says; while the breaker holds the credentials back, what it said when it refused them.
    pub async fn find_project(&mut self) -> Result<String, Failure> {
        let found = self.session.find_project().await;
        match (&found, &self.refusal) {
            (Err(failure), Some(refusal)) if failure.is_held_back() => return Err(refusal.clone()),
            (Err(failure), _) if failure.kind == FailureKind::CredentialsRejected => {
                self.refusal = Some(failure.clone());
            }
            (Ok(_), _) => self.refusal = None,
            _ => {}
        }
        found
    }
}

impl Standing {
    /// Changes whenever the standing does.
    #[must_use]
    pub fn version(&self) -> String {
        match self {
            Standing::Absent => "absent".to_owned(),
            Standing::Broken { reason, message, .. } => format!("{reason:?}: {message}"),
            Standing::Unreached { failure } => format!("{:?}", unreached(failure)),
            Standing::Connected(connected) => connected.version.clone(),
        }
    }

    /// What is wrong with it, if something is, in one word and for the user.
    #[must_use]
    pub fn trouble(&self) -> Option<(Reason, &str)> {
        match self {
            Standing::Broken { reason, message, .. } => Some((*reason, message)),
            Standing::Unreached { failure } => Some((unreached(failure), &failure.message)),
            Standing::Absent | Standing::Connected(_) => None,
        }
    }

    /// Whether nothing is known but that it could not be read, which says nothing about the provider.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        matches!(self, Standing::Unreached { failure } if unreached(failure) == Reason::Retrying)
    }

    /// Of a look-up of the project that failed.
    #[must_use]
    pub fn without_project(failure: Failure) -> Self {
        let advice = match failure.kind {
            FailureKind::CredentialsRejected => return Standing::Unreached { failure },
            FailureKind::Rejected {
                reason: Rejection::Denied,
            } => "the project cannot be looked up; set projectID, or allow the credentials to list projects",
            FailureKind::Rejected { .. } => {
                return Standing::Broken {
                    reason: Reason::InvalidSpec,
                    message: format!("the project cannot be looked up; set projectID: {}", failure.message),
                    secret: false,
                };
            }
            _ => "the project cannot be looked up now; trying again",
        };
        let message = format!("{advice}: {}", failure.message);
        Standing::Unreached {
            failure: Failure { message, ..failure },
        }
    }
}

fn unreached(failure: &Failure) -> Reason {
    match failure.kind {
        FailureKind::CredentialsRejected => Reason::CredentialsRejected,
        FailureKind::Rejected { .. } => Reason::AccessDenied,
        _ => Reason::Retrying,
    }
}

impl Connected {
    /// When the temporary credential in use expires, to the second.
    #[must_use]
    pub fn credential_expiry(&self) -> Option<Timestamp> {
        let expiry = self.session.credential_expiry()?;
        Timestamp::from_second(expiry.as_second()).ok()
    }
}
