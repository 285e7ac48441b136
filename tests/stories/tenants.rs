//! What a tenant of a shared operator cannot do: read a Secret of somebody else, borrow what is not lent, reach an endpoint that is not allowed, or touch
//! what another tenant has in the cloud.

use dws_operator::api::data_source::{DeletionPolicy, ProviderKind, ProviderRef, ReplacementPolicy, SecretKeyRef};
use dws_operator::api::names::INTENT_ANNOTATION;
use dws_operator::api::provider::{DwsProvider, SecretRef};
use dws_operator::api::{ClusterDwsProvider, DwsDataSource, Reason};
use dws_simulator::{Call, Settings, Simulator};
use dws_testbed::{ControlPlane, Scope, TestNamespace, wait};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::import::{importing, seed};
use crate::observe::{changes, observing};
use crate::world::{
    ACCESS_KEY, PASSWORD, PROJECT, SECRET_KEY, SOON, World, cluster, message, mrs, obs, on_cluster, projectless,
    provider, secret, uses, verdict,
};

/// The project that nobody lists.
const OTHER_PROJECT: &str = "99990000999900009999000099990000";

/// Waits until the object of this name in the tenant's namespace says this, and gives what it says.
async fn says(objects: &Api<DwsDataSource>, name: &str, reason: Reason) -> String {
    let object = wait::until_object(objects, name, SOON, &format!("{name} says {reason}"), |object| {
        object.and_then(verdict).is_some_and(|(_, said)| said == reason)
    })
    .await;
    message(&object.expect("it is there"))
}

/// A provider of the cluster with these fields besides its access, which needs the access key in the operator's namespace.
fn lent(name: &str, endpoint: &str, fields: Value) -> ClusterDwsProvider {
    let mut spec = serde_json::to_value(provider(endpoint).spec.access).unwrap();
    let Value::Object(fields) = fields else {
        panic!("fields")
    };
    spec.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1", "kind": "ClusterDwsProvider",
        "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

/// The object, through the provider of the cluster.
fn borrowing(mut object: DwsDataSource) -> DwsDataSource {
    object.spec.provider_ref = Some(ProviderRef {
        kind: ProviderKind::ClusterDwsProvider,
        name: "shared".to_owned(),
    });
    object
}

/// The Secret with the access key.
fn access_key() -> Secret {
    secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    )
}

/// A tenant's namespace, with an operator elsewhere that serves all; these providers of the cluster can be used.
async fn tenant_with<'p>(plane: &'p ControlPlane, providers: &[(&str, Value)]) -> World<'p> {
    let world = World::within(TestNamespace::create_apart(plane, "tenant", Scope::ClusterWide).await).await;
    let (admin, posting) = (world.namespace.admin(), PostParams::default());
    let home: Api<Secret> = Api::namespaced(admin.clone(), world.namespace.home());
    home.create(&posting, &access_key()).await.unwrap();
    for (name, fields) in providers {
        let lent = lent(name, &world.endpoint, fields.clone());
        Api::all(admin.clone()).create(&posting, &lent).await.unwrap();
    }
    world
}

