//! The CRDs as they are installed: generated from the types, with what the derive cannot say added.
//!
//! The result holds nothing that the API server would drop, default or rewrite, so that what Argo CD or Flux reads
//! back equals the file.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{ClusterDwsProvider, DwsDataSource, DwsProvider};

const HEADER: &str = "# Generated from the types in src/api by `dws-operator crds --dir crds`. Do not edit.\n";

/// The CRDs, as typed objects.
///
/// # Panics
/// Never: a unit test covers the only values that there are.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    manifests()
        .into_iter()
        .map(|manifest| serde_json::from_value(manifest).expect("a manifest is made from a CustomResourceDefinition"))
        .collect()
}

/// The CRDs as YAML documents, each with the name of its file.
///
/// # Panics
/// Never: a unit test covers the only values that there are.
#[must_use]
pub fn yaml() -> Vec<(String, String)> {
    manifests()
        .iter()
        .map(|manifest| {
            let plural = manifest["spec"]["names"]["plural"]
                .as_str()
                .expect("a CRD has a plural name");
            let body = serde_saphyr::to_string(manifest).expect("a JSON value is valid YAML");
            (format!("{plural}.yaml"), format!("{HEADER}{body}"))
        })
        .collect()
}

/// Writes the CRDs as one stream of YAML documents, for `dws-operator crds`.
///
/// # Errors
/// What the writer says.
pub fn print(out: &mut impl Write) -> io::Result<()> {
    for (_, document) in yaml() {
        writeln!(out, "---\n{}", document.trim_end())?;
    }
    out.flush()
}

/// Writes the CRDs into a directory, one file each, for `dws-operator crds --dir`. The directory must exist.
///
/// # Errors
/// What the file system says.
pub fn write_to(dir: &Path) -> io::Result<()> {
    for (name, document) in yaml() {
        fs::write(dir.join(name), document)?;
    }
    Ok(())
}

fn manifests() -> [Value; 3] {
    [
        manifest::<DwsDataSource>(),
        manifest::<DwsProvider>(),
        manifest::<ClusterDwsProvider>(),
    ]
}

fn manifest<K: CustomResourceExt + JsonSchema>() -> Value {
    let mut manifest = serde_json::to_value(K::crd()).expect("a CustomResourceDefinition is valid JSON");
    let schema = &mut manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    describe(schema, &documented::<K>());
    // kstatus takes an object without a status for healthy; with this default it never is before the operator saw it.
    schema["properties"]["status"]["default"] = json!({"observedGeneration": -1});
    tidy(&mut manifest);
    // The API server adds these two when they are missing.
    let kind = manifest["spec"]["names"]["kind"]
        .as_str()
        .map(|kind| format!("{kind}List"));
    manifest["spec"]["names"]["listKind"] = json!(kind);
    manifest["spec"]["conversion"] = json!({"strategy": "None"});
    manifest
}

/// The schema of a kind as the derive documents it, before kube makes it structural.
fn documented<K: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<K>().to_value()
}

/// Gives each property the doc comment of its field. Where the field is an optional enum, kube lets that of the enum win, which does not say
/// what the field means unset.
fn describe(schema: &mut Value, documented: &Value) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        let field = &documented["properties"][name];
        if let Some(text) = field["description"].as_str() {
            property["description"] = json!(text);
        }
        describe(property, field);
    }
    if let Some(items) = schema.get_mut("items") {
        describe(items, &documented["items"]);
    }
}

