//! The JSON of requests and of successful answers.
//!
//! Takes the words of [`super::wire`] and returns the bytes that go out, and the other way round. An
//! answer that lacks what it must have is `None`; nothing in it is believed beyond its documented form.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

use super::errors::Failure;
use super::ids;
use super::text::{MAX_MESSAGE, Redactor, printable};
use super::wire::{Accepted, ConfigureStatus, CreateRequest, Item, Job, JobState, Listing, Reconfigure, SourceStatus};
use crate::api::data_source::DataSourceType;

/// The most characters of a job's progress, for example `40%`.
const MAX_PROGRESS: usize = 32;

/// `ExtDataSourceReq` of the API reference.
#[derive(Serialize)]
struct CreateBody<'a> {
    #[serde(rename = "type")]
    type_: DataSourceType,
    data_source_name: &'a str,
    user_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_pwd: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_info: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reboot: bool,
}

/// `ReconfigureExtDataSourceActionReq` of the API reference.
#[derive(Serialize)]
struct UpdateBody<'a> {
    reconfigure: UpdateFields<'a>,
}

#[derive(Serialize)]
struct UpdateFields<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reboot: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    agency: Option<&'a str>,
}

/// The body of a create.
pub fn create(request: &CreateRequest, user_pwd: Option<&SecretString>) -> Vec<u8> {
    json(&CreateBody {
        type_: request.type_,
        data_source_name: &request.data_source_name,
        user_name: &request.user_name,
        data_source_id: request.data_source_id.as_deref(),
        user_pwd: user_pwd.map(ExposeSecret::expose_secret),
        connect_info: request.connect_info.as_deref(),
        description: request.description.as_deref(),
        reboot: request.reboot,
    })
}

/// The body of an update.
pub fn update(change: &Reconfigure) -> Vec<u8> {
    json(&UpdateBody {
        reconfigure: UpdateFields {
            reboot: change.reboot,
            agency: change.agency.as_deref(),
        },
    })
}

/// The word of the API for a type.
pub fn type_name(type_: DataSourceType) -> &'static str {
    match type_ {
        DataSourceType::Obs => "OBS",
        DataSourceType::Mrs => "MRS",
        DataSourceType::LakeFormation => "LAKE_FORMATION",
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("texts and booleans always become JSON")
}

/// The answer to an accepted create.
pub fn accepted(answer: &Map<String, Value>) -> Option<Accepted> {
    Some(Accepted {
        id: id(answer, "id")?,
        job_id: id(answer, "job_id")?,
    })
}

/// The job that an answer names.
pub fn job_id(answer: &Map<String, Value>) -> Option<String> {
    id(answer, "job_id")
}

/// Whether an answer names a data source or a job, valid or not; a null names nothing.
pub fn names_an_effect(answer: &Map<String, Value>) -> bool {
    answer.get("id").is_some_and(|id| !id.is_null()) || names_a_job(answer)
}

/// Whether an answer names a job at all, valid or not.
pub fn names_a_job(answer: &Map<String, Value>) -> bool {
    answer.get("job_id").is_some_and(|id| !id.is_null())
}

/// The answer to a list.
pub fn listing(answer: &Map<String, Value>, date: Option<Timestamp>) -> Option<Listing> {
    let count = answer.get("count").and_then(Value::as_u64);
    let listed = match answer.get("data_sources")? {
        Value::Array(listed) => listed.as_slice(),
        // Some serialisers write an empty list as null; only the count can say that it is one.
        Value::Null if count == Some(0) => &[],
        _ => return None,
    };
    let items: Vec<Item> = listed.iter().filter_map(|item| self::item(item.as_object()?)).collect();
    Some(Listing {
        dropped: listed.len() - items.len(),
        items,
        count,
        date,
    })
}

/// The one project of the region's name; none if the answer is no list of projects.
pub fn project(answer: &Map<String, Value>, region: &str) -> Option<Result<String, Failure>> {
    let projects = answer.get("projects")?.as_array()?;
    let hits: Vec<&str> = projects
        .iter()
        .filter(|project| project.get("name").and_then(Value::as_str) == Some(region))
        .filter_map(|project| project.get("id")?.as_str())
        .collect();
    Some(match hits.as_slice() {
        [id] if ids::is_project(id) => Ok((*id).to_owned()),
        _ => Err(Failure::invalid(format!(
            "IAM lists {} usable projects named {region}, not exactly one: set projectID",
            hits.len()
        ))),
    })
}

