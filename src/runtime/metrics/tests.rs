use super::*;

#[test]
fn names_on_the_wire_are_those_that_dashboards_know() {
    let metrics = Metrics::new();
    metrics.add_controller("dwsdatasource");
    metrics.set_kubernetes_calls_limit(16);
    metrics.reconciled("dwsdatasource", ReconcileResult::Error, Duration::from_millis(20));
    metrics.begin_pass("dwsprovider").end(ReconcileResult::Success);
    metrics.reconcile_panicked("dwsdatasource");
    metrics.set_queue_depth("lanes", "dwsdatasource", 3);
    metrics.rest_request("200", "GET", "127.0.0.1:6443");
    metrics.set_leading("dws-operator", true);
    metrics.cloud_request("create", Some(500), Some("DWS.0005"), Duration::from_secs(1));
    metrics.cloud_request("create", None, None, Duration::from_secs(20));
    metrics.duplicate_removed();
    metrics.recovered();
    metrics.orphaned();
    metrics.event_lost();
    metrics.force_deleted();
    metrics.set_claimed_elsewhere(3);
    metrics.set_breakers_open(2);
    metrics.set_credential_expiry(Some(1_800_000_000));
    metrics.undecodable("DwsDataSource", 0, 2);
    metrics.undecodable("DwsDataSource", 2, 1);
    metrics.log_lines_dropped().inc();
    let working = metrics.begin_pass("dwsdatasource");
    let text = metrics.encode();
    for line in [
        r#"controller_runtime_reconcile_total{controller="dwsdatasource",result="error"} 1"#,
        r#"controller_runtime_reconcile_total{controller="dwsdatasource",result="requeue_after"} 0"#,
        r#"controller_runtime_reconcile_errors_total{controller="dwsdatasource"} 1"#,
        r#"controller_runtime_reconcile_panics_total{controller="dwsdatasource"} 1"#,
        r#"controller_runtime_reconcile_time_seconds_bucket{le="0.025",controller="dwsdatasource"} 1"#,
        r#"controller_runtime_active_workers{controller="dwsdatasource"} 1"#,
        r#"controller_runtime_reconcile_total{controller="dwsprovider",result="success"} 1"#,
        r#"controller_runtime_reconcile_time_seconds_count{controller="dwsprovider"} 1"#,
        r#"controller_runtime_active_workers{controller="dwsprovider"} 0"#,
        "dws_kubernetes_calls_limit 16",
        r#"workqueue_depth{name="lanes",controller="dwsdatasource"} 3"#,
        r#"rest_client_requests_total{code="200",method="GET",host="127.0.0.1:6443"} 1"#,
        r#"leader_election_master_status{name="dws-operator"} 1"#,
        r#"dws_cloud_requests_total{operation="create",status="500",code="DWS.0005"} 1"#,
        r#"dws_cloud_requests_total{operation="create",status="none",code=""} 1"#,
        r#"dws_cloud_request_duration_seconds_count{operation="create"} 2"#,
        "dws_duplicates_removed_total 1",
        "dws_recoveries_total 1",
        "dws_orphaned_total 1",
        "dws_events_lost_total 1",
        "dws_force_deleted_total 1",
        "dws_objects_claimed_elsewhere 3",
        "dws_breaker_open 2",
        "dws_credential_expiry_timestamp_seconds 1800000000",
        "dws_log_lines_dropped_total 1",
        r#"dws_undecodable_objects{kind="DwsDataSource"} 1"#,
        concat!(
            r#"dws_operator_build_info{version=""#,
            env!("CARGO_PKG_VERSION"),
            r#""} 1"#
        ),
    ] {
        assert!(text.lines().any(|got| got == line), "{line} is missing from\n{text}");
    }
    drop(working);
    assert!(
        metrics
            .encode()
            .contains(r#"controller_runtime_active_workers{controller="dwsdatasource"} 0"#)
    );
}

#[test]
fn codes_of_the_cloud_are_bounded() {
    let metrics = Metrics::new();
    metrics.cloud_request("list", Some(400), Some("DWS.0001"), Duration::ZERO);
    metrics.cloud_request("list", Some(400), Some("a\"b\n"), Duration::ZERO);
    for n in 0..1000 {
        metrics.cloud_request("list", Some(400), Some(&format!("X.{n}")), Duration::ZERO);
    }
    metrics.cloud_request("list", Some(400), Some("DWS.0001"), Duration::ZERO);
    let text = metrics.encode();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("dws_cloud_requests_total"))
            .count(),
        65
    );
    assert!(text.contains(r#"code="DWS.0001"} 2"#), "{text}");
    assert!(text.contains(r#"code="other"} 938"#), "{text}");
}
