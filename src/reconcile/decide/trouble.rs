//! From a failure to the next try.

use std::time::Duration;

use super::super::plan::{Failure, FailureKind, Observation, Password, Plan, Retry, RetryClass, RetryWait};
use super::draft::Draft;
use super::facts::{after, until};
use super::verdict;
use crate::runtime::backoff;

/// When to try again after a failure.
pub fn retry(o: &Observation, failure: &Failure) -> Retry {
    let class = class(failure);
    let standing = o.object.status.retry.as_ref().filter(|_| o.generation_observed());
    // Another password is another try.
    let attempts = standing.filter(|_| !o.password_renewed());
    let attempts = attempts.map_or(0, |retry| retry.attempts);
    let since = standing
        .filter(|retry| retry.class == class)
        .map_or(o.now, |retry| retry.since);
    Retry {
        attempts: attempts.saturating_add(1),
        class,
        since,
        next_retry_time: after(o.now, delay(o, failure, class, attempts.unsigned_abs())),
        last_error_code: failure
            .code
            .clone()
            .or_else(|| failure.status.map(|status| format!("HTTP {status}"))),
        last_request_id: failure.request_id.clone(),
    }
}

fn class(failure: &Failure) -> RetryClass {
    match failure.kind {
        FailureKind::RetryAfter { wait, .. } => match wait {
            RetryWait::Transient => RetryClass::Transient,
            RetryWait::Busy => RetryClass::Busy,
            RetryWait::Throttled => RetryClass::Throttled,
        },
        FailureKind::UnknownOutcome { .. } | FailureKind::Fenced => RetryClass::Transient,
        FailureKind::Rejected { .. } => RetryClass::Terminal,
        FailureKind::Gone { .. } => RetryClass::ClusterMissing,
        FailureKind::CredentialsRejected => RetryClass::Credentials,
    }
}

fn delay(o: &Observation, failure: &Failure, class: RetryClass, attempts: u32) -> Duration {
    let t = &o.timings;
    let hint = failure.kind.delay();
    let jitter = jitter(o);
    let growing = |max| backoff::delay(attempts, t.backoff_min, max, jitter);
    // What waits for a person or a limit comes back a little later than it must, never earlier.
    let fixed = |wait: Duration| wait + wait.mul_f64(jitter / 2.0);
    let delay = match class {
        RetryClass::Transient | RetryClass::ClusterMissing => hint.unwrap_or_default().max(growing(t.backoff_max)),
        RetryClass::Busy => hint.unwrap_or_default().max(growing(t.busy_max)),
        RetryClass::Throttled => hint.map_or_else(|| fixed(t.throttle_default), |hint| hint + growing(t.backoff_min)),
        RetryClass::Credentials => fixed(t.breaker_window),
        RetryClass::Terminal => fixed(t.stalled_recheck),
    };
    delay.min(longest(o))
}

/// No retry is further away than this; one that is was written by a clock that was wrong.
fn longest(o: &Observation) -> Duration {
    let t = &o.timings;
    let fixed = t.breaker_window.max(t.stalled_recheck).max(t.throttle_default);
    t.backoff_max.max(t.busy_max).max(fixed) * 2
}

fn jitter(o: &Observation) -> f64 {
    f64::from(o.jitter) / 1000.0
}

/// Tells of a failure; returns also how long the object waits for its next try.
pub fn report<'a>(o: &Observation, draft: Draft<'a>, failure: &Failure) -> (Draft<'a>, Duration) {
    let retry = retry(o, failure);
    let wait = next_look(o, &retry);
    let for_long = until(retry.since, o.now) >= o.timings.busy_deadline;
    let draft = draft
        .edit(|status| status.retry = Some(retry))
        .verdict(&verdict::of_failure(failure, for_long));
    (draft, wait)
}

/// The plan for a read that failed. Short trouble leaves a standing Ready, or the verdict on a failed create, alone: it changes after some
/// failures in a row or after some time of them.
pub fn unreadable(o: &Observation, failure: &Failure) -> Plan {
    if (o.stands_ready() || o.failed()) && o.generation_observed() && !o.object.deleting {
        let t = &o.timings;
        let failing_for = o
            .memory
            .failing_since
            .map_or(Duration::ZERO, |since| o.uptime.saturating_sub(since));
        if o.memory.failures < t.ready_failures && failing_for < t.ready_grace {
            let wait = backoff::delay(o.memory.failures, t.backoff_min, t.backoff_max, jitter(o));
            // To come back earlier than one is asked to would only count another failure.
            let asked = failure.kind.delay().unwrap_or_default().min(longest(o));
            return Draft::new(o).hold(wait.max(asked));
        }
    }
    let (draft, wait) = report(o, Draft::new(o), failure);
    draft.wait(wait)
}

/// How long until the next look: the Secrets of a try that failed are read again more often than the cloud is asked.
pub fn next_look(o: &Observation, retry: &Retry) -> Duration {
    let wait = until(o.now, retry.next_retry_time);
    let is_for_a_person = matches!(retry.class, RetryClass::Terminal | RetryClass::Credentials);
    if is_for_a_person || sent_a_password(o, retry) {
        wait.min(o.timings.secret_recheck)
    } else {
        wait
    }
}

/// Whether a new version of the Secret would start a try at once. A rate limit is obeyed whatever there is to send.
fn heeds_secrets(retry: &Retry) -> bool {
    retry.class != RetryClass::Throttled
}

fn sent_a_password(o: &Observation, retry: &Retry) -> bool {
    heeds_secrets(retry) && o.object.spec.user_pwd.is_some() && o.object.status.secret.is_some()
}

/// The deadline gate: before the next try is due no event may cause one, unless what was sent has changed. Returns how long
/// to wait for the next look while it is closed.
pub fn closed(o: &Observation) -> Option<Duration> {
    let retry = o.object.status.retry.as_ref().filter(|_| o.generation_observed())?;
    let wait = until(o.now, retry.next_retry_time);
    if wait.is_zero() || wait > longest(o) {
        return None;
    }
    let changed = o.reconcile_requested() || o.credentials_changed() || (o.password_renewed() && !o.object.deleting);
    if heeds_secrets(retry) && changed {
        return None;
    }
    Some(next_look(o, retry))
}

/// Whether the password has to be read to know whether the gate is open.
pub fn needs_password(o: &Observation) -> bool {
    let retry = o.object.status.retry.as_ref();
    retry.is_some_and(|retry| sent_a_password(o, retry)) && o.password == Password::Unknown
}
