//! A create whose answer is an error, garbage or missing: in the end one data source, and Ready.

use std::time::Duration;

use dws_operator::api::DwsDataSource;
use dws_operator::api::data_source::AttemptOutcome;
use dws_simulator::{Answer, Body, Call, Disconnect, Fault, LogEntry, Shape};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::world::{ON_ITS_WAY, World, cluster, obs};

/// The write deadline of the stories.
const WRITE_DEADLINE: SignedDuration = SignedDuration::from_secs(2);
/// The gap between the two lists that settle an unanswered create, where it is measured.
const SETTLE_GAP: SignedDuration = SignedDuration::from_secs(2);
/// How long a create without an answer is watched for late effects after its deadline, in the stories.
const LATE_EFFECTS: SignedDuration = SignedDuration::from_secs(10);
/// How long one that DWS answered with an error is.
const LATE_EFFECTS_ANSWERED: SignedDuration = SignedDuration::from_secs(4);

/// What the operator has to make of a faulty create.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Nothing was created, and the answer says so: the next create follows no earlier than this long after the first.
    Refused { wait: Duration },
    /// Nothing was created, and DWS itself answered: the next create follows after the backoff and one list.
    Answered,
    /// Nothing was created, and nobody says so: the next create follows two lists after the deadline.
    Settled,
    /// It was created: the list shows it, and there is no second create.
    Recovered,
}

struct Case {
    name: String,
    fault: Fault,
    rule: Rule,
}

fn case(name: &str, fault: Fault, rule: Rule) -> Case {
    Case {
        name: name.to_owned(),
        fault,
        rule,
    }
}

/// An answer instead of the genuine one, without and with an effect.
fn both(name: &str, answer: &Answer, without: Rule) -> [Case; 2] {
    let fault = Fault::on(Call::Create, answer.clone());
    [
        case(&format!("{name}_lost"), fault.clone(), without),
        case(&format!("{name}_done"), fault.applied(), Rule::Recovered),
    ]
}

/// Creates one data source for each case, each on a cluster of its own, and holds what comes of it against its rule.
async fn all_end_well(world: &World<'_>, cases: &[Case]) {
    for (number, case) in cases.iter().enumerate() {
        world
            .cloud
            .add_fault(case.fault.clone().cluster(&cluster(number)).times(1));
    }
    let _operator = world.operator().args(["--settle-gap=2s"]).start().await;
    join_all(cases.iter().enumerate().map(async |(number, case)| {
        let mut source = obs(&case.name.replace('_', "-"));
        source.spec.cluster_id = cluster(number);
        let source = world.create(&source).await;
        ends_well(world, &source, case.rule).await;
    }))
    .await;
}

async fn ends_well(world: &World<'_>, source: &DwsDataSource, rule: Rule) {
    let name = source.metadata.name.as_deref().unwrap();
    let ready = world.ready(name).await;
    let status = ready.status.unwrap();
    let sources = world.cloud.sources(&source.spec.cluster_id);
    assert_eq!(sources.len(), 1, "{name}: one data source: {sources:#?}");
    assert_eq!(
        status.id.as_deref(),
        Some(sources[0].id.as_str()),
        "{name}: the recorded one"
    );
    assert!(status.retry.is_none(), "{name}: {:?}", status.retry);

    let log = world.cloud.log();
    let of_cluster: Vec<&LogEntry> = log
        .iter()
        .filter(|entry| entry.cluster.as_deref() == Some(&source.spec.cluster_id))
        .collect();
    let posts: Vec<&&LogEntry> = of_cluster.iter().filter(|entry| entry.call == Call::Create).collect();
    let between: Vec<Timestamp> = of_cluster
        .iter()
        .filter(|entry| entry.call == Call::List && entry.status == Some(200))
        .map(|list| list.time)
        .filter(|time| *time > posts[0].time && posts.get(1).is_none_or(|second| *time < second.time))
        .collect();
    assert!(
        of_cluster.iter().all(|entry| entry.call != Call::Delete),
        "{name}: no DELETE"
    );
    if rule == Rule::Recovered {
        assert_eq!(posts.len(), 1, "{name}: a data source that exists is not created again");
        world.event(name, "Recovered").await;
        return;
    }
    assert_eq!(posts.len(), 2, "{name}: one failed create and one that worked");
    let waited = posts[1].time.duration_since(posts[0].time);
    let attempt = status.last_attempt.unwrap();
    assert_eq!(
        attempt.outcome,
        AttemptOutcome::Created,
        "{name}: nothing was to be recovered"
    );
    let late_until = attempt.late_until;
    match rule {
        Rule::Refused { wait } => {
            assert!(waited.unsigned_abs() >= wait, "{name}: waited only {waited:#}");
            assert_eq!(late_until, None, "{name}: what was refused has no late effect");
        }
        Rule::Answered => {
            assert!(!between.is_empty(), "{name}: a fresh list precedes the second create");
            let watched = late_until.unwrap().duration_since(posts[1].time);
            assert!(
                watched <= LATE_EFFECTS_ANSWERED,
                "{name}: DWS has answered, late effects end soon, not after {watched:#}"
            );
        }
        Rule::Settled => {
            // The log tells when requests arrived, the rule counts from when they were sent.
            let deadline = posts[0].time + WRITE_DEADLINE - ON_ITS_WAY;
            let proof = between.iter().filter(|time| **time >= deadline).count();
            assert!(
                proof >= 2,
                "{name}: {proof} lists after the deadline do not prove the absence"
            );
            let last = between.last().unwrap();
            assert!(
                *last >= deadline + SETTLE_GAP,
                "{name}: the last list comes {SETTLE_GAP:#} after one that comes after the deadline"
            );
            let watched = late_until.unwrap().duration_since(deadline);
            assert!(
                watched >= LATE_EFFECTS,
                "{name}: nobody has answered, late effects are watched for longer than {watched:#}"
            );
        }
        Rule::Recovered => unreachable!("returned above"),
    }
}

