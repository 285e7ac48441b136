//! Secrets are in the Secret and in the request that needs them, and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dws_operator::api::Reason;
use dws_simulator::{AccessKey, Answer, Body, Call, Fault, JobOutcome, NameSettings};
use dws_testbed::{ControlPlane, Operator, etcd_dump};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use uuid::Uuid;

use crate::world::{World, cluster, mrs, on_cluster, password_provider, provider, secret, uses};

/// Where a secret that must not be there is looked for, by name.
type Places = Vec<(String, Vec<u8>)>;

/// The forms in which a value could leak.
fn forms(value: &str) -> [Vec<u8>; 2] {
    [value.as_bytes().to_vec(), STANDARD.encode(value).into_bytes()]
}

fn holds(haystack: &[u8], value: &str) -> bool {
    forms(value)
        .iter()
        .any(|needle| haystack.windows(needle.len()).any(|window| window == needle))
}

/// The secrets of this story; nobody else has them.
struct Secrets {
    password: String,
    access: String,
    key: String,
    session: String,
    iam: String,
}

impl Secrets {
    fn random() -> Self {
        let [password, access, key, session, iam] =
            ["Pw-", "AK", "SK", "TOK", "Iam-"].map(|what| format!("{what}{}", Uuid::new_v4().simple()));
        Secrets {
            password,
            access,
            key,
            session,
            iam,
        }
    }

    /// What a request that is signed with the access key carries.
    fn by_key(&self) -> String {
        format!("{}, {}, {}", self.access, self.key, self.session)
    }
}

/// A cloud that knows the credentials, and a provider for each of them.
async fn world_with(secrets: &Secrets) -> World<'static> {
    let Secrets {
        password,
        access,
        key,
        session,
        iam,
    } = secrets;
    let world = World::new("canary").await;
    world.cloud.add_access_key(AccessKey::temporary(access, key, session));
    world.cloud.set_user("example", "operator", iam);
    world.create(&secret("mrs-account", &[("password", password)])).await;
    world
        .create(&secret(
            "dws-access-key",
            &[("accessKey", access), ("secretKey", key), ("securityToken", session)],
        ))
        .await;
    world.create(&provider(&world.endpoint)).await;
    world.create(&secret("iam-user", &[("password", iam)])).await;
    let mut by_password = password_provider(&world.endpoint);
    by_password.metadata.name = Some("by-password".to_owned());
    world.create(&by_password).await;
    world
}

/// The job of this work on `name` fails; its code and its detail, which the list repeats, say what it was given.
fn job_fails(world: &World<'_>, name: &str, work: Call, said: &str) {
    let fails = Some(JobOutcome::Fail {
        code: format!("{said}:DWS.5172"),
        detail: format!("DWS.5172:The account with {said} is refused."),
    });
    let settings = NameSettings {
        create_outcome: fails.clone().filter(|_| work == Call::Create),
        delete_outcome: fails.filter(|_| work == Call::Delete),
        ..NameSettings::default()
    };
    world
        .cloud
        .update_settings(|all| drop(all.by_name.insert(name.to_owned(), settings)));
}

/// Each answer repeats what its request could have carried.
fn creates_go_wrong(world: &World<'_>, secrets: &Secrets) {
    let Secrets { password, iam, .. } = secrets;
    let by_key = secrets.by_key();
    let refused = |name: &str, carried: &str| {
        let text = format!("user_pwd {{{password}}} with {carried}");
        let answer = Answer::error(400, "DWS.5199", &text);
        world
            .cloud
            .add_fault(Fault::on(Call::Create, answer).name(name).times(1));
    };
    refused("refused", &by_key);
    refused("by_password", iam);
    let html = Body::Text {
        content_type: "text/html".to_owned(),
        text: format!("<p>user_pwd {{{password}}} with {by_key}</p>"),
    };
    let unknown = Fault::on(Call::Create, Answer::with_body(503, html));
    world.cloud.add_fault(unknown.name("unknown").times(1));
    let unlisted = Fault::on(Call::List, Answer::error(500, "DWS.0005", &by_key));
    world.cloud.add_fault(unlisted.cluster(&cluster(1)).times(2));
    let no_login = Fault::on(Call::Token, Answer::error(503, "APIGW.0613", iam));
    world.cloud.add_fault(no_login.times(1));
    job_fails(world, "failed", Call::Create, &format!("{password}, {by_key}"));
}

/// What there is to search now.
async fn places(world: &World<'_>, operator: &Operator, moment: &str) -> Places {
    let plane = ControlPlane::shared().await;
    // Events are in etcd beside the objects. The API shows them as JSON, without the protobuf of the storage around each text.
    let etcd = etcd_dump(plane).await;
    let events = format!("/registry/events/{}/", world.namespace.name());
    assert!(etcd.iter().any(|entry| entry.key.starts_with(&events)), "no events");
    let mut places: Places = etcd.into_iter().map(|entry| (entry.key, entry.value)).collect();
    let events = world.api::<Event>().list(&ListParams::default()).await;
    let events = serde_json::to_vec(&events.expect("events can be listed").items).expect("JSON");
    places.push(("the events".to_owned(), events));
    let metrics = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/metrics", operator.metrics_url().await);
    let metrics = metrics.get(url).send().await.expect("metrics");
    let metrics = metrics.bytes().await.expect("a whole answer").to_vec();
    places.push(("the metrics".to_owned(), metrics));
    for (place, _) in &mut places {
        *place = format!("{place} {moment}");
    }
    places
}

