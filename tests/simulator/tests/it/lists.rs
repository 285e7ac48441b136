//! What the list shows, and when.

use dws_simulator::{Count, Settings, SourceSeed, StateNotation};
use jiff::Timestamp;
use reqwest::Method;
use std::time::Duration;

use crate::client::{CLUSTER, PATIENCE, instant, mrs, names, obs, simulator, sources_path, success, verdict};

#[tokio::test]
async fn a_list_shows_one_type_or_all_and_refuses_others() {
    let (_simulator, _, client) = simulator(instant()).await;
    client.created(CLUSTER, &obs("a")).await;
    client.created(CLUSTER, &mrs("b", "12345678")).await;
    assert_eq!(names(&client.list(CLUSTER, "OBS").await), ["a"]);
    assert_eq!(names(&client.list(CLUSTER, "MRS").await), ["b"]);
    assert_eq!(
        names(&client.list(CLUSTER, "LAKE_FORMATION").await),
        Vec::<String>::new()
    );
    let all = success(client.call(Method::GET, &sources_path(CLUSTER), None).await).await;
    assert_eq!(names(&all), ["a", "b"]);
    assert!(all.get("type").is_none());
    let path = format!("{}?type=HIVE", sources_path(CLUSTER));
    assert_eq!(
        verdict(client.call(Method::GET, &path, None).await).await,
        (400, "DWS.0001".to_owned())
    );
}

#[tokio::test]
async fn a_new_source_shows_after_the_list_lag() {
    let (_simulator, admin, client) = simulator(instant()).await;
    admin.update_settings(|settings| settings.list_lag = Duration::from_hours(1));
    let (id, _) = client.created(CLUSTER, &obs("a")).await;
    assert_eq!(names(&client.list(CLUSTER, "OBS").await), Vec::<String>::new());
    assert_eq!(admin.sources(CLUSTER)[0].id, id);
    assert!(admin.edit_source(CLUSTER, &id, |source| source.visible_from = Timestamp::now()));
    assert_eq!(names(&client.list(CLUSTER, "OBS").await), ["a"]);
}

#[tokio::test]
async fn a_deleted_source_shows_until_the_delete_lag_is_over() {
    let (_simulator, admin, client) = simulator(instant()).await;
    for (lag, name) in [(Duration::from_hours(1), "stays"), (Duration::from_millis(100), "goes")] {
        admin.update_settings(|settings| settings.delete_lag = lag);
        let (id, _) = client.created(CLUSTER, &obs(name)).await;
        success(client.delete(CLUSTER, &id).await).await;
        assert!(admin.sources(CLUSTER).is_empty());
        assert!(names(&client.list(CLUSTER, "OBS").await).contains(&"stays".to_owned()));
    }
    let gone = async {
        while names(&client.list(CLUSTER, "OBS").await) != ["stays"] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn states_and_count_are_written_as_the_settings_say() {
    let settings = Settings {
        state_notation: StateNotation::Names,
        count: Count::Wrong,
        ..Settings::default()
    };
    let (_simulator, admin, client) = simulator(settings).await;
    let frozen = SourceSeed {
        type_: "MRS".to_owned(),
        configure_status: "600".to_owned(),
        status: Some("800".to_owned()),
        ..SourceSeed::default()
    };
    let id = admin.put_source(CLUSTER, frozen);
    let list = client.list(CLUSTER, "MRS").await;
    let item = &list["data_sources"][0];
    assert_eq!(
        (item["configure_status"].as_str(), item["status"].as_str()),
        (Some("PENDING_REBOOT"), Some("FROZEN"))
    );
    assert_eq!(list["count"], 5);
    admin.edit_source(CLUSTER, &id, |source| {
        source.configure_status = "777".to_owned();
    });
    assert_eq!(
        client.list(CLUSTER, "MRS").await["data_sources"][0]["configure_status"],
        "777"
    );
}

#[tokio::test]
async fn sources_change_behind_everybodys_back() {
    let (_simulator, admin, client) = simulator(instant()).await;
    let id = admin.put_source(
        CLUSTER,
        SourceSeed {
            name: "theirs".to_owned(),
            ..SourceSeed::default()
        },
    );
    assert_eq!(
        verdict(client.create(CLUSTER, &obs("theirs")).await).await,
        (400, "DWS.0031".to_owned())
    );
    assert!(admin.edit_source(CLUSTER, &id, |source| source.name = "renamed".to_owned()));
    client.created(CLUSTER, &obs("theirs")).await;
    assert_eq!(names(&client.list(CLUSTER, "OBS").await), ["renamed", "theirs"]);
    assert!(admin.remove_source(CLUSTER, &id));
    assert!(!admin.remove_source(CLUSTER, &id));
    assert_eq!(names(&client.list(CLUSTER, "OBS").await), ["theirs"]);
}

#[tokio::test]
async fn many_clusters_work_at_once_beside_a_large_one() {
    let (_simulator, admin, client) = simulator(instant()).await;
    for number in 0..10_000 {
        admin.put_source(
            CLUSTER,
            SourceSeed {
                name: format!("s{number}"),
                ..SourceSeed::default()
            },
        );
    }
    let creates = (0..200).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let cluster = format!("00000000-0000-4000-8000-{number:012}");
            client.created(&cluster, &obs("a")).await;
        })
    });
    for create in creates.collect::<Vec<_>>() {
        create.await.unwrap();
    }
    assert_eq!(admin.clusters().len(), 201);
    assert_eq!(client.list(CLUSTER, "OBS").await["count"], 10_000);
}
