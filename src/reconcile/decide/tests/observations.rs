//! Properties of the decision over any observation, also ones that no run would show: invariants P1, P3, P4, P9, P10.

use dws_testbed::flux_violations;
use proptest::prelude::*;
use serde_json::json;

use super::arbitrary::{ID, observations};
use super::tell::too_long;
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{AttemptState, LanePlace, OperationType, Plan, Provider, Rank, Remote, Step, View};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// P9.
    #[test]
    fn the_same_observation_gives_the_same_plan(o in observations()) {
        prop_assert_eq!(decide(&o), decide(&o));
    }

    /// P1: no POST while an id, an accepted create or an attempt of unknown outcome exists; and never for an object that is going.
    #[test]
    fn nothing_is_posted_while_something_may_exist(o in observations()) {
        if let Plan::Act(Step::Post { .. } | Step::RecordIntent(_)) = decide(&o) {
            let restores = o.object.intent.is_none() && o.open_attempt().is_some();
            let is_unknown = o.open_attempt().is_some_and(|attempt| matches!(attempt.state, AttemptState::Unknown { .. }));
            prop_assert!(restores || (o.object.status.id.is_none() && !is_unknown));
            prop_assert!(!o.object.deleting && o.memory.outcome.is_none());
        }
        if let Plan::Act(Step::Post { .. }) = decide(&o) {
            let is_absent = matches!(&o.remote, Remote::Listed { view: View::Absent, .. });
            let is_held = matches!(o.lane, Some(LanePlace::Held { rank: Rank::Create, .. }));
            prop_assert!(is_absent && is_held && o.rival.is_none() && o.object.finalizer);
        }
    }

    /// P4: a DELETE goes only to what the list shows as ours.
    #[test]
    fn only_what_is_ours_is_deleted(o in observations()) {
        if let Plan::Act(Step::Delete { id, .. }) = decide(&o) {
            let Remote::Listed { view: View::Ours { item, surplus }, .. } = &o.remote else {
                return Err(TestCaseError::fail("nothing of ours is listed"));
            };
            prop_assert!([item].into_iter().chain(surplus).any(|ours| ours.id == id));
        }
    }

    /// P3: the finalizer goes only from an object that is being deleted, and not while one of ours is listed or an id has no proof.
    #[test]
    fn the_finalizer_goes_last(o in observations()) {
        if let Plan::Act(Step::DropFinalizer { .. }) = decide(&o) {
            prop_assert!(o.object.deleting && !o.object.foreign_finalizer);
            if o.object.spec.deletion_policy.is_none() {
                let is_ours_listed = matches!(&o.remote, Remote::Listed { view: View::Ours { .. }, .. });
                let is_reachable = matches!(o.provider, Provider::Ready { .. });
                prop_assert!(!is_ours_listed || !is_reachable, "it is still there");
                prop_assert!(o.object.status.id.is_none() || !matches!(o.remote, Remote::Unknown), "nobody looked");
            }
        }
    }

    /// P10 and P7: every status keeps Flux's rules and fits its schema, and the id goes only with a proof.
    #[test]
    fn every_status_keeps_the_rules(o in observations()) {
        if let Plan::Report(report) = decide(&o) {
            if report.status != o.object.status && report.status.conditions != o.object.status.conditions {
                let object = json!({ "metadata": { "generation": o.object.generation }, "status": report.status });
                prop_assert_eq!(flux_violations(&object), Vec::<String>::new());
            }
            prop_assert_eq!(too_long(&report.status), Vec::<&String>::new());
            if o.object.status.id.is_some() && report.status.id.is_none() {
                // A replacement removes the failed record only; what else is ours is found by the create that follows.
                let is_replaced = o.object.status.operation.as_ref().is_some_and(|op| op.type_ == OperationType::Replace);
                let is_listed = matches!(&o.remote, Remote::Listed { view: View::Ours { item, .. }, .. } if item.id == ID);
                prop_assert!(!is_listed || is_replaced, "it is still there");
                prop_assert!(o.memory.absences.len() >= 2 || o.job.is_some());
            }
        }
    }
}
