//! A data source of the cloud in memory.

use std::time::Duration;

use crate::cloud::ConfigureStatus;
use crate::reconcile::plan::{DataSourceType, Item};

/// A data source, from its creation to the end of time.
#[derive(Clone, Debug)]
pub struct Source {
    pub id: String,
    pub cluster: String,
    pub type_: DataSourceType,
    pub name: String,
    pub user_name: String,
    pub connect_info: Option<String>,
    pub description: Option<String>,
    pub created: Duration,
    /// When it is ready, unless it fails.
    pub ready: Option<Duration>,
    pub failed: Option<Duration>,
    pub leaving: Option<Duration>,
    pub gone: Option<Duration>,
    /// How long lists lag behind it.
    pub lag: Duration,
}

impl Source {
    /// Whether it is there, or will be.
    pub fn lives(&self, now: Duration) -> bool {
        self.gone.is_none_or(|gone| gone > now)
    }

    /// What a list shows of it.
    pub fn item(&self, now: Duration) -> Item {
        let past = |time: Option<Duration>| time.is_some_and(|time| time <= now);
        let state = if past(self.leaving) {
            ConfigureStatus::Deleting
        } else if past(self.failed) {
            ConfigureStatus::Failed
        } else if past(self.ready) {
            ConfigureStatus::Active
        } else {
            ConfigureStatus::Creating
        };
        Item {
            id: self.id.clone(),
            name: self.name.clone(),
            type_: Some(self.type_),
            connect_info: self.connect_info.clone(),
            user_name: Some(self.user_name.clone()),
            data_source_id: None,
            description: self.description.clone(),
            configure_status: Some(state),
            status: None,
            created: Some(format!("{:012}", self.created.as_millis())),
            updated: None,
            fail_reason: None,
        }
    }
}
