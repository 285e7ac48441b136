//! The `dws-operator` program: arguments, logs, and one of its commands.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use dws_operator::api::crds;
use dws_operator::check;
use dws_operator::reconcile::setup::{self, Process};
use dws_operator::reconcile::{decide, installs};
use dws_operator::runtime::clock::Clock;
use dws_operator::runtime::connection::Connection;
use dws_operator::runtime::election::{Election, Setting};
use dws_operator::runtime::health::Health;
use dws_operator::runtime::metrics::Metrics;
use dws_operator::runtime::servers::Servers;
use dws_operator::runtime::settings::{Cli, ClusterArgs, Command, CrdsArgs, RunArgs};
use dws_operator::runtime::{shutdown, telemetry};

/// How long the API server may take to free the lease at the end.
const RELEASE: Duration = Duration::from_millis(500);
/// How long whoever reads the log may take at the end. With `--shutdown`, 4 s, and the lease this is less than 5 s after the signal.
const FLUSH: Duration = Duration::from_millis(300);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // One TLS provider for Kubernetes and the cloud; two would make rustls panic at the first connection.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let ended = match Cli::parse().command {
        Command::Run(args) => in_runtime(run(*args)),
        Command::Crds(args) => print_crds(&args),
        Command::Check(args) => in_runtime(check(args)),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("dws-operator: {error}");
        ExitCode::FAILURE
    })
}

fn in_runtime(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(work);
    // What is still running has had its time.
    runtime.shutdown_background();
    ended
}

fn print_crds(args: &CrdsArgs) -> Result<ExitCode, Failure> {
    match &args.dir {
        Some(dir) => crds::write_to(dir)?,
        None => crds::print(&mut std::io::stdout().lock())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(args: ClusterArgs) -> Result<ExitCode, Failure> {
    let connection = Connection::load(args.kubeconfig.as_deref()).await?;
    let namespace = args.namespace(connection.namespace())?;
    let client = connection.client(&Metrics::new())?;
    let well = check::run(&args, &namespace, client, &mut std::io::stdout()).await?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    args.timings.check()?;
    let metrics = Metrics::new();
    let log = telemetry::start(args.log_format, &args.log_level, metrics.log_lines_dropped())?;
    let stop = shutdown::on_signal()?;
    let ended = serve(&args, metrics, stop).await;
    if let Err(error) = &ended {
        tracing::error!(%error, "ending");
    }
    let _ = log.flush(FLUSH);
    ended
}

async fn serve(
    args: &RunArgs,
    metrics: Metrics,
    stop: tokio_util::sync::CancellationToken,
) -> Result<ExitCode, Failure> {
    let connection = Connection::load(args.cluster.kubeconfig.as_deref()).await?;
    let namespace = args.cluster.namespace(connection.namespace())?;
    let identity = args.identity()?;
    let clock = Clock::start();
    let health = Health::new();
    let _servers = Servers::start(args.health_address, args.metrics_address, &health, &metrics).await?;
    let election = if args.leader_elect {
        let setting = Setting {
            identity: identity.clone(),
            namespace: namespace.clone(),
            annotations: installs::annotations(&setup::scopes(&args.cluster)),
            clock,
            timings: args.timings,
            health: health.clone(),
            metrics: metrics.clone(),
        };
        Election::start(connection.client(&metrics)?, setting)
    } else {
        Election::without_lease(identity.clone(), clock, &metrics)
    };
    let leadership = election.leadership();
    tokio::select! {
        () = leadership.acquired() => {}
        () = stop.cancelled() => {
            election.release(RELEASE).await;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let client = connection.client(&metrics)?;
    let reconciling = setup::run(
        args,
        Process {
            client,
            clock,
            identity,
            namespace,
            leadership: leadership.clone(),
            decide: decide::decide,
            metrics,
            health,
            shutdown: stop.clone(),
        },
    );
    let ended = tokio::select! {
        () = reconciling => ExitCode::SUCCESS,
        () = leadership.lost() => {
            // Another replica may lead already: nothing may be finished here.
            tracing::error!("the lease is lost; ending");
            return Ok(ExitCode::FAILURE);
        }
        () = async { stop.cancelled().await; tokio::time::sleep(args.timings.shutdown).await } => {
            tracing::warn!("some work did not end in time; the next start goes on from what is written down");
            ExitCode::SUCCESS
        }
    };
    election.release(RELEASE).await;
    Ok(ended)
}
