//! From a failure to a verdict and the next try.

use std::time::Duration;

use super::super::plan::{Failure, FailureKind, Missing, Observation, Plan, Rejection, Retry, RetryClass, RetryWait};
use super::draft::Draft;
use super::facts::{after, until};
use crate::api::Reason;
use crate::api::conditions::Verdict;
use crate::runtime::backoff;

/// What a failure means for the object.
pub struct Trouble {
    pub verdict: Verdict,
    pub retry: Retry,
}

/// Judges a failure: its verdict, and when to try again.
pub fn judge(o: &Observation, failure: &Failure) -> Trouble {
    let t = &o.timings;
    let class = match failure.kind {
        FailureKind::RetryAfter {
            wait: RetryWait::Busy, ..
        } => RetryClass::Busy,
        FailureKind::RetryAfter {
            wait: RetryWait::Throttled,
            ..
        } => RetryClass::Throttled,
        FailureKind::RetryAfter {
            wait: RetryWait::Transient,
            ..
        }
        | FailureKind::UnknownOutcome { .. }
        | FailureKind::Fenced => RetryClass::Transient,
        FailureKind::Rejected { .. } => RetryClass::Terminal,
        FailureKind::Gone { .. } => RetryClass::ClusterMissing,
        FailureKind::CredentialsRejected => RetryClass::Credentials,
    };
    let earlier = o
        .object
        .status
        .retry
        .as_ref()
        .filter(|retry| retry.class == class && o.generation_observed());
    let attempts = earlier.map_or(0, |retry| retry.attempts);
    let since = earlier.map_or(o.now, |retry| retry.since);
    let hint = match failure.kind {
        FailureKind::RetryAfter { delay, .. } => delay,
        _ => None,
    };
    let jitter = f64::from(o.jitter) / 1000.0;
    let growing = |max| backoff::delay(attempts.unsigned_abs(), t.backoff_min, max, jitter);
    // What waits for a person or a limit comes back a little later than it must, never earlier.
    let fixed = |wait: Duration| wait + wait.mul_f64(jitter / 2.0);
    let delay = match class {
        RetryClass::Transient | RetryClass::ClusterMissing => hint.unwrap_or_default().max(growing(t.backoff_max)),
        RetryClass::Busy => hint.unwrap_or_default().max(growing(t.busy_max)),
        RetryClass::Throttled => hint.map_or_else(|| fixed(t.throttle_default), |hint| hint + growing(t.backoff_min)),
        RetryClass::Credentials => fixed(t.breaker_window),
        RetryClass::Terminal => fixed(t.stalled_recheck),
    };
    let retry = Retry {
        attempts: attempts.saturating_add(1),
        class,
        since,
        next_retry_time: after(o.now, delay),
        last_error_code: failure
            .code
            .clone()
            .or_else(|| failure.status.map(|status| format!("HTTP {status}"))),
        last_request_id: failure.request_id.clone(),
    };
    let verdict = verdict(failure, o.now.duration_since(since).unsigned_abs() >= t.busy_deadline);
    Trouble { verdict, retry }
}

fn verdict(failure: &Failure, busy_for_long: bool) -> Verdict {
    let says = says(failure);
    match &failure.kind {
        FailureKind::RetryAfter {
            wait: RetryWait::Busy, ..
        } if busy_for_long => Verdict::Reconciling(
            Reason::WaitingForCluster,
            format!("The DWS cluster has been busy or faulty for long; look at its state in the console. {says}"),
        ),
        FailureKind::RetryAfter {
            wait: RetryWait::Busy, ..
        } => Verdict::Reconciling(
            Reason::Retrying,
            format!("The DWS cluster is busy with another operation; trying again. {says}"),
        ),
        FailureKind::RetryAfter {
            wait: RetryWait::Throttled,
            ..
        } => Verdict::Reconciling(
            Reason::RateLimited,
            format!("The cloud limits the rate of requests; trying again later. {says}"),
        ),
        FailureKind::RetryAfter {
            wait: RetryWait::Transient,
            ..
        }
        | FailureKind::UnknownOutcome { answered: true }
        | FailureKind::Fenced => Verdict::Reconciling(
            Reason::Retrying,
            format!("The cloud cannot answer now; trying again. {says}"),
        ),
        FailureKind::UnknownOutcome { answered: false } => Verdict::Reconciling(
            Reason::Recovering,
            format!("A request got no answer; finding out from the list what became of it. {says}"),
        ),
        FailureKind::Rejected {
            reason: Rejection::Invalid,
        } => Verdict::Stalled(
            Reason::InvalidSpec,
            format!("The cloud refuses the request; correct the spec or the Secret that it names. {says}"),
        ),
        FailureKind::Rejected {
            reason: Rejection::Denied,
        } => Verdict::Stalled(
            Reason::AccessDenied,
            format!("The provider's credentials lack a permission, or the account is restricted. {says}"),
        ),
        FailureKind::Rejected {
            reason: Rejection::Exists,
        } => Verdict::Stalled(
            Reason::AlreadyExists,
            format!(
                "The DWS cluster holds a data source of this name that is not this object's; choose another dataSourceName or delete that one. {says}"
            ),
        ),
        FailureKind::Gone { what: Missing::Cluster } => Verdict::Reconciling(
            Reason::WaitingForCluster,
            format!("The DWS cluster does not exist; check clusterID and the provider's region and project. {says}"),
        ),
        FailureKind::Gone {
            what: Missing::Something,
        } => Verdict::Reconciling(
            Reason::WaitingForCluster,
            format!("The cloud finds no such resource; check clusterID and the provider's region and project. {says}"),
        ),
        FailureKind::CredentialsRejected => Verdict::Stalled(
            Reason::CredentialsRejected,
            format!("The cloud refuses the provider's credentials; correct its Secret. {says}"),
        ),
    }
}

