//! Events for users: one on each transition. A failure to publish is logged and never fails a pass.
//!
//! RBAC: `create` and `patch` on `events.k8s.io/events`; the recorder patches a repeated event into a series.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::text;

/// The longest note that the API server takes is 1 kB.
const NOTE_MAX: u32 = 1000;

/// Publishes events.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// Events in the name of this replica.
    #[must_use]
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: "dws-operator".into(),
            instance: Some(identity.to_owned()),
        };
        Events(Recorder::new(client, reporter))
    }

    /// Publishes an event about an object, without making its pass wait.
    pub fn publish(&self, about: ObjectReference, warning: bool, reason: &str, note: &str) {
        let recorder = self.0.clone();
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(text::one_line(note, NOTE_MAX)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        tokio::spawn(async move {
            if let Err(error) = recorder.publish(&event, &about).await {
                tracing::warn!(%error, reason = event.reason, "an event could not be published");
            }
        });
    }
}
