//! The status of a `DwsDataSource`: what the operator knows of the cloud's data source, and what it was doing.
//!
//! A later process goes on from here, so an id or an attempt is never dropped while it may matter. No string that the
//! cloud gives has a pattern: a status that says something unexpected must still be written. What the cloud said is cut to the lengths
//! of [`text`](super::text) by its writer.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::{self, Condition};
use super::data_source::DataSourceType;
use super::requested::Requested;
use super::text::{KEY_MAX, SENTENCE_MAX, WORD_MAX};

/// What the operator knows of the data source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DwsDataSourceStatus {
    /// The last generation of the spec with a final verdict, Ready or Stalled; -1 before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// The id of the data source in the cloud (`id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub id: Option<String>,
    /// The id of the last job in the cloud (`job_id`).
    #[serde(rename = "jobID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub job_id: Option<String>,
    /// Where the data source lives; written with the id and used for every later call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Coordinates>,
    /// The operation that is under way, or the last one if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// How the last attempt to create ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<LastAttempt>,
    /// What the cloud's list said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// The version of the password's Secret that the last try used, even if it came no further than the cloud's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVersion>,
    /// When and why the operator tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The last generation of the spec whose `spec.reboot` is spent: the restart was asked for with it, or it was carried out without one. A
    /// later generation may ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub reboot_generation: Option<i64>,
    /// The generation of the spec with which the last update in place was asked for; there is one for each generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub update_generation: Option<i64>,
    /// What the cloud was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Requested>,
    /// The import that was carried out. It stays when what was imported is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportRecord>,
    /// What the operator would do and may not do yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlannedChange>,
    /// The generation of the spec with which the last replacement was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replacement_generation: Option<i64>,
    /// The id of the last plan that was approved and begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub approved_plan: Option<String>,
    /// The last value of the annotation `dws.huaweicloud.com/reconcile-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub last_handled_reconcile_at: Option<String>,
    /// The last value of the annotation `dws.huaweicloud.com/reboot-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub last_handled_reboot_at: Option<String>,
    /// The last value of the annotation `dws.huaweicloud.com/refresh-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub last_handled_refresh_at: Option<String>,
    /// When the cloud was last compared with the spec. It is written along with other changes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync_time: Option<Timestamp>,
    /// Which install of the operator works on the object, as the namespace and the name of its Lease. Another one leaves the object alone until
    /// that Lease has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub controller: Option<String>,
    /// Ready, and Reconciling or Stalled while they hold; Paused while somebody asks for a pause.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "conditions::known"
    )]
    #[schemars(
        length(max = conditions::MAX),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

impl DwsDataSourceStatus {
    /// Whether it is worth a write, where `before` is written. When the cloud was last compared only rides along.
    #[must_use]
    pub fn is_news(&self, before: &Self) -> bool {
        let synced = Self {
            last_sync_time: before.last_sync_time,
            ..self.clone()
        };
        synced != *before
    }
}

/// Where a data source lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coordinates {
    /// The provider, as `Kind/name`.
    #[schemars(length(max = WORD_MAX))]
    pub provider: String,
    /// The DWS endpoint, as a URL.
    #[schemars(length(max = SENTENCE_MAX))]
    pub endpoint: String,
    /// The project id.
    #[serde(rename = "projectID")]
    #[schemars(length(max = WORD_MAX))]
    pub project_id: String,
    /// The DWS cluster id.
    #[serde(rename = "clusterID")]
    #[schemars(length(max = WORD_MAX))]
    pub cluster_id: String,
}

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

/// The cloud's list item, as far as it tells the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// The cloud's `status` by its name, for example Available: the state of the service behind the data source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub status: Option<String>,
    /// The cloud's `configure_status` by its name, for example Active: the state of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub configure_status: Option<String>,
    /// The account or agency (`user_name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub user_name: Option<String>,
    /// When it was created, as the cloud writes it (without a zone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub created: Option<String>,
    /// When it was updated, as the cloud writes it (without a zone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub updated: Option<String>,
    /// Why it failed, in the cloud's words (`fail_reason`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SENTENCE_MAX))]
    pub fail_reason: Option<String>,
}

/// A version of a Secret, and which of its values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// The Secret's uid.
    #[schemars(length(max = WORD_MAX))]
    pub uid: String,
    /// The Secret's resourceVersion.
    #[schemars(length(max = WORD_MAX))]
    pub resource_version: String,
    /// The key of the value.
    #[schemars(length(max = KEY_MAX))]
    pub key: String,
    /// The value's HMAC-SHA256 under a key that only the operator can read, behind the id of that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub hmac: Option<String>,
}

impl SecretVersion {
    /// Whether both are the same value, as far as anybody can tell: where both carry an HMAC of the same key the HMACs decide, else the versions of
    /// the Secret.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> bool {
        self.told_apart(other)
            .map_or_else(|| self.same_version(other), |differ| !differ)
    }

    /// Whether both are the same version of the same Secret and the same of its values.
    #[must_use]
    pub fn same_version(&self, other: &Self) -> bool {
        (&self.uid, &self.resource_version, &self.key) == (&other.uid, &other.resource_version, &other.key)
    }

    /// Whether the values differ; none if their HMACs cannot tell.
    #[must_use]
    pub fn told_apart(&self, other: &Self) -> Option<bool> {
        let (one, two) = (self.hmac.as_ref()?, other.hmac.as_ref()?);
        let key = |hmac: &str| hmac.split_once(':').map(|(key, _)| key.to_owned());
        (key(one) == key(two)).then(|| one != two)
    }
}

/// An import that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportRecord {
    /// The uid of the object that it was carried out for: a copied or restored status proves nothing.
    #[schemars(length(max = WORD_MAX))]
    pub uid: String,
    /// The id of the data source in the cloud.
    #[schemars(length(max = WORD_MAX))]
    pub id: String,
    /// Its name there, whatever the spec says later.
    #[schemars(length(max = WORD_MAX))]
    pub name: String,
    /// Its type there, whatever the spec says later.
    #[serde(rename = "type")]
    pub type_: DataSourceType,
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
