//! Administration of a running simulator: its settings, faults, log and contents.
//!
//! The HTTP endpoint under `/admin/` calls the same functions. Administration is not in the log and needs no credential.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::account::{AccessKey, User};
use crate::cloud::Cloud;
use crate::clusters::lock;
use crate::fault::{Fault, FaultId};
use crate::job::JobOutcome;
use crate::log::{LogEntry, Timeout};
use crate::settings::Settings;
use crate::source::{Source, SourceSeed};
use crate::trust::{Agency, IdentityProvider};

/// A handle on a simulator. Clones are handles on the same one.
#[derive(Clone)]
pub struct Admin {
    cloud: Arc<Cloud>,
}

#[expect(clippy::must_use_candidate, reason = "what an effect returns may be ignored")]
impl Admin {
    pub(crate) fn new(cloud: Arc<Cloud>) -> Self {
        Self { cloud }
    }

    /// The settings of this moment.
    #[must_use]
    pub fn settings(&self) -> Settings {
        (*self.cloud.settings()).clone()
    }

    /// Changes the settings in one step, for every request from now on.
    pub fn update_settings(&self, change: impl FnOnce(&mut Settings)) {
        self.cloud.change_settings(change);
    }

    /// Replaces the settings that a JSON object names; `null` restores a default.
    ///
    /// # Errors
    /// What does not fit, in which case nothing changes.
    pub fn patch_settings(&self, patch: Value) -> Result<(), serde_json::Error> {
        let patch: serde_json::Map<String, Value> = serde_json::from_value(patch)?;
        let mut result = Ok(());
        self.cloud.change_settings(|settings| result = settings.patch(patch));
        result
    }

    /// Puts a fault in force.
    ///
    /// # Panics
    /// If the fault cannot be carried out: a status or header that HTTP does not have, or a late effect together with an
    /// answer that needs it.
    pub fn add_fault(&self, fault: Fault) -> FaultId {
        self.try_add_fault(fault)
            .unwrap_or_else(|why| panic!("not a fault: {why}"))
    }

    /// Puts a fault in force, or says why it cannot be carried out.
    pub(crate) fn try_add_fault(&self, fault: Fault) -> Result<FaultId, String> {
        fault.check()?;
        Ok(self.cloud.faults.add(fault))
    }

    /// Ends all faults. Requests that one has already hit stay hit.
    pub fn clear_faults(&self) {
        self.cloud.faults.clear();
    }

    /// How many requests a fault has hit.
    #[must_use]
    pub fn fault_hits(&self, id: FaultId) -> u64 {
        self.cloud.faults.hits(id)
    }

