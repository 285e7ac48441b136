//! Other installs of the operator that claim objects which this one watches too.
//!
//! Takes the name of an install, `{namespace}/{name of its Lease}`, and returns whether it lives: whether its Lease still changes. The Lease
//! is read from time to time while an object waits for that, once for all objects; when it has ended they are woken. By the clock of this
//! process a Lease ends when it has not changed for its length, as in the election; wall clocks are never compared.
//!
//! RBAC: `get` on the Leases of that name in the whole cluster. Without it another install is taken to live.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;

use super::context::{Context, Member};
use super::kubernetes::KubernetesError;
use super::plan::ClaimerView;
use crate::runtime::lease::{self, LastChange, LeaseView, Step};

/// The name of the install whose Lease is in this namespace.
#[must_use]
pub fn name(namespace: &str) -> String {
    format!("{namespace}/{}", lease::NAME)
}

/// The namespace of an install; none if the name is not one that an install has.
#[must_use]
pub fn namespace(install: &str) -> Option<&str> {
    let (namespace, name) = install.split_once('/')?;
    (name == lease::NAME && !namespace.is_empty()).then_some(namespace)
}

/// The other installs that live, each with the objects that wait for its end.
#[derive(Default)]
pub struct Installs(Mutex<HashMap<String, HashSet<Member>>>);

impl Installs {
    /// An object waits for nobody, or is gone.
    pub fn forget(&self, ctx: &Context, member: &Member) {
        let mut waiting = self.lock();
        if waiting.is_empty() {
            return;
        }
        for members in waiting.values_mut() {
            members.remove(member);
        }
        tell(ctx, &waiting);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashSet<Member>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(ctx: &Context, waiting: &HashMap<String, HashSet<Member>>) {
    ctx.metrics
        .set_claimed_elsewhere(waiting.values().map(HashSet::len).sum());
}

/// Whether an install lives that claims an object; while it does, the object waits for its end.
pub async fn view(ctx: &Arc<Context>, install: &str, member: &Member) -> ClaimerView {
    let Some(namespace) = namespace(install) else {
        // Nobody has that name: somebody else wrote it.
        return ClaimerView::Ended;
    };
    if wait(ctx, install, member, false) {
        return ClaimerView::Lives;
    }
    let mut watched = Watched {
        namespace: namespace.to_owned(),
        last: LastChange::default(),
    };
    if watched.has_ended(ctx).await {
        return ClaimerView::Ended;
    }
    if !wait(ctx, install, member, true) {
        tracing::warn!(
            install,
            namespace = member.namespace,
            object = member.name,
            "another install of the operator works on an object that this one watches too; this one leaves all of them alone while its Lease lasts"
        );
        let (ctx, install) = (Arc::clone(ctx), install.to_owned());
        tokio::spawn(async move { watched.until_end(&ctx, &install).await });
    }
    ClaimerView::Lives
}

/// Lets an object wait for the end of an install. Returns whether others wait already; where none does it only waits if it is to begin.
fn wait(ctx: &Context, install: &str, member: &Member, begin: bool) -> bool {
    let mut waiting = ctx.installs.lock();
    let is_known = waiting.contains_key(install);
    if is_known || begin {
        waiting.entry(install.to_owned()).or_default().insert(member.clone());
        tell(ctx, &waiting);
    }
    is_known
}

/// The Lease of another install.
struct Watched {
    namespace: String,
    last: LastChange,
}

impl Watched {
    /// Looks until the Lease has ended or nobody waits for that any more, then wakes those who waited.
    async fn until_end(mut self, ctx: &Context, install: &str) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(ctx.timings.lease_renew) => {}
                () = ctx.shutdown.cancelled() => return,
            }
            let is_over = self.has_ended(ctx).await;
            let mut waiting = ctx.installs.lock();
            let is_idle = waiting.get(install).is_none_or(HashSet::is_empty);
            if !is_over && !is_idle {
                continue;
            }
            let members = waiting.remove(install).unwrap_or_default();
            tell(ctx, &waiting);
            drop(waiting);
            if is_over {
                tracing::info!(
                    install,
                    objects = members.len(),
                    "the Lease of another install has ended; taking its objects over"
                );
            }
            for member in members {
                ctx.wakes.wake(&member);
            }
            return;
        }
    }

    async fn has_ended(&mut self, ctx: &Context) -> bool {
        let read: Result<Option<Lease>, KubernetesError> = {
            let leases = ctx.kubernetes.within::<Lease>(&self.namespace);
            ctx.kubernetes.call(leases.get_opt(lease::NAME)).await
        };
        let found = match read {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(namespace = self.namespace, %error, "the Lease of another install cannot be read");
                return false;
            }
        };
        let view = found.as_ref().map(LeaseView::from);
        let now = ctx.clock.uptime();
        let seen_at: Duration = self.last.note(view.as_ref(), now);
        // Nobody has an empty identity: whoever holds it is another one.
        !matches!(
            lease::evaluate(view.as_ref(), "", seen_at, now, &ctx.timings),
            Step::Wait { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_is_named_after_its_lease() {
        assert_eq!(namespace(&name("ops")), Some("ops"));
        for other in ["", "ops", "ops/", "/dws-operator", "ops/another", "a/b/dws-operator"] {
            assert_eq!(namespace(other), None, "{other}");
        }
    }
}
