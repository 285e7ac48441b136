//! The five calls of the DWS API on the simulated cloud.
//!
//! Takes an authenticated call, returns the body of its success or a refusal, and changes the cluster as the cloud would.
//! Never authenticates, never fails on purpose and never delays: faults are put around it.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::clusters::{Clusters, lock};
use crate::digest::Digester;
use crate::error_body::Refusal;
use crate::request::{CreateRequest, UpdateRequest};
use crate::settings::{Busy, Count, DuplicateNames, Settings, UnknownClusters, UpdateEffect};
use crate::source::{Source, TYPES};

/// What `count` says too much when it is wrong, as in the documentation's example.
const COUNT_ERROR: usize = 4;

/// Where and when a call works.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) clusters: &'a Clusters,
    pub(crate) settings: &'a Settings,
    pub(crate) digester: &'a Digester,
    pub(crate) project: &'a str,
    pub(crate) now: Timestamp,
}

/// A write that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The data source's id.
    pub(crate) id: String,
    pub(crate) job_id: String,
    pub(crate) body: Value,
}

impl Scene<'_> {
    /// `POST …/ext-data-sources`
    pub(crate) fn create(&self, cluster_id: &str, body: &[u8]) -> Result<Accepted, Refusal> {
        self.within(cluster_id, |cluster| {
            let request = CreateRequest::parse(body, &self.settings.databases)?;
            self.refuse_if_busy(cluster)?;
            if self.settings.duplicate_names == DuplicateNames::Refuse && cluster.sources.has_name(&request.name) {
                return Err(Refusal::new(400, "DWS.0031", "The object already exists."));
            }
            cluster.restarts += u64::from(request.reboot);
            let source = self.new_source(request);
            let id = source.id.clone();
            let job_id = cluster.create(source, self.settings, self.now);
            self.clusters.add_job(&job_id, cluster_id);
            let body = json!({"id": id, "job_id": job_id});
            Ok(Accepted { id, job_id, body })
        })
    }

    /// `GET …/ext-data-sources[?type=…]`
    pub(crate) fn list(&self, cluster_id: &str, type_: Option<&str>) -> Result<Value, Refusal> {
        self.within(cluster_id, |cluster| {
            if type_.is_some_and(|type_| !TYPES.contains(&type_)) {
                return Err(Refusal::new(400, "DWS.0001", "Invalid parameter: type."));
            }
            let items: Vec<Value> = cluster
                .listed(type_, self.now)
                .map(|source| source.shown(self.settings.state_notation))
                .collect();
            let count = match self.settings.count {
                Count::Right => items.len(),
                Count::Wrong => items.len() + COUNT_ERROR,
            };
            let mut body = json!({
                "data_sources": items,
                "project_id": self.project,
                "cluster_id": cluster_id,
                "count": count,
            });
            if let Some(type_) = type_ {
                body["type"] = json!(type_);
            }
            Ok(body)
        })
    }

    /// `PUT …/ext-data-sources/{id}`
    pub(crate) fn update(&self, cluster_id: &str, id: &str, body: &[u8]) -> Result<Accepted, Refusal> {
        self.within(cluster_id, |cluster| {
            let request = UpdateRequest::parse(body)?;
            let source = self.find(cluster, id)?;
            self.refuse_if_busy(cluster)?;
            // The documentation says that updating an MRS source restarts the cluster by itself, and that only the agency
            // of an OBS source can change.
            let is_mrs = source.type_ == "MRS";
            let restart = request.reboot || is_mrs;
            cluster.restarts += u64::from(restart);
            let takes = source.type_ == "OBS" && self.settings.update_effect == UpdateEffect::Applied;
            let agency = request.agency.filter(|_| takes);
            let job_id = cluster.update(&source, agency, restart, self.settings, self.now);
            self.clusters.add_job(&job_id, cluster_id);
            let body = json!({"data_source_id": id, "job_id": job_id});
            Ok(Accepted {
                id: id.to_owned(),
                job_id,
                body,
            })
        })
    }

    /// `DELETE …/ext-data-sources/{id}`
    pub(crate) fn delete(&self, cluster_id: &str, id: &str) -> Result<Accepted, Refusal> {
        self.within(cluster_id, |cluster| {
            let source = self.find(cluster, id)?;
            self.refuse_if_busy(cluster)?;
            let job_id = cluster.delete(&source, self.settings, self.now);
            self.clusters.add_job(&job_id, cluster_id);
            let body = json!({"job_id": job_id});
            Ok(Accepted {
                id: id.to_owned(),
                job_id,
                body,
            })
        })
    }

    /// `GET …/job/{job_id}`
    pub(crate) fn job(&self, job_id: &str) -> Result<Value, Refusal> {
        let unknown = || self.settings.unknown_id.clone();
        let cluster_id = self.clusters.cluster_of_job(job_id).ok_or_else(unknown)?;
        let cluster = self.clusters.get(&cluster_id).ok_or_else(unknown)?;
        let mut cluster = lock(&cluster);
        if cluster.project.as_deref() != Some(self.project) {
            return Err(unknown());
        }
        cluster.settle(self.settings.delete_lag, self.now);
        cluster
            .shown_job(job_id, self.settings.job_states, self.now)
            .ok_or_else(unknown)
    }

    /// Works on a cluster that exists and belongs to the project.
    fn within<T>(&self, cluster_id: &str, work: impl FnOnce(&mut Cluster) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let is_uuid = cluster_id.len() == 36 && Uuid::try_parse(cluster_id).is_ok();
        if !is_uuid {
            return Err(Refusal::new(400, "DWS.0001", "Invalid parameter: cluster_id."));
        }
        let cluster = match self.settings.unknown_clusters {
            UnknownClusters::Appear => self.clusters.get_or_appear(cluster_id),
            UnknownClusters::Refuse => self.clusters.get(cluster_id),
        };
        let cluster =
            cluster.ok_or_else(|| Refusal::new(404, "DWS.0047", "The cluster does not exist or has been deleted."))?;
        let mut cluster = lock(&cluster);
        let owner = cluster.project.get_or_insert_with(|| self.project.to_owned());
        if owner != self.project {
            return Err(Refusal::new(
                403,
                "DWS.0015",
                "The cluster does not exist or you have no permission.",
            ));
        }
        cluster.settle(self.settings.delete_lag, self.now);
        work(&mut cluster)
    }

    fn find(&self, cluster: &Cluster, id: &str) -> Result<Source, Refusal> {
        cluster
            .sources
            .get(id)
            .cloned()
            .ok_or_else(|| self.settings.unknown_id.clone())
    }

    fn refuse_if_busy(&self, cluster: &Cluster) -> Result<(), Refusal> {
        match self.settings.busy {
            _ if !cluster.is_busy() => Ok(()),
            Busy::Never => Ok(()),
            Busy::Forbidden => Err(Refusal::new(
                403,
                "DWS.7023",
                "Cluster status is not allowed to operation.",
            )),
            Busy::Conflict => Err(Refusal::new(
                409,
                "DWS.0011",
                "Another operation is running on the cluster.",
            )),
        }
    }

    fn new_source(&self, request: CreateRequest) -> Source {
        let mut source = Source {
            id: Uuid::new_v4().to_string(),
            name: request.name,
            type_: request.type_,
            user_name: request.user_name,
            password: request.password.map(|password| self.digester.digest(&password)),
            connect_info: request.connect_info,
            data_source_id: request.data_source_id,
            description: request.description,
            configure_status: String::new(),
            status: None,
            fail_reason: String::new(),
            created: self.now,
            updated: None,
            visible_from: self.now.checked_add(self.settings.list_lag).unwrap_or(Timestamp::MAX),
        };
        source.set_states("100", "100");
        source
    }
}