    /// All requests so far.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.cloud.log.since(0)
    }

    /// The requests after the one with this number.
    #[must_use]
    pub fn log_since(&self, seq: u64) -> Vec<LogEntry> {
        self.cloud.log.since(seq)
    }

    /// Waits until the log is as described and returns it. Each new or completed entry is looked at as it comes.
    ///
    /// # Errors
    /// After `limit`, with the log of that moment.
    pub async fn wait_log(
        &self,
        limit: Duration,
        is_awaited: impl Fn(&[LogEntry]) -> bool,
    ) -> Result<Vec<LogEntry>, Timeout> {
        self.cloud.log.wait(limit, is_awaited).await
    }

    /// The data sources of a cluster, in the order of their creation, whether the list shows them or not.
    #[must_use]
    pub fn sources(&self, cluster: &str) -> Vec<Source> {
        let Some(cluster) = self.cloud.clusters.get(cluster) else {
            return Vec::new();
        };
        let mut cluster = lock(&cluster);
        cluster.settle(self.cloud.settings().delete_lag, Timestamp::now());
        cluster.sources.iter().map(|(_, source)| source.clone()).collect()
    }

    /// The ids of the clusters that exist, sorted.
    #[must_use]
    pub fn clusters(&self) -> Vec<String> {
        self.cloud.clusters.ids()
    }

    /// Adds an empty cluster, also one that was removed; an existing one stays as it is.
    pub fn add_cluster(&self, cluster: &str) {
        self.cloud.clusters.put(cluster);
    }

    /// Removes a cluster with everything in it; says whether it was there. It does not appear again by itself.
    pub fn remove_cluster(&self, cluster: &str) -> bool {
        self.cloud.clusters.remove(cluster)
    }

    /// How often a cluster was restarted.
    #[must_use]
    pub fn restarts(&self, cluster: &str) -> u64 {
        self.cloud
            .clusters
            .get(cluster)
            .map_or(0, |cluster| lock(&cluster).restarts)
    }

    /// Puts a data source in, as if somebody else had created it; returns its id. The cluster is added if it is not there.
    pub fn put_source(&self, cluster: &str, seed: SourceSeed) -> String {
        let source = seed.grow(Timestamp::now());
        let id = source.id.clone();
        lock(&self.cloud.clusters.put(cluster)).sources.insert(source);
        id
    }

    /// Changes a data source behind everybody's back; says whether it was there.
    pub fn edit_source(&self, cluster: &str, id: &str, edit: impl FnOnce(&mut Source)) -> bool {
        let Some(cluster) = self.cloud.clusters.get(cluster) else {
            return false;
        };
        let mut cluster = lock(&cluster);
        cluster.settle(self.cloud.settings().delete_lag, Timestamp::now());
        let Some(mut source) = cluster.sources.get(id).cloned() else {
            return false;
        };
        edit(&mut source);
        cluster.sources.replace(id, source);
        true
    }

    /// Removes a data source behind everybody's back; says whether it was there.
    pub fn remove_source(&self, cluster: &str, id: &str) -> bool {
        let Some(cluster) = self.cloud.clusters.get(cluster) else {
            return false;
        };
        lock(&cluster).sources.remove(id).is_some()
    }

    /// Ends a running job with another outcome than the settings gave it; says whether it was running.
    pub fn end_job(&self, job_id: &str, outcome: JobOutcome) -> bool {
        let clusters = &self.cloud.clusters;
        let Some(cluster) = clusters.cluster_of_job(job_id).and_then(|id| clusters.get(&id)) else {
            return false;
        };
        let delete_lag = self.cloud.settings().delete_lag;
        let mut cluster = lock(&cluster);
        cluster.settle(delete_lag, Timestamp::now());
        cluster.end_job(job_id, outcome, delete_lag, Timestamp::now())
    }

    /// Adds an access key, or replaces the one with the same access key id.
    pub fn add_access_key(&self, key: AccessKey) {
        self.update_settings(|settings| settings.account.put_access_key(key));
    }

    /// Removes an access key.
    pub fn remove_access_key(&self, access: &str) {
        self.update_settings(|settings| {
            settings.account.access_keys.retain(|key| key.access != access);
        });
    }

    /// Adds an IAM user or changes the password of one, which voids the user's tokens.
    pub fn set_user(&self, domain: &str, name: &str, password: &str) {
        let user = User {
            domain: domain.to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
        };
        self.update_settings(|settings| settings.account.put_user(user));
        self.cloud.gate.revoke_user(domain, name);
    }

    /// The texts of the tokens that were issued and not voided, for a test that looks where they must not be. They are
    /// secrets: neither the log nor the HTTP endpoint shows them.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.cloud.gate.token_texts()
    }

    /// Voids every token.
    pub fn revoke_tokens(&self) {
        self.cloud.gate.revoke_all();
    }

    /// Voids every temporary access key.
    pub fn revoke_temporary_keys(&self) {
        self.cloud.gate.revoke_keys();
    }

    /// All that was ever given out with temporary access keys, and the tokens of the metadata service, for a test that looks where they
    /// must not be. They are secrets: neither the log nor the HTTP endpoint shows them.
    #[must_use]
    pub fn temporary_secrets(&self) -> Vec<String> {
        self.cloud.gate.secrets_given_out()
    }

    /// Associates an agency with the pod whose token this is, or with none.
    pub fn set_pod_token(&self, token: Option<&str>) {
        self.update_settings(|settings| settings.account.pod_token = token.map(ToOwned::to_owned));
    }

    /// Gives the node an agency, or takes it away.
    pub fn set_node_agency(&self, has_one: bool) {
        self.update_settings(|settings| settings.account.node_agency = has_one);
    }

    /// Adds an OIDC identity provider, or replaces the one with the same id.
    pub fn put_identity_provider(&self, provider: IdentityProvider) {
        self.update_settings(|settings| {
            let providers = &mut settings.account.identity_providers;
            providers.retain(|known| known.id != provider.id);
            providers.push(provider);
        });
    }

    /// Adds an agency, or replaces the one with the same URN.
    pub fn put_agency(&self, agency: Agency) {
        self.update_settings(|settings| {
            let agencies = &mut settings.account.agencies;
            agencies.retain(|known| known.urn != agency.urn);
            agencies.push(agency);
        });
    }

    /// Sets the ids of the projects with this name: none, one or several.
    pub fn set_projects(&self, name: &str, ids: Vec<String>) {
        self.update_settings(|settings| settings.account.set_projects(name, ids));
    }

    /// The digest under which a secret of this value shows in the log and in [`Source::password`].
    #[must_use]
    pub fn digest(&self, value: &str) -> String {
        self.cloud.digester.digest(value)
    }
}
