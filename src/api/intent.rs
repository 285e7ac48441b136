//! The write-ahead record of a create: an annotation written before the POST.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::data_source::{DataSourceType, DwsDataSource, Requested, SecretVersion};
pub use super::names::INTENT_ANNOTATION;
use super::text::WORD_MAX;

/// The most bytes of an annotation that is taken for an intent. The operator writes less than half of it.
pub const INTENT_MAX_BYTES: usize = 8192;
/// The most versions of Secrets in [`Intent::earlier_secrets`]; a list of that many may have lost some.
pub const EARLIER_SECRETS_MAX: usize = 4;

/// What a create was about to do, so that a later process can find out what became of it.
///
/// It is an intent of the object only if `uid` is the object's; it is open until `status.lastAttempt.id` equals `attempt`.
/// Recovery and deletion use these coordinates, never the spec's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The uid of the object the intent was written for.
    pub uid: String,
    /// The id of this attempt.
    pub attempt: String,
    /// The identity of the operator that wrote it.
    pub holder: String,
    /// The install that it belongs to, as in `status.controller`; empty if it was not recorded.
    #[serde(default)]
    pub controller: String,
    /// When it was written.
    pub time: Timestamp,
    /// The provider, as `Kind/name`.
    pub provider: String,
    /// The DWS endpoint, as a URL.
    pub endpoint: String,
    /// The project id.
    #[serde(rename = "projectID")]
    pub project_id: String,
    /// The DWS cluster id.
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
    /// The type of the data source.
    #[serde(rename = "type")]
    pub type_: DataSourceType,
    /// The name of the data source.
    pub name: String,
    /// What the request asks for besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Requested>,
    /// Whether the request asks for a restart of the DWS cluster.
    #[serde(default)]
    pub reboot: bool,
    /// The generation of the spec that the request is made from.
    #[serde(default)]
    pub generation: i64,
    /// The first generation that a request was made from whose effect may still come, this one included.
    #[serde(default)]
    pub earliest_generation: i64,
    /// The Secret's value that the request carries as its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVersion>,
    /// The other values that earlier requests carried whose effects may still come, the latest first, at most [`EARLIER_SECRETS_MAX`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_secrets: Vec<SecretVersion>,
}

/// Why the value of the annotation is no intent. Anybody who may edit the object can write it, so nothing of the value
/// is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidIntent {
    /// It is longer than [`INTENT_MAX_BYTES`].
    #[error("the annotation {INTENT_ANNOTATION} is longer than {INTENT_MAX_BYTES} bytes")]
    TooLong,
    /// It is not the JSON of an intent.
    #[error("the annotation {INTENT_ANNOTATION} is not what the operator writes")]
    Malformed,
}

impl Intent {
    /// The value of the annotation.
    ///
    /// # Panics
    /// Never: all fields are strings, numbers, flags, timestamps and lists of them, which JSON can always hold.
    #[must_use]
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers, flags and timestamps are valid JSON")
    }

    /// Reads the value of the annotation; whose intent it is remains to be checked by its `uid`.
    ///
    /// # Errors
    /// The value is too long, or not what [`to_annotation`](Self::to_annotation) writes. Unknown fields are no error, so
    /// that an older operator can settle what a newer one began.
    pub fn from_annotation(value: &str) -> Result<Self, InvalidIntent> {
        if value.len() > INTENT_MAX_BYTES {
            return Err(InvalidIntent::TooLong);
        }
        serde_json::from_str(value).map_err(|_| InvalidIntent::Malformed)
    }
}

