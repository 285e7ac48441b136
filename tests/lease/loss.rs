//! A leader stops leading as soon as it may not, and before its lease ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dws_operator::runtime::election::{Election, Release};
use dws_operator::runtime::lease::NAME;
use dws_operator::runtime::servers::Servers;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{PATIENCE, Stage, connection, eventually, long, short, soon};

#[tokio::test]
async fn a_changed_lease_is_read_again_and_a_taken_one_is_lost() {
    let stage = Stage::set().await;
    let election = stage.stand("a", &long()).await;
    let leadership = election.leadership();
    soon("leader", leadership.acquired()).await;

    let label = json!({"metadata": {"labels": {"touched": "yes"}}});
    stage
        .leases
        .patch(NAME, &PatchParams::default(), &Patch::Merge(label))
        .await
        .unwrap();
    stage.renewals(2).await;
    assert!(leadership.is_leader());
    assert!(
        stage
            .lease()
            .await
            .metadata
            .labels
            .is_some_and(|labels| labels["touched"] == "yes")
    );

    let other = json!({"spec": {"holderIdentity": "somebody"}});
    stage
        .leases
        .patch(NAME, &PatchParams::default(), &Patch::Merge(other))
        .await
        .unwrap();
    soon("loss", leadership.lost()).await;
    assert!(!leadership.is_leader());
    assert_eq!(stage.holder().await.as_deref(), Some("somebody"));
    assert_eq!(election.release(PATIENCE).await, Release::NotHeld);
}

#[tokio::test]
async fn a_deleted_lease_is_lost() {
    let stage = Stage::set().await;
    let election = stage.stand("a", &long()).await;
    soon("leader", election.leadership().acquired()).await;
    stage.leases.delete(NAME, &DeleteParams::default()).await.unwrap();
    soon("loss", election.leadership().lost()).await;
    assert!(!election.leadership().is_leader());
}

/// Get, create and update are all it needs; without them it never leads, and it stops before a lease ends that it may not renew.
#[tokio::test]
async fn without_permission_it_stops_before_the_lease_ends() {
    let stage = Stage::set().await;
    let user = format!("system:serviceaccount:{}:operator", stage.namespace.name());
    let limited = connection(|kubeconfig| {
        for user_of in kubeconfig
            .auth_infos
            .iter_mut()
            .filter_map(|named| named.auth_info.as_mut())
        {
            user_of.impersonate = Some(user.clone());
        }
    })
    .await;
    let setting = stage.setting("a", &short());
    let clock = setting.clock;
    let loopback = "127.0.0.1:0".parse().unwrap();
    let servers = Servers::start(loopback, loopback, &setting.health, &setting.metrics)
        .await
        .unwrap();
    let probe = async || {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/readyz?verbose", servers.health_address);
        let answer = client.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let metrics = setting.metrics.clone();
    let refused = || metrics.encode().contains(r#"rest_client_requests_total{code="403""#);
    let election = Election::start(limited.client(&metrics).unwrap(), setting);
    let leadership = election.leadership();
    eventually("refusal", async || refused()).await;
    assert!(probe().await.contains("[-]lease failed"));

    let role: Role = serde_json::from_value(json!({
        "metadata": {"name": "operator"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}],
    }))
    .unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": stage.namespace.name()}],
    }))
    .unwrap();
    let (roles, bindings): (Api<Role>, Api<RoleBinding>) = (
        Api::namespaced(stage.client.clone(), stage.namespace.name()),
        Api::namespaced(stage.client.clone(), stage.namespace.name()),
    );
    roles.create(&PostParams::default(), &role).await.unwrap();
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    soon("leader", leadership.acquired()).await;
    stage.renewals(2).await;
    assert!(probe().await.contains("[+]lease ok"));
    assert!(
        metrics
            .encode()
            .contains(r#"leader_election_master_status{name="dws-operator"} 1"#)
    );

    bindings.delete("operator", &DeleteParams::default()).await.unwrap();
    soon("loss", leadership.lost()).await;
    let lost = clock.now();
    let renewed = stage.spec().await.renew_time.unwrap().0;
    let since = lost.duration_since(renewed);
    assert!(
        Duration::try_from(since).unwrap() < short().lease,
        "lost {since:#} after the last renewal"
    );
    assert!(leadership.begin_write(Duration::ZERO).is_none());
    eventually("status", async || {
        metrics
            .encode()
            .contains(r#"leader_election_master_status{name="dws-operator"} 0"#)
    })
    .await;
}

/// Passes bytes on until it is cut; from then on it is silent but keeps every connection open.
async fn proxy(target: String, cut: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let (target, cut) = (target.clone(), Arc::clone(&cut));
            tokio::spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                let silence = async {
                    while !cut.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = silence => std::future::pending().await,
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn when_nobody_answers_it_stops_before_the_lease_ends_and_another_takes_over() {
    let stage = Stage::set().await;
    let cut = Arc::new(AtomicBool::new(false));
    let mut target = String::new();
    connection(|kubeconfig| {
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        target = cluster
            .server
            .clone()
            .unwrap()
            .trim_start_matches("https://")
            .to_owned();
    })
    .await;
    let port = proxy(target, Arc::clone(&cut)).await;
    let through = connection(|kubeconfig| {
        for cluster in kubeconfig
            .clusters
            .iter_mut()
            .filter_map(|named| named.cluster.as_mut())
        {
            cluster.server = Some(format!("https://127.0.0.1:{port}"));
        }
    })
    .await;
    let setting = stage.setting("a", &short());
    let first = Election::start(through.client(&setting.metrics).unwrap(), setting);
    let leadership = first.leadership();
    soon("leader", leadership.acquired()).await;
    let second = stage.stand("b", &short()).await;
    stage.renewals(2).await;

    cut.store(true, Ordering::SeqCst);
    let cut_at = Instant::now();
    soon("loss", leadership.lost()).await;
    let lasted = cut_at.elapsed();
    assert!(lasted < short().lease, "lost {lasted:?} after the cut");
    assert!(!second.leadership().is_leader(), "two leaders");
    soon("takeover", second.leadership().acquired()).await;
    assert_eq!(stage.holder().await.as_deref(), Some("b"));
}
