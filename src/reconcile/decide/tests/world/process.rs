//! The operator's process: carries out plans as the real stages do.

use std::time::Duration;

use super::kubernetes::WriteError;
use super::{Death, World};
use crate::reconcile::decide::decide;
use crate::reconcile::decide::tests::builder;
use crate::reconcile::fold::Posted;
use crate::reconcile::plan::{
    Coordinates, DefinitionView, Failure, FailureKind, Grant, Memory, Observation, Plan, Provider, Report, Step, Then,
};

/// The most turns of a pass, as in the operator.
const TURNS_MAX: usize = 64;

/// What a process knows.
pub struct Process {
    born: Duration,
    memory: Memory,
    attempts: usize,
    kubernetes_failures: u32,
}

impl Process {
    pub fn born(now: Duration) -> Self {
        Process {
            born: now,
            memory: Memory::default(),
            attempts: 0,
            kubernetes_failures: 0,
        }
    }
}

/// Why a pass ended.
enum Ended {
    Wait(Duration),
    Failed,
    Gone,
}

/// A pass under way.
pub struct Pass {
    pub o: Observation,
    version: u64,
    generation: i64,
}

impl World {
    /// One pass over the object; returns how long it waits.
    pub fn pass(&mut self) -> Result<Duration, Death> {
        let Some((object, version)) = self.kubernetes.read() else {
            return Ok(Duration::ZERO);
        };
        let uptime = self.uptime();
        let mut o = Observation {
            now: Self::wall(self.now),
            uptime,
            started: uptime,
            jitter: self.schedule.jitter,
            provider: self.provider(&object.spec.cluster_id),
            ..builder::observation()
        };
        o.around.definition = DefinitionView::Unasked;
        let generation = object.generation;
        o.object = object;
        o.recall(self.process.memory.clone());
        let mut pass = Pass { o, version, generation };
        let ended = self.turns(&mut pass)?;
        self.process.memory = pass.o.memory;
        if !matches!(ended, Ended::Failed) {
            self.process.kubernetes_failures = 0;
        }
        Ok(match ended {
            Ended::Wait(wait) => wait,
            Ended::Gone => Duration::ZERO,
            Ended::Failed => {
                self.process.kubernetes_failures += 1;
                Duration::from_secs(1 << self.process.kubernetes_failures.min(5))
            }
        })
    }

    fn uptime(&self) -> Duration {
        self.now.saturating_sub(self.process.born)
    }

    fn provider(&self, cluster: &str) -> Provider {
        if self.now < self.provider_down {
            return Provider::NotReady {
                name: "DwsProvider/default".to_owned(),
                message: "its Secret does not exist".to_owned(),
                secret: true,
            };
        }
        if self.now < self.provider_unread {
            return Provider::Unreached {
                name: "DwsProvider/default".to_owned(),
                failure: Failure::transient("its Secret cannot be read"),
            };
        }
        Provider::Ready {
            coordinates: Coordinates {
                cluster_id: cluster.to_owned(),
                ..builder::coordinates()
            },
            grant: Grant::Unasked,
            marker: self.schedule.marker,
            imports: true,
            version: "1".to_owned(),
        }
    }

    fn turns(&mut self, pass: &mut Pass) -> Result<Ended, Death> {
        for _ in 0..TURNS_MAX {
            self.tick(pass);
            let plan = decide(&pass.o);
            assert_eq!(plan, decide(&pass.o), "P9: the same observation, the same plan");
            let ended = match plan {
                Plan::Look(look) => {
                    self.look(pass, look);
                    None
                }
                Plan::Act(step) => self.act(pass, step)?,
                Plan::Report(report) => self.report(pass, &report)?,
            };
            match ended {
                Some(ended) => return Ok(ended),
                None if pass.o.object.generation != pass.generation => return Ok(Ended::Wait(Duration::ZERO)),
                None => {}
            }
        }
        panic!("endless turns: {:#?}", pass.o);
    }

    fn tick(&mut self, pass: &mut Pass) {
        self.process.attempts += 1;
        pass.o.now = Self::wall(self.now);
        pass.o.uptime = self.uptime();
        pass.o.fresh_attempt = format!("attempt-{}-{}", self.process.born.as_millis(), self.process.attempts);
    }

    /// Lets a call take its time.
    pub fn spend(&mut self, pass: &mut Pass, time: Duration) {
        self.advance(time);
        pass.o.now = Self::wall(self.now);
        pass.o.uptime = self.uptime();
    }

