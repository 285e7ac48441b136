//! A small world to prove the decisions in: one object, one operator process that may die, one cloud, a virtual clock.
//!
//! Plans of the real `decide` are carried out turn by turn, with the real folding of what they bring. What must never happen is checked at
//! every step; what must come in the end, at the end.

mod cloud;
mod deletes;
mod kubernetes;
mod looks;
mod oracle;
mod process;
pub mod schedule;
mod source;
mod updates;

use std::time::Duration;

use jiff::Timestamp;

use self::cloud::Cloud;
use self::kubernetes::Kubernetes;
use self::oracle::Oracle;
use self::process::Process;
use self::schedule::{Event, Schedule};
use super::super::facts::after;
use crate::reconcile::plan::{CreateRequest, DefinitionView};

/// Who makes the data sources that are not the operator's.
const STRANGER: &str = "stranger";
/// How long a world is watched after the last event.
const AFTERMATH: Duration = Duration::from_hours(3);
/// How long nothing may be written before the end.
const QUIET: Duration = Duration::from_mins(45);
/// More passes than any story needs; more are a hot loop.
const PASSES_MAX: usize = 2500;

/// The world.
pub struct World {
    pub schedule: Schedule,
    /// The time since the beginning.
    pub now: Duration,
    pub kubernetes: Kubernetes,
    pub cloud: Cloud,
    pub process: Process,
    pub oracle: Oracle,
    events: Vec<(Duration, Event)>,
    provider_down: Duration,
    provider_unread: Duration,
    /// The finalizer went with the word that something may stay behind.
    is_orphaned: bool,
    /// It went with the word that something stays on purpose.
    is_retained: bool,
    /// The finalizer went by force or with the definition, and what stays was told.
    is_left: bool,
    /// Whether the definition of the kind stays.
    definition: DefinitionView,
    writes: usize,
    last_write: Duration,
    /// How often the process died.
    pub deaths: usize,
}

/// The process died in the middle of a pass.
pub struct Death;

impl World {
    pub fn new(schedule: Schedule) -> Self {
        let mut events = schedule.events.clone();
        events.reverse();
        World {
            now: Duration::ZERO,
            kubernetes: Kubernetes::new(&schedule),
            cloud: Cloud::new(&schedule),
            process: Process::born(Duration::ZERO),
            oracle: Oracle::default(),
            events,
            provider_down: Duration::ZERO,
            provider_unread: Duration::ZERO,
            is_orphaned: false,
            is_retained: false,
            is_left: false,
            definition: DefinitionView::Stays,
            writes: 0,
            last_write: Duration::ZERO,
            deaths: 0,
            schedule,
        }
    }

    /// The wall time of an instant of this world.
    pub fn wall(time: Duration) -> Timestamp {
        after(
            Timestamp::from_second(1_800_000_000).expect("within the calendar"),
            time,
        )
    }

    /// Lets the world run to its end and checks it.
    pub fn run(&mut self) {
        let last_event = self.events.first().map_or(Duration::ZERO, |(at, _)| *at);
        let end = last_event + AFTERMATH;
        let mut passes = 0;
        while self.now < end && self.kubernetes.exists() {
            passes += 1;
            assert!(passes < PASSES_MAX, "hot: {passes} passes by {:?}", self.now);
            let wait = self.pass().unwrap_or_else(|Death| {
                self.deaths += 1;
                self.advance(Duration::from_secs(3));
                self.process = Process::born(self.now);
                Duration::ZERO
            });
            let wake = self.now + wait;
            let woken = self.events.last().map_or(wake, |(at, _)| wake.min((*at).max(self.now)));
            self.advance(woken.saturating_sub(self.now));
        }
        self.finish();
    }

    /// Lets time pass, and what is due in it happen.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        while let Some((_, event)) = self.events.pop_if(|(at, _)| *at <= self.now) {
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::DeleteInCloud => {
                if let Some(id) = self.kubernetes.recorded_id() {
                    self.cloud
                        .begin_leaving(&id, self.now, self.now + Duration::from_secs(5));
                }
            }
            Event::DriftInCloud => {
                if let Some(id) = self.kubernetes.recorded_id() {
                    self.cloud.drift(&id);
                }
            }
            Event::Occupy => {
                if let Some((cluster, name, type_)) = self.kubernetes.name() {
                    let request = CreateRequest {
                        type_,
                        data_source_name: name,
                        user_name: STRANGER.to_owned(),
                        data_source_id: None,
                        connect_info: None,
                        description: None,
                        reboot: false,
                    };
                    self.cloud.occupy(&cluster, &request, self.now);
                }
            }
            Event::ProviderDown(seconds) => self.provider_down = self.now + Duration::from_secs(seconds.into()),
            Event::ProviderUnread(seconds) => self.provider_unread = self.now + Duration::from_secs(seconds.into()),
            Event::RemoveDefinition => {
                // The API server deletes every object then.
                self.definition = DefinitionView::Leaving;
                self.kubernetes.happen(Event::Delete, self.now);
            }
            event => self.kubernetes.happen(event, self.now),
        }
    }

    /// Counts a write; the process may die before or after it.
    fn write(&mut self) -> Option<bool> {
        let number = self.writes;
        self.writes += 1;
        self.last_write = self.now;
        let crash = self.schedule.crashes.iter().find(|(at, _)| *at == number);
        crash.map(|(_, applied)| *applied)
    }

    /// The data sources in the cloud that the operator's requests made or are still to make, by what only they say.
    pub fn ours(&self) -> Vec<&source::Source> {
        let ours = |source: &&source::Source| source.lives(self.now) && source.user_name != STRANGER;
        self.cloud.sources.iter().filter(ours).collect()
    }

    fn finish(&self) {
        let quiet = self.now.saturating_sub(self.last_write);
        if self.kubernetes.exists() {
            assert!(
                quiet >= QUIET,
                "P5: the last write is only {quiet:?} ago: {:#?}",
                self.kubernetes.status()
            );
        }
        self.judge_the_end();
    }
}
