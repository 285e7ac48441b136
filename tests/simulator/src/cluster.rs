//! One DWS cluster: its data sources and the jobs that work on them.
//!
//! Every method takes the time, so a state depends on nothing but the calls so far and the clock. Jobs need no timer:
//! [`Cluster::settle`] does the work of those that are due, and every access begins with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::job::{Job, JobOutcome, Work};
use crate::settings::{JobStates, Settings};
use crate::source::{Source, Sources};

/// A cluster. The default one is empty and belongs to the project that uses it first.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) project: Option<String>,
    pub(crate) sources: Sources,
    pub(crate) restarts: u64,
    /// Deleted data sources that the list still shows, until when, by their order.
    leaving: BTreeMap<u64, (Timestamp, Source)>,
    jobs: HashMap<String, Job>,
    running: HashSet<String>,
    due: BTreeSet<(Timestamp, String)>,
}

impl Cluster {
    /// Does the work of every job that is due.
    pub(crate) fn settle(&mut self, delete_lag: Duration, now: Timestamp) {
        while let Some((due, _)) = self.due.first()
            && *due <= now
        {
            let Some((due, id)) = self.due.pop_first() else {
                break;
            };
            self.finish(&id, due, delete_lag);
        }
        self.leaving.retain(|_, (until, _)| *until > now);
    }

    /// Whether a job runs.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Adds a data source that a job finishes; returns the job's id.
    pub(crate) fn create(&mut self, source: Source, settings: &Settings, now: Timestamp) -> String {
        let subject = (source.id.clone(), source.name.clone());
        self.sources.insert(source);
        self.begin(Work::Create, subject, settings, now)
    }

    /// Starts an update of an existing data source; returns the job's id.
    pub(crate) fn update(
        &mut self,
        source: &Source,
        agency: Option<String>,
        restart: bool,
        settings: &Settings,
        now: Timestamp,
    ) -> String {
        self.sources.update(&source.id, |source| {
            "500".clone_into(&mut source.configure_status);
        });
        self.begin(
            Work::Update { agency, restart },
            (source.id.clone(), source.name.clone()),
            settings,
            now,
        )
    }

    /// Starts the deletion of an existing data source; returns the job's id.
    pub(crate) fn delete(&mut self, source: &Source, settings: &Settings, now: Timestamp) -> String {
        self.sources
            .update(&source.id, |source| source.set_states("401", "304"));
        self.begin(Work::Delete, (source.id.clone(), source.name.clone()), settings, now)
    }

    /// The data sources that the list shows.
    pub(crate) fn listed<'a>(&'a self, type_: Option<&'a str>, now: Timestamp) -> impl Iterator<Item = &'a Source> {
        let present = self
            .sources
            .iter()
            .filter(move |(_, source)| source.visible_from <= now);
        let leaving = self.leaving.iter().map(|(order, (_, source))| (*order, source));
        let all: BTreeMap<u64, &Source> = present.chain(leaving).collect();
        all.into_values()
            .filter(move |source| type_.is_none_or(|type_| type_ == source.type_))
    }

    pub(crate) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// What the job call shows; none for an id that it does not know.
    pub(crate) fn shown_job(&self, id: &str, states: JobStates, now: Timestamp) -> Option<Value> {
        self.jobs.get(id)?.shown(states, now)
    }

    /// Ends a running job with this outcome; says whether there was one. An outcome without an end changes only what the
    /// job call shows.
    pub(crate) fn end_job(&mut self, id: &str, outcome: JobOutcome, delete_lag: Duration, now: Timestamp) -> bool {
        if !self.running.contains(id) {
            return false;
        }
        let Some(job) = self.jobs.get_mut(id) else {
            return false;
        };
        self.due.remove(&(job.due(), id.to_owned()));
        job.end(outcome, now);
        if !job.is_endless() {
            self.finish(id, now, delete_lag);
        }
        true
    }

    fn begin(&mut self, work: Work, subject: (String, String), settings: &Settings, now: Timestamp) -> String {
        let named = settings.by_name.get(&subject.1);
        let (exception, rule) = match work {
            Work::Create => (
                named.and_then(|named| named.create_outcome.as_ref()),
                &settings.create_outcome,
            ),
            Work::Update { .. } => (
                named.and_then(|named| named.update_outcome.as_ref()),
                &settings.update_outcome,
            ),
            Work::Delete => (
                named.and_then(|named| named.delete_outcome.as_ref()),
                &settings.delete_outcome,
            ),
        };
        let outcome = exception.unwrap_or(rule).clone();
        let duration = named
            .and_then(|named| named.job_duration)
            .unwrap_or(settings.job_duration);
        let id = Uuid::new_v4().simple().to_string();
        let job = Job::begin(id.clone(), work, subject, outcome, duration, now);
        self.running.insert(id.clone());
        if !job.is_endless() {
            self.due.insert((job.due(), id.clone()));
        }
        self.jobs.insert(id.clone(), job);
        id
    }

    fn finish(&mut self, job_id: &str, at: Timestamp, delete_lag: Duration) {
        self.running.remove(job_id);
        let Some(job) = self.jobs.get(job_id) else {
            return;
        };
        let id = &job.source_id;
        match (&job.work, job.failure()) {
            (Work::Create, None) => self.sources.update(id, |source| {
                // A deletion that was accepted meanwhile goes on.
                if source.configure_status == "100" {
                    source.set_states("200", "200");
                }
            }),
            (Work::Create, Some(reason)) => self.sources.update(id, |source| {
                source.set_states("300", "303");
                reason.clone_into(&mut source.fail_reason);
            }),
            (Work::Update { agency, restart }, None) => {
                self.sources.update(id, |source| {
                    source.set_states("200", "200");
                    source.updated = Some(at);
                    if let Some(agency) = agency {
                        source.user_name.clone_from(agency);
                    }
                });
                if *restart {
                    self.sources.restart();
                }
            }
            (Work::Update { .. }, Some(reason)) => self.sources.update(id, |source| {
                "300".clone_into(&mut source.configure_status);
                reason.clone_into(&mut source.fail_reason);
            }),
            (Work::Delete, None) => {
                if let Some((order, source)) = self.sources.remove(id) {
                    let until = at.checked_add(delete_lag).unwrap_or(Timestamp::MAX);
                    self.leaving.insert(order, (until, source));
                }
            }
            (Work::Delete, Some(reason)) => self.sources.update(id, |source| {
                source.set_states("300", "302");
                reason.clone_into(&mut source.fail_reason);
            }),
        }
    }
}
