//! Any observation, also ones that no run would show.

use std::time::Duration;

use proptest::prelude::*;

use super::builder::{INSTALL, UID, coordinates, intent, namespace, now, spec};
use crate::api::conditions::{self, Verdict};
use crate::api::{Reason, names};
use crate::cloud::{Accepted, ConfigureStatus};
use crate::reconcile::plan::{
    Absence, Annotations, Around, AttemptMemory, AttemptOutcome, AttemptState, ClaimerView, DataSourceType,
    DefinitionView, DeletionPolicy, DwsDataSourceSpec, DwsDataSourceStatus, Failure, FailureKind, Grant, Item, Job,
    JobState, JobView, Lacks, LanePlace, LastAttempt, Memory, Missing, NamespaceView, Object, Observation, Operation,
    OperationType, OperatorPolicy, Outcome, Password, PolicyWord, Provider, Rank, Rejection, Remote, Requests,
    RetryWait, Rival, Timings, View,
};

/// The id that is recorded, if one is.
pub const ID: &str = "d303f19c-fbd1-4716-ae04-07d1ff358f22";
const JOB: &str = "2c9081c88418ed420184197c8bc80001";
const UPTIME: Duration = Duration::from_secs(1000);

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
        any::<bool>().prop_map(|answered| FailureKind::UnknownOutcome { answered, delay: None }),
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
        name: "lake_0".to_owned(),
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
        updated: Some("u".repeat(300)),
        fail_reason: Some("f".repeat(3000)),
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
    let last = prop::option::weighted(0.8, (any::<bool>(), any::<bool>()));
    (any::<bool>(), any::<bool>(), operation, reasons, last).prop_map(|(has_id, has_job, operation, reason, last)| {
        let mut status = DwsDataSourceStatus {
            controller: has_id.then(|| INSTALL.to_owned()),
            observed_generation: Some(-1),
            ..DwsDataSourceStatus::default()
        };
        if has_id {
            status.id = Some(ID.to_owned());
            status.cloud = Some(coordinates());
            status.job_id = has_job.then(|| JOB.to_owned());
        }
        status.operation = operation.filter(|_| has_id).map(|(type_, is_failed)| Operation {
            requested_at: None,
            type_,
            started_at: now(),
            generation: 1,
            progress: None,
            plan_id: None,
            user_name: None,
            reboot_token: None,
            reboot: false,
            old_id: (type_ == OperationType::Replace).then(|| ID.to_owned()),
            failed_code: is_failed.then(|| "Task-fail:DWS.0114".to_owned()),
            failed_detail: None,
        });
        status.last_attempt = last.map(|(is_this, is_late)| LastAttempt {
            name: None,
            type_: None,
            id: if is_this { "a1" } else { "a0" }.to_owned(),
            outcome: if has_id {
                AttemptOutcome::Created
            } else {
                AttemptOutcome::Absent
            },
            late_until: is_late.then(|| now() + jiff::SignedDuration::from_mins(5)),
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
                deletion_policy: retains.then_some(DeletionPolicy::Retain),
                ..spec()
            },
            status,
            intent: has_intent.then(|| intent("a1")),
            requests: Requests::default(),
            annotations: Annotations::default(),
        },
    )
}

/// What may be set around an object, mostly nothing: itself last, its pause and the reason to let it go by force.
fn surroundings() -> impl Strategy<Value = (Around, bool, Option<String>)> {
    let words = prop::option::weighted(
        0.4,
        prop_oneof![
            Just(PolicyWord::Known(DeletionPolicy::Delete)),
            Just(PolicyWord::Known(DeletionPolicy::Retain)),
            Just(PolicyWord::Unknown("Keep".to_owned())),
        ],
    );
    let namespaces = prop_oneof![
        8 => (prop::bool::weighted(0.1), words).prop_map(|(paused, word)| namespace(paused, word)),
        1 => Just(NamespaceView::Forbidden("no".to_owned())),
        1 => Just(NamespaceView::Unreadable("not now".to_owned())),
    ];
    let definitions = prop::sample::select(vec![
        DefinitionView::Stays,
        DefinitionView::Stays,
        DefinitionView::Unasked,
        DefinitionView::Unreadable("not now".to_owned()),
        DefinitionView::Leaving,
    ]);
    let claimers = prop::option::of(prop::sample::select(vec![ClaimerView::Lives, ClaimerView::Ended]));
    let flags = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    );
    let force = prop::option::weighted(
        0.1,
        prop::sample::select(vec![String::new(), "the cluster is gone".to_owned()]),
    );
    let install = prop::bool::weighted(0.1);
    (namespaces, definitions, claimers, flags, force, install).prop_map(
        |(namespace, definition, claimer, (paused, retains, is_paused), force, is_other)| {
            let around = Around {
                install: if is_other { "other/dws-operator" } else { INSTALL }.to_owned(),
                operator: OperatorPolicy {
                    paused,
                    deletion_policy: if retains {
                        DeletionPolicy::Retain
                    } else {
                        DeletionPolicy::Delete
                    },
                },
                namespace,
                definition,
                claimer,
            };
            (around, is_paused, force)
        },
    )
}

fn providers() -> impl Strategy<Value = Provider> {
    let ready = |endpoint: &str, grant: Grant, marker| Provider::Ready {
        coordinates: crate::reconcile::plan::Coordinates {
            endpoint: String::from(endpoint),
            ..coordinates()
        },
        grant,
        marker,
        imports: true,
        version: "1".to_owned(),
    };
    prop_oneof![
        6 => Just(ready("https://dws.example", Grant::Held, true)),
        1 => Just(ready("https://dws.example", Grant::Given, true)),
        1 => Just(ready("https://dws.example", Grant::Leaving, true)),
        1 => Just(ready("https://elsewhere.example", Grant::Given, true)),
        1 => Just(ready("https://dws.example", Grant::Unasked, true)),
        1 => Just(ready("https://dws.example", Grant::Refused("not lent".to_owned()), true)),
        1 => Just(ready("https://dws.example", Grant::Unreadable("no".to_owned()), true)),
        1 => Just(ready("https://dws.example", Grant::Given, false)),
        1 => Just(Provider::Absent { name: "DwsProvider/default".to_owned() }),
        1 => failures().prop_map(|failure| Provider::Unreached { name: "DwsProvider/default".to_owned(), failure }),
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
                lacks: Lacks::Everything,
            })
            .collect(),
        ..Memory::default()
    })
}

/// Any observation.
pub fn observations() -> impl Strategy<Value = Observation> {
    let lane = prop_oneof![
        Just(None),
        Just(Some(LanePlace::Waiting)),
        Just(Some(LanePlace::Held {
            since: UPTIME,
            rank: Rank::Create
        }))
    ];
    let job = prop::option::of(prop::sample::select(vec![
        JobState::Running,
        JobState::Succeeded,
        JobState::Failed,
    ]));
    let around = surroundings();
    (
        objects(),
        providers(),
        memories(),
        remotes(),
        lane,
        job,
        any::<bool>(),
        around,
    )
        .prop_map(
            |(object, provider, memory, remote, lane, job, is_rivalled, (around, paused, force_delete))| Observation {
                owner: None,
                site: None,
                now: now(),
                uptime: UPTIME,
                started: UPTIME,
                identity: "operator-0".to_owned(),
                fresh_attempt: "a2".to_owned(),
                jitter: 500,
                timings: Timings::default(),
                resync_period: Duration::from_mins(30),
                object: Object {
                    annotations: Annotations { paused, force_delete },
                    ..object
                },
                provider,
                password: Password::Unknown,
                around,
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
