//! The schemas in the CRDs, as a list of fields.

use serde_json::Value;

use crate::server::documents;

/// One field of a CRD: its place and its schema.
pub struct Field {
    pub kind: String,
    /// From `spec` or `status`, or empty for the root; `[]` stands for the items of a list or a map.
    pub path: Vec<String>,
    pub schema: Value,
}

impl Field {
    /// The place as text, as the API server writes it (with `[]` for the items).
    pub fn place(&self) -> String {
        self.path.join(".").replace(".[]", "[]")
    }
}

/// The fields of all CRDs, parents before children.
pub fn fields() -> Vec<Field> {
    let mut fields = Vec::new();
    for crd in documents("crds") {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        collect(&kind, &[], root, &mut fields);
    }
    fields
}

fn collect(kind: &str, path: &[String], schema: &Value, fields: &mut Vec<Field>) {
    fields.push(Field {
        kind: kind.to_owned(),
        path: path.to_vec(),
        schema: schema.clone(),
    });
    let properties = schema["properties"].as_object().into_iter().flatten();
    let items = ["items", "additionalProperties"]
        .map(|key| &schema[key])
        .into_iter()
        .filter(|inner| inner.is_object());
    let items_name = "[]".to_owned();
    for (name, inner) in properties.chain(items.map(|inner| (&items_name, inner))) {
        collect(kind, &[path, std::slice::from_ref(name)].concat(), inner, fields);
    }
}
