//! `dws-operator check`: says what is wrong with an installation before, or instead of, reading logs.
//!
//! It takes the flags of the operator and asks with the operator's own rights, so it is best run as the operator's service
//! account. It returns whether all is well and prints one line for each finding. It may never write anything, to Kubernetes or to the
//! cloud, and never shows a secret.

use std::io::{self, Write};
use std::num::NonZeroU16;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Client;
use kube::api::PostParams;

use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::setup;
use crate::runtime::settings::ClusterArgs;

mod definitions;
mod finding;
mod installs;
mod inventory;
mod namespaces;
mod permissions;
mod providers;

use finding::Finding;
use inventory::Inventory;

/// How many calls to Kubernetes, or providers, are in flight at the same time.
const CONCURRENCY: NonZeroU16 = NonZeroU16::new(8).expect("not zero");

/// Checks identity, namespaces, permissions, custom resource definitions, other installs and providers, and prints the findings as they come.
/// Returns whether nothing is wrong.
///
/// # Errors
/// If the findings cannot be printed. What is wrong with the installation is a finding.
pub async fn run(args: &ClusterArgs, namespace: &str, client: Client, out: &mut impl Write) -> io::Result<bool> {
    let kubernetes = Kubernetes::new(client, CONCURRENCY);
    let scopes = setup::scopes(args);
    let mut tally = Tally::default();
    let identity = identity(&kubernetes, namespace).await;
    let reached = !identity.is_wrong();
    tally.print(out, vec![identity])?;
    if reached {
        tally.print(out, namespaces::findings(&kubernetes, &scopes, namespace).await)?;
        let (inventory, unreadable) = Inventory::read(&kubernetes, &scopes, namespace).await;
        tally.print(
            out,
            permissions::findings(args, &kubernetes, &scopes, namespace, &inventory).await,
        )?;
        tally.print(out, definitions::findings(&kubernetes).await)?;
        tally.print(out, unreadable)?;
        tally.print(
            out,
            installs::findings(&kubernetes, &scopes, namespace, &inventory).await,
        )?;
        tally.print(out, providers::findings(args, &kubernetes, namespace, &inventory).await)?;
    }
    tally.conclude(out)
}

/// As whom the check asks. Without an answer nothing else can be found out.
async fn identity(kubernetes: &Kubernetes, namespace: &str) -> Finding {
    const SUBJECT: &str = "Kubernetes API";
    let reviews = kubernetes.all::<SelfSubjectReview>();
    let (parameters, question) = (PostParams::default(), SelfSubjectReview::default());
    match kubernetes.call(reviews.create(&parameters, &question)).await {
        Ok(review) => {
            let user = review.status.and_then(|status| status.user_info?.username);
            let user = user.unwrap_or_else(|| "somebody without a name".to_owned());
            Finding::ok(
                SUBJECT,
                format!("answers; the checks below are made as {user}, for an operator in namespace {namespace}"),
            )
        }
        Err(error) => {
            let what = if error.code().is_some() {
                "refuses the question"
            } else {
                "does not answer"
            };
            Finding::wrong(
                SUBJECT,
                format!("{what}: {error}. Check the kubeconfig or the service account, and the network"),
            )
        }
    }
}

/// How many findings there were.
#[derive(Default)]
struct Tally {
    all: usize,
    unverified: usize,
    wrong: usize,
}

impl Tally {
    fn print(&mut self, out: &mut impl Write, findings: Vec<Finding>) -> io::Result<()> {
        for finding in findings {
            writeln!(out, "{finding}")?;
            self.all += 1;
            self.unverified += usize::from(finding.is_unverified());
            self.wrong += usize::from(finding.is_wrong());
        }
        out.flush()
    }

    fn conclude(&self, out: &mut impl Write) -> io::Result<bool> {
        match self.wrong {
            0 if self.unverified > 0 => write!(out, "{} checks, nothing is known to be wrong", self.all)?,
            0 => write!(out, "{} checks, nothing is wrong", self.all)?,
            wrong => write!(out, "{} checks, {wrong} wrong", self.all)?,
        }
        match self.unverified {
            0 => writeln!(out)?,
            unverified => writeln!(out, ", {unverified} could not be verified (?), which is no failure")?,
        }
        out.flush()?;
        Ok(self.wrong == 0)
    }
}

#[cfg(test)]
mod tests;
