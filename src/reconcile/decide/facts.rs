//! What can be read off an observation without deciding anything.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::plan::{
    AttemptMemory, AttemptState, Coordinates, DataSourceType, LastAttempt, Observation, OperationType, Password,
    Provider, Remote, SecretVersion, View,
};
use crate::api::Intent;
use crate::api::data_source::{AttemptOutcome, DeletionPolicy};

/// An instant this long after another.
pub fn after(time: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| time.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

/// How long until an instant; zero if it has passed.
pub fn until(now: Timestamp, time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default()
}

impl Observation {
    /// The attempt whose outcome is not in the status yet. The annotation tells of it; if somebody took that away, memory does.
    #[must_use]
    pub fn open_attempt(&self) -> Option<AttemptMemory> {
        let attempt = match (&self.object.intent, &self.memory.attempt) {
            (Some(intent), Some(known)) if known.intent.attempt == intent.attempt => known.clone(),
            (Some(intent), _) => AttemptMemory {
                intent: intent.clone(),
                state: self.first_sight(intent),
            },
            (None, Some(known)) => known.clone(),
            (None, None) => return None,
        };
        let closed = self
            .object
            .status
            .last_attempt
            .as_ref()
            .is_some_and(|last| last.id == attempt.intent.attempt);
        (!closed).then_some(attempt)
    }

    /// What is known of an intent that another process, or an earlier one, left behind: it may just have been sent, and a
    /// stopped leader may still send it while its lease lasts.
    #[must_use]
    pub fn first_sight(&self, intent: &Intent) -> AttemptState {
        let lease = if intent.holder == self.identity {
            Duration::ZERO
        } else {
            self.timings.lease
        };
        AttemptState::Unknown {
            settled_from: self.uptime + self.timings.write_deadline + lease,
            answered: false,
        }
    }

    /// The name and type to look for: of what was requested, if something was, else of the spec. After a failed create the two
    /// may differ.
    #[must_use]
    pub fn sought(&self) -> (&str, DataSourceType) {
        let requested = self.object.status.id.is_some() || self.open_attempt().is_some();
        match &self.object.intent {
            Some(intent) if requested => (&intent.name, intent.type_),
            _ => (&self.object.spec.data_source_name, self.object.spec.type_),
        }
    }

    /// Until when an attempt whose answer was lost may still show an effect.
    pub(super) fn late_until(&self) -> Option<Timestamp> {
        self.object
            .status
            .last_attempt
            .as_ref()?
            .late_until
            .filter(|until| *until > self.now)
    }

    /// The end of an attempt; late effects of earlier ones are not forgotten.
    pub(super) fn ended(&self, attempt: &str, outcome: AttemptOutcome, late_until: Option<Timestamp>) -> LastAttempt {
        let earlier = self
            .object
            .status
            .last_attempt
            .as_ref()
            .and_then(|last| last.late_until);
        LastAttempt {
            id: attempt.to_owned(),
            outcome,
            late_until: late_until.max(earlier),
        }
    }

    /// Whether the verdict in the status is about the current spec.
    pub(super) fn generation_observed(&self) -> bool {
        use crate::api::ConditionType;
        let mut conditions = self.object.status.conditions.iter();
        conditions.any(|c| c.type_ == ConditionType::Ready && c.observed_generation == self.object.generation)
    }

    /// Whether the cloud's data source stays when the object goes.
    pub(super) fn retains(&self) -> bool {
        self.object.spec.deletion_policy == Some(DeletionPolicy::Retain)
    }

    /// The version of the password's Secret, if it was read and exists.
    pub(super) fn password_version(&self) -> Option<&SecretVersion> {
        match &self.password {
            Password::Present { version } | Password::Invalid { version, .. } => Some(version),
            Password::Unknown | Password::Absent | Password::Unreadable { .. } => None,
        }
    }

    /// Whether the password or the credentials changed since the last try.
    pub(super) fn secret_changed(&self) -> bool {
        let password = match (self.password_version(), &self.object.status.secret) {
            (Some(now), Some(then)) => now != then,
            _ => false,
        };
        let credentials = match (&self.provider, &self.memory.tried_version) {
            (Provider::Ready { version, .. }, Some(tried)) => version != tried,
            _ => false,
        };
        password || credentials
    }

    /// Whether creates through the provider carry the ownership marker.
    #[must_use]
    pub fn marks(&self) -> bool {
        matches!(self.provider, Provider::Ready { marker: true, .. })
    }

    /// What the list means, if it was read since the uptime given.
    pub(super) fn listed_since(&self, since: Duration) -> Option<&View> {
        match &self.remote {
            Remote::Listed { began, view } if *began >= since => Some(view),
            _ => None,
        }
    }

    /// Whether a create that was accepted is still under way, as the status has it.
    pub(super) fn creating(&self) -> bool {
        self.object
            .status
            .operation
            .as_ref()
            .is_some_and(|operation| operation.type_ == OperationType::Create && operation.failed_code.is_none())
            && !self.stands_failed()
    }

    /// Whether the status says that the create failed.
    pub(super) fn stands_failed(&self) -> bool {
        use crate::api::{ConditionType, Reason};
        self.object
            .status
            .conditions
            .iter()
            .any(|c| c.type_ == ConditionType::Stalled && c.reason == Reason::CreateFailed)
    }

    /// Whether the status says that the data source is ready.
    pub(super) fn stands_ready(&self) -> bool {
        use crate::api::{ConditionStatus, ConditionType};
        self.object
            .status
            .conditions
            .iter()
            .any(|c| c.type_ == ConditionType::Ready && c.status == ConditionStatus::True)
    }

    /// Two lists that lacked everything of ours, both begun at `from` or later and `gap` apart.
    /// Without them, how long until the next one would count.
    pub(super) fn absence(&self, from: Duration, gap: Duration, cluster_counts: bool) -> Result<(), Duration> {
        let mut begun = self
            .memory
            .absences
            .iter()
            .filter(|absence| absence.began >= from && (cluster_counts || !absence.cluster_gone))
            .map(|absence| absence.began);
        let Some(first) = begun.next() else {
            return Err(from.saturating_sub(self.uptime));
        };
        let last = begun.next_back().unwrap_or(first);
        if last >= first + gap {
            Ok(())
        } else {
            Err((first + gap).saturating_sub(self.uptime))
        }
    }
}

/// Where an intent leads.
#[must_use]
pub fn coordinates(intent: &Intent) -> Coordinates {
    Coordinates {
        provider: intent.provider.clone(),
        endpoint: intent.endpoint.clone(),
        project_id: intent.project_id.clone(),
        cluster_id: intent.cluster_id.clone(),
    }
}
