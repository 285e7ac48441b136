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
        &Redactor::new([]),
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
        let item = self::item(&object(item), &Redactor::new([])).unwrap();
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
        &Redactor::new([]),
    )
    .unwrap();
    assert_eq!((read.items.len(), read.dropped), (1, 3));
    assert_eq!(read.items[0].type_, None);
}

#[test]
fn list_without_its_array_proves_nothing() {
    let read = |answer| listing(&object(answer), None, &Redactor::new([]));
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

#[test]
fn secrets_are_cut_out_of_all_that_is_only_shown() {
    let redactor = Redactor::new(["token-1"]);
    let item = json!({
        "id": "a", "name": "token-1", "status": "token-1", "configure_status": "token-1", "created": "token-1",
        "updated": "token-1", "fail_reason": "bad token-1",
    });
    let item = self::item(&object(item), &redactor).unwrap();
    let redacted = Some("[redacted]".to_owned());
    assert_eq!(item.status.unwrap().to_string(), "[redacted]");
    assert_eq!(item.configure_status.unwrap().to_string(), "[redacted]");
    assert_eq!((&item.created, &item.updated), (&redacted, &redacted));
    assert_eq!(item.fail_reason.as_deref(), Some("bad [redacted]"));
    assert_eq!(item.name, "token-1");
    let job = job(&object(json!({"status": "token-1", "progress": "token-1"})), &redactor).unwrap();
    assert_eq!(job.state, JobState::Other("[redacted]".to_owned()));
    assert_eq!(job.progress, redacted);
}

proptest! {
    #[test]
    fn any_texts_in_an_item_are_survived(id in any::<String>(), name in any::<String>()) {
        let answer = json!({"data_sources": [{"id": id, "name": name}]});
        let read = listing(&object(answer), None, &Redactor::new([])).unwrap();
        prop_assert_eq!(read.items.len() + read.dropped, 1);
        prop_assert!(read.items.iter().all(|item| ids::is_id(&item.id)));
    }
}

#[test]
fn words_of_the_api_are_read_also_where_a_secret_begins_like_them() {
    let redactor = Redactor::new(["SUCCESSful-Passw0rd", "ACTIVE-Passw0rd", "AVAILABLE-Passw0rd"]);
    let job = job(&object(json!({"status": "SUCCESS"})), &redactor).unwrap();
    assert_eq!(job.state, JobState::Succeeded);
    let item = object(json!({"id": "a", "name": "b", "configure_status": "ACTIVE", "status": "AVAILABLE"}));
    let item = self::item(&item, &redactor).unwrap();
    assert_eq!(item.configure_status, Some(ConfigureStatus::Active));
    assert_eq!(item.status, Some(SourceStatus::Available));
}
