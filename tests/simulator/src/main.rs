//! `dws-simulator`: the simulator as a program. It prints its URL as the first line and runs until it is told to stop.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use dws_simulator::{Settings, Simulator};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

/// Simulates the Huawei Cloud DWS API for external data sources, and the IAM API that it needs.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one. Only a loopback address has the admin endpoint.
    #[arg(long, env = "DWS_SIMULATOR_ADDRESS", default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// A JSON file with settings; what it leaves out keeps its default.
    #[arg(long, env = "DWS_SIMULATOR_SETTINGS")]
    settings: Option<PathBuf>,
    /// Stop when stdin is closed, so that the simulator never outlives the program that started it.
    #[arg(long)]
    exit_with_stdin: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let settings = match arguments.settings {
        Some(path) => {
            let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Settings::default(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let simulator = Simulator::bind(arguments.address, settings).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", simulator.url())?;
    stdout.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closed(), if arguments.exit_with_stdin => {}
    }
    Ok(())
}

/// Waits for the end of stdin on a thread that does not hold up the exit.
async fn stdin_closed() {
    let (closed, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // An error ends stdin as well.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    // The thread always sends.
    let _ = ended.await;
}
