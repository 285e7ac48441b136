//! The clusters of the simulated cloud, each behind a lock of its own, found by their id or by the id of a job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::cluster::Cluster;

/// A cluster behind its lock.
pub(crate) type SharedCluster = Arc<Mutex<Cluster>>;

/// All clusters.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    /// A cluster that was removed stays known as such.
    by_id: RwLock<HashMap<String, Option<SharedCluster>>>,
    cluster_of_job: RwLock<HashMap<String, String>>,
}

/// Takes a cluster's lock.
pub(crate) fn lock(cluster: &SharedCluster) -> MutexGuard<'_, Cluster> {
    // Only an edit by hand can panic under this lock, and it works on a copy, so the cluster is whole.
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}

const UNPOISONED: &str = "nothing panics while it holds this lock";

impl Clusters {
    /// The cluster with this id, if it exists.
    pub(crate) fn get(&self, id: &str) -> Option<SharedCluster> {
        self.by_id.read().expect(UNPOISONED).get(id).cloned().flatten()
    }

    /// The cluster with this id; one that was never there appears, one that was removed does not.
    pub(crate) fn get_or_appear(&self, id: &str) -> Option<SharedCluster> {
        if let Some(known) = self.by_id.read().expect(UNPOISONED).get(id) {
            return known.clone();
        }
        let mut by_id = self.by_id.write().expect(UNPOISONED);
        by_id
            .entry(id.to_owned())
            .or_insert_with(|| Some(SharedCluster::default()))
            .clone()
    }

    /// The cluster with this id; it is added if it is not there.
    pub(crate) fn put(&self, id: &str) -> SharedCluster {
        let mut by_id = self.by_id.write().expect(UNPOISONED);
        by_id.entry(id.to_owned()).or_default().get_or_insert_default().clone()
    }

    /// Removes a cluster with everything in it; says whether it was there.
    pub(crate) fn remove(&self, id: &str) -> bool {
        self.by_id
            .write()
            .expect(UNPOISONED)
            .insert(id.to_owned(), None)
            .flatten()
            .is_some()
    }

    /// The ids of the clusters that exist, sorted.
    pub(crate) fn ids(&self) -> Vec<String> {
        let by_id = self.by_id.read().expect(UNPOISONED);
        let mut ids: Vec<_> = by_id
            .iter()
            .filter(|(_, cluster)| cluster.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        ids.sort();
        ids
    }

    /// Remembers in which cluster a job runs.
    pub(crate) fn add_job(&self, job_id: &str, cluster_id: &str) {
        self.cluster_of_job
            .write()
            .expect(UNPOISONED)
            .insert(job_id.to_owned(), cluster_id.to_owned());
    }

    /// The id of the cluster in which a job runs or ran.
    pub(crate) fn cluster_of_job(&self, job_id: &str) -> Option<String> {
        self.cluster_of_job.read().expect(UNPOISONED).get(job_id).cloned()
    }
}
