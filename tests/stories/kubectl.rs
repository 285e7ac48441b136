//! What users see with `kubectl` alone.

use dws_operator::api::provider::DwsProvider;
use dws_testbed::wait;
use futures::StreamExt;
use serde_json::Value;

use crate::world::{CLUSTER, SOON, World, cluster, mrs, obs, on_cluster};

/// The columns of a table: each begins where its header does.
fn rows(table: &str) -> Vec<Vec<String>> {
    let header = table.lines().next().unwrap_or_default();
    let mut starts: Vec<usize> = Vec::new();
    let mut is_gap = true;
    for (at, letter) in header.char_indices() {
        if is_gap && letter != ' ' {
            starts.push(at);
        }
        is_gap = letter == ' ';
    }
    let cells = |line: &str| {
        let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
        let cell = |(start, end): (usize, usize)| {
            let end = end.min(line.len());
            line.get(start.min(end)..end).unwrap_or_default().trim().to_owned()
        };
        starts.iter().copied().zip(ends).map(cell).collect()
    };
    table.lines().map(cells).collect()
}

/// `kubectl get` by short name, by category, by field and in the wide form tells how things stand.
#[tokio::test(flavor = "multi_thread")]
async fn get_tells_how_things_stand() {
    let world = World::new("kubectl").await;
    world.with_provider().await;
    let kubectl = world.namespace.kubectl();
    let _operator = world.operator().start().await;
    world.create(&obs("sales-archive")).await;
    let id = world.ready("sales-archive").await.status.unwrap().id.unwrap();
    // Its password is nowhere.
    world.create(&on_cluster(1, mrs("sales-lake"))).await;
    let waits = world
        .reconciling("sales-lake", dws_operator::api::Reason::WaitingForSecret)
        .await;
    let providers: kube::Api<DwsProvider> = world.api();
    wait::until(SOON, "the provider has a verdict", async || {
        match providers.get("default").await {
            Ok(provider) if provider.status.as_ref().is_some_and(|s| !s.conditions.is_empty()) => Ok(()),
            other => Err(other),
        }
    })
    .await;

    let table = rows(&kubectl.run(&["get", "dwsds"]).await);
    assert_eq!(table[0], ["NAME", "TYPE", "DATASOURCE", "READY", "REASON", "AGE"]);
    assert_eq!(
        table[1][..5],
        ["sales-archive", "OBS", "sales_archive", "True", "Available"]
    );
    assert_eq!(
        table[2][..5],
        ["sales-lake", "MRS", "sales_lake", "False", "WaitingForSecret"]
    );

    let table = rows(&kubectl.run(&["get", "dwsds", "-o", "wide"]).await);
    assert_eq!(
        table[0],
        [
            "NAME",
            "TYPE",
            "DATASOURCE",
            "READY",
            "REASON",
            "ID",
            "CLUSTER",
            "MESSAGE",
            "AGE"
        ]
    );
    assert_eq!(table[1][5..7], [id.as_str(), CLUSTER]);
    assert_eq!(
        table[2][5..8],
        ["", cluster(1).as_str(), crate::world::message(&waits).as_str()]
    );

    let table = rows(&kubectl.run(&["get", "dwsp"]).await);
    assert_eq!(table[0], ["NAME", "REGION", "READY", "REASON", "USERS", "AGE"]);
    assert_eq!(table[1][..4], ["default", "eu-west-101", "True", "Available"]);

    let all = kubectl.run(&["get", "huaweicloud", "-o", "name"]).await;
    let mut all: Vec<_> = all.lines().filter(|name| !name.starts_with("cluster")).collect();
    all.sort_unstable();
    let group = "dws.huaweicloud.com";
    assert_eq!(
        all,
        [
            format!("dwsdatasource.{group}/sales-archive"),
            format!("dwsdatasource.{group}/sales-lake"),
            format!("dwsprovider.{group}/default"),
        ]
    );
    let resources = kubectl
        .run(&["api-resources", "--categories=huaweicloud", "--no-headers"])
        .await;
    let mut known: Vec<_> = resources
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| (words[0], words[1], words[3]))
        .collect();
    known.sort_unstable();
    let expected = [
        ("clusterdwsproviders", "cdwsp", "false"),
        ("dwsdatasources", "dwsds", "true"),
        ("dwsproviders", "dwsp", "true"),
    ];
    assert_eq!(known, expected);

    let of = async |selector: &str| {
        kubectl
            .run(&["get", "dwsds", "-o", "name", "--field-selector", selector])
            .await
    };
    let name = format!("dwsdatasource.{group}/sales-lake\n");
    assert_eq!(of("spec.type=MRS").await, name);
    assert_eq!(of(&format!("spec.clusterID={}", cluster(1))).await, name);
    assert_eq!(of("spec.dataSourceName=sales_lake").await, name);
}

/// The fields of a schema, as `kubectl explain` takes them.
fn fields(at: &str, schema: &Value, found: &mut Vec<String>) {
    // Items of lists have no name of their own.
    let inner = if schema["items"].is_object() {
        &schema["items"]
    } else {
        schema
    };
    for (name, schema) in inner["properties"].as_object().into_iter().flatten() {
        let field = format!("{at}.{name}");
        fields(&field, schema, found);
        found.push(field);
    }
}

/// `kubectl explain` describes every field of every kind.
#[tokio::test(flavor = "multi_thread")]
async fn explain_describes_every_field() {
    let world = World::new("kubectl").await;
    let kubectl = world.namespace.kubectl();
    let mut all = Vec::new();
    let kinds = [
        ("dwsds", "dwsdatasources"),
        ("dwsp", "dwsproviders"),
        ("cdwsp", "clusterdwsproviders"),
    ];
    for (name, plural) in kinds {
        let crd = format!("{plural}.dws.huaweicloud.com");
        let crd = kubectl.run(&["get", "crd", &crd, "-o", "json"]).await;
        let crd: Value = serde_json::from_str(&crd).expect("JSON");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        all.push(format!("{name}.spec"));
        all.push(format!("{name}.status"));
        fields(&format!("{name}.spec"), &schema["spec"], &mut all);
        fields(&format!("{name}.status"), &schema["status"], &mut all);
    }
    assert!(
        all.iter().any(|field| field == "dwsds.spec.userPwd.secretKeyRef.key"),
        "{all:?}"
    );
    let explained = futures::stream::iter(&all).map(async |field| (field, kubectl.run(&["explain", field]).await));
    let explained: Vec<_> = explained.buffer_unordered(4).collect().await;
    for (field, text) in explained {
        let description = text
            .split_once("DESCRIPTION:")
            .map(|(_, rest)| rest.trim_start())
            .unwrap_or_default();
        assert!(
            description.starts_with(|first: char| first.is_alphabetic() || first == '`'),
            "{field}: {text}"
        );
    }
}
