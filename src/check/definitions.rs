//! Whether the custom resource definitions are installed, and are those of this version.
//!
//! Reads what every authenticated client may read: the discovery document and the `OpenAPI` document of the API group. So it needs no
//! permission on the definitions themselves.

use std::collections::BTreeMap;

use http::Request;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use serde_json::{Map, Value};

use super::finding::Finding;
use crate::api::{GROUP, crds};
use crate::reconcile::kubernetes::{Kubernetes, KubernetesError};

/// How many differences a finding names.
const SHOWN: usize = 5;
const ADVICE: &str = "Apply the definitions of this version: dws-operator crds | kubectl apply --server-side -f -";

/// What the API server serves of the group.
struct Served {
    resources: APIResourceList,
    /// Nothing if the API server publishes no schemas.
    schemas: Option<Value>,
}

/// The findings: one for each kind.
pub async fn findings(kubernetes: &Kubernetes) -> Vec<Finding> {
    let served = read(kubernetes).await;
    let judge = |crd: &CustomResourceDefinition| match &served {
        Ok(served) => judge(crd, served),
        Err(error) if error.code() == Some(404) => missing(crd),
        Err(error) => Finding::wrong(
            subject(crd),
            format!("the API group cannot be read: {error}. Run the check again"),
        ),
    };
    crds::all().iter().map(judge).collect()
}

async fn read(kubernetes: &Kubernetes) -> Result<Served, KubernetesError> {
    let client = kubernetes.client();
    let version = version();
    let resources = kubernetes.call(client.list_api_group_resources(&version)).await?;
    let schemas = async {
        let request = Request::get(format!("/openapi/v3/apis/{version}"));
        let request = request.body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request::<Value>(request).await
    };
    Ok(Served {
        resources,
        schemas: kubernetes.call(schemas).await.ok(),
    })
}

fn version() -> String {
    format!("{GROUP}/v1alpha1")
}

fn subject(crd: &CustomResourceDefinition) -> String {
    format!("definition of {}", crd.spec.names.kind)
}

fn missing(crd: &CustomResourceDefinition) -> Finding {
    Finding::wrong(subject(crd), format!("{} does not serve it. {ADVICE}", version()))
}

fn judge(crd: &CustomResourceDefinition, served: &Served) -> Finding {
    let names = &crd.spec.names;
    let resource = |name: &str| served.resources.resources.iter().find(|resource| resource.name == name);
    let Some(main) = resource(&names.plural) else {
        return missing(crd);
    };
    let mut faults = Vec::new();
    if main.kind != names.kind || main.namespaced != (crd.spec.scope == "Namespaced") {
        faults.push("it is another kind, or of another scope".to_owned());
    }
    if resource(&format!("{}/status", names.plural)).is_none() {
        faults.push("it has no status subresource".to_owned());
    }
    let published = served
        .schemas
        .as_ref()
        .and_then(|schemas| published(schemas, &names.kind));
    let newer = match published {
        None => return conclude(crd, &faults, "; its schema is not published and was not compared"),
        Some(published) => {
            let difference = Difference::between(&expected(crd), &fields(published));
            faults.extend(difference.faults());
            !difference.added.is_empty()
        }
    };
    conclude(
        crd,
        &faults,
        if newer {
            "; it has fields that this version does not know"
        } else {
            ""
        },
    )
}

fn conclude(crd: &CustomResourceDefinition, faults: &[String], remark: &str) -> Finding {
    if faults.is_empty() {
        Finding::ok(subject(crd), format!("served at {}{remark}", version()))
    } else {
        Finding::wrong(subject(crd), format!("{}. {ADVICE}", faults.join("; ")))
    }
}

/// A kind's schema in the `OpenAPI` document.
fn published<'a>(document: &'a Value, kind: &str) -> Option<&'a Value> {
    let schemas = document.pointer("/components/schemas")?.as_object()?;
    schemas.values().find(|schema| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| {
            kinds
                .iter()
                .any(|known| known["group"] == GROUP && known["kind"] == kind)
        })
    })
}

fn expected(crd: &CustomResourceDefinition) -> BTreeMap<String, Map<String, Value>> {
    let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
    let schema = schema.and_then(|schema| serde_json::to_value(&schema.open_api_v3_schema).ok());
    fields(&schema.unwrap_or_default())
}

/// The fields of spec and status by path, each with what its schema says of it beside descriptions.
fn fields(schema: &Value) -> BTreeMap<String, Map<String, Value>> {
    fn walk(path: &str, schema: &Value, found: &mut BTreeMap<String, Map<String, Value>>) {
        let Some(schema) = schema.as_object() else { return };
        let mut own = schema.clone();
        for key in ["properties", "items", "additionalProperties", "description", "default"] {
            own.remove(key);
        }
        // The API server writes whole numbers as integers, this program as decimals.
        for limit in own.values_mut() {
            if let Some(number) = limit.as_f64() {
                *limit = Value::from(number);
            }
        }
        found.insert(path.to_owned(), own);
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            walk(&format!("{path}.{name}"), property, found);
        }
        for inner in ["items", "additionalProperties"]
            .iter()
            .filter_map(|key| schema.get(*key))
        {
            walk(&format!("{path}[]"), inner, found);
        }
    }
    let mut found = BTreeMap::new();
    for part in ["spec", "status"] {
        walk(part, &schema["properties"][part], &mut found);
    }
    found
}

