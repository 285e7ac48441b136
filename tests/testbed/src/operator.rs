//! The operator's real binary as a child process, under its own ServiceAccount and through the recording proxy.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::supervisor::{Launch, Process, Supervisor};
use crate::unread::Unread;
use crate::{Proxy, TestNamespace, background, programs, wait};

/// How long the operator may take to listen after its start.
const LISTENS: Duration = Duration::from_secs(30);
/// How long a killed process may take to be gone.
const GONE: Duration = Duration::from_secs(10);
/// How many lines of the log a failing story shows.
const SHOWN_LINES: usize = 200;

/// How to start an operator.
#[must_use = "nothing runs before `start`"]
pub struct OperatorBuilder<'n> {
    namespace: &'n TestNamespace<'n>,
    proxy: &'n Proxy,
    program: Option<PathBuf>,
    identity: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    is_unread: bool,
}

/// An operator. It is killed when this value is dropped or the test process is gone; a failing story shows its log.
pub struct Operator {
    launch: Launch,
    process: Process,
    /// How long the log was when the present process was started, in bytes.
    log_start: usize,
    supervisor: Supervisor,
    /// Its output, if nobody reads it.
    unread: Option<Unread>,
    // After the supervisor: it removes the folder too, but only when it ends.
    _folder: TempDir,
}

impl<'n> OperatorBuilder<'n> {
    /// The program to run; by default the one that Cargo built beside the test.
    pub fn binary(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Its `--identity`; by default `operator`. Replicas must differ.
    pub fn identity(mut self, identity: &str) -> Self {
        identity.clone_into(&mut self.identity);
        self
    }

    /// The proxy to go through; by default the namespace's.
    pub fn through(mut self, proxy: &'n Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// More arguments.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// One more variable of the environment, which is otherwise empty.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Its output goes into a pipe that is full already and that nobody reads: there is no log, and no address that it tells.
    pub fn unread_output(mut self) -> Self {
        self.is_unread = true;
        self
    }

    /// Starts it; it may still be about to listen.
    ///
    /// # Panics
    /// If the program cannot be run.
    pub async fn start(self) -> Operator {
        self.try_start()
            .await
            .unwrap_or_else(|error| panic!("starting the operator: {error:#}"))
    }

    async fn try_start(self) -> Result<Operator> {
        let folder = tempfile::Builder::new()
            .prefix("dws-operator-")
            .tempdir()
            .context("making a folder")?;
        let kubeconfig = folder.path().join("kubeconfig");
        self.namespace.access(self.proxy).write(&kubeconfig)?;
        let mut args = vec!["run".to_owned()];
        args.extend(self.namespace.flags(&kubeconfig));
        args.extend([
            format!("--identity={}", self.identity),
            "--health-address=127.0.0.1:0".to_owned(),
            "--metrics-address=127.0.0.1:0".to_owned(),
            "--log-format=json".to_owned(),
        ]);
        args.extend(self.args);
        let program = match self.program {
            Some(program) => program,
            None => programs::built("dws-operator")?,
        };
        let launch = Launch {
            program,
            args,
            env: self.env,
            log: folder.path().join("log"),
        };
        let unread = self.is_unread.then(|| Unread::create(&launch.log)).transpose()?;
        let supervisor = Supervisor::start(Some(folder.path())).await?;
        let process = supervisor.spawn(launch.clone()).await?;
        Ok(Operator {
            launch,
            process,
            log_start: 0,
            supervisor,
            unread,
            _folder: folder,
        })
    }
}

impl Operator {
    /// Describes an operator in `namespace`.
    pub fn builder<'n>(namespace: &'n TestNamespace<'n>) -> OperatorBuilder<'n> {
        OperatorBuilder {
            namespace,
            proxy: namespace.proxy(),
            program: None,
            identity: "operator".to_owned(),
            args: Vec::new(),
            env: BTreeMap::from([("RUST_BACKTRACE".to_owned(), "1".to_owned())]),
            is_unread: false,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends SIGKILL and waits until the process is gone.
    ///
    /// # Panics
    /// If it does not go.
    pub async fn kill(&self) {
        self.process.signal(Signal::KILL);
        self.exited(GONE).await;
    }

    /// Sends SIGTERM and waits until the process is gone; says how it ended and how long that took.
    ///
    /// # Panics
    /// If it takes longer than 30 s.
    pub async fn terminate(&self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        self.process.signal(Signal::TERM);
        let status = self.exited(Duration::from_secs(30)).await;
        (status, started.elapsed())
    }

    /// Stops the process where it stands, as if the machine had forgotten it.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills the process if it runs, and starts it again with the same flags; the log goes on.
    ///
    /// # Panics
    /// If the program cannot be run.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.log_start = self.log().len();
        match self.supervisor.spawn(self.launch.clone()).await {
            Ok(process) => self.process = process,
            Err(error) => panic!("restarting the operator: {error:#}"),
        }
    }

    /// Waits until the process has ended, and says how.
    ///
    /// # Panics
    /// If it has not in time.
    pub async fn exited(&self, deadline: Duration) -> ExitStatus {
        let exited = tokio::time::timeout(deadline, self.process.exited()).await;
        let exited = exited.unwrap_or_else(|_| panic!("the operator has not ended within {deadline:?}"));
        exited.unwrap_or_else(|| panic!("the operator's supervisor is gone"))
    }

    /// Everything that it has printed, over all restarts.
    #[must_use]
    pub fn log(&self) -> String {
        if self.unread.is_some() {
            return String::new();
        }
        let log = std::fs::read(&self.launch.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Where it serves `/livez` and `/readyz`, such as `http://127.0.0.1:40001`.
    ///
    /// # Panics
    /// If it ends or does not say so in time.
    pub async fn health_url(&self) -> String {
        self.address("health_address").await
    }

    /// Where it serves `/metrics`.
    ///
    /// # Panics
    /// If it ends or does not say so in time.
    pub async fn metrics_url(&self) -> String {
        self.address("metrics_address").await
    }

    async fn address(&self, field: &str) -> String {
        wait::until(LISTENS, "the operator listens", async || {
            if let Some(address) = self.log().get(self.log_start..).and_then(|log| listening(log, field)) {
                return Ok(format!("http://{address}"));
            }
            if let Some(status) = self.process.exit_status() {
                panic!("the operator ended ({status}) before it listened:\n{}", self.log());
            }
            Err("no line about it in the log")
        })
        .await
    }
}

/// The field of the log line that tells the bound addresses.
fn listening(log: &str, field: &str) -> Option<String> {
    log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = if line["fields"].is_object() {
            &line["fields"]
        } else {
            &line
        };
        (fields["message"] == "listening")
            .then(|| fields[field].as_str().map(str::to_owned))
            .flatten()
    })
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.process.signal(Signal::KILL);
        let process = self.process.clone();
        background::block_on(async move { tokio::time::timeout(GONE, process.exited()).await.ok() });
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("the operator's log ends with:\n{}", last.join("\n"));
        }
    }
}
