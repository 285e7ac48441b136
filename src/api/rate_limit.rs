//! How many requests a provider may make.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rules;

/// A bound on the requests to the cloud, kept by a token bucket for each credential and endpoint. Where several providers share a credential
/// and an endpoint, the strictest of their bounds holds for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// The requests a second over time, from 0.01 to 1000; 0.5 is one in two seconds.
    #[x_kube(validation = rules::rate_is_positive())]
    pub requests_per_second: Rate,
    /// How many requests may be made at once after a quiet time; unset means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub burst: Option<i32>,
}

/// Requests a second, to the thousandth: a number in JSON, an integer here, so that a provider can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    thousandths: u32,
}

impl Rate {
    /// The fewest and the most requests a second, in thousandths.
    const BOUNDS: (u32, u32) = (10, 1_000_000);

    /// This many thousandths of a request a second, brought within 0.01 and 1000 a second.
    #[must_use]
    pub fn from_thousandths(thousandths: u32) -> Self {
        let (least, most) = Self::BOUNDS;
        Self {
            thousandths: thousandths.clamp(least, most),
        }
    }

    /// In thousandths of a request a second.
    #[must_use]
    pub fn thousandths(self) -> u32 {
        self.thousandths
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.thousandths.is_multiple_of(1000) {
            serializer.serialize_u32(self.thousandths / 1000)
        } else {
            serializer.serialize_f64(f64::from(self.thousandths) / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates, and the bounds are narrower than that"
        )]
        Ok(Self::from_thousandths((number * 1000.0).round() as u32))
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0.01, "maximum": 1000 })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rate_is_a_number_and_keeps_its_thousandths() {
        for (number, thousandths) in [
            (json!(1), 1000),
            (json!(0.5), 500),
            (json!(0.667), 667),
            (json!(1000), 1_000_000),
        ] {
            let rate: Rate = serde_json::from_value(number.clone()).unwrap();
            assert_eq!(rate.thousandths(), thousandths);
            assert_eq!(serde_json::to_value(rate).unwrap(), number);
        }
        let read = |number: serde_json::Value| serde_json::from_value::<Rate>(number).unwrap().thousandths();
        assert_eq!(
            [read(json!(-1)), read(json!(0)), read(json!(1e300))],
            [10, 10, 1_000_000]
        );
    }
}
