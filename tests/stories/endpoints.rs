//! The cloud is reached by TLS that can be verified, or not at all.

use dws_operator::api::Reason;
use dws_operator::api::provider::{DwsProvider, SecretRef};
use dws_simulator::{Call, DEFAULT_PASSWORD};
use dws_testbed::{Api as Side, Proxy};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{ACCESS_KEY, SECRET_KEY, World, message, obs, on_cluster, password_provider, provider, secret};

/// Waits until the object `lake` says this about its provider.
async fn provider_is_said_to(world: &World<'_>, text: &str) {
    let what = format!("Ready says {text:?}");
    world
        .until("lake", &what, |object| message(object).contains(text))
        .await;
    world.reconciling("lake", Reason::WaitingForProvider).await;
}

/// A proxy in the environment is for the cloud, and only if asked for: neither Kubernetes nor the cloud is reached through it, and one that is
/// written wrong harms nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_used() {
    let world = World::new("endpoints").await;
    world.with_provider().await;
    for (n, proxy) in ["http://127.0.0.1:1", "no url"].into_iter().enumerate() {
        let mut operator = world.operator();
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            operator = operator.env(name, proxy);
        }
        let operator = operator.start().await;
        let name = format!("lake-{n}");
        world.create(&on_cluster(n, obs(&name))).await;
        world.ready(&name).await;
        operator.terminate().await;
    }
}

/// A certificate of a private authority is refused before anything is sent, until the provider's bundle vouches for it; a bundle
/// without certificates is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_needs_the_bundle() {
    let world = World::new("endpoints").await;
    let (endpoint, authority) = world.namespace.proxy().cloud_over_tls(&world.simulator_url());
    let access_key = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
    world.create(&secret("dws-access-key", &access_key)).await;
    world.create(&provider(&endpoint)).await;
    let _operator = world
        .operator()
        .args(["--allow-endpoint-domain=localhost"])
        .start()
        .await;
    world.create(&obs("lake")).await;
    let refused = |object: &_| message(object).contains("UnknownIssuer");
    world.until("lake", "the certificate is refused", refused).await;
    assert!(
        world.cloud.log().is_empty(),
        "nothing is sent to a server that nobody vouches for"
    );

    let providers: Api<DwsProvider> = world.api();
    let bundle = SecretRef {
        name: "bundle".to_owned(),
    };
    let patch = Patch::Merge(json!({"spec": {"caBundleSecretRef": bundle}}));
    let patched = providers.patch("default", &PatchParams::default(), &patch).await;
    patched.expect("the API server takes the change");
    world.reconciling("lake", Reason::WaitingForSecret).await;
    world.create(&secret("bundle", &[("ca.crt", "none")])).await;
    provider_is_said_to(&world, "the CA bundle holds no certificate").await;
    let right = Patch::Merge(json!({"stringData": {"ca.crt": authority}}));
    let secrets = world.api::<k8s_openapi::api::core::v1::Secret>();
    let patched = secrets.patch("bundle", &PatchParams::default(), &right).await;
    patched.expect("the API server takes the change");
    world.ready("lake").await;
    assert_eq!(world.calls(Call::Create).len(), 1);
}

/// Plain http is refused, even to this machine, unless the operator was told to allow it; nothing is sent.
#[tokio::test(flavor = "multi_thread")]
async fn plain_http_needs_its_flag() {
    let world = World::new("endpoints-http").await;
    world.with_provider().await;
    let operator = world
        .operator()
        .args(["--allow-insecure-endpoints=false"])
        .start()
        .await;
    world.create(&obs("lake")).await;
    provider_is_said_to(&world, "--allow-insecure-endpoints").await;
    assert!(world.cloud.log().is_empty(), "nothing is sent");
    operator.terminate().await;
    let _operator = world.operator().start().await;
    world.ready("lake").await;
}

/// IAM is asked at its own endpoint and DWS at its own; the allow-list of domains binds both.
#[tokio::test(flavor = "multi_thread")]
async fn iam_has_an_endpoint_of_its_own() {
    let world = World::new("endpoints-iam").await;
    let iam = world.namespace.another_proxy();
    let iam_endpoint = iam.cloud(&world.simulator_url());
    let mut provider = password_provider(&world.endpoint);
    provider.spec.access.iam_endpoint = Some("https://iam.example.com".to_owned());
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    world.create(&provider).await;
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    provider_is_said_to(&world, "iamEndpoint: ").await;
    assert!(world.cloud.log().is_empty(), "nothing is sent");

    let patch = Patch::Merge(json!({"spec": {"iamEndpoint": iam_endpoint}}));
    let providers: Api<DwsProvider> = world.api();
    let patched = providers.patch("default", &PatchParams::default(), &patch).await;
    patched.expect("the API server takes the change");
    world.ready("lake").await;
    let paths = |proxy: &Proxy| -> Vec<String> {
        let calls = proxy.calls().into_iter().filter(|call| call.api == Side::Cloud);
        calls.map(|call| call.path).collect()
    };
    let is_iam = |path: &String| path.starts_with("/v3/");
    let (at_iam, at_dws) = (paths(&iam), paths(world.namespace.proxy()));
    assert!(!at_iam.is_empty() && at_iam.iter().all(is_iam), "{at_iam:?}");
    assert!(!at_dws.is_empty() && !at_dws.iter().any(is_iam), "{at_dws:?}");
}
