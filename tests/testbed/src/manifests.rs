//! The project's own manifests, read as they are shipped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Client, ResourceExt};

use crate::programs;

/// Who the testbed's server-side applies are from.
const FIELD_MANAGER: &str = "dws-testbed";

/// Reads the objects of all YAML files directly in `folder` of the workspace; none if there is no such folder.
pub(crate) fn read_folder(folder: &str) -> Result<Vec<DynamicObject>> {
    let folder = programs::workspace().join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Ok(Vec::new());
    };
    let mut files: Vec<PathBuf> = entries
        .collect::<Result<Vec<_>, _>>()?
        .iter()
        .map(std::fs::DirEntry::path)
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut objects = Vec::new();
    for file in files {
        objects.extend(read_file(&file)?);
    }
    Ok(objects)
}

fn read_file(file: &Path) -> Result<Vec<DynamicObject>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_saphyr::from_multiple(&text).with_context(|| format!("reading {}", file.display()))
}

/// The kind of `object`, or nothing if it does not say.
pub(crate) fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| types.kind.as_str())
}

/// Applies `object` by server-side apply, as it is named.
pub(crate) async fn apply(client: &Client, object: &DynamicObject) -> Result<DynamicObject> {
    let name = object.name_any();
    let what = || format!("applying {} {name}", kind(object));
    let types = object.types.clone().with_context(what)?;
    let api = api(client, &types, object.metadata.namespace.as_deref()).with_context(what)?;
    api.patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(object))
        .await
        .with_context(what)
}

/// The API of a kind, in a namespace if it is given.
pub(crate) fn api(client: &Client, types: &TypeMeta, namespace: Option<&str>) -> Result<Api<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    Ok(match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}
