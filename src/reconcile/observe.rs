//! Reads what a decision needs, and folds it into one observation.
//!
//! Reads only: the object itself (from the API server, never from a cache), its provider, its Secret, the cloud's lists and jobs, its place
//! in the lane.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::SecretString;

use super::claims;
use super::context::{Context, LaneKey, Member};
use super::echo::KnownPassword;
use super::grants::Grants;
use super::kubernetes::KubernetesError;
use super::plan::{
    Coordinates, Grant, JobView, LanePlace, Look, Memory, Object, Observation, Password, Provider, Remote,
    SecretVersion, View,
};
use super::providers::{Asked, Way};
use crate::api::data_source::{DataSourceType, DwsDataSource};
use crate::api::{FINALIZER, intent};
use crate::cloud::{Dws, Failure, Session, credentials};
use crate::runtime::lanes::{Place, Rank};

/// The shortest password that the cloud takes: `minLength` of `user_pwd` in Huawei's API definition.
const PASSWORD_MIN: usize = 8;
/// How long a first pass waits for the first passes of those who came earlier, before it takes its place in the lane. Longer than reading
/// a provider and its Secret takes; short, since one that hangs holds the others of its DWS cluster up for as long.
const EARLIER_PATIENCE: Duration = Duration::from_secs(5);

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
    grants: Option<Grants>,
    /// The password; it leaves this struct only with the request that needs it.
    pub password: Option<SecretString>,
    /// The passwords that this process sent for the object, the last one first, to be kept out of what the cloud says later.
    pub sent_passwords: Vec<KnownPassword>,
}

