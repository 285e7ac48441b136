//! The whole check against an API server made of canned answers and a simulated cloud.

use dws_simulator::{Call, DEFAULT_ACCESS_KEY, DEFAULT_PROJECT, DEFAULT_SECRET_KEY, Settings, Simulator};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::runtime::connection::Connection;
use crate::runtime::metrics::Metrics;
use crate::runtime::settings;

const GROUP_PATH: &str = "/apis/dws.huaweicloud.com/v1alpha1";
const CLUSTER: &str = "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90";

/// An API server and a cloud.
struct Stage {
    server: MockServer,
    cloud: Simulator,
}

/// Answers access reviews by their resource attributes.
struct Reviews(fn(&Value) -> bool);

impl Respond for Reviews {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut review: Value = serde_json::from_slice(&request.body).unwrap();
        let allowed = self.0(&review["spec"]["resourceAttributes"]);
        review["status"] = json!({"allowed": allowed});
        ResponseTemplate::new(201).set_body_json(review)
    }
}

impl Stage {
    async fn new(allowed: fn(&Value) -> bool) -> Self {
        let stage = Stage {
            server: MockServer::start().await,
            cloud: Simulator::start(Settings::default()).await.unwrap(),
        };
        Mock::given(method("POST"))
            .and(path("/apis/authentication.k8s.io/v1/selfsubjectreviews"))
            .respond_with(ResponseTemplate::new(201).set_body_json(json!({
                "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
                "status": {"userInfo": {"username": "system:serviceaccount:ops:dws-operator"}},
            })))
            .mount(&stage.server)
            .await;
        // The least of all matches: what was not put on the stage does not exist.
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(404).set_body_json(json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "NotFound", "message": "not found", "code": 404,
            })))
            .with_priority(u8::MAX)
            .mount(&stage.server)
            .await;
        Mock::given(method("GET"))
            .and(path("/api/v1/namespaces"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": [
                    {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "ops"}},
                ],
            })))
            .mount(&stage.server)
            .await;
        Mock::given(method("POST"))
            .and(path("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"))
            .respond_with(Reviews(allowed))
            .mount(&stage.server)
            .await;
        let own = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ops"}});
        stage.serve("/api/v1/namespaces/ops", own).await;
        stage
    }

    async fn serve(&self, at: &str, body: Value) {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method("GET"))
            .and(path(at))
            .respond_with(answer)
            .mount(&self.server)
            .await;
    }

    async fn list(&self, plural: &str, kind: &str, items: &[Value]) {
        let list = json!({
            "kind": format!("{kind}List"), "apiVersion": "dws.huaweicloud.com/v1alpha1", "metadata": {}, "items": items,
        });
        self.serve(&format!("{GROUP_PATH}/{plural}"), list).await;
    }

    /// A provider that leads to the simulated cloud, and its Secret.
    async fn provider(&self, namespace: &str, secret_key: &str) -> Value {
        let data = |text: &str| {
            let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
            serde_json::to_value(bytes).unwrap()
        };
        let secret = json!({
            "kind": "Secret", "apiVersion": "v1",
            "metadata": {"name": "key", "namespace": namespace, "uid": namespace, "resourceVersion": "1"},
            "data": {"accessKey": data(DEFAULT_ACCESS_KEY), "secretKey": data(secret_key)},
        });
        self.serve(&format!("/api/v1/namespaces/{namespace}/secrets/key"), secret)
            .await;
        let provider = json!({
            "kind": "DwsProvider", "apiVersion": "dws.huaweicloud.com/v1alpha1",
            "metadata": {"name": "default", "namespace": namespace, "uid": namespace, "generation": 1},
            "spec": {
                "region": "eu-west-101", "projectID": DEFAULT_PROJECT,
                "endpoint": self.cloud.url(), "iamEndpoint": self.cloud.url(),
                "auth": {"accessKey": {"secretRef": {"name": "key"}}},
            },
        });
        self.serve(
            &format!("{GROUP_PATH}/namespaces/{namespace}/dwsproviders/default"),
            provider.clone(),
        )
        .await;
        provider
    }

    async fn check(&self, flags: &[&str]) -> (bool, String) {
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        let text = json!({
            "clusters": [{"name": "c", "cluster": {"server": self.server.uri()}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "current-context": "x",
        });
        std::fs::write(kubeconfig.path(), text.to_string()).unwrap();
        let connection = Connection::load(Some(kubeconfig.path())).await.unwrap();
        let client = connection.client(&Metrics::new()).unwrap();
        let flags = [&["check", "--allow-insecure-endpoints"], flags].concat();
        let Ok(settings::Command::Check(args)) = settings::tests::parse(&flags) else {
            panic!("another command was parsed")
        };
        let mut out = Vec::new();
        let well = run(&args, "ops", client, &mut out).await.unwrap();
        (well, String::from_utf8(out).unwrap())
    }
}

/// The lines that say that something is wrong.
fn wrong(report: &str) -> Vec<&str> {
    report.lines().filter(|line| line.starts_with("wrong")).collect()
}

#[tokio::test]
async fn permissions_that_are_missing_are_named_with_their_place() {
    let stage = Stage::new(|asked| {
        let namespaced = asked["namespace"] != "b" || asked["resource"] != "secrets";
        namespaced && asked["verb"] != "patch" && asked["resource"] != "leases"
    })
    .await;
    let (well, report) = stage.check(&["--watch-namespace=a,b"]).await;
    assert!(!well);
    assert!(report.contains("as system:serviceaccount:ops:dws-operator"), "{report}");
    for line in [
        "wrong  permission on dwsdatasources in namespace a: not allowed: patch. Apply deploy/rbac/namespaced to namespace a",
        "wrong  permission on dwsproviders/status in namespace b: not allowed: patch. Apply deploy/rbac/namespaced to namespace b",
        "wrong  permission on leases dws-operator in namespace ops: not allowed: get, update. Apply the operator's Role",
        "wrong  permission on dwsproviders in namespace a: not allowed: patch. Apply deploy/rbac/namespaced to namespace a",
        "ok     permission on secrets in namespace a: get",
        "wrong  permission on secrets in namespace b: not allowed: get. ",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    // Single namespaces have no use for providers of the cluster.
    assert!(!report.contains("clusterdwsproviders"), "{report}");
}

#[tokio::test]
async fn secrets_may_be_allowed_by_name() {
    let stage = Stage::new(|asked| asked["resource"] != "secrets" || asked["name"] == "key").await;
    let provider = stage.provider("a", DEFAULT_SECRET_KEY).await;
    stage.list("dwsproviders", "DwsProvider", &[provider]).await;
    stage.list("clusterdwsproviders", "ClusterDwsProvider", &[]).await;
    let object = |name: &str, secret: &str| {
        json!({
            "kind": "DwsDataSource", "apiVersion": "dws.huaweicloud.com/v1alpha1",
            "metadata": {"name": name, "namespace": "a", "uid": name},
            "spec": {
                "clusterID": CLUSTER, "type": "MRS", "dataSourceName": name, "dataSourceID": "m", "userName": "u",
                "userPwd": {"secretKeyRef": {"name": secret, "key": "password"}},
            },
        })
    };
    stage
        .list("dwsdatasources", "DwsDataSource", &[object("one", "key")])
        .await;
    let (_, report) = stage.check(&[]).await;
    let line = "ok     permission on secrets in the whole cluster: get, for the 1 that objects name";
    assert!(report.contains(line), "{report}");

    let stage = Stage::new(|asked| asked["resource"] != "secrets" || asked["name"] == "key").await;
    stage
        .list(
            "dwsdatasources",
            "DwsDataSource",
            &[object("one", "key"), object("two", "other")],
        )
        .await;
    let (well, report) = stage.check(&[]).await;
    assert!(!well && report.contains("not allowed: get for a/other."), "{report}");
}

#[tokio::test]
async fn definitions_that_are_missing_are_told_once_for_each_kind() {
    let stage = Stage::new(|_| true).await;
    let (well, report) = stage.check(&[]).await;
    assert!(!well);
    let kinds = ["DwsDataSource", "DwsProvider", "ClusterDwsProvider"];
    let told = wrong(&report);
    assert_eq!(told.len(), kinds.len(), "{report}");
    for (line, kind) in told.iter().zip(kinds) {
        assert!(line.contains(&format!("definition of {kind}: ")), "{line}");
    }
    assert!(report.ends_with("3 wrong\n"), "{report}");
}

#[tokio::test]
async fn a_provider_that_works_is_proven_by_one_list_of_a_cluster_in_use() {
    let stage = Stage::new(|_| true).await;
    let provider = stage.provider("a", DEFAULT_SECRET_KEY).await;
    stage.list("dwsproviders", "DwsProvider", &[provider]).await;
    let object = json!({
        "kind": "DwsDataSource", "apiVersion": "dws.huaweicloud.com/v1alpha1",
        "metadata": {"name": "one", "namespace": "a", "uid": "one"},
        "spec": {"clusterID": CLUSTER, "type": "OBS", "dataSourceName": "one", "userName": "u", "connectInfo": "db"},
    });
    stage.list("dwsdatasources", "DwsDataSource", &[object]).await;
    let (_, report) = stage.check(&[]).await;
    assert!(
        report.contains("ok     DwsProvider a/default: http://127.0.0.1:"),
        "{report}"
    );
    let named = format!("DWS cluster {CLUSTER}, which DwsDataSource a/one names");
    assert!(report.contains(&named), "{report}");
    let calls: Vec<_> = stage.cloud.admin().log().iter().map(|entry| entry.call).collect();
    assert_eq!(calls, [Call::List]);
}

#[tokio::test]
async fn a_refused_key_is_tried_once_however_many_providers_have_it_and_never_shown() {
    const CANARY: &str = "canary-secret-key";
    let stage = Stage::new(|_| true).await;
    let providers = [stage.provider("a", CANARY).await, stage.provider("b", CANARY).await];
    stage.list("dwsproviders", "DwsProvider", &providers).await;
    let (well, report) = stage.check(&[]).await;
    assert!(!well);
    for namespace in ["a", "b"] {
        let line = format!("wrong  DwsProvider {namespace}/default: the cloud refuses the credentials");
        assert!(report.contains(&line), "{report}");
    }
    assert!(!report.contains(CANARY), "{report}");
    assert_eq!(stage.cloud.admin().log().len(), 1);
}

#[tokio::test]
async fn a_provider_without_its_secret_or_with_a_forbidden_endpoint_is_wrong() {
    let stage = Stage::new(|_| true).await;
    let mut missing = stage.provider("a", DEFAULT_SECRET_KEY).await;
    missing["metadata"]["name"] = json!("missing");
    missing["spec"]["auth"]["accessKey"]["secretRef"]["name"] = json!("none");
    let mut elsewhere = stage.provider("b", DEFAULT_SECRET_KEY).await;
    elsewhere["metadata"]["name"] = json!("elsewhere");
    elsewhere["spec"]["endpoint"] = json!("https://dws.example.com");
    for provider in [&missing, &elsewhere] {
        let (namespace, name) = (&provider["metadata"]["namespace"], &provider["metadata"]["name"]);
        let (namespace, name) = (namespace.as_str().unwrap(), name.as_str().unwrap());
        stage
            .serve(
                &format!("{GROUP_PATH}/namespaces/{namespace}/dwsproviders/{name}"),
                provider.clone(),
            )
            .await;
    }
    stage.list("dwsproviders", "DwsProvider", &[missing, elsewhere]).await;
    let (_, report) = stage.check(&[]).await;
    assert!(
        report.contains("wrong  DwsProvider a/missing: WaitingForSecret: Secret none does not exist"),
        "{report}"
    );
    assert!(
        report.contains("wrong  DwsProvider b/elsewhere: InvalidSpec: endpoint: "),
        "{report}"
    );
    assert!(report.contains("--allow-endpoint-domain"), "{report}");
    assert!(stage.cloud.admin().log().is_empty());
}

#[tokio::test]
async fn an_api_server_that_refuses_is_the_only_finding() {
    let stage = Stage {
        server: MockServer::start().await,
        cloud: Simulator::start(Settings::default()).await.unwrap(),
    };
    let (well, report) = stage.check(&[]).await;
    assert!(!well);
    assert_eq!(report.lines().count(), 2, "{report}");
    assert!(
        report.starts_with("wrong  Kubernetes API: refuses the question"),
        "{report}"
    );
}

#[tokio::test]
async fn a_namespace_that_may_not_be_read_is_told_unless_a_role_in_it_proves_it() {
    let forbid = |stage: Stage| async move {
        let forbidden = ResponseTemplate::new(403).set_body_json(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": "Forbidden", "message": "not allowed", "code": 403,
        }));
        Mock::given(method("GET"))
            .and(path("/api/v1/namespaces/nowhere"))
            .respond_with(forbidden)
            .mount(&stage.server)
            .await;
        stage.check(&["--watch-namespace=nowhere"]).await
    };
    let (_, report) = forbid(Stage::new(|asked| asked["resource"] != "namespaces").await).await;
    let line = "?      namespace nowhere of --watch-namespace: may not exist, which cannot be verified: get on namespaces is not allowed";
    assert!(report.contains(line), "{report}");
    assert!(
        report.ends_with(" wrong, 1 could not be verified (?), which is no failure\n"),
        "{report}"
    );

    let (_, report) = forbid(Stage::new(|asked| asked["namespace"].is_string()).await).await;
    assert!(!report.contains("namespace nowhere of"), "{report}");
    assert!(report.ends_with(" wrong\n"), "{report}");
}

