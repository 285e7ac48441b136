//! Every CEL rule and every pattern: accepted once, refused once, with the words that a user reads.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::data_source_rows::data_source_rows;
use crate::manifests::{merged, obs, provider};
use crate::provider_rows::provider_rows;
use crate::rows::{Check, Row};
use crate::schemas::fields;
use crate::server::Server;
use crate::{provider_transitions, transitions};

fn table() -> Vec<Row> {
    [
        data_source_rows(),
        provider_rows("DwsProvider"),
        provider_rows("ClusterDwsProvider"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[tokio::test]
async fn every_rule_and_pattern_accepts_and_refuses() {
    let server = Server::connect().await;
    let stored = [
        obs("stored"),
        provider("DwsProvider", "stored"),
        provider("ClusterDwsProvider", &server.unique("stored")),
    ];
    for object in &stored {
        server.create(object, "").await.accepted();
    }
    for row in table() {
        let stored = stored
            .iter()
            .find(|object| object["kind"] == row.object["kind"])
            .unwrap();
        let attempt = async |patch: &Value| {
            if row.place.starts_with("status") {
                server.patch_status(stored, patch, "dryRun=All").await
            } else {
                server.try_create(&merged(&row.object, patch)).await
            }
        };
        for patch in &row.accepted {
            let answer = attempt(patch).await;
            assert!(
                answer.status.is_success(),
                "{}: {patch}: {}",
                row.place,
                answer.body["message"]
            );
        }
        for patch in &row.refused {
            let refusal = attempt(patch).await.refused();
            let place = row
                .place
                .replace("matchLabels[]", "matchLabels.team")
                .replace("[]", "[0]");
            let words = match &row.check {
                Check::Pattern => "in body should match".to_owned(),
                Check::Rule(message) => message.clone(),
            };
            assert!(
                refusal.contains(&words) && refusal.contains(&place),
                "{place}: {patch}: {refusal}"
            );
        }
    }
    for object in &stored {
        server.delete(object).await.accepted();
    }
}

#[test]
fn the_tables_cover_every_rule_and_pattern_of_the_crds() {
    let mut in_crds = BTreeSet::new();
    for field in fields() {
        let mut add = |check| in_crds.insert((field.kind.clone(), field.place(), check));
        if field.schema["pattern"].is_string() {
            add(Check::Pattern);
        }
        for rule in field.schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            add(Check::Rule(rule["message"].as_str().unwrap().to_owned()));
        }
    }
    let rows = table();
    assert!(
        rows.iter()
            .all(|row| !row.accepted.is_empty() && !row.refused.is_empty())
    );
    let in_tables: BTreeSet<_> = rows
        .into_iter()
        .map(|row| {
            (
                row.object["kind"].as_str().unwrap().to_owned(),
                row.place.to_owned(),
                row.check,
            )
        })
        .chain(transitions::covered())
        .chain(provider_transitions::covered())
        .collect();
    assert_eq!(in_crds, in_tables);
}
