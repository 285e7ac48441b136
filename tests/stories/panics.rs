//! A defect in the decisions harms no other object, is told on the object and in the metrics, and makes nothing happen twice.
//!
//! The program has no such defect to offer, so its stages run here with decisions that fail.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use dws_operator::api::Reason;
use dws_operator::reconcile::decide::decide;
use dws_operator::reconcile::plan::{Look, Observation, Outcome, Plan};
use dws_operator::reconcile::setup::{self, Process};
use dws_operator::runtime::clock::Clock;
use dws_operator::runtime::election::Election;
use dws_operator::runtime::settings::{Cli, Command};
use dws_operator::runtime::{health::Health, metrics::Metrics};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::world::{CLUSTER, TIMINGS, World, obs, on_cluster};

/// The operator's stages in this process, with its own rights and flags and with decisions of the story's.
struct Stages {
    metrics: Metrics,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Stages {
    async fn start(world: &World<'_>, decide: fn(&Observation) -> Plan) -> Self {
        let namespace = world.namespace.name();
        let own = [
            format!("--namespace={namespace}"),
            format!("--watch-namespace={namespace}"),
            "--allow-insecure-endpoints".to_owned(),
        ];
        let flags = ["dws-operator", "run"].into_iter().chain(TIMINGS.iter().copied());
        let Command::Run(args) = Cli::parse_from(flags.map(str::to_owned).chain(own)).command else {
            unreachable!("the command is run");
        };
        let (clock, metrics, shutdown) = (Clock::start(), Metrics::new(), CancellationToken::new());
        let process = Process {
            client: world.namespace.operator_client().await,
            clock,
            identity: "operator".to_owned(),
            namespace: namespace.to_owned(),
            leadership: Election::without_lease("operator".to_owned(), clock, &metrics).leadership(),
            decide,
            metrics: metrics.clone(),
            health: Health::new(),
            shutdown: shutdown.clone(),
        };
        let running = tokio::spawn(async move { setup::run(&args, process).await });
        Stages {
            metrics,
            shutdown,
            running,
        }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.expect("the stages end by themselves");
    }
}

/// The first answer to a create of `broken`, and the first one to its delete, make the decisions panic.
fn panics_once_after_each_write(o: &Observation) -> Plan {
    static CREATED: AtomicBool = AtomicBool::new(false);
    static DELETED: AtomicBool = AtomicBool::new(false);
    let done = match &o.memory.outcome {
        Some(Outcome::Posted { .. }) => &CREATED,
        Some(Outcome::Deleted { .. }) => &DELETED,
        Some(Outcome::Updated { .. }) | None => return decide(o),
    };
    let is_hit = o.object.spec.data_source_name == "broken" && !done.swap(true, Ordering::SeqCst);
    assert!(!is_hit, "a defect of the story");
    decide(o)
}

/// What was just created is known to nobody then; it is found again, and nothing is created twice. The lane is free for others meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_told_and_makes_nothing_happen_twice() {
    let world = World::new("panics").await;
    world.with_provider().await;
    let stages = Stages::start(&world, panics_once_after_each_write).await;
    world.create(&obs("broken")).await;
    let told = world.event("broken", "InternalError").await;
    assert!(told.contains("its log has the details"), "{told}");
    world.create(&obs("next")).await;
    world.create(&on_cluster(1, obs("elsewhere"))).await;
    for name in ["next", "elsewhere", "broken"] {
        world.ready(name).await;
        assert_eq!(world.posts(name).len(), 1, "{name}");
    }
    world.delete("broken").await;
    world.gone("broken").await;
    assert_eq!(world.cloud.sources(CLUSTER).len(), 1);
    let panics = r#"controller_runtime_reconcile_panics_total{controller="dwsdatasource"} 2"#;
    let metrics = stages.metrics.encode();
    assert!(metrics.contains(panics), "{metrics}");
    stages.stop().await;
}

/// `endless` is never decided about.
fn turns_in_circles(o: &Observation) -> Plan {
    if o.object.spec.data_source_name == "endless" && o.object.spec.description.is_none() {
        return Plan::Look(Look::Password);
    }
    decide(o)
}

/// Decisions that do not come to an end are a defect too; the object goes on when what caused it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn decisions_without_an_end_are_told() {
    let world = World::new("endless").await;
    world.with_provider().await;
    let stages = Stages::start(&world, turns_in_circles).await;
    world.create(&obs("endless")).await;
    world.stalled("endless", Reason::InternalError).await;
    world.create(&obs("next")).await;
    world.ready("next").await;
    world
        .edit("endless", json!({"spec": {"description": "a way out"}}))
        .await;
    world.ready("endless").await;
    assert_eq!(world.cloud.sources(CLUSTER).len(), 2);
    stages.stop().await;
}
