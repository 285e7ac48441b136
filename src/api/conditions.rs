//! Status conditions as kstatus and Flux read them.
//!
//! `Ready` is always present and True or False; `Reconciling` and `Stalled` are present only while True and never both. `Paused` is present only
//! while True, beside any of them.
//! [`conditions`] takes the old conditions and a [`Verdict`] and returns the new ones; it reads no clock.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::patterns;
use super::reasons::{Reason, ReasonClass};
use super::text::{self, SENTENCE_MAX};

/// The most conditions that a status takes.
pub const MAX: u32 = 16;

/// The condition types that the operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// The cloud holds what the spec asks for.
    Ready,
    /// The operator is working towards the spec and will come back by itself.
    Reconciling,
    /// The operator cannot go on until something changes outside it.
    Stalled,
    /// Somebody asked the operator to leave the object alone; the verdict beside it is that from before.
    Paused,
}

/// The status of a condition; `Unknown` is never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
}

// The schema takes any word as type and reason, as that of `metav1.Condition` does: a CRD that is older than the operator
// must not refuse a status, or the id in the same patch would be lost.
/// One condition, with the fields and the meaning of `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about: Ready, Reconciling or Stalled; on a data source also Paused.
    #[serde(rename = "type")]
    #[schemars(with = "String", length(min = 1, max = 64), regex(pattern = patterns::CONDITION_WORD))]
    pub type_: ConditionType,
    /// True or False.
    pub status: ConditionStatus,
    /// The generation of the spec that the condition was computed from.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// When the status last changed from one value to another.
    pub last_transition_time: Timestamp,
    /// Why, in one word from the operator's closed list of reasons.
    #[schemars(with = "String", length(min = 1, max = 64), regex(pattern = patterns::CONDITION_WORD))]
    pub reason: Reason,
    /// What happened and what to do about it, in one line that stays the same from try to try.
    #[schemars(length(max = SENTENCE_MAX))]
    pub message: String,
}

/// What the operator has to say about an object: why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The cloud holds what the spec asks for.
    Ready(Reason, String),
    /// The operator comes back by itself.
    Reconciling(Reason, String),
    /// Somebody has to change something.
    Stalled(Reason, String),
    /// Nobody has looked at this generation, since somebody asked for a pause.
    Paused(String),
}

impl Verdict {
    /// The verdict of the reason's class.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        match reason.class() {
            ReasonClass::Ready => Self::Ready(reason, message.into()),
            ReasonClass::Reconciling => Self::Reconciling(reason, message.into()),
            ReasonClass::Stalled => Self::Stalled(reason, message.into()),
            ReasonClass::Paused => Self::Paused(message.into()),
        }
    }
}

/// The conditions that tell the verdict on this generation of the spec: `Ready`, and `Reconciling` or `Stalled` beside
/// `Ready=False`, with the same reason and message.
///
/// A condition whose status stays keeps its time of transition. Times have whole seconds, as in `metav1.Time`; messages
/// are made one line and cut to the schema's length.
#[must_use]
pub fn conditions(previous: &[Condition], verdict: &Verdict, generation: i64, now: Timestamp) -> Vec<Condition> {
    let (ready, beside, reason, message) = match verdict {
        Verdict::Ready(reason, message) => (ConditionStatus::True, None, *reason, message),
        Verdict::Reconciling(reason, message) => (
            ConditionStatus::False,
            Some(ConditionType::Reconciling),
            *reason,
            message,
        ),
        Verdict::Stalled(reason, message) => (ConditionStatus::False, Some(ConditionType::Stalled), *reason, message),
        Verdict::Paused(message) => (ConditionStatus::False, None, Reason::Paused, message),
    };
    let message = text::one_line(message, SENTENCE_MAX);
    let condition = |type_, status| Condition {
        type_,
        status,
        observed_generation: generation,
        last_transition_time: previous
            .iter()
            .find(|old| old.type_ == type_ && old.status == status)
            .map_or_else(|| whole_seconds(now), |old| old.last_transition_time),
        reason,
        message: message.clone(),
    };
    std::iter::once(condition(ConditionType::Ready, ready))
        .chain(beside.map(|type_| condition(type_, ConditionStatus::True)))
        .collect()
}

