//! The operator is killed at every write of every way in which a living data source changes, and started again: the end is the same as without.
//!
//! To be killed after an answer is to be killed before the next write: nothing outside the process happens in between.

use std::sync::atomic::{AtomicBool, Ordering};

use dws_operator::api::data_source::{DwsDataSource, ReplacementPolicy};
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::Call as CloudCall;
use dws_testbed::{Stage, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::update::{RESYNC, request};
use crate::world::{CLUSTER, Kill, SOON, World, id, mrs, obs, survives, verdict};

/// A machine that has much to do takes no lease away; a killed operator takes its own one over at once.
const LEASE: &str = "--lease=1m";
const OTHER_PASSWORD: &str = "Another-Passw0rd";

/// A way in which a data source changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// An edit of the agency.
    Update,
    /// The same, with a restart.
    UpdateAndRestart,
    /// A request for a restart.
    Reboot,
    /// A request to renew the agency's credentials.
    Refresh,
    /// An edit that takes a new data source, and its approval.
    Replace,
    /// A new password, where nobody has to be asked.
    Rotate,
    /// The operator is told to observe only, and then to manage again.
    Observe,
}

/// What a user and the cloud see in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    user_name: String,
    connect_info: Option<String>,
    has_other_password: bool,
    /// Whether the data source is another one than before.
    is_new: bool,
    /// How many restarts there were, where none was asked for.
    restarts: Option<u64>,
}

impl Change {
    fn object(self) -> DwsDataSource {
        let mut object = match self {
            Self::Rotate => mrs("lake"),
            _ => obs("lake"),
        };
        object.spec.replacement_policy = Some(match self {
            Self::Replace => ReplacementPolicy::OnApproval,
            _ => ReplacementPolicy::Always,
        });
        object
    }

    fn asks_for_restart(self) -> bool {
        matches!(self, Self::Reboot | Self::UpdateAndRestart)
    }

    /// What a user does and waits for.
    async fn user(self, world: &World<'_>, before: &str) -> DwsDataSource {
        match self {
            Self::Update => {
                world.edit("lake", json!({"spec": {"userName": "Other"}})).await;
            }
            Self::UpdateAndRestart => {
                let edit = json!({"spec": {"userName": "Other", "reboot": true}});
                world.edit("lake", edit).await;
            }
            Self::Reboot => request(world, "lake", "reboot-requested-at", "1").await,
            Self::Refresh => request(world, "lake", "refresh-requested-at", "1").await,
            Self::Replace => {
                world.edit("lake", json!({"spec": {"connectInfo": "postgres"}})).await;
                let shown = world.stalled("lake", Reason::ApprovalRequired).await;
                let plan = shown.status.and_then(|status| status.plan).expect("a plan");
                request(world, "lake", "approve", &plan.id).await;
            }
            Self::Rotate => {
                let change = Patch::Merge(json!({"stringData": {"password": OTHER_PASSWORD}}));
                let secrets = world.api::<Secret>();
                secrets
                    .patch("mrs-account", &PatchParams::default(), &change)
                    .await
                    .unwrap();
            }
            Self::Observe => {
                for policy in ["Observe", "Manage"] {
                    let edited = world.edit("lake", json!({"spec": {"managementPolicy": policy}})).await;
                    world
                        .until("lake", "Ready for its generation", |object| {
                            is_ready(object, edited.metadata.generation)
                        })
                        .await;
                }
            }
        }
        world
            .until("lake", "the change is carried out", |object| {
                self.is_over(object, before)
            })
            .await
    }

    /// Whether the object tells that the change is carried out.
    fn is_over(self, object: &DwsDataSource, before: &str) -> bool {
        let Some(status) = &object.status else { return false };
        is_ready(object, object.metadata.generation)
            && match self {
                Self::Update | Self::UpdateAndRestart | Self::Observe => true,
                Self::Reboot => status.last_handled_reboot_at.is_some(),
                Self::Refresh => status.last_handled_refresh_at.is_some(),
                Self::Replace | Self::Rotate => status.id.as_deref() != Some(before),
            }
    }
}

