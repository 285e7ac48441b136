//! Which value of which Secret was used, without the value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{KEY_MAX, WORD_MAX};

/// A version of a Secret, and which of its values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// The Secret's uid.
    #[schemars(length(max = WORD_MAX))]
    pub uid: String,
    /// The Secret's resourceVersion.
    #[schemars(length(max = WORD_MAX))]
    pub resource_version: String,
    /// The key of the value.
    #[schemars(length(max = KEY_MAX))]
    pub key: String,
    /// The value's HMAC-SHA256 under a key that only the operator can read, behind the id of that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_MAX))]
    pub hmac: Option<String>,
}

impl SecretVersion {
    /// Whether both are the same value, as far as anybody can tell: where both carry an HMAC of the same key the HMACs decide, else the versions of
    /// the Secret.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> bool {
        self.told_apart(other)
            .map_or_else(|| self.same_version(other), |differ| !differ)
    }

    /// Whether both are the same version of the same Secret and the same of its values.
    #[must_use]
    pub fn same_version(&self, other: &Self) -> bool {
        (&self.uid, &self.resource_version, &self.key) == (&other.uid, &other.resource_version, &other.key)
    }

    /// Whether the values differ; none if their HMACs cannot tell.
    #[must_use]
    pub fn told_apart(&self, other: &Self) -> Option<bool> {
        let (one, two) = (self.hmac.as_ref()?, other.hmac.as_ref()?);
        let key = |hmac: &str| hmac.split_once(':').map(|(key, _)| key.to_owned());
        (key(one) == key(two)).then(|| one != two)
    }
}
