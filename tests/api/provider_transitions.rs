//! Changes of providers: what their data sources depend on stays.

use serde_json::{Value, json};

use crate::manifests::{merged, provider};
use crate::rows::Check;
use crate::server::Server;
use crate::transitions::{accepts, refuses};

const REGION_FIXED: &str = "region is fixed: create another provider for another region";
const PROJECT_FIXED: &str = "projectID is fixed, set or not: create another provider for another project";
const MARKER_FIXED: &str = "ownershipMarker is fixed: create another provider for data sources with another marker";

/// The rules that these stories are about, for the test that all are covered.
pub fn covered() -> Vec<(String, String, Check)> {
    let rule =
        |kind: &str, place: &str, message: &str| (kind.to_owned(), place.to_owned(), Check::Rule(message.to_owned()));
    let of = |kind| {
        [
            rule(kind, "spec.region", REGION_FIXED),
            rule(kind, "spec", PROJECT_FIXED),
            rule(kind, "spec", MARKER_FIXED),
        ]
    };
    ["DwsProvider", "ClusterDwsProvider"].into_iter().flat_map(of).collect()
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