fn is_ready(object: &DwsDataSource, generation: Option<i64>) -> bool {
    let observed = object.status.as_ref().and_then(|status| status.observed_generation);
    verdict(object) == Some((ConditionType::Ready, Reason::Available)) && observed == generation
}

/// `given_up` remembers whether the user was told that a restart which nobody knows of is not asked for again.
async fn story(change: Change, kill: Option<Kill>, given_up: &AtomicBool) -> Option<End> {
    let case = format!("{change:?}, {kill:?}");
    let world = World::new(&format!("kill-{change:?}").to_lowercase()).await;
    world.with_provider().await;
    world.with_password().await;
    world.create(&change.object()).await;
    let mut operator = world.operator_with(&[RESYNC, LEASE, "--late-effects=4s"]).start().await;
    let before = id(&world.ready("lake").await).expect("an id");
    let user = Box::pin(change.user(&world, &before));
    let object = world.killed(&mut operator, kill, user).await?;
    // What is still under way in the cloud comes to its end.
    wait::until(SOON, "one is left", async || {
        let sources = world.cloud.sources(CLUSTER);
        if sources.len() == 1 { Ok(()) } else { Err(sources) }
    })
    .await;
    world.lists_later(3).await;
    let source = world.cloud.sources(CLUSTER).remove(0);
    assert_eq!(Some(&source.id), id(&object).as_ref(), "{case}");
    assert!(
        world.effective(CloudCall::Create) <= 2,
        "{case}: nothing is created twice"
    );
    let restarts = world.cloud.restarts(CLUSTER);
    if change.asks_for_restart() {
        // One that may have been sent is not sent again.
        assert!(restarts == 1 || (restarts == 0 && kill.is_some()), "{case}: {restarts}");
        let events = world.events("lake").await;
        let is_told = events.iter().any(|reason| reason == "RestartNotRepeated");
        given_up.fetch_or(restarts == 0 && is_told, Ordering::Relaxed);
    }
    Some(End {
        user_name: source.user_name,
        connect_info: source.connect_info,
        has_other_password: source.password == Some(world.cloud.digest(OTHER_PASSWORD)),
        is_new: source.id != before,
        restarts: (!change.asks_for_restart()).then_some(restarts),
    })
}

async fn survives_at(stages: &[Stage], change: Change) {
    let given_up = AtomicBool::new(false);
    for stage in stages {
        survives(*stage, async |kill| Box::pin(story(change, kill, &given_up)).await).await;
    }
    assert_eq!(given_up.into_inner(), change.asks_for_restart());
}

const BOTH: &[Stage] = &[Stage::Before, Stage::Applied];

#[tokio::test(flavor = "multi_thread")]
async fn an_update_survives_a_kill_at_every_write() {
    survives_at(BOTH, Change::Update).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_with_a_restart_asks_for_it_at_most_once_whenever_the_operator_is_killed() {
    survives_at(BOTH, Change::UpdateAndRestart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_request_is_asked_for_at_most_once_whenever_the_operator_is_killed() {
    survives_at(BOTH, Change::Reboot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_survives_a_kill_at_every_write() {
    survives_at(BOTH, Change::Refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_replacement_survives_a_kill_before_each_write() {
    survives_at(&[Stage::Before], Change::Replace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_replacement_survives_a_kill_after_each_write_took_effect() {
    survives_at(&[Stage::Applied], Change::Replace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_a_kill_before_each_write() {
    survives_at(&[Stage::Before], Change::Rotate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_a_kill_after_each_write_took_effect() {
    survives_at(&[Stage::Applied], Change::Rotate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_for_a_while_survives_a_kill_at_every_write() {
    survives_at(BOTH, Change::Observe).await;
}