/// The intent of an object: the annotation, if it was written for this very object. One that was copied or restored from another object, that
/// cannot be read, or whose attempt no status could hold, is none.
#[must_use]
pub fn of(object: &DwsDataSource) -> Option<Intent> {
    let value = object.metadata.annotations.as_ref()?.get(INTENT_ANNOTATION)?;
    let intent = Intent::from_annotation(value).ok()?;
    let fits = intent.attempt.chars().count() <= WORD_MAX as usize;
    (fits && Some(&intent.uid) == object.metadata.uid.as_ref()).then_some(intent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intent() -> Intent {
        Intent {
            uid: "0f0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a".into(),
            attempt: "a1".into(),
            holder: "dws-operator-7d9c".into(),
            controller: "ops/dws-operator".into(),
            time: "2026-11-24T08:00:00Z".parse().unwrap(),
            provider: "DwsProvider/default".into(),
            endpoint: "https://dws.eu-west-101.myhuaweicloud.eu".into(),
            project_id: "89cd04f168b84af6be287f71730fdb4b".into(),
            cluster_id: "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90".into(),
            type_: DataSourceType::LakeFormation,
            name: "sales_lake".into(),
            requested: Some(requested("agency", "sales")),
            reboot: true,
            generation: 2,
            earliest_generation: 1,
            secret: Some(secret(0)),
            earlier_secrets: vec![secret(1)],
        }
    }

    fn requested(user_name: &str, description: &str) -> Requested {
        Requested {
            user_name: user_name.into(),
            data_source_id: Some("0f3b7c52-9d1e-4a86-b1c4-2e5f60718293".into()),
            connect_info: Some("c".repeat(128)),
            description: Some(description.into()),
        }
    }

    fn secret(number: usize) -> SecretVersion {
        SecretVersion {
            uid: "7b0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a".into(),
            resource_version: format!("{}", usize::MAX - number),
            key: "k".repeat(253),
            hmac: None,
        }
    }

    #[test]
    fn an_annotation_brings_the_intent_back() {
        assert_eq!(Intent::from_annotation(&intent().to_annotation()), Ok(intent()));
    }

    #[test]
    fn the_longest_values_that_the_operator_writes_fit() {
        let longest = Intent {
            holder: "h".repeat(253),
            controller: format!("{}/dws-operator", "n".repeat(63)),
            provider: format!("ClusterDwsProvider/{}", "p".repeat(63)),
            endpoint: format!("https://{}", "e".repeat(247)),
            project_id: "i".repeat(64),
            name: "n".repeat(64),
            requested: Some(requested(&"u".repeat(64), &"\u{1F4A7}".repeat(224))),
            earlier_secrets: (0..EARLIER_SECRETS_MAX).map(secret).collect(),
            ..intent()
        };
        assert!(longest.to_annotation().len() < INTENT_MAX_BYTES / 2);
    }

    #[test]
    fn fields_of_a_newer_operator_are_passed_over() {
        let mut value = serde_json::to_value(intent()).unwrap();
        value["hmac"] = "x".into();
        assert_eq!(Intent::from_annotation(&value.to_string()), Ok(intent()));
    }

    #[test]
    fn what_is_too_long_is_not_even_parsed() {
        let padded = format!("{}{}", intent().to_annotation(), " ".repeat(INTENT_MAX_BYTES));
        assert_eq!(Intent::from_annotation(&padded), Err(InvalidIntent::TooLong));
    }

    #[test]
    fn an_error_repeats_nothing_of_the_value() {
        let error = Intent::from_annotation(r#"{"uid":"canary"}"#).unwrap_err();
        assert_eq!(error, InvalidIntent::Malformed);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn any_text_is_an_intent_or_an_error(value in "(?s).{0,200}") {
            prop_assert!(Intent::from_annotation(&value).is_err());
        }

        #[test]
        fn a_damaged_annotation_never_panics(at in 0_usize..300, byte in any::<char>()) {
            let mut chars: Vec<char> = intent().to_annotation().chars().collect();
            let at = at % chars.len();
            chars[at] = byte;
            let value: String = chars.into_iter().collect();
            if let Ok(read) = Intent::from_annotation(&value) {
                prop_assert_eq!(Intent::from_annotation(&read.to_annotation()), Ok(read));
            }
        }
    }
}
