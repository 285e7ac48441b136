//! Installs what the operator needs cluster-wide: the CRDs of `crds/` and the ClusterRoles of `deploy/rbac`.

use std::time::Duration;

use anyhow::{Context, Result};
use hyper::Request;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};

use crate::manifests;

/// How long the apiserver may take to serve a new CRD.
const ESTABLISHED: Duration = Duration::from_secs(30);

/// Applies them and waits until the CRDs are served; several processes may do so at once.
pub(super) async fn install(client: &Client) -> Result<()> {
    let crds = manifests::read_folder("crds")?;
    for crd in &crds {
        manifests::apply(client, crd).await?;
    }
    for object in manifests::read_folder(crate::rbac::CLUSTER_WIDE)?
        .iter()
        .filter(|object| manifests::kind(object) == "ClusterRole")
    {
        manifests::apply(client, object).await?;
    }
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for name in crds.iter().map(ResourceExt::name_any) {
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(ESTABLISHED, established)
            .await
            .with_context(|| format!("the CRD {name} is not established after {ESTABLISHED:?}"))??;
        let crd = api.get(&name).await?;
        let path = format!("/apis/{}/v1alpha1/{}", crd.spec.group, crd.spec.names.plural);
        served(client, &path).await?;
    }
    Ok(())
}

/// An established kind answers 429 until its storage is ready.
async fn served(client: &Client, path: &str) -> Result<()> {
    let listed = async || {
        let request = Request::get(path).body(Vec::new())?;
        anyhow::Ok(client.request_text(request).await?)
    };
    crate::wait::until(ESTABLISHED, &format!("the apiserver serves {path}"), async || {
        listed().await.map_err(|error| format!("{error:#}"))
    })
    .await;
    Ok(())
}
