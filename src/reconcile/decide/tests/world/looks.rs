//! What a pass reads.

use std::time::Duration;

use super::World;
use super::process::Pass;
use crate::reconcile::plan::{
    Coordinates, DataSourceType, Failure, Grant, Item, JobState, LanePlace, Look, Occupant, Provider,
};

/// How long a list is on its way.
const LIST: Duration = Duration::from_millis(50);

impl World {
    /// Reads one more thing.
    pub fn look(&mut self, pass: &mut Pass, look: Look) {
        match look {
            Look::Password => panic!("an OBS source has no password"),
            Look::Grant => pass.o.note_grant(Grant::Given),
            Look::Lane(rank) => {
                self.spend(pass, Duration::from_millis(1));
                let since = pass.o.uptime;
                pass.o.lane = Some(LanePlace::Held { since, rank });
            }
            Look::List { since, at, type_ } => {
                assert!(since <= pass.o.uptime, "a list cannot be newer than now");
                self.list(pass, &at, type_);
            }
            Look::Job { id } => self.job(pass, id),
            Look::Definition => pass.o.around.definition = self.definition.clone(),
            Look::Claimer(install) => panic!("{install} is another install"),
            Look::Site { at, type_ } => self.site(pass, &at, type_),
            Look::Quick { id, at, type_ } => {
                self.job(pass, id);
                let job = pass.o.job.as_ref().and_then(|view| view.result.as_ref().ok());
                if job.is_some_and(|job| job.state == JobState::Succeeded) {
                    self.list(pass, &at, type_);
                }
                pass.o.memory.looked = true;
            }
        }
    }

    fn list(&mut self, pass: &mut Pass, at: &Coordinates, type_: DataSourceType) {
        assert!(!pass.o.object.annotations.paused, "a list during a pause");
        if let Some(failure) = no_way(pass) {
            return pass.o.note_list(pass.o.uptime, Err(failure));
        }
        self.spend(pass, LIST);
        let began = pass.o.uptime;
        let (result, took) = self.cloud.list(&at.cluster_id, type_, self.now);
        self.spend(pass, took);
        let result = result.map(|items| pass.o.ownership().view(&items));
        pass.o.note_list(began, result);
    }

    fn site(&mut self, pass: &mut Pass, at: &Coordinates, type_: DataSourceType) {
        self.spend(pass, LIST);
        let (result, took) = self.cloud.list(&at.cluster_id, type_, self.now);
        self.spend(pass, took);
        let name = &pass.o.object.spec.data_source_name;
        let occupant = |items: Vec<Item>| match pass.o.ownership().namesake(&items, name) {
            Some(item) => Occupant::Item { id: item.id.clone() },
            None => Occupant::Nobody,
        };
        pass.o.site = Some(result.map(occupant));
    }

    fn job(&mut self, pass: &mut Pass, id: String) {
        assert!(!pass.o.object.annotations.paused, "a look at a job during a pause");
        if let Some(failure) = no_way(pass) {
            return pass.o.note_job(id, Err(failure));
        }
        let (result, took) = self.cloud.job(&id, self.now);
        self.spend(pass, took);
        pass.o.note_job(id, result);
    }
}

/// What every read fails with while the provider cannot be read.
fn no_way(pass: &Pass) -> Option<Failure> {
    match &pass.o.provider {
        Provider::Ready { .. } => None,
        Provider::Unreached { failure, .. } => Some(failure.clone()),
        Provider::Absent { .. } | Provider::NotReady { .. } => panic!("no session to read with"),
    }
}
