//! Observations to begin a story with, and what may be observed of the cloud.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::conditions::{self, Verdict};
use crate::api::data_source::{SecretKeyRef, UserPwd};
use crate::api::{DwsDataSourceSpec, Reason, names};
use crate::cloud::ConfigureStatus;
use crate::reconcile::plan::{
    Annotations, Around, AttemptOutcome, Coordinates, DataSourceType, DefinitionView, DeletionPolicy,
    DwsDataSourceStatus, Failure, FailureKind, Grant, Intent, Item, Job, JobState, JobView, LanePlace, LastAttempt,
    Memory, NamespaceView, Object, Observation, Occupant, Operation, OperationType, OperatorPolicy, Password,
    PolicyWord, Provider, Rank, Remote, Requested, Requests, Timings,
};

/// The object's uid.
pub const UID: &str = "0f0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a";

/// The install of most observations.
pub const INSTALL: &str = "ops/dws-operator";

/// The wall time of most observations.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("within the calendar")
}

/// Where the provider leads.
pub fn coordinates() -> Coordinates {
    Coordinates {
        provider: "DwsProvider/default".to_owned(),
        endpoint: "https://dws.example".to_owned(),
        project_id: "project".to_owned(),
        cluster_id: "cluster-0".to_owned(),
    }
}

/// An OBS source.
pub fn spec() -> DwsDataSourceSpec {
    DwsDataSourceSpec {
        cluster_id: "cluster-0".to_owned(),
        type_: DataSourceType::Obs,
        data_source_name: "lake_0".to_owned(),
        data_source_id: None,
        user_name: "agency".to_owned(),
        user_pwd: None,
        connect_info: Some("gaussdb".to_owned()),
        description: None,
        reboot: None,
        provider_ref: None,
        deletion_policy: None,
        management_policy: None,
        import: None,
        replacement_policy: None,
        resync_period: None,
        project_id: None,
    }
}

/// The intent of an attempt to create it.
pub fn intent(attempt: &str) -> Intent {
    let at = coordinates();
    Intent {
        uid: UID.to_owned(),
        attempt: attempt.to_owned(),
        holder: "operator-0".to_owned(),
        controller: INSTALL.to_owned(),
        time: now(),
        provider: at.provider,
        endpoint: at.endpoint,
        project_id: at.project_id,
        cluster_id: at.cluster_id,
        type_: DataSourceType::Obs,
        name: "lake_0".to_owned(),
        requested: Some(Requested::of(&spec())),
        reboot: false,
        generation: 1,
        earliest_generation: 1,
        secret: None,
        earlier_secrets: Vec::new(),
    }
}

/// The object, new.
pub fn object() -> Object {
    Object {
        uid: UID.to_owned(),
        generation: 1,
        deleting: false,
        finalizer: false,
        foreign_finalizer: false,
        spec: spec(),
        status: DwsDataSourceStatus {
            observed_generation: Some(-1),
            ..DwsDataSourceStatus::default()
        },
        intent: None,
        requests: Requests::default(),
        annotations: Annotations::default(),
    }
}

/// The first observation of it by a process that has run for an hour.
pub fn observation() -> Observation {
    let uptime = Duration::from_hours(1);
    Observation {
        now: now(),
        uptime,
        started: uptime,
        identity: "operator-0".to_owned(),
        fresh_attempt: "fresh".to_owned(),
        jitter: 500,
        timings: Timings::default(),
        resync_period: Duration::from_mins(30),
        object: object(),
        provider: Provider::Ready {
            coordinates: coordinates(),
            grant: Grant::Held,
            marker: true,
            imports: true,
            version: "1".to_owned(),
        },
        password: Password::Unknown,
        rival: None,
        lane: None,
        remote: Remote::Unknown,
        job: None,
        memory: Memory::default(),
        owner: None,
        site: None,
        around: around(),
    }
}

/// Nothing is asked for around the object, and the definition of its kind stays.
pub fn around() -> Around {
    Around {
        install: INSTALL.to_owned(),
        operator: OperatorPolicy {
            paused: false,
            deletion_policy: DeletionPolicy::Delete,
        },
        namespace: namespace(false, None),
        definition: DefinitionView::Stays,
        claimer: None,
    }
}

/// The Namespace, with these annotations.
pub fn namespace(paused: bool, deletion_policy: Option<PolicyWord>) -> NamespaceView {
    NamespaceView::Read {
        name: "team".to_owned(),
        paused,
        deletion_policy,
    }
}

/// A change of an observation.
pub fn with(mut o: Observation, change: impl FnOnce(&mut Observation)) -> Observation {
    change(&mut o);
    o
}

/// With the lane held for a rank since now.
pub fn in_lane(o: Observation, rank: Rank) -> Observation {
    with(o, |o| o.lane = Some(LanePlace::Held { since: o.uptime, rank }))
}