/// A tenant names the Secrets of others, a provider that is not lent to it, a project that nobody gave it, and the data source of another tenant, in
/// every way that the API leaves: by reference, by annotation, by a copied intent, by name. It gets none of it, and none of it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_gets_nothing_of_others() {
    let plane = ControlPlane::start().await;
    let world = World::within(TestNamespace::create_apart(&plane, "tenant", Scope::ClusterWide).await).await;
    let admin = world.namespace.admin();
    let (posting, parameters) = (PostParams::default(), PatchParams::default());
    world.cloud.set_projects("others", vec![OTHER_PROJECT.to_owned()]);
    // The victim: a namespace of its own, with a data source through a provider of the cluster that is lent to it alone.
    let victim = format!("{}-victim", world.namespace.name());
    let namespace = serde_json::from_value(json!({"metadata": {"name": victim, "labels": {"dws": "yes"}}})).unwrap();
    Api::<Namespace>::all(admin.clone())
        .create(&posting, &namespace)
        .await
        .unwrap();
    let home: Api<Secret> = Api::namespaced(admin.clone(), world.namespace.home());
    let of_victim: Api<Secret> = Api::namespaced(admin.clone(), &victim);
    home.create(&posting, &access_key()).await.unwrap();
    of_victim
        .create(&posting, &secret("mrs-account", &[("password", PASSWORD)]))
        .await
        .unwrap();
    let mut guarded = secret("guarded", &[("password", PASSWORD)]);
    guarded.metadata.finalizers = Some(vec!["dws.huaweicloud.com/secret-in-use".to_owned()]);
    of_victim.create(&posting, &guarded).await.unwrap();
    let lent = lent(
        "shared",
        &world.endpoint,
        json!({"namespaceSelector": {"matchLabels": {"dws": "yes"}}}),
    );
    Api::all(admin.clone()).create(&posting, &lent).await.unwrap();
    world.namespace.grant("guard-secrets", "patch").await;
    let flags = ["--resync-period=1s", "--guard-secrets"];
    let _operator = world.operator().args(flags).start().await;
    let theirs: Api<DwsDataSource> = Api::namespaced(admin.clone(), &victim);
    theirs
        .create(&posting, &borrowing(on_cluster(0, obs("lake"))))
        .await
        .unwrap();
    says(&theirs, "lake", Reason::Available).await;
    let victims = theirs.get("lake").await.unwrap();

    // By reference: the names are those of Secrets elsewhere.
    let own: Api<DwsDataSource> = world.api();
    world.create(&provider(&world.endpoint)).await;
    let mut thief = on_cluster(1, mrs("thief"));
    thief.spec.user_pwd.as_mut().unwrap().secret_key_ref = SecretKeyRef {
        name: "mrs-account".to_owned(),
        key: "password".to_owned(),
    };
    world.create(&thief).await;
    says(&own, "thief", Reason::WaitingForSecret).await;
    // By annotation: what the operator would take its finalizer off.
    let path = format!("guarded,../../{victim}/secrets/guarded");
    let record = Patch::Merge(json!({"metadata": {"annotations": {"dws.huaweicloud.com/guarded-secrets": path}}}));
    let providers: Api<DwsProvider> = world.api();
    providers.patch("default", &parameters, &record).await.unwrap();
    let is_clean = |provider: Option<&DwsProvider>| provider.is_some_and(|provider| provider.annotations().is_empty());
    wait::until_object(&providers, "default", SOON, "the record is put right", is_clean).await;

    // What is not lent, with the victim's own intent or without, in a project of nobody.
    let mut copy = borrowing(on_cluster(0, obs("copy")));
    copy.spec.data_source_name = "lake".to_owned();
    let intent = victims.annotations()[INTENT_ANNOTATION].clone();
    copy.annotations_mut().insert(INTENT_ANNOTATION.to_owned(), intent);
    copy.metadata.finalizers.clone_from(&victims.metadata.finalizers);
    world.create(&copy).await;
    world.create(&borrowing(on_cluster(2, obs("borrower")))).await;
    for name in ["copy", "borrower"] {
        let told = says(&own, name, Reason::AccessDenied).await;
        assert!(told.contains("not lent to namespace"), "{name}: {told}");
    }
    // With credentials of one's own the name is still the victim's, and so is what is in the cloud.
    world.create(&access_key()).await;
    let mut namesake = on_cluster(0, obs("namesake"));
    namesake.spec.data_source_name = "LAKE".to_owned();
    world.create(&namesake).await;
    let told = says(&own, "namesake", Reason::DuplicateOwner).await;
    assert!(told.contains(&format!("{victim}/lake")), "{told}");
    let mut elsewhere = on_cluster(3, obs("elsewhere"));
    elsewhere.spec.project_id = Some(OTHER_PROJECT.to_owned());
    world.create(&elsewhere).await;
    let told = says(&own, "elsewhere", Reason::AccessDenied).await;
    assert!(told.contains(OTHER_PROJECT), "{told}");

    for name in ["thief", "copy", "borrower", "namesake", "elsewhere"] {
        own.delete(name, &DeleteParams::default()).await.unwrap();
        world.gone(name).await;
    }
    says(&theirs, "lake", Reason::Available).await;
    assert_eq!(
        (world.calls(Call::Create).len(), world.calls(Call::Delete).len()),
        (1, 0)
    );
    assert_eq!(world.cloud.sources(&cluster(0)).len(), 1);
    let found = of_victim.get_metadata("guarded").await.unwrap();
    assert_eq!(found.finalizers(), ["dws.huaweicloud.com/secret-in-use"]);
    let requests = world.namespace.operator_requests().await;
    let of_secrets: Vec<_> = requests
        .iter()
        .filter(|request| request.resource == "secrets" && !request.is_question())
        .filter(|request| request.namespace == victim || request.name.contains('/'))
        .collect();
    assert!(of_secrets.is_empty(), "{of_secrets:#?}");
}

