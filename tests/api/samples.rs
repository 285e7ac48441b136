//! The samples that users start from.

use serde_json::Value;

use crate::server::{Server, documents, repository};

/// What the samples show: a kind, a place in it, and the value there; any value if none is given.
const USES: [(&str, &str, Option<&str>); 44] = [
    ("Secret", "/stringData/accessKey", None),
    ("Secret", "/stringData/securityToken", None),
    ("DwsProvider", "/spec/auth/accessKey", None),
    ("DwsProvider", "/spec/auth/password", None),
    ("DwsProvider", "/spec/auth/assumeAgency/agencyName", None),
    ("DwsProvider", "/spec/auth/assumeAgency/agencyURN", None),
    ("DwsProvider", "/spec/projects", None),
    ("DwsProvider", "/spec/endpoint", None),
    ("DwsProvider", "/spec/iamEndpoint", None),
    ("DwsProvider", "/spec/stsEndpoint", None),
    ("DwsProvider", "/spec/caBundleSecretRef", None),
    ("DwsProvider", "/spec/ownershipMarker", Some("None")),
    ("ClusterDwsProvider", "/spec/auth/podIdentity", None),
    ("ClusterDwsProvider", "/spec/auth/nodeAgency", None),
    ("ClusterDwsProvider", "/spec/auth/oidc/providerURN", None),
    ("ClusterDwsProvider", "/spec/auth/oidc/idpID", None),
    ("ClusterDwsProvider", "/spec/auth/assumeAgency/agencyURN", None),
    ("ClusterDwsProvider", "/spec/auth/assumeAgency/agencyName", None),
    ("ClusterDwsProvider", "/spec/allowImport", Some("true")),
    ("ClusterDwsProvider", "/spec/namespaceSelector/matchLabels", None),
    ("ClusterDwsProvider", "/spec/namespaceSelector/matchExpressions", None),
    ("ClusterDwsProvider", "/spec/clusterIDs", None),
    ("ClusterDwsProvider", "/spec/rateLimit", None),
    ("DwsDataSource", "/spec/type", Some("OBS")),
    ("DwsDataSource", "/spec/type", Some("MRS")),
    ("DwsDataSource", "/spec/type", Some("LAKE_FORMATION")),
    ("DwsDataSource", "/spec/projectID", None),
    ("DwsDataSource", "/spec/providerRef/kind", Some("DwsProvider")),
    ("DwsDataSource", "/spec/providerRef/kind", Some("ClusterDwsProvider")),
    ("DwsDataSource", "/spec/import/name", None),
    ("DwsDataSource", "/spec/import/id", None),
    ("DwsDataSource", "/spec/import/policy", Some("Required")),
    ("DwsDataSource", "/spec/import/policy", Some("IfExists")),
    ("DwsDataSource", "/spec/managementPolicy", Some("Observe")),
    ("DwsDataSource", "/spec/deletionPolicy", Some("Retain")),
    ("DwsDataSource", "/spec/replacementPolicy", Some("OnApproval")),
    ("DwsDataSource", "/spec/replacementPolicy", Some("Always")),
    ("DwsDataSource", "/spec/resyncPeriod", Some("10m")),
    ("DwsDataSource", "/spec/resyncPeriod", Some("0s")),
    ("DwsDataSource", "/spec/reboot", Some("true")),
    (
        "DwsDataSource",
        "/metadata/annotations/dws.huaweicloud.com~1paused",
        None,
    ),
    ("Namespace", "/metadata/annotations/dws.huaweicloud.com~1paused", None),
    (
        "Namespace",
        "/metadata/annotations/dws.huaweicloud.com~1deletion-policy",
        Some("Retain"),
    ),
    (
        "Deployment",
        "/spec/template/spec/volumes/0/projected/sources/0/serviceAccountToken/audience",
        None,
    ),
];

/// What is asked for by `kubectl annotate`, since a request in a manifest would come too early.
const REQUESTS: [&str; 5] = [
    "reconcile-requested-at",
    "reboot-requested-at",
    "refresh-requested-at",
    "approve",
    "force-delete",
];

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[tokio::test]
async fn every_sample_is_accepted_under_strict_validation() {
    let server = Server::connect().await;
    for sample in documents("deploy/samples") {
        server.try_apply(&sample).await.accepted();
    }
}

#[test]
fn every_use_has_a_sample() {
    let samples = documents("deploy/samples");
    for (kind, place, wanted) in USES {
        let shows = |sample: &Value| {
            let found = sample.pointer(place).filter(|_| sample["kind"] == kind);
            found.is_some_and(|found| wanted.is_none_or(|wanted| as_text(found) == wanted))
        };
        assert!(
            samples.iter().any(shows),
            "no sample of {kind} shows {place} {wanted:?}"
        );
    }
    let text: String = files().into_iter().map(|(_, text)| text).collect();
    for request in REQUESTS {
        let annotates = |line: &str| {
            line.starts_with('#')
                && line.contains("kubectl annotate dwsds ")
                && line.contains(&format!("dws.huaweicloud.com/{request}="))
        };
        assert!(text.lines().any(annotates), "no sample shows the request {request}");
    }
}

#[test]
fn every_secret_that_a_sample_names_is_a_sample() {
    let samples = documents("deploy/samples");
    let is_there = |name: &Value| {
        let mut secrets = samples.iter().filter(|sample| sample["kind"] == "Secret");
        secrets.any(|secret| secret["metadata"]["name"] == *name)
    };
    let mut count = 0;
    for sample in &samples {
        for place in [
            "/spec/auth/accessKey/secretRef/name",
            "/spec/auth/password/secretRef/name",
            "/spec/caBundleSecretRef/name",
            "/spec/userPwd/secretKeyRef/name",
        ] {
            if let Some(name) = sample.pointer(place) {
                assert!(is_there(name), "{} names the Secret {name}", sample["metadata"]["name"]);
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn every_sample_is_in_the_index() {
    let index = std::fs::read_to_string(repository("deploy/samples/README.md")).unwrap();
    for (name, _) in files() {
        assert!(index.contains(&format!("]({name})")), "{name} is not in the index");
    }
}

/// The samples' files, by name, with their text.
fn files() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(repository("deploy/samples")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let samples = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    samples
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}
