//! What etcd really holds, read and written behind the apiserver's back.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ControlPlane;

/// How many keys are asked for at a time.
const PAGE: usize = 500;

/// One key and its value, as stored: objects of built-in kinds are protobuf, custom resources JSON.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key, such as `/registry/secrets/default/mrs`.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    kvs: Vec<KeyValue>,
    #[serde(default)]
    more: bool,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: String,
}

/// Everything in the control plane's etcd.
///
/// # Panics
/// If etcd does not answer.
pub async fn etcd_dump(plane: &ControlPlane) -> Vec<Entry> {
    dump(plane.etcd())
        .await
        .unwrap_or_else(|error| panic!("reading etcd: {error:#}"))
}

/// Stores a custom resource that the apiserver would refuse, as if an older or a newer definition had let it in.
///
/// # Panics
/// If it has no name or namespace, or etcd does not take it.
pub async fn etcd_put(plane: &ControlPlane, group: &str, plural: &str, object: &Value) {
    let (namespace, name) = (&object["metadata"]["namespace"], &object["metadata"]["name"]);
    let (Some(namespace), Some(name)) = (namespace.as_str(), name.as_str()) else {
        panic!("an object without namespace or name: {object}");
    };
    let key = format!("/registry/{group}/{plural}/{namespace}/{name}");
    put(plane.etcd(), &key, object)
        .await
        .unwrap_or_else(|error| panic!("writing {key} to etcd: {error:#}"));
}

async fn put(url: &str, key: &str, value: &Value) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = json!({"key": STANDARD.encode(key), "value": STANDARD.encode(value.to_string())});
    client
        .post(format!("{url}/v3/kv/put"))
        .json(&request)
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

async fn dump(url: &str) -> Result<Vec<Entry>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut entries = Vec::new();
    // A zero byte as the end of a range is "every key from the start on".
    let mut from = vec![0];
    loop {
        let request = json!({"key": STANDARD.encode(&from), "range_end": STANDARD.encode([0]), "limit": PAGE});
        let range: Range = client
            .post(format!("{url}/v3/kv/range"))
            .json(&request)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
            .context("reading a range")?;
        for entry in range.kvs {
            from = STANDARD.decode(&entry.key)?;
            entries.push(Entry {
                key: String::from_utf8_lossy(&from).into_owned(),
                value: STANDARD.decode(&entry.value)?,
            });
        }
        if !range.more {
            return Ok(entries);
        }
        // The next key after the last one.
        from.push(0);
    }
}