/// A status that was edited to claim what is in a DWS cluster for which the provider is not lent, taken over through this provider or through one
/// that is lent to others: nothing there is touched or shown, also when the object is to be replaced or deleted.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_status_reaches_no_cluster_that_is_not_lent() {
    let plane = ControlPlane::start().await;
    let shared = json!({"allowImport": true, "namespaceSelector": {}, "clusterIDs": [cluster(0)]});
    let others = json!({"allowImport": true, "namespaceSelector": {"matchLabels": {"dws": "others"}}});
    let world = tenant_with(&plane, &[("shared", shared), ("others", others)]).await;
    let rows = [("taken", 1, "shared"), ("through", 2, "others")];
    for (name, n, through) in rows {
        let source = world.cloud.put_source(&cluster(n), seed(name));
        let mut object = importing(on_cluster(0, obs(name)), Some(&source), DeletionPolicy::Delete);
        "stolen".clone_into(&mut object.spec.user_name);
        object.spec.replacement_policy = Some(ReplacementPolicy::Always);
        let uid = world.create(&borrowing(object)).await.metadata.uid.unwrap();
        let forged = json!({"status": {
            "observedGeneration": -1, "id": source,
            "cloud": {
                "provider": format!("ClusterDwsProvider/{through}"), "endpoint": world.endpoint, "projectID": PROJECT,
                "clusterID": cluster(n),
            },
            "lastAttempt": {"id": "forged", "outcome": "Created"},
            "imported": {"uid": uid, "id": source, "name": name, "type": "OBS"},
            "conditions": [],
        }});
        world.patch(name, true, forged).await;
    }
    let before = rows.map(|(_, n, ..)| world.cloud.sources(&cluster(n)));
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    let refusals = [
        ("taken", format!("not lent for DWS cluster {}", cluster(1))),
        (
            "through",
            format!("others is not lent to namespace {}", world.namespace.name()),
        ),
    ];
    for (name, why) in &refusals {
        let told = message(&world.stalled(name, Reason::AccessDenied).await);
        assert!(told.contains(why), "{name}: {told}");
    }
    for (name, ..) in rows {
        world.delete(name).await;
    }
    for (name, why) in &refusals {
        let says_how = |object: &DwsDataSource| message(object).contains("Set deletionPolicy to Retain");
        let told = world.until(name, "it says how it may go", says_how).await;
        assert_eq!(verdict(&told).map(|(_, reason)| reason), Some(Reason::AccessDenied));
        assert!(message(&told).contains(why), "{name}: {}", message(&told));
    }
    for (name, ..) in rows {
        let status = world.edit(name, json!({})).await.status.unwrap();
        assert_eq!(status.observed, None, "{name}");
    }
    for (name, ..) in rows {
        world.edit(name, json!({"spec": {"deletionPolicy": "Retain"}})).await;
        world.gone(name).await;
    }
    assert_eq!(rows.map(|(_, n, ..)| world.cloud.sources(&cluster(n))), before);
    assert_eq!(changes(&world), [0; 3]);
}

/// Where `allowImport` is unset, what exists is taken over and observed through a provider of one's own, and not through one of the cluster: there it
/// is not even looked for, until the one who lends it says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_within_reach_of_ones_own_provider_only() {
    let plane = ControlPlane::start().await;
    let world = tenant_with(&plane, &[("shared", json!({"namespaceSelector": {}}))]).await;
    world.create(&access_key()).await;
    let own = provider(&world.endpoint);
    assert_eq!(own.spec.access.allow_import, None);
    world.create(&own).await;
    let names = ["lent-import", "lent-observe", "own-import", "own-observe"];
    for (n, name) in names.into_iter().enumerate() {
        world.cloud.put_source(&cluster(n), seed(name));
    }
    let _operator = world.operator().start().await;
    for (n, name) in names.into_iter().enumerate() {
        let object = on_cluster(n, obs(name));
        let object = if name.ends_with("import") {
            importing(object, None, DeletionPolicy::Retain)
        } else {
            observing(object)
        };
        let is_lent = name.starts_with("lent");
        world.create(&if is_lent { borrowing(object) } else { object }).await;
    }
    for name in &names[..2] {
        let told = message(&world.stalled(name, Reason::AccessDenied).await);
        assert!(
            told.contains("ClusterDwsProvider/shared") && told.contains("allowImport"),
            "{name}: {told}"
        );
    }
    for name in &names[2..] {
        world.ready(name).await;
    }
    let listed = |n: usize| {
        let lists = world.calls(Call::List);
        lists.iter().any(|list| list.cluster.as_ref() == Some(&cluster(n)))
    };
    assert_eq!([0, 1, 2, 3].map(listed), [false, false, true, true]);
    let providers: Api<ClusterDwsProvider> = Api::all(world.namespace.admin());
    let consent = Patch::Merge(json!({"spec": {"allowImport": true}}));
    providers
        .patch("shared", &PatchParams::default(), &consent)
        .await
        .unwrap();
    for name in &names[..2] {
        world.ready(name).await;
    }
    assert_eq!(changes(&world), [0; 3]);
}

