//! What must never happen, and what must come in the end.
//!
//! | | invariant |
//! | --- | --- |
//! | P1 | at most one data source of an object survives; no create while an id, a job or an unsettled attempt exists |
//! | P2 | nothing stays in the cloud without an owner, but what is told or kept on purpose |
//! | P3 | the finalizer goes only after the cloud says gone, or nothing was ever created |
//! | P4 | only what the object recorded, imported or marked is changed or deleted |
//! | P5 | once faults stop, a verdict comes in bounded time, and then no more writes |
//! | P7 | the status never regresses; an id is never forgotten while its data source exists |
//! | P9 | the same observation gives the same plan |
//! | P10 | Flux's rules hold on every status |
//! | P11 | at most one request to restart a generation ends other than in a definite rejection |

use std::collections::HashSet;
use std::time::Duration;

use dws_testbed::flux_violations;
use serde_json::json;

use super::super::tell::too_long;
use super::World;
use super::source::Source;
use crate::api::{ConditionStatus, ConditionType, Reason};
use crate::reconcile::plan::{DwsDataSourceStatus, Intent, ManagementPolicy, Object};

/// Longer than a pass takes from its read of the object to a write.
const JUST: Duration = Duration::from_secs(5);

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Oracle {
    sent: HashSet<String>,
    closed: HashSet<String>,
    /// All ids that the status ever held.
    recorded: HashSet<String>,
}

impl Oracle {
    /// The status as it is.
    pub fn stored(&mut self, status: Option<&DwsDataSourceStatus>) {
        self.recorded.extend(status.and_then(|status| status.id.clone()));
    }

    /// A create was sent.
    pub fn sent(&mut self, intent: &Intent) {
        self.sent.insert(intent.attempt.clone());
    }

    /// Whether the finalizer may go, with so many of ours in the cloud.
    pub fn let_go(&self, ours: usize, excused: bool) -> Result<(), String> {
        if ours == 0 || excused {
            Ok(())
        } else {
            Err(format!("{ours} data sources stay; {self:?}"))
        }
    }
}

impl World {
    /// What must come in the end.
    pub fn judge_the_end(&self) {
        let ours = self.owed();
        let Some(object) = self.kubernetes.object() else {
            assert!(ours.is_empty() || self.is_excused(), "P2: left behind: {ours:#?}");
            return;
        };
        // Who may write nothing to the cloud removes no surplus; what shows during a pause is removed after it.
        let observes = object.spec.management_policy == Some(ManagementPolicy::Observe);
        assert!(
            ours.len() <= 1 || observes || self.is_robbed() || object.annotations.paused,
            "P1: more than one: {ours:#?}"
        );
        let status = &object.status;
        let ready = status
            .conditions
            .iter()
            .any(|c| c.type_ == ConditionType::Ready && c.status == ConditionStatus::True);
        let stalled = status.conditions.iter().find(|c| c.type_ == ConditionType::Stalled);
        if object.annotations.paused {
            // The verdict is from before.
        } else if ready {
            let recorded = ours.iter().any(|source| Some(&source.id) == status.id.as_ref());
            assert!(recorded, "P1: Ready without its data source");
        } else if let Some(stalled) = stalled {
            let known = [
                Reason::AlreadyExists,
                Reason::CreateFailed,
                Reason::JobTimedOut,
                Reason::Drifted,
                Reason::Ambiguous,
                Reason::UpdateFailed,
                Reason::ApprovalRequired,
                Reason::ExternallyDeleted,
                Reason::InvalidSpec,
            ];
            assert!(
                known.contains(&stalled.reason),
                "stalled for no reason of this world: {status:#?}"
            );
        } else {
            // A create whose job id is lost shows only in the list, which says Creating for ever.
            let unending = self
                .ours()
                .iter()
                .any(|source| source.ready.is_none() && source.failed.is_none());
            assert!(unending || object.deleting, "P5: not settled: {status:#?}");
        }
        // Without a finalizer nobody holds an object that is being deleted; with ours it must have gone by now.
        assert!(
            !object.deleting || stalled.is_some() || object.annotations.paused,
            "P5: not gone: {object:#?}"
        );
    }

