//! Keeps a provider, and with `--guard-secrets` the Secrets that it names, for as long as data sources use it.
//!
//! Takes a provider as it was read; puts the operator's finalizer on it and takes it off, and does the same to its Secrets. It touches nothing but
//! its own finalizers and the record of them in an annotation of the provider, and each patch holds only for the object as it was read. Who the users
//! are is not its business.
//!
//! The order is what makes it safe to die at any point: provider, record, Secret; and backwards. So there is no guarded Secret that no provider
//! tells of, and no provider with such a record goes before its Secrets are free.

use std::collections::BTreeSet;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, TestOperation};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};

use super::kubernetes::{Kubernetes, KubernetesError};
use super::providers::ProviderId;
use super::secrets::SecretName;
use crate::api::data_source::ProviderKind;
use crate::api::names::{GUARDED_ANNOTATION, SECRET_FINALIZER};
use crate::api::{ClusterDwsProvider, DwsProvider, FINALIZER};

/// How often a patch is tried that somebody else's write gets in the way of.
const TRIES: usize = 4;
/// How many recorded Secrets are heeded; a provider names a few.
const RECORDED_MAX: usize = 32;

/// A provider object as it was read, as far as its end is concerned.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The Secrets that it names.
    pub secrets: Vec<SecretName>,
}

impl Found {
    /// Whether somebody wants it gone.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether it carries the operator's finalizer.
    #[must_use]
    pub fn is_held(&self) -> bool {
        has(&self.metadata, FINALIZER)
    }
}

/// The names of the Secrets that may carry the operator's finalizer because of a provider. Whoever may edit the provider may write them: what is no
/// name, and could lead a request elsewhere, is passed over.
fn guarded(metadata: &ObjectMeta) -> Vec<String> {
    let annotation = metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(GUARDED_ANNOTATION));
    let names = annotation.into_iter().flat_map(|names| names.split(','));
    names
        .filter(|name| is_object_name(name))
        .map(str::to_owned)
        .take(RECORDED_MAX)
        .collect()
}

/// Whether the text can be the name of a Secret: a DNS subdomain.
fn is_object_name(text: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(|byte| is_end(byte) || matches!(byte, b'-' | b'.'))
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
}

/// Why a provider could not be held or let go.
#[derive(Debug, thiserror::Error)]
pub enum Unprotected {
    /// The provider is gone, or another one has its name.
    #[error("the provider is gone")]
    Gone,
    /// The provider could not be patched.
    #[error("the provider cannot be patched: {0}")]
    Provider(KubernetesError),
    /// A Secret could not be patched.
    #[error("the finalizer {SECRET_FINALIZER} of Secret {name} cannot be changed: {error}")]
    Secret {
        /// The Secret.
        name: String,
        /// Why.
        error: KubernetesError,
    },
}

/// Holds providers and lets them go.
pub struct Protection {
    kubernetes: Kubernetes,
    /// The operator's namespace, where the Secrets of cluster providers are.
    namespace: String,
    /// Whether Secrets are guarded.
    guards: bool,
    /// Whether there are cluster providers.
    cluster_kind: bool,
    /// Two providers may name the same Secret: who changes its finalizer has the turn.
    turn: tokio::sync::Mutex<()>,
}

