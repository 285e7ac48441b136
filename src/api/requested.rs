//! What the cloud was asked for: the fields of the spec that its list may be silent about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DwsDataSourceSpec;
use super::text::{SENTENCE_MAX, WORD_MAX};

/// What the cloud was asked for, or was found to have as the spec wants it. Where its list leaves a field out, this tells whether the spec has been
/// edited since; a field that the list does tell and that differs while this does not is drift.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requested {
    /// The agency or the user.
    #[schemars(length(max = WORD_MAX))]
    pub user_name: String,
    /// The id of the MRS cluster.
    #[serde(rename = "dataSourceID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub data_source_id: Option<String>,
    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub connect_info: Option<String>,
    /// The description, without the ownership marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SENTENCE_MAX))]
    pub description: Option<String>,
}

impl Requested {
    /// What a spec asks for.
    #[must_use]
    pub fn of(spec: &DwsDataSourceSpec) -> Self {
        Requested {
            user_name: spec.user_name.clone(),
            data_source_id: spec.data_source_id.clone(),
            connect_info: spec.connect_info.clone(),
            description: spec.description.clone(),
        }
    }
}
