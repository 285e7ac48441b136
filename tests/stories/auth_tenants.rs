//! The operator's own identity is for those whom the administrator lends it to, and the services of the node are for its sources alone.

use dws_operator::api::data_source::{ProviderKind, ProviderRef};
use dws_operator::api::{ClusterDwsProvider, ConditionType, DwsDataSource, Reason};
use dws_simulator::{Answer, Body, Call, Fault};
use dws_testbed::{ControlPlane, TestNamespace, wait};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::world::{IN_NAMESPACES, Identities, SOON, World, message, obs, on_cluster, provider_by, uses, verdict};

/// A `DwsProvider` cannot use what the operator is, and says what to do; a `ClusterDwsProvider` lends it. Nothing is sent for the former.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_cannot_borrow_the_identity_of_the_operator() {
    // Left to the end of the test process: its namespace outlives this function's locals.
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await));
    let world = World::within(TestNamespace::create_cluster_wide(plane, "operator").await).await;
    let identities = Identities::of(&world);
    let _operator = identities.given_to(&world, world.operator()).start().await;
    let rows = [
        ("pod", json!({"podIdentity": {}})),
        ("sts", identities.oidc()),
        ("idp", json!({"oidc": {"idpID": "cce"}})),
        ("node", json!({"nodeAgency": {}})),
    ];
    for (n, (name, auth)) in rows.iter().enumerate() {
        world.create(&provider_by(&world.endpoint, name, auth)).await;
        world.create(&uses(on_cluster(n, obs(name)), name)).await;
    }
    for (name, _) in &rows {
        let says = world.provider_stalled(name, Reason::AccessDenied).await;
        assert!(
            says.contains("use a ClusterDwsProvider") && says.contains(IN_NAMESPACES),
            "{says}"
        );
        let object = world.reconciling(name, Reason::WaitingForProvider).await;
        assert!(
            message(&object).contains("use a ClusterDwsProvider"),
            "{}",
            message(&object)
        );
    }
    assert!(world.cloud.log().is_empty(), "nobody is asked for a credential");

    let providers: Api<ClusterDwsProvider> = Api::all(world.namespace.admin());
    for (n, (name, auth)) in rows.iter().enumerate() {
        let access = provider_by(&world.endpoint, name, auth).spec.access;
        let mut spec = serde_json::to_value(access).expect("JSON");
        spec["namespaceSelector"] = json!({});
        let lent: ClusterDwsProvider = serde_json::from_value(json!({
            "apiVersion": "dws.huaweicloud.com/v1alpha1", "kind": "ClusterDwsProvider",
            "metadata": {"name": name}, "spec": spec,
        }))
        .expect("a provider");
        providers.create(&PostParams::default(), &lent).await.expect("taken");
        let mut object = on_cluster(10 + n, obs(&format!("lent-{name}")));
        object.spec.provider_ref = Some(ProviderRef {
            kind: ProviderKind::ClusterDwsProvider,
            name: (*name).to_owned(),
        });
        world.create(&object).await;
    }
    for (name, _) in &rows {
        let lent = format!("lent-{name}");
        let ready = |object: &DwsDataSource| verdict(object) == Some((ConditionType::Ready, Reason::Available));
        world.until(&lent, "Ready", ready).await;
        wait::until(SOON, "the end of the credential is told", async || {
            let status = providers.get(name).await.expect("it exists").status.unwrap_or_default();
            status.credential_expiry.ok_or(status)
        })
        .await;
    }
}

/// Without what the platform sets, a source says what is missing instead of asking somebody.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_not_set_up_says_so() {
    let world = World::new("auth").await;
    let rows = [
        ("pod", json!({"podIdentity": {}}), "associate an agency"),
        ("idp", json!({"oidc": {"idpID": "cce"}}), "--oidc-token-file"),
    ];
    let _operator = world.operator().args([IN_NAMESPACES]).start().await;
    for (name, auth, _) in &rows {
        world.create(&provider_by(&world.endpoint, name, auth)).await;
    }
    for (name, _, says) in rows {
        let message = world.provider_stalled(name, Reason::InvalidSpec).await;
        assert!(message.contains(says), "{message}");
    }
    assert!(world.cloud.log().is_empty());
}

/// No provider can name the metadata service as an endpoint; and a redirect of DWS, IAM or STS to it leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_to_the_cloud_reaches_the_services_of_the_node() {
    let world = World::new("auth").await;
    let identities = Identities::of(&world);
    let providers: Api<dws_operator::api::DwsProvider> = world.api();
    for url in [
        "http://169.254.169.254",
        "https://169.254.169.254",
        "https://[fe80::a9fe:a9fe]",
        "https://[::ffff:169.254.169.254]",
        "https://2852039166",
        "https://0xa9fea9fe",
    ] {
        for field in ["endpoint", "iamEndpoint", "stsEndpoint"] {
            let mut provider = provider_by(&world.endpoint, "default", &json!({"oidc": {"idpID": "cce"}}));
            let access = &mut provider.spec.access;
            match field {
                "endpoint" => access.endpoint = Some(url.to_owned()),
                "iamEndpoint" => access.iam_endpoint = Some(url.to_owned()),
                _ => access.sts_endpoint = Some(url.to_owned()),
            }
            let refused = providers.create(&PostParams::default(), &provider).await;
            let refused = refused.expect_err("no endpoint of the cloud").to_string();
            assert!(refused.contains(field), "{url}: {refused}");
        }
    }

    // A metadata service of its own, so that nobody else asks it.
    let node = dws_simulator::Simulator::start(dws_simulator::Settings::default())
        .await
        .expect("a metadata service");
    let leads_there = |path: &str| Answer::Reply {
        status: 307,
        headers: [("Location".to_owned(), format!("{}{path}", node.url()))].into(),
        body: Body::Empty,
    };
    let path = "/openstack/latest/securitykey";
    for call in [Call::AssumeWithOidc, Call::IdToken, Call::List] {
        world.cloud.add_fault(Fault::on(call, leads_there(path)).times(1));
    }
    let operator = world.operator_with(&["--breaker-window=2s"]).args([IN_NAMESPACES]);
    let _operator = identities.given_to(&world, operator).start().await;
    for (n, (name, auth)) in [("sts", identities.oidc()), ("idp", json!({"oidc": {"idpID": "cce"}}))]
        .iter()
        .enumerate()
    {
        world.create(&provider_by(&world.endpoint, name, auth)).await;
        world.create(&uses(on_cluster(n, obs(name)), name)).await;
    }
    for name in ["sts", "idp"] {
        world.ready(name).await;
    }
    assert!(node.admin().log().is_empty(), "no redirect is followed");
}
