//! The write-ahead record of a create: an annotation written before the POST.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::data_source::DataSourceType;

/// The annotation that holds the intent, as JSON.
pub const INTENT_ANNOTATION: &str = "dws.huaweicloud.com/create-intent";

/// What a create was about to do, so that a later process can find out what became of it.
///
/// It is an intent of the object only if `uid` is the object's; it is open until `status.lastAttempt.id` equals `attempt`.
/// Recovery and deletion use these coordinates, never the spec's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The uid of the object the intent was written for.
    pub uid: String,
    /// The id of this attempt.
    pub attempt: String,
    /// The identity of the operator that wrote it.
    pub holder: String,
    /// When it was written.
    pub time: Timestamp,
    /// The provider, as `Kind/name`.
    pub provider: String,
    /// The DWS endpoint, as a URL.
    pub endpoint: String,
    /// The project id.
    #[serde(rename = "projectID")]
    pub project_id: String,
    /// The DWS cluster id.
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
    /// The type of the data source.
    #[serde(rename = "type")]
    pub type_: DataSourceType,
    /// The name of the data source.
    pub name: String,
    /// Whether the request asks for a restart of the DWS cluster.
    #[serde(default)]
    pub reboot: bool,
}
