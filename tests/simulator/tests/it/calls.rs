//! The five DWS calls of a healthy cloud.

use dws_simulator::{Busy, DuplicateNames, JobOutcome, SourceSeed, UnknownClusters};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

use crate::client::{CLUSTER, OTHER_CLUSTER, instant, mrs, names, obs, simulator, slow, success, text, verdict};

#[tokio::test]
async fn an_obs_source_is_created_and_listed_as_in_the_documentation() {
    let (_simulator, _, client) = simulator(instant()).await;
    let (id, job_id) = client.created(CLUSTER, &obs("source1")).await;
    let list = client.list(CLUSTER, "OBS").await;
    let item = &list["data_sources"][0];
    let expected = [
        ("id", id.as_str()),
        ("name", "source1"),
        ("type", "OBS"),
        ("user_name", "DWSAccessOBS"),
        ("connect_info", "gaussdb"),
        ("configure_status", "200"),
        ("description", "description"),
        ("fail_reason", ""),
    ];
    for (key, value) in expected {
        assert_eq!(item[key], value, "{key}");
    }
    assert_eq!(item["extend_properties"], json!({}));
    for absent in ["status", "data_source_id", "updated", "user_pwd"] {
        assert!(item.get(absent).is_none(), "{absent}");
    }
    assert_eq!(list["count"], 1);
    assert_eq!(list["cluster_id"], CLUSTER);
    assert_eq!(list["type"], "OBS");

    let job = success(client.job(&job_id).await).await;
    assert_eq!(
        (job["status"].as_str(), job["progress"].as_str()),
        (Some("SUCCESS"), Some("100%"))
    );
}

#[tokio::test]
async fn an_mrs_source_keeps_only_a_digest_of_its_password() {
    let (_simulator, admin, client) = simulator(instant()).await;
    client.created(CLUSTER, &mrs("lake", "Secret-Passw0rd")).await;
    let list = client.list(CLUSTER, "MRS").await;
    assert_eq!(list["data_sources"][0]["status"], "200");
    assert!(!list.to_string().contains("Secret-Passw0rd"));
    assert_eq!(
        admin.sources(CLUSTER)[0].password,
        Some(admin.digest("Secret-Passw0rd"))
    );
}

#[tokio::test]
async fn an_update_changes_the_agency_and_ignores_what_it_does_not_know() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let (id, _) = client.created(CLUSTER, &obs("a")).await;
    let body = success(
        client
            .update(CLUSTER, &id, &json!({"reconfigure": {"agency": "agency2"}}))
            .await,
    )
    .await;
    assert_eq!(body["data_source_id"], id.as_str());
    let item = client.list(CLUSTER, "OBS").await["data_sources"][0].clone();
    assert_eq!(item["user_name"], "agency2");
    assert!(item["updated"].is_string());

    let ignored = json!({"reconfigure": {"user_name": "agency3"}});
    let job_id = text(&success(client.update(CLUSTER, &id, &ignored).await).await, "job_id");
    assert_eq!(success(client.job(&job_id).await).await["status"], "SUCCESS");
    assert_eq!(admin.sources(CLUSTER)[0].user_name, "agency2");
    assert_eq!(
        verdict(client.update(CLUSTER, &id, &json!({})).await).await,
        (400, "DWS.0001".to_owned())
    );
}

#[tokio::test]
async fn a_cluster_restarts_when_asked_to_and_for_every_mrs_update() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let mut body = obs("a");
    client.created(CLUSTER, &body).await;
    assert_eq!(admin.restarts(CLUSTER), 0);
    body["data_source_name"] = json!("b");
    body["reboot"] = json!(true);
    let (obs_id, _) = client.created(CLUSTER, &body).await;
    assert_eq!(admin.restarts(CLUSTER), 1);
    let reboot = json!({"reconfigure": {"agency": "agency2", "reboot": true}});
    success(client.update(CLUSTER, &obs_id, &reboot).await).await;
    assert_eq!(admin.restarts(CLUSTER), 2);
    let (mrs_id, _) = client.created(CLUSTER, &mrs("c", "12345678")).await;
    success(client.update(CLUSTER, &mrs_id, &json!({"reconfigure": {}})).await).await;
    assert_eq!(admin.restarts(CLUSTER), 3);
    assert_eq!(admin.restarts(OTHER_CLUSTER), 0);
}

