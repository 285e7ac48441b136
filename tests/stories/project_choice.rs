//! Data sources in other projects than their provider's own.

use dws_operator::api::provider::DwsProvider;
use dws_operator::api::{DwsDataSource, Reason};
use dws_simulator::{AccessKey, Call, DEFAULT_PASSWORD};
use serde_json::json;

use crate::breaker::provider_says;
use crate::world::{
    ACCESS_KEY, PROJECT, SECRET_KEY, World, cluster, message, obs, on_cluster, password_provider, provider, secret,
    uses,
};

/// A project that the provider lists.
const LISTED: &str = "11112222333344445555666677778888";
/// One that it does not list at first.
const OTHER: &str = "99990000999900009999000099990000";

fn in_project(mut object: DwsDataSource, project: &str) -> DwsDataSource {
    object.spec.project_id = Some(project.to_owned());
    object
}

fn listing(mut provider: DwsProvider) -> DwsProvider {
    provider.spec.access.projects = Some(vec![LISTED.to_owned()]);
    provider
}

/// The project in the path of the create of this name.
fn posted_to(world: &World<'_>, name: &str) -> String {
    let post = world.posts(name).pop().expect("it was created");
    post.path.split('/').nth(2).expect("a project").to_owned()
}

/// A data source is created in the project that it asks for, if the provider lists it; else it says what to do, and goes on once the provider
/// does. A project that is taken off the list gets nothing new; what exists in it is still observed, and deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_listed_project_is_used_and_a_removed_one_not_forgotten() {
    let world = World::new("projects").await;
    world
        .cloud
        .set_projects("others", vec![LISTED.to_owned(), OTHER.to_owned()]);
    world.with_provider().await;
    world.patch_provider("default", json!({"projects": [LISTED]})).await;
    let mut operator = world.operator().args(["--resync-period=1s"]).start().await;
    world.create(&on_cluster(0, obs("own"))).await;
    world.create(&in_project(on_cluster(1, obs("listed")), LISTED)).await;
    world.create(&in_project(on_cluster(2, obs("unlisted")), OTHER)).await;
    world.ready("own").await;
    let listed = world.ready("listed").await.status.unwrap();
    assert_eq!(listed.cloud.unwrap().project_id, LISTED);
    let told = message(&world.stalled("unlisted", Reason::AccessDenied).await);
    assert!(told.contains(OTHER) && told.contains("projects"), "{told}");
    assert_eq!(
        (posted_to(&world, "own").as_str(), posted_to(&world, "listed").as_str()),
        (PROJECT, LISTED)
    );
    assert!(world.posts("unlisted").is_empty());

    world.patch_provider("default", json!({"projects": [OTHER]})).await;
    world.ready("unlisted").await;
    assert_eq!(posted_to(&world, "unlisted"), OTHER);
    world.create(&in_project(on_cluster(3, obs("too-late")), LISTED)).await;
    world.stalled("too-late", Reason::AccessDenied).await;
    // Observed, also by an operator that remembers nothing: what somebody changes there is told.
    operator.restart().await;
    let id = listed.id.unwrap();
    world.cloud.edit_source(&cluster(1), &id, |source| {
        source.connect_info = Some("postgres".to_owned());
    });
    world.stalled("listed", Reason::Drifted).await;
    for name in ["own", "listed", "unlisted", "too-late"] {
        world.delete(name).await;
        world.gone(name).await;
    }
    for n in 0..3 {
        assert!(world.cloud.sources(&cluster(n)).is_empty(), "{n}");
    }
}

/// An IAM user logs in once for each project, however many data sources there are; and all of it counts as one credential.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_one_project() {
    const EACH: usize = 4;
    let world = World::new("projects").await;
    world.cloud.set_projects("others", vec![LISTED.to_owned()]);
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    world.create(&listing(password_provider(&world.endpoint))).await;
    let _operator = world.operator().args(["--resync-period=1s"]).start().await;
    for n in 0..EACH {
        world.create(&on_cluster(n, obs(&format!("own-{n}")))).await;
        let listed = in_project(on_cluster(EACH + n, obs(&format!("listed-{n}"))), LISTED);
        world.create(&listed).await;
    }
    for n in 0..EACH {
        world.ready(&format!("own-{n}")).await;
        world.ready(&format!("listed-{n}")).await;
    }
    world.lists_later(4 * EACH).await;
    assert_eq!(world.calls(Call::Token).len(), 2);
}

/// The same name in the same DWS cluster id is two things in two projects, and one in one.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_claimed_within_a_project() {
    let world = World::new("projects").await;
    world.cloud.set_projects("others", vec![LISTED.to_owned()]);
    world.with_provider().await;
    let mut second = listing(provider(&world.endpoint));
    second.metadata.name = Some("second".to_owned());
    world.create(&second).await;
    let _operator = world.operator().start().await;
    let named = |name: &str| {
        let mut object = on_cluster(0, uses(obs(name), "second"));
        "lake".clone_into(&mut object.spec.data_source_name);
        object
    };
    world.create(&in_project(named("first"), LISTED)).await;
    world.ready("first").await;
    world.create(&in_project(named("namesake"), LISTED)).await;
    world.stalled("namesake", Reason::DuplicateOwner).await;
    // The cluster is not in the provider's own project: DWS says so, and no claim does.
    world.create(&named("elsewhere")).await;
    world.stalled("elsewhere", Reason::AccessDenied).await;
}

/// Credentials that are refused in another project than the provider's own are told on the provider, and so is that they work again.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_in_another_project_is_told_on_the_provider() {
    let world = World::new("projects").await;
    world.cloud.set_projects("others", vec![LISTED.to_owned()]);
    world.with_provider().await;
    world.patch_provider("default", json!({"projects": [LISTED]})).await;
    let flags = ["--breaker-window=3s", "--ready-grace=0s"];
    let _operator = world.operator_with(&flags).args(["--resync-period=1s"]).start().await;
    world.create(&in_project(obs("lake"), LISTED)).await;
    world.ready("lake").await;
    world.cloud.remove_access_key(ACCESS_KEY);
    world.stalled("lake", Reason::CredentialsRejected).await;
    provider_says(&world, "default", Reason::CredentialsRejected).await;
    world.cloud.add_access_key(AccessKey::permanent(ACCESS_KEY, SECRET_KEY));
    world.ready("lake").await;
    provider_says(&world, "default", Reason::Available).await;
}
