//! Who asked for what: the apiserver's audit log, from a moment on.
//!
//! Every request stands in the log twice: before it is handled and after it was answered. A marker request therefore tells
//! when the log is complete: what was answered before the marker was sent stands before it, at least with its first line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::{Client, Config};
use serde::Deserialize;
use tokio::time::Instant;

/// How long the log may lag behind.
const FLUSH: Duration = Duration::from_secs(20);
/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The verbs that change something.
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// The API groups whose objects are questions: creating one stores nothing, and anybody may ask about himself.
const QUESTIONS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

/// The audit log from the moment on that this value was made.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
    /// The file's number: another file under its name would begin with lines that came later.
    inode: u64,
    from: u64,
    admin: Config,
}

/// A request and the answer to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Who sent it, such as `system:serviceaccount:analytics:dws-operator`.
    pub user: String,
    /// The verb, such as `patch`.
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The namespace; empty for cluster-wide kinds, and for lists and watches of all namespaces.
    pub namespace: String,
    /// The resource, such as `dwsdatasources`; empty if the request was about none, such as `/version`.
    pub resource: String,
    /// The subresource, such as `status`; empty for the object itself.
    pub subresource: String,
    /// The object's name; empty if the server chose it, or there is none.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl Request {
    /// Whether the apiserver did it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it was to change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        WRITES.contains(&self.verb.as_str()) && !self.is_question()
    }

    /// Whether it asked about rights or identities.
    #[must_use]
    pub fn is_question(&self) -> bool {
        QUESTIONS.contains(&self.group.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    namespace: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

impl AuditLog {
    /// The log at `path` from its present end on; `admin` sends the marker requests.
    pub(crate) fn from_now(path: &Path, admin: Config) -> Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            inode: metadata.ino(),
            from: metadata.len(),
            admin,
        })
    }

    /// All requests that `filter` lets through and that were answered before this call, in the order of their answers. A watch is
    /// answered when it begins.
    ///
    /// # Panics
    /// If the log cannot be read, was replaced or cut since, or does not catch up within 20 s.
    pub async fn requests(&self, filter: impl Fn(&Request) -> bool) -> Vec<Request> {
        let lines = self
            .read_to_now()
            .await
            .unwrap_or_else(|error| panic!("{}: {error:#}", self.path.display()));
        lines
            .into_iter()
            .filter_map(Request::from_line)
            .filter(filter)
            .collect()
    }

    async fn read_to_now(&self) -> Result<Vec<Line>> {
        let marker = format!("/version?marker={}", uuid::Uuid::new_v4());
        let client = Client::try_from(self.admin.clone())?;
        client
            .request_text(hyper::Request::get(&marker).body(Vec::new())?)
            .await
            .context("the marker request")?;
        let deadline = Instant::now() + FLUSH;
        loop {
            let lines = parse(&self.read()?);
            if is_complete(&lines, &marker) {
                return Ok(lines);
            }
            ensure!(
                Instant::now() < deadline,
                "the audit log has not caught up after {FLUSH:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    fn read(&self) -> Result<String> {
        let mut file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        ensure!(
            metadata.ino() == self.inode && metadata.len() >= self.from,
            "the audit log was replaced or cut: lines are lost"
        );
        file.seek(SeekFrom::Start(self.from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Request {
    fn from_line(line: Line) -> Option<Self> {
        let ObjectRef {
            api_group,
            namespace,
            resource,
            subresource,
            name,
        } = line.object_ref;
        let answered = if line.verb == "watch" {
            "ResponseStarted"
        } else {
            "ResponseComplete"
        };
        if line.stage != answered {
            return None;
        }
        let code = line.response_status?.code;
        Some(Self {
            user: line.user.username,
            verb: line.verb,
            group: api_group,
            namespace,
            resource,
            subresource,
            name,
            code,
        })
    }
}

/// How often each kind of write occurs, by resource (with its subresource), object and verb.
#[must_use]
pub fn count<'a>(writes: impl IntoIterator<Item = &'a Request>) -> BTreeMap<(String, String, String), usize> {
    let mut counts = BTreeMap::new();
    for write in writes {
        let mut resource = write.resource.clone();
        if !write.subresource.is_empty() {
            resource.push('/');
            resource.push_str(&write.subresource);
        }
        *counts
            .entry((resource, write.name.clone(), write.verb.clone()))
            .or_default() += 1;
    }
    counts
}

/// Parses whole lines; the last one may still be in the making.
fn parse(text: &str) -> Vec<Line> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Whether the marker has arrived and every write that arrived before it is answered.
fn is_complete(lines: &[Line], marker: &str) -> bool {
    let Some(end) = lines.iter().position(|line| line.request_uri == marker) else {
        return false;
    };
    let answered: BTreeSet<&str> = lines
        .iter()
        // The answer to an unknown user is begun, as the log has it, and never completed.
        .filter(|line| line.stage != "RequestReceived")
        .map(|line| line.audit_id.as_str())
        .collect();
    lines[..end]
        .iter()
        .filter(|line| WRITES.contains(&line.verb.as_str()))
        .all(|line| answered.contains(line.audit_id.as_str()))
}

#[cfg(test)]
mod tests;
