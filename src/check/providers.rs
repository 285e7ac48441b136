//! Whether each provider can be used: its Secret, its endpoint, its project, and one call to DWS with its credentials.
//!
//! The call lists the data sources of one DWS cluster, which changes nothing. Where no cluster is known it is one that does not exist, and
//! DWS's own word for that is the proof: the gateway before DWS refuses wrong credentials first. To ask IAM instead would prove less and
//! need more: not the endpoint of DWS, and a permission and a route that an operator with an access key and a `projectID` does without. A
//! 404 that is not DWS's proves nothing: any web server answers that.
//!
//! A key that the cloud refuses is tried once: it counts together with the tries of a running operator towards the lock that the cloud
//! puts on a key after more than five failures.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kube::ResourceExt;

use super::CONCURRENCY;
use super::finding::Finding;
use super::inventory::Inventory;
use crate::api::data_source::{DataSourceType, ProviderKind};
use crate::cloud::{CallRecord, Dws, Failure, FailureKind, Fence, Listing, Missing, Observer, Rejection};
use crate::reconcile::access::Access;
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::providers::ProviderId;
use crate::reconcile::setup::{self, Surroundings};
use crate::reconcile::standing::{Connected, Standing};
use crate::runtime::settings::ClusterArgs;
use crate::runtime::timings::Timings;

/// A cluster id that no DWS cluster has, for providers of which no cluster is known. It is a well-formed one (version 4), so that DWS
/// looks for the cluster instead of refusing the id.
const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";
/// DWS's own word that a cluster does not exist.
const CLUSTER_GONE: FailureKind = FailureKind::Gone { what: Missing::Cluster };
/// The code of DWS for "not found or no permission"; about a cluster that does not exist it may be either.
const NOT_FOUND_OR_DENIED: &str = "DWS.0015";

/// No write ever starts.
struct ReadOnly;

impl Fence for ReadOnly {
    fn covers_write(&self, _timeout: Duration) -> bool {
        false
    }
}

/// Nothing is counted.
struct Uncounted;

impl Observer for Uncounted {
    fn called(&self, _record: &CallRecord<'_>) {}
}

/// The DWS cluster that the one call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Probe {
    cluster_id: String,
    type_: DataSourceType,
    /// Who names the cluster; none if nobody does, and it does not exist.
    named_by: Option<String>,
}

/// The findings: one for each provider.
pub async fn findings(
    args: &ClusterArgs,
    kubernetes: &Kubernetes,
    namespace: &str,
    inventory: &Inventory,
) -> Vec<Finding> {
    let around = Surroundings {
        kubernetes: kubernetes.clone(),
        namespace: namespace.to_owned(),
        fence: Arc::new(ReadOnly),
        observer: Arc::new(Uncounted),
        max_rejections: 1,
    };
    let access = setup::access(args, &Timings::default(), around);
    stream::iter(all(inventory))
        .map(|id| {
            let (access, probe) = (&access, probe(&id, inventory));
            async move { one(access, &id, &probe).await }
        })
        .buffered(usize::from(CONCURRENCY.get()))
        .filter_map(std::future::ready)
        .collect()
        .await
}

fn all(inventory: &Inventory) -> Vec<ProviderId> {
    let own = inventory.providers.iter().map(|provider| ProviderId {
        kind: ProviderKind::DwsProvider,
        namespace: provider.namespace().unwrap_or_default(),
        name: provider.name_any(),
    });
    let lent = inventory.cluster_providers.iter().map(|provider| ProviderId {
        kind: ProviderKind::ClusterDwsProvider,
        namespace: String::new(),
        name: provider.name_any(),
    });
    own.chain(lent).collect()
}