    /// P1: no create while an id, a job or an unsettled attempt exists; P11 is counted by the cloud.
    pub fn check_post(&self, intent: &Intent) {
        let Some(object) = self.kubernetes.object() else {
            return;
        };
        let tampered = self.schedule.tampers();
        assert!(
            object.status.id.is_none() || tampered,
            "P1: a create beside a recorded id"
        );
        let recorded = object.intent.as_ref().map(|recorded| &recorded.attempt);
        assert!(
            recorded == Some(&intent.attempt) || tampered,
            "P1: a create without its intent"
        );
        let open: Vec<_> = self.oracle.sent.difference(&self.oracle.closed).collect();
        assert!(
            open.is_empty() || self.is_robbed(),
            "P1: a create beside open attempts {open:?}"
        );
    }

    /// Whether somebody may have taken away all that told of an attempt.
    fn is_robbed(&self) -> bool {
        (self.schedule.tampers() && self.deaths > 0) || self.schedule.has(super::Event::WipeStatus)
    }

    /// Who only observes writes nothing; the object may have been edited since the pass read it.
    pub fn check_write(&self) {
        let observes = |object: &&Object| object.spec.management_policy == Some(ManagementPolicy::Observe);
        let object = self.kubernetes.object().filter(observes);
        let is_new = self
            .schedule
            .events
            .iter()
            .any(|(at, _)| *at + JUST > self.now && *at <= self.now);
        assert!(object.is_none() || is_new, "a write to the cloud by who only observes");
    }

    /// P4: nothing is deleted that somebody else made, and without the marker nothing but the recorded one.
    pub fn check_delete(&self, id: &str, cluster: &str) {
        let source = self
            .cloud
            .sources
            .iter()
            .find(|source| source.id == id)
            .expect("it exists");
        assert_eq!(source.cluster, cluster);
        let recorded = self.kubernetes.recorded_id().as_deref() == Some(id);
        let may = source.user_name != super::STRANGER && (self.schedule.marker || recorded);
        assert!(may, "P4: deletes {source:#?}");
    }

    /// What the object answers for: without the marker nobody can tell what a lost request made, so only what was recorded.
    pub fn owed(&self) -> Vec<&Source> {
        let known = |source: &&Source| self.schedule.marker || self.oracle.recorded.contains(&source.id);
        self.ours().into_iter().filter(known).collect()
    }

    /// Whether something may stay behind because nobody can know of it.
    pub fn is_excused(&self) -> bool {
        self.schedule.tampers() || self.is_orphaned || self.is_retained || self.is_left
    }

    /// How many restarts the spec and the annotations may have asked for so far.
    fn restarts_granted(&self) -> usize {
        let generation = self.kubernetes.object().map_or(1, |object| object.generation);
        let by_spec = if self.schedule.reboot { generation } else { 0 };
        let requests = self.schedule.events.iter();
        let by_request = requests.filter(|(_, event)| matches!(event, super::Event::Reboot(_)));
        usize::try_from(by_spec).unwrap_or_default() + by_request.count()
    }

    /// P7, P10, P11 and the lengths of the schema, for every status that is written.
    pub fn check_status(&mut self, seen: &Object, after: &DwsDataSourceStatus) {
        let before = &seen.status;
        let tampered = self.schedule.tampers();
        assert!(
            after.observed_generation >= before.observed_generation,
            "P7: the observed generation falls"
        );
        if let Some(id) = before.id.as_ref().filter(|id| after.id.as_ref() != Some(*id)) {
            let lives = self.ours().iter().any(|source| source.id == *id);
            assert!(!lives || tampered, "P7: {id} is forgotten while it exists");
        }
        let object = json!({ "metadata": { "generation": seen.generation }, "status": after });
        assert_eq!(flux_violations(&object), Vec::<String>::new(), "P10: {object:#}");
        let granted = self.restarts_granted();
        assert!(
            self.cloud.reboots <= granted || self.is_robbed(),
            "P11: {} restarts of {granted}",
            self.cloud.reboots
        );
        self.oracle
            .closed
            .extend(after.last_attempt.iter().map(|last| last.id.clone()));
        assert_eq!(too_long(after), Vec::<&String>::new());
    }
}
