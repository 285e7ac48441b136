//! Faults: which requests go wrong, and how. Values only.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::call::Call;

/// Names a fault that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

/// Something that goes wrong with the requests that it matches.
///
/// A request that several faults match gets the first that still has `times` left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// The call; none for any.
    pub call: Option<Call>,
    /// The cluster; none for any. Token and projects calls have none.
    pub cluster: Option<String>,
    /// The exact name of the data source; none for any. Lists, tokens and projects calls have none.
    pub name: Option<String>,
    /// How many matching requests pass first.
    pub skip: u64,
    /// How many requests it hits; none for all.
    pub times: Option<u64>,
    /// Whether the request still takes effect, if it is valid. Answers made from the genuine one imply it.
    pub apply: bool,
    /// From the arrival to the effect, or to where it would be.
    #[serde(with = "compact::required")]
    pub delay_before: Duration,
    /// From the effect to the answer.
    #[serde(with = "compact::required")]
    pub delay_after: Duration,
    /// With `apply`: how long after the answer the effect comes; none for before it.
    #[serde(with = "compact::optional")]
    pub late_effect: Option<Duration>,
    /// The pause after each single byte of the answer, head included; none to send it at once.
    #[serde(with = "compact::optional")]
    pub drip: Option<Duration>,
    /// What the client gets.
    pub answer: Answer,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            call: None,
            cluster: None,
            name: None,
            skip: 0,
            times: None,
            apply: false,
            delay_before: Duration::ZERO,
            delay_after: Duration::ZERO,
            late_effect: None,
            drip: None,
            answer: Answer::Genuine,
        }
    }
}

impl Fault {
    /// This answer for every request of a call, without effect.
    #[must_use]
    pub fn on(call: Call, answer: Answer) -> Self {
        Self {
            call: Some(call),
            ..Self::any(answer)
        }
    }

    /// This answer for every request, without effect.
    #[must_use]
    pub fn any(answer: Answer) -> Self {
        Self {
            answer,
            ..Self::default()
        }
    }

    /// Only on this cluster.
    #[must_use]
    pub fn cluster(self, cluster: &str) -> Self {
        Self {
            cluster: Some(cluster.to_owned()),
            ..self
        }
    }

    /// Only for data sources of this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..self
        }
    }

    /// Only after this many matching requests.
    #[must_use]
    pub fn skip(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Only this many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// The request takes effect before the answer.
    #[must_use]
    pub fn applied(self) -> Self {
        Self { apply: true, ..self }
    }

    /// The request takes effect, this long after the answer.
    #[must_use]
    pub fn applied_late(self, delay: Duration) -> Self {
        Self {
            apply: true,
            late_effect: Some(delay),
            ..self
        }
    }

    /// A pause before the effect.
    #[must_use]
    pub fn delay_before(self, delay: Duration) -> Self {
        Self {
            delay_before: delay,
            ..self
        }
    }

    /// A pause between effect and answer.
    #[must_use]
    pub fn delay_after(self, delay: Duration) -> Self {
        Self {
            delay_after: delay,
            ..self
        }
    }

    /// A pause after each byte of the answer.
    #[must_use]
    pub fn drip(self, pause: Duration) -> Self {
        Self {
            drip: Some(pause),
            ..self
        }
    }

    /// Whether the request takes effect.
    pub(crate) fn applies(&self) -> bool {
        self.apply || self.answer.needs_genuine()
    }

    /// Says what cannot be carried out.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.late_effect.is_some() && !self.apply {
            return Err("an effect after the answer needs apply".to_owned());
        }
        if self.late_effect.is_some() && self.answer.needs_genuine() {
            return Err("an effect after the answer excludes an answer made from the genuine one".to_owned());
        }
        self.answer.check()
    }
}
