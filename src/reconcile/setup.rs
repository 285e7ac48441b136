//! Puts the stages together for one process, from its settings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Access;
use super::ambient::Ambient;
use super::claims::Claims;
use super::context::{Context, Decide};
use super::definition::Definition;
use super::events::Events;
use super::installs::{self, Installs};
use super::kubernetes::Kubernetes;
use super::memories::Memories;
use super::namespaces::{self, Namespaces};
use super::password_key::PasswordKey;
use super::plan::{DeletionPolicy, OperatorPolicy};
use super::provider_status;
use super::providers::Providers;
use super::secrets;
use super::snapshots::Snapshots;
use super::wakes::{ProviderWakes, Scope, Wakes};
use super::watch;
use crate::api::{ClusterDwsProvider, DwsProvider};
use crate::cloud::{Bounds, BreakerTimings, CallRecord, EndpointPolicy, Fence, Limits, Observer, Timeouts};
use crate::runtime::arrivals::Arrivals;
use crate::runtime::clock::Clock;
use crate::runtime::health::Health;
use crate::runtime::lanes::Lanes;
use crate::runtime::leader::Leadership;
use crate::runtime::metrics::Metrics;
use crate::runtime::settings::{ClusterArgs, OnDeletion, RunArgs};
use crate::runtime::timings::Timings;
use crate::runtime::urgency::Urgencies;

/// How many rejections of a key are risked within the breaker's window; by Huawei's guide to API signing the
/// cloud locks a key for five minutes after more than five.
const MAX_REJECTIONS: usize = 3;

/// How often the process shows that it still moves; it counts as stuck after twelve times as long.
const PULSE: Duration = Duration::from_secs(5);

/// What a process has before it can reconcile.
pub struct Process {
    /// The Kubernetes API.
    pub client: Client,
    /// Both clocks.
    pub clock: Clock,
    /// This replica's name.
    pub identity: String,
    /// The operator's namespace.
    pub namespace: String,
    /// Whether it may write.
    pub leadership: Leadership,
    /// What decides: [`decide::decide`](super::decide::decide), unless the stages around it are to be proven with one that fails.
    pub decide: Decide,
    /// Metrics.
    pub metrics: Metrics,
    /// Readiness.
    pub health: Health,
    /// Cancelled when it shall end.
    pub shutdown: CancellationToken,
}

/// Lets a write start only while the lease covers it and the margin.
struct LeaseFence {
    leadership: Leadership,
    margin: Duration,
}

impl Fence for LeaseFence {
    fn covers_write(&self, timeout: Duration) -> bool {
        self.leadership.allows(timeout + self.margin)
    }
}

/// Counts the calls to the cloud.
struct Counted(Metrics);

impl Observer for Counted {
    fn called(&self, record: &CallRecord<'_>) {
        self.0
            .cloud_request(record.operation.name(), record.status, record.code, record.duration);
    }
}

/// The rules for endpoints, from the flags.
#[must_use]
pub fn endpoint_policy(args: &ClusterArgs) -> EndpointPolicy {
    EndpointPolicy {
        allowed_domains: args.allow_endpoint_domain.clone(),
        allow_insecure: args.allow_insecure_endpoints,
    }
}

/// What a way to the cloud needs besides the flags.
pub struct Surroundings {
    /// The Kubernetes API.
    pub kubernetes: Kubernetes,
    /// The operator's namespace.
    pub namespace: String,
    /// Whether a write may start.
    pub fence: Arc<dyn Fence>,
    /// Told of each call.
    pub observer: Arc<dyn Observer>,
    /// How many rejections of a key are risked within the breaker's window.
    pub max_rejections: usize,
}

/// Makes sessions by the flags.
#[must_use]
pub fn access(args: &ClusterArgs, timings: &Timings, around: Surroundings) -> Access {
    let breaker = BreakerTimings {
        window: timings.breaker_window,
        max_rejections: around.max_rejections,
    };
    Access {
        kubernetes: around.kubernetes,
        namespace: around.namespace,
        policy: endpoint_policy(args),
        ambient: Ambient::of(args),
        use_proxy_env: args.use_proxy_env,
        timeouts: Timeouts {
            connect: timings.connect,
            write: timings.write_deadline,
            read: timings.read_deadline,
        },
        limits: Arc::new(Limits::new(Bounds::default(), breaker)),
        fence: around.fence,
        observer: around.observer,
    }
}

/// What is watched, by the flags: all namespaces, or each of those that are named.
#[must_use]
pub fn scopes(args: &ClusterArgs) -> Vec<Scope> {
    if args.watch_namespace.is_empty() {
        return vec![Scope::All];
    }
    let named: BTreeSet<_> = args.watch_namespace.iter().cloned().collect();
    named.into_iter().map(Scope::Namespace).collect()
}

/// The namespaces whose Secrets are watched, with `--watch-secrets`; none stands for all of them. Those of providers of the cluster are in the
/// operator's namespace, which is among all.
fn watched_secrets(args: &ClusterArgs) -> Vec<Option<String>> {
    if !args.secrets.watch_secrets {
        return Vec::new();
    }
    let namespace = |scope| match scope {
        Scope::All => None,
        Scope::Namespace(namespace) => Some(namespace),
    };
    scopes(args).into_iter().map(namespace).collect()
}

