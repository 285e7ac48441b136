//! What a tenant of a shared operator cannot do: read a Secret of somebody else, borrow what is not lent, or touch what another tenant has in the cloud.

use dws_operator::api::data_source::{ProviderKind, ProviderRef, SecretKeyRef};
use dws_operator::api::names::INTENT_ANNOTATION;
use dws_operator::api::provider::DwsProvider;
use dws_operator::api::{ClusterDwsProvider, DwsDataSource, Reason};
use dws_simulator::Call;
use dws_testbed::{ControlPlane, Scope, TestNamespace, wait};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::world::{
    ACCESS_KEY, PASSWORD, SECRET_KEY, SOON, World, cluster, message, mrs, obs, on_cluster, provider, secret, verdict,
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
    let key = secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    );
    let home: Api<Secret> = Api::namespaced(admin.clone(), world.namespace.home());
    let of_victim: Api<Secret> = Api::namespaced(admin.clone(), &victim);
    home.create(&posting, &key).await.unwrap();
    of_victim
        .create(&posting, &secret("mrs-account", &[("password", PASSWORD)]))
        .await
        .unwrap();
    let mut guarded = secret("guarded", &[("password", PASSWORD)]);
    guarded.metadata.finalizers = Some(vec!["dws.huaweicloud.com/secret-in-use".to_owned()]);
    of_victim.create(&posting, &guarded).await.unwrap();
    let mut spec = serde_json::to_value(provider(&world.endpoint).spec.access).unwrap();
    spec["namespaceSelector"] = json!({"matchLabels": {"dws": "yes"}});
    let lent: ClusterDwsProvider = serde_json::from_value(json!({
        "apiVersion": "dws.huaweicloud.com/v1alpha1", "kind": "ClusterDwsProvider",
        "metadata": {"name": "shared"}, "spec": spec,
    }))
    .unwrap();
    Api::all(admin.clone()).create(&posting, &lent).await.unwrap();
    let borrowing = |mut object: DwsDataSource| {
        object.spec.provider_ref = Some(ProviderRef {
            kind: ProviderKind::ClusterDwsProvider,
            name: "shared".to_owned(),
        });
        object
    };
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
    let own_key = secret(
        "dws-access-key",
        &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    );
    world.create(&own_key).await;
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