/// The control plane's audit log so far.
async fn audit_log() -> Vec<u8> {
    let plane = ControlPlane::shared().await;
    std::fs::read(plane.audit_log()).expect("the audit log")
}

/// A whole life with both kinds of credentials, in which the cloud's errors and failed jobs repeat every secret: none shows in etcd
/// outside of Secrets, in the events, in the log at trace level, in the metrics or in the audit log; and the requests carried them all.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_where_they_belong() {
    let secrets = Secrets::random();
    let world = world_with(&secrets).await;
    creates_go_wrong(&world, &secrets);
    let operator = world.operator().args(["--log-level=trace"]).start().await;
    let objects = [
        ("refused", "default"),
        ("by-password", "by-password"),
        ("unknown", "default"),
        ("failed", "default"),
    ];
    for (n, (name, provider)) in objects.iter().enumerate() {
        world.create(&uses(on_cluster(n + 1, mrs(name)), provider)).await;
    }
    let refused = world.event("refused", "InvalidSpec").await;
    assert!(refused.contains("[redacted]"), "{refused}");
    for name in ["refused", "by-password", "unknown"] {
        world.ready(name).await;
    }
    world.stalled("failed", Reason::CreateFailed).await;
    let failed = world
        .until("failed", "the list's reason is told", |object| {
            let observed = object.status.as_ref().and_then(|status| status.observed.as_ref());
            observed.is_some_and(|observed| observed.fail_reason.is_some())
        })
        .await;
    let failed = serde_json::to_string(&failed.status).expect("JSON");
    assert!(
        failed.matches("[redacted]").count() >= 3,
        "code, detail and reason: {failed}"
    );

    // The token that the IAM user was given: the cloud repeats it in the refusals of a create and of a DELETE. A
    // delete job repeats the other secrets.
    let tokens = world.cloud.tokens();
    let [token] = &tokens[..] else {
        panic!("{} tokens instead of one", tokens.len());
    };
    let echo = |call| Fault::on(call, Answer::error(400, "DWS.5199", token)).times(1);
    world.cloud.add_fault(echo(Call::Create).name("by_token"));
    world.cloud.add_fault(echo(Call::Delete).cluster(&cluster(2)));
    job_fails(
        &world,
        "refused",
        Call::Delete,
        &format!("{}, {}", secrets.password, secrets.by_key()),
    );
    world.create(&uses(on_cluster(5, mrs("by-token")), "by-password")).await;
    world.event("by-token", "InvalidSpec").await;
    world.ready("by-token").await;

    let mut places = places(&world, &operator, "while they live").await;
    for name in ["refused", "by-password", "unknown", "failed", "by-token"] {
        world.delete(name).await;
    }
    for name in ["refused", "by-password"] {
        let note = world.event(name, "DeleteFailed").await;
        assert!(note.contains("[redacted]"), "{name}: {note}");
    }
    world.cloud.update_settings(|settings| settings.by_name.clear());
    for name in ["refused", "by-password", "unknown", "failed", "by-token"] {
        world.gone(name).await;
    }
    places.extend(self::places(&world, &operator, "when they are gone").await);

    let log = operator.log();
    assert!(log.contains("\"level\":\"TRACE\""), "the log is at trace level");
    let line = |(number, line): (usize, &str)| (format!("line {number} of the log"), line.as_bytes().to_vec());
    places.extend(log.lines().enumerate().map(line));
    places.push(("the audit log".to_owned(), audit_log().await));

    for (what, value, is_in_a_secret) in [
        ("password", &secrets.password, true),
        ("access key", &secrets.access, true),
        ("secret key", &secrets.key, true),
        ("security token", &secrets.session, true),
        ("IAM password", &secrets.iam, true),
        ("IAM token", token, false),
    ] {
        let hits = places.iter().filter(|(_, content)| holds(content, value));
        let (kept, leaked): (Vec<&str>, Vec<&str>) = hits
            .map(|(place, _)| place.as_str())
            .partition(|place| place.starts_with("/registry/secrets/"));
        assert_eq!(
            !kept.is_empty(),
            is_in_a_secret,
            "the search finds the {what} in its Secret"
        );
        assert!(leaked.is_empty(), "the {what} is in {leaked:?}");
    }

    // The simulator tells whose request it was, but no secret.
    let simulator = serde_json::to_vec(&world.cloud.log()).expect("JSON");
    for value in [&secrets.password, &secrets.key, &secrets.session, &secrets.iam, token] {
        assert!(!holds(&simulator, value));
    }
    let creates = world.calls(Call::Create);
    let sent: Vec<_> = creates.iter().filter_map(|entry| entry.body.as_ref()).collect();
    let password = world.cloud.digest(&secrets.password);
    assert!(
        !sent.is_empty() && sent.iter().all(|body| body["user_pwd"] == password.as_str()),
        "each create carries the password"
    );
    let by_token = creates.iter().filter(|entry| entry.name.as_deref() == Some("by_token"));
    let token = world.cloud.digest(token);
    let carried: Vec<_> = by_token.map(|entry| entry.header("x-auth-token")).collect();
    assert_eq!(
        carried,
        [Some(token.as_str()); 2],
        "the search is for the token that was used"
    );
}
