//! The checks of a data source.

use serde_json::json;

use crate::manifests::{CLUSTER_ID, merged, mrs, obs};
use crate::rows::{BAD_NAMES, Row, name_fits, pattern, rule};

/// Every check of a data source but those that compare with the old object.
#[allow(clippy::too_many_lines, reason = "one table")]
pub fn data_source_rows() -> Vec<Row> {
    let (obs, mrs) = (obs("rules"), mrs("rules"));
    let no_marker = "description must not contain [k8s: because the operator's ownership marker begins with it";
    vec![
        name_fits(&obs),
        rule(
            &mrs,
            "spec",
            "type MRS needs dataSourceID: set it to the id of the MRS cluster",
            [
                json!({}),
                json!({"spec": {"type": "LAKE_FORMATION", "dataSourceID": null}}),
            ],
            [json!({"spec": {"dataSourceID": null}})],
        ),
        rule(
            &mrs,
            "spec",
            "type MRS needs userPwd: name the Secret that holds the password of userName",
            [json!({}), json!({"spec": {"type": "LAKE_FORMATION", "userPwd": null}})],
            [json!({"spec": {"userPwd": null}})],
        ),
        rule(
            &obs,
            "spec",
            "type OBS needs connectInfo: set it to the name of the database",
            [
                json!({}),
                json!({"spec": {"type": "LAKE_FORMATION", "connectInfo": null}}),
            ],
            [json!({"spec": {"connectInfo": null}})],
        ),
        rule(
            &obs,
            "spec",
            "type OBS takes no password: remove userPwd, access is granted by the agency in userName",
            [
                json!({}),
                json!({"spec": {"type": "LAKE_FORMATION", "userPwd": mrs["spec"]["userPwd"]}}),
            ],
            [json!({"spec": {"userPwd": mrs["spec"]["userPwd"]}})],
        ),
        rule(
            &obs,
            "spec.description",
            no_marker,
            [json!({"spec": {"description": "k8s: [sales]"}})],
            [json!({"spec": {"description": "mine [k8s:0123456789abcdef0123]"}})],
        ),
        pattern(
            &obs,
            "spec.clusterID",
            [CLUSTER_ID],
            [
                "4ca46bf1",
                "4CA46BF1-5C61-48FF-B4F3-0AD4E5E3BA90",
                "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba9/",
                "..",
                "%2f",
                "a@b",
                "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba\r\n",
            ],
        ),
        pattern(
            &obs,
            "spec.dataSourceName",
            ["a", "Sales_1"],
            ["", "sales-lake", "sales lake", "..", "a%2fb", "a@b", "a\r\nb", "sälesß"],
        ),
        pattern(
            &mrs,
            "spec.dataSourceID",
            ["0f3b7c52-9d1e", "mrs_1"],
            ["", "a/b", "..", "%2f", "a@b", "a\r\nb"],
        ),
        pattern(
            &obs,
            "spec.userName",
            ["u", "an-agency.with_a-name_of_more_than_20_characters"],
            ["", "a b", "a/b", "%2f", "a@b", "a\r\nb"],
        ),
        pattern(
            &obs,
            "spec.connectInfo",
            ["gaussdb", "Datenbank ä"],
            ["", "a\r\nb", "a\u{0}b", "a\u{85}b"],
        ),
        pattern(
            &obs,
            "spec.description",
            ["", "sales lake, 50 % of it: (a) [b] \"c\" /d"],
            ["a!", "<b", "b>", "it's", "a=b", "a&b", "a\nb", "a\tb", "a\u{7f}"],
        ),
        pattern(
            &obs,
            "spec.projectID",
            ["89cd04f168b84af6be287f71730fdb4b", "P1"],
            ["", "a-b", "a/b", "..", "%2f", "a@b", "a\r\nb", "a?b"],
        ),
        pattern(&obs, "spec.providerRef.name", ["default", "eu.west-1"], BAD_NAMES),
        pattern(
            &mrs,
            "spec.userPwd.secretKeyRef.name",
            ["mrs", "mrs.account-1"],
            BAD_NAMES,
        ),
        pattern(
            &mrs,
            "spec.userPwd.secretKeyRef.key",
            ["password", "Pass_word.1"],
            ["a/b", "a b", "a\r\nb", "%2f"],
        ),
        pattern(
            &obs,
            "status.conditions[].type",
            ["Ready", "Paused"],
            ["not ready", "Ready\n"],
        ),
        pattern(
            &obs,
            "status.conditions[].reason",
            ["Available", "OfTheFuture"],
            ["it works", "Available\n"],
        ),
    ]
    .into_iter()
    .map(|mut row| {
        if row.place == "spec.providerRef.name" {
            row.object = merged(
                &row.object,
                &json!({"spec": {"providerRef": {"kind": "DwsProvider", "name": "x"}}}),
            );
        }
        row
    })
    .collect()
}
