//! Random walks through the specs that the schema allows and refuses: whatever way an object came, the cloud holds what its last accepted spec
//! asks for, and the same as for an object that begins with it.

use std::collections::BTreeSet;

use dws_operator::api::data_source::{DwsDataSource, Observed, ReplacementPolicy};
use dws_operator::api::{ConditionType, Reason, names};
use dws_simulator::Source;
use dws_testbed::wait;
use futures::future::join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::update::request;
use crate::world::{PROJECT, SOON, World, cluster, obs, on_cluster, secret, verdict};

/// How many walks, and how many steps each has.
const WALKS: usize = 12;
const STEPS: usize = 16;
/// Where the fresh objects are.
const FRESH: usize = 500;

/// Values for each field of the spec: some that are taken, some that are refused, and some that are only taken together with others.
fn values(field: &str, walk: usize) -> Vec<Value> {
    let mrs = json!({
        "type": "MRS", "dataSourceID": "0f3b7c52-9d1e-4a86-b1c4-2e5f60718293",
        "userPwd": {"secretKeyRef": {"name": "mrs-account", "key": "password"}},
    });
    let obs = json!({"type": "OBS", "userPwd": null, "connectInfo": "gaussdb"});
    let formation = json!({"type": "LAKE_FORMATION", "userPwd": null, "dataSourceID": null});
    let one = |values: &[Value]| values.iter().map(|value| json!({ field: value })).collect();
    match field {
        "clusterID" => one(&[
            json!(cluster(10 * walk)),
            json!(cluster(10 * walk + 1)),
            json!("nowhere"),
        ]),
        "type" => vec![mrs, obs, formation, json!({"type": "S3"}), json!({"type": "MRS"})],
        "dataSourceName" => one(&[
            json!(format!("walk_{walk}")),
            json!(format!("other_{walk}")),
            json!("a-b"),
        ]),
        "dataSourceID" => one(&[json!("1f3b7c52-9d1e-4a86-b1c4-2e5f60718293"), json!(""), Value::Null]),
        "userName" => one(&[json!("AgencyA"), json!("AgencyB"), json!("no agency")]),
        "userPwd" => one(&[
            json!({"secretKeyRef": {"name": "another-account", "key": "password"}}),
            json!({"secretKeyRef": {"name": "mrs-account", "key": ""}}),
            Value::Null,
        ]),
        "connectInfo" => one(&[json!("gaussdb"), json!("postgres"), json!("two\nlines")]),
        "description" => one(&[json!("walked"), json!("a [k8s: mark"), Value::Null]),
        "reboot" => one(&[json!(true), json!(false), json!("yes")]),
        "providerRef" => one(&[
            json!({"kind": "DwsProvider", "name": "default"}),
            json!({"kind": "Secret", "name": "default"}),
            Value::Null,
        ]),
        "projectID" => one(&[json!(PROJECT), json!("no project"), Value::Null]),
        "deletionPolicy" => one(&[json!("Delete"), json!("Keep"), Value::Null]),
        "managementPolicy" => one(&[json!("Observe"), json!("Manage"), json!("Watch")]),
        "import" => vec![
            json!({"import": {"name": format!("walk_{walk}"), "policy": "IfExists"}, "deletionPolicy": "Delete"}),
            json!({"import": {"id": "x", "name": "y"}}),
            json!({"import": null}),
        ],
        "replacementPolicy" => one(&[json!("Always"), json!("OnApproval"), json!("Sometimes")]),
        "resyncPeriod" => one(&[json!("10s"), json!("1s"), Value::Null]),
        other => panic!("the schema has a new field, which walks have to know: {other}"),
    }
}

