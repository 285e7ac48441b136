//! The providers' own status: whether they can be used, where they lead, and how many data sources use them.
//!
//! A pass reads the provider's Secrets, holds the provider while it is used and lets it go when it is not, writes the status if it differs, with an event on a transition, and wakes the provider's data sources when it stands otherwise than
//! before. That a provider cannot be read is told like trouble with the cloud: after some failures in a row. It calls the cloud only to look a project up.

use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::StreamExt;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::context::{Context, Member};
use super::kubernetes::{Kubernetes, KubernetesError};
use super::protection::Unprotected;
use super::provider_breaker::{self, Circumstances};
use super::providers::{ProviderId, Refreshed};
use super::report;
use super::standing::Standing;
use super::undecodable::Undecodable;
use super::wakes::WokenProviders;
use super::watch::{Noted, decoded, until_shutdown};
use crate::api::breaker::{Breaker, BreakerState};
use crate::api::conditions::{self, Verdict};
use crate::api::data_source::{ProviderKind, ProviderRef};
use crate::api::provider::ProviderStatus;
use crate::api::{ClusterDwsProvider, Condition, ConditionStatus, ConditionType, DwsProvider, Reason};
use crate::runtime::metrics::ReconcileResult;
use crate::runtime::{backoff, panic_guard};

/// The name of this controller in metrics.
pub const CONTROLLER: &str = "dwsprovider";
/// How often a status is written that somebody else's write gets in the way of.
const TRIES: usize = 3;
/// How many users of a provider are named that waits for them.
const NAMED_MAX: usize = 3;

/// What both kinds of provider have in common.
pub trait ProviderObject:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The kind.
    const KIND: ProviderKind;
    /// The name of the watch in `/readyz`.
    const WATCH: &'static str;

    /// The status.
    fn status(&self) -> Option<&ProviderStatus>;

    /// The objects of its kind and namespace.
    fn siblings(&self, kubernetes: &Kubernetes) -> Api<Self>;
}

impl ProviderObject for DwsProvider {
    const KIND: ProviderKind = ProviderKind::DwsProvider;
    const WATCH: &'static str = "watch of providers";

    fn status(&self) -> Option<&ProviderStatus> {
        self.status.as_ref()
    }

    fn siblings(&self, kubernetes: &Kubernetes) -> Api<Self> {
        kubernetes.within(&self.namespace().unwrap_or_default())
    }
}

impl ProviderObject for ClusterDwsProvider {
    const KIND: ProviderKind = ProviderKind::ClusterDwsProvider;
    const WATCH: &'static str = "watch of cluster providers";

    fn status(&self) -> Option<&ProviderStatus> {
        self.status.as_ref()
    }

    fn siblings(&self, kubernetes: &Kubernetes) -> Api<Self> {
        kubernetes.all()
    }
}

/// Runs the providers of one kind until the context's shutdown.
pub async fn providers<K: ProviderObject>(
    ctx: Arc<Context>,
    watched: Api<DeserializeGuard<K>>,
    woken: WokenProviders<K>,
) {
    ctx.health.ready(K::WATCH, false);
    let (reader, writer) = reflector::store();
    let noted = Arc::clone(&ctx);
    let mut undecodable = Undecodable::new(Arc::clone(&ctx), K::KIND.as_str());
    let stream = decoded(
        watcher(watched, watcher::Config::default()).default_backoff(),
        move |event: Noted<'_, K>| {
            undecodable.note(&event);
            match event {
                Noted::Event(Event::InitDone) => noted.health.ready(K::WATCH, true),
                // The data sources of a provider that is gone, or cannot be read any more, have to say so.
                Noted::Event(Event::Delete(object)) => wake_users(&noted, &id_of::<K>(object.meta())),
                Noted::Undecodable(invalid) | Noted::UndecodableGone(invalid) => {
                    wake_users(&noted, &id_of::<K>(&invalid.metadata));
                }
                Noted::Event(Event::Apply(_) | Event::InitApply(_) | Event::Init) => {}
            }
        },
    )
    .reflect(writer)
    .applied_objects()
    .predicate_filter(|object: &K| Some(relevant(object.meta())), PredicateConfig::default());
    let passes = Controller::for_stream(stream, reader.clone())
        .with_config(Config::default())
        .reconcile_on(woken)
        .graceful_shutdown_on(ctx.shutdown.clone().cancelled_owned())
        .run(
            reconcile::<K>,
            |_, error: &Infallible, _| match *error {},
            Arc::clone(&ctx),
        )
        .for_each(|_| async {});
    until_shutdown(&ctx.shutdown, &reader, passes).await;
}

/// What a change of a provider is about: the spec, its end and its finalizers; never the status.
fn relevant(metadata: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    metadata.generation.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    metadata.finalizers.hash(&mut hasher);
    hasher.finish()
}

