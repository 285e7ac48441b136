//! Watches a story's objects from before they exist, and holds every status that was ever written against the rules.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::background;
use crate::proxy::{self, Call, Proxy};
use crate::{History, Version};

/// The operator's kinds, and whether they live in a namespace.
const KINDS: [(&str, bool); 3] = [
    ("DwsDataSource", true),
    ("DwsProvider", true),
    ("ClusterDwsProvider", false),
];
/// Their group.
const GROUP: &str = "dws.huaweicloud.com";
/// Their version.
const VERSION: &str = "v1alpha1";
/// How long the first list may take.
const LISTED: Duration = Duration::from_secs(30);

/// The calls so far of a proxy that may be gone.
type Calls = Box<dyn Fn() -> Vec<Call> + Send + Sync>;

/// Keeps every version of a story's objects: those that a watch shows, and, so that none of the operator's is missed, those in
/// the apiserver's answers to its patches.
pub struct StatusRecorder {
    watched: Arc<Mutex<History>>,
    calls: Mutex<Vec<Calls>>,
    watches: Vec<AbortHandle>,
}

impl StatusRecorder {
    /// Starts to watch the operator's kinds in `namespace`, or in all namespaces together with the cluster-wide kind.
    pub(crate) async fn start(admin: Config, namespace: Option<String>) -> Result<Self> {
        let watched = Arc::default();
        let mut tasks = Vec::new();
        for (kind, is_namespaced) in KINDS {
            if namespace.is_some() && !is_namespaced {
                continue;
            }
            let (listed, is_listed) = oneshot::channel();
            let (admin, namespace, watched) = (admin.clone(), namespace.clone(), Arc::clone(&watched));
            let watch = background::runtime().spawn(async move {
                let client = Client::try_from(admin)?;
                let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind));
                let api = match &namespace {
                    Some(namespace) => Api::namespaced_with(client, namespace, &resource),
                    None => Api::all_with(client, &resource),
                };
                record(api, &watched, listed).await;
                anyhow::Ok(())
            });
            tasks.push(watch.abort_handle());
            match tokio::time::timeout(LISTED, is_listed).await {
                Ok(Ok(())) => {}
                _ => bail!("{kind} cannot be listed: is the CRD in crds/ installed?"),
            }
        }
        Ok(Self {
            watched,
            calls: Mutex::default(),
            watches: tasks,
        })
    }

    /// Also records what the operator writes through `proxy`.
    pub(crate) fn follow(&self, proxy: &Proxy) {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(proxy.journal()));
    }

    /// Every version so far.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for calls in self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for call in calls() {
                history.add_list(&call);
                if let Some(object) = written(&call) {
                    history.add(object, Some(call.started));
                }
            }
        }
        history
    }

    /// The versions of one object so far, oldest first.
    #[must_use]
    pub fn versions(&self, kind: &str, name: &str) -> Vec<Version> {
        self.history().of(kind, name).into_iter().cloned().collect()
    }

    /// Holds every version so far against the rules.
    ///
    /// # Panics
    /// If one breaks a rule; the message lists them all.
    pub fn check(&self) {
        let violations = self.history().violations();
        assert!(
            violations.is_empty(),
            "the operator wrote statuses that break the rules:\n{}",
            violations.join("\n")
        );
    }
}

impl Drop for StatusRecorder {
    fn drop(&mut self) {
        self.watches.iter().for_each(AbortHandle::abort);
    }
}

/// The object that a call has written: an accepted patch of one of the operator's kinds. An answer without the status tells nothing of it.
fn written(call: &Call) -> Option<Value> {
    let is_written = call.is(proxy::Api::Kube, "PATCH", GROUP) && call.status == Some(200);
    let object = is_written.then(|| call.response_json()).flatten()?;
    (object["kind"] != "PartialObjectMetadata").then_some(object)
}

async fn record(api: Api<DynamicObject>, watched: &Mutex<History>, listed: oneshot::Sender<()>) {
    let mut listed = Some(listed);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::InitApply(object) | Event::Apply(object) | Event::Delete(object)) => {
                if let Ok(object) = serde_json::to_value(object).context("a watched object") {
                    watched.lock().unwrap_or_else(PoisonError::into_inner).add(object, None);
                }
            }
            Ok(Event::InitDone) => {
                if let Some(listed) = listed.take() {
                    // The recorder may have given up waiting.
                    let _ = listed.send(());
                }
            }
            Ok(Event::Init) => {}
            // The watch is taken up again where it broke off.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