impl Protection {
    /// With `guards`, of Secrets too.
    #[must_use]
    pub fn new(kubernetes: Kubernetes, namespace: String, guards: bool, cluster_kind: bool) -> Self {
        Protection {
            kubernetes,
            namespace,
            guards,
            cluster_kind,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Puts the finalizer on a provider that is used and, if they are guarded, on the Secrets that it names; takes it off those that it does not
    /// name any more. A provider that is being deleted takes no new finalizer.
    ///
    /// # Errors
    /// If it is gone, or it or a Secret cannot be patched.
    pub async fn hold(&self, id: &ProviderId, found: &mut Found) -> Result<(), Unprotected> {
        let recorded = guarded(&found.metadata);
        let wanted: Vec<SecretName> = if self.guards { found.secrets.clone() } else { Vec::new() };
        let names: Vec<String> = wanted.iter().map(|secret| secret.name.clone()).collect();
        self.set(id, found, true, &[recorded.as_slice(), &names].concat())
            .await?;
        for secret in &wanted {
            let _turn = self.turn.lock().await;
            self.change_secret(secret, true).await?;
        }
        let superfluous = recorded.iter().filter(|name| !names.contains(name));
        self.unguard(id, superfluous).await?;
        self.set(id, found, true, &names).await
    }

    /// Takes the finalizers off a provider that is not used: first those of its Secrets.
    ///
    /// # Errors
    /// If one of them cannot be patched; the provider keeps its finalizer until its Secrets are free.
    pub async fn release(&self, id: &ProviderId, found: &mut Found) -> Result<(), Unprotected> {
        self.unguard(id, guarded(&found.metadata).iter()).await?;
        self.set(id, found, false, &[]).await
    }

    async fn unguard(&self, id: &ProviderId, names: impl Iterator<Item = &String>) -> Result<(), Unprotected> {
        for name in names {
            let secret = SecretName::new(self.secrets_of(id), name);
            let _turn = self.turn.lock().await;
            if !self
                .is_guarded_for_another(id, &secret)
                .await
                .map_err(Unprotected::Provider)?
            {
                self.change_secret(&secret, false).await?;
            }
        }
        Ok(())
    }

    /// Where the Secrets of a provider are.
    fn secrets_of<'a>(&'a self, id: &'a ProviderId) -> &'a str {
        match id.kind {
            ProviderKind::DwsProvider => &id.namespace,
            ProviderKind::ClusterDwsProvider => &self.namespace,
        }
    }

    /// Whether another provider that is held records the Secret too.
    async fn is_guarded_for_another(&self, id: &ProviderId, secret: &SecretName) -> Result<bool, KubernetesError> {
        let guards = |kind, other: &ObjectMeta| {
            let is_self = id.kind == kind && other.name.as_ref() == Some(&id.name);
            !is_self && has(other, FINALIZER) && guarded(other).contains(&secret.name)
        };
        let all = ListParams::default();
        let own = self.kubernetes.within::<DwsProvider>(&secret.namespace);
        let own = self.kubernetes.call(own.list_metadata(&all)).await?;
        if own
            .iter()
            .any(|other| guards(ProviderKind::DwsProvider, &other.metadata))
        {
            return Ok(true);
        }
        if !self.cluster_kind || secret.namespace != self.namespace {
            return Ok(false);
        }
        let lent = self.kubernetes.all::<ClusterDwsProvider>();
        let lent = self.kubernetes.call(lent.list_metadata(&all)).await?;
        Ok(lent
            .iter()
            .any(|other| guards(ProviderKind::ClusterDwsProvider, &other.metadata)))
    }

    /// Makes the provider carry the finalizer or not, and record these Secrets.
    async fn set(&self, id: &ProviderId, found: &mut Found, held: bool, secrets: &[String]) -> Result<(), Unprotected> {
        if metadata_patch(&found.metadata, held, secrets).is_none() {
            return Ok(());
        }
        let mut tries = 1..TRIES;
        found.metadata = loop {
            let current = self.current(id, found).await?;
            let Some(patch) = metadata_patch(&current, held, secrets) else {
                break current;
            };
            let (api, patch, parameters) = (self.api(id), Patch::Merge(patch), PatchParams::default());
            match self
                .kubernetes
                .call(api.patch_metadata(&id.name, &parameters, &patch))
                .await
            {
                Ok(object) => break object.metadata,
                Err(error) => provider_failed(error, tries.next())?,
            }
        };
        Ok(())
    }

    /// The metadata of the provider now, if it is still the one that was found.
    async fn current(&self, id: &ProviderId, found: &Found) -> Result<ObjectMeta, Unprotected> {
        let api = self.api(id);
        let read = self.kubernetes.call(api.get_metadata_opt(&id.name)).await;
        match read.map_err(Unprotected::Provider)? {
            Some(current) if current.metadata.uid == found.metadata.uid => Ok(current.metadata),
            _ => Err(Unprotected::Gone),
        }
    }

    fn api(&self, id: &ProviderId) -> Api<DynamicObject> {
        match id.kind {
            ProviderKind::DwsProvider => {
                let resource = ApiResource::erase::<DwsProvider>(&());
                Api::namespaced_with(self.kubernetes.client(), &id.namespace, &resource)
            }
            ProviderKind::ClusterDwsProvider => {
                Api::all_with(self.kubernetes.client(), &ApiResource::erase::<ClusterDwsProvider>(&()))
            }
        }
    }

    /// Puts the finalizer on a Secret or takes it off. One that is gone, or that takes no finalizer any more, is left alone.
    async fn change_secret(&self, secret: &SecretName, guarded: bool) -> Result<(), Unprotected> {
        let api = self.kubernetes.within::<Secret>(&secret.namespace);
        let mut tries = 1..TRIES;
        let error = loop {
            let read = match self.kubernetes.call(api.get_metadata_opt(&secret.name)).await {
                Ok(read) => read,
                Err(error) => break error,
            };
            let Some(patch) = read.and_then(|found| finalizer_patch(&found.metadata, guarded)) else {
                return Ok(());
            };
            let (patch, parameters) = (Patch::Json::<()>(patch), PatchParams::default());
            match self
                .kubernetes
                .call(api.patch_metadata(&secret.name, &parameters, &patch))
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some(404) => return Ok(()),
                Err(error) if is_conflict(&error) && tries.next().is_some() => {}
                Err(error) => break error,
            }
        };
        Err(Unprotected::Secret {
            name: secret.name.clone(),
            error,
        })
    }
}

/// Whether somebody else's write got in the way, so that a newer state has to be read.
fn is_conflict(error: &KubernetesError) -> bool {
    matches!(error.code(), Some(409 | 422))
}

/// What becomes of a patch of a provider that failed: it is tried again, or told.
fn provider_failed(error: KubernetesError, another_try: Option<usize>) -> Result<(), Unprotected> {
    match error.code() {
        Some(404) => Err(Unprotected::Gone),
        _ if is_conflict(&error) && another_try.is_some() => Ok(()),
        _ => Err(Unprotected::Provider(error)),
    }
}

fn has(metadata: &ObjectMeta, finalizer: &str) -> bool {
    metadata.finalizers.iter().flatten().any(|found| found == finalizer)
}

/// A patch of a provider's finalizers and record, for the object as it was read; none if there is nothing to do.
fn metadata_patch(metadata: &ObjectMeta, held: bool, secrets: &[String]) -> Option<Value> {
    let before = metadata.finalizers.clone().unwrap_or_default();
    let mut finalizers = before.clone();
    if !held {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    } else if !has(metadata, FINALIZER) && metadata.deletion_timestamp.is_none() {
        finalizers.push(FINALIZER.to_owned());
    }
    let record: BTreeSet<String> = secrets.iter().cloned().collect();
    let is_recorded = guarded(metadata).into_iter().collect::<BTreeSet<_>>() == record;
    if finalizers == before && is_recorded {
        return None;
    }
    let mut changes = json!({"uid": metadata.uid, "resourceVersion": metadata.resource_version});
    if finalizers != before {
        changes["finalizers"] = json!(finalizers);
    }
    if !is_recorded {
        let names = record.into_iter().collect::<Vec<_>>().join(",");
        let names = if names.is_empty() { Value::Null } else { json!(names) };
        changes["annotations"] = json!({ GUARDED_ANNOTATION: names });
    }
    Some(json!({ "metadata": changes }))
}

/// A patch that adds or removes the one finalizer, for the Secret as it was read; none if there is nothing to do.
fn finalizer_patch(metadata: &ObjectMeta, guarded: bool) -> Option<json_patch::Patch> {
    if has(metadata, SECRET_FINALIZER) == guarded || (guarded && metadata.deletion_timestamp.is_some()) {
        return None;
    }
    let path = |tokens: &[&str]| PointerBuf::from_tokens(["metadata"].iter().chain(tokens).copied());
    let test = |tokens: &[&str], value: Value| {
        PatchOperation::Test(TestOperation {
            path: path(tokens),
            value,
        })
    };
    let mut operations = vec![
        test(&["uid"], json!(metadata.uid)),
        test(&["resourceVersion"], json!(metadata.resource_version)),
    ];
    let finalizers = metadata.finalizers.clone().unwrap_or_default();
    match finalizers.iter().position(|finalizer| finalizer == SECRET_FINALIZER) {
        Some(at) => {
            let at = at.to_string();
            operations.push(test(&["finalizers", &at], json!(SECRET_FINALIZER)));
            operations.push(PatchOperation::Remove(RemoveOperation {
                path: path(&["finalizers", &at]),
            }));
        }
        None if finalizers.is_empty() => operations.push(PatchOperation::Add(AddOperation {
            path: path(&["finalizers"]),
            value: json!([SECRET_FINALIZER]),
        })),
        None => operations.push(PatchOperation::Add(AddOperation {
            path: path(&["finalizers", "-"]),
            value: json!(SECRET_FINALIZER),
        })),
    }
    Some(json_patch::Patch(operations))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret(finalizers: &[&str]) -> Value {
        let mut metadata = json!({"name": "key", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}});
        if !finalizers.is_empty() {
            metadata["finalizers"] = json!(finalizers);
        }
        json!({"metadata": metadata, "data": {"accessKey": "QQ=="}})
    }