fn id_of<K: ProviderObject>(metadata: &ObjectMeta) -> ProviderId {
    ProviderId {
        kind: K::KIND,
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

async fn reconcile<K: ProviderObject>(object: Arc<K>, ctx: Arc<Context>) -> Result<Action, Infallible> {
    let id = id_of::<K>(object.meta());
    let running = ctx.metrics.begin_pass(CONTROLLER);
    let (action, result) = match panic_guard::guard(pass(&ctx, object.as_ref(), &id)).await {
        Ok(ended) => ended,
        Err(panic) => {
            tracing::error!(provider = %id, namespace = id.namespace, %panic, "a pass over a provider panicked");
            ctx.metrics.reconcile_panicked(CONTROLLER);
            (Action::requeue(ctx.timings.stalled_recheck), ReconcileResult::Error)
        }
    };
    running.end(result);
    Ok(action)
}

async fn pass<K: ProviderObject>(ctx: &Context, object: &K, id: &ProviderId) -> (Action, ReconcileResult) {
    let refreshed = ctx.providers.refresh(id, &ctx.claims).await;
    let Refreshed { standing, unread, .. } = &refreshed;
    if refreshed.news {
        wake_users(ctx, id);
    }
    let t = &ctx.timings;
    if *unread > 0 && *unread < t.ready_failures && stands_ready(object) {
        // As with data sources, short trouble leaves a standing Ready alone.
        let jitter = backoff::jitter(&object.uid().unwrap_or_default(), u64::from(*unread));
        let wait = backoff::delay(unread - 1, t.backoff_min, t.backoff_max, jitter);
        return (Action::requeue(wait), ReconcileResult::RequeueAfter);
    }
    if matches!(standing, Standing::Absent) || matches!(refreshed.unprotected, Some(Unprotected::Gone)) {
        return (Action::await_change(), ReconcileResult::Success);
    }
    if let Some(error) = &refreshed.unprotected {
        tracing::warn!(provider = %id, namespace = id.namespace, %error, "the provider cannot be held or let go");
    }
    let mut wait = t.secret_recheck;
    if refreshed.users.is_none() {
        // The first list of the data sources is still to come.
        wait = wait.min(t.backoff_min);
    }
    let result = match write(ctx, object, id, &refreshed).await {
        Ok(()) if refreshed.unprotected.is_none() => ReconcileResult::RequeueAfter,
        Ok(()) => ReconcileResult::Error,
        // It went when it was let go.
        Err(error) if error.code() == Some(404) => return (Action::await_change(), ReconcileResult::Success),
        Err(error) => {
            tracing::warn!(provider = %id, %error, "the provider's status could not be written");
            ReconcileResult::Error
        }
    };
    (Action::requeue(wait), result)
}

/// Whether its status says that it can be used, about the spec as it is.
fn stands_ready<K: ProviderObject>(object: &K) -> bool {
    object.status().and_then(ready).is_some_and(|ready| {
        ready.status == ConditionStatus::True && Some(ready.observed_generation) == object.meta().generation
    })
}

fn wake_users(ctx: &Context, id: &ProviderId) {
    for user in ctx.claims.users(|member, reference| id.serves(member, reference)) {
        ctx.wakes.wake(&user);
    }
}

/// Writes the status by a JSON patch that holds only for this very object as it was read, if it differs from the one that is stored.
async fn write<K: ProviderObject>(
    ctx: &Context,
    object: &K,
    id: &ProviderId,
    refreshed: &Refreshed,
) -> Result<(), KubernetesError> {
    for _ in 1..TRIES {
        match write_once(ctx, object, id, refreshed).await {
            // A data source may have put the finalizer on it meanwhile.
            Err(error) if matches!(error.code(), Some(409 | 422)) => {}
            done => return done,
        }
    }
    write_once(ctx, object, id, refreshed).await
}

async fn write_once<K: ProviderObject>(
    ctx: &Context,
    object: &K,
    id: &ProviderId,
    refreshed: &Refreshed,
) -> Result<(), KubernetesError> {
    let standing = &refreshed.standing;
    let api = object.siblings(&ctx.kubernetes);
    let Some(current) = ctx.kubernetes.call(api.get_opt(&object.name_any())).await? else {
        return Ok(());
    };
    if current.meta().generation != object.meta().generation {
        // A newer spec has a pass of its own.
        return Ok(());
    }
    let before = current.status().cloned().unwrap_or_default();
    let generation = current.meta().generation.unwrap_or_default();
    let is_leaving = current.meta().deletion_timestamp.is_some();
    let breaker = breaker(ctx, id, refreshed, &before, generation);
    let verdict = leaving(refreshed, is_leaving).unwrap_or_else(|| verdict(refreshed, breaker.as_ref(), &before));
    let (endpoint, project_id) = match standing {
        Standing::Connected(connected) => (Some(connected.endpoint.clone()), Some(connected.project_id.clone())),
        Standing::Absent | Standing::Broken { .. } | Standing::Unreached { .. } => {
            (before.endpoint.clone(), before.project_id.clone())
        }
    };
    let credential_expiry = match standing {
        Standing::Connected(connected) => connected.credential_expiry(),
        Standing::Absent | Standing::Broken { .. } | Standing::Unreached { .. } => None,
    };
    let after = ProviderStatus {
        observed_generation: conditions::observed_generation(before.observed_generation, &verdict, generation),
        endpoint,
        project_id,
        credential_expiry,
        breaker,
        conditions: conditions::conditions(&before.conditions, &verdict, generation, ctx.clock.now()),
        users: refreshed
            .users
            .as_ref()
            .map_or(before.users, |users| i64::try_from(users.len()).ok()),
    };
    if before == after {
        return Ok(());
    }
    let patch = report::status_patch(current.meta(), json!(after));
    ctx.kubernetes
        .call(api.patch_status(
            &object.name_any(),
            &PatchParams::default(),
            &Patch::Json::<Value>(patch),
        ))
        .await?;
    tell(ctx, &current, &before, &after);
    Ok(())
}

/// Publishes an event if the verdict that was just written has another reason than the one before. Rejected credentials are told here alone: their data
/// sources only carry the condition. An event about a provider of the cluster is kept in `default`, as of all objects without a namespace.
fn tell<K: ProviderObject>(ctx: &Context, object: &K, before: &ProviderStatus, after: &ProviderStatus) {
    let was = ready(before).map(|was| was.reason);
    if let Some(is) = ready(after).filter(|is| was != Some(is.reason)) {
        let is_stalled = |condition: &Condition| condition.type_ == ConditionType::Stalled;
        let stalled = after.conditions.iter().any(is_stalled);
        ctx.events
            .publish(object.object_ref(&()), stalled, is.reason.as_str(), &is.message);
    }
}

/// The verdict on a provider that cannot go as it should: one that is to be deleted and still used, or whose Secrets cannot be set free.
fn leaving(refreshed: &Refreshed, is_leaving: bool) -> Option<Verdict> {
    let users = refreshed.users.as_deref().unwrap_or_default();
    if let (Some(Unprotected::Secret { .. }), true) = (&refreshed.unprotected, users.is_empty())
        && let Some(error) = &refreshed.unprotected
    {
        return Some(Verdict::new(
            Reason::AccessDenied,
            format!(
                "{error}. Grant the operator patch on Secrets (deploy/rbac/guard-secrets), or remove that finalizer by hand."
            ),
        ));
    }
    if !is_leaving {
        return None;
    }
    let mut names: Vec<_> = users
        .iter()
        .map(|user| format!("{}/{}", user.namespace, user.name))
        .collect();
    names.sort();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let message = if names.is_empty() {
        "The provider is being deleted; other finalizers than the operator's hold it.".to_owned()
    } else {
        format!(
            "The provider is being deleted and stays until the data sources that use it are gone: {}{more}.",
            names.join(", ")
        )
    };
    Some(Verdict::new(Reason::Deleting, message))
}

/// What to tell of the breaker.
fn breaker(
    ctx: &Context,
    id: &ProviderId,
    refreshed: &Refreshed,
    before: &ProviderStatus,
    generation: i64,
) -> Option<Breaker> {
    let is_about_the_spec = ready(before).is_some_and(|ready| ready.observed_generation == generation);
    let uses = |member: &Member, reference: Option<&ProviderRef>| id.serves(member, reference);
    let is_used = refreshed.users.is_none() || !ctx.claims.users(uses).is_empty();
    let circumstances = Circumstances {
        before: before.breaker.as_ref(),
        is_refused: matches!(refreshed.standing.trouble(), Some((Reason::CredentialsRejected, _))),
        is_awaited: is_about_the_spec && is_used,
        // A key over all its Secrets may have to wait for the window itself.
        patience: ctx.timings.breaker_window * 2,
        now: ctx.clock.now(),
    };
    provider_breaker::judge(refreshed.credentials, &circumstances)
}

/// The condition that carries the verdict.
fn ready(status: &ProviderStatus) -> Option<&Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|condition| condition.type_ == ConditionType::Ready)
}

