//! Data sources that exist already are taken over, if the spec and the provider say so, and never from another object that lives.

use dws_operator::api::data_source::{DeletionPolicy, DwsDataSource, Import, ImportPolicy};
use dws_operator::api::names::FINALIZER;
use dws_operator::api::{Reason, names};
use dws_simulator::{Call as CloudCall, SourceSeed};
use serde_json::json;

use crate::world::{CLUSTER, PASSWORD, World, cluster, id, message, mrs, obs, on_cluster, provider, secret, uses};

/// The uid of an object that is no more.
const DEAD_UID: &str = "0f0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a";

/// The object, to take over what has its name, or this id.
pub fn importing(mut object: DwsDataSource, id: Option<&str>, policy: DeletionPolicy) -> DwsDataSource {
    object.spec.import = Some(Import {
        id: id.map(str::to_owned),
        name: id.is_none().then(|| object.spec.data_source_name.clone()),
        policy: None,
    });
    object.spec.deletion_policy = Some(policy);
    object
}

/// A data source of somebody else, which fits an object with this name.
pub fn seed(name: &str) -> SourceSeed {
    SourceSeed {
        name: name.replace('-', "_"),
        ..SourceSeed::default()
    }
}

/// The id of what the object says that it took over.
pub fn imported(object: &DwsDataSource) -> Option<String> {
    let record = object.status.as_ref()?.imported.as_ref()?;
    (Some(&record.uid) == object.metadata.uid.as_ref()).then(|| record.id.clone())
}

fn has_finalizer(object: &DwsDataSource) -> bool {
    let finalizers = object.metadata.finalizers.as_deref().unwrap_or_default();
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// By its name or its id, an MRS source without a password ever sent; the agency of an OBS source is updated afterwards; the end follows the policy.
#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_taken_over_updated_and_deleted_by_its_policy() {
    let world = World::new("import").await;
    world.with_provider().await;
    world.with_password().await;
    let by_name = world.cloud.put_source(&cluster(0), seed("by-name"));
    let by_id = world.cloud.put_source(&cluster(1), seed("by-id"));
    let agency = SourceSeed {
        user_name: "another_agency".to_owned(),
        description: Some(names::mark(None, DEAD_UID)),
        ..seed("agency")
    };
    let agency = world.cloud.put_source(&cluster(2), agency);
    let account = mrs("account");
    let account = SourceSeed {
        type_: "MRS".to_owned(),
        user_name: account.spec.user_name,
        connect_info: None,
        data_source_id: account.spec.data_source_id,
        status: Some("200".to_owned()),
        ..seed("account")
    };
    let account = world.cloud.put_source(&cluster(3), account);
    let cases = [
        (
            "by-name",
            &by_name,
            importing(obs("by-name"), None, DeletionPolicy::Delete),
        ),
        (
            "by-id",
            &by_id,
            importing(obs("by-id"), Some(&by_id), DeletionPolicy::Retain),
        ),
        (
            "agency",
            &agency,
            importing(obs("agency"), None, DeletionPolicy::Delete),
        ),
        (
            "account",
            &account,
            importing(mrs("account"), None, DeletionPolicy::Delete),
        ),
    ];
    let _operator = world.operator().start().await;
    for (n, (_, _, object)) in cases.iter().enumerate() {
        world.create(&on_cluster(n, object.clone())).await;
    }
    for (name, source, _) in &cases {
        let object = world.ready(name).await;
        assert_eq!(
            (id(&object).as_ref(), imported(&object).as_ref()),
            (Some(*source), Some(*source)),
            "{name}"
        );
        assert!(has_finalizer(&object), "{name}");
        assert!(world.event(name, "Imported").await.contains(source.as_str()));
    }
    let updates = world.calls(CloudCall::Update);
    let sent: Vec<_> = updates
        .iter()
        .map(|entry| (entry.id.as_ref(), entry.body.clone()))
        .collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].0, Some(&agency));
    assert_eq!(sent[0].1.as_ref().unwrap()["reconfigure"]["agency"], "DWSAccessOBS");
    assert_eq!(world.cloud.restarts(&cluster(2)), 0);
    for (name, ..) in &cases {
        world.delete(name).await;
        world.gone(name).await;
    }
    assert!(world.event("by-id", "Retained").await.contains(&by_id));
    let left: Vec<usize> = (0..cases.len())
        .map(|n| world.cloud.sources(&cluster(n)).len())
        .collect();
    assert_eq!(left, [0, 1, 0, 0]);
    assert_eq!(
        (world.calls(CloudCall::Create).len(), world.effective(CloudCall::Delete)),
        (0, 3)
    );
    assert!(!serde_json::to_string(&world.cloud.log()).unwrap().contains(PASSWORD));
}

