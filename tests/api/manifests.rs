//! Valid objects for the stories, and merge patches on them.

use serde_json::{Value, json};

pub const CLUSTER_ID: &str = "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90";

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
    });
    object["spec"] = spec;
    object
}

/// The least that a data source of the type OBS needs.
pub fn obs(name: &str) -> Value {
    let spec = json!({
        "clusterID": CLUSTER_ID,
        "type": "OBS",
        "dataSourceName": "sales_archive",
        "userName": "DWSAccessOBS",
        "connectInfo": "gaussdb",
    });
    object("DwsDataSource", name, spec)
}

/// The least that a data source of the type MRS needs.
pub fn mrs(name: &str) -> Value {
    let spec = json!({
        "clusterID": CLUSTER_ID,
        "type": "MRS",
        "dataSourceName": "sales_lake",
        "dataSourceID": "0f3b7c52-9d1e-4a86-b1c4-2e5f60718293",
        "userName": "dws_user",
        "userPwd": {"secretKeyRef": {"name": "mrs-account", "key": "password"}},
    });
    object("DwsDataSource", name, spec)
}

/// A data source with every field.
pub fn full_data_source(name: &str) -> Value {
    let rest = json!({"spec": {
        "connectInfo": "gaussdb",
        "description": "sales lake",
        "reboot": false,
        "providerRef": {"kind": "DwsProvider", "name": "default"},
        "deletionPolicy": "Delete",
        "projectID": "89cd04f168b84af6be287f71730fdb4b",
        "managementPolicy": "Manage",
        "import": {"id": "d303f19c-fbd1-4716-ae04-07d1ff358f22", "policy": "Required"},
        "replacementPolicy": "Never",
        "resyncPeriod": "30m",
    }});
    merged(&mrs(name), &rest)
}

/// A status with every field.
pub fn full_data_source_status() -> Value {
    let time = "2026-11-24T08:00:00Z";
    json!({
        "observedGeneration": 1,
        "id": "d303f19c-fbd1-4716-ae04-07d1ff358f22",
        "jobID": "2c9081c88418ed420184197c8bc80001",
        "cloud": {
            "provider": "DwsProvider/default",
            "endpoint": "https://dws.eu-west-101.myhuaweicloud.eu",
            "projectID": "89cd04f168b84af6be287f71730fdb4b",
            "clusterID": CLUSTER_ID,
        },
        "operation": {
            "type": "Create", "startedAt": time, "generation": 1, "progress": "40%", "requestedAt": time, "oldID": "old", "planID": "p1", "userName": "agency", "rebootToken": "1",
            "reboot": true, "failedCode": "CreateTask-fail:DWS.0114", "failedDetail": "no",
        },
        "lastAttempt": {"id": "a1", "outcome": "Created", "name": "lake", "type": "OBS", "lateUntil": time},
        "requested": {"userName": "agency", "dataSourceID": "d", "connectInfo": "gaussdb", "description": "sales"},
        "observed": {
            "status": "Available", "configureStatus": "Active", "userName": "dws_user",
            "created": "2026-11-24T08:00:00", "updated": "2026-11-24T08:00:00", "failReason": "none",
        },
        "secret": {"uid": "u", "resourceVersion": "1", "key": "password", "hmac": "k1:0"},
        "retry": {
            "attempts": 1, "class": "Transient", "since": time, "nextRetryTime": time,
            "lastErrorCode": "DWS.0005", "lastRequestID": "r",
        },
        "rebootGeneration": 1,
        "updateGeneration": 1,
        "replacementGeneration": 1,
        "imported": {"uid": "u", "id": "d303f19c-fbd1-4716-ae04-07d1ff358f22", "name": "sales_lake", "type": "MRS"},
        "plan": {"id": "p1", "action": "Replace", "because": ["userPwd"], "interrupts": "the foreign server"},
        "approvedPlan": "p1",
        "lastHandledReconcileAt": "t1",
        "lastHandledRebootAt": "t1",
        "lastHandledRefreshAt": "t1",
        "lastSyncTime": time,
        "controller": "ops/dws-operator",
        "conditions": [ready()],
    })
}

