//! The JSON of requests and of successful answers.
//!
//! Takes the words of [`super::wire`] and returns the bytes that go out, and the other way round. An
//! answer that lacks what it must have is `None`; nothing in it is believed beyond its documented form.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

use super::errors::{Failure, MAX_MESSAGE};
use super::ids;
use super::redact::Redactor;
use super::wire::{Accepted, ConfigureStatus, CreateRequest, Item, Job, JobState, Listing, Reconfigure, SourceStatus};
use crate::api::data_source::DataSourceType;
use crate::runtime::text::one_line;

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
    names(answer, "id") || names(answer, "data_source_id") || names_a_job(answer)
}

/// Whether an answer names a data source and a job, valid or not, as only an accepted create does.
pub fn names_a_creation(answer: &Map<String, Value>) -> bool {
    names(answer, "id") && names_a_job(answer)
}

/// Whether an answer names a job at all, valid or not.
pub fn names_a_job(answer: &Map<String, Value>) -> bool {
    names(answer, "job_id")
}

fn names(answer: &Map<String, Value>, key: &str) -> bool {
    answer.get(key).is_some_and(|id| !id.is_null())
}

/// Whether an answer is about what was asked for, as far as it says what it is about.
pub fn is_about(answer: &Map<String, Value>, key: &str, id: &str) -> bool {
    text(answer, key).is_none_or(|named| named.eq_ignore_ascii_case(id))
}

/// Whether a list is of a type, as far as it says so in a word of the API.
pub fn is_of_type(answer: &Map<String, Value>, type_: DataSourceType) -> bool {
    let named = answer.get("type").and_then(data_source_type);
    named.is_none_or(|named| named == type_)
}

/// The answer to a list.
pub fn listing(answer: &Map<String, Value>, date: Option<Timestamp>, redactor: &Redactor) -> Option<Listing> {
    let count = answer.get("count").and_then(Value::as_u64);
    let listed = match answer.get("data_sources")? {
        Value::Array(listed) => listed.as_slice(),
        // Some serialisers write an empty list as null; only the count can say that it is one.
        Value::Null if count == Some(0) => &[],
        _ => return None,
    };
    let items: Vec<Item> = listed
        .iter()
        .filter_map(|listed| item(listed.as_object()?, redactor))
        .collect();
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
pub fn job(answer: &Map<String, Value>, redactor: &Redactor) -> Option<Job> {
    let said = |key| text(answer, key).map(|text| redactor.message(&text));
    let state = text(answer, "status")?;
    Some(Job {
        state: JobState::named(&state).unwrap_or_else(|| JobState::Other(redactor.message(&state))),
        progress: said("progress").map(|text| one_line(&text, MAX_PROGRESS)),
        failed_code: said("failed_code"),
        failed_detail: said("failed_detail"),
    })
}

fn item(item: &Map<String, Value>, redactor: &Redactor) -> Option<Item> {
    // A word of the API is no secret, however much a secret begins like it; any other word may be one.
    let said = |key| text(item, key).map(|text| redactor.message(&text));
    // What is compared with the spec stays as it is, however much it looks like a secret.
    let short = |key| text(item, key).map(|text| one_line(&text, MAX_MESSAGE));
    Some(Item {
        id: id(item, "id")?,
        name: short("name")?,
        type_: item.get("type").and_then(data_source_type),
        connect_info: short("connect_info"),
        user_name: short("user_name"),
        data_source_id: short("data_source_id"),
        description: text(item, "description"),
        configure_status: text(item, "configure_status").map(|state| {
            ConfigureStatus::named(&state).unwrap_or_else(|| ConfigureStatus::Other(redactor.message(&state)))
        }),
        status: text(item, "status")
            .map(|state| SourceStatus::named(&state).unwrap_or_else(|| SourceStatus::Other(redactor.message(&state)))),
        created: said("created"),
        updated: said("data_source_updated").or_else(|| said("updated")),
        fail_reason: said("fail_reason"),
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
mod tests;
