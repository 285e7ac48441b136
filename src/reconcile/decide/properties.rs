//! Properties of the decision over any observation, also ones that no run would show: invariants P1, P3, P4, P9, P10 of the design.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::super::plan::{
    Absence, AttemptMemory, AttemptOutcome, AttemptState, Coordinates, DataSourceType, DwsDataSourceSpec,
    DwsDataSourceStatus, Failure, FailureKind, Intent, Item, Job, JobState, JobView, LanePlace, LastAttempt, Memory,
    Missing, Object, Observation, Operation, OperationType, Outcome, Password, Plan, Provider, Rejection, Remote,
    RetryWait, Rival, Step, Timings, View,
};
use super::decide;
use crate::api::conditions::{self, Verdict};
use crate::api::data_source::DeletionPolicy;
use crate::api::{Reason, flux_rules, names};
use crate::cloud::{Accepted, ConfigureStatus};

const UID: &str = "0f0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a";
const ID: &str = "d303f19c-fbd1-4716-ae04-07d1ff358f22";
const JOB: &str = "2c9081c88418ed420184197c8bc80001";
const UPTIME: Duration = Duration::from_secs(1000);

fn now() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

fn place(endpoint: &str) -> Coordinates {
    Coordinates {
        provider: "DwsProvider/default".to_owned(),
        endpoint: endpoint.to_owned(),
        project_id: "89cd04f168b84af6be287f71730fdb4b".to_owned(),
        cluster_id: "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90".to_owned(),
    }
}

fn failures() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(FailureKind::RetryAfter {
            wait: RetryWait::Busy,
            delay: None
        }),
        Just(FailureKind::RetryAfter {
            wait: RetryWait::Throttled,
            delay: Some(Duration::from_secs(7))
        }),
        Just(FailureKind::RetryAfter {
            wait: RetryWait::Transient,
            delay: None
        }),
        any::<bool>().prop_map(|answered| FailureKind::UnknownOutcome { answered }),
        Just(FailureKind::Rejected {
            reason: Rejection::Invalid
        }),
        Just(FailureKind::Rejected {
            reason: Rejection::Denied
        }),
        Just(FailureKind::Rejected {
            reason: Rejection::Exists
        }),
        Just(FailureKind::Gone { what: Missing::Cluster }),
        Just(FailureKind::Gone {
            what: Missing::Something
        }),
        Just(FailureKind::CredentialsRejected),
        Just(FailureKind::Fenced),
    ]
    .prop_map(|kind| Failure {
        kind,
        code: Some("DWS.0005".to_owned()),
        status: Some(500),
        message: "Server failure.\nx".repeat(40),
        request_id: Some("r".repeat(300)),
    })
}

fn items(ours: bool) -> impl Strategy<Value = Item> {
    let states = prop::option::of(prop::sample::select(vec![
        ConfigureStatus::Creating,
        ConfigureStatus::Active,
        ConfigureStatus::Failed,
        ConfigureStatus::PendingReboot,
    ]));
    let ids = prop::sample::select(vec![ID, "8010dbc0-c1d2-48d6-87eb-3229f9195fed"]);
    (ids, states).prop_map(move |(id, configure_status)| Item {
        id: id.to_owned(),
        name: "lake".to_owned(),
        type_: Some(DataSourceType::Obs),
        connect_info: Some("gaussdb".to_owned()),
        user_name: Some("agency".to_owned()),
        data_source_id: None,
        description: Some(if ours {
            names::marker(UID)
        } else {
            "somebody's".to_owned()
        }),
        configure_status,
        status: None,
        created: None,
        updated: None,
        fail_reason: None,
    })
}

fn views() -> impl Strategy<Value = View> {
    prop_oneof![
        Just(View::Absent),
        (items(true), prop::collection::vec(items(true), 0..2))
            .prop_map(|(item, surplus)| View::Ours { item, surplus }),
        items(false).prop_map(|item| View::Foreign { item }),
        items(true).prop_map(|item| View::Leaving { item, ours: true }),
        items(false).prop_map(|item| View::Leaving { item, ours: false }),
    ]
}

fn remotes() -> impl Strategy<Value = Remote> {
    prop_oneof![
        Just(Remote::Unknown),
        views().prop_map(|view| Remote::Listed { began: UPTIME, view }),
        failures().prop_map(|failure| Remote::Failed { began: UPTIME, failure }),
    ]
}

fn intent(attempt: &str) -> Intent {
    let at = place("https://dws.example");
    Intent {
        uid: UID.to_owned(),
        attempt: attempt.to_owned(),
        holder: "me".to_owned(),
        time: now(),
        provider: at.provider,
        endpoint: at.endpoint,
        project_id: at.project_id,
        cluster_id: at.cluster_id,
        type_: DataSourceType::Obs,
        name: "lake".to_owned(),
        reboot: false,
    }
}