fn verdict(refreshed: &Refreshed, breaker: Option<&Breaker>, before: &ProviderStatus) -> Verdict {
    let standing = &refreshed.standing;
    match standing.trouble() {
        Some((Reason::CredentialsRejected, why)) => refused(why),
        Some((reason, message)) => Verdict::new(reason, message.to_owned()),
        None => match standing {
            Standing::Connected(_) if breaker.is_some_and(|breaker| breaker.state == BreakerState::Open) => {
                // What was told when it opened stays, word by word.
                let told = ready(before).filter(|ready| ready.reason == Reason::CredentialsRejected);
                told.map_or_else(|| refused(""), |told| Verdict::new(told.reason, told.message.clone()))
            }
            Standing::Absent => Verdict::new(Reason::WaitingForProvider, "The provider does not exist."),
            _ => Verdict::new(
                Reason::Available,
                match &refreshed.unprotected {
                    Some(error @ Unprotected::Secret { .. }) => {
                        format!("The provider can be used, but its Secrets are not guarded: {error}.")
                    }
                    _ => "The provider can be used.".to_owned(),
                },
            ),
        },
    }
}

fn refused(why: &str) -> Verdict {
    let text = format!(
        "The cloud refuses the credentials; correct the Secret, or whatever they come from. It is looked at again regularly. {why}"
    );
    Verdict::new(Reason::CredentialsRejected, text.trim_end())
}
