//! What users ask for by annotations, on objects and on their Namespace.

use dws_operator::api::names::{DELETION_POLICY_ANNOTATION, FORCE_DELETE_ANNOTATION, PAUSED_ANNOTATION};
use dws_operator::api::{Condition, ConditionType, DwsDataSource};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::World;

/// The condition `Paused`, if it is there.
pub fn pause(object: &DwsDataSource) -> Option<&Condition> {
    let conditions = &object.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Paused)
}

impl World<'_> {
    /// Sets or removes an annotation of a data source.
    pub async fn annotate(&self, name: &str, annotation: &str, value: Option<&str>) -> DwsDataSource {
        self.edit(name, json!({"metadata": {"annotations": {annotation: value}}}))
            .await
    }

    /// Pauses a data source, or ends that.
    pub async fn pause(&self, name: &str, value: Option<&str>) -> DwsDataSource {
        self.annotate(name, PAUSED_ANNOTATION, value).await
    }

    /// Asks for the end of a data source that is being deleted, by force.
    pub async fn force_delete(&self, name: &str, reason: &str) {
        self.annotate(name, FORCE_DELETE_ANNOTATION, Some(reason)).await;
    }

    /// Sets or removes an annotation of the story's Namespace.
    pub async fn annotate_namespace(&self, annotation: &str, value: Option<&str>) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        Api::<Namespace>::all(self.namespace.admin())
            .patch(self.namespace.name(), &PatchParams::default(), &patch)
            .await
            .expect("the API server takes the annotation");
    }

    /// Pauses the Namespace, or ends that.
    pub async fn pause_namespace(&self, value: Option<&str>) {
        self.annotate_namespace(PAUSED_ANNOTATION, value).await;
    }

    /// Sets or removes the deletion policy of the Namespace.
    pub async fn set_policy(&self, value: Option<&str>) {
        self.annotate_namespace(DELETION_POLICY_ANNOTATION, value).await;
    }

    /// Waits until the data source is paused.
    pub async fn paused(&self, name: &str) -> DwsDataSource {
        self.until(name, "Paused", |object| pause(object).is_some()).await
    }

    /// Waits until the data source is not paused any more.
    pub async fn resumed(&self, name: &str) -> DwsDataSource {
        self.until(name, "not Paused", |object| pause(object).is_none()).await
    }

    /// What the cloud was asked about one of its clusters so far.
    pub fn asked(&self, cluster: &str) -> usize {
        let log = self.cloud.log();
        log.iter()
            .filter(|entry| entry.cluster.as_deref() == Some(cluster))
            .count()
    }
}