fn statuses() -> impl Strategy<Value = DwsDataSourceStatus> {
    let operation = prop::option::of((
        prop::sample::select(vec![
            OperationType::Create,
            OperationType::Delete,
            OperationType::Replace,
        ]),
        any::<bool>(),
    ));
    let reasons = prop::option::of(prop::sample::select(Reason::ALL.to_vec()));
    let last = prop::option::of((any::<bool>(), any::<bool>()));
    (any::<bool>(), any::<bool>(), operation, reasons, last).prop_map(|(has_id, has_job, operation, reason, last)| {
        let mut status = DwsDataSourceStatus {
            observed_generation: Some(-1),
            ..DwsDataSourceStatus::default()
        };
        if has_id {
            status.id = Some(ID.to_owned());
            status.cloud = Some(place("https://dws.example"));
            status.job_id = has_job.then(|| JOB.to_owned());
        }
        status.operation = operation.filter(|_| has_id).map(|(type_, is_failed)| Operation {
            type_,
            started_at: now(),
            generation: 1,
            progress: None,
            old_id: (type_ == OperationType::Replace).then(|| ID.to_owned()),
            failed_code: is_failed.then(|| "Task-fail:DWS.0114".to_owned()),
            failed_detail: None,
        });
        status.last_attempt = last.map(|(is_this, is_late)| LastAttempt {
            id: if is_this { "a1" } else { "a0" }.to_owned(),
            outcome: AttemptOutcome::Absent,
            late_until: is_late.then(|| "2026-11-24T08:05:00Z".parse().unwrap()),
        });
        if let Some(reason) = reason {
            let verdict = Verdict::new(reason, "before");
            status.conditions = conditions::conditions(&[], &verdict, 1, now());
            status.observed_generation = conditions::observed_generation(Some(-1), &verdict, 1);
        }
        status
    })
}

fn objects() -> impl Strategy<Value = Object> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (statuses(), flags).prop_map(
        |(status, (deleting, finalizer, foreign_finalizer, has_intent, retains))| Object {
            uid: UID.to_owned(),
            generation: if deleting { 2 } else { 1 },
            deleting,
            finalizer,
            foreign_finalizer,
            spec: DwsDataSourceSpec {
                cluster_id: place("").cluster_id,
                type_: DataSourceType::Obs,
                data_source_name: "lake".to_owned(),
                data_source_id: None,
                user_name: "agency".to_owned(),
                user_pwd: None,
                connect_info: Some("gaussdb".to_owned()),
                description: None,
                reboot: None,
                provider_ref: None,
                deletion_policy: retains.then_some(DeletionPolicy::Retain),
            },
            status,
            intent: has_intent.then(|| intent("a1")),
        },
    )
}

fn providers() -> impl Strategy<Value = Provider> {
    let ready = |endpoint, refusal: Option<&str>, marker| Provider::Ready {
        coordinates: place(endpoint),
        refusal: refusal.map(str::to_owned),
        marker,
        version: "1".to_owned(),
    };
    prop_oneof![
        6 => Just(ready("https://dws.example", None, true)),
        1 => Just(ready("https://elsewhere.example", None, true)),
        1 => Just(ready("https://dws.example", Some("not lent"), true)),
        1 => Just(ready("https://dws.example", None, false)),
        1 => Just(Provider::Absent { name: "DwsProvider/default".to_owned() }),
    ]
}

fn memories() -> impl Strategy<Value = Memory> {
    let attempt = prop::option::of(any::<bool>());
    let accepted = Accepted {
        id: ID.to_owned(),
        job_id: JOB.to_owned(),
    };
    let outcome = prop::option::weighted(
        0.3,
        prop_oneof![
            prop_oneof![Just(Ok(accepted)), failures().prop_map(Err)].prop_map(|result| Outcome::Posted {
                intent: intent("a1"),
                generation: 1,
                secret: None,
                at: now(),
                result,
            }),
            failures().prop_map(|failure| Outcome::Deleted {
                id: ID.to_owned(),
                at: now(),
                result: Err(failure)
            }),
        ],
    );
    (attempt, outcome, any::<bool>(), 0_u64..4).prop_map(|(unsent, outcome, looked, absences)| Memory {
        attempt: unsent.map(|unsent| AttemptMemory {
            intent: intent("a1"),
            state: if unsent {
                AttemptState::Unsent
            } else {
                AttemptState::Unknown {
                    settled_from: Duration::from_mins(15),
                    answered: false,
                }
            },
        }),
        outcome,
        looked,
        absences: (0..absences)
            .map(|n| Absence {
                began: Duration::from_secs(880 + 40 * n),
                cluster_gone: false,
            })
            .collect(),
        ..Memory::default()
    })
}

fn observations() -> impl Strategy<Value = Observation> {
    let lane = prop_oneof![
        Just(None),
        Just(Some(LanePlace::Waiting)),
        Just(Some(LanePlace::Held { since: UPTIME }))
    ];
    let job = prop::option::of(prop::sample::select(vec![
        JobState::Running,
        JobState::Succeeded,
        JobState::Failed,
    ]));
    (objects(), providers(), memories(), remotes(), lane, job, any::<bool>()).prop_map(
        |(object, provider, memory, remote, lane, job, is_rivalled)| Observation {
            now: now(),
            uptime: UPTIME,
            started: UPTIME,
            identity: "me".to_owned(),
            fresh_attempt: "a2".to_owned(),
            jitter: 500,
            timings: Timings::default(),
            resync_period: Duration::from_mins(30),
            object,
            provider,
            password: Password::Unknown,
            rival: is_rivalled.then(|| Rival {
                name: "other/lake".to_owned(),
                deleting: false,
            }),
            lane,
            remote,
            job: job.map(|state| JobView {
                id: JOB.to_owned(),
                read: UPTIME,
                result: Ok(Job {
                    state,
                    progress: Some("40%".repeat(100)),
                    failed_code: Some("c".repeat(300)),
                    failed_detail: Some("d".repeat(3000)),
                }),
            }),
            memory,
        },
    )
}

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
            let is_held = matches!(o.lane, Some(LanePlace::Held { .. }));
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
                prop_assert_eq!(flux_rules::broken(&object), Vec::<&str>::new());
            }
            let longest = report.status.operation.iter().flat_map(|operation| &operation.failed_code).map(String::len);
            prop_assert!(longest.max().unwrap_or_default() <= 128);
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