#[tokio::test]
async fn the_rights_of_the_flags_about_secrets_are_asked_for_with_them() {
    let no_extra = |asked: &Value| asked["resource"] != "secrets" || asked["verb"] == "get";
    let stage = Stage::new(no_extra).await;
    let (_, report) = stage.check(&[]).await;
    assert!(
        !report.contains("list, watch. Apply deploy/rbac/watch-secrets") && !report.contains("guard"),
        "{report}"
    );
    let (well, report) = stage.check(&["--watch-secrets", "--guard-secrets"]).await;
    assert!(!well);
    for line in [
        "wrong  permission on secrets in the whole cluster: not allowed: list, watch. Apply deploy/rbac/watch-secrets",
        "wrong  permission on secrets in the whole cluster: not allowed: patch. Apply deploy/rbac/guard-secrets",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
}

#[tokio::test]
async fn guarded_secrets_are_told_and_need_the_right_to_set_them_free() {
    let stage = Stage::new(|asked| asked["resource"] != "secrets" || asked["verb"] == "get").await;
    let mut provider = stage.provider("a", DEFAULT_SECRET_KEY).await;
    provider["metadata"]["annotations"] = json!({"dws.huaweicloud.com/guarded-secrets": "ca,key"});
    stage.list("dwsproviders", "DwsProvider", &[provider]).await;
    let (well, report) = stage.check(&[]).await;
    assert!(!well, "{report}");
    for line in [
        "ok     guarded Secrets of DwsProvider a/default: ca, key carry the operator's finalizer until an operator without",
        "wrong  permission on secrets in the whole cluster: not allowed: patch.",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    let (_, report) = stage.check(&["--guard-secrets"]).await;
    assert!(report.contains("as long as data sources use the provider"), "{report}");
}
