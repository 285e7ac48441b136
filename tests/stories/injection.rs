//! Nothing that a user, the cloud or somebody with kubectl writes changes where a request goes, or hurts anybody else.

use dws_operator::api::Reason;
use dws_operator::api::data_source::DwsDataSource;
use dws_simulator::{Answer, Body, Call, Fault, Settings, Simulator};
use kube::Api;
use serde_json::json;

use crate::world::{
    ACCESS_KEY, PROJECT, SECRET_KEY, World, cluster, message, mrs, obs, on_cluster, provider, secret, uses,
};

/// What no request may be led astray by.
const EVIL: &str = "../../v3/projects?a#b%2f..%2F@host:80/ \u{e9}\u{4e16}\u{202e}\\\"{}";

/// Every request went to the endpoint, to a path of the API with plain ids in it, with no header but the operator's own.
fn check_requests(world: &World<'_>) {
    let host = world.endpoint.trim_start_matches("http://");
    let known = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-project-id",
        "x-sdk-date",
        "accept-encoding",
        "x-auth-token",
        "x-security-token",
    ];
    for entry in world.cloud.log() {
        assert_eq!(entry.header("host"), Some(host), "{entry}");
        let parts: Vec<&str> = entry.path.split('/').skip(1).collect();
        let plain = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let fits = match parts.as_slice() {
            ["v1.0", PROJECT, "clusters", cluster, "ext-data-sources"] => plain(cluster),
            ["v1.0", PROJECT, "clusters", cluster, "ext-data-sources", id] => plain(cluster) && plain(id),
            ["v1.0", PROJECT, "job", id] => plain(id),
            _ => false,
        };
        assert!(fits, "{entry}");
        assert!(
            ["", "type=OBS", "type=MRS"].contains(&entry.query.as_str()),
            "{entry}?{}",
            entry.query
        );
        for (name, _) in &entry.headers {
            assert!(known.contains(&name.as_str()), "{entry}: {name}");
        }
    }
}

/// Text in every field that takes any goes out as text in the body; passwords with a line break do not go out at all.
#[tokio::test(flavor = "multi_thread")]
async fn text_from_users_stays_text() {
    let world = World::new("injection").await;
    world.with_provider().await;
    let text = EVIL.replace('\u{202e}', "");
    world.create(&secret("mrs-account", &[("password", &text)])).await;
    world
        .create(&secret("crlf", &[("password", "12345678\r\nX-Evil: 1")]))
        .await;
    let mut strange = on_cluster(1, obs("strange"));
    strange.spec.description = Some(text.clone());
    strange.spec.connect_info = Some(text.clone());
    strange.spec.user_name = "....".to_owned();
    world.create(&strange).await;
    world.create(&on_cluster(2, mrs("password"))).await;
    let mut crlf = on_cluster(3, mrs("crlf"));
    crlf.spec.user_pwd.as_mut().unwrap().secret_key_ref.name = "crlf".to_owned();
    world.create(&crlf).await;
    let _operator = world.operator().start().await;
    let object = world.stalled("crlf", Reason::InvalidSpec).await;
    assert!(
        message(&object).contains("control character") && !message(&object).contains("Evil"),
        "{}",
        message(&object)
    );
    world.ready("password").await;
    assert_eq!(
        world.cloud.sources(&cluster(2))[0].password,
        Some(world.cloud.digest(&text))
    );
    let created = |log: &[dws_simulator::LogEntry]| {
        log.iter()
            .any(|entry| entry.call == Call::Create && entry.name.as_deref() == Some("strange"))
    };
    let log = world
        .cloud
        .wait_log(crate::world::SOON, created)
        .await
        .expect("it is sent");
    let body = log
        .iter()
        .find(|entry| entry.name.as_deref() == Some("strange"))
        .unwrap()
        .body
        .clone()
        .unwrap();
    assert_eq!(body["connect_info"], text.as_str());
    assert!(body["description"].as_str().unwrap().starts_with(&text));
    assert!(
        world
            .calls(Call::Create)
            .iter()
            .all(|entry| entry.name.as_deref() != Some("crlf"))
    );
    check_requests(&world);
}

