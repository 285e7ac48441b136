//! `dws-operator check` on a real API server, with the operator's own rights: it says what is wrong, and nothing else.

use dws_operator::api::DwsProvider;
use dws_simulator::{Answer, Body, Call, Fault, UnknownClusters};
use dws_testbed::{Checked, ControlPlane, Scope, TestNamespace, check, wait};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{
    ACCESS_KEY, SECRET_KEY, SOON, World, cluster, obs, on_cluster, password_provider, provider, secret,
};

/// A world whose operator has a namespace of its own; its cloud knows only the clusters that exist.
async fn world(plane: &ControlPlane, scope: Scope) -> World<'_> {
    let world = World::within(TestNamespace::create_apart(plane, "check", scope).await).await;
    world
        .cloud
        .update_settings(|settings| settings.unknown_clusters = UnknownClusters::Refuse);
    world
}

/// All is well: the check says so and succeeds.
fn well(checked: &Checked) {
    let last = checked.report.lines().last().unwrap_or_default();
    assert!(last.ends_with(" checks, nothing is wrong"), "{}", checked.report);
    assert!(
        checked.status.success() && checked.wrong().is_empty(),
        "{}",
        checked.report
    );
}

/// Exactly one thing is wrong: the check fails, and the line about it has all these words.
fn only(checked: &Checked, words: &[&str]) -> Result<(), String> {
    let wrong = checked.wrong();
    let told = matches!(wrong[..], [line] if words.iter().all(|word| line.contains(word)));
    let concluded = checked.report.trim_end().ends_with(" checks, 1 wrong");
    if told && concluded && checked.status.code() == Some(1) {
        Ok(())
    } else {
        Err(checked.report.clone())
    }
}

/// Waits until exactly that is wrong: the API server takes its time to notice what an administrator changes.
async fn until_only(world: &World<'_>, args: &[&str], words: &[&str]) {
    wait::until(SOON, &format!("the check says: {words:?}"), async || {
        only(&check(&world.namespace, args).await, words)
    })
    .await;
}

async fn until_well(world: &World<'_>) {
    wait::until(SOON, "nothing is wrong", async || {
        let checked = check(&world.namespace, &[]).await;
        if checked.status.success() {
            Ok(())
        } else {
            Err(checked.report)
        }
    })
    .await;
}

/// An installation in which all is well, with and without data sources; the check only reads.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_where_all_is_well() {
    let world = world(ControlPlane::shared().await, Scope::Namespaced).await;
    well(&check(&world.namespace, &[]).await);
    world.with_provider().await;
    let name = world.namespace.name();
    let checked = check(&world.namespace, &[]).await;
    well(&checked);
    let line = format!(
        "ok     DwsProvider {name}/default: {} accepts the credentials",
        world.endpoint
    );
    assert!(checked.report.contains(&line), "{}", checked.report);
    assert!(checked.report.contains("no DWS cluster is known"), "{}", checked.report);

    world.cloud.add_cluster(&cluster(0));
    world.create(&on_cluster(0, obs("lake"))).await;
    let checked = check(&world.namespace, &[]).await;
    well(&checked);
    let line = format!("DWS cluster {}, which DwsDataSource {name}/lake names", cluster(0));
    assert!(checked.report.contains(&line), "{}", checked.report);

    assert!(world.namespace.operator_writes().await.is_empty());
    let calls: Vec<_> = world.cloud.log().iter().map(|entry| entry.call).collect();
    assert_eq!(calls, [Call::List, Call::List]);
    for hidden in [ACCESS_KEY, SECRET_KEY] {
        assert!(!checked.report.contains(hidden), "{}", checked.report);
    }
}

/// What a role grants: the number of a rule, a resource of it and a verb.
fn grants(rules: &[PolicyRule]) -> Vec<(usize, String, String)> {
    let mut grants = Vec::new();
    for (n, rule) in rules.iter().enumerate() {
        for resource in rule.resources.iter().flatten() {
            grants.extend(rule.verbs.iter().map(|verb| (n, resource.clone(), verb.clone())));
        }
    }
    grants
}