/// The answer to a read of a job.
pub fn job(answer: &Map<String, Value>, redactor: &Redactor<'_>) -> Option<Job> {
    let said = |key| text(answer, key).map(|text| redactor.message(&text));
    Some(Job {
        state: JobState::parse(&said("status")?),
        progress: text(answer, "progress").map(|text| printable(&text, MAX_PROGRESS)),
        failed_code: said("failed_code"),
        failed_detail: said("failed_detail"),
    })
}

fn item(item: &Map<String, Value>) -> Option<Item> {
    let short = |key| text(item, key).map(|text| printable(&text, MAX_MESSAGE));
    Some(Item {
        id: id(item, "id")?,
        name: short("name")?,
        type_: item.get("type").and_then(data_source_type),
        connect_info: short("connect_info"),
        user_name: short("user_name"),
        data_source_id: short("data_source_id"),
        description: text(item, "description"),
        configure_status: short("configure_status").map(|text| ConfigureStatus::parse(&text)),
        status: short("status").map(|text| SourceStatus::parse(&text)),
        created: short("created"),
        updated: short("data_source_updated").or_else(|| short("updated")),
        fail_reason: short("fail_reason"),
    })
}

fn data_source_type(value: &Value) -> Option<DataSourceType> {
    serde_json::from_value(value.clone()).ok()
}

/// An id in its documented form.
fn id(object: &Map<String, Value>, key: &str) -> Option<String> {
    let id = object.get(key)?.as_str()?;
    ids::is_id(id).then(|| id.to_owned())
}

