//! What a pass over one object knows, folded into one observation.
//!
//! Reads only what every decision needs: the object itself (from the API server, never from a cache), its provider, and who else holds its
//! name. The rest is read by [`look`](super::look) when a decision asks for it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use secrecy::SecretString;

use super::claims;
use super::context::{Context, LaneKey, Member};
use super::echo::KnownPassword;
use super::grants::Grants;
use super::kubernetes::KubernetesError;
use super::plan::{
    Annotations, Around, DefinitionView, Memory, Object, Observation, Password, Provider, Remote, Requests,
};
use super::providers::{Asked, Way};
use crate::api::data_source::DwsDataSource;
use crate::api::names::{self, FORCE_DELETE_ANNOTATION};
use crate::api::{FINALIZER, intent, text};
use crate::cloud::Session;
use crate::runtime::duration;

/// The most characters that are repeated of the reason for a deletion by force.
const REASON_MAX: u32 = 200;

/// One pass over one object: what was read so far, and the handles that an observation cannot hold.
pub struct Pass {
    /// The object as the API server gave it last.
    pub object: DwsDataSource,
    /// The object by name.
    pub member: Member,
    /// What decisions read.
    pub observation: Observation,
    /// The way to the cloud.
    pub session: Option<Arc<Session>>,
    /// To whom its provider is lent.
    pub grants: Option<Grants>,
    /// The password; it leaves this struct only with the request that needs it.
    pub password: Option<SecretString>,
    /// The passwords that this process sent for the object, the last one first, to be kept out of what the cloud says later.
    pub sent_passwords: Vec<KnownPassword>,
    /// Whether its provider was resolved.
    is_resolved: bool,
}

impl Pass {
    /// Begins a pass: reads the object and its Namespace. None if the object is gone.
    ///
    /// # Errors
    /// If the API server does not give the object.
    pub async fn begin(ctx: &Context, namespace: &str, name: &str) -> Result<Option<Self>, KubernetesError> {
        let api = ctx.kubernetes.within::<DwsDataSource>(namespace);
        let Some(object) = ctx.kubernetes.call(api.get_opt(name)).await? else {
            return Ok(None);
        };
        let Some(member) = claims::member(&object.metadata) else {
            return Ok(None);
        };
        let uptime = ctx.clock.uptime();
        let observation = Observation {
            now: ctx.clock.now(),
            uptime,
            started: uptime,
            identity: ctx.identity.clone(),
            fresh_attempt: uuid::Uuid::new_v4().to_string(),
            jitter: jitter(),
            timings: ctx.timings,
            resync_period: resync_period(ctx, &object),
            object: fold_object(&object),
            provider: Provider::Absent { name: String::new() },
            password: Password::Unknown,
            rival: None,
            lane: None,
            remote: Remote::Unknown,
            job: None,
            memory: Memory::default(),
            around: Around {
                install: ctx.install.clone(),
                operator: ctx.operator,
                namespace: ctx.namespaces.view(namespace, uptime).await,
                definition: DefinitionView::Unasked,
                claimer: None,
            },
            owner: None,
            site: None,
        };
        Ok(Some(Pass {
            object,
            member,
            observation,
            session: None,
            grants: None,
            password: None,
            sent_passwords: Vec::new(),
            is_resolved: false,
        }))
    }

    /// Takes up what is remembered of the object.
    pub fn recall(&mut self, memory: Memory) {
        self.observation.recall(memory);
    }

    /// Resolves the provider of an object that may be looked for in the cloud, once in a pass.
    pub async fn find_way(&mut self, ctx: &Context) {
        if !self.is_resolved && self.observation.needs_way() {
            self.is_resolved = true;
            self.resolve(ctx).await;
            self.compete(ctx);
        }
    }

    /// Takes a newer state of the object.
    pub fn renew(&mut self, ctx: &Context, object: DwsDataSource) {
        let lane = self.lane_key();
        self.observation.renew(fold_object(&object));
        if lane != self.lane_key() {
            self.leave_lane(ctx);
        }
        for freed in ctx.claims.renew(&object) {
            ctx.wakes.wake(&freed);
        }
        self.object = object;
    }

