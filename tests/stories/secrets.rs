//! Secrets and providers that are missing or wrong are waited for, named, and used as soon as they are right.

use dws_operator::api::data_source::{ProviderKind, ProviderRef};
use dws_operator::api::provider::{DwsProvider, SecretRef};
use dws_operator::api::{ClusterDwsProvider, ConditionType, DwsDataSource, Reason};
use dws_simulator::{AccessKey, Call, DEFAULT_PASSWORD, Settings, Simulator};
use dws_testbed::{Api as Side, ControlPlane, TestNamespace, wait};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{
    ACCESS_KEY, PASSWORD, PROJECT, SECRET_KEY, SOON, World, cluster, message, mrs, obs, on_cluster, password_provider,
    provider, secret, verdict,
};

/// Makes the Secret hold exactly this.
async fn put(world: &World<'_>, object: Secret) {
    let secrets: Api<Secret> = world.api();
    let name = object.metadata.name.clone().expect("a name");
    if secrets.get_opt(&name).await.expect("the API server answers").is_some() {
        secrets
            .replace(&name, &PostParams::default(), &object)
            .await
            .expect("the API server takes the Secret");
    } else {
        world.create(&object).await;
    }
}

async fn patch_provider(world: &World<'_>, name: &str, spec: Value) {
    let providers: Api<DwsProvider> = world.api();
    let patch = Patch::Merge(json!({ "spec": spec }));
    providers
        .patch(name, &PatchParams::default(), &patch)
        .await
        .expect("the API server takes the change");
}

fn uses(mut object: DwsDataSource, kind: ProviderKind, name: &str) -> DwsDataSource {
    object.spec.provider_ref = Some(ProviderRef {
        kind,
        name: name.to_owned(),
    });
    object
}

/// Waits until the operator has read the Secret this often.
async fn read(world: &World<'_>, name: &str, times: usize) {
    let part = format!("/secrets/{name}");
    let what = format!("the Secret {name} is read {times} times");
    let enough =
        |calls: &[dws_testbed::Call]| calls.iter().filter(|call| call.is(Side::Kube, "GET", &part)).count() >= times;
    world.namespace.proxy().wait_calls(SOON, &what, enough).await;
}

/// A password that is missing or cannot be one is told with its key and without its value, costs no POST, and is used as soon
/// as it is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_then_used_once_right() {
    let world = World::new("secrets").await;
    world.with_provider().await;
    let bytes = |name: &str, value: Vec<u8>| {
        let mut secret = secret(name, &[]);
        secret.data = Some([("password".to_owned(), ByteString(value))].into());
        Some(secret)
    };
    let rows: [(&str, Option<Secret>, Reason, &str); 6] = [
        ("absent", None, Reason::WaitingForSecret, "does not exist; create it"),
        (
            "other-key",
            Some(secret("other-key", &[("pasword", PASSWORD)])),
            Reason::InvalidSpec,
            "no key \"password\"",
        ),
        (
            "short",
            Some(secret("short", &[("password", "short7!")])),
            Reason::InvalidSpec,
            "fewer than 8 characters",
        ),
        ("empty", bytes("empty", Vec::new()), Reason::InvalidSpec, "is empty"),
        (
            "binary",
            bytes("binary", vec![0xff; 16]),
            Reason::InvalidSpec,
            "not UTF-8",
        ),
        (
            "huge",
            bytes("huge", vec![b'x'; 1_000_000]),
            Reason::InvalidSpec,
            "more than",
        ),
    ];
    let _operator = world.operator().start().await;
    for (n, (name, secret, ..)) in rows.iter().enumerate() {
        if let Some(secret) = secret {
            world.create(secret).await;
        }
        let mut object = on_cluster(n, mrs(name));
        object.spec.user_pwd.as_mut().unwrap().secret_key_ref.name = (*name).to_owned();
        world.create(&object).await;
    }
    for (name, _, reason, text) in &rows {
        let object = match reason {
            Reason::WaitingForSecret => world.reconciling(name, *reason).await,
            _ => world.stalled(name, *reason).await,
        };
        assert!(
            message(&object).contains(name) && message(&object).contains(text),
            "{name}: {}",
            message(&object)
        );
        assert!(!message(&object).contains("short7!"));
        read(&world, name, 3).await;
    }
    assert!(world.calls(Call::Create).is_empty());
    for (name, ..) in &rows {
        put(&world, secret(name, &[("password", PASSWORD)])).await;
    }
    for (n, (name, ..)) in rows.iter().enumerate() {
        let object = world.ready(name).await;
        assert_eq!(object.metadata.generation, Some(1));
        assert_eq!(
            world.cloud.sources(&cluster(n))[0].password,
            Some(world.cloud.digest(PASSWORD)),
            "{name}"
        );
    }
    assert_eq!(world.calls(Call::Create).len(), rows.len());
}

