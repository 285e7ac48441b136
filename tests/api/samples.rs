//! The samples that users start from.

use crate::server::{Server, documents};

#[tokio::test]
async fn every_sample_is_accepted_under_strict_validation() {
    let server = Server::connect().await;
    let samples = documents("deploy/samples");
    for sample in &samples {
        server.try_apply(sample).await.accepted();
    }
    let kinds: Vec<&str> = samples.iter().map(|sample| sample["kind"].as_str().unwrap()).collect();
    for kind in ["Secret", "DwsProvider", "ClusterDwsProvider", "DwsDataSource"] {
        assert!(kinds.contains(&kind), "no sample of {kind}");
    }
    for source in [
        "accessKey",
        "password",
        "podIdentity",
        "oidc",
        "nodeAgency",
        "assumeAgency",
    ] {
        let shown = samples.iter().any(|sample| !sample["spec"]["auth"][source].is_null());
        assert!(shown, "no sample of a provider with {source}");
    }
}