    /// Brings clocks and jitter up to date before the next decision.
    pub fn tick(&mut self, ctx: &Context) {
        self.observation.now = ctx.clock.now();
        self.observation.uptime = ctx.clock.uptime();
        self.observation.fresh_attempt = uuid::Uuid::new_v4().to_string();
        self.observation.jitter = jitter();
    }

    async fn resolve(&mut self, ctx: &Context) {
        let o = &self.observation;
        // What is only observed is looked for where the spec says today.
        let recorded = match (&o.object.status.cloud, &o.memory.attempt) {
            (Some(_), _) if o.only_observes() => None,
            (Some(cloud), _) => Some(cloud.provider.clone()),
            (None, Some(attempt)) => Some(attempt.intent.provider.clone()),
            (None, None) => None,
        };
        // Before the provider is known, only what is recorded counts.
        let place = o.place();
        let Way {
            provider,
            session,
            grants,
        } = ctx
            .providers
            .resolve(&Asked {
                namespace: &self.member.namespace,
                reference: o.object.spec.provider_ref.as_ref(),
                recorded: recorded.as_deref(),
                project_id: o.object.spec.project_id.as_deref(),
                recorded_project: place.as_ref().map(|at| at.project_id.as_str()),
                cluster_id: &o.object.spec.cluster_id,
                deleting: o.object.deleting,
            })
            .await;
        self.observation.provider = provider;
        self.session = session;
        self.grants = grants;
    }

    /// Finds out who else holds the name. Only an object without an id and an open attempt has to ask, or one whose data source was imported.
    pub(super) fn compete(&mut self, ctx: &Context) {
        let o = &self.observation;
        let asks = o.object.status.id.is_none() || o.is_imported();
        let rival = match o.place().filter(|_| asks) {
            Some(at) => {
                let lane = ctx.lanes.members(&LaneKey::from(&at));
                ctx.claims.rival(&self.member.uid, &at, &lane)
            }
            _ => None,
        };
        self.observation.rival = rival;
    }

    pub(super) fn lane_key(&self) -> Option<LaneKey> {
        self.observation.place().map(|at| LaneKey::from(&at))
    }

    /// Gives the place in the lane back.
    pub fn leave_lane(&mut self, ctx: &Context) {
        ctx.leave_lane(&self.member);
        self.observation.lane = None;
    }
}

fn jitter() -> u32 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    u32::try_from(high % 1000).unwrap_or_default()
}

/// How often the object is compared with the cloud. The API server takes no period that cannot be read.
fn resync_period(ctx: &Context, object: &DwsDataSource) -> Duration {
    let own = object.spec.resync_period.as_deref();
    own.and_then(|text| duration::parse(text).ok())
        .unwrap_or(ctx.resync_period)
}

/// What the annotations ask for. Anybody may write them who may edit the object; what is read of them fits into the status.
fn requests(metadata: &ObjectMeta) -> Requests {
    let token = |name: &str| {
        let value = metadata.annotations.as_ref()?.get(name)?;
        (!value.is_empty()).then(|| text::one_line(value, text::WORD_MAX))
    };
    Requests {
        reconcile: token(names::RECONCILE_ANNOTATION),
        reboot: token(names::REBOOT_ANNOTATION),
        refresh: token(names::REFRESH_ANNOTATION),
        approve: token(names::APPROVE_ANNOTATION),
    }
}

/// Reduces the object to what decisions read.
fn fold_object(object: &DwsDataSource) -> Object {
    let metadata = &object.metadata;
    let finalizers = metadata.finalizers.as_deref().unwrap_or_default();
    Object {
        uid: metadata.uid.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        deleting: metadata.deletion_timestamp.is_some(),
        finalizer: finalizers.iter().any(|finalizer| finalizer == FINALIZER),
        foreign_finalizer: finalizers.iter().any(|finalizer| finalizer != FINALIZER),
        spec: object.spec.clone(),
        status: object.status.clone().unwrap_or_default(),
        intent: intent::of(object),
        requests: requests(metadata),
        annotations: Annotations {
            paused: names::is_paused(metadata.annotations.as_ref()),
            force_delete: object
                .annotations()
                .get(FORCE_DELETE_ANNOTATION)
                .map(|reason| text::one_line(reason, REASON_MAX).trim().to_owned()),
        },
    }
}
