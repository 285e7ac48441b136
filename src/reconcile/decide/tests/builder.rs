//! Observations to begin a story with: an OBS source that nobody has looked at yet, and changes to it.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::DwsDataSourceSpec;
use crate::reconcile::plan::{
    Coordinates, DataSourceType, DwsDataSourceStatus, Intent, Memory, Object, Observation, Password, Provider, Remote,
    Timings,
};

/// The object's uid.
pub const UID: &str = "0f0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a";

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
    }
}

/// The intent of an attempt to create it.
pub fn intent(attempt: &str) -> Intent {
    let at = coordinates();
    Intent {
        uid: UID.to_owned(),
        attempt: attempt.to_owned(),
        holder: "operator-0".to_owned(),
        time: now(),
        provider: at.provider,
        endpoint: at.endpoint,
        project_id: at.project_id,
        cluster_id: at.cluster_id,
        type_: DataSourceType::Obs,
        name: "lake_0".to_owned(),
        reboot: false,
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
            refusal: None,
            marker: true,
            version: "1".to_owned(),
        },
        password: Password::Unknown,
        rival: None,
        lane: None,
        remote: Remote::Unknown,
        job: None,
        memory: Memory::default(),
    }
}
