//! Whether the process lives and whether it is ready, as `/livez` and `/readyz` tell it.
//!
//! Others set the checks; nothing here looks at anything by itself.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::time::Instant;

/// The named checks of the process; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Checks>>);

#[derive(Debug, Default)]
struct Checks {
    ready: BTreeMap<&'static str, bool>,
    heartbeats: BTreeMap<&'static str, (Instant, Duration)>,
}

/// What a probe asks.
#[derive(Clone, Copy, Debug)]
enum Probe {
    Live,
    Ready,
}

impl Health {
    /// No checks yet: alive, but not ready before at least one check was set and all of them pass.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the readiness check `name`.
    pub fn ready(&self, name: &'static str, passes: bool) {
        self.checks().ready.insert(name, passes);
    }

    /// Says that the loop `name` turns, and promises to say so again within `max_age`. A loop that breaks its promise fails the liveness.
    pub fn beat(&self, name: &'static str, max_age: Duration) {
        self.checks().heartbeats.insert(name, (Instant::now(), max_age));
    }

    /// Takes the promise of [`Health::beat`] back: the loop has ended as it should.
    pub fn end(&self, name: &'static str) {
        self.checks().heartbeats.remove(name);
    }

    /// Serves `/livez` and `/readyz`; `?verbose` lists the checks.
    pub fn router(&self) -> Router {
        Router::new()
            .route(
                "/livez",
                get(async |health: State<Health>, query: RawQuery| answer(Probe::Live, &health, query)),
            )
            .route(
                "/readyz",
                get(async |health: State<Health>, query: RawQuery| answer(Probe::Ready, &health, query)),
            )
            .with_state(self.clone())
    }

    fn checks(&self) -> MutexGuard<'_, Checks> {
        // Every change is a single insert, so the checks are whole even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn results(&self, probe: Probe) -> Vec<(&'static str, bool)> {
        let checks = self.checks();
        match probe {
            Probe::Live => checks
                .heartbeats
                .iter()
                .map(|(name, (last, max_age))| (*name, last.elapsed() <= *max_age))
                .collect(),
            Probe::Ready if checks.ready.is_empty() => vec![("started", false)],
            Probe::Ready => checks.ready.iter().map(|(name, passes)| (*name, *passes)).collect(),
        }
    }
}

/// Answers in the words of the Kubernetes API server: 200 and `ok`, or 503 and the checks.
fn answer(probe: Probe, health: &Health, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let results = health.results(probe);
    let healthy = results.iter().all(|(_, passes)| *passes);
    let verbose = query.is_some_and(|query| {
        query
            .split('&')
            .any(|part| part == "verbose" || part.starts_with("verbose="))
    });
    if healthy && !verbose {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let mut body = String::new();
    for (name, passes) in results.into_iter().filter(|(_, passes)| verbose || !passes) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "{}",
            if passes {
                format!("[+]{name} ok")
            } else {
                format!("[-]{name} failed")
            }
        );
    }
    let name = match probe {
        Probe::Live => "livez",
        Probe::Ready => "readyz",
    };
    let (status, verdict) = if healthy {
        (StatusCode::OK, "passed")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failed")
    };
    let _ = writeln!(body, "{name} check {verdict}");
    (status, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(health: &Health, probe: Probe, query: &str) -> (u16, String) {
        let (status, body) = answer(probe, health, RawQuery(Some(query.to_owned())));
        (status.as_u16(), body)
    }

    #[test]
    fn ready_when_every_check_passes() {
        let health = Health::new();
        assert_eq!(
            ask(&health, Probe::Ready, ""),
            (503, "[-]started failed\nreadyz check failed\n".to_owned())
        );
        health.ready("watch data sources", false);
        health.ready("lease", true);
        assert_eq!(
            ask(&health, Probe::Ready, ""),
            (503, "[-]watch data sources failed\nreadyz check failed\n".to_owned())
        );
        let all = "[+]lease ok\n[-]watch data sources failed\nreadyz check failed\n".to_owned();
        assert_eq!(ask(&health, Probe::Ready, "verbose"), (503, all));
        health.ready("watch data sources", true);
        assert_eq!(ask(&health, Probe::Ready, ""), (200, "ok\n".to_owned()));
        let all = "[+]lease ok\n[+]watch data sources ok\nreadyz check passed\n".to_owned();
        assert_eq!(ask(&health, Probe::Ready, "a=b&verbose=true"), (200, all));
    }

    #[tokio::test(start_paused = true)]
    async fn alive_while_the_heart_beats() {
        let health = Health::new();
        assert_eq!(ask(&health, Probe::Live, "").0, 200);
        for _ in 0..3 {
            health.beat("reconcile loop", Duration::from_mins(1));
            tokio::time::advance(Duration::from_mins(1)).await;
            assert_eq!(
                ask(&health, Probe::Live, "verbose"),
                (200, "[+]reconcile loop ok\nlivez check passed\n".to_owned())
            );
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(
            ask(&health, Probe::Live, ""),
            (503, "[-]reconcile loop failed\nlivez check failed\n".to_owned())
        );
        health.end("reconcile loop");
        assert_eq!(ask(&health, Probe::Live, "").0, 200);
    }
}
