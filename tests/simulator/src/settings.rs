//! How the simulated cloud behaves. Values only; every request works with the settings of the moment it is carried out.
//! In JSON, durations are strings such as `"1s"` or `"250ms"`, and what is left out keeps its default.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::Account;
use crate::error_body::Refusal;
use crate::job::JobOutcome;

/// The behaviour of the simulated cloud.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who can log in. Write-only: it is never shown.
    #[serde(skip_serializing)]
    pub account: Account,
    /// How long a job runs. With zero it is done at the first look.
    #[serde(with = "compact::required")]
    pub job_duration: Duration,
    /// How jobs of creates end. A job keeps the outcome and the duration it started with.
    pub create_outcome: JobOutcome,
    /// How jobs of updates end.
    pub update_outcome: JobOutcome,
    /// How jobs of deletes end.
    pub delete_outcome: JobOutcome,
    /// What an update does whose job succeeds.
    pub update_effect: UpdateEffect,
    /// Exceptions from the four settings above, by the exact name of the data source.
    pub by_name: BTreeMap<String, NameSettings>,
    /// Which states a job shows that is under way.
    pub job_states: JobStates,
    /// What a write answers while a job of its cluster runs.
    pub busy: Busy,
    /// Whether two data sources of a cluster may have the same name, upper and lower case being the same.
    pub duplicate_names: DuplicateNames,
    /// How long a new data source is missing in the list.
    #[serde(with = "compact::required")]
    pub list_lag: Duration,
    /// How long a deleted data source still shows in the list.
    #[serde(with = "compact::required")]
    pub delete_lag: Duration,
    /// How the list writes states.
    pub state_notation: StateNotation,
    /// Whether `count` is the number of items in the list.
    pub count: Count,
    /// Whether a cluster exists as soon as a call names it.
    pub unknown_clusters: UnknownClusters,
    /// The answer to an update, delete or job call for an id that does not exist.
    pub unknown_id: Refusal,
    /// The databases that exist in every cluster. With an empty list, every database exists.
    pub databases: Vec<String>,
    /// How long an IAM token is valid.
    #[serde(with = "compact::required")]
    pub token_lifetime: Duration,
    /// How long a temporary access key is valid at most.
    #[serde(with = "compact::required")]
    pub temporary_lifetime: Duration,
    /// Whether the metadata service gives tokens and needs them (its second version).
    pub metadata_tokens: bool,
    /// How long an access key is locked after more than five failures in a row.
    #[serde(with = "compact::required")]
    pub key_lock: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: Account::default(),
            job_duration: Duration::from_secs(1),
            create_outcome: JobOutcome::Success,
            update_outcome: JobOutcome::Success,
            delete_outcome: JobOutcome::Success,
            update_effect: UpdateEffect::Applied,
            by_name: BTreeMap::new(),
            job_states: JobStates::Two,
            busy: Busy::Forbidden,
            duplicate_names: DuplicateNames::Refuse,
            list_lag: Duration::ZERO,
            delete_lag: Duration::ZERO,
            state_notation: StateNotation::Numbers,
            count: Count::Right,
            unknown_clusters: UnknownClusters::Appear,
            // No document says what an unknown id answers. This code also never proves that a cluster is gone.
            unknown_id: Refusal::new(
                404,
                "DWS.0015",
                "The resource does not exist or you have no permission.",
            ),
            databases: Vec::new(),
            // The lifetime that the IAM documentation states.
            token_lifetime: Duration::from_hours(24),
            // The longest that IAM documents.
            temporary_lifetime: Duration::from_hours(24),
            metadata_tokens: true,
            // The lock that the API signing guide states.
            key_lock: Duration::from_mins(5),
        }
    }
}

impl Settings {
    /// Replaces the settings that a JSON object names; `null` restores a default. On an error nothing changes.
    pub(crate) fn patch(&mut self, patch: Map<String, Value>) -> Result<(), serde_json::Error> {
        let has_account = patch.contains_key("account");
        let Value::Object(mut fields) = serde_json::to_value(&*self)? else {
            unreachable!("a struct becomes an object");
        };
        fields.extend(patch);
        fields.retain(|_, value| !value.is_null());
        let mut patched: Self = serde_json::from_value(Value::Object(fields))?;
        if !has_account {
            patched.account = std::mem::take(&mut self.account);
        }
        *self = patched;
        Ok(())
    }
}

/// Exceptions for the data sources of one name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NameSettings {
    /// Instead of [`Settings::job_duration`].
    #[serde(with = "compact::optional")]
    pub job_duration: Option<Duration>,
    /// Instead of [`Settings::create_outcome`].
    pub create_outcome: Option<JobOutcome>,
    /// Instead of [`Settings::update_outcome`].
    pub update_outcome: Option<JobOutcome>,
    /// Instead of [`Settings::delete_outcome`].
    pub delete_outcome: Option<JobOutcome>,
}

/// What an update does whose job succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateEffect {
    /// The agency changes.
    Applied,
    /// Nothing changes, as it was seen of the real API.
    Ignored,
}

/// Which states a job shows that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStates {
    /// `INIT` until there is progress, then `RUNNING`.
    Two,
    /// All that the SDK names, a quarter of the progress each: `INIT`, `WAITING`, `RUNNING`, `DELAY_SCHEDULED`.
    Four,
}

/// What a write answers while a job of its cluster runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Busy {
    /// 403 with DWS.7023.
    Forbidden,
    /// 409 with DWS.0011.
    Conflict,
    /// Nothing: any number of operations run at once.
    Never,
}

/// What a create with the name of another data source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateNames {
    /// 400 with DWS.0031.
    Refuse,
    /// It is accepted.
    Allow,
}

/// How the list writes `configure_status` and `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateNotation {
    /// `"200"`.
    Numbers,
    /// `"ACTIVE"`.
    Names,
}

/// What the list gives as `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// The number of items it shows.
    Right,
    /// Four more than that, as in the documentation's example.
    Wrong,
}

/// What happens to calls that name a cluster for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownClusters {
    /// The cluster exists from then on.
    Appear,
    /// 404 with DWS.0047.
    Refuse,
}
