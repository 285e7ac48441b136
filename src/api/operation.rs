//! The part of a status about what the operator is doing: the operation that is under way, the last attempt to create, what it would do if it might,
//! and what it tries again.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data_source::DataSourceType;
use super::text::{SENTENCE_MAX, WORD_MAX};

/// What kind of operation is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationType {
    /// A create job runs.
    Create,
    /// A delete job runs.
    Delete,
    /// A failed create, or what the spec no longer describes, is removed, then created anew.
    Replace,
    /// A change in place, or a restart that was asked for.
    Update,
}

/// An operation of the cloud, followed by its job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Create, Delete, Replace or Update.
    #[serde(rename = "type")]
    pub type_: OperationType,
    /// When it began, as far as it is known.
    pub started_at: Timestamp,
    /// The generation of the spec that the operation carries out; 0 if that is not known.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// The progress that the job reported, for example `40%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub progress: Option<String>,
    /// Delete and Replace: when a DELETE was first sent that is not known to have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// Replace: the id of what goes first.
    #[serde(rename = "oldID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub old_id: Option<String>,
    /// Replace: the id of the plan that is carried out; none where a failed create is removed.
    #[serde(rename = "planID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub plan_id: Option<String>,
    /// Update: the agency that it asks for, if it changes that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub user_name: Option<String>,
    /// Update: the request for a restart that it answers; none if the spec asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub reboot_token: Option<String>,
    /// Update: whether it asks for a restart of the DWS cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reboot: bool,
    /// The job's `failed_code`, for example `CreateTask-fail:DWS.0114`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub failed_code: Option<String>,
    /// The job's `failed_detail`: why it failed, in the cloud's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SENTENCE_MAX))]
    pub failed_detail: Option<String>,
}

impl Operation {
    /// One that has begun, of which nothing more is known.
    #[must_use]
    pub fn begun(type_: OperationType, started_at: Timestamp, generation: i64) -> Self {
        Operation {
            type_,
            started_at,
            generation,
            progress: None,
            requested_at: None,
            old_id: None,
            plan_id: None,
            user_name: None,
            reboot_token: None,
            reboot: false,
            failed_code: None,
            failed_detail: None,
        }
    }
}

/// How an attempt to create ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AttemptOutcome {
    /// The cloud accepted it.
    Created,
    /// The cloud refused it; nothing was created.
    Rejected,
    /// Its answer was lost and the data source was found in the list.
    Recovered,
    /// Its answer was lost and the data source did not show in the list.
    Absent,
    /// What it created is gone from the cloud.
    Gone,
}

/// The last attempt to create.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastAttempt {
    /// The id of the attempt, as in the annotation `dws.huaweicloud.com/create-intent`.
    #[schemars(length(max = WORD_MAX))]
    pub id: String,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The name that it asked for, or that was found: the recorded data source has it, whatever the spec says later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub name: Option<String>,
    /// The type of the same.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<DataSourceType>,
    /// Until when an attempt whose answer was lost may still show an effect. The object cannot go before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_until: Option<Timestamp>,
}

impl LastAttempt {
    /// Whether it created a data source that is not known to be gone.
    #[must_use]
    pub fn has_created(&self) -> bool {
        matches!(self.outcome, AttemptOutcome::Created | AttemptOutcome::Recovered)
    }
}

/// What a plan would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PlanAction {
    /// Delete the data source, then create it anew.
    Replace,
}

/// What the operator would do and may not do yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// Its id, to be approved by the annotation `dws.huaweicloud.com/approve`. It changes with the data source in the cloud and with what the
    /// spec and the Secret ask for.
    #[schemars(length(max = WORD_MAX))]
    pub id: String,
    /// What it would do.
    pub action: PlanAction,
    /// The fields of the spec that ask for it, or `createFailed`.
    #[schemars(length(max = 16), inner(length(max = WORD_MAX)), extend("x-kubernetes-list-type" = "atomic"))]
    pub because: Vec<String>,
    /// What it would interrupt.
    #[schemars(length(max = SENTENCE_MAX))]
    pub interrupts: String,
}

/// What kind of trouble is being retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RetryClass {
    /// The network or the cloud failed.
    Transient,
    /// The DWS cluster runs another operation.
    Busy,
    /// The cloud throttles.
    Throttled,
    /// The DWS cluster does not exist.
    ClusterMissing,
    /// The credentials are refused.
    Credentials,
    /// Somebody has to change something.
    Terminal,
}

/// When and why the operator tries again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How many tries have failed in a row.
    #[schemars(range(min = 0))]
    pub attempts: i32,
    /// What kind of trouble.
    pub class: RetryClass,
    /// When the first of them failed.
    pub since: Timestamp,
    /// When the next try is due.
    pub next_retry_time: Timestamp,
    /// The cloud's last error code, for example DWS.7023.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub last_error_code: Option<String>,
    /// The cloud's id of the last failed request (`X-Request-Id`); its support asks for it.
    #[serde(rename = "lastRequestID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub last_request_id: Option<String>,
}
