//! Child processes that never outlive the process that asked for them.
//!
//! A [`Supervisor`] is a second process (`dws-testbed supervise`) that owns the children. It lives as long as its standard
//! input is open, which the kernel closes however its parent ends: by a return, a panic or SIGKILL. Then it ends its children,
//! last started first, and removes the folder it was given. It may never signal a process that it did not start.

mod protocol;
mod serve;

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{background, programs};
use protocol::{Event, Order};
pub use serve::serve;

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// The file that its standard output and error are appended to.
    pub log: PathBuf,
}

/// A process that owns children and ends them when this value is dropped or the current process is gone.
#[derive(Debug)]
pub(crate) struct Supervisor {
    orders: Option<mpsc::UnboundedSender<Order>>,
    children: Children,
    finished: Mutex<std::sync::mpsc::Receiver<()>>,
}

/// A child of a supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    id: u64,
    pid: u32,
    orders: mpsc::WeakUnboundedSender<Order>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

#[derive(Debug)]
struct Reporter {
    started: Option<oneshot::Sender<Result<u32, String>>>,
    exit: watch::Sender<Option<ExitStatus>>,
}

type Children = Arc<Mutex<HashMap<u64, Reporter>>>;

impl Supervisor {
    /// Starts one that removes `folder` at its end, if one is given.
    pub async fn start(folder: Option<&Path>) -> Result<Self> {
        let program = programs::testbed()?;
        let mut command = Command::new(&program);
        command.arg("supervise");
        if let Some(folder) = folder {
            command.arg("--remove").arg(folder);
        }
        // A group of its own: Ctrl-C in a terminal ends the parent, and only thereby the children.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let children = Children::default();
        let (orders, queue) = mpsc::unbounded_channel();
        let (done, finished) = std::sync::mpsc::channel();
        let reporters = Arc::clone(&children);
        background::runtime()
            .spawn(async move {
                let mut child = command
                    .spawn()
                    .with_context(|| format!("starting {}", program.display()))?;
                let stdin = child.stdin.take().context("the supervisor's standard input")?;
                let stdout = child.stdout.take().context("the supervisor's standard output")?;
                tokio::spawn(send(queue, stdin));
                tokio::spawn(receive(child, stdout, reporters, done));
                anyhow::Ok(())
            })
            .await??;
        Ok(Self {
            orders: Some(orders),
            children,
            finished: Mutex::new(finished),
        })
    }

    /// Starts a child.
    pub async fn spawn(&self, launch: Launch) -> Result<Process> {
        let orders = self.orders.as_ref().context("the supervisor has ended")?;
        let (started, pid) = oneshot::channel();
        let (exit, exited) = watch::channel(None);
        let id = {
            let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
            let id = children.len() as u64;
            children.insert(
                id,
                Reporter {
                    started: Some(started),
                    exit,
                },
            );
            id
        };
        let program = launch.program.display().to_string();
        orders
            .send(Order::Spawn {
                id,
                launch: launch.into(),
            })
            .context("the supervisor has ended")?;
        match pid.await.context("the supervisor has ended")? {
            Ok(pid) => Ok(Process {
                id,
                pid,
                orders: orders.downgrade(),
                exit: exited,
            }),
            Err(error) => bail!("starting {program}: {error}"),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Closes the supervisor's standard input.
        self.orders = None;
        // A supervisor gives each child its grace and then kills it; a longer wait would only hide a bug in it.
        let finished = self.finished.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = finished.recv_timeout(Duration::from_secs(30));
    }
}

impl Process {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal; nothing happens if the process has ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(orders) = self.orders.upgrade() {
            // A supervisor that is gone has ended the child already.
            let _ = orders.send(Order::Signal {
                id: self.id,
                signal: signal.as_raw(),
            });
        }
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits until it has ended; none if the supervisor itself was lost.
    pub async fn exited(&self) -> Option<ExitStatus> {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }
}

async fn send(mut queue: mpsc::UnboundedReceiver<Order>, mut stdin: ChildStdin) {
    while let Some(order) = queue.recv().await {
        if stdin.write_all(order.line().as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            break;
        }
    }
}

async fn receive(mut child: Child, stdout: ChildStdout, children: Children, done: std::sync::mpsc::Sender<()>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(event) = serde_json::from_str::<Event>(&line) else {
            continue;
        };
        let mut children = children.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reporter) = children.get_mut(&event.id()) else {
            continue;
        };
        match event {
            Event::Started { pid, .. } => reporter.start(Ok(pid)),
            Event::Failed { error, .. } => reporter.start(Err(error)),
            Event::Exited { status, .. } => {
                reporter.exit.send_replace(Some(ExitStatus::from_raw(status)));
            }
        }
    }
    let _ = child.wait().await;
    // Whoever still waits for a child learns that there is nothing left to wait for.
    children.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let _ = done.send(());
}

impl Reporter {
    fn start(&mut self, result: Result<u32, String>) {
        if let Some(started) = self.started.take() {
            let _ = started.send(result);
        }
    }
}
