//! What can be read off an observation without deciding anything.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::plan::{
    AttemptMemory, AttemptState, Coordinates, DataSourceType, Item, Lacks, LastAttempt, Observation, OperationType,
    Password, Provider, Remote, SecretVersion, View,
};
use crate::api::data_source::{AttemptOutcome, DeletionPolicy};
use crate::api::intent::EARLIER_SECRETS_MAX;
use crate::api::{ConditionStatus, ConditionType, Intent};

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
    /// The last intent that is known. The annotation tells of it, unless somebody took it away or put an older one back: then memory does, as
    /// long as the outcome is not in the status.
    fn last_intent(&self) -> Option<&Intent> {
        let known = self.memory.attempt.as_ref().map(|known| &known.intent);
        match (&self.object.intent, known) {
            (Some(intent), Some(known)) if !self.closed(known) && intent.time <= known.time => Some(known),
            (Some(intent), _) => Some(intent),
            (None, known) => known,
        }
    }

    /// The last attempt that is known, and how far it went.
    pub(in super::super) fn attempt(&self) -> Option<AttemptMemory> {
        let intent = self.last_intent()?;
        let known = self.memory.attempt.as_ref();
        let known = known.filter(|known| known.intent.attempt == intent.attempt);
        Some(known.cloned().unwrap_or_else(|| AttemptMemory {
            intent: intent.clone(),
            state: self.first_sight(intent),
        }))
    }

    /// The attempt whose outcome is not in the status yet.
    #[must_use]
    pub fn open_attempt(&self) -> Option<AttemptMemory> {
        self.attempt().filter(|attempt| !self.closed(&attempt.intent))
    }

    fn closed(&self, intent: &Intent) -> bool {
        let last = self.object.status.last_attempt.as_ref();
        last.is_some_and(|last| last.id == intent.attempt)
    }

    /// What is known of an intent that another process, or an earlier one, left behind: it may just have been sent, and a
    /// stopped leader may still send it while its lease lasts.
    fn first_sight(&self, intent: &Intent) -> AttemptState {
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

    /// What was requested last, if something in the cloud is known or may have come of it.
    fn requested(&self) -> Option<&Intent> {
        let open = |intent: &Intent| !self.closed(intent) && !self.unsent(intent);
        self.last_intent()
            .filter(|intent| self.object.status.id.is_some() || open(intent) || self.robbed_of_id(intent))
    }

    /// Whether the status tells that the intent created something, and no longer what: somebody took the id away.
    fn robbed_of_id(&self, intent: &Intent) -> bool {
        let last = self.object.status.last_attempt.as_ref();
        self.object.status.id.is_none() && self.closed(intent) && last.is_some_and(LastAttempt::has_created)
    }

    /// Whether somebody took away what the operator knew of a create: a finalizer comes with an intent, and an accepted one with an id.
    pub(super) fn robbed(&self) -> bool {
        self.last_intent().is_none_or(|intent| self.robbed_of_id(intent))
    }

    fn unsent(&self, intent: &Intent) -> bool {
        let known = self.memory.attempt.as_ref();
        known.is_some_and(|known| known.intent.attempt == intent.attempt && known.state == AttemptState::Unsent)
    }

    /// The name and type to look for: of what was requested, if something was, else of the spec. After a failed create the two
    /// may differ.
    #[must_use]
    pub fn sought(&self) -> (&str, DataSourceType) {
        match self.requested() {
            Some(intent) => (&intent.name, intent.type_),
            None => (&self.object.spec.data_source_name, self.object.spec.type_),
        }
    }

    /// Where the object's data source is recorded to be, or an earlier request may have created one.
    pub(super) fn recorded_place(&self) -> Option<Coordinates> {
        let late = || self.last_intent().filter(|_| self.late());
        let intent = || self.requested().or_else(late).map(coordinates);
        self.object.status.cloud.clone().or_else(intent)
    }

    /// Which type late effects would show in.
    pub(super) fn late_type(&self) -> DataSourceType {
        self.last_intent().map_or(self.object.spec.type_, |intent| intent.type_)
    }

    /// Where the object's data source is, or would be created.
    #[must_use]
    pub fn place(&self) -> Option<Coordinates> {
        self.recorded_place().or_else(|| match &self.provider {
            Provider::Ready { coordinates, .. } => Some(coordinates.clone()),
            Provider::Absent { .. } | Provider::NotReady { .. } | Provider::Unreached { .. } => None,
        })
    }

    /// What lists and lanes are about: the place, the name and the type.
    pub(in super::super) fn target(&self) -> (Option<Coordinates>, String, DataSourceType) {
        let (name, type_) = self.sought();
        (self.place(), name.to_owned(), type_)
    }

    fn late_until(&self) -> Option<Timestamp> {
        self.object.status.last_attempt.as_ref()?.late_until
    }

    /// Whether an attempt that nobody answered may still show an effect. The window closes with the first list begun after it that shows
    /// nothing unrecorded of ours, or with two that find no such cluster any more.
    pub(in super::super) fn late(&self) -> bool {
        let unseen = |until| self.memory.clear.is_none_or(|clear| clear < self.uptime_at(until));
        let stands = |until| {
            let gap = self.timings.deleted_gap;
            self.absence(self.uptime_at(until), gap, |lacks| lacks == Lacks::Cluster)
                .is_err()
        };
        self.late_until()
            .is_some_and(|until| until > self.now || (unseen(until) && stands(until)))
    }

    /// Whether the window for late effects is over, so that only a last list is wanting.
    pub(super) fn window_closed(&self) -> bool {
        self.late_until().is_some_and(|until| until <= self.now)
    }

    /// Whether an attempt was settled as absent without anybody being sure.
    pub(super) fn attempted_in_vain(&self) -> bool {
        self.late_until().is_some()
    }

    /// The end of an attempt; late effects of earlier ones are not forgotten.
    pub(super) fn ended(&self, attempt: &str, outcome: AttemptOutcome, late_until: Option<Timestamp>) -> LastAttempt {
        LastAttempt {
            id: attempt.to_owned(),
            outcome,
            late_until: late_until.max(self.late_until()),
        }
    }

    /// Whether the verdict in the status is about the current spec.
    pub(super) fn generation_observed(&self) -> bool {
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

    /// The versions of Secrets other than `secret` that earlier requests carried whose effects may still come.
    pub(super) fn earlier_secrets(&self, secret: Option<&SecretVersion>) -> Vec<SecretVersion> {
        let Some(last) = self.last_intent().filter(|_| self.late()) else {
            return Vec::new();
        };
        let sent = last.secret.iter().filter(|_| !self.unsent(last));
        let mut earlier: Vec<_> = Vec::new();
        for version in sent.chain(&last.earlier_secrets) {
            if Some(version) != secret && !earlier.contains(version) && earlier.len() < EARLIER_SECRETS_MAX {
                earlier.push(version.clone());
            }
        }
        earlier
    }

    /// The versions of Secrets that requests carried whose words may still come; none if they cannot all be told.
    pub(in super::super) fn carried_secrets(&self) -> Option<Vec<SecretVersion>> {
        let mut carried: Vec<_> = self.object.status.secret.iter().cloned().collect();
        if let Some(last) = self.last_intent() {
            if last.earlier_secrets.len() >= EARLIER_SECRETS_MAX {
                return None;
            }
            carried.extend(last.secret.iter().chain(&last.earlier_secrets).cloned());
        }
        Some(carried)
    }

    /// Whether the password differs from the one that the last attempt sent.
    pub(super) fn password_changed(&self) -> bool {
        match (self.password_version(), &self.object.status.secret) {
            (Some(now), Some(then)) => now != then,
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
        let hold = self.memory.hold?;
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
