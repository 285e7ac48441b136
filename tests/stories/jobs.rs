//! How a create's job ends decides what the user reads, and the failed record stays until somebody changes something.

use std::time::Duration;

use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Answer, Call, Fault, JobOutcome};

use crate::world::{World, cluster, message, obs, on_cluster, verdict};

fn fails() -> JobOutcome {
    JobOutcome::Fail {
        code: "CreateExtDataSourceTask-fail:DWS.5172".to_owned(),
        detail: "DWS.5172:The database does not exist.".to_owned(),
    }
}

/// FAIL, STOP, never, an unknown state and a job that the cloud forgets each have their verdict, and the next object of the
/// cluster is created all the same.
#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_job_has_its_verdict_and_frees_the_cluster() {
    let world = World::new("jobs").await;
    world.with_provider().await;
    // What never ends would keep the simulated cluster busy for ever.
    world
        .cloud
        .update_settings(|settings| settings.busy = dws_simulator::Busy::Never);
    let rows = [
        ("fails", fails(), (ConditionType::Stalled, Reason::CreateFailed)),
        (
            "stops",
            JobOutcome::Stop,
            (ConditionType::Stalled, Reason::CreateFailed),
        ),
        (
            "endless",
            JobOutcome::Never,
            (ConditionType::Stalled, Reason::JobTimedOut),
        ),
        (
            "odd",
            JobOutcome::Unknown("PONDERING".to_owned()),
            (ConditionType::Stalled, Reason::JobTimedOut),
        ),
        (
            "forgotten",
            JobOutcome::Vanish,
            (ConditionType::Ready, Reason::Available),
        ),
    ];
    for (name, outcome, _) in &rows {
        world.job_ends(name, outcome.clone());
    }
    let _operator = world.operator_with(&["--job-deadline=3s"]).start().await;
    for (n, (name, ..)) in rows.iter().enumerate() {
        world.create(&on_cluster(n, obs(name))).await;
    }
    for (name, _, wanted) in &rows {
        world
            .until(name, &format!("{wanted:?}"), |object| verdict(object) == Some(*wanted))
            .await;
    }
    let failed = world.stalled("fails", Reason::CreateFailed).await;
    assert!(message(&failed).contains("The database does not exist.") && message(&failed).contains("Correct the spec"));
    let status = failed.status.unwrap();
    let operation = status.operation.unwrap();
    assert_eq!(
        operation.failed_code.as_deref(),
        Some("CreateExtDataSourceTask-fail:DWS.5172")
    );
    assert_eq!(
        operation.failed_detail.as_deref(),
        Some("DWS.5172:The database does not exist.")
    );
    let observed = status.observed.unwrap();
    assert_eq!(observed.configure_status.as_deref(), Some("Failed"));
    let endless = world.stalled("endless", Reason::JobTimedOut).await;
    assert_eq!(
        endless
            .status
            .as_ref()
            .unwrap()
            .operation
            .as_ref()
            .unwrap()
            .progress
            .as_deref(),
        Some("99%")
    );
    let odd = world.stalled("odd", Reason::JobTimedOut).await;
    assert!(message(&odd).contains("PONDERING"), "{}", message(&odd));

    for n in 0..rows.len() {
        world.create(&on_cluster(n, obs(&format!("next-{n}")))).await;
    }
    for n in 0..rows.len() {
        world.ready(&format!("next-{n}")).await;
    }
    // The records are what a person looks at in the console.
    for (n, (name, ..)) in rows.iter().enumerate() {
        assert!(
            world
                .cloud
                .sources(&cluster(n))
                .iter()
                .any(|source| source.name == *name),
            "{name}"
        );
    }
    assert!(world.calls(Call::Delete).is_empty());
    assert_eq!(
        world.calls(Call::Create).len(),
        2 * rows.len(),
        "nothing is created twice"
    );
}

/// A job that was given up for late and then ends well makes its object Ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_job_that_ends_well_makes_ready() {
    let world = World::new("jobs").await;
    world.with_provider().await;
    world.job_ends("late", JobOutcome::Never);
    let _operator = world.operator_with(&["--job-deadline=2s"]).start().await;
    world.create(&obs("late")).await;
    let object = world.stalled("late", Reason::JobTimedOut).await;
    assert!(
        world
            .cloud
            .end_job(&object.status.unwrap().job_id.unwrap(), JobOutcome::Success)
    );
    let object = world.ready("late").await;
    assert!(object.status.unwrap().operation.is_none());
    assert_eq!(world.calls(Call::Create).len(), 1);
}

/// While a job runs, its progress is in the status.
#[tokio::test(flavor = "multi_thread")]
async fn progress_is_shown() {
    let world = World::new("jobs").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.job_duration = Duration::from_secs(4));
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    let progress = |object: &dws_operator::api::DwsDataSource| {
        object
            .status
            .as_ref()?
            .operation
            .as_ref()?
            .progress
            .as_ref()?
            .trim_end_matches('%')
            .parse::<u32>()
            .ok()
    };
    let object = world
        .until("lake", "some progress", |object| {
            progress(object).is_some_and(|percent| percent > 0)
        })
        .await;
    assert_eq!(verdict(&object), Some((ConditionType::Reconciling, Reason::Creating)));
    let first = progress(&object).unwrap();
    world
        .until("lake", "more progress", |object| {
            progress(object).is_some_and(|percent| percent > first)
        })
        .await;
    let object = world.ready("lake").await;
    assert!(object.status.unwrap().operation.is_none());
}

/// A failed create is looked at again and again, and neither deleted nor repeated, until the spec changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_record_stays_until_the_spec_changes() {
    let world = World::new("jobs").await;
    world.with_provider().await;
    world.job_ends("lake", fails());
    let _operator = world.operator_with(&["--stalled-recheck=1s"]).start().await;
    world.create(&obs("lake")).await;
    let object = world.stalled("lake", Reason::CreateFailed).await;
    let id = object.status.unwrap().id;
    world.lists_later(4).await;
    let sources = world.cloud.sources(crate::world::CLUSTER);
    assert_eq!(
        sources.iter().map(|source| Some(source.id.clone())).collect::<Vec<_>>(),
        [id]
    );
    assert!(world.calls(Call::Delete).is_empty());
    assert_eq!(world.calls(Call::Create).len(), 1);
}

/// A read of the job that the cloud refuses is repeated as seldom as any other refused call, however often Secrets are looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_read_of_the_job_is_not_repeated_at_every_look() {
    let world = World::new("jobs").await;
    world.with_provider().await;
    let refused = Answer::error(403, "DWS.0032", "You have no permission.");
    world.cloud.add_fault(Fault::on(Call::Job, refused).times(3));
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    world.stalled("lake", Reason::AccessDenied).await;
    // It recovers without a touch, and only then is the order of the reads known in whole.
    world.ready("lake").await;
    let reads: Vec<_> = world.calls(Call::Job).iter().map(|read| read.time).collect();
    // The first read belongs to the look right after the create; --stalled-recheck is 4 s.
    let apart = reads[1..]
        .windows(2)
        .all(|pair| pair[1].duration_since(pair[0]).as_millis() >= 3900);
    assert!(reads.len() >= 4 && apart, "{reads:?}");
}
