//! Which Secrets matter, and with `--watch-secrets` what happens to them.
//!
//! The watch sees metadata only: no Secret's content is ever asked for or kept here. A change wakes the data sources and the providers that name the
//! Secret; they read it by name, as they do without the watch, and find out whether the change is one for them. Without the right to watch,
//! the watch is tried again with growing waits, and nothing else depends on it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};

use super::context::Context;

/// Which Secret; never what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl SecretName {
    /// By namespace and name.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        SecretName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// Watches the Secrets of a namespace, or of all if none is given, until the context's shutdown.
pub async fn watched(ctx: Arc<Context>, namespace: Option<String>) {
    let client = ctx.kubernetes.client();
    let api: Api<PartialObjectMeta<Secret>> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let mut versions = Versions::default();
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let events = events.take_until(ctx.shutdown.clone().cancelled_owned());
    events
        .for_each(|event| {
            match event {
                Err(error) => tracing::warn!(%error, namespace, "the watch of Secrets failed; trying again"),
                Ok(event) => {
                    for secret in versions.changed(event, |secret| is_named(&ctx, secret)) {
                        wake(&ctx, &secret);
                    }
                }
            }
            std::future::ready(())
        })
        .await;
}

fn is_named(ctx: &Context, secret: &SecretName) -> bool {
    ctx.claims.has_password_in(secret) || !ctx.providers.named_by(secret).is_empty()
}

/// Wakes whoever names the Secret.
fn wake(ctx: &Context, secret: &SecretName) {
    tracing::debug!(
        namespace = secret.namespace,
        secret = secret.name,
        "a Secret has changed"
    );
    for member in ctx.claims.with_password_in(secret) {
        ctx.wakes.wake(&member);
    }
    for id in ctx.providers.named_by(secret) {
        ctx.provider_wakes.wake(&id);
    }
}

/// Which version of each Secret that somebody names was seen last: a list that is read again, as it is whenever a watch ends, is no news.
#[derive(Default)]
struct Versions {
    seen: HashMap<SecretName, String>,
    /// Those that the present list has not shown yet.
    missing: HashMap<SecretName, String>,
}

impl Versions {
    /// The Secrets that the event tells a change of.
    fn changed(
        &mut self,
        event: Event<PartialObjectMeta<Secret>>,
        is_named: impl Fn(&SecretName) -> bool,
    ) -> Vec<SecretName> {
        let named = |object: &PartialObjectMeta<Secret>| {
            SecretName::new(&object.namespace().unwrap_or_default(), &object.name_any())
        };
        match event {
            Event::Init => {
                self.missing = std::mem::take(&mut self.seen);
                Vec::new()
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let secret = named(&object);
                let before = self.missing.remove(&secret).or_else(|| self.seen.remove(&secret));
                if !is_named(&secret) {
                    return Vec::new();
                }
                let version = object.resource_version().unwrap_or_default();
                let is_news = before.as_ref() != Some(&version);
                self.seen.insert(secret.clone(), version);
                if is_news { vec![secret] } else { Vec::new() }
            }
            Event::InitDone => self.missing.drain().map(|(secret, _)| secret).collect(),
            Event::Delete(object) => {
                let secret = named(&object);
                self.seen.remove(&secret);
                if is_named(&secret) { vec![secret] } else { Vec::new() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::api::ObjectMeta;

    fn secret(name: &str, version: &str) -> PartialObjectMeta<Secret> {
        PartialObjectMeta {
            metadata: ObjectMeta {
                namespace: Some("team".to_owned()),
                name: Some(name.to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            ..PartialObjectMeta::default()
        }
    }

    #[test]
    fn a_change_is_told_once_and_only_of_what_somebody_names() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let mut versions = Versions::default();
        let mut told = |event| {
            let changed = versions.changed(event, |secret| secret.name != "other");
            changed.into_iter().map(|secret| secret.name).collect::<Vec<_>>()
        };
        assert!(told(Init).is_empty());
        assert_eq!(told(InitApply(secret("key", "1"))), ["key"], "nobody has seen it yet");
        assert!(told(InitApply(secret("other", "1"))).is_empty());
        assert!(told(InitDone).is_empty());
        assert_eq!(told(Apply(secret("key", "2"))), ["key"]);
        assert!(told(Apply(secret("other", "2"))).is_empty());
        assert_eq!(told(Apply(secret("mrs", "3"))), ["mrs"]);

        assert!(told(Init).is_empty(), "the watch begins anew");
        assert!(told(InitApply(secret("key", "2"))).is_empty(), "it is as it was");
        assert_eq!(told(InitDone), ["mrs"], "it went meanwhile");
        assert_eq!(told(Delete(secret("key", "4"))), ["key"]);
        assert!(told(Delete(secret("other", "4"))).is_empty());
    }
}