/// Takes each verb on each resource away from a role and gives it back; the check names resource and verb.
async fn each_missing_verb<K>(world: &World<'_>, api: &Api<K>, role: &str)
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    let parameters = PatchParams::default();
    let whole = serde_json::to_value(api.get(role).await.unwrap()).unwrap()["rules"].clone();
    let rules: Vec<PolicyRule> = serde_json::from_value(whole.clone()).unwrap();
    for (n, resource, verb) in grants(&rules) {
        let mut narrowed = rules.clone();
        let (mut without, mut others) = (rules[n].clone(), rules[n].clone());
        without.resources = Some(vec![resource.clone()]);
        without.verbs.retain(|other| *other != verb);
        if let Some(resources) = &mut others.resources {
            resources.retain(|other| *other != resource);
        }
        // The API server takes no rule without resources or verbs.
        narrowed.remove(n);
        narrowed.extend([without, others].into_iter().filter(|rule| {
            !rule.verbs.is_empty() && rule.resources.as_ref().is_some_and(|resources| !resources.is_empty())
        }));
        let change = Patch::Merge(json!({"rules": narrowed}));
        api.patch(role, &parameters, &change).await.unwrap();
        let subject = format!("permission on {resource} ");
        until_only(world, &[], &[&subject, &format!("not allowed: {verb}. ")]).await;
    }
    let change = Patch::Merge(json!({"rules": whole}));
    api.patch(role, &parameters, &change).await.unwrap();
}

/// Each right that an operator for single namespaces lacks is named, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn each_right_that_is_missing_in_a_namespace_is_named() {
    let world = world(ControlPlane::shared().await, Scope::Namespaced).await;
    let admin = world.namespace.admin();
    each_missing_verb::<Role>(&world, &world.api(), "dws-operator").await;
    let own = Api::<Role>::namespaced(admin, world.namespace.home());
    each_missing_verb(&world, &own, "dws-operator-own-namespace").await;
    until_well(&world).await;
}

/// Each right, definition and namespace that an operator for all namespaces lacks is named, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_the_cluster_is_named() {
    let plane = ControlPlane::start().await;
    let world = world(&plane, Scope::ClusterWide).await;
    let admin = world.namespace.admin();
    each_missing_verb(&world, &Api::<ClusterRole>::all(admin.clone()), "dws-operator").await;
    until_well(&world).await;

    for flag in ["--watch-namespace", "--namespace"] {
        let checked = check(&world.namespace, &[&format!("{flag}=nowhere")]).await;
        let line = format!("wrong  namespace nowhere of {flag}: does not exist. ");
        let told = checked.wrong().iter().any(|told| told.starts_with(&line));
        assert!(told && checked.status.code() == Some(1), "{}", checked.report);
    }

    let definitions: Api<CustomResourceDefinition> = Api::all(admin);
    let name = "clusterdwsproviders.dws.huaweicloud.com";
    let field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/clusterIDs";
    let older = json!([{"op": "remove", "path": field}]);
    let older = Patch::Json::<Value>(serde_json::from_value(older).unwrap());
    definitions.patch(name, &PatchParams::default(), &older).await.unwrap();
    let subject = "definition of ClusterDwsProvider: ";
    until_only(&world, &[], &[subject, "drops spec.clusterIDs", "dws-operator crds"]).await;
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    until_only(&world, &[], &[subject, "does not serve it", "dws-operator crds"]).await;
}

/// An operator for single namespaces cannot read namespaces; one that does not exist has no role for it either.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_exist_lacks_every_right() {
    let world = world(ControlPlane::shared().await, Scope::Namespaced).await;
    let checked = check(&world.namespace, &["--watch-namespace=nowhere"]).await;
    assert_eq!(checked.status.code(), Some(1), "{}", checked.report);
    for line in checked.wrong() {
        assert!(
            line.contains("in namespace nowhere: not allowed: "),
            "{}",
            checked.report
        );
    }
}

