//! What the cloud says to a create becomes one verdict that names the way out, and never a storm of requests.

use std::time::Duration;

use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Answer, Body, Call, Fault, LogEntry, Shape};
use dws_testbed::{Kstatus, kstatus};

use crate::world::{World, message, obs, on_cluster, verdict};

/// A refusal, and what the user must read.
struct Row {
    name: &'static str,
    answer: Answer,
    condition: ConditionType,
    reason: Reason,
    /// The code or status that the message repeats.
    code: &'static str,
    /// The words that say what to do.
    advice: &'static str,
    /// The least time between two creates.
    pause: Duration,
}

/// How long a refusal that needs a person stands before the next create, in the stories' waits.
const RECHECK: Duration = Duration::from_secs(4);
/// Half of the first wait after a failure: what jitter leaves of it.
const FIRST_WAIT: Duration = Duration::from_millis(120);

impl Row {
    fn stalled(name: &'static str, answer: Answer, reason: Reason, code: &'static str, advice: &'static str) -> Self {
        Row {
            name,
            answer,
            condition: ConditionType::Stalled,
            reason,
            code,
            advice,
            pause: RECHECK,
        }
    }

    fn retried(name: &'static str, answer: Answer, reason: Reason, code: &'static str, advice: &'static str) -> Self {
        Row {
            name,
            answer,
            condition: ConditionType::Reconciling,
            reason,
            code,
            advice,
            pause: FIRST_WAIT,
        }
    }
}

fn rows() -> Vec<Row> {
    use Reason::{
        AccessDenied, AlreadyExists, CredentialsRejected, InvalidSpec, RateLimited, Retrying, WaitingForCluster,
    };
    let spec = "correct the spec";
    let permission = "lack a permission";
    let cluster = "check clusterID";
    let busy = "busy with another operation; trying again";
    let shaped = |status, shape, code| Answer::shaped(status, shape, code, "The cloud's own words.");
    let bare = |status| Answer::with_body(status, Body::Empty);
    vec![
        Row::stalled(
            "parameter",
            shaped(400, Shape::ErrorCode, "DWS.0001"),
            InvalidSpec,
            "DWS.0001",
            spec,
        ),
        Row::stalled(
            "old_shape",
            shaped(400, Shape::ErrCode, "DWS.5130"),
            InvalidSpec,
            "DWS.5130",
            spec,
        ),
        Row::stalled(
            "both_shapes",
            shaped(400, Shape::Both, "DWS.5198"),
            InvalidSpec,
            "DWS.5198",
            spec,
        ),
        Row::stalled(
            "in_base64",
            shaped(400, Shape::Base64, "DWS.5199"),
            InvalidSpec,
            "DWS.5199",
            spec,
        ),
        Row::stalled(
            "success_400",
            shaped(200, Shape::Success, "DWS.5206"),
            InvalidSpec,
            "DWS.5206",
            spec,
        ),
        Row::stalled("unnamed_400", bare(400), InvalidSpec, "HTTP 400", spec),
        Row::stalled(
            "bare_401",
            bare(401),
            CredentialsRejected,
            "HTTP 401",
            "correct its Secret",
        ),
        Row::stalled("bare_403", bare(403), AccessDenied, "HTTP 403", permission),
        Row::stalled(
            "iam_403",
            shaped(403, Shape::Iam, "403"),
            AccessDenied,
            "The cloud's own words.",
            permission,
        ),
        Row::stalled(
            "gateway_403",
            shaped(403, Shape::Gateway, "APIGW.0302"),
            AccessDenied,
            "APIGW.0302",
            permission,
        ),
        Row::stalled(
            "denied",
            shaped(403, Shape::ErrorCode, "DWS.0032"),
            AccessDenied,
            "DWS.0032",
            permission,
        ),
        Row::stalled(
            "denied_or_gone",
            shaped(404, Shape::ErrorCode, "DWS.0015"),
            AccessDenied,
            "DWS.0015",
            permission,
        ),
        Row::retried(
            "gone",
            shaped(404, Shape::ErrorCode, "DWS.0047"),
            WaitingForCluster,
            "DWS.0047",
            cluster,
        ),
        Row::retried("bare_404", bare(404), WaitingForCluster, "HTTP 404", cluster),
        Row::retried(
            "throttled",
            shaped(429, Shape::Gateway, "APIGW.0308"),
            RateLimited,
            "APIGW.0308",
            "limits the rate of requests; trying again later",
        ),
        Row::retried(
            "busy_409",
            shaped(409, Shape::ErrorCode, "DWS.0011"),
            Retrying,
            "DWS.0011",
            busy,
        ),
        Row::retried(
            "busy_403",
            shaped(403, Shape::Both, "DWS.7023"),
            Retrying,
            "DWS.7023",
            busy,
        ),
        Row::retried("busy_417", bare(417), Retrying, "HTTP 417", busy),
        Row::stalled("bare_409", bare(409), AlreadyExists, "HTTP 409", "choose another"),
        Row::stalled(
            "unknown_409",
            shaped(409, Shape::ErrCode, "DWS.4711"),
            AlreadyExists,
            "DWS.4711",
            "choose another",
        ),
        Row::stalled(
            "exists",
            shaped(400, Shape::ErrorCode, "DWS.0031"),
            AlreadyExists,
            "DWS.0031",
            "choose another",
        ),
    ]
}