/// A text that is not empty; states have been documented as texts and as numbers.
fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    fn obs() -> CreateRequest {
        CreateRequest {
            type_: DataSourceType::Obs,
            data_source_name: "source1".to_owned(),
            user_name: "DWSAccessOBS".to_owned(),
            data_source_id: None,
            connect_info: Some("gaussdb".to_owned()),
            description: Some("description".to_owned()),
            reboot: false,
        }
    }

    #[test]
    fn create_of_obs_is_the_documented_example() {
        assert_eq!(
            String::from_utf8(create(&obs(), None)).unwrap(),
            r#"{"type":"OBS","data_source_name":"source1","user_name":"DWSAccessOBS","connect_info":"gaussdb","description":"description"}"#
        );
    }

    #[test]
    fn create_of_mrs_has_the_cluster_the_password_and_the_reboot() {
        let request = CreateRequest {
            type_: DataSourceType::Mrs,
            data_source_id: Some("mrs-1".to_owned()),
            connect_info: None,
            description: None,
            reboot: true,
            ..obs()
        };
        let body = create(&request, Some(&"pass\"word".into()));
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({
                "type": "MRS", "data_source_name": "source1", "user_name": "DWSAccessOBS",
                "data_source_id": "mrs-1", "user_pwd": "pass\"word", "reboot": true,
            })
        );
    }

    #[test]
    fn update_sends_only_what_is_asked_for() {
        let sent = |change| String::from_utf8(update(&change)).unwrap();
        let agency = Some("DWSAccessOBS2".to_owned());
        assert_eq!(
            sent(Reconfigure { agency, reboot: false }),
            r#"{"reconfigure":{"agency":"DWSAccessOBS2"}}"#
        );
        assert_eq!(
            sent(Reconfigure {
                agency: None,
                reboot: true
            }),
            r#"{"reconfigure":{"reboot":true}}"#
        );
        assert_eq!(sent(Reconfigure::default()), r#"{"reconfigure":{}}"#);
    }

    #[test]
    fn accepted_create_needs_both_ids_in_their_form() {
        let read = |answer| accepted(&object(answer));
        let whole = Accepted {
            id: "d303f19c-fbd1-4716-ae04-07d1ff358f22".to_owned(),
            job_id: "2c90".to_owned(),
        };
        assert_eq!(read(json!({"id": whole.id, "job_id": whole.job_id})), Some(whole));
        for answer in [
            json!({"id": "a"}),
            json!({"job_id": "a"}),
            json!({"id": "../a", "job_id": "a"}),
            json!({"id": "a", "job_id": "a/b"}),
            json!({"id": 1, "job_id": "a"}),
            json!({"id": "", "job_id": "a"}),
        ] {
            assert_eq!(read(answer.clone()), None, "{answer}");
        }
    }

    #[test]
    fn documented_list_is_read() {
        let read = listing(
            &object(json!({
                "data_sources": [{
                    "id": "8010dbc0-c1d2-48d6-87eb-3229f9195fed", "name": "tes54", "type": "OBS",
                    "connect_info": "gaussdb", "user_name": "DWSAccessOBS", "configure_status": "300",
                    "created": "2022-10-30T07:38:33", "extend_properties": {}, "description": "xxx",
                    "fail_reason": "",
                }],
                "count": 5,
            })),
            None,
        )
        .unwrap();
        assert_eq!((read.count, read.dropped), (Some(5), 0));
        let item = &read.items[0];
        assert_eq!(item.name, "tes54");
        assert_eq!(item.type_, Some(DataSourceType::Obs));
        assert_eq!(item.configure_status, Some(ConfigureStatus::Failed));
        assert_eq!((item.status.as_ref(), item.fail_reason.as_ref()), (None, None));
    }

    #[test]
    fn states_are_read_as_numbers_texts_and_names() {
        let read = |state: Value| {
            let item = json!({"id": "a", "name": "n", "configure_status": state, "status": state});
            let item = self::item(&object(item)).unwrap();
            (item.configure_status.unwrap(), item.status.unwrap())
        };
        for state in [json!(400), json!("400"), json!("deleted")] {
            assert_eq!(read(state), (ConfigureStatus::Deleted, SourceStatus::Deleted));
        }
        let other = "777".to_owned();
        assert_eq!(
            read(json!(777)),
            (ConfigureStatus::Other(other.clone()), SourceStatus::Other(other))
        );
    }

    #[test]
    fn item_that_cannot_be_used_is_counted() {
        let read = listing(
            &object(json!({"data_sources": [
                {"id": "../../x", "name": "n"}, {"id": "a"}, 7, {"id": "a", "name": "n", "type": 5},
            ]})),
            None,
        )
        .unwrap();
        assert_eq!((read.items.len(), read.dropped), (1, 3));
        assert_eq!(read.items[0].type_, None);
    }

    #[test]
    fn list_without_its_array_proves_nothing() {
        let read = |answer| listing(&object(answer), None);
        assert_eq!(read(json!({})), None);
        assert_eq!(read(json!({"data_sources": null})), None);
        assert_eq!(read(json!({"data_sources": {}, "count": 0})), None);
        assert!(
            read(json!({"data_sources": null, "count": 0}))
                .unwrap()
                .items
                .is_empty()
        );
    }

    #[test]
    fn documented_job_is_read() {
        let read = job(
            &object(json!({
                "status": "FAIL", "progress": "9%", "job_id": "2c90",
                "failed_code": "CreateELBTask-fail:DWS.0114",
                "failed_detail": "DWS.0114:ELB \u{1b}[31mprivate\u{1b}[0m IP of token-1",
            })),
            &Redactor::new(["token-1"]),
        )
        .unwrap();
        assert_eq!(read.state, JobState::Failed);
        assert_eq!(read.progress.as_deref(), Some("9%"));
        assert_eq!(read.failed_code.as_deref(), Some("CreateELBTask-fail:DWS.0114"));
        assert_eq!(
            read.failed_detail.as_deref(),
            Some("DWS.0114:ELB private IP of [redacted]")
        );
    }

    #[test]
    fn job_states_are_told_apart() {
        let state = |status: &str| {
            job(&object(json!({ "status": status })), &Redactor::new([]))
                .unwrap()
                .state
        };
        for running in ["INIT", "WAITING", "RUNNING", "DELAY_SCHEDULED"] {
            assert_eq!(state(running), JobState::Running);
        }
        for failed in ["FAIL", "STOP", "ERROR"] {
            assert_eq!(state(failed), JobState::Failed);
        }
        assert_eq!(state("SUCCESS"), JobState::Succeeded);
        assert_eq!(state("PAUSED"), JobState::Other("PAUSED".to_owned()));
        assert_eq!(job(&object(json!({"progress": "9%"})), &Redactor::new([])), None);
    }

    proptest! {
        #[test]
        fn any_texts_in_an_item_are_survived(id in any::<String>(), name in any::<String>()) {
            let answer = json!({"data_sources": [{"id": id, "name": name}]});
            let read = listing(&object(answer), None).unwrap();
            prop_assert_eq!(read.items.len() + read.dropped, 1);
            prop_assert!(read.items.iter().all(|item| ids::is_id(&item.id)));
        }
    }
}