/// With the list just read.
pub fn listing(o: Observation, items: &[Item]) -> Observation {
    with(o, |o| o.note_list(o.uptime, Ok(o.ownership().view(items))))
}

/// With the list just failed.
pub fn unlisted(o: Observation, kind: FailureKind) -> Observation {
    with(o, |o| o.note_list(o.uptime, Err(failure(kind))))
}

/// With nobody where a replacement is to be created.
pub fn free(o: Observation) -> Observation {
    with(o, |o| o.site = Some(Ok(Occupant::Nobody)))
}

/// With the job just read.
pub fn job(o: Observation, state: JobState) -> Observation {
    let failed = state == JobState::Failed;
    let job = Job {
        state,
        progress: Some("40%".to_owned()),
        failed_code: failed.then(|| "CreateTask-fail:DWS.0114".to_owned()),
        failed_detail: failed.then(|| "no agency".to_owned()),
    };
    with(o, |o| {
        o.job = Some(JobView {
            id: "job".to_owned(),
            read: o.uptime,
            result: Ok(job),
        });
    })
}

/// A pass later, by the same process.
pub fn later(o: Observation, by: Duration) -> Observation {
    with(o, |o| {
        o.uptime += by;
        o.started = o.uptime;
        o.now += jiff::SignedDuration::try_from(by).expect("short");
        o.lane = None;
        o.remote = Remote::Unknown;
        o.job = None;
        o.password = Password::Unknown;
        o.site = None;
    })
}

/// An object whose attempt `a1` was accepted as `id`, and whose job runs.
pub fn creating() -> Observation {
    with(observation(), |o| {
        o.object.finalizer = true;
        o.object.intent = Some(intent("a1"));
        let verdict = Verdict::new(Reason::Creating, "The cloud is creating the data source.");
        o.object.status = DwsDataSourceStatus {
            id: Some("id".to_owned()),
            job_id: Some("job".to_owned()),
            cloud: Some(coordinates()),
            operation: Some(Operation::begun(OperationType::Create, o.now, 1)),
            last_attempt: Some(LastAttempt {
                name: Some("lake_0".to_owned()),
                type_: Some(DataSourceType::Obs),
                id: "a1".to_owned(),
                outcome: AttemptOutcome::Created,
                late_until: None,
            }),
            controller: Some(INSTALL.to_owned()),
            requested: Some(Requested::of(&spec())),
            conditions: conditions::conditions(&[], &verdict, 1, o.now),
            ..o.object.status.clone()
        };
        o.memory.written = Some(o.uptime);
    })
}

/// The same, Ready since an hour; the list was read just now.
pub fn ready() -> Observation {
    let mut o = later(creating(), Duration::from_hours(1));
    let verdict = Verdict::new(Reason::Available, "The data source is available.");
    o.object.status.operation = None;
    o.object.status.conditions = conditions::conditions(&[], &verdict, 1, o.now);
    o.object.status.observed_generation = Some(1);
    o.memory.synced = Some(o.uptime);
    o.memory.clear = Some(o.uptime);
    o
}

/// Deleted by its user.
pub fn deleting(o: Observation) -> Observation {
    with(o, |o| {
        o.object.deleting = true;
        o.object.finalizer = true;
        o.object.generation += 1;
    })
}

/// A healthy data source with the object's marker.
pub fn ours(id: &str) -> Item {
    Item {
        id: id.to_owned(),
        name: "lake_0".to_owned(),
        type_: Some(DataSourceType::Obs),
        connect_info: Some("gaussdb".to_owned()),
        user_name: Some("agency".to_owned()),
        data_source_id: None,
        description: Some(names::marker(UID)),
        configure_status: Some(ConfigureStatus::Active),
        status: None,
        created: None,
        updated: None,
        fail_reason: None,
    }
}

/// The same in another state.
pub fn in_state(item: Item, state: ConfigureStatus) -> Item {
    Item {
        configure_status: Some(state),
        ..item
    }
}

/// Somebody else's data source of the same name, in capitals.
pub fn foreign(id: &str) -> Item {
    Item {
        name: "LAKE_0".to_owned(),
        description: None,
        ..ours(id)
    }
}

/// A failure as the cloud client tells it.
pub fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        code: Some("DWS.0005".to_owned()),
        status: Some(500),
        message: "Server failure.".to_owned(),
        request_id: Some("request-1".to_owned()),
    }
}

/// Seconds.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A password in a Secret, as an MRS source has one.
pub fn user_pwd() -> UserPwd {
    UserPwd {
        secret_key_ref: SecretKeyRef {
            name: "mrs".to_owned(),
            key: "password".to_owned(),
        },
    }
}
