//! `dws-testbed`: runs commands against a control plane, or a control plane by itself.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dws_testbed::ControlPlane;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// A real Kubernetes control plane on loopback, for tests and for trying things out.
#[derive(Parser)]
#[command(name = "dws-testbed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Runs a command with a control plane in its environment, and exits as the command did. The control plane is the one of
    /// `TEST_KUBECONFIG` if that is set, else one that is started and ends with the command.
    Run {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Runs a control plane in the foreground until Ctrl-C or SIGTERM.
    ControlPlane {
        /// Where the administrator's kubeconfig is written.
        #[arg(long, default_value = ".cache/control-plane")]
        dir: PathBuf,
        /// Also stops when standard input closes.
        #[arg(long)]
        exit_with_stdin: bool,
    },
    /// Owns child processes for another process, by orders on standard input, and ends them when it closes.
    #[command(hide = true)]
    Supervise {
        /// A folder to remove at the end.
        #[arg(long)]
        remove: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = Runtime::new().context("starting the runtime").and_then(|runtime| {
        let result = runtime.block_on(execute(Arguments::parse().command));
        // A thread that reads standard input cannot be stopped.
        runtime.shutdown_background();
        result
    });
    result.unwrap_or_else(|error| {
        eprintln!("dws-testbed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn execute(command: Subcommands) -> Result<ExitCode> {
    match command {
        Subcommands::Run { command } => run(&command).await,
        Subcommands::ControlPlane { dir, exit_with_stdin } => {
            control_plane(&dir, exit_with_stdin).await.map(|()| ExitCode::SUCCESS)
        }
        Subcommands::Supervise { remove } => dws_testbed::supervise(remove).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn run(command: &[String]) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    // A terminal sends Ctrl-C to the command as well; this process has to outlive it.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let plane = tokio::select! {
        plane = ControlPlane::given_or_started() => plane?,
        _ = terminate.recv() => return Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
    };
    let (program, args) = command.split_first().context("no command")?;
    let mut child = Command::new(program)
        .args(args)
        .envs(plane.environment()?)
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status?)),
            _ = terminate.recv() => pass_on(&child, Signal::TERM),
            _ = interrupt.recv() => {}
        }
    }
}

fn pass_on(child: &Child, signal: Signal) {
    if let Some(pid) = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw)
    {
        // It may have ended just now, which the caller learns next.
        let _ = kill_process(pid, signal);
    }
}

/// The exit code as a shell would give it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

async fn control_plane(dir: &Path, exit_with_stdin: bool) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ended = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stdin_closed(), if exit_with_stdin => {}
        }
    };
    tokio::pin!(ended);
    let plane = tokio::select! {
        plane = ControlPlane::try_start() => plane.context("starting a control plane")?,
        () = &mut ended => return Ok(()),
    };
    std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let kubeconfig = dir.join("kubeconfig");
    plane.write_kubeconfig(&kubeconfig)?;
    // A folder of one's own programs need not hold kubectl.
    let kubectl = dws_testbed::kubernetes_program("kubectl")
        .map_or_else(|_| "kubectl".to_owned(), |program| program.display().to_string());
    let usage = format!(
        "The control plane is ready: {}\n  export KUBECONFIG={}\n  {kubectl} get crds\nCtrl-C stops it and discards its \
         data.\n",
        plane.server(),
        std::path::absolute(&kubeconfig)?.display()
    );
    // Nobody has to listen.
    let _ = std::io::stdout().write_all(usage.as_bytes());
    ended.await;
    drop(plane);
    std::fs::remove_file(&kubeconfig).with_context(|| format!("removing {}", kubeconfig.display()))
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(stdin.read(&mut buffer).await, Ok(1..)) {}
}