/// Server errors of DWS itself: with a list and the backoff for 500 and 503, with the proof of silence for what a gateway sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_ends_in_one_data_source() {
    let world = World::new("unknown-5xx").await;
    world.with_provider().await;
    let mut cases = Vec::new();
    for status in [500, 502, 503, 504] {
        let dws = Answer::error(status, "DWS.0005", "Server failure.");
        let without = if matches!(status, 500 | 503) {
            Rule::Answered
        } else {
            Rule::Settled
        };
        cases.extend(both(&format!("dws_{status}"), &dws, without));
        let gateway = Answer::shaped(status, Shape::Gateway, "APIGW.0201", "Backend unavailable.");
        cases.extend(both(&format!("gateway_{status}"), &gateway, Rule::Settled));
        cases.extend(both(
            &format!("html_{status}"),
            &Answer::with_body(status, Body::Html),
            Rule::Settled,
        ));
    }
    all_end_well(&world, &cases).await;
}

/// Connections that break and successes that say nothing: the list tells what became of the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_unusable_answer_ends_in_one_data_source() {
    let world = World::new("unknown-lost").await;
    world.with_provider().await;
    let mut cases = Vec::new();
    for (name, answer) in [
        ("reset", Answer::Drop(Disconnect::Reset)),
        ("closed", Answer::Drop(Disconnect::Close)),
        ("hang", Answer::Hang),
        ("success_with_code", Answer::error(200, "DWS.0005", "Server failure.")),
        ("empty_success", Answer::with_body(200, Body::Empty)),
        ("html_success", Answer::with_body(200, Body::Html)),
        ("cut_json", Answer::with_body(200, Body::MalformedJson)),
        ("wrong_types", Answer::with_body(200, Body::WrongTypes)),
        ("oversized", Answer::with_body(200, Body::Oversized(2 << 20))),
        ("redirect", Answer::redirect("http://127.0.0.1:9/")),
    ] {
        cases.extend(both(name, &answer, Rule::Settled));
    }
    let create = |answer| Fault::on(Call::Create, answer);
    cases.push(case("truncated", create(Answer::Truncated), Rule::Recovered));
    cases.push(case(
        "unsafe_ids",
        create(Answer::Ids("../../x".to_owned())),
        Rule::Recovered,
    ));
    let late = create(Answer::Drop(Disconnect::Reset)).applied_late(Duration::from_secs(1));
    cases.push(case("effect_before_the_deadline", late, Rule::Recovered));
    all_end_well(&world, &cases).await;
}

/// Throttling and an unavailable gateway are definite: the create is sent again when the cloud says so, and nothing is settled.
#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_create_waits_as_long_as_it_is_told() {
    let world = World::new("unknown-429").await;
    world.with_provider().await;
    let create = |answer| Fault::on(Call::Create, answer);
    let refused = |seconds: f64| Rule::Refused {
        wait: Duration::from_secs_f64(seconds),
    };
    // The operator has to start and to send the first create before.
    let date = (Timestamp::now() + SignedDuration::from_secs(25))
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let unavailable = Answer::shaped(503, Shape::Gateway, "APIGW.0613", "IAM is unavailable.");
    let throttled = Answer::shaped(
        503,
        Shape::Gateway,
        "APIGW.0308",
        "The throttling threshold has been reached.",
    );
    all_end_well(
        &world,
        &[
            case("seconds", create(Answer::throttled(Some("2"))), refused(2.0)),
            case("fraction", create(Answer::throttled(Some("1.5"))), refused(1.5)),
            case("date", create(Answer::throttled(Some(&date))), refused(1.0)),
            case("no_hint", create(Answer::throttled(None)), refused(1.0)),
            case(
                "code_under_503",
                create(throttled.header("Retry-After", "2")),
                refused(2.0),
            ),
            case(
                "unavailable",
                create(unavailable.header("Retry-After", "2")),
                refused(2.0),
            ),
        ],
    )
    .await;
    let posts = world.posts("date");
    let due = jiff::fmt::rfc2822::parse(&date)
        .expect("an HTTP date is one of RFC 2822")
        .timestamp();
    assert!(
        posts[0].time < due && posts[1].time >= due,
        "the date is obeyed: {} is not around {due}",
        posts[1].time
    );
}
