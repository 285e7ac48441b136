//! Who holds a name, or a data source that the cloud lists, before others.

use std::collections::BTreeSet;

use super::super::context::{LaneKey, Member};
use super::super::plan::Rival;
use super::claim::Claim;
use super::{Claims, Index, Name};
use crate::api::data_source::Coordinates;
use crate::api::names;
use crate::cloud::Item;

impl Claims {
    /// Who holds the object's name at `at` before the object `uid`, which has neither an id nor an open intent. `lane` is the lane of the DWS
    /// cluster, in order.
    pub fn rival(&self, uid: &str, at: &Coordinates, lane: &[Member]) -> Option<Rival> {
        let index = self.lock();
        let own = index.by_uid.get(uid)?;
        index.rival(own, &own.name, at, lane)
    }

    /// Who holds this name at `at` before the object `uid`, which would like to be there.
    pub fn rival_for(&self, uid: &str, at: &Coordinates, name: &str, lane: &[Member]) -> Option<Rival> {
        let index = self.lock();
        let own = index.by_uid.get(uid)?;
        let name = (at.cluster_id.to_ascii_lowercase(), name.to_ascii_lowercase());
        index.rival(own, &name, at, lane)
    }

    /// Which other living object a listed data source belongs to, wherever its provider leads and whatever its spec says today: the one
    /// whose marker it carries, else the one that recorded its id. None if it carries the marker of the object `uid` itself.
    pub fn owner(&self, uid: &str, item: &Item) -> Option<Rival> {
        let index = self.lock();
        let own = index.by_uid.get(uid)?;
        let (_, marker) = names::strip(item.description.as_deref().unwrap_or_default());
        if marker == Some(own.marker.as_str()) {
            return None;
        }
        let author = marker.and_then(|marker| index.by_marker.get(marker));
        let keepers = index.by_id.get(&item.id).into_iter().flatten();
        let others = author.into_iter().chain(keepers).filter(|other| *other != uid);
        let mut claims = others.filter_map(|other| index.by_uid.get(other));
        claims.find(|claim| claim.precedes(own)).map(Claim::rival)
    }
}

impl Index {
    fn rival(&self, own: &Claim, name: &Name, at: &Coordinates, lane: &[Member]) -> Option<Rival> {
        let uid = &own.member.uid;
        let others = || {
            let uids = self.by_name.get(name).into_iter().flat_map(BTreeSet::iter);
            uids.filter(|other| *other != uid)
                .filter_map(|other| self.by_uid.get(other))
        };
        let holds = |claim: &&Claim| {
            let held = claim.held_at.as_ref();
            claim.precedes(own) && held.is_some_and(|held| LaneKey::from(held) == LaneKey::from(at))
        };
        // Who holds the name is behind nobody who only waits for it.
        let is_holder = own.name == *name
            && own
                .held_at
                .as_ref()
                .is_some_and(|held| LaneKey::from(held) == LaneKey::from(at));
        let place = |uid: &str| lane.iter().position(|member| member.uid == uid).unwrap_or(lane.len());
        let ahead = |claim: &&Claim| !is_holder && place(&claim.member.uid) < place(uid);
        let first = |claims: Vec<&Claim>| {
            let first = claims
                .into_iter()
                .min_by_key(|claim| (claim.created, claim.member.uid.clone()));
            first.map(Claim::rival)
        };
        first(others().filter(holds).collect()).or_else(|| first(others().filter(ahead).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::data_source::{
        DataSourceType, DwsDataSource, DwsDataSourceSpec, DwsDataSourceStatus, ImportRecord,
    };

    fn at() -> Coordinates {
        Coordinates {
            provider: "DwsProvider/default".to_owned(),
            endpoint: "https://dws.example".to_owned(),
            project_id: "project".to_owned(),
            cluster_id: "cluster-0".to_owned(),
        }
    }

    fn lake(uid: &str) -> DwsDataSource {
        let spec = serde_json::json!({"clusterID": "cluster-0", "type": "OBS", "dataSourceName": "Lake", "userName": "agency"});
        let mut object = DwsDataSource::new(uid, serde_json::from_value::<DwsDataSourceSpec>(spec).unwrap());
        object.metadata.uid = Some(uid.to_owned());
        object.metadata.namespace = Some("team".to_owned());
        object
    }

    /// It took over what has the name.
    fn holder(uid: &str) -> DwsDataSource {
        let mut object = lake(uid);
        object.status = Some(DwsDataSourceStatus {
            id: Some("id".to_owned()),
            cloud: Some(at()),
            imported: Some(ImportRecord {
                uid: uid.to_owned(),
                id: "id".to_owned(),
                name: "lake".to_owned(),
                type_: DataSourceType::Obs,
            }),
            ..DwsDataSourceStatus::default()
        });
        object
    }

    #[test]
    fn whoever_waits_in_the_lane_is_no_rival_of_the_holder() {
        let (claims, _) = Claims::new();
        for object in [holder("a"), lake("b"), lake("c")] {
            claims.note(&object);
        }
        let lane: Vec<_> = claims.namesakes("a");
        assert_eq!(lane.len(), 2);
        assert_eq!(claims.rival("a", &at(), &lane), None);
        assert_eq!(claims.rival_for("a", &at(), "LAKE", &lane), None);
        let rival = claims.rival("b", &at(), &lane).map(|rival| rival.name);
        assert_eq!(rival.as_deref(), Some("team/a"));
    }

    #[test]
    fn whoever_waits_where_it_would_like_to_be_comes_before_one_from_elsewhere() {
        let (claims, _) = Claims::new();
        for object in [holder("a"), lake("b")] {
            claims.note(&object);
        }
        let mut elsewhere = holder("c");
        let place = elsewhere
            .status
            .as_mut()
            .and_then(|status| status.cloud.as_mut())
            .unwrap();
        "cluster-1".clone_into(&mut place.cluster_id);
        claims.note(&elsewhere);
        assert_eq!(claims.rival_for("c", &at(), "other", &[]), None);
        let rival = claims.rival_for("c", &at(), "lake", &[]).map(|rival| rival.name);
        assert_eq!(rival.as_deref(), Some("team/a"), "it has an id");
        claims.forget("a");
        let lane = claims.namesakes("a");
        assert!(lane.is_empty());
        let waiting = [Member {
            uid: "b".to_owned(),
            namespace: "team".to_owned(),
            name: "b".to_owned(),
        }];
        let rival = claims.rival_for("c", &at(), "lake", &waiting).map(|rival| rival.name);
        assert_eq!(rival.as_deref(), Some("team/b"));
        assert_eq!(
            claims.rival_for("c", &at(), "lake", &[]),
            None,
            "one that is in no lane claims nothing"
        );
    }
}