    fn changed(secret: &Value, guarded: bool) -> Option<Value> {
        let metadata: ObjectMeta = serde_json::from_value(secret["metadata"].clone()).unwrap();
        let patch = finalizer_patch(&metadata, guarded)?;
        let mut after = secret.clone();
        json_patch::patch(&mut after, &patch).unwrap();
        Some(after)
    }

    #[test]
    fn only_the_own_finalizer_of_a_secret_changes() {
        for others in [&[][..], &["a.example/x"], &["a.example/x", "b.example/y"]] {
            let free = secret(others);
            let guarded = changed(&free, true).unwrap();
            let with: Vec<&str> = others.iter().copied().chain([SECRET_FINALIZER]).collect();
            assert_eq!(guarded, secret(&with));
            assert_eq!(changed(&guarded, true), None);
            let mut freed = changed(&guarded, false).unwrap();
            if others.is_empty() {
                freed["metadata"].as_object_mut().unwrap().remove("finalizers");
            }
            assert_eq!(freed, free);
            assert_eq!(changed(&free, false), None);
        }
    }

    #[test]
    fn of_a_provider_only_the_finalizer_and_the_record_change() {
        let metadata = |value: Value| serde_json::from_value::<ObjectMeta>(value).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let free = metadata(json!({"uid": "u", "resourceVersion": "7", "finalizers": ["a.example/x"]}));
        assert_eq!(metadata_patch(&free, false, &[]), None);
        assert_eq!(
            metadata_patch(&free, true, &names(&["key", "ca", "key"])),
            Some(json!({"metadata": {
                "uid": "u", "resourceVersion": "7", "finalizers": ["a.example/x", FINALIZER],
                "annotations": {GUARDED_ANNOTATION: "ca,key"},
            }}))
        );
        let held = metadata(json!({
            "uid": "u", "resourceVersion": "8", "finalizers": [FINALIZER, "a.example/x"],
            "annotations": {"other": "b", GUARDED_ANNOTATION: "ca,key"},
        }));
        assert_eq!(metadata_patch(&held, true, &names(&["key", "ca"])), None);
        assert_eq!(
            metadata_patch(&held, false, &[]),
            Some(json!({"metadata": {
                "uid": "u", "resourceVersion": "8", "finalizers": ["a.example/x"], "annotations": {GUARDED_ANNOTATION: null},
            }}))
        );
        let leaving = ObjectMeta {
            deletion_timestamp: serde_json::from_value(json!("2026-11-24T08:00:00Z")).unwrap(),
            ..free
        };
        assert_eq!(metadata_patch(&leaving, true, &[]), None, "it takes no new finalizer");
    }

    #[test]
    fn what_is_no_name_of_a_secret_is_passed_over() {
        let record = "key,,../../../v1/nodes/a,a/b,%2e,.., key,.a,a.,K,ca.bundle-1";
        let annotations = BTreeMap::from([(GUARDED_ANNOTATION.to_owned(), record.to_owned())]);
        let metadata = ObjectMeta {
            annotations: Some(annotations),
            ..ObjectMeta::default()
        };
        assert_eq!(guarded(&metadata), ["key", "ca.bundle-1"]);
    }

    #[test]
    fn a_secret_that_is_being_deleted_takes_no_finalizer() {
        let mut leaving = secret(&[]);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T08:00:00Z");
        assert_eq!(changed(&leaving, true), None);
    }

    #[test]
    fn the_patch_holds_for_no_other_secret() {
        let metadata: ObjectMeta = serde_json::from_value(secret(&[])["metadata"].clone()).unwrap();
        let patch = finalizer_patch(&metadata, true).unwrap();
        for (field, value) in [("uid", "v"), ("resourceVersion", "8")] {
            let mut other = secret(&[]);
            other["metadata"][field] = json!(value);
            assert!(json_patch::patch(&mut other, &patch).is_err(), "{field}");
        }
    }
}