/// A provider with every field but the other credentials and the other way to assume an agency.
pub fn full_provider(kind: &str, name: &str) -> Value {
    let mut provider = provider(kind, name);
    let spec = &mut provider["spec"];
    spec["projectID"] = json!("89cd04f168b84af6be287f71730fdb4b");
    spec["projects"] = json!(["0a1b2c3d4e5f60718293a4b5c6d7e8f9"]);
    spec["endpoint"] = json!("https://dws.eu-west-101.myhuaweicloud.eu");
    spec["iamEndpoint"] = json!("https://iam.eu-west-101.myhuaweicloud.eu");
    spec["caBundleSecretRef"] = json!({"name": "ca"});
    spec["ownershipMarker"] = json!("Description");
    spec["stsEndpoint"] = json!("https://sts.eu-west-101.myhuaweicloud.eu");
    spec["rateLimit"] = json!({"requestsPerSecond": 0.5, "burst": 5});
    spec["auth"]["assumeAgency"] = assume_agency_by_urn();
    spec["allowImport"] = json!(true);
    if kind == "ClusterDwsProvider" {
        spec["namespaceSelector"] = json!({
            "matchLabels": {"team": "sales"},
            "matchExpressions": [{"key": "team", "operator": "In", "values": ["sales"]}],
        });
        spec["clusterIDs"] = json!([CLUSTER_ID]);
    }
    provider
}

/// The least that a provider needs.
pub fn provider(kind: &str, name: &str) -> Value {
    let spec = json!({"region": "eu-west-101", "auth": access_key()});
    let mut provider = object(kind, name, spec);
    if kind == "ClusterDwsProvider" {
        provider["spec"]["namespaceSelector"] = json!({});
    }
    provider
}

/// A provider's status with every field.
pub fn full_provider_status() -> Value {
    json!({
        "observedGeneration": 1,
        "endpoint": "https://dws.eu-west-101.myhuaweicloud.eu",
        "projectID": "89cd04f168b84af6be287f71730fdb4b",
        "users": 1,
        "credentialExpiry": "2026-11-24T08:00:00Z",
        "breaker": {"state": "Open", "since": "2026-11-24T08:00:00Z", "nextProbeTime": "2026-11-24T08:05:00Z"},
        "conditions": [ready()],
    })
}

/// An agency of STS, with every field of that way.
pub fn assume_agency_by_urn() -> Value {
    json!({"agencyURN": "iam::d:agency:a", "sessionName": "session", "durationSeconds": 3600})
}

/// An agency of IAM, with every field of that way.
pub fn assume_agency_by_name() -> Value {
    json!({"agencyName": "a", "domainName": "d", "durationSeconds": 3600})
}

/// The identity of the operator, exchanged by STS, with every field of that way.
pub fn oidc_by_sts() -> Value {
    json!({"oidc": {"providerURN": "iam::d:oidcProvider:p", "agencyURN": "iam::d:agency:a", "sessionName": "session", "durationSeconds": 3600}})
}

/// The identity of the operator, exchanged by IAM.
pub fn oidc_by_iam() -> Value {
    json!({"oidc": {"idpID": "idp", "durationSeconds": 3600}})
}

/// A credential whose Secret no story creates: an operator on the same control plane has nothing to sign with.
pub fn access_key() -> Value {
    json!({"accessKey": {"secretRef": {"name": "no-such-secret"}}})
}

pub fn password() -> Value {
    json!({"password": {"domainName": "domain", "userName": "user", "secretRef": {"name": "iam-user"}}})
}

pub fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": "a sentence", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-24T08:00:00Z",
    })
}

pub fn ready() -> Value {
    condition("Ready", "True", "Available")
}

/// The object with a JSON merge patch (RFC 7386) applied.
pub fn merged(object: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut map = object.as_object().cloned().unwrap_or_default();
    for (key, change) in changes {
        if change.is_null() {
            map.remove(key);
        } else {
            let value = merged(map.get(key).unwrap_or(&Value::Null), change);
            map.insert(key.clone(), value);
        }
    }
    Value::Object(map)
}
