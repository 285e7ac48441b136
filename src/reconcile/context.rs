//! What the stages share: the clients, the clocks, and what this process knows beyond Kubernetes and the cloud.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::claims::Claims;
use super::definition::Definition;
use super::events::Events;
use super::installs::Installs;
use super::kubernetes::Kubernetes;
use super::memories::Memories;
use super::namespaces::Namespaces;
use super::password_key::PasswordKey;
use super::plan::{Observation, OperatorPolicy, Plan};
use super::providers::Providers;
use super::snapshots::Snapshots;
use super::wakes::{ProviderWakes, Wakes};
use crate::api::data_source::Coordinates;
use crate::runtime::arrivals::Arrivals;
use crate::runtime::clock::Clock;
use crate::runtime::health::Health;
use crate::runtime::lanes::Lanes;
use crate::runtime::leader::Leadership;
use crate::runtime::metrics::Metrics;
use crate::runtime::timings::Timings;

/// An object of this process's scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    /// Its uid: a namesake that is created later is another member.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The lane of a DWS cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneKey {
    endpoint: String,
    project_id: String,
    cluster_id: String,
}

impl From<&Coordinates> for LaneKey {
    fn from(at: &Coordinates) -> Self {
        LaneKey {
            endpoint: at.endpoint.clone(),
            project_id: at.project_id.clone(),
            cluster_id: at.cluster_id.clone(),
        }
    }
}

/// The stage between observe and act.
pub type Decide = fn(&Observation) -> Plan;

/// What the stages share.
pub struct Context {
    /// The Kubernetes API.
    pub kubernetes: Kubernetes,
    /// Both clocks.
    pub clock: Clock,
    /// How long to wait for what.
    pub timings: Timings,
    /// How often the cloud is compared with the spec; zero is never.
    pub resync_period: Duration,
    /// This replica's name.
    pub identity: String,
    /// Whether this process may write.
    pub leadership: Leadership,
    /// What decides.
    pub decide: Decide,
    /// The providers and their sessions.
    pub providers: Arc<Providers>,
    /// The lists of the cloud.
    pub snapshots: Snapshots,
    /// Who may write to which DWS cluster.
    pub lanes: Lanes<LaneKey, Member>,
    /// Whose first pass is still to come to the lane, by the DWS cluster in its spec.
    pub arrivals: Arrivals<String, Member>,
    /// Tells passwords apart.
    pub password_key: PasswordKey,
    /// Who holds which name.
    pub claims: Claims,
    /// What is remembered of each object.
    pub memories: Memories,
    /// Events for users.
    pub events: Events,
    /// What the end of the process waits for, besides the passes.
    pub tasks: TaskTracker,
    /// Wakes objects.
    pub wakes: Wakes,
    /// Wakes providers.
    pub provider_wakes: ProviderWakes,
    /// Metrics.
    pub metrics: Metrics,
    /// Readiness.
    pub health: Health,
    /// Cancelled when the process shall end.
    pub shutdown: CancellationToken,
    /// This install, as it writes itself into `status.controller`.
    pub install: String,
    /// What the flags say of pause and deletion.
    pub operator: OperatorPolicy,
    /// What Namespaces say.
    pub namespaces: Namespaces,
    /// Whether the definition of data sources stays.
    pub definition: Definition,
    /// The other installs that claim objects of this process's scope.
    pub installs: Installs,
}

impl Context {
    /// Wakes the objects of a Namespace.
    pub fn wake_namespace(&self, name: &str) {
        for member in self.claims.users(|member, _| member.namespace == name) {
            self.wakes.wake(&member);
        }
    }

    /// Gives an object's place in a lane back, if it has one. Whoever was refused because the object was ahead may try now.
    pub fn leave_lane(&self, member: &Member) {
        if self.lanes.leave(member) {
            for namesake in self.claims.namesakes(&member.uid) {
                self.wakes.wake(&namesake);
            }
        }
    }
}
