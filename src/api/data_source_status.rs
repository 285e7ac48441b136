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
use super::operation::{LastAttempt, Operation, PlannedChange, Retry};
use super::requested::Requested;
use super::secret_version::SecretVersion;
use super::text::{SENTENCE_MAX, WORD_MAX};

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
    /// When the cloud was last compared with the spec. It is written along with other changes only; it is absent while a comparison that was asked
    /// for has not come to its end.
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
    /// Whether it is worth a write, where `before` is written. When the cloud was last compared only rides along, but that it was does not.
    #[must_use]
    pub fn is_news(&self, before: &Self) -> bool {
        let is_first = self.last_sync_time.is_some() != before.last_sync_time.is_some();
        let synced = Self {
            last_sync_time: before.last_sync_time,
            ..self.clone()
        };
        is_first || synced != *before
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
