//! What the cloud's lists said to the operator, and when.
//!
//! Pure: takes recorded calls, tells how often an id was looked for in vain.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::proxy::{Api, Call};

/// One answered list.
#[derive(Debug, Clone)]
struct List {
    ended: Timestamp,
    path: String,
    query: String,
    ids: BTreeSet<String>,
}

/// All answered lists, in any order.
#[derive(Debug, Clone, Default)]
pub struct Lists(Vec<List>);

impl Lists {
    /// Adds a call, if it is a list that was answered whole.
    pub fn add(&mut self, call: &Call) {
        let is_list = call.is(Api::Cloud, "GET", "/ext-data-sources") && call.status == Some(200);
        let (true, Some(ended), Some(body)) = (is_list, call.ended, call.response_json()) else {
            return;
        };
        let Some(items) = body["data_sources"].as_array() else {
            return;
        };
        self.0.push(List {
            ended,
            path: call.path.clone(),
            query: call.query.clone(),
            ids: items
                .iter()
                .filter(|item| !is_record_of_deleted(item))
                .filter_map(|item| item["id"].as_str().map(str::to_owned))
                .collect(),
        });
    }

    /// How many lists in a row lacked `id`, up to the last one before `until`, where `object` (a `DwsDataSource`) has its data source.
    pub fn lacking(&self, id: &str, object: &Value, until: Timestamp) -> usize {
        let recorded = object["status"]["cloud"]["clusterID"].as_str();
        let cluster = recorded.or(object["spec"]["clusterID"].as_str()).unwrap_or_default();
        let cluster = format!("/clusters/{cluster}/");
        let wanted = format!("type={}", object["spec"]["type"].as_str().unwrap_or_default());
        let mut lists: Vec<&List> = self
            .0
            .iter()
            .filter(|list| list.ended <= until && list.path.contains(&cluster) && list.query.contains(&wanted))
            .collect();
        lists.sort_by_key(|list| list.ended);
        lists.iter().rev().take_while(|list| !list.ids.contains(id)).count()
    }
}

/// Whether a listed item tells of what is no more: either of its states is 400, in any notation.
fn is_record_of_deleted(item: &Value) -> bool {
    [&item["status"], &item["configure_status"]]
        .iter()
        .any(|state| **state == 400 || **state == "400" || **state == "DELETED")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::proxy::Fate;

    fn list(second: i64, cluster: &str, ids: &[&str]) -> Call {
        let items: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let time = Timestamp::from_second(second).unwrap();
        Call {
            seq: 0,
            api: Api::Cloud,
            method: "GET".to_owned(),
            path: format!("/v1.0/p/clusters/{cluster}/ext-data-sources"),
            accept: String::new(),
            query: "type=OBS".to_owned(),
            request: Value::Null,
            status: Some(200),
            response: json!({"data_sources": items, "count": items.len()}).to_string().into(),
            fate: Fate::PassedOn,
            started: time,
            ended: Some(time),
        }
    }

    fn lacking(calls: &[Call], until: i64) -> usize {
        let mut lists = Lists::default();
        for call in calls {
            lists.add(call);
        }
        let object = json!({"spec": {"clusterID": "c", "type": "OBS"}});
        lists.lacking("a", &object, Timestamp::from_second(until).unwrap())
    }

    #[test]
    fn only_lists_in_a_row_of_the_same_cluster_and_type_count() {
        let two = [
            list(1, "c", &[]),
            list(2, "c", &["a"]),
            list(3, "c", &["b"]),
            list(4, "c", &[]),
        ];
        let mut deleted = list(1, "c", &["a"]);
        deleted.response = json!({"data_sources": [{"id": "a", "status": "400"}]})
            .to_string()
            .into();
        assert_eq!(lacking(&[deleted], 9), 1);
        assert_eq!([0, 1, 2, 3, 9].map(|until| lacking(&two, until)), [0, 1, 0, 1, 2]);
        assert_eq!(lacking(&[list(1, "other", &[])], 9), 0);
        let failed = Call {
            status: Some(500),
            ..list(1, "c", &[])
        };
        let of_mrs = Call {
            query: "type=MRS".to_owned(),
            ..list(1, "c", &[])
        };
        let cut_short = Call {
            response: "{\"data_sources\": [".into(),
            ..list(1, "c", &[])
        };
        assert_eq!(lacking(&[failed, of_mrs, cut_short], 9), 0);
    }
}
