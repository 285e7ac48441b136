//! Status conditions as kstatus and Flux read them.
//!
//! `Ready` is always present and True or False; `Reconciling` and `Stalled` are present only while True and never both.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reasons::Reason;

/// The condition types that the operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// The cloud holds what the spec asks for.
    Ready,
    /// The operator is working towards the spec and will come back by itself.
    Reconciling,
    /// The operator cannot go on until something changes outside it.
    Stalled,
}

/// The status of a condition; `Unknown` is never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
}

/// One condition, with the fields and the meaning of `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about: Ready, Reconciling or Stalled.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// True or False.
    pub status: ConditionStatus,
    /// The generation of the spec that the condition was computed from.
    pub observed_generation: i64,
    /// When the status last changed from one value to another.
    pub last_transition_time: Timestamp,
    /// Why, from the operator's closed list of reasons.
    pub reason: Reason,
    /// What happened and what to do about it, in a stable sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}
