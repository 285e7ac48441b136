//! The rules of the Lease, as pure functions over `coordination.k8s.io/v1`.
//!
//! They take the Lease as the API server shows it and local times, and say what to do; they never send anything. Another holder's Lease ends when
//! it has not *changed* for its length by the own boot-time clock: wall clocks of other machines are written for people and never compared.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::timings::Timings;

/// The name of the Lease in the operator's namespace.
pub const NAME: &str = "dws-operator";

/// What a Lease says, as far as it decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseView {
    /// Who holds it; nobody after it was released.
    pub holder: Option<String>,
    /// How long it lasts after a change, as its holder wrote it.
    pub length: Option<Duration>,
    /// Changes with every write.
    pub resource_version: String,
}

impl From<&Lease> for LeaseView {
    fn from(lease: &Lease) -> Self {
        let spec = lease.spec.as_ref();
        let seconds = spec
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec
                .and_then(|spec| spec.holder_identity.clone())
                .filter(|holder| !holder.is_empty()),
            length: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

/// What to do about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// There is none: create it.
    Create,
    /// It is free or has ended: take it.
    Acquire,
    /// It is this identity's own, perhaps from before a restart: keep it.
    Renew,
    /// Somebody else holds it and it does not end before this uptime, unless it changes.
    Wait {
        /// The uptime at which it ends.
        until: Duration,
    },
}

/// Decides what `me` does at uptime `now` about a Lease whose last change was first seen at uptime `seen_at`.
#[must_use]
pub fn evaluate(lease: Option<&LeaseView>, me: &str, seen_at: Duration, now: Duration, timings: &Timings) -> Step {
    let Some(lease) = lease else {
        return Step::Create;
    };
    match lease.holder.as_deref() {
        None => Step::Acquire,
        Some(holder) if holder == me => Step::Renew,
        Some(_) => {
            let until = seen_at.saturating_add(lease.length.unwrap_or(timings.lease));
            if now >= until {
                Step::Acquire
            } else {
                Step::Wait { until }
            }
        }
    }
}

/// When the Lease last changed, as far as this process has seen.
#[derive(Clone, Debug, Default)]
pub struct LastChange {
    resource_version: Option<String>,
    seen_at: Duration,
}

impl LastChange {
    /// Takes note of what the Lease looked like in an answer that came in at uptime `now`; returns when this state of it was first seen.
    pub fn note(&mut self, lease: Option<&LeaseView>, now: Duration) -> Duration {
        let version = lease.map(|lease| &lease.resource_version);
        if version != self.resource_version.as_ref() {
            self.resource_version = version.cloned();
            self.seen_at = now;
        }
        self.seen_at
    }
}

/// The Lease as `me` writes it to create, take or renew it. It keeps the resourceVersion of `lease`, so that it only replaces what was read.
#[must_use]
pub fn claimed(lease: Option<&Lease>, me: &str, now: Timestamp, timings: &Timings) -> Lease {
    let mut lease = lease.cloned().unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    let before = lease.spec.take().unwrap_or_default();
    let mine = before.holder_identity.as_deref() == Some(me);
    // Whole seconds, rounded up: others may wait longer than this process counts on, never less.
    let seconds = timings.lease.as_secs() + u64::from(timings.lease.subsec_nanos() > 0);
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
        acquire_time: if mine {
            before.acquire_time
        } else {
            Some(MicroTime(now))
        },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if mine {
            before.lease_transitions.unwrap_or(0)
        } else {
            before.lease_transitions.map_or(0, |n| n + 1)
        }),
        ..before
    });
    lease
}

/// The Lease without a holder, so that another replica takes it at once.
#[must_use]
pub fn released(mut lease: Lease, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = None;
    spec.renew_time = Some(MicroTime(now));
    lease
}

#[cfg(test)]
mod tests;
