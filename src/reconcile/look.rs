//! Reads what a decision asks for, one thing at a time: the Secret, the grant, the place in the lane, the cloud's list and job.
//!
//! What was read goes into the observation through [`fold`](super::fold); a password stays in the pass, and what the cloud repeats of it is cut
//! out here, before anybody can see it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use super::context::{Context, LaneKey};
use super::installs;
use super::observe::Pass;
use super::plan::{
    Coordinates, Grant, Item, JobState, JobView, LanePlace, Look, Occupant, Password, Provider, SecretVersion, View,
};
use crate::api::data_source::DataSourceType;
use crate::cloud::{Dws, Failure, Session, credentials};
use crate::runtime::lanes::{Place, Rank};

/// The shortest password that the cloud takes: `minLength` of `user_pwd` in Huawei's API definition.
const PASSWORD_MIN: usize = 8;
/// How long a first pass waits for the first passes of those who came earlier, before it takes its place in the lane. Longer than reading
/// a provider and its Secret takes; short, since one that hangs holds the others of its DWS cluster up for as long.
const EARLIER_PATIENCE: Duration = Duration::from_secs(5);

impl Pass {
    /// Reads one more thing.
    pub async fn look(&mut self, ctx: &Arc<Context>, look: Look) {
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
            Look::Definition => {
                self.observation.around.definition = ctx.definition.view(self.observation.started).await;
            }
            Look::Claimer(install) => {
                self.observation.around.claimer = Some(installs::view(ctx, &install, &self.member).await);
            }
            Look::Site { at, type_ } => self.read_site(ctx, &at, type_).await,
            Look::Quick { id, at, type_ } => {
                let quick = async {
                    self.read_job(ctx, id).await;
                    let succeeded =
                        |view: &JobView| view.result.as_ref().is_ok_and(|job| job.state == JobState::Succeeded);
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

    async fn read_grant(&mut self, ctx: &Context) {
        let grant = match &self.grants {
            Some(grants) => {
                let mut granted = Grant::Given;
                for cluster in self.observation.granted_clusters() {
                    if granted == Grant::Given {
                        granted = ctx.providers.grant(grants, &self.member.namespace, &cluster).await;
                    }
                }
                granted
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
                let mut version = SecretVersion {
                    uid: secret.uid().unwrap_or_default(),
                    resource_version: secret.resource_version().unwrap_or_default(),
                    key: reference.key.clone(),
                    hmac: None,
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
                        version.hmac = ctx.password_key.hmac(&self.member.uid, &password).await;
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
                self.observation.owner = match &view {
                    View::Ours { item, .. } | View::Foreign { item } => ctx.claims.owner(&self.member.uid, item),
                    View::Absent | View::Leaving { .. } => None,
                };
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

    async fn read_site(&mut self, ctx: &Context, at: &Coordinates, type_: DataSourceType) {
        let o = &self.observation;
        let name = &o.object.spec.data_source_name;
        let lane = ctx.lanes.members(&LaneKey::from(at));
        let found = match ctx.claims.rival_for(&self.member.uid, at, name, &lane) {
            Some(rival) => Ok(Occupant::Object(rival)),
            None => match self.way() {
                Ok(session) => {
                    let snapshot = ctx.snapshots.list(&session, at, type_, o.started).await;
                    let namesake = |items: &[Item]| o.ownership().namesake(items, name).map(|item| item.id.clone());
                    match snapshot.result.map(|items| namesake(&items)) {
                        Ok(Some(id)) => Ok(Occupant::Item { id }),
                        Ok(None) if snapshot.is_whole => Ok(Occupant::Nobody),
                        Ok(None) => Err(unreadable()),
                        Err(failure) => {
                            self.tell(&failure);
                            Err(failure)
                        }
                    }
                }
                Err(failure) => Err(failure),
            },
        };
        self.observation.uptime = ctx.clock.uptime();
        self.observation.site = Some(found);
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
}

/// A list in which something could not be read proves nothing absent.
fn unreadable() -> Failure {
    Failure::transient("the cloud lists a data source without a valid id or name, which may be this one")
}

fn too_short(password: &SecretString) -> bool {
    password.expose_secret().chars().count() < PASSWORD_MIN
}
