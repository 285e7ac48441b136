//! The supervisor's own process: takes orders from standard input until it closes, then ends every child.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::protocol::{self, Event, Order};

/// How long a child may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// A child and the channel that reaches the task which owns it.
struct Owned {
    id: u64,
    signals: mpsc::UnboundedSender<i32>,
    ended: watch::Receiver<bool>,
}

/// Serves orders until standard input closes or SIGTERM or SIGINT arrives, ends the children and removes `folder`.
///
/// # Errors
/// If the process cannot install its signal handlers; children are never left behind.
pub async fn serve(folder: Option<PathBuf>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("installing a handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("installing a handler for SIGINT")?;
    let (events, queue) = mpsc::unbounded_channel();
    let reports = tokio::spawn(report(queue));
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut children: Vec<Owned> = Vec::new();
    loop {
        let line = tokio::select! {
            line = orders.next_line() => line,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        let Ok(Some(line)) = line else { break };
        match serde_json::from_str(&line) {
            Ok(Order::Spawn { id, launch }) => children.extend(spawn(id, launch, &events)),
            Ok(Order::Signal { id, signal }) => {
                if let Some(child) = children.iter().find(|child| child.id == id) {
                    // A child whose task is gone has ended: there is nobody left to signal.
                    let _ = child.signals.send(signal);
                }
            }
            Err(error) => eprintln!("dws-testbed supervise: an order that cannot be read: {error}"),
        }
    }
    for child in children.iter_mut().rev() {
        end(child).await;
    }
    if let Some(folder) = folder {
        // The folder may be gone, or the children never wrote to it.
        let _ = tokio::fs::remove_dir_all(folder).await;
    }
    drop(events);
    // Standard output may be closed with the parent gone; then there is nobody to tell.
    let _ = reports.await;
    Ok(())
}

async fn end(child: &mut Owned) {
    // A stopped process does not see SIGTERM.
    let _ = child.signals.send(Signal::CONT.as_raw());
    let _ = child.signals.send(Signal::TERM.as_raw());
    if tokio::time::timeout(GRACE, child.ended.wait_for(|ended| *ended))
        .await
        .is_err()
    {
        let _ = child.signals.send(Signal::KILL.as_raw());
        let _ = child.ended.wait_for(|ended| *ended).await;
    }
}

fn spawn(id: u64, launch: protocol::Command, events: &mpsc::UnboundedSender<Event>) -> Option<Owned> {
    match start(launch) {
        Ok(child) => {
            let (signals, orders) = mpsc::unbounded_channel();
            let (done, ended) = watch::channel(false);
            let _ = events.send(Event::Started {
                id,
                pid: child.id().unwrap_or_default(),
            });
            let events = events.clone();
            tokio::spawn(async move {
                let status = own(child, orders).await;
                let _ = events.send(Event::Exited {
                    id,
                    status: status.into_raw(),
                });
                done.send_replace(true);
            });
            Some(Owned { id, signals, ended })
        }
        Err(error) => {
            let _ = events.send(Event::Failed {
                id,
                error: format!("{error:#}"),
            });
            None
        }
    }
}

fn start(launch: protocol::Command) -> Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&launch.log)
        .with_context(|| format!("opening {}", launch.log.display()))?;
    let errors = log.try_clone().context("the log's second handle")?;
    Ok(Command::new(launch.program)
        .args(launch.args)
        .env_clear()
        .envs(launch.env)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()?)
}

/// Waits for the child and signals it meanwhile; only here, because the pid is the child's for as long as it is not waited for.
async fn own(mut child: Child, mut orders: mpsc::UnboundedReceiver<i32>) -> ExitStatus {
    loop {
        tokio::select! {
            status = child.wait() => return status.unwrap_or_default(),
            Some(signal) = orders.recv() => {
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
                if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
                    // The only error left is that the child has just ended.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

async fn report(mut queue: mpsc::UnboundedReceiver<Event>) {
    let mut stdout = tokio::io::stdout();
    while let Some(event) = queue.recv().await {
        if stdout.write_all(event.line().as_bytes()).await.is_err() || stdout.flush().await.is_err() {
            return;
        }
    }
}