/// The cloud's own words, stable from try to try.
fn says(failure: &Failure) -> String {
    match (&failure.code, failure.status) {
        (Some(code), _) => format!("{code}: {}", failure.message),
        (None, Some(status)) => format!("HTTP {status}: {}", failure.message),
        (None, None) => failure.message.clone(),
    }
}

/// A report of a failure after which the object waits for its next try.
pub fn report<'a>(o: &Observation, draft: Draft<'a>, failure: &Failure) -> Draft<'a> {
    let Trouble { verdict, retry } = judge(o, failure);
    draft.edit(|status| status.retry = Some(retry)).verdict(&verdict)
}

/// The plan for a read that failed. Short trouble leaves a standing Ready alone: it turns False after some failures in a row
/// or after some time of them.
pub fn unreadable(o: &Observation, failure: &Failure) -> Plan {
    if o.stands_ready() && o.generation_observed() && !o.object.deleting {
        let t = &o.timings;
        let failing_for = o
            .memory
            .failing_since
            .map_or(Duration::ZERO, |since| o.uptime.saturating_sub(since));
        if o.memory.failures < t.ready_failures && failing_for < t.ready_grace {
            let jitter = f64::from(o.jitter) / 1000.0;
            return Draft::new(o).wait(backoff::delay(o.memory.failures, t.backoff_min, t.backoff_max, jitter));
        }
    }
    wait_for_retry(o, report(o, Draft::new(o), failure), failure)
}

/// Ends a report of a failure with the wait for its next try.
pub fn wait_for_retry(o: &Observation, draft: Draft<'_>, failure: &Failure) -> Plan {
    let Trouble { retry, .. } = judge(o, failure);
    draft.wait(next_look(o, &retry))
}

/// How long to wait for the next try: secrets that were refused are read again more often than the cloud is asked.
fn next_look(o: &Observation, retry: &Retry) -> Duration {
    let wait = until(o.now, retry.next_retry_time);
    match retry.class {
        RetryClass::Terminal | RetryClass::Credentials => wait.min(o.timings.secret_recheck),
        _ => wait,
    }
}

/// The deadline gate: before the next try is due, no event may cause one, unless what was refused has changed.
pub fn gate(o: &Observation) -> Option<Plan> {
    use super::super::plan::{Look, Password};
    let retry = o.object.status.retry.as_ref().filter(|_| o.generation_observed())?;
    // A clock that was wrong when the status was written must not hold the object for ever.
    let longest = o.timings.backoff_max.max(o.timings.stalled_recheck * 2);
    let next = retry.next_retry_time.min(after(o.now, longest));
    if next <= o.now {
        return None;
    }
    if matches!(retry.class, RetryClass::Terminal | RetryClass::Credentials) {
        if o.object.spec.user_pwd.is_some() && o.object.status.secret.is_some() && o.password == Password::Unknown {
            return Some(Plan::Look(Look::Password));
        }
        if o.secret_changed() {
            return None;
        }
    }
    let wait = next_look(
        o,
        &Retry {
            next_retry_time: next,
            ..retry.clone()
        },
    );
    Some(Draft::new(o).wait(wait))
}