/// A provider that is missing, has no usable Secret or leads where it must not is told on the object; no call is made until it
/// is right, and then the object becomes Ready by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_wrong_is_waited_for() {
    use Reason::{WaitingForProvider, WaitingForSecret};
    let world = World::new("secrets").await;
    let right = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
    world.create(&secret("right", &right)).await;
    world.create(&secret("bad", &[("accessKeyId", ACCESS_KEY)])).await;
    let named = |name: &str, secret: &str| {
        let mut provider = provider(&world.endpoint);
        provider.metadata.name = Some(name.to_owned());
        provider.spec.access.auth.access_key.as_mut().unwrap().secret_ref.name = secret.to_owned();
        provider
    };
    world.create(&named("no-secret", "late")).await;
    world.create(&named("bad-secret", "bad")).await;
    let mut elsewhere = named("elsewhere", "right");
    elsewhere.spec.access.endpoint = Some("https://dws.example.com".to_owned());
    world.create(&elsewhere).await;
    let mut nowhere = named("nowhere", "right");
    nowhere.spec.access.region = "moon-1".to_owned();
    nowhere.spec.access.endpoint = None;
    world.create(&nowhere).await;
    let rows = [
        ("no-secret", WaitingForSecret, "Secret late does not exist"),
        ("bad-secret", WaitingForProvider, "no key \"accessKey\""),
        ("elsewhere", WaitingForProvider, "--allow-endpoint-domain"),
        ("nowhere", WaitingForProvider, "set endpoint"),
        ("absent", WaitingForProvider, "DwsProvider/absent does not exist"),
    ];
    let _operator = world.operator().start().await;
    for (n, (name, ..)) in rows.iter().enumerate() {
        world
            .create(&uses(on_cluster(n, obs(name)), ProviderKind::DwsProvider, name))
            .await;
    }
    for (name, reason, text) in rows {
        let object = world.reconciling(name, reason).await;
        assert!(message(&object).contains(text), "{name}: {}", message(&object));
    }
    read(&world, "late", 4).await;
    assert!(world.cloud.log().is_empty(), "nobody is called");

    world.create(&secret("late", &right)).await;
    put(&world, secret("bad", &right)).await;
    patch_provider(&world, "elsewhere", json!({"endpoint": world.endpoint})).await;
    patch_provider(&world, "nowhere", json!({"endpoint": world.endpoint})).await;
    world.create(&named("absent", "right")).await;
    for (name, ..) in rows {
        let object = world.ready(name).await;
        assert_eq!(object.metadata.generation, Some(1), "{name}");
    }
    assert_eq!(world.calls(Call::Create).len(), rows.len());
}

/// Without `projectID` the one project of the region's name is used; none or two are told until there is one.
#[tokio::test(flavor = "multi_thread")]
async fn the_project_is_looked_up_and_must_be_one() {
    let world = World::new("secrets").await;
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    let two = vec![PROJECT.to_owned(), "11112222333344445555666677778888".to_owned()];
    world.cloud.set_projects("two-1", two);
    for (name, region) in [("one", "eu-west-101"), ("none", "none-1"), ("two", "two-1")] {
        let mut provider = provider(&world.endpoint);
        provider.metadata.name = Some(name.to_owned());
        provider.spec.access.region = region.to_owned();
        provider.spec.access.project_id = None;
        world.create(&provider).await;
    }
    let _operator = world.operator().start().await;
    for (n, name) in ["one", "none", "two"].into_iter().enumerate() {
        world
            .create(&uses(on_cluster(n, obs(name)), ProviderKind::DwsProvider, name))
            .await;
    }
    let status = world.ready("one").await.status.unwrap();
    assert_eq!(status.cloud.unwrap().project_id, PROJECT);
    for (name, text) in [
        ("none", "0 usable projects named none-1"),
        ("two", "2 usable projects named two-1"),
    ] {
        let object = world.reconciling(name, Reason::WaitingForProvider).await;
        assert!(
            message(&object).contains(text) && message(&object).contains("set projectID"),
            "{}",
            message(&object)
        );
    }
    assert_eq!(world.calls(Call::Create).len(), 1);
    world.cloud.set_projects("none-1", vec![PROJECT.to_owned()]);
    world.cloud.set_projects("two-1", vec![PROJECT.to_owned()]);
    world.ready("none").await;
    world.ready("two").await;
}

