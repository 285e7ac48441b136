//! A single replica without a Lease.

use dws_simulator::Call;

use crate::metrics::scrape;
use crate::world::{World, obs, operator_ready};

/// Without an election the operator works at once, asks for no Lease, says that it leads, and ends when it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_election_no_lease_is_asked_for() {
    let world = World::new("alone").await;
    world.with_provider().await;
    let operator = world.operator_with(&["--leader-elect=false"]).start().await;
    operator_ready(&operator).await;
    world.create(&obs("lake")).await;
    world.ready("lake").await;
    assert_eq!(world.effective(Call::Create), 1);
    let leads = r#"leader_election_master_status{name="dws-operator"}"#;
    assert_eq!(scrape(&operator).await.get(leads), Some(&1.0), "an alert asks for it");
    let (status, _) = operator.terminate().await;
    assert!(status.success(), "{status}");
    let requests = world.namespace.operator_requests().await;
    assert!(!requests.is_empty());
    let leases: Vec<_> = requests.iter().filter(|request| request.resource == "leases").collect();
    assert!(leases.is_empty(), "{leases:?}");
}
