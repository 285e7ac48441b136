//! Removes what a story left: nobody else does, as there is no controller manager.

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::TypeMeta;
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::manifests;

/// Removes the story's objects from a namespace, then the namespace and the bindings that were made for it.
pub(crate) async fn clean(admin: &Client, namespace: &str) -> Result<()> {
    for kind in ["DwsDataSource", "DwsProvider"] {
        let types = TypeMeta {
            api_version: "dws.huaweicloud.com/v1alpha1".to_owned(),
            kind: kind.to_owned(),
        };
        let api: Api<DynamicObject> = manifests::api(admin, &types, Some(namespace))?;
        for name in api
            .list_metadata(&ListParams::default())
            .await?
            .iter()
            .map(ResourceExt::name_any)
        {
            let without_finalizers = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            api.patch(&name, &PatchParams::default(), &without_finalizers).await?;
            // With its finalizers gone an object that was being deleted is gone too.
            let _ = api.delete(&name, &DeleteParams::default()).await;
        }
    }
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), namespace);
    secrets
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await?;
    let bindings: Api<ClusterRoleBinding> = Api::all(admin.clone());
    for name in bindings
        .list_metadata(&ListParams::default())
        .await?
        .iter()
        .map(ResourceExt::name_any)
    {
        if name.ends_with(&format!(":{namespace}")) {
            bindings.delete(&name, &DeleteParams::default()).await?;
        }
    }
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    namespaces.delete(namespace, &DeleteParams::default()).await?;
    Ok(())
}