/// A small generator of numbers, the same for each run: a failure comes again.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        // The constants of Knuth's MMIX (The Art of Computer Programming, volume 2, section 3.3.4).
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// What the cloud has to hold for a spec, but for the id and the cluster.
fn wanted(world: &World<'_>, object: &DwsDataSource) -> Value {
    let spec = &object.spec;
    let password = spec.user_pwd.as_ref().map(|user_pwd| {
        let is_other = user_pwd.secret_key_ref.name == "another-account";
        world.cloud.digest(if is_other {
            "Another-Passw0rd"
        } else {
            crate::world::PASSWORD
        })
    });
    json!({
        "name": spec.data_source_name, "type": spec.type_.as_str(), "user": spec.user_name, "password": password,
        "description": spec.description.clone().unwrap_or_default(),
        "database": spec.connect_info, "mrs": spec.data_source_id,
    })
}

/// The same of what the cloud holds.
fn held(source: &Source) -> Value {
    let description = source.description.clone().unwrap_or_default();
    json!({
        "name": source.name, "type": source.type_, "user": source.user_name, "password": source.password,
        "description": names::strip(&description).0,
        "database": source.connect_info, "mrs": source.data_source_id,
    })
}

async fn settled(world: &World<'_>, name: &str) -> DwsDataSource {
    world
        .until(name, "Ready for its generation", |object| {
            let observed = object.status.as_ref().and_then(|status| status.observed_generation);
            verdict(object) == Some((ConditionType::Ready, Reason::Available)) && observed == object.metadata.generation
        })
        .await
}

/// All data sources in the cloud that a walk may have made.
fn sources(world: &World<'_>, walk: usize) -> Vec<Source> {
    (0..2)
        .flat_map(|n| world.cloud.sources(&cluster(10 * walk + n)))
        .collect()
}

/// Every value of every field, in the order of the dice.
fn deck(fields: &BTreeSet<String>, walk: usize, dice: &mut Dice) -> Vec<(String, Value)> {
    let of = |field: &String| {
        values(field, walk)
            .into_iter()
            .map(|value| (field.clone(), value))
            .collect::<Vec<_>>()
    };
    let mut deck: Vec<_> = fields.iter().flat_map(of).collect();
    for n in (1..deck.len()).rev() {
        deck.swap(n, dice.roll(n + 1));
    }
    deck
}

/// What became of a step: which field, and whether the API server took it.
type Step = (String, bool);

async fn walk(world: &World<'_>, fields: &BTreeSet<String>, walk: usize) -> Vec<Step> {
    let name = format!("walk-{walk}");
    let mut dice = Dice(u64::try_from(walk).unwrap() + 1);
    let mut object = on_cluster(10 * walk, obs(&name));
    object.spec.replacement_policy = Some(ReplacementPolicy::Always);
    world.create(&object).await;
    let mut steps = Vec::new();
    // All walks together go through all values: each begins where the one before ends.
    let deck = deck(fields, walk, &mut Dice(1));
    for (field, value) in deck.into_iter().cycle().skip(walk * STEPS).take(STEPS) {
        let change = Patch::Merge(json!({"spec": value}));
        match world
            .api::<DwsDataSource>()
            .patch(&name, &PatchParams::default(), &change)
            .await
        {
            Ok(_) => steps.push((field, true)),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => steps.push((field, false)),
            Err(error) => panic!("{error}"),
        }
        match dice.roll(6) {
            0 => {
                // Deleted and created again with the spec that it had.
                let last = world.api::<DwsDataSource>().get(&name).await.unwrap();
                world
                    .edit(
                        &name,
                        json!({"spec": {"deletionPolicy": "Delete", "managementPolicy": null}}),
                    )
                    .await;
                world.delete(&name).await;
                world.gone(&name).await;
                let mut again = DwsDataSource::new(&name, last.spec);
                again.spec.management_policy = None;
                world.create(&again).await;
            }
            1 | 2 => {
                world
                    .until(&name, "a verdict for its generation", |object| {
                        let about = |condition: &dws_operator::api::Condition| {
                            Some(condition.observed_generation) == object.metadata.generation
                        };
                        object
                            .status
                            .as_ref()
                            .is_some_and(|status| status.conditions.iter().any(about))
                    })
                    .await;
            }
            _ => {}
        }
    }
    let end = arrived(world, &name, walk).await;
    let left = sources(world, walk);
    assert_eq!(left.len(), 1, "walk {walk}: {left:#?}");
    assert_eq!(held(&left[0]), wanted(world, &end), "walk {walk}");
    let status = end.status.expect("a status");
    assert_eq!((Some(&left[0].id), &status.plan), (status.id.as_ref(), &None));

    let mut fresh = DwsDataSource::new(&format!("fresh-{walk}"), end.spec);
    fresh.spec.cluster_id = cluster(FRESH + walk);
    fresh.spec.import = None;
    world.create(&fresh).await;
    let fresh = settled(world, &format!("fresh-{walk}")).await;
    let beside = world.cloud.sources(&cluster(FRESH + walk));
    assert_eq!(held(&beside[0]), held(&left[0]), "walk {walk}: a fresh one is the same");
    let fresh = fresh.status.expect("a status");
    let seen = |observed: Option<Observed>| observed.map(|seen| (seen.status, seen.configure_status, seen.user_name));
    assert_eq!(
        (seen(fresh.observed), fresh.plan, fresh.retry),
        (seen(status.observed), status.plan, status.retry),
        "walk {walk}: and so is what is told of it"
    );
    steps
}