/// A tenant whose own provider leads out of the allowed domains, to a server that would answer, gets no call made: not for the service, not for IAM,
/// not for STS. Another tenant works beside it. Where the domain is allowed it works as well.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_outside_of_the_allowed_domains_is_not_called() {
    let plane = ControlPlane::start().await;
    let world = tenant_with(&plane, &[]).await;
    let neighbour = world.beside(TestNamespace::create(&plane, "neighbour").await);
    neighbour.with_provider().await;
    world.create(&access_key()).await;
    let outside = Simulator::start(Settings::default()).await.expect("a server outside");
    let (endpoint, authority) = world.namespace.proxy().cloud_over_tls(&outside.url());
    world.create(&secret("bundle", &[("ca.crt", &authority)])).await;
    let fields = ["endpoint", "iamEndpoint", "stsEndpoint"];
    let name = |field: &str| field.to_lowercase();
    for (n, field) in fields.into_iter().enumerate() {
        // Without a project IAM is asked first.
        let mut provider = projectless(provider(&world.endpoint));
        provider.metadata.name = Some(name(field));
        let access = &mut provider.spec.access;
        access.ca_bundle_secret_ref = Some(SecretRef {
            name: "bundle".to_owned(),
        });
        let at = match field {
            "endpoint" => &mut access.endpoint,
            "iamEndpoint" => &mut access.iam_endpoint,
            _ => &mut access.sts_endpoint,
        };
        *at = Some(endpoint.clone());
        world.create(&provider).await;
        world
            .create(&uses(on_cluster(n, obs(&name(field))), &name(field)))
            .await;
    }
    let operator = world.operator().start().await;
    for field in fields {
        let object = world.reconciling(&name(field), Reason::WaitingForProvider).await;
        let told = message(&object);
        assert!(
            told.contains(field) && told.contains("--allow-endpoint-domain"),
            "{field}: {told}"
        );
    }
    neighbour.create(&on_cluster(fields.len(), obs("lake"))).await;
    neighbour.ready("lake").await;
    neighbour.later_life().await;
    assert!(outside.admin().log().is_empty(), "nobody outside is called");
    let refused = |call: &&dws_simulator::LogEntry| {
        let clusters = (0..fields.len()).map(cluster);
        clusters
            .into_iter()
            .any(|cluster| call.cluster.as_ref() == Some(&cluster))
    };
    let log = world.cloud.log();
    assert_eq!(log.iter().filter(refused).count(), 0);
    operator.terminate().await;

    let _operator = world
        .operator()
        .args(["--allow-endpoint-domain=localhost"])
        .start()
        .await;
    for field in fields {
        world.ready(&name(field)).await;
    }
    let called = outside.admin().log();
    assert!(called.iter().any(|entry| entry.call == Call::Create), "{called:#?}");
}

/// A status that was edited to claim what is in a DWS cluster for which the provider is not lent, as created by this object, while the spec imports it:
/// nothing there is taken over, shown or touched, whatever the replacement policy.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_status_imports_nothing_of_a_cluster_that_is_not_lent() {
    let plane = ControlPlane::start().await;
    let shared = json!({"allowImport": true, "namespaceSelector": {}, "clusterIDs": [cluster(0)]});
    let world = tenant_with(&plane, &[("shared", shared)]).await;
    let rows = [
        ("never", 1, ReplacementPolicy::Never),
        ("always", 2, ReplacementPolicy::Always),
    ];
    for (name, n, policy) in rows {
        let source = world.cloud.put_source(&cluster(n), seed(name));
        let mut object = importing(on_cluster(0, obs(name)), Some(&source), DeletionPolicy::Delete);
        "stolen".clone_into(&mut object.spec.user_name);
        object.spec.replacement_policy = Some(policy);
        world.create(&borrowing(object)).await;
        let forged = json!({"status": {
            "observedGeneration": -1, "id": source,
            "cloud": {
                "provider": "ClusterDwsProvider/shared", "endpoint": world.endpoint, "projectID": PROJECT, "clusterID": cluster(n),
            },
            "lastAttempt": {"id": "forged", "outcome": "Created"},
            "conditions": [],
        }});
        world.patch(name, true, forged).await;
    }
    let before = rows.map(|(_, n, _)| world.cloud.sources(&cluster(n)));
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    for (name, ..) in rows {
        world.until(name, "a verdict", |object| verdict(object).is_some()).await;
    }
    world.lists_later(4).await;
    for (name, ..) in rows {
        for version in world.namespace.recorder().versions("DwsDataSource", name) {
            let status = &version.object["status"];
            let shown = (&status["imported"], &status["observed"]);
            assert_eq!(shown, (&Value::Null, &Value::Null), "{name}: {status:#}");
        }
        world.delete(name).await;
        // It goes when somebody says that it may, not because it is missing where it never was.
        world.stalled(name, Reason::Ambiguous).await;
        world.edit(name, json!({"spec": {"deletionPolicy": "Retain"}})).await;
        world.gone(name).await;
    }
    assert_eq!(rows.map(|(_, n, ..)| world.cloud.sources(&cluster(n))), before);
    assert_eq!(changes(&world), [0; 3]);
}