/// The conditions with `Paused` beside the verdict while somebody asks for a `pause`, with who and how to go on; without it when nobody does.
/// It is about the same generation as the verdict that it stands beside, so that a Ready object stays Ready to Flux; it never stands alone.
#[must_use]
pub fn with_pause(
    mut conditions: Vec<Condition>,
    previous: &[Condition],
    pause: Option<&str>,
    now: Timestamp,
) -> Vec<Condition> {
    conditions.retain(|condition| condition.type_ != ConditionType::Paused);
    let ready = conditions.iter().find(|c| c.type_ == ConditionType::Ready);
    if let (Some(message), Some(ready)) = (pause, ready) {
        let since = previous
            .iter()
            .find(|old| old.type_ == ConditionType::Paused && old.status == ConditionStatus::True);
        conditions.push(Condition {
            type_: ConditionType::Paused,
            status: ConditionStatus::True,
            observed_generation: ready.observed_generation,
            last_transition_time: since.map_or_else(|| whole_seconds(now), |old| old.last_transition_time),
            reason: Reason::Paused,
            message: text::one_line(message, SENTENCE_MAX),
        });
    }
    conditions
}

/// The root `observedGeneration` that goes with a verdict: it moves to a new generation only with a final verdict on it, so that nobody takes
/// work that is under way for the end of it (Flux's FAIL0010). The conditions' own `observedGeneration` tells what the verdict is about.
#[must_use]
pub fn observed_generation(previous: Option<i64>, verdict: &Verdict, generation: i64) -> Option<i64> {
    match verdict {
        Verdict::Ready(..) | Verdict::Stalled(..) => Some(generation),
        Verdict::Reconciling(..) | Verdict::Paused(_) => previous,
    }
}