/// What differs is told field by field, what is absent is waited for or created, what the provider forbids is not even looked at.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_told_and_left_alone() {
    let world = World::new("import").await;
    world.with_provider().await;
    let mut strict = provider(&world.endpoint);
    strict.metadata.name = Some("strict".to_owned());
    strict.spec.access.allow_import = Some(false);
    world.create(&strict).await;
    let differs = SourceSeed {
        connect_info: Some("postgres".to_owned()),
        description: Some("theirs".to_owned()),
        ..seed("differs")
    };
    world.cloud.put_source(&cluster(0), differs);
    let misnamed = world.cloud.put_source(&cluster(1), seed("somebody"));
    world.cloud.put_source(&cluster(2), seed("forbidden"));
    let before: Vec<_> = (0..3).map(|n| world.cloud.sources(&cluster(n))).collect();
    let _operator = world.operator().start().await;
    let delete = DeletionPolicy::Delete;
    world
        .create(&on_cluster(0, importing(obs("differs"), None, delete)))
        .await;
    world
        .create(&on_cluster(1, importing(obs("misnamed"), Some(&misnamed), delete)))
        .await;
    world
        .create(&on_cluster(
            2,
            uses(importing(obs("forbidden"), None, delete), "strict"),
        ))
        .await;
    world
        .create(&on_cluster(3, importing(obs("absent"), None, delete)))
        .await;
    let mut optional = on_cluster(4, importing(obs("optional"), None, delete));
    optional.spec.import.as_mut().unwrap().policy = Some(ImportPolicy::IfExists);
    world.create(&optional).await;

    let told = message(&world.stalled("differs", Reason::InvalidSpec).await);
    for difference in [
        "connectInfo (\"postgres\" in the cloud, \"gaussdb\" in the spec)",
        "description (\"theirs\"",
    ] {
        assert!(told.contains(difference), "{told}");
    }
    let told = message(&world.stalled("misnamed", Reason::InvalidSpec).await);
    assert!(
        told.contains("dataSourceName (\"somebody\" in the cloud, \"misnamed\" in the spec)"),
        "{told}"
    );
    let told = message(&world.stalled("forbidden", Reason::AccessDenied).await);
    assert!(told.contains("allowImport"), "{told}");
    assert!(
        world
            .calls(CloudCall::List)
            .iter()
            .all(|list| list.cluster.as_ref() != Some(&cluster(2)))
    );
    world.stalled("absent", Reason::ExternallyDeleted).await;
    let created = world.ready("optional").await;
    assert_eq!(imported(&created), None);
    assert_eq!(world.posts("optional").len(), 1);
    for (n, before) in before.iter().enumerate() {
        assert_eq!(world.cloud.sources(&cluster(n)), *before);
    }
    // Each is taken up again once it fits: at once where something in Kubernetes changed, else at the next look.
    world.patch_provider("strict", json!({"allowImport": true})).await;
    world.ready("forbidden").await;
    world
        .edit(
            "differs",
            json!({"spec": {"connectInfo": "postgres", "description": "theirs"}}),
        )
        .await;
    world.ready("differs").await;
    let late = world.cloud.put_source(&cluster(3), seed("absent"));
    assert_eq!(id(&world.ready("absent").await), Some(late));
    for name in ["differs", "misnamed", "forbidden", "absent", "optional"] {
        world.delete(name).await;
        world.gone(name).await;
    }
    assert_eq!(
        world.cloud.sources(&cluster(1)).len(),
        1,
        "what was never taken over stays"
    );
    assert_eq!(
        (world.calls(CloudCall::Create).len(), world.effective(CloudCall::Delete)),
        (1, 4)
    );
    assert_eq!(world.calls(CloudCall::Update), []);
}

/// What was taken over and goes away in the cloud is told and not created again; the same one is welcome back.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_over_and_is_gone_is_not_created_again() {
    let world = World::new("import").await;
    world.with_provider().await;
    let source = world.cloud.put_source(CLUSTER, seed("lake"));
    let mut operator = world.operator().args(["--resync-period=1s"]).start().await;
    world
        .create(&importing(obs("lake"), None, DeletionPolicy::Delete))
        .await;
    world.ready("lake").await;
    assert!(world.cloud.remove_source(CLUSTER, &source));
    world.stalled("lake", Reason::ExternallyDeleted).await;
    operator.kill().await;
    operator.restart().await;
    // Another one of that name is not the same.
    let another = world.cloud.put_source(CLUSTER, seed("lake"));
    world.lists_later(3).await;
    world.stalled("lake", Reason::ExternallyDeleted).await;
    assert!(world.cloud.remove_source(CLUSTER, &another));
    let again = SourceSeed {
        id: Some(source.clone()),
        ..seed("lake")
    };
    world.cloud.put_source(CLUSTER, again);
    assert_eq!(id(&world.ready("lake").await), Some(source.clone()));
    assert!(world.cloud.remove_source(CLUSTER, &source));
    world.stalled("lake", Reason::ExternallyDeleted).await;
    let another = world.cloud.put_source(CLUSTER, seed("lake"));
    world.delete("lake").await;
    world.gone("lake").await;
    assert_eq!(world.cloud.sources(CLUSTER)[0].id, another);
    assert_eq!(
        (world.calls(CloudCall::Create), world.calls(CloudCall::Delete)),
        (vec![], vec![])
    );
}

/// A password that is needed later is not needed for the take-over, and the take-over does not read it as a change.
#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_the_secret_is_taken_for_the_one_in_the_cloud() {
    let world = World::new("import").await;
    world.with_provider().await;
    let object = mrs("lake");
    let source = SourceSeed {
        type_: "MRS".to_owned(),
        user_name: object.spec.user_name.clone(),
        connect_info: None,
        data_source_id: object.spec.data_source_id.clone(),
        status: Some("200".to_owned()),
        ..seed("lake")
    };
    world.cloud.put_source(CLUSTER, source);
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&importing(object, None, DeletionPolicy::Retain)).await;
    world.ready("lake").await;
    world.put(secret("mrs-account", &[("password", PASSWORD)])).await;
    world.lists_later(3).await;
    world.ready("lake").await;
    assert_eq!(
        (world.calls(CloudCall::Create), world.calls(CloudCall::Update)),
        (vec![], vec![])
    );
}