/// An IAM user logs in once for many objects; when the token is revoked, once more.
#[tokio::test(flavor = "multi_thread")]
async fn one_login_serves_many_objects() {
    const OBJECTS: usize = 12;
    let world = World::new("secrets").await;
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    world.create(&password_provider(&world.endpoint)).await;
    let _operator = world.operator().args(["--resync-period=2s"]).start().await;
    for n in 0..OBJECTS {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..OBJECTS {
        world.ready(&format!("lake-{n}")).await;
    }
    assert_eq!(world.calls(Call::Token).len(), 1);
    world.cloud.revoke_tokens();
    world.lists_later(3 * OBJECTS).await;
    world.create(&on_cluster(OBJECTS, obs("after"))).await;
    world.ready("after").await;
    assert_eq!(world.calls(Call::Token).len(), 2);
}

/// A temporary key works with its security token, and is refused with another.
#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_key_needs_its_token() {
    let world = World::new("secrets").await;
    world.cloud.add_access_key(AccessKey::temporary(
        "AKTEMPORARY000000001",
        "SKtemporary",
        "right/token+==",
    ));
    let key = |token| {
        secret(
            "dws-access-key",
            &[
                ("accessKey", "AKTEMPORARY000000001"),
                ("secretKey", "SKtemporary"),
                ("securityToken", token),
            ],
        )
    };
    world.create(&key("wrong")).await;
    world.create(&provider(&world.endpoint)).await;
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    world.stalled("lake", Reason::CredentialsRejected).await;
    put(&world, key("right/token+==")).await;
    world.ready("lake").await;
    let post = world.calls(Call::Create).pop().unwrap();
    assert_eq!(
        post.header("x-security-token"),
        Some(world.cloud.digest("right/token+==").as_str())
    );
}

/// A provider that moves to another endpoint is not followed there: its data sources say so until it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_moves_is_not_followed() {
    let world = World::new("secrets").await;
    world.with_provider().await;
    let other = Simulator::start(Settings::default())
        .await
        .expect("the simulator starts");
    let other_endpoint = world.namespace.proxy().cloud(&other.url());
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    patch_provider(&world, "default", json!({"endpoint": other_endpoint})).await;
    let object = world.stalled("lake", Reason::ProviderMismatch).await;
    assert!(message(&object).contains(&other_endpoint) && message(&object).contains(&world.endpoint));
    read(&world, "dws-access-key", 6).await;
    assert!(other.admin().log().is_empty());
    patch_provider(&world, "default", json!({"endpoint": world.endpoint})).await;
    world.ready("lake").await;
    assert_eq!(world.calls(Call::Create).len(), 1);
    assert!(other.admin().log().is_empty());
}

