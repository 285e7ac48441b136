//! Jobs, their outcomes and what they leave behind.

use std::collections::BTreeMap;
use std::time::Duration;

use dws_simulator::{JobOutcome, NameSettings, Settings, UpdateEffect};
use serde_json::{Value, json};

use crate::client::{
    CLUSTER, Client, OTHER_CLUSTER, PATIENCE, instant, mrs, obs, simulator, slow, success, text, verdict,
};

fn failure() -> JobOutcome {
    JobOutcome::Fail {
        code: "CreateTask-fail:DWS.5172".to_owned(),
        detail: "No such database.".to_owned(),
    }
}

async fn states(client: &Client, type_: &str) -> (Value, Value) {
    let item = client.list(CLUSTER, type_).await["data_sources"][0].clone();
    (item["configure_status"].clone(), item["status"].clone())
}

#[tokio::test]
async fn a_job_runs_for_its_duration_and_shows_progress() {
    let (_simulator, admin, client) = simulator(slow()).await;
    let (_, job_id) = client.created(CLUSTER, &obs("a")).await;
    let job = success(client.job(&job_id).await).await;
    assert_eq!(
        (job["status"].as_str(), job["progress"].as_str()),
        (Some("INIT"), Some("0%"))
    );
    assert_eq!(states(&client, "OBS").await.0, "100");

    admin.update_settings(|settings| settings.job_duration = Duration::from_millis(300));
    let (_, job_id) = client.created(OTHER_CLUSTER, &obs("a")).await;
    let seen = tokio::time::timeout(PATIENCE, async {
        let mut seen = Vec::new();
        loop {
            let job = success(client.job(&job_id).await).await;
            let percent: u8 = text(&job, "progress").strip_suffix('%').unwrap().parse().unwrap();
            seen.push((percent, text(&job, "status")));
            if job["status"] == "SUCCESS" {
                return seen;
            }
        }
    });
    let seen = seen.await.unwrap();
    assert!(seen.is_sorted_by_key(|(percent, _)| *percent), "{seen:?}");
    assert_eq!(seen.last().unwrap().0, 100);
}

#[tokio::test]
async fn a_failed_create_leaves_its_record() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.update_settings(|settings| settings.create_outcome = failure());
    let (_, job_id) = client.created(CLUSTER, &mrs("a", "12345678")).await;
    let job = success(client.job(&job_id).await).await;
    assert_eq!(job["status"], "FAIL");
    assert_eq!(job["failed_code"], "CreateTask-fail:DWS.5172");
    assert_eq!(job["failed_detail"], "No such database.");
    let item = client.list(CLUSTER, "MRS").await["data_sources"][0].clone();
    assert_eq!(item["configure_status"], "300");
    assert_eq!(item["status"], "303");
    assert_eq!(item["fail_reason"], "No such database.");
    assert_eq!(
        verdict(client.create(CLUSTER, &mrs("a", "12345678")).await).await,
        (400, "DWS.0031".to_owned())
    );
}

#[tokio::test]
async fn stopped_creates_and_failed_deletes_and_updates_leave_a_failed_record() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let (id, _) = client.created(CLUSTER, &mrs("a", "12345678")).await;
    admin.update_settings(|settings| {
        settings.create_outcome = JobOutcome::Stop;
        settings.update_outcome = failure();
        settings.delete_outcome = failure();
    });
    success(client.update(CLUSTER, &id, &json!({"reconfigure": {}})).await).await;
    assert_eq!(states(&client, "MRS").await, (json!("300"), json!("200")));
    success(client.delete(CLUSTER, &id).await).await;
    assert_eq!(states(&client, "MRS").await, (json!("300"), json!("302")));
    let (_, job_id) = client.created(OTHER_CLUSTER, &obs("a")).await;
    assert_eq!(success(client.job(&job_id).await).await["status"], "STOP");
    assert_eq!(admin.sources(OTHER_CLUSTER)[0].configure_status, "300");
}