/// The end of a walk: every other one comes to it by approvals.
async fn arrived(world: &World<'_>, name: &str, walk: usize) -> DwsDataSource {
    let policy = if walk.is_multiple_of(2) { "Always" } else { "OnApproval" };
    world
        .edit(
            name,
            json!({"spec": {"managementPolicy": null, "replacementPolicy": policy}}),
        )
        .await;
    loop {
        let shown = world
            .until(name, "Ready, or a plan to approve", |object| {
                let observed = object.status.as_ref().and_then(|status| status.observed_generation);
                let reason = verdict(object).map(|(_, reason)| reason);
                observed == object.metadata.generation
                    && (reason == Some(Reason::Available)
                        || (reason == Some(Reason::ApprovalRequired) && unapproved(object).is_some()))
            })
            .await;
        match unapproved(&shown) {
            Some(plan) => request(world, name, "approve", &plan).await,
            None => return settled(world, name).await,
        }
    }
}

/// The plan that waits for an approval and has none.
fn unapproved(object: &DwsDataSource) -> Option<String> {
    let plan = object.status.as_ref()?.plan.as_ref()?;
    let approved = object.annotations().get(names::APPROVE_ANNOTATION);
    (approved != Some(&plan.id)).then(|| plan.id.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_way_a_spec_came_the_cloud_holds_what_it_asks_for() {
    let world = World::new("walks").await;
    world.with_provider().await;
    world.with_password().await;
    world
        .create(&secret("another-account", &[("password", "Another-Passw0rd")]))
        .await;
    let definitions = kube::Api::<CustomResourceDefinition>::all(world.namespace.admin());
    let definition = definitions.get("dwsdatasources.dws.huaweicloud.com").await.unwrap();
    let definition = serde_json::to_value(definition).unwrap();
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let fields: BTreeSet<String> = spec.as_object().unwrap().keys().cloned().collect();
    let _operator = world.operator_with(&["--lease=1m"]).start().await;
    let steps = join_all((0..WALKS).map(|n| walk(&world, &fields, n))).await.concat();
    for field in &fields {
        for taken in [true, false] {
            assert!(
                steps.contains(&(field.clone(), taken)),
                "no walk has {field} {}",
                if taken { "accepted" } else { "refused" }
            );
        }
    }
    wait::until(SOON, "no more was made than is held", async || {
        let strays: Vec<_> = (0..WALKS)
            .map(|n| sources(&world, n).len())
            .filter(|count| *count != 1)
            .collect();
        if strays.is_empty() { Ok(()) } else { Err(strays) }
    })
    .await;
}
