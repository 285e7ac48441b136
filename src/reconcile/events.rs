//! Events for users: one on each transition. A failure to publish is logged and counted, and never fails a pass.
//!
//! Takes what happened and counts it where a metric is about it. The passes do not wait; the end of the process does.
//!
//! RBAC: `create` and `patch` on `events.k8s.io/events`; the recorder patches a repeated event into a series.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::kubernetes::Kubernetes;
use crate::api::Reason;
use crate::runtime::metrics::Metrics;
use crate::runtime::text;

/// The longest note that the API server takes, in bytes.
const NOTE_MAX: usize = 1024;
/// How many events may be under way, as in client-go; further ones are lost. It bounds the memory while the API server does not answer.
const MOST: usize = 1024;
/// How many of them may ask for a call at the same time: a status does not wait behind a crowd of events.
const AT_ONCE: usize = 4;

/// The reasons of events that are no reasons of a condition. Each has its row in `docs/troubleshooting.md`.
const BEYOND_CONDITIONS: [&str; 17] = [
    "Created",
    "Deleted",
    "Retained",
    "Recovered",
    "Updated",
    "Imported",
    "RequestRefused",
    "DuplicateRemoved",
    "Orphaned",
    "CreateUndone",
    "RestartNotRepeated",
    "Undecodable",
    "ForceDeleted",
    "ForceDeleteIgnored",
    "DefinitionRemoved",
    "TakenOver",
    "Resumed",
];

/// What tells that something stays in the cloud. A namespace that ends takes no events, so these are told elsewhere then; the rest is of no use to
/// anybody without the object.
const STAYS: [&str; 4] = ["Retained", "Orphaned", "ForceDeleted", "DefinitionRemoved"];

/// Publishes events; clones share the work.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    kubernetes: Kubernetes,
    metrics: Metrics,
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Events {
    /// Events in the name of this replica; `tasks` tells when none is under way.
    #[must_use]
    pub fn new(kubernetes: Kubernetes, identity: &str, tasks: TaskTracker, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: "dws-operator".into(),
            instance: Some(identity.to_owned()),
        };
        Events {
            recorder: Recorder::new(kubernetes.client(), reporter),
            kubernetes,
            metrics,
            tasks,
            places: Arc::new(Semaphore::new(MOST)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Publishes an event about an object, without making its pass wait.
    pub fn publish(&self, about: ObjectReference, warning: bool, reason: &str, note: &str) {
        debug_assert!(is_known(reason), "{reason} is not on the list");
        match reason {
            "Recovered" => self.metrics.recovered(),
            "DuplicateRemoved" => self.metrics.duplicate_removed(),
            "Orphaned" | "DefinitionRemoved" => self.metrics.orphaned(),
            "ForceDeleted" => self.metrics.force_deleted(),
            _ => {}
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.lost(&about, reason, "too many events are under way");
        };
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(short(note)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let events = self.clone();
        self.tasks.spawn(async move {
            // The semaphore is never closed, so that there always is a permit in the end.
            let _turn = events.turns.acquire().await;
            let published = events.kubernetes.call(events.recorder.publish(&event, &about)).await;
            let published = match published {
                Err(error) if error.is_end_of_namespace() && STAYS.contains(&event.reason.as_str()) => {
                    let (event, namespace) = outside(&event, &about);
                    events
                        .kubernetes
                        .call(events.recorder.publish(&event, &namespace))
                        .await
                }
                published => published,
            };
            if let Err(error) = published {
                events.lost(&about, &event.reason, &error.to_string());
            }
            drop(place);
        });
    }

    fn lost(&self, about: &ObjectReference, reason: &str, error: &str) {
        self.metrics.event_lost();
        tracing::warn!(
            namespace = about.namespace,
            object = about.name,
            uid = about.uid,
            reason,
            error,
            "an event could not be published"
        );
    }
}

/// The same, told of the namespace that ends: an event about an object of the whole cluster, such as a namespace, is kept in `default`.
fn outside(event: &Event, about: &ObjectReference) -> (Event, ObjectReference) {
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    let note = format!("{} {}: {}", word(&about.kind), word(&about.name), word(&event.note));
    let event = Event {
        type_: match event.type_ {
            EventType::Normal => EventType::Normal,
            EventType::Warning => EventType::Warning,
        },
        reason: event.reason.clone(),
        note: Some(short(&note)),
        action: event.action.clone(),
        secondary: None,
    };
    let namespace = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Namespace".to_owned()),
        name: about.namespace.clone(),
        ..ObjectReference::default()
    };
    (event, namespace)
}

/// The note as the API server takes it.
fn short(note: &str) -> String {
    let mut line = text::one_line(note, NOTE_MAX);
    line.truncate(line.floor_char_boundary(NOTE_MAX));
    line
}

/// Whether the guide explains the reason.
fn is_known(reason: &str) -> bool {
    Reason::ALL.iter().any(|known| known.as_str() == reason) || BEYOND_CONDITIONS.contains(&reason)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use kube::{Client, Config};

    use super::*;

    #[test]
    fn every_reason_has_its_row_in_the_troubleshooting_guide() {
        let guide = include_str!("../../docs/troubleshooting.md");
        let (_, table) = guide.split_once("## Events beyond the reasons").expect("the table");
        for reason in BEYOND_CONDITIONS {
            let is_first = |line: &str| {
                line.split(" | ")
                    .next()
                    .is_some_and(|cell| cell.contains(&format!("`{reason}`")))
            };
            assert!(table.lines().any(is_first), "{reason} has no row");
        }
    }

    #[test]
    fn a_note_is_one_line_of_as_many_bytes_as_the_api_server_takes() {
        assert_eq!(short("a\u{1b}[31mb\n"), "ab");
        for letter in ["a", "é", "数"] {
            let note = short(&letter.repeat(2000));
            assert!((NOTE_MAX - 3..=NOTE_MAX).contains(&note.len()), "{}", note.len());
        }
    }

    /// An API server that takes connections and never answers costs no more than the room that there is, and only for a while.
    #[tokio::test(start_paused = true)]
    async fn a_silent_api_server_makes_events_lost_and_nothing_grow() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        let (metrics, tasks) = (Metrics::new(), TaskTracker::new());
        let kubernetes = Kubernetes::new(client, NonZeroU16::MIN);
        let events = Events::new(kubernetes, "a", tasks.clone(), metrics.clone());
        for _ in 0..MOST + 2 {
            events.publish(ObjectReference::default(), true, "Orphaned", "gone");
        }
        let has = |line: &str| metrics.encode().lines().any(|found| found == line);
        assert_eq!(tasks.len(), MOST);
        assert!(has("dws_events_lost_total 2") && has(&format!("dws_orphaned_total {}", MOST + 2)));
        tasks.close();
        tasks.wait().await;
        assert!(has(&format!("dws_events_lost_total {}", MOST + 2)));
    }
}