/// A provider of the cluster is lent to the namespaces and DWS clusters that it names, with the Secret in the operator's
/// namespace; what was created through it can be deleted after the loan has ended. A namespace's own default comes first.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_provider_is_lent_to_whom_it_names() {
    // Left to the end of the test process: its namespace outlives this function's locals.
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await));
    let world = World::within(TestNamespace::create_cluster_wide(plane, "operator").await).await;
    let admin = world.namespace.admin();
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    for (name, labels) in [("tenant", json!({"dws": "yes"})), ("stranger", json!({}))] {
        let namespace =
            serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).expect("a namespace");
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .expect("the API server takes it");
    }
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    let lent = provider(&world.endpoint).spec.access;
    let mut spec = serde_json::to_value(lent).expect("JSON");
    spec["namespaceSelector"] = json!({"matchLabels": {"dws": "yes"}});
    spec["clusterIDs"] = json!([cluster(1), cluster(3)]);
    let object: ClusterDwsProvider = serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1", "kind": "ClusterDwsProvider",
        "metadata": {"name": "default"}, "spec": spec,
    }))
    .expect("a provider");
    let providers: Api<ClusterDwsProvider> = Api::all(admin.clone());
    providers
        .create(&PostParams::default(), &object)
        .await
        .expect("the API server takes it");
    let _operator = world.operator().start().await;

    let tenant: Api<DwsDataSource> = Api::namespaced(admin.clone(), "tenant");
    let stranger: Api<DwsDataSource> = Api::namespaced(admin.clone(), "stranger");
    let post = PostParams::default();
    tenant
        .create(&post, &on_cluster(1, obs("admitted")))
        .await
        .expect("taken");
    tenant
        .create(&post, &on_cluster(2, obs("other-cluster")))
        .await
        .expect("taken");
    stranger
        .create(&post, &on_cluster(1, obs("not-admitted")))
        .await
        .expect("taken");
    let becomes = async |api: &Api<DwsDataSource>, name: &str, wanted: (ConditionType, Reason)| {
        wait::until(SOON, &format!("{name}: {wanted:?}"), async || {
            match api.get(name).await {
                Ok(object) if verdict(&object) == Some(wanted) => Ok(object),
                other => Err(other.map(|object| object.status)),
            }
        })
        .await
    };
    let ready = (ConditionType::Ready, Reason::Available);
    let denied = (ConditionType::Stalled, Reason::AccessDenied);
    let status = becomes(&tenant, "admitted", ready).await.status.unwrap();
    assert_eq!(status.cloud.unwrap().provider, "ClusterDwsProvider/default");
    let object = becomes(&tenant, "other-cluster", denied).await;
    assert!(
        message(&object).contains("clusterIDs do not name it"),
        "{}",
        message(&object)
    );
    let object = becomes(&stranger, "not-admitted", denied).await;
    assert!(
        message(&object).contains("namespaceSelector does not match"),
        "{}",
        message(&object)
    );
    assert_eq!(world.calls(Call::Create).len(), 1);

    // The namespace's own default comes before the cluster's.
    let key = secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    );
    Api::<Secret>::namespaced(admin.clone(), "stranger")
        .create(&post, &key)
        .await
        .expect("taken");
    let own: Api<DwsProvider> = Api::namespaced(admin.clone(), "stranger");
    own.create(&post, &provider(&world.endpoint)).await.expect("taken");
    let object = becomes(&stranger, "not-admitted", ready).await;
    assert_eq!(object.status.unwrap().cloud.unwrap().provider, "DwsProvider/default");

    // The loan ends: what exists is still deleted.
    let nobody = Patch::Merge(json!({"spec": {"namespaceSelector": {"matchLabels": {"dws": "no"}}}}));
    providers
        .patch("default", &PatchParams::default(), &nobody)
        .await
        .expect("taken");
    tenant
        .create(&post, &on_cluster(3, obs("too-late")))
        .await
        .expect("taken");
    becomes(&tenant, "too-late", denied).await;
    for (api, name) in [
        (&tenant, "admitted"),
        (&tenant, "other-cluster"),
        (&tenant, "too-late"),
        (&stranger, "not-admitted"),
    ] {
        api.delete(name, &DeleteParams::default()).await.expect("it exists");
        wait::until(SOON, &format!("{name} is gone"), async || {
            match api.get_opt(name).await {
                Ok(None) => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }
    assert!(world.cloud.sources(&cluster(1)).is_empty());
}

/// A Secret with the certificates to trust has to have the key `ca.crt`; a provider that names one waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_bundle_is_waited_for() {
    let world = World::new("secrets").await;
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    let mut object = provider(&world.endpoint);
    object.spec.access.ca_bundle_secret_ref = Some(SecretRef {
        name: "roots".to_owned(),
    });
    world.create(&object).await;
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    let waiting = world.reconciling("lake", Reason::WaitingForSecret).await;
    assert!(
        message(&waiting).contains("Secret roots does not exist"),
        "{}",
        message(&waiting)
    );
    world.create(&secret("roots", &[("other", "x")])).await;
    let waiting = world.reconciling("lake", Reason::WaitingForProvider).await;
    assert!(message(&waiting).contains("no key ca.crt"), "{}", message(&waiting));
    put(&world, secret("roots", &[("ca.crt", "no certificate")])).await;
    world
        .until("lake", "the certificates cannot be read", |object| {
            verdict(object) == Some((ConditionType::Reconciling, Reason::WaitingForProvider))
                && !message(object).contains("no key")
        })
        .await;
    assert!(world.cloud.log().is_empty());
}