/// What is wrong with a provider is said, with the way out, and never what is in its Secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_work_is_told_without_its_secrets() {
    const CANARY: &str = "canary-secret-key";
    let world = world(ControlPlane::shared().await, Scope::Namespaced).await;
    world
        .create(&secret(
            "right",
            &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        ))
        .await;
    world
        .create(&secret("wrong", &[("accessKey", ACCESS_KEY), ("secretKey", CANARY)]))
        .await;
    world.create(&secret("iam-user", &[("password", CANARY)])).await;
    world.create(&secret("half", &[("accessKey", CANARY)])).await;
    let key = |secret: &str| {
        let mut provider = provider(&world.endpoint);
        if let Some(key) = &mut provider.spec.access.auth.access_key {
            secret.clone_into(&mut key.secret_ref.name);
        }
        provider
    };
    let elsewhere = |change: fn(&mut DwsProvider)| {
        let mut provider = key("right");
        change(&mut provider);
        provider
    };
    let cases = [
        (key("wrong"), "the cloud refuses the credentials (APIGW.0301"),
        (key("none"), "Secret none does not exist; create it in namespace "),
        (key("half"), "Secret half: "),
        (password_provider(&world.endpoint), "the cloud refuses the credentials"),
        (
            elsewhere(|provider| provider.spec.access.endpoint = Some("https://dws.example.com".to_owned())),
            "InvalidSpec: endpoint: ",
        ),
        (
            elsewhere(|provider| provider.spec.access.endpoint = Some("http://127.0.0.1:1".to_owned())),
            "the cloud cannot be asked now (",
        ),
    ];
    let providers: Api<DwsProvider> = world.api();
    for (provider, words) in cases {
        world.create(&provider).await;
        let checked = check(&world.namespace, &[]).await;
        only(&checked, &["DwsProvider ", "/default: ", words]).unwrap_or_else(|report| panic!("{words}\n{report}"));
        assert!(!checked.report.contains(CANARY), "{}", checked.report);
        providers.delete("default", &DeleteParams::default()).await.unwrap();
    }

    world.create(&key("right")).await;
    well(&check(&world.namespace, &[]).await);
    let either = Fault::on(
        Call::List,
        Answer::error(403, "DWS.0015", "Not found or no permission."),
    );
    world.cloud.add_fault(either);
    let checked = check(&world.namespace, &[]).await;
    well(&checked);
    assert!(checked.report.contains("whether for project"), "{}", checked.report);
    world.cloud.clear_faults();
    // Any web server says that of a path that it does not know.
    let stranger = Fault::on(Call::List, Answer::with_body(404, Body::Html));
    world.cloud.add_fault(stranger);
    let checked = check(&world.namespace, &[]).await;
    only(&checked, &["/default: ", "what answers is not DWS", "Correct endpoint"]).unwrap();
    world.cloud.clear_faults();
    world.create(&on_cluster(7, obs("lake"))).await;
    let checked = check(&world.namespace, &[]).await;
    only(&checked, &["/default: ", &cluster(7), "/lake names, does not exist"]).unwrap();
}

/// Without an API server there is one finding, which says why.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_cannot_be_asked_is_the_only_finding() {
    let plane = ControlPlane::shared().await;
    let world = world(plane, Scope::Namespaced).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let real = plane.server();
    for (server, words) in [
        ("http://127.0.0.1:1", "does not answer: client error (Connect): "),
        ("http://127.0.0.1:1", "Connection refused"),
        (silent.as_str(), "did not answer within 10 s"),
        (real.as_str(), "refuses the question: "),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let kubeconfig = json!({
            "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "nobody's"}}],
            "current-context": "x",
        });
        std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
        let checked = check(&world.namespace, &[&format!("--kubeconfig={}", file.path().display())]).await;
        only(&checked, &["wrong  Kubernetes API: ", words]).unwrap_or_else(|report| panic!("{words}\n{report}"));
        assert_eq!(checked.report.lines().count(), 2, "{}", checked.report);
    }
}
