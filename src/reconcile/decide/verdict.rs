//! What a failure or the state of a listed data source means for the user.

use std::time::Duration;

use super::super::plan::{Failure, FailureKind, Health, Missing, Observation, Rejection, RetryWait};
use crate::api::Reason;
use crate::api::conditions::Verdict;

/// The verdict while the cloud creates.
pub const CREATING: &str = "The cloud is creating the data source.";

/// The verdict while somebody else deletes.
pub const LEAVING: &str = "Somebody is deleting the data source in the cloud; it is created again afterwards.";

/// The verdict on a failure; `busy_for_long` is whether it has been the same for so long that a person should look.
pub fn of_failure(failure: &Failure, busy_for_long: bool) -> Verdict {
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
        | FailureKind::UnknownOutcome { answered: true, .. }
        | FailureKind::Fenced => Verdict::Reconciling(
            Reason::Retrying,
            format!("The cloud cannot be asked, or cannot answer, now; trying again. {says}"),
        ),
        FailureKind::UnknownOutcome { answered: false, .. } => Verdict::Reconciling(
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
            format!(
                "The cloud refuses the provider's credentials; correct its Secret, or whatever they come from. {says}"
            ),
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

/// The verdict on a data source that is listed but cannot be used, and when to look again. `fail_reason` is the cloud's own.
pub fn of_health(o: &Observation, health: &Health, fail_reason: Option<&str>) -> (Verdict, Duration) {
    let t = &o.timings;
    let stalled = |reason, message: &str| (Verdict::Stalled(reason, message.to_owned()), t.stalled_recheck);
    let reconciling = |reason, message: String| (Verdict::Reconciling(reason, message), t.job_poll_max);
    match health {
        Health::RebootRequired => stalled(
            Reason::RebootRequired,
            "The data source takes effect after a restart of the DWS cluster; restart it in the console, or set dws.huaweicloud.com/reboot-requested-at to a new value.",
        ),
        Health::Frozen => stalled(
            Reason::Frozen,
            "The account or the DWS cluster is frozen; settle that with Huawei Cloud.",
        ),
        // It was available before, so this is no failed create, which may be removed.
        Health::Failed => {
            let why = fail_reason.filter(|why| !why.is_empty());
            let why = why.unwrap_or("the cloud gives no reason");
            let message = format!(
                "The data source was available and has failed since: {why}. Look at it in the console; an OBS source may come back when dws.huaweicloud.com/refresh-requested-at is set. If it cannot be mended, delete it and create it anew."
            );
            stalled(Reason::Drifted, &message)
        }
        Health::DeleteFailed => stalled(
            Reason::Drifted,
            "Somebody tried to delete the data source in the cloud and failed; look at it in the console.",
        ),
        Health::Stopped => reconciling(
            Reason::WaitingForCluster,
            "The data source's cluster is stopped or starting.".to_owned(),
        ),
        Health::Updating => reconciling(
            Reason::WaitingForCluster,
            "The cloud is changing the data source.".to_owned(),
        ),
        Health::Leaving => reconciling(Reason::Recovering, LEAVING.to_owned()),
        Health::Unknown(state) => reconciling(
            Reason::Recovering,
            format!("The cloud reports a state that the operator does not know: {state}."),
        ),
        Health::Creating | Health::Healthy => reconciling(Reason::Creating, CREATING.to_owned()),
    }
}
