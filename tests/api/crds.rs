//! The CRDs as a cluster's administrator and a user of `kubectl` meet them.

use serde_json::{Value, json};

use crate::manifests::{CLUSTER_ID, full_data_source_status, mrs, obs, provider, ready};
use crate::server::{Server, documents};

#[tokio::test]
async fn applying_prints_no_warning_and_what_comes_back_equals_the_file() {
    let server = Server::connect().await;
    for crd in documents("crds") {
        server.apply_crd(&crd).await.accepted();
        let stored = server.get_crd(&crd).await.accepted();
        assert_eq!(stored["spec"], crd["spec"], "{}", crd["metadata"]["name"]);
        let conditions = stored["status"]["conditions"].as_array().unwrap();
        for wanted in ["NamesAccepted", "Established"] {
            assert!(
                conditions.iter().any(|c| c["type"] == wanted && c["status"] == "True"),
                "{conditions:?}"
            );
        }
        assert!(
            !conditions.iter().any(|c| c["type"] == "NonStructuralSchema"),
            "{conditions:?}"
        );
    }
}

#[tokio::test]
async fn a_new_object_shows_that_no_operator_has_seen_it() {
    let server = Server::connect().await;
    for object in [obs("new"), provider("DwsProvider", "new")] {
        let created = server.create(&object, "").await.accepted();
        assert_eq!(created["status"], json!({"observedGeneration": -1}));
        assert_eq!(
            server.get(&object).await.accepted()["status"],
            json!({"observedGeneration": -1})
        );
    }
}

#[tokio::test]
async fn nothing_is_added_to_the_spec_that_a_user_wrote() {
    let server = Server::connect().await;
    for object in [
        obs("as-written"),
        mrs("as-written-too"),
        provider("DwsProvider", "as-written"),
    ] {
        assert_eq!(server.create(&object, "").await.accepted()["spec"], object["spec"]);
    }
}

#[tokio::test]
async fn unknown_fields_are_warned_about_dropped_or_refused() {
    let server = Server::connect().await;
    let mut object = obs("unknown");
    object["spec"]["dataSourcename"] = json!("x");

    let refusal = server.create(&object, "fieldValidation=Strict").await.refused();
    assert!(refusal.contains(r#"unknown field "spec.dataSourcename""#), "{refusal}");

    let answer = server.create(&object, "fieldValidation=Warn").await;
    assert!(answer.status.is_success());
    assert!(
        answer
            .warnings
            .iter()
            .any(|warning| warning.contains("spec.dataSourcename")),
        "{:?}",
        answer.warnings
    );
    assert_eq!(answer.body["spec"], obs("unknown")["spec"]);
}

#[tokio::test]
async fn a_password_cannot_be_taken_from_another_namespace() {
    let server = Server::connect().await;
    let mut object = mrs("elsewhere");
    object["spec"]["userPwd"]["secretKeyRef"]["namespace"] = json!("kube-system");
    let refusal = server.create(&object, "fieldValidation=Strict").await.refused();
    assert!(
        refusal.contains(r#"unknown field "spec.userPwd.secretKeyRef.namespace""#),
        "{refusal}"
    );
}

#[tokio::test]
async fn data_sources_are_found_by_cluster_type_and_name() {
    let server = Server::connect().await;
    let other_cluster = "00000000-5c61-48ff-b4f3-0ad4e5e3ba90";
    let (first, second) = (obs("first"), mrs("second"));
    let mut third = obs("third");
    third["spec"]["clusterID"] = json!(other_cluster);
    for object in [&first, &second, &third] {
        server.create(object, "").await.accepted();
    }
    for (selector, expected) in [
        (format!("spec.clusterID={CLUSTER_ID}"), vec!["first", "second"]),
        (format!("spec.clusterID={other_cluster}"), vec!["third"]),
        ("spec.type=MRS".to_owned(), vec!["second"]),
        ("spec.dataSourceName=sales_archive".to_owned(), vec!["first", "third"]),
        (format!("spec.type=OBS,spec.clusterID={CLUSTER_ID}"), vec!["first"]),
    ] {
        let selector: String = format!("fieldSelector={}", selector.replace('=', "%3D").replace(',', "%2C"));
        let list = server.list(&first, &selector).await.accepted();
        let names: Vec<&str> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{selector}");
    }
}

/// The columns of `kubectl get`, those of `-o wide` in brackets, and the cells of the only row but its age.
fn columns_and_cells(table: &Value) -> (Vec<String>, Vec<Value>) {
    let columns = table["columnDefinitions"].as_array().unwrap().iter().map(|column| {
        let name = column["name"].as_str().unwrap();
        if column["priority"] == 0 {
            name.to_owned()
        } else {
            format!("[{name}]")
        }
    });
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    (columns.collect(), cells[..cells.len() - 1].to_vec())
}

#[tokio::test]
async fn kubectl_get_shows_the_state_of_a_data_source() {
    let server = Server::connect().await;
    let object = obs("shown");
    server.create(&object, "").await.accepted();
    server
        .patch_status(&object, &json!({"status": full_data_source_status()}), "")
        .await
        .accepted();
    let (columns, cells) = columns_and_cells(&server.table(&object).await.accepted());
    assert_eq!(
        columns,
        [
            "Name",
            "Type",
            "DataSource",
            "Ready",
            "Reason",
            "[ID]",
            "[Cluster]",
            "[Message]",
            "Age"
        ]
    );
    let id = "d303f19c-fbd1-4716-ae04-07d1ff358f22";
    let expected = json!([
        "shown",
        "OBS",
        "sales_archive",
        "True",
        "Available",
        id,
        CLUSTER_ID,
        "a sentence"
    ]);
    assert_eq!(Value::from(cells), expected);
}

#[tokio::test]
async fn kubectl_get_shows_the_state_of_a_provider() {
    let server = Server::connect().await;
    let object = provider("DwsProvider", "shown");
    server.create(&object, "").await.accepted();
    let status =
        json!({"projectID": "89cd", "users": 2, "endpoint": "https://dws.example.com", "conditions": [ready()]});
    server
        .patch_status(&object, &json!({"status": status}), "")
        .await
        .accepted();
    let (columns, cells) = columns_and_cells(&server.table(&object).await.accepted());
    assert_eq!(
        columns,
        [
            "Name",
            "Region",
            "Ready",
            "Reason",
            "Users",
            "[Project]",
            "[Endpoint]",
            "Age"
        ]
    );
    let expected = json!([
        "shown",
        "eu-west-101",
        "True",
        "Available",
        2,
        "89cd",
        "https://dws.example.com"
    ]);
    assert_eq!(Value::from(cells), expected);
}
