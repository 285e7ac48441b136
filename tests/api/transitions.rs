//! What may change of an object, and when.

use serde_json::{Value, json};

use crate::manifests::{condition, full_data_source, full_data_source_status, merged, ready};
use crate::rows::Check;
use crate::server::Server;

const FIXED: &str = "this can only change by deleting the data source and creating it anew: set replacementPolicy to OnApproval or Always to let the \
                     operator do that, or delete this object and create it again";
const PROVIDER_FIXED: &str = "providerRef is fixed once a create was attempted: \
                              to use another provider, delete this object and create it again";
const PROJECT_OF_SOURCE_FIXED: &str = "projectID is fixed once a create was attempted: \
                                       to use another project, delete this object and create it again";

/// The rules that these stories are about, for the test that all are covered.
pub fn covered() -> Vec<(String, String, Check)> {
    let rule =
        |kind: &str, place: &str, message: &str| (kind.to_owned(), place.to_owned(), Check::Rule(message.to_owned()));
    vec![
        rule("DwsDataSource", "", FIXED),
        rule("DwsDataSource", "", PROVIDER_FIXED),
        rule("DwsDataSource", "", PROJECT_OF_SOURCE_FIXED),
    ]
}

/// One change of every field of a data source that only a new one could bring about, and of its provider.
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
        json!({"providerRef": {"name": "another"}}),
        json!({"providerRef": {"kind": "ClusterDwsProvider"}}),
        json!({"providerRef": null}),
        json!({"projectID": "another"}),
        json!({"projectID": null}),
    ]
    .map(|spec| json!({ "spec": spec }))
    .into()
}

/// One change of every field that says what the operator may do.
fn free_changes() -> Vec<Value> {
    [
        json!({"reboot": true}),
        json!({"reboot": null}),
        json!({"deletionPolicy": "Retain"}),
        json!({"deletionPolicy": null, "import": null}),
        json!({"managementPolicy": "Observe"}),
        json!({"managementPolicy": null}),
        json!({"import": {"id": "another"}}),
        json!({"import": {"id": null, "name": "sales_lake"}}),
        json!({"import": null}),
        json!({"replacementPolicy": "OnApproval"}),
        json!({"replacementPolicy": null}),
        json!({"resyncPeriod": "0s"}),
        json!({"resyncPeriod": null}),
    ]
    .map(|spec| json!({ "spec": spec }))
    .into()
}

/// What an attempt was made through stays, whatever else may change: the rule that says so, and its place.
fn fixed_way(change: &Value) -> Option<(&'static str, &'static str)> {
    let spec = &change["spec"];
    if spec.get("providerRef").is_some() {
        Some((PROVIDER_FIXED, "spec.providerRef"))
    } else {
        spec.get("projectID")
            .map(|_| (PROJECT_OF_SOURCE_FIXED, "spec.projectID"))
    }
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

pub async fn accepts(server: &Server, object: &Value, change: &Value) {
    let answer = server.patch(object, change, "dryRun=All").await;
    assert!(answer.status.is_success(), "{change}: {}", answer.body["message"]);
}

pub async fn refuses(server: &Server, object: &Value, change: &Value, message: &str, place: &str) {
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
async fn of_a_data_source_in_the_cloud_only_what_the_operator_may_do_changes() {
    let server = Server::connect().await;
    let object = stored(&server, "exists", without_failure()).await;
    for change in changes() {
        let (message, place) = fixed_way(&change).unwrap_or((FIXED, "spec"));
        refuses(&server, &object, &change, message, place).await;
    }
    for change in free_changes() {
        accepts(&server, &object, &change).await;
    }
    accepts(&server, &object, &json!({"metadata": {"annotations": {"a": "b"}}})).await;
    let both = json!({"spec": {"deletionPolicy": "Retain", "connectInfo": "another"}});
    refuses(&server, &object, &both, FIXED, "spec").await;
}

/// The agency of an OBS source is updated in place.
#[tokio::test]
async fn of_an_obs_source_the_agency_changes() {
    let server = Server::connect().await;
    let object = crate::manifests::obs("agency");
    server.create(&object, "").await.accepted();
    let status = merged(&without_failure(), &json!({"imported": null}));
    server
        .patch_status(&object, &json!({ "status": status }), "")
        .await
        .accepted();
    accepts(&server, &object, &json!({"spec": {"userName": "another"}})).await;
    let both = json!({"spec": {"userName": "another", "connectInfo": "another"}});
    refuses(&server, &object, &both, FIXED, "spec").await;
}

/// With a replacement allowed all may change but the provider, also in the edit that allows it.
#[tokio::test]
async fn what_may_be_replaced_can_be_edited() {
    let server = Server::connect().await;
    let object = stored(&server, "replaceable", without_failure()).await;
    for policy in ["OnApproval", "Always"] {
        for change in changes() {
            let change = merged(&change, &json!({"spec": {"replacementPolicy": policy}}));
            if let Some((message, place)) = fixed_way(&change) {
                refuses(&server, &object, &change, message, place).await;
            } else {
                accepts(&server, &object, &change).await;
            }
        }
    }
    let never = json!({"spec": {"replacementPolicy": "Never", "connectInfo": "another"}});
    refuses(&server, &object, &never, FIXED, "spec").await;
}

/// What is only observed can be looked for anywhere; what was made or taken over before the object observed is fixed as ever.
#[tokio::test]
async fn what_is_only_observed_can_be_edited() {
    let server = Server::connect().await;
    let full = without_failure();
    let seen = json!({"imported": null, "lastAttempt": null, "operation": null});
    let in_vain =
        json!({"imported": null, "operation": null, "lastAttempt": {"outcome": "Rejected", "lateUntil": null}});
    let late = json!({"imported": null, "operation": null, "lastAttempt": {"outcome": "Absent"}});
    let imported = json!({"lastAttempt": null, "operation": null});
    let created = json!({"imported": null, "operation": null, "lastAttempt": {"lateUntil": null}});
    for (name, change, is_free) in [
        ("seen", seen, true),
        ("in-vain", in_vain, true),
        ("late", late, false),
        ("imported", imported, false),
        ("created", created, false),
    ] {
        let object = stored(&server, name, merged(&full, &change)).await;
        for observes in [false, true] {
            if observes {
                let policy = json!({"spec": {"managementPolicy": "Observe"}});
                server.patch(&object, &policy, "").await.accepted();
            }
            for change in changes() {
                if is_free && observes {
                    accepts(&server, &object, &change).await;
                } else if let Some((message, place)) = fixed_way(&change) {
                    refuses(&server, &object, &change, message, place).await;
                } else {
                    refuses(&server, &object, &change, FIXED, "spec").await;
                }
            }
        }
    }
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
        json!({"userPwd": {"secretKeyRef": {"name": "a", "key": "b"}}, "type": "LAKE_FORMATION"}),
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
        (
            "replacing",
            json!({"type": "Replace", "planID": null, "failedCode": null}),
        ),
    ] {
        let status = merged(&full_data_source_status(), &json!({ "operation": operation }));
        let object = stored(&server, name, status).await;
        for change in changes() {
            if let Some((message, place)) = fixed_way(&change) {
                refuses(&server, &object, &change, message, place).await;
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
        // A planned replacement is one of a data source that exists.
        (
            "planned",
            json!({"operation": {"type": "Replace", "planID": "p1", "failedCode": null}}),
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