/// What a way to the cloud of this process needs besides the flags.
fn surroundings(args: &RunArgs, process: &Process, kubernetes: &Kubernetes) -> Surroundings {
    Surroundings {
        kubernetes: kubernetes.clone(),
        namespace: process.namespace.clone(),
        fence: Arc::new(LeaseFence {
            leadership: process.leadership.clone(),
            margin: args.timings.lease_margin,
        }),
        observer: Arc::new(Counted(process.metrics.clone())),
        max_rejections: MAX_REJECTIONS,
    }
}

/// What the flags say of pause and deletion.
fn operator_policy(args: &RunArgs) -> OperatorPolicy {
    OperatorPolicy {
        paused: args.paused,
        deletion_policy: match args.deletion_policy {
            OnDeletion::Delete => DeletionPolicy::Delete,
            OnDeletion::Retain => DeletionPolicy::Retain,
        },
    }
}

/// Reconciles until the shutdown, and then until the passes that run have ended and their events are published.
pub async fn run(args: &RunArgs, process: Process) {
    let kubernetes = Kubernetes::new(process.client.clone(), args.concurrency);
    // Providers of the cluster need rights in the whole cluster, which an install for single namespaces does not have.
    let cluster_kind = args.cluster.watch_namespace.is_empty();
    let (wakes, woken) = Wakes::new(scopes(&args.cluster));
    let (provider_wakes, mut providers_woken) = ProviderWakes::new(scopes(&args.cluster));
    let (lanes, turns) = Lanes::new();
    let (claims, stirred) = Claims::new();
    let access = access(&args.cluster, &args.timings, surroundings(args, &process, &kubernetes));
    process.health.ready("watch of data sources", false);
    for controller in [super::pass::CONTROLLER, provider_status::CONTROLLER] {
        process.metrics.add_controller(controller);
    }
    process.metrics.set_kubernetes_calls_limit(args.concurrency.get());
    let tasks = TaskTracker::new();
    let ctx = Arc::new(Context {
        clock: process.clock,
        timings: args.timings,
        resync_period: args.resync_period,
        providers: Arc::new(Providers::new(
            access,
            process.clock,
            args.timings,
            cluster_kind,
            args.cluster.secrets.guard_secrets,
        )),
        snapshots: Snapshots::new(process.clock, process.metrics.clone()),
        lanes,
        arrivals: Arrivals::default(),
        claims,
        memories: Memories::default(),
        urgencies: Urgencies::default(),
        events: Events::new(
            kubernetes.clone(),
            &process.identity,
            tasks.clone(),
            process.metrics.clone(),
        ),
        tasks,
        identity: process.identity,
        leadership: process.leadership,
        decide: process.decide,
        wakes,
        provider_wakes,
        metrics: process.metrics,
        health: process.health,
        shutdown: process.shutdown,
        install: installs::name(&process.namespace),
        operator: operator_policy(args),
        namespaces: Namespaces::new(kubernetes.clone(), process.clock),
        definition: Definition::new(kubernetes.clone(), process.clock, cluster_kind),
        installs: Installs::default(),
        password_key: PasswordKey::new(kubernetes.clone(), process.namespace),
        kubernetes,
    });
    let lane_turns = tokio::spawn({
        let ctx = Arc::clone(&ctx);
        async move { ctx.wakes.wake_all(turns).await }
    });
    let provider_turns = tokio::spawn({
        let ctx = Arc::clone(&ctx);
        async move { ctx.provider_wakes.wake_all(stirred).await }
    });
    let pulse = tokio::spawn(pulse(Arc::clone(&ctx)));
    let mut streams: Vec<futures::future::BoxFuture<'static, ()>> = Vec::new();
    for (scope, woken) in woken {
        streams.push(Box::pin(provider_status::providers::<DwsProvider>(
            Arc::clone(&ctx),
            watch::api_of(&ctx, &scope),
            providers_woken
                .namespaced
                .remove(&scope)
                .unwrap_or_else(|| futures::stream::empty().boxed()),
        )));
        streams.push(Box::pin(namespaces::notice(Arc::clone(&ctx), scope.clone())));
        streams.push(Box::pin(watch::data_sources(Arc::clone(&ctx), scope, woken)));
    }
    if cluster_kind {
        let all = kube::Api::all(ctx.kubernetes.client());
        streams.push(Box::pin(provider_status::providers::<ClusterDwsProvider>(
            Arc::clone(&ctx),
            all,
            providers_woken.cluster,
        )));
    }
    for namespace in watched_secrets(&args.cluster) {
        streams.push(Box::pin(secrets::watched(Arc::clone(&ctx), namespace)));
    }
    futures::stream::iter(streams)
        .for_each_concurrent(None, |stream| stream)
        .await;
    ctx.tasks.close();
    ctx.tasks.wait().await;
    lane_turns.abort();
    provider_turns.abort();
    pulse.abort();
}

/// Shows that the process still moves, and what it holds.
async fn pulse(ctx: Arc<Context>) {
    let mut beats = tokio::time::interval(PULSE);
    loop {
        beats.tick().await;
        ctx.health.beat("work", PULSE * 12);
        ctx.metrics
            .set_queue_depth("lanes", super::pass::CONTROLLER, ctx.lanes.all_waiting());
        ctx.metrics.set_breakers_open(ctx.providers.refused());
        ctx.metrics.set_credential_expiry(ctx.providers.first_expiry());
    }
}