/// How a served schema differs from that of this version.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    /// Fields that are not served: the API server drops them.
    lacking: Vec<String>,
    /// Fields with other types, limits or rules.
    changed: Vec<String>,
    /// Fields that this version does not know.
    added: Vec<String>,
}

impl Difference {
    fn between(expected: &BTreeMap<String, Map<String, Value>>, served: &BTreeMap<String, Map<String, Value>>) -> Self {
        let absent_in = |from: &BTreeMap<String, Map<String, Value>>, other: &BTreeMap<String, Map<String, Value>>| {
            from.keys().filter(|path| !other.contains_key(*path)).cloned().collect()
        };
        let changed = expected
            .iter()
            .filter(|(path, field)| served.get(*path).is_some_and(|other| other != *field));
        Difference {
            lacking: absent_in(expected, served),
            changed: changed.map(|(path, _)| path.clone()).collect(),
            added: absent_in(served, expected),
        }
    }

    fn faults(&self) -> impl Iterator<Item = String> {
        let told = |what: &str, paths: &[String]| {
            let shown = paths
                .iter()
                .take(SHOWN)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            let more = match paths.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            (!paths.is_empty()).then(|| format!("{what} {shown}{more}"))
        };
        [
            told("it is of another version and drops", &self.lacking),
            told("it has other types, limits or rules for", &self.changed),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The definition of data sources and what a server with it would publish.
    fn installed() -> (CustomResourceDefinition, Served) {
        let crd = crds::all().remove(0);
        let mut schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap()["openAPIV3Schema"].take();
        schema["x-kubernetes-group-version-kind"] =
            json!([{"group": GROUP, "version": "v1alpha1", "kind": "DwsDataSource"}]);
        let resource =
            |name| json!({"name": name, "kind": "DwsDataSource", "namespaced": true, "singularName": "", "verbs": []});
        let resources = json!({
            "groupVersion": version(),
            "resources": [resource("dwsdatasources"), resource("dwsdatasources/status")],
        });
        let served = Served {
            resources: serde_json::from_value(resources).unwrap(),
            schemas: Some(json!({"components": {"schemas": {"x": schema}}})),
        };
        (crd, served)
    }

    fn spec(served: &mut Served) -> &mut Value {
        let schemas = served.schemas.as_mut().unwrap();
        &mut schemas["components"]["schemas"]["x"]["properties"]["spec"]
    }

    #[test]
    fn the_definition_of_this_version_is_fine() {
        let (crd, served) = installed();
        assert_eq!(
            judge(&crd, &served).to_string(),
            "ok     definition of DwsDataSource: served at dws.huaweicloud.com/v1alpha1"
        );
    }

    #[test]
    fn a_kind_that_is_not_served_is_wrong() {
        let (crd, mut served) = installed();
        served.resources.resources.clear();
        let finding = judge(&crd, &served);
        assert!(
            finding.is_wrong() && finding.to_string().contains("dws-operator crds"),
            "{finding}"
        );
    }

    #[test]
    fn a_definition_without_a_status_is_wrong() {
        let (crd, mut served) = installed();
        served.resources.resources.pop();
        let finding = judge(&crd, &served);
        assert!(
            finding.is_wrong() && finding.to_string().contains("no status subresource"),
            "{finding}"
        );
    }

    #[test]
    fn an_older_definition_is_wrong_and_its_gaps_are_named() {
        let (crd, mut served) = installed();
        spec(&mut served)["properties"]
            .as_object_mut()
            .unwrap()
            .remove("deletionPolicy");
        let finding = judge(&crd, &served);
        assert!(
            finding.is_wrong() && finding.to_string().contains("drops spec.deletionPolicy"),
            "{finding}"
        );
    }

    #[test]
    fn another_limit_is_wrong_but_another_description_is_not() {
        let (crd, mut served) = installed();
        spec(&mut served)["properties"]["connectInfo"]["description"] = json!("other words");
        assert!(!judge(&crd, &served).is_wrong());
        spec(&mut served)["properties"]["connectInfo"]["maxLength"] = json!(3);
        let finding = judge(&crd, &served);
        assert!(
            finding.is_wrong() && finding.to_string().contains("spec.connectInfo"),
            "{finding}"
        );
    }

    #[test]
    fn a_newer_definition_is_fine_and_a_missing_schema_is_told() {
        let (crd, mut served) = installed();
        spec(&mut served)["properties"]["ofTheFuture"] = json!({"type": "string"});
        let finding = judge(&crd, &served);
        assert!(
            !finding.is_wrong() && finding.to_string().contains("does not know"),
            "{finding}"
        );
        served.schemas = None;
        let finding = judge(&crd, &served);
        assert!(
            !finding.is_wrong() && finding.to_string().contains("not compared"),
            "{finding}"
        );
    }
}
