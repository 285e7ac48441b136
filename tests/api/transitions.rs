//! What may change of an object, and when.

use serde_json::{Value, json};

use crate::manifests::{condition, full_data_source, full_data_source_status, merged, provider, ready};
use crate::rows::Check;
use crate::server::Server;

const FIXED: &str = "only deletionPolicy may change while the data source exists in the cloud: \
                     to change anything else, delete this object and create it again";
const PROVIDER_FIXED: &str = "providerRef is fixed once a create was attempted: \
                              to use another provider, delete this object and create it again";
const PROJECT_OF_SOURCE_FIXED: &str = "projectID is fixed once a create was attempted: \
                                       to use another project, delete this object and create it again";
const REGION_FIXED: &str = "region is fixed: create another provider for another region";
const PROJECT_FIXED: &str = "projectID is fixed, set or not: create another provider for another project";
const MARKER_FIXED: &str = "ownershipMarker is fixed: create another provider for data sources with another marker";

/// The rules that these stories are about, for the test that all are covered.
pub fn covered() -> Vec<(String, String, Check)> {
    let rule =
        |kind: &str, place: &str, message: &str| (kind.to_owned(), place.to_owned(), Check::Rule(message.to_owned()));
    let mut rules = vec![
        rule("DwsDataSource", "", FIXED),
        rule("DwsDataSource", "", PROVIDER_FIXED),
        rule("DwsDataSource", "", PROJECT_OF_SOURCE_FIXED),
    ];
    for kind in ["DwsProvider", "ClusterDwsProvider"] {
        rules.extend([
            rule(kind, "spec.region", REGION_FIXED),
            rule(kind, "spec", PROJECT_FIXED),
            rule(kind, "spec", MARKER_FIXED),
        ]);
    }
    rules
}

/// One change of every field of a data source but `deletionPolicy`.
fn changes() -> Vec<Value> {
    [
        json!({"clusterID": "00000000-5c61-48ff-b4f3-0ad4e5e3ba90"}),
        json!({"type": "LAKE_FORMATION"}),
        json!({"dataSourceName": "SALES_LAKE"}),
        json!({"dataSourceID": "another"}),
        json!({"userName": "another"}),
        json!({"userPwd": {"secretKeyRef": {"name": "another"}}}),
        json!({"userPwd": {"secretKeyRef": {"key": "another"}}}),
        json!({"connectInfo": "another"}),
        json!({"connectInfo": null}),
        json!({"description": "another"}),
        json!({"description": null}),
        json!({"reboot": true}),
        json!({"reboot": null}),
        json!({"providerRef": {"name": "another"}}),
        json!({"providerRef": {"kind": "ClusterDwsProvider"}}),
        json!({"providerRef": null}),
        json!({"projectID": "another"}),
        json!({"projectID": null}),
    ]
    .map(|spec| json!({ "spec": spec }))
    .into()
}

/// Stores a data source with every field and this status.
async fn stored(server: &Server, name: &str, status: Value) -> Value {
    let object = full_data_source(name);
    server.create(&object, "fieldValidation=Strict").await.accepted();
    server
        .patch_status(&object, &json!({ "status": status }), "")
        .await
        .accepted();
    object
}

async fn accepts(server: &Server, object: &Value, change: &Value) {
    let answer = server.patch(object, change, "dryRun=All").await;
    assert!(answer.status.is_success(), "{change}: {}", answer.body["message"]);
}

async fn refuses(server: &Server, object: &Value, change: &Value, message: &str, place: &str) {
    let refusal = server.patch(object, change, "dryRun=All").await.refused();
    assert!(
        refusal.contains(message) && refusal.contains(&format!("{place}: Forbidden")),
        "{change}: {refusal}"
    );
}

#[tokio::test]
async fn a_data_source_that_does_not_exist_yet_can_be_edited_freely() {
    let server = Server::connect().await;
    let object = full_data_source("not-yet");
    server.create(&object, "").await.accepted();
    for change in changes() {
        accepts(&server, &object, &change).await;
    }
}

#[tokio::test]
async fn of_a_data_source_in_the_cloud_only_the_deletion_policy_changes() {
    let server = Server::connect().await;
    let object = stored(&server, "exists", without_failure()).await;
    for change in changes() {
        refuses(&server, &object, &change, FIXED, "spec").await;
    }
    accepts(&server, &object, &json!({"spec": {"deletionPolicy": "Retain"}})).await;
    accepts(&server, &object, &json!({"spec": {"deletionPolicy": null}})).await;
    accepts(&server, &object, &json!({"metadata": {"annotations": {"a": "b"}}})).await;
    let both = json!({"spec": {"deletionPolicy": "Retain", "reboot": true}});
    refuses(&server, &object, &both, FIXED, "spec").await;
}

#[tokio::test]
async fn a_field_cannot_be_added_to_a_data_source_in_the_cloud() {
    let server = Server::connect().await;
    let object = crate::manifests::obs("exists-with-little");
    server.create(&object, "").await.accepted();
    server
        .patch_status(&object, &json!({"status": {"id": "d303f19c"}}), "")
        .await
        .accepted();
    for spec in [
        json!({"dataSourceID": "d"}),
        json!({"description": "d"}),
        json!({"reboot": false}),
        json!({"providerRef": {"kind": "DwsProvider", "name": "default"}}),
        json!({"projectID": "another"}),
    ] {
        refuses(&server, &object, &json!({ "spec": spec }), FIXED, "spec").await;
    }
    accepts(&server, &object, &json!({"spec": {"deletionPolicy": "Retain"}})).await;
}

