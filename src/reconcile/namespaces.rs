//! What Namespaces say of the objects in them: a pause, and what becomes of data sources.
//!
//! Each pass reads its Namespace anew, metadata only: no decision is made from a cache that may lag behind. The watch, or the look from time to
//! time where a watch is not allowed, only wakes the objects of a Namespace that says something new.
//!
//! RBAC: `get`, `list` and `watch` on Namespaces in the whole cluster; with single namespaces `get` by a Role in each of them, as a watch of
//! one Namespace is authorised in the whole cluster only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};

use super::context::Context;
use super::kubernetes::Kubernetes;
use super::plan::{DeletionPolicy, NamespaceView, PolicyWord};
use super::reading::Reading;
use super::wakes::Scope;
use crate::api::names::{self, DELETION_POLICY_ANNOTATION};
use crate::api::text;
use crate::runtime::clock::Clock;

/// The most characters that are repeated of an annotation that is no deletion policy.
const WORD_SHOWN: u32 = 32;

/// What Namespaces say.
pub struct Namespaces {
    kubernetes: Kubernetes,
    clock: Clock,
    known: Mutex<HashMap<String, Arc<Reading<NamespaceView>>>>,
}

impl Namespaces {
    /// With nothing read yet.
    #[must_use]
    pub fn new(kubernetes: Kubernetes, clock: Clock) -> Self {
        Namespaces {
            kubernetes,
            clock,
            known: Mutex::default(),
        }
    }

    /// What a Namespace says, read at uptime `since` or later.
    pub async fn view(&self, name: &str, since: Duration) -> NamespaceView {
        let reading = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.contains_key(name) {
                // One that nobody is reading is read again by whoever needs it.
                known.retain(|_, reading| Arc::strong_count(reading) > 1);
            }
            Arc::clone(known.entry(name.to_owned()).or_default())
        };
        reading.since(self.clock, since, self.read(name)).await
    }

    async fn read(&self, name: &str) -> NamespaceView {
        let namespaces = self.kubernetes.all::<Namespace>();
        match self.kubernetes.call(namespaces.get_metadata_opt(name)).await {
            Ok(Some(found)) => said(name, &found.metadata),
            Ok(None) => NamespaceView::Unreadable(format!("Namespace {name} does not exist")),
            Err(error) if error.code() == Some(403) => NamespaceView::Forbidden(error.to_string()),
            Err(error) => NamespaceView::Unreadable(error.to_string()),
        }
    }
}

/// What the annotations say.
fn said(name: &str, metadata: &ObjectMeta) -> NamespaceView {
    let annotations = metadata.annotations.as_ref();
    let policy = annotations.and_then(|annotations| annotations.get(DELETION_POLICY_ANNOTATION));
    NamespaceView::Read {
        name: name.to_owned(),
        paused: names::is_paused(annotations),
        deletion_policy: policy.map(|word| match word.as_str() {
            "Delete" => PolicyWord::Known(DeletionPolicy::Delete),
            "Retain" => PolicyWord::Known(DeletionPolicy::Retain),
            other => PolicyWord::Unknown(text::one_line(other, WORD_SHOWN)),
        }),
    }
}

/// Wakes the objects of the Namespaces of a scope whenever one says something new, until the shutdown.
pub async fn notice(ctx: Arc<Context>, scope: Scope) {
    let noticing = async {
        match &scope {
            Scope::All => watch(&ctx).await,
            Scope::Namespace(name) => look(&ctx, name).await,
        }
    };
    tokio::select! {
        () = noticing => {}
        () = ctx.shutdown.cancelled() => {}
    }
}

async fn watch(ctx: &Context) {
    let mut heard = Heard::default();
    let api = ctx.kubernetes.all::<PartialObjectMeta<Namespace>>();
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(found) | Event::InitApply(found)) => {
                if let Some(name) = &found.metadata.name
                    && heard.is_news(name, said(name, &found.metadata))
                {
                    ctx.wake_namespace(name);
                }
            }
            Ok(Event::Delete(found)) => heard.forget(found.metadata.name.as_deref().unwrap_or_default()),
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => tracing::warn!(%error, kind = "Namespace", "the watch failed; trying again"),
        }
    }
}

async fn look(ctx: &Context, name: &str) {
    let mut heard = Heard::default();
    let mut looks = tokio::time::interval(ctx.timings.secret_recheck);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let said = ctx.namespaces.view(name, ctx.clock.uptime()).await;
        if matches!(said, NamespaceView::Read { .. }) && heard.is_news(name, said) {
            ctx.wake_namespace(name);
        }
    }
}

/// What was heard of each Namespace that says something.
#[derive(Default)]
struct Heard(HashMap<String, NamespaceView>);

impl Heard {
    /// Whether it says something other than before; of one that was not heard of before, whether it says anything.
    fn is_news(&mut self, name: &str, now: NamespaceView) -> bool {
        let silent = said(name, &ObjectMeta::default());
        let before = self.0.remove(name).unwrap_or_else(|| silent.clone());
        let is_news = before != now;
        if now != silent {
            self.0.insert(name.to_owned(), now);
        }
        is_news
    }

    fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::names::PAUSED_ANNOTATION;

    fn annotated(annotations: &[(&str, &str)]) -> NamespaceView {
        let annotations: BTreeMap<_, _> = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        said(
            "team",
            &ObjectMeta {
                annotations: Some(annotations),
                ..ObjectMeta::default()
            },
        )
    }

    #[test]
    fn a_namespace_says_what_its_annotations_say() {
        let policy = |value: &str| match annotated(&[(DELETION_POLICY_ANNOTATION, value)]) {
            NamespaceView::Read {
                deletion_policy,
                paused: false,
                ..
            } => deletion_policy,
            other => panic!("{other:?}"),
        };
        assert_eq!(policy("Delete"), Some(PolicyWord::Known(DeletionPolicy::Delete)));
        assert_eq!(policy("Retain"), Some(PolicyWord::Known(DeletionPolicy::Retain)));
        for word in ["retain", "", "Keep", " Retain"] {
            assert_eq!(
                policy(word),
                Some(PolicyWord::Unknown(text::one_line(word, WORD_SHOWN)))
            );
        }
        assert!(matches!(policy(&"x\n".repeat(99)), Some(PolicyWord::Unknown(word)) if word.chars().count() <= 32));
        let silent = NamespaceView::Read {
            name: "team".to_owned(),
            paused: false,
            deletion_policy: None,
        };
        assert_eq!(annotated(&[("team", "sales")]), silent);
    }

    #[test]
    fn only_what_it_says_is_news() {
        let mut heard = Heard::default();
        let (silent, paused) = (annotated(&[]), annotated(&[(PAUSED_ANNOTATION, "true")]));
        let news: Vec<bool> = [&silent, &paused, &paused, &silent, &silent]
            .map(|view| heard.is_news("team", view.clone()))
            .to_vec();
        assert_eq!(news, [false, true, false, true, false]);
        assert!(heard.0.is_empty(), "only those that say something are kept");
    }
}