#[tokio::test]
async fn a_deleted_source_is_leaving_and_then_gone() {
    let (_simulator, admin, client) = simulator(slow()).await;
    let id = admin.put_source(
        CLUSTER,
        SourceSeed {
            type_: "MRS".to_owned(),
            ..SourceSeed::default()
        },
    );
    let job_id = text(&success(client.delete(CLUSTER, &id).await).await, "job_id");
    let item = client.list(CLUSTER, "MRS").await["data_sources"][0].clone();
    assert_eq!(
        (item["configure_status"].as_str(), item["status"].as_str()),
        (Some("401"), Some("304"))
    );
    assert!(admin.end_job(&job_id, JobOutcome::Success));
    assert_eq!(names(&client.list(CLUSTER, "MRS").await), Vec::<String>::new());
    assert_eq!(
        verdict(client.delete(CLUSTER, &id).await).await,
        (404, "DWS.0015".to_owned())
    );
}

#[tokio::test]
async fn what_does_not_exist_is_refused_as_the_settings_say() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.update_settings(|settings| settings.unknown_id.code = "DWS.0022".to_owned());
    let update = json!({"reconfigure": {}});
    let missing = (404, "DWS.0022".to_owned());
    assert_eq!(verdict(client.update(CLUSTER, "nobody", &update).await).await, missing);
    assert_eq!(verdict(client.delete(CLUSTER, "nobody").await).await, missing);
    assert_eq!(verdict(client.job("nobody").await).await, missing);
    assert_eq!(
        verdict(client.create("no-uuid", &obs("a")).await).await,
        (400, "DWS.0001".to_owned())
    );
    let unknown = client.call(Method::GET, "/v1.0/anything/else", None).await;
    assert_eq!(verdict(unknown).await, (404, "APIGW.0101".to_owned()));
}

#[tokio::test]
async fn clusters_appear_unless_unknown_ones_are_refused_or_they_were_removed() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let gone = (404, "DWS.0047".to_owned());
    let (_, job_id) = client.created(CLUSTER, &obs("a")).await;
    assert_eq!(admin.clusters(), [CLUSTER]);
    assert!(admin.remove_cluster(CLUSTER));
    assert_eq!(verdict(client.create(CLUSTER, &obs("a")).await).await, gone);
    assert_eq!(verdict(client.job(&job_id).await).await, (404, "DWS.0015".to_owned()));
    assert!(admin.clusters().is_empty());
    admin.add_cluster(CLUSTER);
    client.created(CLUSTER, &obs("a")).await;

    admin.update_settings(|settings| settings.unknown_clusters = UnknownClusters::Refuse);
    assert_eq!(verdict(client.create(OTHER_CLUSTER, &obs("a")).await).await, gone);
    client.created(CLUSTER, &obs("b")).await;
}

#[tokio::test]
async fn one_operation_runs_at_a_time_in_a_cluster() {
    let (_simulator, admin, client) = simulator(slow()).await;
    let (id, job_id) = client.created(CLUSTER, &obs("a")).await;
    let update = json!({"reconfigure": {}});
    let forbidden = (403, "DWS.7023".to_owned());
    assert_eq!(verdict(client.create(CLUSTER, &obs("b")).await).await, forbidden);
    assert_eq!(verdict(client.update(CLUSTER, &id, &update).await).await, forbidden);
    assert_eq!(verdict(client.delete(CLUSTER, &id).await).await, forbidden);
    client.created(OTHER_CLUSTER, &obs("b")).await;

    admin.update_settings(|settings| settings.busy = Busy::Conflict);
    assert_eq!(
        verdict(client.create(CLUSTER, &obs("b")).await).await,
        (409, "DWS.0011".to_owned())
    );
    admin.update_settings(|settings| settings.busy = Busy::Never);
    client.created(CLUSTER, &obs("b")).await;

    admin.update_settings(|settings| settings.busy = Busy::Forbidden);
    assert_eq!(verdict(client.create(CLUSTER, &obs("c")).await).await, forbidden);
    assert!(admin.end_job(&job_id, JobOutcome::Success));
    assert_eq!(verdict(client.create(CLUSTER, &obs("c")).await).await, forbidden);
}

#[tokio::test]
async fn duplicate_names_are_refused_in_any_case_also_while_hidden() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.update_settings(|settings| settings.list_lag = Duration::from_hours(1));
    client.created(CLUSTER, &obs("Source")).await;
    assert_eq!(client.list(CLUSTER, "OBS").await["count"], 0);
    assert_eq!(
        verdict(client.create(CLUSTER, &obs("sOURCE")).await).await,
        (400, "DWS.0031".to_owned())
    );
    client.created(OTHER_CLUSTER, &obs("Source")).await;
    admin.update_settings(|settings| settings.duplicate_names = DuplicateNames::Allow);
    client.created(CLUSTER, &obs("sOURCE")).await;
    assert_eq!(admin.sources(CLUSTER).len(), 2);
}
