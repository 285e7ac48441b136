//! Starts etcd and kube-apiserver under a supervisor and waits until both are ready.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use kube::Client;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::kubeconfig::{Access, write_private};
use crate::pki::{self, ServerIdentity};
use crate::programs;
use crate::supervisor::{Launch, Process, Supervisor};

/// How often a server is started when another program takes the free port that was found for it.
const TRIES: usize = 5;
/// How long a server may take to become ready, on a cold and busy machine.
const READY: Duration = Duration::from_mins(2);
/// How often readiness is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Every request twice, when it arrives and when it is answered, without bodies: a log that counts writes and holds no secret.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- level: Metadata
";

/// A running control plane without CRDs.
pub(super) struct Launched {
    pub supervisor: Supervisor,
    pub admin: Access,
    pub kubeconfig: PathBuf,
    pub audit_log: PathBuf,
    pub etcd: String,
}

/// Starts one on free ports, its data in a temporary folder that goes with it.
pub(super) async fn launch() -> Result<Launched> {
    let folder = tempfile::Builder::new()
        .prefix("dws-testbed-")
        .tempdir()
        .context("making a folder")?;
    let supervisor = Supervisor::start(Some(folder.path())).await?;
    let files = Files::write(folder.path())?;
    let etcd = start_etcd(&supervisor, &files).await?;
    let server = start_apiserver(&supervisor, &files, &etcd).await?;
    let admin = Access {
        server,
        ..files.admin.clone()
    };
    let kubeconfig = files.path("kubeconfig");
    admin.write(&kubeconfig)?;
    // From here on the supervisor removes the folder.
    let _ = TempDir::keep(folder);
    Ok(Launched {
        supervisor,
        admin,
        kubeconfig,
        audit_log: files.path("audit.log"),
        etcd,
    })
}

/// The folder with everything that the servers read and write.
struct Files {
    folder: PathBuf,
    admin: Access,
}

impl Files {
    fn write(folder: &Path) -> Result<Self> {
        let identity = ServerIdentity::create()?;
        let (private, public) = pki::token_keys()?;
        let token = uuid::Uuid::new_v4().to_string();
        let files = Self {
            folder: folder.to_owned(),
            admin: Access {
                server: String::new(),
                authority: identity.authority,
                token: token.clone(),
                namespace: "default".to_owned(),
            },
        };
        for (name, text) in [
            ("serving.crt", identity.certificate),
            ("serving.key", identity.key),
            ("tokens.key", private),
            ("tokens.pub", public),
            ("tokens.csv", format!("{token},admin,admin,system:masters\n")),
            ("audit-policy.yaml", AUDIT_POLICY.to_owned()),
        ] {
            write_private(&files.path(name), &text)?;
        }
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn launch(&self, program: &str, log: &str, flags: &[(&str, String)]) -> Result<Launch> {
        Ok(Launch {
            program: programs::kubernetes(program)?,
            args: flags.iter().map(|(flag, value)| format!("--{flag}={value}")).collect(),
            env: BTreeMap::new(),
            log: self.path(log),
        })
    }
}

async fn start_etcd(supervisor: &Supervisor, files: &Files) -> Result<String> {
    let mut failure = anyhow!("etcd was not started");
    for round in 0..TRIES {
        // etcd's gateway calls etcd by the address in the flag: only the peer port, which nobody calls, can be chosen late.
        let client = format!("http://127.0.0.1:{}", free_port()?);
        let peer = "http://127.0.0.1:0".to_owned();
        let log = format!("etcd-{round}.log");
        let launch = files.launch(
            "etcd",
            &log,
            &[
                ("data-dir", files.path(&format!("etcd-{round}")).display().to_string()),
                ("listen-client-urls", client.clone()),
                ("advertise-client-urls", client.clone()),
                ("listen-peer-urls", peer.clone()),
                ("initial-advertise-peer-urls", peer.clone()),
                ("initial-cluster", format!("default={peer}")),
                // The data goes with the control plane; nothing has to survive a power cut.
                ("unsafe-no-fsync", "true".to_owned()),
            ],
        )?;
        let process = supervisor.spawn(launch).await?;
        let ready = || async { read(&files.path(&log)).contains("serving client traffic") };
        match until_ready("etcd", &process, &files.path(&log), ready).await {
            Ok(()) => return Ok(client),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn start_apiserver(supervisor: &Supervisor, files: &Files, etcd: &str) -> Result<String> {
    let mut failure = anyhow!("kube-apiserver was not started");
    for round in 0..TRIES {
        let port = free_port()?;
        let server = format!("https://127.0.0.1:{port}");
        let log = format!("kube-apiserver-{round}.log");
        let path = |name: &str| files.path(name).display().to_string();
        let launch = files.launch(
            "kube-apiserver",
            &log,
            &[
                ("etcd-servers", etcd.to_owned()),
                ("bind-address", "127.0.0.1".to_owned()),
                ("secure-port", port.to_string()),
                // Without a route to anywhere the apiserver finds no address of its own; and nothing reads its endpoints.
                ("advertise-address", "127.0.0.1".to_owned()),
                ("endpoint-reconciler-type", "none".to_owned()),
                ("tls-cert-file", path("serving.crt")),
                ("tls-private-key-file", path("serving.key")),
                ("token-auth-file", path("tokens.csv")),
                ("authorization-mode", "RBAC".to_owned()),
                ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
                ("service-account-key-file", path("tokens.pub")),
                ("service-account-signing-key-file", path("tokens.key")),
                ("service-cluster-ip-range", "10.0.0.0/24".to_owned()),
                ("audit-policy-file", path("audit-policy.yaml")),
                ("audit-log-path", path("audit.log")),
                // Megabytes. Nobody reads on in the file that follows a full one.
                ("audit-log-maxsize", "100000".to_owned()),
                ("profiling", "false".to_owned()),
            ],
        )?;
        let process = supervisor.spawn(launch).await?;
        let admin = Access {
            server: server.clone(),
            ..files.admin.clone()
        };
        let client = Client::try_from(admin.config().await?)?;
        let ready = || async { is_ready(&client).await };
        match until_ready("kube-apiserver", &process, &files.path(&log), ready).await {
            Ok(()) => return Ok(server),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Waits for a server; an error if it ended (as it does when its port was taken) or never became ready.
async fn until_ready(name: &str, process: &Process, log: &Path, mut ready: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + READY;
    loop {
        if ready().await {
            return Ok(());
        }
        let problem = match process.exit_status() {
            Some(status) => format!("{name} ended ({status})"),
            None if Instant::now() > deadline => format!("{name} is not ready after {READY:?}"),
            None => {
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        let text = read(log);
        let lines: Vec<&str> = text.lines().collect();
        return Err(anyhow!(
            "{problem}; its log ends with:\n{}",
            lines[lines.len().saturating_sub(10)..].join("\n")
        ));
    }
}

async fn is_ready(client: &Client) -> bool {
    let request = http_get("/readyz");
    let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await;
    matches!(answer, Ok(Ok(text)) if text == "ok")
}

fn http_get(path: &str) -> hyper::Request<Vec<u8>> {
    hyper::Request::get(path)
        .body(Vec::new())
        .expect("a fixed path makes a request")
}

fn read(log: &Path) -> String {
    std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
