//! What can be read off an observation without deciding anything.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::plan::{
    AttemptMemory, AttemptState, Grant, ImportRecord, Item, Lacks, LastAttempt, Observation, OperationType, Password,
    Provider, Remote, Rival, SecretVersion, View,
};
use crate::api::data_source::ManagementPolicy;
use crate::api::{ConditionStatus, ConditionType, Reason};

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
    /// Whether the verdict in the status is about the current spec.
    pub(super) fn generation_observed(&self) -> bool {
        let mut conditions = self.object.status.conditions.iter();
        // What came new during a pause was not looked at.
        conditions.any(|c| {
            c.type_ == ConditionType::Ready
                && c.observed_generation == self.object.generation
                && c.reason != Reason::Paused
        })
    }

    /// Whether the operator only reads.
    pub(in super::super) fn observes(&self) -> bool {
        self.object.spec.management_policy == Some(ManagementPolicy::Observe)
    }

    /// The import of the recorded data source, if it was carried out for this very object.
    pub(super) fn import_record(&self) -> Option<&ImportRecord> {
        let status = &self.object.status;
        let record = status.imported.as_ref().filter(|record| record.uid == self.object.uid);
        record.filter(|record| Some(&record.id) == status.id.as_ref())
    }

    /// Whether the recorded data source was imported for this very object.
    pub(in super::super) fn is_imported(&self) -> bool {
        self.import_record().is_some()
    }

    /// Whether the provider allows to take over what exists already. Whoever may write a status can write an import into it: without that consent
    /// it counts for nothing.
    pub(in super::super) fn admits_imports(&self) -> bool {
        matches!(&self.provider, Provider::Ready { imports: true, grant, .. } if !matches!(grant, Grant::Refused(_) | Grant::Unreadable(_)))
    }

    /// Whether an import was carried out for this very object.
    pub(super) fn has_imported(&self) -> bool {
        let imported = self.object.status.imported.as_ref();
        imported.is_some_and(|imported| imported.uid == self.object.uid)
    }

    /// Whether something in the cloud may be the object's own: a request of its own may have made it, or it was taken over. If not, what is
    /// recorded was only seen.
    pub(in super::super) fn has_stake(&self) -> bool {
        let last = self.object.status.last_attempt.as_ref();
        let is_open = |attempt: AttemptMemory| attempt.state != AttemptState::Unsent;
        last.is_some_and(LastAttempt::has_created)
            || self.has_imported()
            || self.late()
            || self.open_attempt().is_some_and(is_open)
    }

    /// Whether the operator only reads, and nothing in the cloud is the object's own.
    pub(in super::super) fn only_observes(&self) -> bool {
        self.observes() && !self.has_stake()
    }

    /// Who else is known to hold the object's name, or the data source that was listed.
    pub(super) fn holder(&self) -> Option<&Rival> {
        self.owner.as_ref().or(self.rival.as_ref())
    }

    /// The version of the password's Secret, if it was read and exists.
    pub(super) fn password_version(&self) -> Option<&SecretVersion> {
        match &self.password {
            Password::Present { version } | Password::Invalid { version, .. } => Some(version),
            Password::Unknown | Password::Absent | Password::Unreadable { .. } => None,
        }
    }

    /// Whether the password's Secret is another version than the one that the last attempt used.
    pub(super) fn password_renewed(&self) -> bool {
        match (self.password_version(), &self.object.status.secret) {
            (Some(now), Some(then)) => !now.same_version(then),
            _ => false,
        }
    }

    /// Whether the password differs from the one that the last attempt sent, as far as anybody can tell.
    pub(super) fn password_changed(&self) -> bool {
        match (self.password_version(), &self.object.status.secret) {
            (Some(now), Some(then)) => !now.same_value(then),
            _ => false,
        }
    }

    /// Whether the password certainly differs from the one that the data source was made with.
    pub(super) fn password_rotated(&self) -> bool {
        match (&self.password, &self.object.status.secret) {
            (Password::Present { version }, Some(then)) => version.told_apart(then) == Some(true),
            _ => false,
        }
    }

    /// Whether the provider or its credentials changed since a call through it failed.
    pub(super) fn credentials_changed(&self) -> bool {
        match (&self.provider, &self.memory.tried_version) {
            (Provider::Ready { version, .. }, Some(tried)) => version != tried,
            _ => false,
        }
    }

    /// Whether the provider, or the Secret that it needs, does not exist.
    pub(super) fn provider_is_gone(&self) -> bool {
        matches!(
            self.provider,
            Provider::Absent { .. } | Provider::NotReady { secret: true, .. }
        )
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
        let operation = self.object.status.operation.as_ref();
        operation.is_some_and(|operation| operation.type_ == OperationType::Create && operation.failed_code.is_none())
    }

    /// Whether the status says that the create failed.
    pub(super) fn failed(&self) -> bool {
        let operation = self.object.status.operation.as_ref();
        operation.is_some_and(|operation| operation.type_ == OperationType::Create && operation.failed_code.is_some())
    }

    /// Whether the status says that the data source is ready.
    pub(super) fn stands_ready(&self) -> bool {
        let mut conditions = self.object.status.conditions.iter();
        conditions.any(|c| c.type_ == ConditionType::Ready && c.status == ConditionStatus::True)
    }

    /// Whether the status is stalled.
    pub(super) fn stands_stalled(&self) -> bool {
        let mut conditions = self.object.status.conditions.iter();
        conditions.any(|c| c.type_ == ConditionType::Stalled)
    }

    /// The rest of a wait that no event may shorten.
    pub(super) fn held(&self) -> Option<Duration> {
        let hold = self.memory.hold.filter(|_| !self.reconcile_requested())?;
        let rest = hold.until.saturating_sub(self.uptime);
        (hold.generation == self.object.generation && !rest.is_zero()).then_some(rest)
    }

    /// Whether a delete of it was accepted so lately that the list may not show it yet.
    pub(super) fn removed_lately(&self, item: &Item) -> bool {
        self.removed_within(item, self.timings.list_lag)
    }

    /// Whether a delete of it was accepted within this time.
    pub(super) fn removed_within(&self, item: &Item, time: Duration) -> bool {
        let mut removed = self.memory.removed.iter();
        removed.any(|removed| removed.id == item.id && self.uptime < removed.at + time)
    }

    /// The uptime that an instant was, or will be.
    pub(super) fn uptime_at(&self, time: Timestamp) -> Duration {
        (self.uptime + until(self.now, time)).saturating_sub(until(time, self.now))
    }

    /// Two lists that lacked what counts, both begun at `from` or later and `gap` apart.
    /// Without them, how long until the next one would count.
    pub(super) fn absence(
        &self,
        from: Duration,
        gap: Duration,
        counts: impl Fn(Lacks) -> bool,
    ) -> Result<(), Duration> {
        let absences = self.memory.absences.iter();
        let mut begun = absences
            .filter(|absence| absence.began >= from && counts(absence.lacks))
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
