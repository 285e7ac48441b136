//! What a provider's status tells of the breaker, which keeps credentials back that the cloud refuses.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the operator uses a provider's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BreakerState {
    /// The credentials are used; the cloud does not refuse them as far as is known.
    Closed,
    /// The cloud refused them: they are kept back, but for a read once in a while, until it accepts them or others in their place.
    Open,
}

/// The breaker of a provider's credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    /// Closed while the credentials are used, Open while they are kept back because the cloud refused them.
    pub state: BreakerState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// The earliest time of the next read that finds out whether refused credentials work again; it moves with each that is refused. A new Secret
    /// or token file does not wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_probe_time: Option<Timestamp>,
}