    fn act(&mut self, pass: &mut Pass, step: Step) -> Result<Option<Ended>, Death> {
        let crash = self.write();
        if crash == Some(false) {
            return Err(Death);
        }
        let ended = match step {
            Step::HoldProvider => {
                pass.o.note_grant(Grant::Held);
                None
            }
            Step::RecordIntent(intent) => {
                let recorded = intent.clone();
                let written = self.kubernetes.write_metadata(pass.version, move |object| {
                    object.intent = Some(recorded);
                    object.finalizer = true;
                });
                if written.is_ok() {
                    pass.o.note_intent(intent);
                }
                self.renew(pass, &written)
            }
            Step::PutFinalizer => {
                let written = self
                    .kubernetes
                    .write_metadata(pass.version, |object| object.finalizer = true);
                self.renew(pass, &written)
            }
            Step::Post { request, intent } => {
                self.check_write();
                assert!(!pass.o.object.annotations.paused, "a create during a pause");
                self.check_post(&intent);
                let begun = pass.o.uptime;
                let deadline = pass.o.timings.write_deadline;
                let (result, took) = self.cloud.create(&intent.cluster_id, &request, self.now, deadline);
                let fenced = matches!(&result, Err(failure) if failure.kind == FailureKind::Fenced);
                if !fenced {
                    self.oracle.sent(&intent);
                }
                self.spend(pass, took);
                pass.o.note_posted(Posted { intent, begun, result });
                None
            }
            Step::Update {
                id,
                at,
                change,
                refresh,
            } => {
                self.check_write();
                assert!(!pass.o.object.annotations.paused, "an update during a pause");
                self.check_delete(&id, &at.cluster_id);
                let (result, took) = self.cloud.update(&id, &change, self.now);
                self.spend(pass, took);
                pass.o.note_updated(change, refresh, result);
                None
            }
            Step::Delete { id, at } => {
                self.check_write();
                assert!(!pass.o.object.annotations.paused, "a delete during a pause");
                // It may go between the look and the delete.
                let is_asked = !pass.o.object.deleting || pass.o.around.definition == DefinitionView::Stays;
                assert!(is_asked, "the definition goes, and a data source with it");
                self.check_delete(&id, &at.cluster_id);
                let (result, took) = self.cloud.delete(&id, self.now);
                self.spend(pass, took);
                pass.o.note_deleted(id, result);
                None
            }
            Step::DropFinalizer { note } => {
                let reason = note.map(|note| note.reason);
                self.is_left = matches!(reason, Some("ForceDeleted" | "DefinitionRemoved"));
                self.is_orphaned = reason == Some("Orphaned");
                self.is_retained = reason == Some("Retained");
                assert!(
                    !self.is_orphaned
                        || self.now < self.provider_down.max(self.provider_unread)
                        || self.schedule.tampers(),
                    "P2: given up while the cloud could be asked"
                );
                let gone = self.oracle.let_go(self.owed().len(), self.is_excused());
                let written = self
                    .kubernetes
                    .write_metadata(pass.version, |object| object.finalizer = false);
                if written.is_ok() {
                    gone.expect("P3: let go");
                    return Ok(Some(Ended::Gone));
                }
                self.renew(pass, &written)
            }
        };
        if crash == Some(true) {
            return Err(Death);
        }
        Ok(ended)
    }

    fn report(&mut self, pass: &mut Pass, report: &Report) -> Result<Option<Ended>, Death> {
        let before = pass.o.object.status.clone();
        let news = report.status.is_news(&before);
        if news {
            let crash = self.write();
            if crash == Some(false) {
                return Err(Death);
            }
            self.check_status(&pass.o.object, &report.status);
            let written = self.kubernetes.write_status(pass.version, &report.status);
            self.oracle.stored(self.kubernetes.status());
            self.spend(pass, Duration::from_millis(5));
            if crash == Some(true) {
                return Err(Death);
            }
            let done = written.is_ok();
            let ended = self.renew(pass, &written);
            if ended.is_some() || !done {
                return Ok(ended);
            }
        }
        pass.o.note_reported(news.then_some(&before));
        Ok(match report.then {
            Then::Again => None,
            Then::Wait { at_most, firm, .. } => {
                assert!(at_most >= Duration::from_secs(1), "hot: waits {at_most:?}");
                pass.o.note_wait(at_most, firm);
                Some(Ended::Wait(at_most))
            }
        })
    }

    /// Takes the object as it is after a write, or after the news that it had changed.
    fn renew(&mut self, pass: &mut Pass, written: &Result<(), WriteError>) -> Option<Ended> {
        if matches!(written, Err(WriteError::Unavailable)) {
            return Some(Ended::Failed);
        }
        let Some((object, version)) = self.kubernetes.read() else {
            return Some(Ended::Gone);
        };
        pass.o.renew(object);
        pass.version = version;
        None
    }
}
