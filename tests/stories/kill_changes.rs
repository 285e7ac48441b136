//! The operator is killed at every write of every way in which a living data source changes, and started again: the end is the same as without.

use std::fmt::Debug;

use dws_operator::api::data_source::{DwsDataSource, ReplacementPolicy};
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::Call as CloudCall;
use dws_testbed::{Action, Api, Call, Rule, Stage, wait};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::update::{RESYNC, request};
use crate::world::{CLUSTER, SOON, World, id, mrs, obs, verdict};

/// More writes than any of these ways has.
const WRITES_MAX: u64 = 16;
/// How many operators are killed side by side.
const AT_ONCE: u64 = 2;
/// A machine that has much to do takes no lease away; a killed operator takes its own one over at once.
const LEASE: &str = "--lease=1m";

/// A way in which a data source changes.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// An edit of the agency.
    Update,
    /// A request for a restart.
    Reboot,
    /// A request to renew the agency's credentials.
    Refresh,
    /// An edit that takes a new data source.
    Replace,
    /// A new password.
    Rotate,
}

/// What a user and the cloud see in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    user_name: String,
    connect_info: Option<String>,
    password: Option<String>,
    sources: usize,
    /// Whether the data source is another one than before.
    is_new: bool,
    restarts: u64,
}

impl Change {
    fn object(self) -> DwsDataSource {
        let mut object = match self {
            Self::Rotate => mrs("lake"),
            _ => obs("lake"),
        };
        object.spec.replacement_policy = Some(ReplacementPolicy::Always);
        object
    }

    async fn begin(self, world: &World<'_>) {
        match self {
            Self::Update => {
                world.edit("lake", json!({"spec": {"userName": "Other"}})).await;
            }
            Self::Reboot => request(world, "lake", "reboot-requested-at", "1").await,
            Self::Refresh => request(world, "lake", "refresh-requested-at", "1").await,
            Self::Replace => {
                world.edit("lake", json!({"spec": {"connectInfo": "postgres"}})).await;
            }
            Self::Rotate => {
                let change = Patch::Merge(json!({"stringData": {"password": "Another-Passw0rd"}}));
                let secrets = world.api::<Secret>();
                secrets
                    .patch("mrs-account", &PatchParams::default(), &change)
                    .await
                    .unwrap();
            }
        }
    }

    /// Whether the object tells that the change is carried out.
    fn is_over(self, object: &DwsDataSource, before: Option<&str>) -> bool {
        let Some(status) = &object.status else { return false };
        let is_ready = verdict(object) == Some((ConditionType::Ready, Reason::Available));
        let is_new = status.id.as_deref() != before;
        is_ready
            && match self {
                Self::Update => status.observed_generation == Some(2),
                Self::Reboot => status.last_handled_reboot_at.is_some(),
                Self::Refresh => status.last_handled_refresh_at.is_some(),
                Self::Replace | Self::Rotate => is_new,
            }
    }
}

fn is_write(call: &Call) -> bool {
    let is_object = call.path.contains("/dwsdatasources/lake");
    (call.api == Api::Kube && call.method == "PATCH" && is_object)
        || (call.api == Api::Cloud && matches!(call.method.as_str(), "POST" | "PUT" | "DELETE"))
}

/// Carries the change out, with the operator killed at its `nth` write, if it has so many; returns what came of it.
async fn carried_out(change: Change, kill: Option<(Stage, u64)>) -> Option<End> {
    let world = World::new(&format!("kill-{change:?}").to_lowercase()).await;
    world.with_provider().await;
    world.with_password().await;
    world.create(&change.object()).await;
    let mut operator = world.operator_with(&[RESYNC, LEASE, "--late-effects=4s"]).start().await;
    let before = id(&world.ready("lake").await);
    let hit = kill.map(|(stage, nth)| {
        world
            .namespace
            .proxy()
            .on(Rule::new(stage, Action::Hold, is_write).nth(nth))
    });
    change.begin(&world).await;
    let over = async || {
        world
            .until("lake", "the change is carried out", |object| {
                change.is_over(object, before.as_deref())
            })
            .await
    };
    if let Some(mut hit) = hit {
        let is_hit = tokio::select! {
            _ = hit.reached(SOON) => true,
            _ = over() => false,
        };
        if !is_hit {
            return None;
        }
        operator.kill().await;
        hit.cut();
        drop(hit);
        operator.restart().await;
    }
    let object = over().await;
    // What is still under way in the cloud comes to its end.
    wait::until(SOON, "one is left", async || {
        let sources = world.cloud.sources(CLUSTER);
        if sources.len() == 1 { Ok(()) } else { Err(sources) }
    })
    .await;
    world.lists_later(3).await;
    let source = world.cloud.sources(CLUSTER).remove(0);
    assert_eq!(Some(&source.id), id(&object).as_ref(), "{change:?}, {kill:?}");
    assert!(
        world.effective(CloudCall::Create) <= 2,
        "{change:?}, {kill:?}: nothing is created twice"
    );
    Some(End {
        user_name: source.user_name,
        connect_info: source.connect_info,
        password: source
            .password
            .map(|digest| (digest == world.cloud.digest("Another-Passw0rd")).to_string()),
        sources: world.cloud.sources(CLUSTER).len(),
        is_new: Some(source.id) != before,
        restarts: world.cloud.restarts(CLUSTER),
    })
}

/// A restart that was recorded and may have been sent is not sent again; all else comes to the same end.
async fn survives(change: Change, stage: Stage) {
    let whole = carried_out(change, None).await.expect("nothing is killed");
    let mut nth = 1;
    loop {
        let ends =
            join_all((nth..nth + AT_ONCE).map(async |nth| (nth, carried_out(change, Some((stage, nth))).await))).await;
        for (nth, end) in &ends {
            let Some(end) = end else { continue };
            match change {
                Change::Reboot => {
                    assert!(
                        end.restarts <= 1,
                        "{change:?} killed at write {nth}, {stage:?}: {end:?}"
                    );
                    assert_eq!(end.sources, 1);
                }
                _ => assert_eq!(*end, whole, "{change:?} killed at write {nth}, {stage:?}"),
            }
        }
        if ends.iter().any(|(_, end)| end.is_none()) {
            return;
        }
        nth += AT_ONCE;
        assert!(nth < WRITES_MAX, "{change:?} never comes to its end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_survives_a_kill_at_every_write() {
    survives(Change::Update, Stage::Before).await;
    survives(Change::Update, Stage::Applied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_request_is_asked_for_at_most_once_whenever_the_operator_is_killed() {
    survives(Change::Reboot, Stage::Before).await;
    survives(Change::Reboot, Stage::Applied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_survives_a_kill_at_every_write() {
    survives(Change::Refresh, Stage::Before).await;
    survives(Change::Refresh, Stage::Applied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_survives_a_kill_before_each_write() {
    survives(Change::Replace, Stage::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_survives_a_kill_after_each_write_took_effect() {
    survives(Change::Replace, Stage::Applied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_a_kill_before_each_write() {
    survives(Change::Rotate, Stage::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_a_kill_after_each_write_took_effect() {
    survives(Change::Rotate, Stage::Applied).await;
}
