//! The cloud repeats a password in what it says later, when the request that carried it is over: nobody gets to read it.

use std::time::Duration;

use dws_operator::api::Reason;
use dws_operator::api::data_source::DwsDataSourceStatus;
use dws_simulator::{Answer, Call, Disconnect, Fault, JobOutcome, LogEntry};
use dws_testbed::Version;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::world::{CLUSTER, PASSWORD, SOON, World, id, mrs, on_cluster, secret};

/// The password of a Secret that was changed after the request.
const NEXT_PASSWORD: &str = "Mrs-Passw0rd-2";

/// Ends the only job of `name`; its `failed_detail` and the record's `fail_reason` repeat the password.
fn fail(world: &World<'_>, name: &str, said: &str) {
    let job = world.posts(name).into_iter().find_map(|post| post.job_id);
    let outcome = JobOutcome::Fail {
        code: format!("{said}:DWS.5172"),
        detail: format!("DWS.5172:The account dws_user with {said} is refused."),
    };
    assert!(world.cloud.end_job(&job.expect("a create that took effect"), outcome));
}

async fn change_password(world: &World<'_>, password: &str) {
    let patch = Patch::Merge(json!({"stringData": {"password": password}}));
    world
        .api::<Secret>()
        .patch("mrs-account", &PatchParams::default(), &patch)
        .await
        .expect("the Secret is there");
}

/// A create whose job goes on until the story ends it.
async fn begins(world: &World<'_>, name: &str, number: usize) {
    world.job_ends(name, JobOutcome::Never);
    world.create(&on_cluster(number, mrs(name))).await;
    world.job(name).await;
}

/// What the object tells of its failed create: the job's detail, the list's reason, and all of it.
async fn told(world: &World<'_>, name: &str) -> (String, String, String) {
    let (status, all) = failed(world, name).await;
    (
        status.operation.unwrap().failed_detail.unwrap(),
        status.observed.unwrap().fail_reason.unwrap(),
        all,
    )
}

/// The status of a failed create, as soon as it holds the list's reason, and all that the object tells.
async fn failed(world: &World<'_>, name: &str) -> (DwsDataSourceStatus, String) {
    world.stalled(name, Reason::CreateFailed).await;
    let object = world
        .until(name, "the list's reason", |object| {
            let observed = object.status.as_ref().and_then(|status| status.observed.as_ref());
            observed.is_some_and(|observed| observed.fail_reason.is_some())
        })
        .await;
    let all = serde_json::to_string(&object).unwrap();
    (object.status.unwrap(), all)
}

async fn is_withheld(world: &World<'_>, name: &str) {
    let (status, all) = failed(world, name).await;
    let detail = status.operation.unwrap().failed_detail;
    for text in detail.into_iter().chain(status.observed.unwrap().fail_reason) {
        assert!(text.contains("withheld"), "{text}");
    }
    assert!(!all.contains(PASSWORD), "{all}");
}

/// A password is cut out of the job's detail and the list's reason: by the process that sent it, also when the Secret holds another
/// one by then or another request carried another one, and by the next process, which reads the Secret for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_password_is_cut_out() {
    let world = World::new("echo").await;
    world.with_provider().await;
    world.with_password().await;
    let mut operator = world.operator().start().await;
    for (number, name) in ["same", "changed"].into_iter().enumerate() {
        begins(&world, name, number).await;
    }
    let expected = "DWS.5172:The account dws_user with [redacted] is refused.";
    fail(&world, "same", PASSWORD);
    let (detail, reason, all) = told(&world, "same").await;
    assert_eq!((detail.as_str(), reason.as_str()), (expected, expected));
    assert!(!all.contains(PASSWORD), "{all}");

    change_password(&world, NEXT_PASSWORD).await;
    fail(&world, "changed", &format!("{PASSWORD} or {NEXT_PASSWORD}"));
    let (detail, _, all) = told(&world, "changed").await;
    assert_eq!(
        detail,
        "DWS.5172:The account dws_user with [redacted] or [redacted] is refused."
    );
    assert!(!all.contains(PASSWORD) && !all.contains(NEXT_PASSWORD), "{all}");

    begins(&world, "restarted", 2).await;
    operator.kill().await;
    fail(&world, "restarted", NEXT_PASSWORD);
    operator.restart().await;
    let (detail, reason, all) = told(&world, "restarted").await;
    assert_eq!((detail.as_str(), reason.as_str()), (expected, expected));
    assert!(!all.contains(NEXT_PASSWORD), "{all}");

    // The first request is lost, with one password; the second one carries another.
    let lost = Fault::on(Call::Create, Answer::Drop(Disconnect::Reset));
    world.cloud.add_fault(lost.name("twice").times(1));
    world.job_ends("twice", JobOutcome::Never);
    world.create(&on_cluster(3, mrs("twice"))).await;
    world.reconciling("twice", Reason::Recovering).await;
    change_password(&world, PASSWORD).await;
    world.job("twice").await;
    fail(&world, "twice", NEXT_PASSWORD);
    let (detail, reason, all) = told(&world, "twice").await;
    assert_eq!((detail.as_str(), reason.as_str()), (expected, expected));
    assert!(!all.contains(NEXT_PASSWORD), "{all}");
}