/// What goes into a header and would end it does not go out at all: no request is sent with it.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_with_line_breaks_enter_no_header() {
    const BROKEN: &str = "AB\r\nX-Evil: 1";
    let world = World::new("injection").await;
    let sound = [
        ("accessKey", ACCESS_KEY),
        ("secretKey", SECRET_KEY),
        ("securityToken", "T"),
    ];
    let keys = ["accessKey", "secretKey", "securityToken"];
    for (n, broken) in keys.into_iter().enumerate() {
        let name = format!("broken-{n}");
        let data = sound.map(|(key, value)| (key, if key == broken { BROKEN } else { value }));
        world.create(&secret(&name, &data)).await;
        let mut provider = provider(&world.endpoint);
        provider.metadata.name = Some(name.clone());
        provider
            .spec
            .access
            .auth
            .access_key
            .as_mut()
            .unwrap()
            .secret_ref
            .name
            .clone_from(&name);
        world.create(&provider).await;
        world.create(&uses(on_cluster(n, obs(&name)), &name)).await;
    }
    let _operator = world.operator().start().await;
    for (n, broken) in keys.into_iter().enumerate() {
        let name = format!("broken-{n}");
        let is_told = |object: &DwsDataSource| message(object).contains(&format!("{broken:?}"));
        let told = message(&world.until(&name, "what is wrong is told", is_told).await);
        assert!(!told.contains("Evil"), "{told}");
    }
    assert_eq!(world.cloud.log(), []);
    for n in 0..keys.len() {
        let name = format!("broken-{n}");
        world
            .put(secret(&name, &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)]))
            .await;
        world.ready(&name).await;
    }
    check_requests(&world);
}

/// An id in the status or an intent that was edited by hand never becomes a path, and the object is still deleted.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_status_or_intent_leads_nowhere() {
    let world = World::new("injection").await;
    world.with_provider().await;
    let _operator = world
        .operator_with(&["--stalled-recheck=1s"])
        .args(["--resync-period=1s"])
        .start()
        .await;
    world.create(&on_cluster(1, obs("id"))).await;
    world.create(&on_cluster(2, obs("intent"))).await;
    let real = world.ready("id").await.status.unwrap().id;
    world.ready("intent").await;
    let api: Api<DwsDataSource> = world.api();
    let forged = json!({"status": {"id": EVIL, "jobID": EVIL}});
    world.patch("id", true, forged).await;
    let intent = api.get("intent").await.unwrap().metadata.annotations.unwrap();
    let (key, value) = intent
        .iter()
        .find(|(_, value)| value.contains(&cluster(2)))
        .expect("the intent");
    let elsewhere = value.replace(&cluster(2), "../../v3/projects");
    world
        .edit("intent", json!({"metadata": {"annotations": {key: elsewhere}}}))
        .await;
    world.lists_later(4).await;
    world
        .until("id", "the real id again", |object| {
            object.status.as_ref().is_some_and(|status| status.id == real)
        })
        .await;
    for name in ["id", "intent"] {
        world.delete(name).await;
        world.gone(name).await;
    }
    assert!(world.cloud.sources(&cluster(1)).is_empty() && world.cloud.sources(&cluster(2)).is_empty());
    check_requests(&world);
}

/// Ids in the cloud's answers that are no ids are not believed: the list tells what was created, and it is created once.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_from_the_cloud_that_is_none_enters_no_path() {
    let world = World::new("injection").await;
    world.with_provider().await;
    let ids = ["../../../v3/projects", "a/b", "..", "x\r\nX-Evil: 1", "", "%2e%2e"];
    for (n, id) in ids.into_iter().enumerate() {
        let evil = Fault::on(Call::Create, Answer::Ids(id.to_owned()))
            .cluster(&cluster(n))
            .times(1);
        world.cloud.add_fault(evil);
        let evil = Fault::on(Call::List, Answer::Ids(id.to_owned()))
            .cluster(&cluster(n))
            .skip(1)
            .times(1);
        world.cloud.add_fault(evil);
    }
    let _operator = world.operator().start().await;
    for n in 0..ids.len() {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..ids.len() {
        let id = world.ready(&format!("lake-{n}")).await.status.unwrap().id;
        let sources = world.cloud.sources(&cluster(n));
        assert_eq!(
            sources.iter().map(|source| Some(source.id.clone())).collect::<Vec<_>>(),
            [id],
            "{:?}",
            ids[n]
        );
    }
    assert_eq!(world.calls(Call::Create).len(), ids.len());
    check_requests(&world);
}

/// A redirect is not followed, whichever call it answers; the other host gets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed() {
    let world = World::new("injection").await;
    world.with_provider().await;
    let trap = Simulator::start(Settings::default())
        .await
        .expect("the simulator starts");
    for (n, call) in [Call::List, Call::Create, Call::Job].into_iter().enumerate() {
        for status in [302, 307] {
            let there = Answer::with_body(status, Body::Empty).header("Location", &format!("{}/v1.0/trap", trap.url()));
            world
                .cloud
                .add_fault(Fault::on(call, there).cluster(&cluster(n)).times(1));
        }
    }
    let _operator = world.operator_with(&["--stalled-recheck=1s"]).start().await;
    for n in 0..3 {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    let object = world.stalled("lake-0", Reason::InvalidSpec).await;
    assert!(message(&object).contains("redirect"), "{}", message(&object));
    for n in 0..3 {
        world.ready(&format!("lake-{n}")).await;
        assert_eq!(world.cloud.sources(&cluster(n)).len(), 1);
    }
    assert!(trap.admin().log().is_empty());
    check_requests(&world);
}