/// Each refusal has its condition, its reason and its way out; it is repeated no sooner than announced; and once the cloud
/// thinks better of it, the object becomes Ready without a touch.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_create_says_what_to_do_and_recovers_by_itself() {
    let world = World::new("verdicts").await;
    world.with_provider().await;
    let rows = rows();
    for row in &rows {
        world
            .cloud
            .add_fault(Fault::on(Call::Create, row.answer.clone()).name(row.name));
    }
    // The pause after refused credentials is the breaker's; here it is as long as the others.
    let _operator = world.operator_with(&["--breaker-window=4s"]).start().await;
    for (n, row) in rows.iter().enumerate() {
        let mut object = on_cluster(n, obs(&row.name.replace('_', "-")));
        object.spec.data_source_name = row.name.to_owned();
        world.create(&object).await;
    }
    for row in &rows {
        let name = row.name.replace('_', "-");
        let what = format!("{} {}", row.condition_name(), row.reason);
        let object = world
            .until(&name, &what, |object| {
                verdict(object) == Some((row.condition, row.reason))
            })
            .await;
        let message = message(&object);
        assert!(
            message.contains(row.code) && message.contains(row.advice),
            "{name}: {message}"
        );
        assert!(!message.to_lowercase().contains("request id"), "{name}: {message}");
        let status = object.status.unwrap();
        assert!(status.id.is_none() && status.retry.is_some(), "{name}");
    }
    // By the third create of the slowest, a storm would show in any of them.
    for row in &rows {
        let third = |log: &[LogEntry]| {
            log.iter()
                .filter(|entry| entry.call == Call::Create && entry.name.as_deref() == Some(row.name))
                .count()
                >= 3
        };
        world
            .cloud
            .wait_log(crate::world::SOON, third)
            .await
            .expect("it is tried again");
    }
    for row in &rows {
        for pair in world.posts(row.name).windows(2) {
            let pause = pair[1].time.duration_since(pair[0].time).unsigned_abs();
            assert!(pause >= row.pause, "{}: a create {pause:?} after the last", row.name);
        }
        let versions = world
            .namespace
            .recorder()
            .versions("DwsDataSource", &row.name.replace('_', "-"));
        let failed = versions
            .iter()
            .filter(|version| kstatus(&version.object) == Kstatus::Failed)
            .count();
        assert_eq!(
            failed > 0,
            row.condition == ConditionType::Stalled,
            "{}: kstatus Failed {failed} times",
            row.name
        );
        assert!(
            versions
                .iter()
                .all(|version| kstatus(&version.object) != Kstatus::Current),
            "{}",
            row.name
        );
    }
    world.cloud.clear_faults();
    for (n, row) in rows.iter().enumerate() {
        let object = world.ready(&row.name.replace('_', "-")).await;
        assert_eq!(object.metadata.generation, Some(1), "{}: nobody touched it", row.name);
        assert_eq!(world.cloud.sources(&crate::world::cluster(n)).len(), 1, "{}", row.name);
    }
    assert_eq!(world.effective(Call::Create), rows.len());
}

impl Row {
    fn condition_name(&self) -> String {
        format!("{:?}", self.condition)
    }
}

/// The database that an OBS data source names can be created later: the refusal ends by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_appears_later_ends_the_refusal() {
    let world = World::new("verdicts").await;
    world.with_provider().await;
    world
        .cloud
        .update_settings(|settings| settings.databases = vec!["postgres".to_owned()]);
    let _operator = world.operator().start().await;
    world.create(&obs("lake")).await;
    let object = world.stalled("lake", Reason::InvalidSpec).await;
    assert!(message(&object).contains("DWS.5172"), "{}", message(&object));
    world
        .cloud
        .update_settings(|settings| settings.databases.push("gaussdb".to_owned()));
    let object = world.ready("lake").await;
    assert_eq!(object.metadata.generation, Some(1));
}
