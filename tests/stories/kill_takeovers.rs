//! The operator is killed at every write with which it takes over, or observes, what exists already, and started again: the end is the same as
//! without.

use dws_operator::api::Reason;
use dws_operator::api::data_source::{DeletionPolicy, ImportPolicy};
use dws_simulator::{Call, SourceSeed};
use dws_testbed::Stage;
use serde_json::json;

use crate::import::{importing, seed};
use crate::observe::{changes, observing};
use crate::update::RESYNC;
use crate::world::{CLUSTER, Kill, World, id, obs, survives};

const NAME: &str = "lake";
/// A machine that has much to do takes no lease away; a killed operator takes its own one over at once.
const LEASE: &str = "--lease=1m";
/// A delete waits for the late effects of a create that got no answer.
const LATE_EFFECTS: &str = "--late-effects=4s";

/// What is taken over or observed, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It exists, with another agency than it should have, and is deleted in the end.
    Import,
    /// It does not exist, and is created.
    IfExists,
    /// It is observed, lost, found again, refused to who would manage it, and taken over.
    Observe,
}

/// What a user and the cloud see in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    /// Whether the recorded one is the one that existed.
    is_taken_over: bool,
    agencies: Vec<String>,
    creates: usize,
    deletes: usize,
}

impl Way {
    /// What a user does and waits for, up to the end of the object. Returns what the cloud held before that.
    async fn user(self, world: &World<'_>, existing: Option<&str>) -> (bool, Vec<String>) {
        match self {
            Self::Import => {
                world.create(&importing(obs(NAME), None, DeletionPolicy::Delete)).await;
            }
            Self::IfExists => {
                let mut object = importing(obs(NAME), None, DeletionPolicy::Delete);
                object.spec.import.as_mut().expect("it imports").policy = Some(ImportPolicy::IfExists);
                world.create(&object).await;
            }
            Self::Observe => observed(world, existing.expect("it exists")).await,
        }
        let recorded = id(&world.ready(NAME).await);
        let sources = world.cloud.sources(CLUSTER);
        assert_eq!(sources.len(), 1, "{sources:#?}");
        assert_eq!(recorded.as_ref(), Some(&sources[0].id));
        let agencies = sources.into_iter().map(|source| source.user_name).collect();
        world.delete(NAME).await;
        world.gone(NAME).await;
        (recorded.as_deref() == existing, agencies)
    }
}

/// Seen, lost, found, refused, taken over.
async fn observed(world: &World<'_>, existing: &str) {
    world.create(&observing(obs(NAME))).await;
    world.ready(NAME).await;
    assert!(world.cloud.remove_source(CLUSTER, existing));
    world.stalled(NAME, Reason::ExternallyDeleted).await;
    let again = SourceSeed {
        id: Some(existing.to_owned()),
        ..seed(NAME)
    };
    world.cloud.put_source(CLUSTER, again);
    world.ready(NAME).await;
    world.edit(NAME, json!({"spec": {"managementPolicy": null}})).await;
    world.stalled(NAME, Reason::AlreadyExists).await;
    assert_eq!(changes(world), [0; 3], "nothing of it is the object's own");
    let import = json!({"spec": {"import": {"id": existing}, "deletionPolicy": "Delete"}});
    world.edit(NAME, import).await;
}

async fn story(way: Way, kill: Option<Kill>) -> Option<End> {
    let world = World::new(&format!("kill-{way:?}").to_lowercase()).await;
    world.with_provider().await;
    let existing = match way {
        Way::Import => Some(SourceSeed {
            user_name: "another_agency".to_owned(),
            ..seed(NAME)
        }),
        Way::IfExists => None,
        Way::Observe => Some(seed(NAME)),
    };
    let existing = existing.map(|seed| world.cloud.put_source(CLUSTER, seed));
    let mut operator = world.operator_with(&[RESYNC, LEASE, LATE_EFFECTS]).start().await;
    let user = Box::pin(way.user(&world, existing.as_deref()));
    let (is_taken_over, agencies) = world.killed(&mut operator, kill, user).await?;
    assert_eq!(world.cloud.sources(CLUSTER), [], "{way:?}, {kill:?}");
    assert_eq!(world.cloud.restarts(CLUSTER), 0, "{way:?}, {kill:?}");
    Some(End {
        is_taken_over,
        agencies,
        creates: world.effective(Call::Create),
        deletes: world.effective(Call::Delete),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_survives_a_kill_before_each_write() {
    survives(Stage::Before, async |kill| Box::pin(story(Way::Import, kill)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_survives_a_kill_after_each_write_took_effect() {
    survives(Stage::Applied, async |kill| Box::pin(story(Way::Import, kill)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_created_since_it_did_not_exist_survives_a_kill_at_every_write() {
    for stage in [Stage::Before, Stage::Applied] {
        survives(stage, async |kill| Box::pin(story(Way::IfExists, kill)).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_survives_a_kill_before_each_write() {
    survives(Stage::Before, async |kill| Box::pin(story(Way::Observe, kill)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_survives_a_kill_after_each_write_took_effect() {
    survives(Stage::Applied, async |kill| Box::pin(story(Way::Observe, kill)).await).await;
}