#[tokio::test]
async fn a_job_without_end_keeps_the_cluster_busy_until_it_is_ended() {
    let (_simulator, admin, client) = simulator(instant()).await;
    for (outcome, shown) in [
        (JobOutcome::Never, "RUNNING"),
        (JobOutcome::Unknown("PAUSED".to_owned()), "PAUSED"),
    ] {
        admin.update_settings(|settings| settings.create_outcome = outcome);
        let (_, job_id) = client.created(CLUSTER, &obs(shown)).await;
        assert_eq!(success(client.job(&job_id).await).await["status"], shown);
        assert_eq!(admin.sources(CLUSTER).last().unwrap().configure_status, "100");
        assert_eq!(
            verdict(client.create(CLUSTER, &obs("b")).await).await,
            (403, "DWS.7023".to_owned())
        );
        assert!(admin.end_job(&job_id, JobOutcome::Success));
        assert!(!admin.end_job(&job_id, JobOutcome::Success));
        assert_eq!(success(client.job(&job_id).await).await["status"], "SUCCESS");
        assert_eq!(admin.sources(CLUSTER).last().unwrap().configure_status, "200");
    }
}

#[tokio::test]
async fn a_vanished_job_has_done_its_work() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.update_settings(|settings| settings.create_outcome = JobOutcome::Vanish);
    let (_, job_id) = client.created(CLUSTER, &obs("a")).await;
    assert_eq!(verdict(client.job(&job_id).await).await, (404, "DWS.0015".to_owned()));
    assert_eq!(states(&client, "OBS").await.0, "200");
}

#[tokio::test]
async fn a_name_can_have_an_outcome_and_a_duration_of_its_own() {
    let exception = NameSettings {
        job_duration: Some(Duration::from_hours(1)),
        create_outcome: Some(failure()),
        ..NameSettings::default()
    };
    let settings = Settings {
        by_name: BTreeMap::from([("bad".to_owned(), exception)]),
        ..instant()
    };
    let (_simulator, admin, client) = simulator(settings).await;
    client.created(CLUSTER, &obs("good")).await;
    let (_, job_id) = client.created(CLUSTER, &obs("bad")).await;
    assert_eq!(success(client.job(&job_id).await).await["status"], "INIT");
    admin.update_settings(|settings| settings.by_name.get_mut("bad").unwrap().job_duration = None);
    let (_, job_id) = client.created(OTHER_CLUSTER, &obs("bad")).await;
    assert_eq!(success(client.job(&job_id).await).await["status"], "FAIL");
}

#[tokio::test]
async fn an_update_changes_the_agency_unless_it_is_ignored_and_a_restart_ends_the_wait_for_one() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let (id, _) = client.created(CLUSTER, &obs("a")).await;
    let update = |agency: &str, reboot: bool| json!({"reconfigure": {"agency": agency, "reboot": reboot}});
    success(client.update(CLUSTER, &id, &update("other", false)).await).await;
    assert_eq!(admin.sources(CLUSTER)[0].user_name, "other");
    admin.update_settings(|settings| settings.update_effect = UpdateEffect::Ignored);
    let job = success(client.update(CLUSTER, &id, &update("third", false)).await).await["job_id"].clone();
    assert_eq!(
        success(client.job(job.as_str().unwrap()).await).await["status"],
        "SUCCESS"
    );
    assert_eq!(admin.sources(CLUSTER)[0].user_name, "other");

    let (waiting, _) = client.created(CLUSTER, &obs("b")).await;
    admin.edit_source(CLUSTER, &waiting, |source| {
        "600".clone_into(&mut source.configure_status);
    });
    success(client.update(CLUSTER, &id, &update("other", true)).await).await;
    assert_eq!(admin.restarts(CLUSTER), 1);
    let states: Vec<_> = admin
        .sources(CLUSTER)
        .into_iter()
        .map(|source| source.configure_status)
        .collect();
    assert_eq!(states, ["200", "200"]);
}