/// Removes what means nothing to the API server (`nullable`: no field takes null; empty lists), writes integers as
/// integers, and joins the lines of a doc comment, which break where the source breaks, into paragraphs.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| match value {
                Value::Bool(_) => key != "nullable",
                Value::Array(list) => !list.is_empty(),
                _ => true,
            });
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text
                    .split("\n\n")
                    .map(|paragraph| paragraph.replace('\n', " "))
                    .collect::<Vec<_>>()
                    .join("\n\n");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Number(number) => {
            if let Some(integer) = number.as_f64().filter(|n| number.is_f64() && n.fract() == 0.0) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the limits in the types are small integers"
                )]
                let integer = integer as i64;
                *value = json!(integer);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Calls `check` with the path and the schema of every field of a CRD, the root and the items of lists included.
    fn for_each_schema(manifest: &Value, check: &mut impl FnMut(&str, &Value)) {
        fn walk(path: &str, schema: &Value, check: &mut impl FnMut(&str, &Value)) {
            check(path, schema);
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                walk(&format!("{path}.{name}"), property, check);
            }
            for inner in ["items", "additionalProperties"] {
                if schema[inner].is_object() {
                    walk(&format!("{path}[]"), &schema[inner], check);
                }
            }
        }
        let schema = &manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(manifest["spec"]["names"]["kind"].as_str().unwrap(), schema, check);
    }

    fn for_each_field(mut check: impl FnMut(&str, &Value)) {
        for manifest in manifests() {
            for_each_schema(&manifest, &mut check);
        }
    }

    #[test]
    fn the_committed_files_are_current() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        let mut committed: Vec<String> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        committed.sort();
        let mut names = Vec::new();
        for (name, document) in yaml() {
            let file = fs::read_to_string(dir.join(&name)).unwrap_or_default();
            assert!(
                file == document,
                "crds/{name} is stale: run `cargo run -- crds --dir crds`"
            );
            names.push(name);
        }
        names.sort();
        assert_eq!(committed, names);
    }

    #[test]
    fn a_file_holds_what_the_typed_crd_holds() {
        for (crd, (name, document)) in all().into_iter().zip(yaml()) {
            let read: CustomResourceDefinition = serde_saphyr::from_str(&document).unwrap();
            assert_eq!(read, crd, "{name}");
        }
    }

    #[test]
    fn the_stream_has_one_document_per_crd() {
        let mut stream = Vec::new();
        print(&mut stream).unwrap();
        let stream = String::from_utf8(stream).unwrap();
        let read: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&stream).unwrap();
        assert_eq!(read, all());
    }

    #[test]
    fn files_are_small_enough_for_client_side_apply() {
        for (name, document) in yaml() {
            assert!(document.len() < 200_000, "{name} has {} bytes", document.len());
        }
    }

    #[test]
    fn every_string_list_and_map_has_a_limit() {
        for_each_field(|path, schema| {
            let limited = match schema["type"].as_str() {
                Some("string") => {
                    schema["maxLength"].is_u64() || schema["enum"].is_array() || schema["format"] == "date-time"
                }
                Some("array") => schema["maxItems"].is_u64() && schema["x-kubernetes-list-type"].is_string(),
                Some("object") if schema["additionalProperties"].is_object() => schema["maxProperties"].is_u64(),
                Some("number") => schema["minimum"].is_number() && schema["maximum"].is_number(),
                Some("object" | "integer" | "boolean") => true,
                other => panic!("{path} has the type {other:?}"),
            };
            assert!(limited, "{path}");
        });
    }

    #[test]
    fn every_field_is_described() {
        for_each_field(|path, schema| {
            let is_metadata = path.ends_with(".metadata");
            assert!(
                path.ends_with("[]")
                    || is_metadata
                    || schema["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{path}"
            );
        });
    }

    /// The fields of a source file whose types have a schema, each as its name in JSON and its doc comment; those that are flattened have none.
    fn documented_fields(source: &str) -> Vec<(String, String)> {
        let camel_case = |field: &str| {
            let mut words = field.trim_end_matches('_').split('_');
            let first = words.next().unwrap().to_owned();
            words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
        };
        let mut fields = Vec::new();
        let (mut doc, mut attributes, mut has_schema) = (String::new(), String::new(), false);
        for line in source.lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("///") {
                doc = format!("{doc}\n{}", text.trim());
                continue;
            }
            if line.starts_with("#[derive(") {
                has_schema = line.contains("Schema");
            }
            if line.starts_with("#[") {
                attributes += line;
                continue;
            }
            let field = line.strip_prefix("pub ").and_then(|field| field.split_once(": "));
            let field = field.filter(|(name, _)| has_schema && !name.contains(['(', ' ']));
            if let Some((field, _)) = field.filter(|_| !attributes.contains("serde(flatten)")) {
                let renamed = attributes.split_once("rename = \"").map(|(_, rest)| rest);
                let renamed = renamed
                    .and_then(|rest| rest.split_once('"'))
                    .map(|(name, _)| name.to_owned());
                let paragraphs: Vec<String> = doc.trim().split("\n\n").map(|text| text.replace('\n', " ")).collect();
                fields.push((renamed.unwrap_or_else(|| camel_case(field)), paragraphs.join("\n\n")));
            }
            // What stands over anything else is not about the next field; all other lines are the middle of an attribute.
            if field.is_some() || line.starts_with("pub ") || line.ends_with(['{', '}']) {
                (doc, attributes) = Default::default();
            }
            has_schema &= line != "}";
        }
        fields
    }

    #[test]
    fn the_doc_comment_of_each_field_reaches_its_crd() {
        let mut described = BTreeSet::new();
        for_each_field(|path, schema| {
            let name = path.rsplit('.').next().unwrap().to_owned();
            described.insert((name, schema["description"].as_str().unwrap_or_default().to_owned()));
        });
        let mut count = 0;
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api")).unwrap() {
            for field in documented_fields(&fs::read_to_string(entry.unwrap().path()).unwrap()) {
                assert!(described.contains(&field), "{field:?} is described otherwise in crds/");
                count += 1;
            }
        }
        let mut properties = 0;
        for_each_schema(&manifest::<DwsDataSource>(), &mut |_, schema| {
            properties += schema["properties"].as_object().map_or(0, serde_json::Map::len);
        });
        assert!(
            count >= properties,
            "{count} fields were found in the source, {properties} in one CRD alone"
        );
    }

    #[test]
    fn only_the_status_has_a_default_and_no_number_is_unsigned() {
        for_each_field(|path, schema| {
            assert_eq!(
                schema.get("default").is_some(),
                path.ends_with("Source.status") || path.ends_with("Provider.status"),
                "{path}"
            );
            let format = schema["format"].as_str();
            assert!(
                matches!(format, None | Some("date-time" | "int32" | "int64")),
                "{path}: {format:?}"
            );
        });
    }

    #[test]
    fn every_rule_says_what_to_do() {
        for_each_field(|path, schema| {
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                assert!(
                    rule["message"].is_string() && rule["reason"].is_string(),
                    "{path}: {rule}"
                );
            }
        });
    }
}
