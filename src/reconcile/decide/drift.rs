//! In which fields a listed data source differs from the spec. A field that the cloud leaves out is never drift, but an edit since it was asked for
//! is none the less.

use super::super::plan::{DataSourceType, DwsDataSourceSpec, Item, Requested};
use crate::api::names;

/// A field of the spec that differs, and both values for the user.
pub type Difference = (&'static str, String);

/// The fields that differ. Of a data source that the operator asked for, `requested` tells what the list is silent about.
pub fn differences(spec: &DwsDataSourceSpec, item: &Item, requested: Option<&Requested>) -> Vec<Difference> {
    let described = item
        .description
        .as_deref()
        .map(|description| names::strip(description).0);
    let mut all = Vec::new();
    let mut check = |field, wanted: Option<&str>, listed: Option<&str>| {
        let wanted = wanted.unwrap_or_default();
        if let Some(listed) = listed.filter(|listed| *listed != wanted) {
            all.push((field, told(field, wanted, listed)));
        }
    };
    let name = Some(item.name.as_str()).filter(|name| !name.eq_ignore_ascii_case(&spec.data_source_name));
    check("dataSourceName", Some(&spec.data_source_name), name);
    let type_ = item.type_.map(DataSourceType::as_str);
    check("type", Some(spec.type_.as_str()), type_);
    let asked = |of: fn(&Requested) -> Option<&str>| requested.map(|requested| of(requested).unwrap_or_default());
    let user_name = item.user_name.as_deref();
    check(
        "userName",
        Some(&spec.user_name),
        user_name.or(asked(|asked| Some(&asked.user_name))),
    );
    let data_source_id = asked(|asked| asked.data_source_id.as_deref());
    let fields = (spec.data_source_id.as_deref(), item.data_source_id.as_deref());
    check("dataSourceID", fields.0, filled(fields, data_source_id));
    let connect_info = asked(|asked| asked.connect_info.as_deref());
    let fields = (spec.connect_info.as_deref(), item.connect_info.as_deref());
    check("connectInfo", fields.0, filled(fields, connect_info));
    let description = described.or(asked(|asked| asked.description.as_deref()));
    check("description", spec.description.as_deref(), description);
    all
}

/// What counts of a field that the cloud may fill for a type that does not ask for it, as the spec has it and as the list does.
fn filled<'a>((wanted, listed): (Option<&str>, Option<&'a str>), asked: Option<&'a str>) -> Option<&'a str> {
    if wanted.is_some() { listed.or(asked) } else { asked }
}

/// One difference, for the user.
pub fn told(field: &str, wanted: &str, listed: &str) -> String {
    format!("{field} ({listed:?} in the cloud, {wanted:?} in the spec)")
}

/// What the user reads of each.
pub fn texts(differences: Vec<Difference>) -> Vec<String> {
    differences.into_iter().map(|(_, text)| text).collect()
}
