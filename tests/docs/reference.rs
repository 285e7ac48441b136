//! The reference of the API, made of the definitions in `crds/` and of the names in `src/api/names.rs`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

const HEADER: &str = "# Reference

Generated from `crds/` and `src/api/names.rs` by `UPDATE_DOCS=1 cargo test --test docs`. Do not edit.

All kinds are of `dws.huaweicloud.com/v1alpha1`. The definitions put no defaults into a spec: the column *Default* says what an unset field means.
The last column is what the API server says when it refuses a value; beside that it checks type, length and pattern.
";

const NAMES: &str = "
## Annotations and finalizers

The operator puts no labels on anything, and asks for none but those that a `namespaceSelector` selects.

| Name | Is | Meaning |
| --- | --- | --- |
";

/// The page.
pub fn page(root: &Path) -> String {
    let mut page = HEADER.to_owned();
    for name in ["dwsdatasources", "dwsproviders", "clusterdwsproviders"] {
        let text = std::fs::read_to_string(root.join(format!("crds/{name}.yaml"))).unwrap();
        kind(&mut page, &serde_saphyr::from_str(&text).unwrap());
    }
    page += NAMES;
    names(
        &mut page,
        &std::fs::read_to_string(root.join("src/api/names.rs")).unwrap(),
    );
    page
}

fn kind(page: &mut String, definition: &Value) {
    let names = &definition["spec"]["names"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    write!(
        page,
        "\n## {}\n\n{} Scope: {}; short name: `{}`.\n",
        text(&names["kind"]),
        text(&schema["description"]),
        text(&definition["spec"]["scope"]),
        text(&names["shortNames"][0]),
    )
    .unwrap();
    let mut rows = vec![metadata()];
    rows_of("", schema, &mut rows);
    refuse("", schema, &mut rows);
    for parts in [["metadata", "spec"].as_slice(), &["status"]] {
        let is_part = |row: &&Row| {
            row.path
                .split(['.', '['])
                .next()
                .is_some_and(|part| parts.contains(&part))
        };
        let rows: Vec<_> = rows.iter().filter(is_part).collect();
        page.push_str("\n| Field | Type | Default | Description | Refused with |\n| --- | --- | --- | --- | --- |\n");
        for row in rows {
            let cells =
                [&row.type_, &row.default, &row.description, &row.refusals.join("; ")].map(|cell| in_cell(cell));
            writeln!(page, "| `{}` | {} |", row.path, cells.join(" | ")).unwrap();
        }
    }
}

/// One field.
struct Row {
    path: String,
    type_: String,
    default: String,
    description: String,
    refusals: Vec<String>,
}

/// The fields below a place, parents before children.
fn rows_of(path: &str, schema: &Value, rows: &mut Vec<Row>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().into_iter().flatten();
        let is_required = required.filter_map(Value::as_str).any(|required| required == name);
        let description = field["description"].as_str().unwrap_or_default().to_owned();
        rows.push(Row {
            path: below(name),
            type_: type_of(field),
            default: default_of(field, &description, is_required),
            description,
            refusals: Vec::new(),
        });
        rows_of(&below(name), field, rows);
        rows_of(&format!("{}[]", below(name)), &field["items"], rows);
    }
}

/// The definition has no schema for it, and may have rules about it.
fn metadata() -> Row {
    Row {
        path: "metadata".to_owned(),
        type_: "object".to_owned(),
        default: "required".to_owned(),
        description: "As of any Kubernetes object.".to_owned(),
        refusals: Vec::new(),
    }
}

/// Writes what each rule says beside the field that it is about.
fn refuse(path: &str, schema: &Value, rows: &mut [Row]) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let about = rule["fieldPath"].as_str().unwrap_or_default();
        let about = match format!("{path}{about}").trim_start_matches('.') {
            "" => "metadata".to_owned(),
            about => about.trim_end_matches("[]").to_owned(),
        };
        let message = rule["message"].as_str().unwrap().to_owned();
        let row = rows
            .iter_mut()
            .find(|row| row.path == about || row.path == about.replace("[].", "."));
        row.unwrap_or_else(|| panic!("{about} is no field"))
            .refusals
            .push(message);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        refuse(&format!("{path}.{name}"), field, rows);
        refuse(&format!("{path}.{name}[]"), &field["items"], rows);
    }
}

/// What a field holds, with its limits.
fn type_of(schema: &Value) -> String {
    let code = |value: &Value| format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    let mut limits = Vec::new();
    for (keyword, name) in [
        ("minLength", "at least"),
        ("maxLength", "at most"),
        ("minimum", "from"),
        ("maximum", "to"),
        ("minItems", "at least"),
        ("maxItems", "at most"),
        ("maxProperties", "at most"),
        ("pattern", "pattern"),
    ] {
        if !schema[keyword].is_null() {
            limits.push(format!(
                "{name} {}",
                if keyword == "pattern" {
                    code(&schema[keyword])
                } else {
                    schema[keyword].to_string()
                }
            ));
        }
    }
    let name = match schema["type"].as_str().unwrap_or("object") {
        "array" => format!("list of: {}", type_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to: {}", type_of(&schema["additionalProperties"]))
        }
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        other => other.to_owned(),
    };
    match (name.contains(' '), limits.is_empty()) {
        (_, true) => name,
        (true, false) => format!("{name}; {}", limits.join(", ")),
        (false, false) => format!("{name}, {}", limits.join(", ")),
    }
}

/// What an unset field means: what its description says about that, or the default of the schema.
fn default_of(schema: &Value, description: &str, is_required: bool) -> String {
    if is_required {
        return "required".to_owned();
    }
    if !schema["default"].is_null() {
        return format!("`{}`", schema["default"]);
    }
    let said = description.split_once("nset means ").map(|(_, rest)| rest);
    said.map(|rest| {
        rest.split(';')
            .next()
            .unwrap_or(rest)
            .split(". ")
            .next()
            .unwrap_or(rest)
            .trim_end_matches('.')
            .to_owned()
    })
    .unwrap_or_default()
}

fn in_cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "<br>").replace('\n', " ")
}

/// A row for each annotation and finalizer among the constants, with its doc comment.
fn names(page: &mut String, source: &str) {
    let mut doc = String::new();
    let mut count = 0;
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            doc += text;
            continue;
        }
        let constant = line
            .strip_prefix("pub const ")
            .and_then(|rest| rest.split_once(": &str = \"dws.huaweicloud.com/"));
        if let Some((constant, name)) = constant {
            let is = if constant.ends_with("FINALIZER") {
                "finalizer"
            } else {
                "annotation"
            };
            let name = name.trim_end_matches("\";");
            writeln!(
                page,
                "| `dws.huaweicloud.com/{name}` | {is} | {} |",
                in_cell(doc.trim())
            )
            .unwrap();
            count += 1;
        }
        doc.clear();
    }
    assert_eq!(
        count,
        source.matches("\"dws.huaweicloud.com/").count(),
        "each name is a constant of its own"
    );
}
