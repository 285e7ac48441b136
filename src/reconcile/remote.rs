//! What a list of data sources means for one object: whose they are and how they do.
//!
//! Pure. Only an item that carries the object's ownership marker is ours; without markers, only the recorded id under its own name and type.

use crate::api::data_source::{DataSourceType, Import, Observed};
use crate::api::names;
use crate::cloud::{ConfigureStatus, Item, SourceStatus};

/// What a list holds for one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Nothing of ours and nothing of that name.
    Absent,
    /// Ours.
    Ours {
        /// The one to keep: the recorded one, else the oldest healthy one.
        item: Item,
        /// Further ones that late effects of lost requests made.
        surplus: Vec<Item>,
    },
    /// Nothing of ours, but somebody else's of that name, or the one to import.
    Foreign {
        /// That one.
        item: Item,
    },
    /// One of ours or of that name is being deleted.
    Leaving {
        /// That one.
        item: Item,
        /// Whether it is ours.
        ours: bool,
    },
}

/// How to tell whose an item is.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The object's uid.
    pub uid: &'a str,
    /// Whether creates carry the ownership marker.
    pub marker: bool,
    /// The recorded id.
    pub id: Option<&'a str>,
    /// Whether the recorded one is the object's without a marker: it was imported, or is only observed.
    pub is_taken: bool,
    /// What is to be imported, if nothing is recorded yet.
    pub import: Option<&'a Import>,
    /// The name of the data source.
    pub name: &'a str,
    /// Its type.
    pub type_: DataSourceType,
}

impl Identity<'_> {
    fn owns(&self, item: &Item) -> bool {
        let is_recorded =
            || self.id == Some(item.id.as_str()) && self.names(item) && item.type_.is_none_or(|t| t == self.type_);
        let (_, marker) = names::strip(item.description.as_deref().unwrap_or_default());
        // Without markers what carries another object's is not this one's either.
        marker == Some(names::marker(self.uid).as_str())
            || ((self.is_taken || (!self.marker && marker.is_none())) && is_recorded())
    }

    /// Whether it is the one to import.
    fn imports(&self, item: &Item) -> bool {
        let id = self.import.and_then(|import| import.id.as_deref());
        self.id.is_none() && id == Some(item.id.as_str())
    }

    /// Names clash case-insensitively: they are the names of foreign servers in a database.
    fn names(&self, item: &Item) -> bool {
        item.name.eq_ignore_ascii_case(self.name)
    }

    /// What a list holds of this name that is not the object's; of a deleted one nothing is left.
    #[must_use]
    pub fn namesake<'i>(&self, items: &'i [Item], name: &str) -> Option<&'i Item> {
        let is_own = |item: &Item| self.id == Some(item.id.as_str()) || self.owns(item);
        let mut others = items.iter().filter(|item| !deleted(item) && !is_own(item));
        others.find(|item| item.name.eq_ignore_ascii_case(name))
    }

    /// Folds a list into what it means for the object.
    #[must_use]
    pub fn view(&self, items: &[Item]) -> View {
        let present = |item: &&Item| !deleted(item);
        let (leaving, mut ours): (Vec<&Item>, Vec<&Item>) = items
            .iter()
            .filter(present)
            .filter(|item| self.owns(item))
            .partition(|item| leaving(item));
        // The recorded one first, then the healthy ones, then the oldest.
        ours.sort_by_key(|item| {
            (
                self.id != Some(item.id.as_str()),
                health(item) != Health::Healthy,
                item.created.clone(),
                item.id.clone(),
            )
        });
        if let Some((first, rest)) = ours.split_first() {
            return View::Ours {
                item: (*first).clone(),
                surplus: rest.iter().map(|item| (*item).clone()).collect(),
            };
        }
        if let Some(item) = leaving.first() {
            return View::Leaving {
                item: (*item).clone(),
                ours: true,
            };
        }
        // The recorded one first: it may have lost its marker, or the marker may have been switched on after it was created. Then the one
        // to import, which may have another name than it should.
        let namesakes = || items.iter().filter(present).filter(|item| self.names(item));
        let recorded = namesakes().find(|item| self.id == Some(item.id.as_str()));
        let imported = || items.iter().filter(present).find(|item| self.imports(item));
        match recorded.or_else(imported).or_else(|| namesakes().next()) {
            Some(item) if self::leaving(item) => View::Leaving {
                item: item.clone(),
                ours: false,
            },
            Some(item) => View::Foreign { item: item.clone() },
            None => View::Absent,
        }
    }
}

/// A record of a deleted data source may stay listed; it counts as absent.
fn deleted(item: &Item) -> bool {
    item.configure_status == Some(ConfigureStatus::Deleted) || item.status == Some(SourceStatus::Deleted)
}

fn leaving(item: &Item) -> bool {
    item.configure_status == Some(ConfigureStatus::Deleting) || item.status == Some(SourceStatus::Deleting)
}

/// How a listed data source does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Usable.
    Healthy,
    /// Being created.
    Creating,
    /// Being changed.
    Updating,
    /// Its creation failed.
    Failed,
    /// Being deleted.
    Leaving,
    /// A delete failed.
    DeleteFailed,
    /// Waits for a restart of the DWS cluster.
    RebootRequired,
    /// Frozen, for arrears or by the police.
    Frozen,
    /// The remote side is stopped, stopping or starting.
    Stopped,
    /// A state that no document names.
    Unknown(String),
}

impl Health {
    /// Whether the create has come to a good end, whatever was told of it before and whatever has happened since.
    #[must_use]
    pub fn exists(&self) -> bool {
        match self {
            Health::Healthy | Health::Updating | Health::RebootRequired | Health::Frozen | Health::Stopped => true,
            Health::Creating | Health::Failed | Health::Leaving | Health::DeleteFailed | Health::Unknown(_) => false,
        }
    }
}

/// Judges an item. The list may leave either state out (for OBS it usually does): what is left out is no sign of trouble.
#[must_use]
pub fn health(item: &Item) -> Health {
    use ConfigureStatus as C;
    use SourceStatus as S;
    if leaving(item) || deleted(item) {
        return Health::Leaving;
    }
    match &item.status {
        Some(S::Frozen | S::PoliceFrozen) => return Health::Frozen,
        Some(S::Failed | S::CreateFailed) => return Health::Failed,
        Some(S::DeleteFailed) => return Health::DeleteFailed,
        Some(S::Stopped | S::Stopping | S::Starting) => return Health::Stopped,
        Some(S::Creating) => return Health::Creating,
        Some(S::Other(state)) => return Health::Unknown(state.clone()),
        Some(S::Available | S::Deleted | S::Deleting) | None => {}
    }
    match &item.configure_status {
        Some(C::Failed) => Health::Failed,
        Some(C::Creating) => Health::Creating,
        Some(C::Updating) => Health::Updating,
        Some(C::PendingReboot) => Health::RebootRequired,
        Some(C::Other(state)) => Health::Unknown(state.clone()),
        Some(C::Active | C::Deleted | C::Deleting) | None => Health::Healthy,
    }
}

/// What the status shows of an item.
#[must_use]
pub fn observed(item: &Item) -> Observed {
    Observed {
        status: item.status.as_ref().map(ToString::to_string),
        configure_status: item.configure_status.as_ref().map(ToString::to_string),
        user_name: item.user_name.clone(),
        created: item.created.clone(),
        updated: item.updated.clone(),
        fail_reason: item.fail_reason.clone().filter(|reason| !reason.is_empty()),
    }
}
