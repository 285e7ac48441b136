//! Every limit, closed list and required field of the schemas, one by one.

use serde_json::{Value, json};

use crate::manifests::{
    access_key, assume_agency_by_name, full_data_source, full_data_source_status, full_provider, full_provider_status,
    merged, obs, oidc_by_iam, oidc_by_sts, password,
};
use crate::schemas::{Field, fields};
use crate::server::Server;

/// The value at a place, for reading and writing; `[]` is the first item of a list or any entry of a map.
fn at<'a>(object: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(object, |value, name| {
        if value.is_array() {
            &mut value[0]
        } else if name == "[]" {
            let entries = value.as_object_mut().expect("only lists and maps have items");
            entries.values_mut().next().expect("the full object has an entry here")
        } else {
            &mut value[name]
        }
    })
}

/// A value of a field and the words that the API server refuses it with.
fn refused_values(schema: &Value, full: &Value) -> Vec<(Value, String)> {
    let mut refused = Vec::new();
    if let Some(max) = schema["maxLength"].as_u64() {
        let long = "a".repeat(usize::try_from(max).unwrap() + 1);
        refused.push((json!(long), "Too long: may not be more than".to_owned()));
    }
    if schema["minLength"].is_u64() || schema["minItems"].is_u64() {
        let empty = if full.is_array() { json!([]) } else { json!("") };
        refused.push((
            empty,
            "should be at least 1 chars long|should have at least 1 items".to_owned(),
        ));
    }
    if let Some(max) = schema["maxItems"].as_u64() {
        let item = &full[0];
        refused.push((
            vec![item.clone(); usize::try_from(max).unwrap() + 1].into(),
            "Too many".to_owned(),
        ));
    }
    if let Some(max) = schema["maxProperties"].as_u64() {
        let entries = (0..=max).map(|i| (format!("key-{i}"), json!("value")));
        refused.push((Value::Object(entries.collect()), "Too many".to_owned()));
    }
    if let Some(min) = schema["minimum"].as_i64() {
        refused.push((json!(min - 1), format!("should be greater than or equal to {min}")));
    }
    if schema["enum"].is_array() {
        refused.push((json!("Nonsense"), "Unsupported value".to_owned()));
    }
    refused
}

/// The objects with every field, stored, by kind; what a field's limit is tried on.
async fn stored(server: &Server, kind: &str) -> Value {
    let (object, status) = match kind {
        "DwsDataSource" => (full_data_source("full"), full_data_source_status()),
        kind => (full_provider(kind, &server.unique("full")), full_provider_status()),
    };
    server.create(&object, "fieldValidation=Strict").await.accepted();
    server
        .patch_status(&object, &json!({"status": status}), "")
        .await
        .accepted();
    merged(&object, &json!({"status": status}))
}

/// Tries an object with one wrong value: its status as the operator writes it, the rest as a user creates it.
async fn refusal(server: &Server, object: &Value, field: &Field) -> String {
    if field.path[0] == "status" {
        server
            .patch_status(object, &json!({"status": object["status"]}), "dryRun=All")
            .await
            .refused()
    } else {
        server.try_create(object).await.refused()
    }
}

/// The credentials in which a field of `auth` is set, if it is none of the full provider's.
fn auth_with(path: &[String]) -> Option<Value> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["spec", "auth", "password", ..] => Some(password()),
        ["spec", "auth", "oidc", "idpID"] => Some(oidc_by_iam()),
        ["spec", "auth", "oidc", ..] => Some(oidc_by_sts()),
        ["spec", "auth", source @ ("podIdentity" | "nodeAgency"), ..] => Some(json!({ *source: {} })),
        ["spec", "auth", "assumeAgency", "agencyName" | "domainName"] => {
            Some(merged(&access_key(), &json!({"assumeAgency": assume_agency_by_name()})))
        }
        _ => None,
    }
}

#[tokio::test]
async fn every_limit_refuses_what_exceeds_it() {
    let server = Server::connect().await;
    for kind in ["DwsDataSource", "DwsProvider", "ClusterDwsProvider"] {
        let full = stored(&server, kind).await;
        for mut field in fields()
            .into_iter()
            .filter(|field| field.kind == kind && !field.path.is_empty())
        {
            let mut full = full.clone();
            if let Some(auth) = auth_with(&field.path) {
                full["spec"]["auth"] = auth;
            }
            if ["apiVersion", "kind", "metadata"].contains(&field.path[0].as_str()) {
                continue;
            }
            let present = at(&mut full, &field.path).clone();
            assert!(!present.is_null(), "the full {kind} lacks {}", field.place());
            for (value, words) in refused_values(&field.schema, &present) {
                let mut object = full.clone();
                *at(&mut object, &field.path) = value;
                let refusal = refusal(&server, &object, &field).await;
                assert!(
                    words.split('|').any(|words| refusal.contains(words)),
                    "{}: {refusal}",
                    field.place()
                );
            }
            for required in field.schema["required"].as_array().into_iter().flatten() {
                let mut object = full.clone();
                at(&mut object, &field.path)
                    .as_object_mut()
                    .unwrap()
                    .remove(required.as_str().unwrap());
                if field.path[0] == "status" {
                    // A merge patch only takes out of a map what it sets to null.
                    at(&mut object, &field.path)[required.as_str().unwrap()] = Value::Null;
                }
                field.path.push(required.as_str().unwrap().to_owned());
                let (refusal, place) = (refusal(&server, &object, &field).await, field.place());
                let place = place.replace("[]", "[0]");
                assert!(
                    refusal.contains(&format!("{place}: Required value")),
                    "{place}: {refusal}"
                );
                field.path.pop();
            }
        }
        server.delete(&full).await.accepted();
    }
}

/// The lengths that the documents of the cloud and of this API state, in letters: the schemas hold to these numbers, whatever they say.
#[tokio::test]
async fn the_documented_lengths_are_the_limits() {
    let server = Server::connect().await;
    let letters = |letter: &str, count: usize| json!(letter.repeat(count));
    // The documents let a user name have 3 to 20 characters; agencies have up to 64.
    let rows = [
        ("dataSourceName", "a", &[1, 64][..], &[0, 65][..]),
        ("userName", "a", &[3, 20, 64], &[0, 65]),
        ("description", "a", &[1, 224], &[225]),
        ("description", "\u{4e16}", &[1, 224], &[225]),
        ("clusterID", "a", &[], &[1, 32, 36, 64]),
    ];
    for (field, letter, taken, refused) in rows {
        let with = |count: &usize| merged(&obs("lengths"), &json!({"spec": {field: letters(letter, *count)}}));
        for count in taken {
            server.try_create(&with(count)).await.accepted();
        }
        for count in refused {
            let refusal = server.try_create(&with(count)).await.refused();
            assert!(refusal.contains(field), "{field} of {count}: {refusal}");
        }
    }
}
