//! External data sources as the simulated cloud stores them, and what the list shows of them.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::settings::StateNotation;

/// The types of data sources that the API knows.
pub const TYPES: [&str; 3] = ["OBS", "MRS", "LAKE_FORMATION"];

/// `configure_status` and its documented names.
const CONFIGURE_STATES: [(&str, &str); 7] = [
    ("100", "CREATING"),
    ("200", "ACTIVE"),
    ("300", "FAILED"),
    ("400", "DELETED"),
    ("401", "DELETING"),
    ("500", "UPDATING"),
    ("600", "PENDING_REBOOT"),
];
/// `status` and its documented names.
const STATES: [(&str, &str); 12] = [
    ("100", "CREATING"),
    ("200", "AVAILABLE"),
    ("300", "FAILED"),
    ("302", "DELETE_FAILED"),
    ("303", "CREATE_FAILED"),
    ("304", "DELETING"),
    ("400", "DELETED"),
    ("800", "FROZEN"),
    ("801", "POLICE_FROZEN"),
    ("900", "STOPPED"),
    ("910", "STOPPING"),
    ("920", "STARTING"),
];

/// A data source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type, one of [`TYPES`] unless edited by hand.
    #[serde(rename = "type")]
    pub type_: String,
    /// OBS: the agency; MRS: the account.
    pub user_name: String,
    /// Digest of the password it was created with.
    pub password: Option<String>,
    /// OBS: the database.
    pub connect_info: Option<String>,
    /// MRS: the MRS cluster id.
    pub data_source_id: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The state of the connection, as a number.
    pub configure_status: String,
    /// The state of the remote side, as a number. The list leaves it out when there is none, as it does for OBS.
    pub status: Option<String>,
    /// Why it failed.
    pub fail_reason: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was updated last.
    pub updated: Option<Timestamp>,
    /// From when on the list shows it.
    pub visible_from: Timestamp,
}

impl Source {
    /// Sets both states. For OBS only `configure_status` is kept, as in the documentation's example.
    pub(crate) fn set_states(&mut self, configure_status: &str, status: &str) {
        configure_status.clone_into(&mut self.configure_status);
        self.status = (self.type_ != "OBS").then(|| status.to_owned());
    }

    /// Replaces the fields that a JSON object names. On an error nothing changes.
    pub(crate) fn patch(&mut self, patch: Map<String, Value>) -> Result<(), serde_json::Error> {
        let Value::Object(mut fields) = serde_json::to_value(&*self)? else {
            unreachable!("a struct becomes an object");
        };
        fields.extend(patch);
        *self = serde_json::from_value(Value::Object(fields))?;
        Ok(())
    }

    /// The list's item. The password is never part of it.
    pub(crate) fn shown(&self, notation: StateNotation) -> Value {
        let mut item = json!({
            "id": self.id,
            "name": self.name,
            "type": self.type_,
            "user_name": self.user_name,
            "configure_status": written(&self.configure_status, &CONFIGURE_STATES, notation),
            "created": cloud_time(self.created),
            "extend_properties": {},
            "fail_reason": self.fail_reason,
        });
        let optional = [
            ("connect_info", self.connect_info.clone()),
            ("data_source_id", self.data_source_id.clone()),
            ("description", self.description.clone()),
            (
                "status",
                self.status
                    .as_deref()
                    .map(|status| written(status, &STATES, notation).to_owned()),
            ),
            ("updated", self.updated.map(cloud_time)),
            ("data_source_updated", self.updated.map(cloud_time)),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                item[key] = Value::String(value);
            }
        }
        item
    }
}

/// A state in the notation that the settings ask for; one without a name stays a number.
fn written<'a>(state: &'a str, names: &'a [(&str, &str)], notation: StateNotation) -> &'a str {
    match notation {
        StateNotation::Numbers => state,
        StateNotation::Names => names
            .iter()
            .find(|(number, _)| *number == state)
            .map_or(state, |(_, name)| name),
    }
}

/// A time as DWS writes it: UTC to the second, without a zone.
pub(crate) fn cloud_time(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A data source to put in by hand. The default is a healthy OBS source of nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSeed {
    /// Its id; a new one if absent.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// OBS: the agency; MRS: the account.
    pub user_name: String,
    /// OBS: the database.
    pub connect_info: Option<String>,
    /// MRS: the MRS cluster id.
    pub data_source_id: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The state of the connection, as a number.
    pub configure_status: String,
    /// The state of the remote side, as a number.
    pub status: Option<String>,
    /// Why it failed.
    pub fail_reason: String,
}

impl Default for SourceSeed {
    fn default() -> Self {
        Self {
            id: None,
            name: "foreign".to_owned(),
            type_: "OBS".to_owned(),
            user_name: "DWSAccessOBS".to_owned(),
            connect_info: Some("gaussdb".to_owned()),
            data_source_id: None,
            description: None,
            configure_status: "200".to_owned(),
            status: None,
            fail_reason: String::new(),
        }
    }
}

impl SourceSeed {
    pub(crate) fn grow(self, now: Timestamp) -> Source {
        Source {
            id: self.id.unwrap_or_else(|| Uuid::new_v4().to_string()),
            name: self.name,
            type_: self.type_,
            user_name: self.user_name,
            password: None,
            connect_info: self.connect_info,
            data_source_id: self.data_source_id,
            description: self.description,
            configure_status: self.configure_status,
            status: self.status,
            fail_reason: self.fail_reason,
            created: now,
            updated: None,
            visible_from: now,
        }
    }
}

/// The data sources of a cluster in the order of their creation, found by id and by name without a scan.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    next: u64,
    by_order: BTreeMap<u64, Source>,
    order_of: HashMap<String, u64>,
    /// How many have a name, in lower case.
    names: HashMap<String, usize>,
}

impl Sources {
    pub(crate) fn insert(&mut self, source: Source) {
        self.remove(&source.id);
        self.next += 1;
        self.put(self.next, source);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<(u64, Source)> {
        let order = self.order_of.remove(id)?;
        let source = self.by_order.remove(&order)?;
        let name = source.name.to_lowercase();
        match self.names.get_mut(&name) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.names.remove(&name)),
        }
        Some((order, source))
    }

    /// Replaces a data source in its place, whatever changed.
    pub(crate) fn replace(&mut self, id: &str, source: Source) {
        if let Some((order, _)) = self.remove(id) {
            self.put(order, source);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Source> {
        self.by_order.get(self.order_of.get(id)?)
    }

    /// Changes a data source; the change may not touch id or name.
    pub(crate) fn update(&mut self, id: &str, change: impl FnOnce(&mut Source)) {
        if let Some(source) = self.order_of.get(id).and_then(|order| self.by_order.get_mut(order)) {
            change(source);
        }
    }

    /// The cluster has restarted: what waited for that takes effect.
    pub(crate) fn restart(&mut self) {
        for source in self.by_order.values_mut() {
            if source.configure_status == "600" {
                source.set_states("200", "200");
            }
        }
    }

    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.names.contains_key(&name.to_lowercase())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Source)> {
        self.by_order.iter().map(|(order, source)| (*order, source))
    }

    fn put(&mut self, order: u64, source: Source) {
        *self.names.entry(source.name.to_lowercase()).or_default() += 1;
        self.order_of.insert(source.id.clone(), order);
        self.by_order.insert(order, source);
    }
}
