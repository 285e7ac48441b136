//! A cloud that does all that the documents allow and none of what one expects.

use std::collections::BTreeSet;
use std::time::Duration;

use dws_simulator::{Busy, Call, Count, DEFAULT_PASSWORD, JobOutcome, JobStates, NameSettings, Refusal, StateNotation};
use dws_testbed::{Api, Call as Passed};

use crate::metrics::scrape;
use crate::world::{CLUSTER, SOON, World, cluster, mrs, obs, on_cluster, password_provider, secret, uses};

/// The states of jobs that the operator has been shown.
fn states(calls: &[Passed]) -> BTreeSet<String> {
    let looks = calls.iter().filter(|call| call.is(Api::Cloud, "GET", "/job/"));
    looks
        .filter_map(|look| look.response_json()?["status"].as_str().map(str::to_owned))
        .collect()
}

/// Counts that are wrong, states by their names, a conflict instead of a ban while a cluster is busy, jobs in every state or unknown, and
/// tokens that hardly live: all data sources become Ready and go again, and the wrong counts are told.
#[tokio::test(flavor = "multi_thread")]
async fn an_odd_but_legal_cloud_is_served() {
    let world = World::new("odd").await;
    world.with_password().await;
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    world.create(&password_provider(&world.endpoint)).await;
    let mut direct = password_provider(&world.simulator_url());
    direct.metadata.name = Some("direct".to_owned());
    world.create(&direct).await;
    let held = NameSettings {
        job_duration: Some(Duration::from_secs(12)),
        create_outcome: Some(JobOutcome::Never),
        ..NameSettings::default()
    };
    let vanishing = NameSettings {
        create_outcome: Some(JobOutcome::Vanish),
        delete_outcome: Some(JobOutcome::Vanish),
        ..NameSettings::default()
    };
    world.cloud.update_settings(|settings| {
        settings.count = Count::Wrong;
        settings.state_notation = StateNotation::Names;
        settings.busy = Busy::Conflict;
        settings.unknown_id = Refusal::new(404, "DWS.4711", "No such thing.");
        settings.job_states = JobStates::Four;
        settings.token_lifetime = Duration::from_secs(6);
        settings.by_name.insert("held".to_owned(), held);
        settings.by_name.insert("vanishing".to_owned(), vanishing);
    });
    let operator = world.operator().start().await;
    world.create(&obs("held")).await;
    world.create(&on_cluster(0, obs("vanishing"))).await;
    world.create(&on_cluster(1, mrs("account"))).await;
    let job = world.job("held").await;
    // For the operator this is another cluster, as it is reached through another endpoint.
    world.create(&uses(obs("rival"), "direct")).await;
    let is_refused = |log: &[dws_simulator::LogEntry]| {
        log.iter()
            .any(|entry| entry.status == Some(409) && entry.error_code.as_deref() == Some("DWS.0011"))
    };
    world.cloud.wait_log(SOON, is_refused).await.expect("a conflict");
    let all = ["INIT", "WAITING", "RUNNING", "DELAY_SCHEDULED"];
    let shows_all = |calls: &[Passed]| all.iter().all(|state| states(calls).contains(*state));
    world.namespace.proxy().wait_calls(SOON, "every state", shows_all).await;
    assert!(world.cloud.end_job(&job, JobOutcome::Success));
    let names = ["held", "rival", "vanishing", "account"];
    for name in names {
        world.ready(name).await;
        assert_eq!(world.posts(name).iter().filter(|post| post.took_effect).count(), 1);
    }
    let short = scrape(&operator).await["dws_short_lists_total"];
    assert!(short > 0.0, "{short}");
    let logins = world.effective(Call::Token);
    assert!(logins > 3, "the tokens of two providers were renewed: {logins}");

    for name in names {
        world.delete(name).await;
    }
    for name in names {
        world.gone(name).await;
    }
    for at in [CLUSTER.to_owned(), cluster(0), cluster(1)] {
        assert_eq!(world.cloud.sources(&at), []);
    }
    assert_eq!(
        (world.effective(Call::Create), world.effective(Call::Delete)),
        (names.len(), names.len())
    );
}

/// No document says what the job call answers for a job that the cloud has forgotten: whatever it is, the create was accepted, and the list
/// tells what came of it. The spec is not to blame.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_job_is_no_fault_of_the_spec() {
    let world = World::new("odd-job").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.unknown_id = Refusal::new(404, "DWS.0001", "Invalid parameter: job_id."));
    world.job_ends("lake", JobOutcome::Vanish);
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    assert_eq!(world.posts("lake").len(), 1);
}