/// A state that no document names is in the cloud's own words too.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_a_state_is_cut_out() {
    let world = World::new("echo-state").await;
    world.with_provider().await;
    world.with_password().await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&mrs("lake")).await;
    let id = id(&world.ready("lake").await).unwrap();
    world.cloud.edit_source(CLUSTER, &id, |source| {
        source.status = Some(format!("LOGIN_{PASSWORD}_FAILED"));
    });
    let object = world.reconciling("lake", Reason::Recovering).await;
    let all = serde_json::to_string(&object).unwrap();
    assert!(all.contains("LOGIN_[redacted]") && !all.contains(PASSWORD), "{all}");
}

/// Without a Secret to compare with, what the cloud says is withheld rather than shown with a password in it.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_repeat_a_password_that_nobody_knows_is_withheld() {
    let world = World::new("echo-unknown").await;
    world.with_provider().await;
    world.with_password().await;
    let mut operator = world.operator().start().await;
    for (number, name) in ["changed", "gone"].into_iter().enumerate() {
        begins(&world, name, number).await;
    }
    operator.kill().await;
    change_password(&world, NEXT_PASSWORD).await;
    fail(&world, "changed", PASSWORD);
    operator.restart().await;
    is_withheld(&world, "changed").await;

    operator.kill().await;
    let secrets = world.api::<Secret>();
    let deleted = secrets.delete("mrs-account", &DeleteParams::default()).await;
    deleted.expect("the Secret is there");
    fail(&world, "gone", PASSWORD);
    operator.restart().await;
    is_withheld(&world, "gone").await;
}

/// The first request takes effect unseen, with one password; the second one, with another, is refused since the name is taken. What the
/// first one made shows later, and a process that never knew its password withholds the cloud's words about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_an_earlier_process_is_withheld_however_late_it_shows() {
    let world = hiding("echo-late", Duration::from_secs(15)).await;
    let mut operator = world.operator_with(&["--list-lag=18s"]).start().await;
    world.create(&mrs("late")).await;
    posted(&world, 1).await;
    operator.kill().await;
    change_password(&world, NEXT_PASSWORD).await;
    operator.restart().await;
    posted(&world, 2).await;
    fail(&world, "late", PASSWORD);
    assert!(removed_for(&world).await.contains("withheld"));
}

/// The process that sent both passwords cuts out the first one. What failed was not made with the second one, which gets its try.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_cut_out_however_late_its_request_shows() {
    let world = hiding("echo-known", Duration::from_secs(8)).await;
    let _operator = world.operator_with(&["--list-lag=10s"]).start().await;
    world.create(&mrs("late")).await;
    posted(&world, 1).await;
    change_password(&world, NEXT_PASSWORD).await;
    posted(&world, 2).await;
    fail(&world, "late", PASSWORD);
    assert!(removed_for(&world).await.contains("[redacted]"));
}

/// The same where both passwords are in one version of a Secret, under two keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_under_another_key_is_cut_out_too() {
    let world = hiding("echo-key", Duration::from_secs(8)).await;
    world
        .put(secret(
            "mrs-account",
            &[("password", PASSWORD), ("next", NEXT_PASSWORD)],
        ))
        .await;
    let _operator = world.operator_with(&["--list-lag=10s"]).start().await;
    world.create(&mrs("late")).await;
    posted(&world, 1).await;
    let next = json!({"spec": {"userPwd": {"secretKeyRef": {"key": "next"}}}});
    world.edit("late", next).await;
    posted(&world, 2).await;
    fail(&world, "late", PASSWORD);
    assert!(removed_for(&world).await.contains("[redacted]"));
}

/// Waits until the late record is removed, as it was not made with the password of today, and gives the reason why it failed.
async fn removed_for(world: &World<'_>) -> String {
    world.job("late").await;
    let versions = world.namespace.recorder().versions("DwsDataSource", "late");
    for version in &versions {
        assert!(!version.object.to_string().contains(PASSWORD), "{}", version.object);
    }
    let reason = |version: &Version| {
        Some(
            version
                .object
                .pointer("/status/observed/failReason")?
                .as_str()?
                .to_owned(),
        )
    };
    versions.iter().find_map(reason).expect("it was told")
}

/// A cloud whose list lags, and that takes the first create without an answer.
async fn hiding(hint: &str, list_lag: Duration) -> World<'static> {
    let world = World::new(hint).await;
    world.with_provider().await;
    world.with_password().await;
    world.cloud.update_settings(|settings| settings.list_lag = list_lag);
    let hidden = Fault::on(Call::Create, Answer::Drop(Disconnect::Reset)).applied();
    world.cloud.add_fault(hidden.times(1));
    world.job_ends("late", JobOutcome::Never);
    world
}

/// Waits for this many create requests.
async fn posted(world: &World<'_>, times: usize) {
    let is_posted = |log: &[LogEntry]| log.iter().filter(|entry| entry.call == Call::Create).count() >= times;
    world
        .cloud
        .wait_log(SOON, is_posted)
        .await
        .expect("the create requests come");
}
