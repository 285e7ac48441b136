//! In which fields a listed data source differs from the spec. A field that the cloud leaves out is never drift.

use super::super::plan::{DwsDataSourceSpec, Item};
use crate::api::names;

/// The names of the spec's fields that differ.
pub fn fields(spec: &DwsDataSourceSpec, item: &Item) -> Vec<&'static str> {
    let differs =
        |wanted: Option<&str>, listed: Option<&str>| listed.is_some_and(|listed| listed != wanted.unwrap_or_default());
    let described = item
        .description
        .as_deref()
        .map(|description| names::strip(description).0);
    let mut fields = Vec::new();
    let mut check = |name, different| {
        if different {
            fields.push(name);
        }
    };
    check(
        "dataSourceName",
        !item.name.eq_ignore_ascii_case(&spec.data_source_name),
    );
    check("type", item.type_.is_some_and(|listed| listed != spec.type_));
    check("userName", differs(Some(&spec.user_name), item.user_name.as_deref()));
    // The cloud may fill these two for types that do not ask for them.
    check(
        "dataSourceID",
        spec.data_source_id.is_some() && differs(spec.data_source_id.as_deref(), item.data_source_id.as_deref()),
    );
    check(
        "connectInfo",
        spec.connect_info.is_some() && differs(spec.connect_info.as_deref(), item.connect_info.as_deref()),
    );
    check("description", differs(spec.description.as_deref(), described));
    fields
}