/// The time as `metav1.Time` has it.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Reads the conditions that this version of the operator knows and passes over the rest.
///
/// A newer operator or somebody else may have written a type or a reason that is unknown here. The object must stay
/// readable all the same, and the operator computes all of its own conditions anew.
pub(super) fn known<'de, D: Deserializer<'de>>(conditions: D) -> Result<Vec<Condition>, D::Error> {
    let conditions = Vec::<serde_json::Value>::deserialize(conditions)?;
    Ok(conditions
        .into_iter()
        .filter_map(|condition| serde_json::from_value(condition).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use dws_testbed::flux_violations;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::data_source::DwsDataSourceStatus;
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn reasons() -> impl Strategy<Value = Reason> {
        prop::sample::select(Reason::ALL.to_vec())
    }

    fn verdicts() -> impl Strategy<Value = Verdict> {
        let message = "(?s).{0,40}";
        prop_oneof![
            (reasons(), message).prop_map(|(reason, message)| Verdict::Ready(reason, message)),
            (reasons(), message).prop_map(|(reason, message)| Verdict::Reconciling(reason, message)),
            (reasons(), message).prop_map(|(reason, message)| Verdict::Stalled(reason, message)),
            message.prop_map(Verdict::Paused),
        ]
    }

    /// Any list of conditions, also ones that the operator would never write.
    fn previous() -> impl Strategy<Value = Vec<Condition>> {
        let types = [
            ConditionType::Ready,
            ConditionType::Reconciling,
            ConditionType::Stalled,
            ConditionType::Paused,
        ];
        let condition = (
            prop::sample::select(types.to_vec()),
            any::<bool>(),
            0_i64..9,
            0_i64..4_000_000_000,
            reasons(),
        );
        prop::collection::vec(
            condition.prop_map(|(type_, status, observed_generation, second, reason)| Condition {
                type_,
                status: if status {
                    ConditionStatus::True
                } else {
                    ConditionStatus::False
                },
                observed_generation,
                last_transition_time: time(second),
                reason,
                message: "before".into(),
            }),
            0..4,
        )
    }

    proptest! {
        #[test]
        fn fluxs_rules_hold(
            previous in previous(),
            verdict in verdicts(),
            observed in -1_i64..1000,
            edits in 0_i64..3,
            second in 0_i64..4_000_000_000,
            pause in prop::option::of("(?s).{0,40}"),
        ) {
            let generation = (observed + edits).max(1);
            let root = observed_generation(Some(observed), &verdict, generation);
            let status = DwsDataSourceStatus {
                observed_generation: root,
                conditions: with_pause(
                    conditions(&previous, &verdict, generation, time(second)),
                    &previous,
                    pause.as_deref(),
                    time(second),
                ),
                ..DwsDataSourceStatus::default()
            };
            let object = json!({"metadata": {"generation": generation}, "status": status});
            prop_assert_eq!(flux_violations(&object), Vec::<String>::new());
            // FAIL0010 is about two statuses: no generation is taken as observed by a verdict that work is under way.
            let is_reconciling = status.conditions.iter().any(|c| c.type_ == ConditionType::Reconciling);
            prop_assert!(!is_reconciling || root == Some(observed), "FAIL0010: {object}");
        }

        #[test]
        fn a_verdict_is_told_in_one_bounded_line_in_every_condition(
            previous in previous(),
            verdict in verdicts(),
            message in "(?s).{0,3000}",
        ) {
            let (verdict, reason) = match verdict {
                Verdict::Ready(reason, _) => (Verdict::Ready(reason, message), reason),
                Verdict::Reconciling(reason, _) => (Verdict::Reconciling(reason, message), reason),
                Verdict::Stalled(reason, _) => (Verdict::Stalled(reason, message), reason),
                Verdict::Paused(_) => (Verdict::Paused(message), Reason::Paused),
            };
            let conditions = conditions(&previous, &verdict, 1, time(0));
            for condition in &conditions {
                prop_assert_eq!(condition.reason, reason);
                prop_assert!(condition.message.chars().count() <= 1024);
                let has_break = condition.message.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
                prop_assert!(!has_break, "{:?}", condition.message);
                prop_assert_eq!(&condition.message, &conditions[0].message);
            }
        }

        #[test]
        fn the_same_verdict_again_changes_nothing(previous in previous(), verdict in verdicts(), later in 0_i64..1000) {
            let first = conditions(&previous, &verdict, 3, time(1000));
            prop_assert_eq!(conditions(&first, &verdict, 3, time(1000 + later)), first);
        }
    }

    #[test]
    fn the_time_of_transition_moves_only_with_the_status() {
        let creating = conditions(&[], &Verdict::new(Reason::Creating, "creating"), 1, time(10));
        let retrying = conditions(&creating, &Verdict::new(Reason::Retrying, "retrying"), 2, time(20));
        let ready = conditions(&retrying, &Verdict::new(Reason::Available, "available"), 2, time(30));
        let times = |list: &[Condition]| {
            list.iter()
                .map(|c| c.last_transition_time.as_second())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (times(&creating), times(&retrying), times(&ready)),
            (vec![10, 10], vec![10, 10], vec![30])
        );
    }

    #[test]
    fn a_pause_stands_beside_the_verdict_and_keeps_its_age() {
        let ready = conditions(&[], &Verdict::new(Reason::Available, "available"), 3, time(10));
        let paused = with_pause(ready.clone(), &ready, Some("by somebody"), time(20));
        assert_eq!(paused[0], ready[0], "the verdict stays");
        let later = with_pause(ready.clone(), &paused, Some("by somebody else"), time(30));
        for (pause, message) in [(&paused[1], "by somebody"), (&later[1], "by somebody else")] {
            assert_eq!((pause.type_, pause.reason), (ConditionType::Paused, Reason::Paused));
            assert_eq!((pause.observed_generation, pause.last_transition_time), (3, time(20)));
            assert_eq!(pause.message, message);
        }
        assert_eq!(with_pause(later, &paused, None, time(40)), ready);
    }

    #[test]
    fn times_have_whole_seconds() {
        let now = "2026-11-24T08:00:00.987654321Z".parse().unwrap();
        let list = conditions(&[], &Verdict::new(Reason::Available, "available"), 1, now);
        assert_eq!(
            serde_json::to_value(&list).unwrap()[0]["lastTransitionTime"],
            "2026-11-24T08:00:00Z"
        );
    }

    #[test]
    fn a_reason_of_its_class_makes_the_verdict() {
        for (reason, types) in [
            (Reason::Available, vec![ConditionType::Ready]),
            (Reason::Retrying, vec![ConditionType::Ready, ConditionType::Reconciling]),
            (Reason::CreateFailed, vec![ConditionType::Ready, ConditionType::Stalled]),
        ] {
            let list = conditions(&[], &Verdict::new(reason, ""), 1, time(0));
            assert_eq!(list.iter().map(|c| c.type_).collect::<Vec<_>>(), types);
        }
    }

    #[test]
    fn conditions_of_others_do_not_make_the_status_unreadable() {
        let ready = &conditions(&[], &Verdict::new(Reason::Available, "available"), 1, time(0))[0];
        let status: DwsDataSourceStatus = serde_json::from_value(json!({"conditions": [
            {"type": "Audited", "status": "Unknown"},
            ready,
            {"type": "Stalled", "status": "True", "observedGeneration": 1, "reason": "OfTheFuture", "message": "",
             "lastTransitionTime": "2026-11-24T08:00:00Z"},
        ]}))
        .unwrap();
        assert_eq!(status.conditions, std::slice::from_ref(ready));
    }
}
