//! The schema of a label selector with limits on every string, list and map; the type itself is `metav1.LabelSelector`.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::{patterns, rules};

/// The schema of `namespaceSelector`.
///
/// The API server does not check the selectors of custom resources, so these rules do what it does for its own kinds.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "description": "Labels that the namespace must have, all of them, with these values.",
                "type": "object",
                "maxProperties": 32,
                "additionalProperties": { "type": "string", "maxLength": 63, "pattern": patterns::LABEL_VALUE },
                "x-kubernetes-validations": [json!(rules::label_keys_are_valid())],
            },
            "matchExpressions": {
                "description": "Requirements that the namespace's labels must meet, all of them.",
                "type": "array",
                "maxItems": 32,
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "description": "One requirement.",
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {
                            "description": "The key of the label.",
                            "type": "string",
                            "maxLength": 317,
                            "pattern": patterns::LABEL_KEY,
                        },
                        "operator": {
                            "description": "How the label relates to the values: In, NotIn, Exists or DoesNotExist.",
                            "type": "string",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "The values, for In and NotIn only.",
                            "type": "array",
                            "maxItems": 32,
                            "x-kubernetes-list-type": "atomic",
                            "items": { "type": "string", "maxLength": 63, "pattern": patterns::LABEL_VALUE },
                        },
                    },
                    "x-kubernetes-validations": [json!(rules::operator_fits_values())],
                },
            },
        },
    })
}