/// Which DWS cluster to ask about: that of a data source of the provider, else one that the provider is lent for.
fn probe(id: &ProviderId, inventory: &Inventory) -> Probe {
    let used = inventory
        .data_sources
        .iter()
        .find(|object| inventory.provider_of(object) == *id);
    if let Some(object) = used {
        let recorded = object.status.as_ref().and_then(|status| status.cloud.as_ref());
        return Probe {
            cluster_id: recorded.map_or_else(|| object.spec.cluster_id.clone(), |cloud| cloud.cluster_id.clone()),
            type_: object.spec.type_,
            named_by: Some(format!(
                "DwsDataSource {}/{}",
                object.namespace().unwrap_or_default(),
                object.name_any()
            )),
        };
    }
    let lent = inventory
        .cluster_providers
        .iter()
        .filter(|provider| id.kind == ProviderKind::ClusterDwsProvider && provider.name_any() == id.name)
        .find_map(|provider| provider.spec.cluster_ids.as_ref()?.first());
    Probe {
        cluster_id: lent.map_or_else(|| NOWHERE.to_owned(), String::clone),
        type_: DataSourceType::Obs,
        named_by: lent.map(|_| "its clusterIDs".to_owned()),
    }
}

/// Nothing if the provider has gone meanwhile.
async fn one(access: &Access, id: &ProviderId, probe: &Probe) -> Option<Finding> {
    let subject = match id.kind {
        ProviderKind::DwsProvider => format!("DwsProvider {}/{}", id.namespace, id.name),
        ProviderKind::ClusterDwsProvider => format!("ClusterDwsProvider {}", id.name),
    };
    let text = match access.stand(id, &mut None).await.standing {
        Standing::Absent => return None,
        Standing::Connected(connected) => {
            let listed = connected.session.list(&probe.cluster_id, probe.type_).await;
            judge(&connected, probe, &listed)
        }
        Standing::Unreached { failure } if failure.kind == FailureKind::CredentialsRejected => {
            Err(advice(&failure, probe))
        }
        standing => {
            let (reason, message) = standing.trouble()?;
            Err(format!("{reason}: {message}"))
        }
    };
    Some(match text {
        Ok(text) => Finding::ok(subject, text),
        Err(text) => Finding::wrong(subject, text),
    })
}

fn judge(connected: &Connected, probe: &Probe, listed: &Result<Listing, Failure>) -> Result<String, String> {
    let works = format!(
        "{} accepts the credentials for project {}",
        connected.endpoint, connected.project_id
    );
    match (listed, &probe.named_by) {
        (Ok(_), Some(named_by)) => Ok(format!(
            "{works} and DWS cluster {}, which {named_by} names",
            probe.cluster_id
        )),
        (Ok(_), None) => Ok(works),
        (Err(failure), None) if failure.kind == CLUSTER_GONE => {
            Ok(format!("{works}; no DWS cluster is known to ask for"))
        }
        (Err(failure), None) if failure.code.as_deref() == Some(NOT_FOUND_OR_DENIED) => Ok(format!(
            "{} accepts the credentials; whether for project {} is not known, for no DWS cluster is known to ask for",
            connected.endpoint, connected.project_id
        )),
        (Err(failure), _) => Err(advice(failure, probe)),
    }
}

fn advice(failure: &Failure, probe: &Probe) -> String {
    let says = match (&failure.code, failure.status) {
        (Some(code), _) => format!("{code}: {}", failure.message),
        (None, Some(status)) => format!("HTTP {status}: {}", failure.message),
        (None, None) => failure.message.clone(),
    };
    match failure.kind {
        FailureKind::CredentialsRejected => {
            format!(
                "the cloud refuses the credentials ({says}). Correct the Secret, or whatever they come from, and check the clock of this machine"
            )
        }
        FailureKind::Gone { .. } => match &probe.named_by {
            Some(named_by) => format!(
                "DWS cluster {}, which {named_by} names, does not exist in this region and project ({says}). Correct the id, or use another provider",
                probe.cluster_id
            ),
            None => format!("what answers is not DWS ({says}). Correct endpoint"),
        },
        FailureKind::Rejected {
            reason: Rejection::Denied,
        } => format!("the credentials lack a permission on DWS ({says}). Grant it in IAM, or correct projectID"),
        FailureKind::Rejected { .. } => format!("the cloud refuses the request ({says}). Check endpoint and projectID"),
        FailureKind::RetryAfter { .. } | FailureKind::UnknownOutcome { .. } | FailureKind::Fenced => {
            format!(
                "the cloud cannot be asked now ({says}). Check endpoint, network and proxy, and run the check again"
            )
        }
    }
}
