//! The bodies of requests and answers as the cloud documents them, and their states by name.

use jiff::Timestamp;

use std::fmt;

use crate::api::data_source::DataSourceType;

/// The answer to an accepted create.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Accepted {
    /// The id of the data source.
    pub id: String,
    /// The id of the job that creates it.
    pub job_id: String,
}

/// The body of a create, without the password.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateRequest {
    /// The type.
    pub type_: DataSourceType,
    /// The name.
    pub data_source_name: String,
    /// OBS: the agency; MRS: the account.
    pub user_name: String,
    /// MRS: the MRS cluster id.
    pub data_source_id: Option<String>,
    /// OBS: the database.
    pub connect_info: Option<String>,
    /// The description, ownership marker included.
    pub description: Option<String>,
    /// Whether to restart the DWS cluster; only `true` is ever sent.
    pub reboot: bool,
}

/// What an update may change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reconfigure {
    /// The IAM agency of an OBS source; none leaves it, which renews the credentials taken from it.
    pub agency: Option<String>,
    /// Whether to restart the DWS cluster; only `true` is ever sent.
    pub reboot: bool,
}

/// The answer to a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// The items that can be used.
    pub items: Vec<Item>,
    /// How many items the cloud says there are; a larger number than was listed proves nothing absent.
    pub count: Option<u64>,
    /// How many items were left out because they have no valid id or no name.
    pub dropped: usize,
    /// When the cloud answered, by its own clock.
    pub date: Option<Timestamp>,
}

/// A data source as the list shows it.
///
/// All texts but `description` are cut to 256 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type, if the list tells a known one.
    pub type_: Option<DataSourceType>,
    /// The database.
    pub connect_info: Option<String>,
    /// The account or agency.
    pub user_name: Option<String>,
    /// The MRS cluster id.
    pub data_source_id: Option<String>,
    /// The description as stored, ownership marker included.
    pub description: Option<String>,
    /// The state of the connection.
    pub configure_status: Option<ConfigureStatus>,
    /// The state of the remote side.
    pub status: Option<SourceStatus>,
    /// When it was created, as the cloud writes it.
    pub created: Option<String>,
    /// When it was updated, as the cloud writes it.
    pub updated: Option<String>,
    /// Why it failed.
    pub fail_reason: Option<String>,
}

/// The cloud's `configure_status`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConfigureStatus {
    /// 100
    Creating,
    /// 200
    Active,
    /// 300
    Failed,
    /// 400
    Deleted,
    /// 401
    Deleting,
    /// 500
    Updating,
    /// 600
    PendingReboot,
    /// Any other value.
    Other(String),
}

/// The cloud's `status`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceStatus {
    /// 100
    Creating,
    /// 200
    Available,
    /// 300
    Failed,
    /// 302
    DeleteFailed,
    /// 303
    CreateFailed,
    /// 304
    Deleting,
    /// 400
    Deleted,
    /// 800
    Frozen,
    /// 801
    PoliceFrozen,
    /// 900
    Stopped,
    /// 910
    Stopping,
    /// 920
    Starting,
    /// Any other value.
    Other(String),
}

/// A job as the cloud reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// Its state.
    pub state: JobState,
    /// Its progress, for example `40%`.
    pub progress: Option<String>,
    /// `failed_code`, sanitised like an error message.
    pub failed_code: Option<String>,
    /// `failed_detail`, sanitised like an error message.
    pub failed_detail: Option<String>,
}

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// INIT, WAITING, RUNNING, `DELAY_SCHEDULED`.
    Running,
    /// SUCCESS.
    Succeeded,
    /// FAIL, STOP, ERROR.
    Failed,
    /// A state that no document names.
    Other(String),
}

impl ConfigureStatus {
    /// The state of this number or name, if a document names it.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "100" | "CREATING" => Self::Creating,
            "200" | "ACTIVE" => Self::Active,
            "300" | "FAILED" => Self::Failed,
            "400" | "DELETED" => Self::Deleted,
            "401" | "DELETING" => Self::Deleting,
            "500" | "UPDATING" => Self::Updating,
            "600" | "PENDING_REBOOT" => Self::PendingReboot,
            _ => return None,
        })
    }
}

impl SourceStatus {
    /// The state of this number or name, if a document names it.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "100" | "CREATING" => Self::Creating,
            "200" | "AVAILABLE" => Self::Available,
            "300" | "FAILED" => Self::Failed,
            "302" | "DELETE_FAILED" => Self::DeleteFailed,
            "303" | "CREATE_FAILED" => Self::CreateFailed,
            "304" | "DELETING" => Self::Deleting,
            "400" | "DELETED" => Self::Deleted,
            "800" | "FROZEN" => Self::Frozen,
            "801" | "POLICE_FROZEN" => Self::PoliceFrozen,
            "900" | "STOPPED" => Self::Stopped,
            "910" | "STOPPING" => Self::Stopping,
            "920" | "STARTING" => Self::Starting,
            _ => return None,
        })
    }
}

impl JobState {
    /// The state of this name, if a document names it.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "INIT" | "WAITING" | "RUNNING" | "DELAY_SCHEDULED" => Self::Running,
            "SUCCESS" => Self::Succeeded,
            "FAIL" | "STOP" | "ERROR" => Self::Failed,
            _ => return None,
        })
    }
}

impl fmt::Display for ConfigureStatus {
    /// Its name in the words of this module; what no document names as the cloud writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.write_str(text),
            known => write!(f, "{known:?}"),
        }
    }
}

impl fmt::Display for SourceStatus {
    /// Its name in the words of this module; what no document names as the cloud writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.write_str(text),
            known => write!(f, "{known:?}"),
        }
    }
}
