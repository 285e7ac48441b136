//! The patches of finalizers, and of the record of guarded Secrets, for an object as it was read. Pure.

use std::collections::BTreeSet;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, TestOperation};
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::api::FINALIZER;
use crate::api::names::{GUARDED_ANNOTATION, SECRET_FINALIZER};

/// How many recorded Secrets are heeded; a provider names a few.
const RECORDED_MAX: usize = 32;

/// The names of the Secrets that may carry the operator's finalizer because of a provider. Whoever may edit the provider may write them: what is no
/// name, and could lead a request elsewhere, is passed over.
#[must_use]
pub fn guarded(metadata: &ObjectMeta) -> Vec<String> {
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

/// Whether an object carries a finalizer.
pub fn has(metadata: &ObjectMeta, finalizer: &str) -> bool {
    metadata.finalizers.iter().flatten().any(|found| found == finalizer)
}

/// A patch of a provider's finalizers and record, for the object as it was read; none if there is nothing to do.
pub fn metadata_patch(metadata: &ObjectMeta, held: bool, secrets: &[String]) -> Option<Value> {
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
pub fn finalizer_patch(metadata: &ObjectMeta, guarded: bool) -> Option<json_patch::Patch> {
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
