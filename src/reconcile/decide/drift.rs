//! In which fields a listed data source differs from the spec. A field that the cloud leaves out is never drift.

use super::super::plan::{DataSourceType, DwsDataSourceSpec, Item};
use crate::api::names;

/// A field of the spec that differs, and both values for the user.
pub type Difference = (&'static str, String);

/// The fields that differ.
pub fn differences(spec: &DwsDataSourceSpec, item: &Item) -> Vec<Difference> {
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
    check("userName", Some(&spec.user_name), item.user_name.as_deref());
    // The cloud may fill these two for types that do not ask for them.
    let data_source_id = spec.data_source_id.as_deref();
    check(
        "dataSourceID",
        data_source_id,
        data_source_id.and(item.data_source_id.as_deref()),
    );
    let connect_info = spec.connect_info.as_deref();
    check(
        "connectInfo",
        connect_info,
        connect_info.and(item.connect_info.as_deref()),
    );
    check("description", spec.description.as_deref(), described);
    all
}

/// One difference, for the user.
pub fn told(field: &str, wanted: &str, listed: &str) -> String {
    format!("{field} ({listed:?} in the cloud, {wanted:?} in the spec)")
}

/// What the user reads of each.
pub fn texts(differences: Vec<Difference>) -> Vec<String> {
    differences.into_iter().map(|(_, text)| text).collect()
}