#[tokio::test]
async fn a_failed_create_can_be_corrected_but_not_moved_to_another_provider() {
    let server = Server::connect().await;
    // Whatever the conditions say meanwhile: the list may be unreadable, or the provider gone.
    for (name, operation) in [
        ("failed", json!({"type": "Create", "failedCode": "unknown"})),
        ("replacing", json!({"type": "Replace", "failedCode": null})),
    ] {
        let status = merged(&full_data_source_status(), &json!({ "operation": operation }));
        let object = stored(&server, name, status).await;
        for change in changes() {
            if change["spec"].get("providerRef").is_some() {
                refuses(&server, &object, &change, PROVIDER_FIXED, "spec.providerRef").await;
            } else if change["spec"].get("projectID").is_some() {
                refuses(&server, &object, &change, PROJECT_OF_SOURCE_FIXED, "spec.projectID").await;
            } else {
                accepts(&server, &object, &change).await;
            }
        }
    }
}

/// A status with every field, and no operation that failed.
fn without_failure() -> Value {
    merged(&full_data_source_status(), &json!({"operation": {"failedCode": null}}))
}

#[tokio::test]
async fn no_other_trouble_frees_the_spec() {
    let server = Server::connect().await;
    let denied = json!([
        condition("Ready", "False", "AccessDenied"),
        condition("Stalled", "True", "AccessDenied")
    ]);
    for (name, change) in [
        ("denied", json!({ "conditions": denied })),
        ("creating", json!({"operation": {"type": "Create", "failedCode": null}})),
        (
            "deleting",
            json!({"operation": {"type": "Delete", "failedCode": "unknown"}}),
        ),
        ("ready", json!({"operation": null, "conditions": [ready()]})),
        ("unknown", json!({"operation": null, "conditions": []})),
    ] {
        let status = merged(&without_failure(), &change);
        let object = stored(&server, name, status).await;
        refuses(
            &server,
            &object,
            &json!({"spec": {"dataSourceName": "another"}}),
            FIXED,
            "spec",
        )
        .await;
    }
}

#[tokio::test]
async fn the_provider_is_fixed_once_a_create_was_attempted() {
    let server = Server::connect().await;
    let full = full_data_source_status();
    for (name, status) in [
        ("attempted", json!({"lastAttempt": full["lastAttempt"]})),
        ("located", json!({"cloud": full["cloud"]})),
    ] {
        let object = stored(&server, name, status).await;
        for provider_ref in [
            json!({"name": "another"}),
            json!({"kind": "ClusterDwsProvider"}),
            json!(null),
        ] {
            let change = json!({"spec": {"providerRef": provider_ref}});
            refuses(&server, &object, &change, PROVIDER_FIXED, "spec.providerRef").await;
        }
        for project in [json!("another"), json!(null)] {
            let change = json!({"spec": {"projectID": project}});
            refuses(&server, &object, &change, PROJECT_OF_SOURCE_FIXED, "spec.projectID").await;
        }
        accepts(&server, &object, &json!({"spec": {"dataSourceName": "another"}})).await;
    }
}

#[tokio::test]
async fn the_operator_can_write_any_status_of_a_fixed_data_source() {
    let server = Server::connect().await;
    let object = stored(&server, "status", full_data_source_status()).await;
    for status in [
        json!({"id": "another"}),
        json!({"id": null, "cloud": null, "lastAttempt": null}),
    ] {
        let answer = server
            .patch_status(&object, &json!({ "status": status }), "dryRun=All")
            .await;
        assert!(answer.status.is_success(), "{status}: {}", answer.body["message"]);
    }
}

#[tokio::test]
async fn a_provider_keeps_its_marker() {
    let server = Server::connect().await;
    for kind in ["DwsProvider", "ClusterDwsProvider"] {
        let marker = |marker: Value| json!({"spec": {"ownershipMarker": marker}});
        let unset = provider(kind, &server.unique("unset"));
        let none = merged(&provider(kind, &server.unique("none")), &marker(json!("None")));
        for object in [&unset, &none] {
            server.create(object, "").await.accepted();
        }
        refuses(
            &server,
            &unset,
            &marker(json!("None")),
            MARKER_FIXED,
            "spec.ownershipMarker",
        )
        .await;
        accepts(&server, &unset, &marker(json!("Description"))).await;
        accepts(&server, &unset, &marker(Value::Null)).await;
        for other in [json!("Description"), Value::Null] {
            refuses(&server, &none, &marker(other), MARKER_FIXED, "spec.ownershipMarker").await;
        }
        for object in [&unset, &none] {
            server.delete(object).await.accepted();
        }
    }
}

#[tokio::test]
async fn a_provider_stays_in_its_region_and_project() {
    let server = Server::connect().await;
    for kind in ["DwsProvider", "ClusterDwsProvider"] {
        let without = provider(kind, &server.unique("without"));
        let with = merged(
            &provider(kind, &server.unique("with")),
            &json!({"spec": {"projectID": "p1"}}),
        );
        for object in [&without, &with] {
            server.create(object, "").await.accepted();
            refuses(
                &server,
                object,
                &json!({"spec": {"region": "cn-north-4"}}),
                REGION_FIXED,
                "spec.region",
            )
            .await;
            let change = json!({"spec": {"projectID": "p2"}});
            refuses(&server, object, &change, PROJECT_FIXED, "spec.projectID").await;
            accepts(
                &server,
                object,
                &json!({"spec": {"endpoint": "https://dws.example.com"}}),
            )
            .await;
        }
        refuses(
            &server,
            &with,
            &json!({"spec": {"projectID": null}}),
            PROJECT_FIXED,
            "spec.projectID",
        )
        .await;
        for object in [&without, &with] {
            server.delete(object).await.accepted();
        }
    }
}
