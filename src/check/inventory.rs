//! The objects of the operator's kinds that it would work on, as far as they can be read.

use std::fmt::Debug;

use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::finding::Finding;
use crate::api::data_source::{ProviderKind, ProviderRef};
use crate::api::{ClusterDwsProvider, DwsDataSource, DwsProvider};
use crate::reconcile::kubernetes::{Kubernetes, KubernetesError};
use crate::reconcile::providers::ProviderId;
use crate::reconcile::secrets::SecretName;
use crate::reconcile::wakes::Scope;

/// The objects.
#[derive(Default)]
pub struct Inventory {
    /// The data sources of what is watched.
    pub data_sources: Vec<DwsDataSource>,
    /// The providers of what is watched.
    pub providers: Vec<DwsProvider>,
    /// The providers of the cluster; none if single namespaces are watched, which cannot use them.
    pub cluster_providers: Vec<ClusterDwsProvider>,
    /// The operator's namespace, where the Secrets of `cluster_providers` are.
    pub namespace: String,
}

impl Inventory {
    /// Lists the objects. What cannot be listed or decoded is a finding; the lack of a permission or of a kind is not, since other
    /// checks tell of it.
    pub async fn read(kubernetes: &Kubernetes, scopes: &[Scope], namespace: &str) -> (Self, Vec<Finding>) {
        let mut inventory = Inventory {
            namespace: namespace.to_owned(),
            ..Inventory::default()
        };
        let mut findings = Vec::new();
        for scope in scopes {
            let (found, unreadable) = list::<DwsDataSource>(kubernetes, scoped(kubernetes, scope)).await;
            inventory.data_sources.extend(found);
            findings.extend(unreadable);
            let (found, unreadable) = list::<DwsProvider>(kubernetes, scoped(kubernetes, scope)).await;
            inventory.providers.extend(found);
            findings.extend(unreadable);
            if *scope == Scope::All {
                let (found, unreadable) = list::<ClusterDwsProvider>(kubernetes, Api::all(kubernetes.client())).await;
                inventory.cluster_providers.extend(found);
                findings.extend(unreadable);
            }
        }
        (inventory, findings)
    }

    /// The provider that a data source uses: the one that was recorded with it, else the one that it names, else the default one.
    pub fn provider_of(&self, object: &DwsDataSource) -> ProviderId {
        let namespace = object.namespace().unwrap_or_default();
        let recorded = object
            .status
            .as_ref()
            .and_then(|status| status.cloud.as_ref()?.provider.parse::<ProviderRef>().ok());
        let own = ProviderRef {
            kind: ProviderKind::DwsProvider,
            name: "default".to_owned(),
        };
        let named = recorded
            .or_else(|| object.spec.provider_ref.clone())
            .unwrap_or_else(|| {
                let exists = self.providers.iter().any(|provider| {
                    provider.namespace().as_deref() == Some(namespace.as_str()) && provider.name_any() == own.name
                });
                if exists {
                    own
                } else {
                    ProviderRef {
                        kind: ProviderKind::ClusterDwsProvider,
                        ..own
                    }
                }
            });
        ProviderId::of(&named, &namespace)
    }

    /// The Secrets that the objects name, each once.
    pub fn secrets(&self) -> Vec<SecretName> {
        let passwords = self.data_sources.iter().filter_map(|object| {
            let reference = &object.spec.user_pwd.as_ref()?.secret_key_ref;
            Some(SecretName::new(&object.namespace()?, &reference.name))
        });
        let own = self.providers.iter().flat_map(|provider| {
            let namespace = provider.namespace().unwrap_or_default();
            let names = provider.spec.access.secret_names();
            names.map(move |name| SecretName::new(&namespace, name))
        });
        let lent = self.cluster_providers.iter().flat_map(|provider| {
            let names = provider.spec.access.secret_names();
            names.map(|name| SecretName::new(&self.namespace, name))
        });
        let mut secrets: Vec<_> = passwords.chain(own).chain(lent).collect();
        secrets.sort();
        secrets.dedup();
        secrets
    }
}

fn scoped<K>(kubernetes: &Kubernetes, scope: &Scope) -> Api<DeserializeGuard<K>>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Scope::All => Api::all(kubernetes.client()),
        Scope::Namespace(namespace) => Api::namespaced(kubernetes.client(), namespace),
    }
}

async fn list<K>(kubernetes: &Kubernetes, api: Api<DeserializeGuard<K>>) -> (Vec<K>, Vec<Finding>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let kind = K::kind(&());
    let listed = match kubernetes.call(api.list(&ListParams::default())).await {
        Ok(listed) => listed,
        Err(error) => return (Vec::new(), unlisted(&kind, &error).into_iter().collect()),
    };
    let (mut readable, mut findings) = (Vec::new(), Vec::new());
    for guard in listed {
        match guard.0 {
            Ok(object) => readable.push(object),
            Err(invalid) => {
                let metadata = invalid.metadata;
                let name = [metadata.namespace, metadata.name]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>();
                findings.push(Finding::wrong(
                    format!("{kind} {}", name.join("/")),
                    format!(
                        "cannot be decoded and is left alone: {}. Apply a valid manifest",
                        invalid.error
                    ),
                ));
            }
        }
    }
    (readable, findings)
}

/// That a list failed; a missing permission (403) or kind (404) has its own finding.
fn unlisted(kind: &str, error: &KubernetesError) -> Option<Finding> {
    match error.code() {
        Some(403 | 404) => None,
        _ => Some(Finding::wrong(
            format!("{kind} objects"),
            format!("cannot be listed: {error}. Run the check again"),
        )),
    }
}
