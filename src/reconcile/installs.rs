//! Other installs of the operator that claim objects which this one watches too.
//!
//! Takes the name of an install, `{namespace}/{name of its Lease}`, and returns whether it lives: whether its Lease still changes. The Lease
//! is read from time to time while an object waits for that, once for all objects; when it has ended they are woken. By the clock of this
//! process a Lease ends when it has not changed for its length, as in the election; wall clocks are never compared.
//!
//! RBAC: `get` on the Leases of that name in the whole cluster. Without it another install is taken to live.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::coordination::v1::Lease;

use super::context::{Context, Member};
use super::plan::ClaimerView;
use super::wakes::Scope;
use crate::api::names::WATCHED_ANNOTATION;
use crate::runtime::lease::{self, LastChange, LeaseView, Step};

/// All namespaces, in [`WATCHED_ANNOTATION`].
const ALL: &str = "*";

/// The name of the install whose Lease is in this namespace.
#[must_use]
pub fn name(namespace: &str) -> String {
    format!("{namespace}/{}", lease::NAME)
}

/// The namespace of an install; none if the name is not one that an install has.
#[must_use]
pub fn namespace(install: &str) -> Option<&str> {
    let (namespace, name) = install.split_once('/')?;
    // Whoever may write a status or an annotation may have written it, and it becomes part of a URL.
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_namespace = (1..=63).contains(&namespace.len()) && namespace.chars().all(is_label);
    (name == lease::NAME && is_namespace).then_some(namespace)
}

/// What the Lease of an install that watches this tells about it.
#[must_use]
pub fn annotations(scopes: &[Scope]) -> BTreeMap<String, String> {
    let name = |scope: &Scope| match scope {
        Scope::All => ALL.to_owned(),
        Scope::Namespace(namespace) => namespace.clone(),
    };
    let watched: Vec<_> = scopes.iter().map(name).collect();
    BTreeMap::from([(WATCHED_ANNOTATION.to_owned(), watched.join(","))])
}

/// What the holder of a Lease watches, if it tells.
#[must_use]
pub fn watched(lease: &Lease) -> Option<Vec<Scope>> {
    let told = lease.metadata.annotations.as_ref()?.get(WATCHED_ANNOTATION)?;
    let scope = |name: &str| match name {
        ALL => Scope::All,
        name => Scope::Namespace(name.to_owned()),
    };
    Some(told.split(',').map(scope).collect())
}

/// What is known of the other installs.
#[derive(Default)]
pub struct Installs(Mutex<HashMap<String, Known>>);

/// What is known of one.
#[derive(Default)]
struct Known {
    /// When its Lease last changed; kept after its end, or the end would not be known again.
    last: LastChange,
    /// Whether its end is looked for.
    is_watched: bool,
    /// The objects that wait for that.
    waiting: HashSet<Member>,
}

impl Installs {
    /// An object waits for nobody, or is gone.
    pub fn forget(&self, ctx: &Context, member: &Member) {
        let mut known = self.lock();
        if known.is_empty() {
            return;
        }
        for install in known.values_mut() {
            install.waiting.remove(member);
        }
        tell(ctx, &known);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(ctx: &Context, known: &HashMap<String, Known>) {
    ctx.metrics
        .set_claimed_elsewhere(known.values().map(|install| install.waiting.len()).sum());
}

/// Whether an install lives that claims an object; while it does, the object waits for its end.
pub async fn view(ctx: &Arc<Context>, install: &str, member: &Member) -> ClaimerView {
    let Some(namespace) = namespace(install) else {
        // Nobody has that name: somebody else wrote it.
        return ClaimerView::Ended;
    };
    let wait = |known: &mut HashMap<String, Known>| {
        let found = known.entry(install.to_owned()).or_default();
        found.waiting.insert(member.clone());
        let begins = !std::mem::replace(&mut found.is_watched, true);
        tell(ctx, known);
        begins
    };
    {
        let mut known = ctx.installs.lock();
        if known.get(install).is_some_and(|known| known.is_watched) {
            wait(&mut known);
            return ClaimerView::Lives;
        }
    }
    let has_ended = look(ctx, install, namespace).await;
    if has_ended {
        return ClaimerView::Ended;
    }
    let begins = wait(&mut ctx.installs.lock());
    if begins {
        tracing::warn!(
            install,
            namespace = member.namespace,
            object = member.name,
            "another install of the operator works on an object that this one watches too; this one leaves all of them alone while its Lease lasts"
        );
        let (ctx, install, namespace) = (Arc::clone(ctx), install.to_owned(), namespace.to_owned());
        tokio::spawn(async move { until_end(&ctx, &install, &namespace).await });
    }
    ClaimerView::Lives
}

/// Looks until the Lease has ended or nobody waits for that any more, then wakes those who waited.
async fn until_end(ctx: &Context, install: &str, namespace: &str) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ctx.timings.lease_renew) => {}
            () = ctx.shutdown.cancelled() => return,
        }
        let has_ended = look(ctx, install, namespace).await;
        let mut known = ctx.installs.lock();
        let Some(found) = known.get_mut(install) else { return };
        if !has_ended && !found.waiting.is_empty() {
            continue;
        }
        found.is_watched = false;
        let members = std::mem::take(&mut found.waiting);
        tell(ctx, &known);
        drop(known);
        if has_ended {
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

/// Reads the Lease of another install; returns whether it has ended. What cannot be read has not.
async fn look(ctx: &Context, install: &str, namespace: &str) -> bool {
    let leases = ctx.kubernetes.within::<Lease>(namespace);
    let found = match ctx.kubernetes.call(leases.get_opt(lease::NAME)).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(install, %error, "the Lease of another install cannot be read");
            return false;
        }
    };
    let view = found.as_ref().map(LeaseView::from);
    let now = ctx.clock.uptime();
    let mut known = ctx.installs.lock();
    if found.is_none() && known.get(install).is_some_and(|known| !known.is_watched) {
        known.remove(install);
        return true;
    }
    let seen_at = known
        .entry(install.to_owned())
        .or_default()
        .last
        .note(view.as_ref(), now);
    // Nobody has an empty identity: whoever holds it is another one.
    !matches!(
        lease::evaluate(view.as_ref(), "", seen_at, now, &ctx.timings),
        Step::Wait { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_tells_what_its_holder_watches() {
        let single =
            |names: &[&str]| -> Vec<Scope> { names.iter().map(|name| Scope::Namespace((*name).to_owned())).collect() };
        for scopes in [vec![Scope::All], single(&["a"]), single(&["a", "b"])] {
            let mut lease = Lease::default();
            assert_eq!(watched(&lease), None, "an older install does not tell");
            lease.metadata.annotations = Some(annotations(&scopes));
            assert_eq!(watched(&lease), Some(scopes));
        }
    }

    #[test]
    fn an_install_is_named_after_its_lease() {
        assert_eq!(namespace(&name("ops")), Some("ops"));
        for other in [
            "",
            "ops",
            "ops/",
            "/dws-operator",
            "ops/another",
            "a/b/dws-operator",
            "../dws-operator",
            "a?b/dws-operator",
            "a%2Fb/dws-operator",
        ] {
            assert_eq!(namespace(other), None, "{other}");
        }
    }
}