impl Pass {
    /// Begins a pass: reads the object and resolves its provider. None if the object is gone.
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
            resync_period: ctx.resync_period,
            object: fold_object(&object),
            provider: Provider::Absent { name: String::new() },
            password: Password::Unknown,
            rival: None,
            lane: None,
            remote: Remote::Unknown,
            job: None,
            memory: Memory::default(),
        };
        Ok(Some(Pass {
            object,
            member,
            observation,
            session: None,
            grants: None,
            password: None,
            sent_passwords: Vec::new(),
        }))
    }

    /// Takes up what is remembered of the object, and resolves its provider.
    pub async fn recall(&mut self, ctx: &Context, memory: Memory) {
        self.observation.recall(memory);
        self.resolve(ctx).await;
        self.compete(ctx);
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

    /// Reads one more thing.
    pub async fn look(&mut self, ctx: &Context, look: Look) {
        match look {
            Look::Password => self.read_password(ctx).await,
            Look::Grant => self.read_grant(ctx).await,
            Look::Lane(rank) => {
                if let Some(key) = self.lane_key() {
                    if rank != Rank::Resume {
                        let earlier = ctx.arrivals.earlier_are_heard(&self.member);
                        // Too late, the order is lost and nothing else.
                        let _ = tokio::time::timeout(EARLIER_PATIENCE, earlier).await;
                    }
                    let mut place = ctx.lanes.enter(&key, self.member.clone(), rank);
                    ctx.arrivals.heard(&self.member);
                    if !ctx.claims.knows(&self.member.uid) {
                        // The object is gone: nobody would ever give its place back.
                        ctx.lanes.leave(&self.member);
                        place = Place::Waiting;
                    }
                    let since = ctx.clock.uptime();
                    self.observation.lane = Some(match place {
                        Place::Held => LanePlace::Held { since, rank },
                        Place::Waiting => LanePlace::Waiting,
                    });
                }
                self.compete(ctx);
            }
            Look::List { since, at, type_ } => self.read_list(ctx, since, &at, type_).await,
            Look::Job { id } => self.read_job(ctx, id).await,
            Look::Quick { id, at, type_ } => {
                let quick = async {
                    self.read_job(ctx, id).await;
                    let succeeded = |view: &JobView| {
                        view.result
                            .as_ref()
                            .is_ok_and(|job| job.state == crate::cloud::JobState::Succeeded)
                    };
                    if self.observation.job.as_ref().is_some_and(succeeded) {
                        let since = ctx.clock.uptime();
                        self.read_list(ctx, since, &at, type_).await;
                    }
                };
                // What does not answer in time is looked at again in its own time.
                let _ = tokio::time::timeout(ctx.timings.quick_look, quick).await;
                self.observation.memory.looked = true;
            }
        }
    }

    async fn resolve(&mut self, ctx: &Context) {
        let o = &self.observation;
        let recorded = match (&o.object.status.cloud, &o.memory.attempt) {
            (Some(cloud), _) => Some(cloud.provider.clone()),
            (None, Some(attempt)) => Some(attempt.intent.provider.clone()),
            (None, None) => None,
        };
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
                cluster_id: &o.object.spec.cluster_id,
                deleting: o.object.deleting,
            })
            .await;
        self.observation.provider = provider;
        self.session = session;
        self.grants = grants;
    }

    async fn read_grant(&mut self, ctx: &Context) {
        let grant = match &self.grants {
            Some(grants) => {
                let cluster = &self.observation.object.spec.cluster_id;
                ctx.providers.grant(grants, &self.member.namespace, cluster).await
            }
            None => Grant::Given,
        };
        self.observation.note_grant(grant);
    }

    /// The session, or what every read fails with that would need it.
    fn way(&self) -> Result<Arc<Session>, Failure> {
        self.session.clone().ok_or_else(|| match &self.observation.provider {
            Provider::Unreached { failure, .. } => failure.clone(),
            _ => Failure::transient("the provider cannot be used"),
        })
    }

    /// Finds out who else holds the name. Only an object without an id and an open attempt has to ask.
    fn compete(&mut self, ctx: &Context) {
        let rival = match (self.observation.place(), &self.observation.object.status.id) {
            (Some(at), None) => {
                let lane = ctx.lanes.members(&LaneKey::from(&at));
                ctx.claims.rival(&self.member.uid, &at, &lane)
            }
            _ => None,
        };
        self.observation.rival = rival;
    }

    fn lane_key(&self) -> Option<LaneKey> {
        self.observation.place().map(|at| LaneKey::from(&at))
    }

    async fn read_password(&mut self, ctx: &Context) {
        let Some(user_pwd) = &self.observation.object.spec.user_pwd else {
            return;
        };
        let reference = user_pwd.secret_key_ref.clone();
        let api = ctx.kubernetes.within::<Secret>(&self.member.namespace);
        self.password = None;
        self.observation.password = match ctx.kubernetes.call(api.get_opt(&reference.name)).await {
            Err(error) => Password::Unreadable {
                message: format!("Secret {} cannot be read: {error}", reference.name),
            },
            Ok(None) => Password::Absent,
            Ok(Some(secret)) => {
                let version = SecretVersion {
                    uid: secret.uid().unwrap_or_default(),
                    resource_version: secret.resource_version().unwrap_or_default(),
                };
                match credentials::value(&secret.data.unwrap_or_default(), &reference.key) {
                    Err(error) => Password::Invalid {
                        version,
                        message: format!("Secret {}: {error}.", reference.name),
                    },
                    Ok(password) if too_short(&password) => {
                        let message = format!(
                            "Secret {}: the value of the key {:?} has fewer than {PASSWORD_MIN} characters, which the cloud refuses.",
                            reference.name, reference.key
                        );
                        Password::Invalid { version, message }
                    }
                    Ok(password) => {
                        self.password = Some(password);
                        Password::Present { version }
                    }
                }
            }
        };
    }

    async fn read_list(&mut self, ctx: &Context, since: Duration, at: &Coordinates, type_: DataSourceType) {
        let session = match self.way() {
            Ok(session) => session,
            Err(failure) => return self.observation.note_list(ctx.clock.uptime(), Err(failure)),
        };
        let snapshot = ctx.snapshots.list(&session, at, type_, since).await;
        self.observation.uptime = ctx.clock.uptime();
        let result = match snapshot.result {
            Ok(items) => {
                let mut view = self.observation.ownership().view(&items);
                self.cut_password_from_view(ctx, &mut view).await;
                let is_ours = matches!(view, View::Ours { .. } | View::Leaving { ours: true, .. });
                // What cannot be read may be the one that is looked for.
                if snapshot.is_whole || is_ours {
                    Ok(view)
                } else {
                    Err(unreadable())
                }
            }
            Err(failure) => {
                self.tell(&failure);
                Err(failure)
            }
        };
        self.observation.note_list(snapshot.began, result);
    }

    async fn read_job(&mut self, ctx: &Context, id: String) {
        let mut result = match self.way() {
            Ok(session) => session.job(&id).await,
            Err(failure) => Err(failure),
        };
        self.observation.uptime = ctx.clock.uptime();
        match &mut result {
            Ok(job) => self.cut_password_from_job(ctx, job).await,
            Err(failure) => self.tell(failure),
        }
        self.observation.note_job(id, result);
    }

    fn tell(&self, failure: &Failure) {
        tracing::info!(object = %self.member.name, namespace = %self.member.namespace, code = failure.code, status = failure.status,
            request_id = failure.request_id, message = failure.message, "the cloud could not be read");
    }

    /// Gives the place in the lane back.
    pub fn leave_lane(&mut self, ctx: &Context) {
        ctx.leave_lane(&self.member);
        self.observation.lane = None;
    }
}

/// A list in which something could not be read proves nothing absent.
fn unreadable() -> Failure {
    Failure::transient("the cloud lists a data source without a valid id or name, which may be this one")
}

fn too_short(password: &SecretString) -> bool {
    use secrecy::ExposeSecret;
    password.expose_secret().chars().count() < PASSWORD_MIN
}

fn jitter() -> u32 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    u32::try_from(high % 1000).unwrap_or_default()
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
    }
}
