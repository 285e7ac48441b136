//! What can be read off an observation about the attempts to create: which one is open, where to look for what they made, and what may still
//! come of them.

use std::time::Duration;

use jiff::Timestamp;

use super::super::plan::{
    AttemptMemory, AttemptOutcome, AttemptState, Coordinates, DataSourceType, Lacks, LastAttempt, Observation,
    Provider, SecretVersion,
};
use crate::api::Intent;
use crate::api::intent::EARLIER_SECRETS_MAX;

impl Observation {
    /// The last intent that is known. The annotation tells of it, unless somebody took it away or put an older one back: then memory does, as
    /// long as the outcome is not in the status.
    pub(super) fn last_intent(&self) -> Option<&Intent> {
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
        if self.only_observes() {
            return None;
        }
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

    /// The name and type to look for: of what was taken over or requested, if something was, else of the spec. After a failed create, or before
    /// a replacement, the two may differ.
    #[must_use]
    pub fn sought(&self) -> (&str, DataSourceType) {
        if let Some(imported) = self.import_record() {
            return (&imported.name, imported.type_);
        }
        if let Some(made) = self.made() {
            return made;
        }
        match self.requested() {
            Some(intent) => (&intent.name, intent.type_),
            None => (&self.object.spec.data_source_name, self.object.spec.type_),
        }
    }

    /// The name and type of the recorded data source, if the object created it: annotations come and go.
    fn made(&self) -> Option<(&str, DataSourceType)> {
        let status = &self.object.status;
        let last = status.last_attempt.as_ref().filter(|last| last.has_created());
        let last = last.filter(|_| status.id.is_some() && !self.only_observes())?;
        Some((last.name.as_deref()?, last.type_?))
    }

    /// Where the object's data source is recorded to be, or an earlier request may have created one.
    pub(super) fn recorded_place(&self) -> Option<Coordinates> {
        let late = || self.last_intent().filter(|_| self.late());
        let intent = || self.requested().or_else(late).map(coordinates);
        let recorded = self.object.status.cloud.as_ref().filter(|_| !self.only_observes());
        recorded.cloned().or_else(intent)
    }

    /// The DWS clusters that the provider has to be lent for: that of the spec, and that of what was taken over. What goes needs no new one.
    pub(in super::super) fn granted_clusters(&self) -> Vec<String> {
        let wanted = self.object.spec.cluster_id.clone();
        let recorded = self.recorded_place().filter(|_| self.is_imported());
        match recorded.map(|at| at.cluster_id) {
            Some(recorded) if self.object.deleting || recorded == wanted => vec![recorded],
            Some(recorded) => vec![recorded, wanted],
            None => vec![wanted],
        }
    }

    /// Which type late effects would show in.
    pub(super) fn late_type(&self) -> DataSourceType {
        let last = self.object.status.last_attempt.as_ref();
        let asked = self.last_intent().map(|intent| intent.type_);
        asked
            .or(last.and_then(|last| last.type_))
            .unwrap_or(self.object.spec.type_)
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
    pub(super) fn ended(&self, intent: &Intent, outcome: AttemptOutcome, late_until: Option<Timestamp>) -> LastAttempt {
        LastAttempt {
            id: intent.attempt.clone(),
            outcome,
            name: Some(intent.name.clone()),
            type_: Some(intent.type_),
            late_until: late_until.max(self.late_until().filter(|_| self.late())),
        }
    }

    /// The first generation that a request was made from whose effect may still come, one for the present spec included.
    pub(super) fn earliest_generation(&self) -> i64 {
        let last = self.last_intent().filter(|_| self.late());
        let earlier = last.map_or(i64::MAX, |last| last.generation.min(last.earliest_generation));
        earlier.min(self.object.generation)
    }

    /// The generation that what is found of ours was made from; with several requests whose effects may still come, the first of them. Zero if
    /// nothing tells.
    pub(super) fn found_generation(&self, attempt: Option<&Intent>) -> i64 {
        let intent = attempt.or_else(|| self.last_intent());
        let generation = intent.map(|intent| {
            if self.late() {
                intent.generation.min(intent.earliest_generation)
            } else {
                intent.generation
            }
        });
        generation.unwrap_or_default().max(0)
    }

    /// Whether what is found of ours may have been made from another spec or another password than those of today.
    pub(super) fn may_be_outdated(&self, attempt: Option<&Intent>) -> bool {
        let intent = attempt.or_else(|| self.last_intent());
        let other_password = self.late() && intent.is_some_and(|intent| !intent.earlier_secrets.is_empty());
        other_password || self.found_generation(attempt) != self.object.generation
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
