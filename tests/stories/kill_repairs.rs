//! The operator is killed at every write with which it puts right what somebody changed, deleted or lost, and started again: the end is the same
//! as without.

use std::fmt::Debug;

use dws_operator::api::data_source::DwsDataSource;
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::Call;
use dws_testbed::{Operator, Stage, wait};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::update::{RESYNC, request};
use crate::world::{CLUSTER, Kill, SOON, World, id, message, obs, survives, verdict};

/// A machine that has much to do takes no lease away; a killed operator takes its own one over at once.
const LEASE: &str = "--lease=1m";
/// A delete waits for the late effects of a create that got no answer.
const LATE_EFFECTS: &str = "--late-effects=4s";
const NAME: &str = "lake";
/// The agency of the spec.
const AGENCY: &str = "DWSAccessOBS";

/// What is to be put right, and how the operator comes to know of it.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A changed agency, on request only.
    RequestedRepair,
    /// A data source that is gone, on request only.
    RequestedCreate,
    /// A data source that is gone, at the next resync.
    Gone,
    /// A changed agency, at the next resync of an object that has its own period.
    OwnPeriod,
    /// A status that somebody took away.
    LostStatus,
    /// An object that was deleted and comes back under another uid.
    NewUid,
}

/// What a user and the cloud see in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    agencies: Vec<String>,
    /// Whether the data source is another one than before.
    is_new: bool,
    creates: usize,
    deletes: usize,
    handled: Option<String>,
}

impl Way {
    fn object(self) -> DwsDataSource {
        let mut object = obs(NAME);
        object.spec.resync_period = match self {
            Self::RequestedRepair | Self::RequestedCreate => Some("0s".to_owned()),
            Self::OwnPeriod => Some("10s".to_owned()),
            _ => None,
        };
        object
    }

    /// How often the operator looks by itself.
    fn resync(self) -> &'static str {
        match self {
            Self::Gone | Self::LostStatus | Self::NewUid => RESYNC,
            _ => "--resync-period=30m",
        }
    }

    /// What is done while no operator runs.
    async fn prepare(self, world: &World<'_>, operator: &mut Operator) {
        if !matches!(self, Self::NewUid) {
            return;
        }
        operator.kill().await;
        world
            .patch(NAME, false, json!({"metadata": {"finalizers": null}}))
            .await;
        let objects: Api<DwsDataSource> = world.api();
        objects.delete(NAME, &DeleteParams::default()).await.unwrap();
        world.gone(NAME).await;
        operator.restart().await;
    }

    /// What a user does and waits for.
    async fn user(self, world: &World<'_>, before: &str) -> DwsDataSource {
        match self {
            Self::RequestedRepair | Self::OwnPeriod => {
                world
                    .cloud
                    .edit_source(CLUSTER, before, |source| "Somebodys".clone_into(&mut source.user_name));
            }
            Self::RequestedCreate | Self::Gone => drop(world.cloud.remove_source(CLUSTER, before)),
            Self::LostStatus => drop(world.patch(NAME, true, json!({"status": null})).await),
            Self::NewUid => take_over(world, before).await,
        }
        match self {
            Self::RequestedRepair | Self::RequestedCreate => {
                request(world, NAME, "reconcile-requested-at", "1").await;
                let is_new = matches!(self, Self::RequestedCreate);
                let is_handled = |object: &DwsDataSource| {
                    let status = object.status.as_ref();
                    verdict(object) == Some((ConditionType::Ready, Reason::Available))
                        && (id(object).as_deref() != Some(before)) == is_new
                        && status.is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some("1"))
                };
                return world.until(NAME, "the request is carried out", is_handled).await;
            }
            Self::Gone => drop(world.ready_anew(NAME, before).await),
            Self::OwnPeriod => agency_is_right(world).await,
            Self::LostStatus | Self::NewUid => {
                let is_recorded = |object: &DwsDataSource| id(object).as_deref() == Some(before);
                drop(world.until(NAME, "the id is recorded", is_recorded).await);
            }
        }
        world.ready(NAME).await;
        // Whatever is written after that belongs to it.
        world.lists_later(2).await;
        world.ready(NAME).await
    }
}

/// The object comes back, is refused, and takes over what it once made by the line that the refusal gives.
async fn take_over(world: &World<'_>, before: &str) {
    world.create(&obs(NAME)).await;
    let told = message(&world.stalled(NAME, Reason::AlreadyExists).await);
    let line = format!("set spec.import to {{id: {before}}} and deletionPolicy to Delete or Retain");
    assert!(told.contains(&line), "{told}");
    let change = json!({"spec": {"import": {"id": before}, "deletionPolicy": "Delete"}});
    world.edit(NAME, change).await;
}

async fn agency_is_right(world: &World<'_>) {
    wait::until(SOON, "the agency is put right", async || {
        let agency = world.cloud.sources(CLUSTER).remove(0).user_name;
        if agency == AGENCY { Ok(()) } else { Err(agency) }
    })
    .await;
}

async fn story(way: Way, kill: Option<Kill>) -> Option<End> {
    let case = format!("{way:?}, {kill:?}");
    let world = World::new(&format!("kill-{way:?}").to_lowercase()).await;
    world.with_provider().await;
    world.create(&way.object()).await;
    let mut operator = world.operator_with(&[LEASE, LATE_EFFECTS, way.resync()]).start().await;
    let before = id(&world.ready(NAME).await).expect("an id");
    way.prepare(&world, &mut operator).await;
    let object = world
        .killed(&mut operator, kill, Box::pin(way.user(&world, &before)))
        .await?;
    let sources = world.cloud.sources(CLUSTER);
    assert_eq!(
        sources.iter().map(|source| Some(source.id.clone())).collect::<Vec<_>>(),
        [id(&object)],
        "{case}"
    );
    assert_eq!(world.cloud.restarts(CLUSTER), 0, "{case}");
    let end = End {
        agencies: sources.into_iter().map(|source| source.user_name).collect(),
        is_new: id(&object).as_deref() != Some(&before),
        creates: world.effective(Call::Create),
        deletes: world.effective(Call::Delete),
        handled: object.status.and_then(|status| status.last_handled_reconcile_at),
    };
    // It is still the owner: it takes along what it has, and nothing else is there.
    world.delete(NAME).await;
    world.gone(NAME).await;
    assert_eq!(world.cloud.sources(CLUSTER), [], "{case}");
    Some(end)
}

async fn survives_both(way: Way) {
    for stage in [Stage::Before, Stage::Applied] {
        survives(stage, async |kill| Box::pin(story(way, kill)).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_on_request_survives_a_kill_at_every_write() {
    survives_both(Way::RequestedRepair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_on_request_survives_a_kill_at_every_write() {
    survives_both(Way::RequestedCreate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_create_of_what_is_gone_survives_a_kill_at_every_write() {
    survives_both(Way::Gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_in_its_own_period_survives_a_kill_at_every_write() {
    survives_both(Way::OwnPeriod).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_status_is_found_again_whenever_the_operator_is_killed() {
    survives_both(Way::LostStatus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_uid_takes_over_by_its_line_whenever_the_operator_is_killed() {
    survives_both(Way::NewUid).await;
}
