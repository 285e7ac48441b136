//! The checks of both kinds of provider.

use serde_json::{Value, json};

use crate::auth_rows::auth_rows;
use crate::manifests::{CLUSTER_ID, provider};
use crate::rows::{BAD_NAMES, Check, Row, name_fits, patch_at, pattern, requirement, rule};

const GOOD_URLS: [&str; 7] = [
    "https://dws.eu-west-101.myhuaweicloud.eu",
    "https://dws.example.com:8443",
    "https://dws.1.example.com",
    "https://dws",
    "http://127.0.0.1:8080",
    "http://127.0.0.1:65535",
    "http://[::1]",
];

const BAD_URLS: [&str; 27] = [
    "",
    "dws.example.com",
    "ftp://dws.example.com",
    "http://dws.example.com",
    "http://127.0.0.1.example.com",
    "http://localhost",
    "https://",
    "https://127.0.0.1:8443",
    "https://[::1]",
    "https://10.0.0.1",
    "https://10.1",
    "https://0x7f.1",
    "https://dws.0x7f",
    "https://DWS.example.com",
    "https://user@dws.example.com",
    "https://dws.example.com@evil.example.com",
    "https://dws.example.com/",
    "https://dws.example.com/v1.0/..",
    "https://dws.example.com%2fevil",
    "https://dws..example.com",
    "https://dws.example.com?x=1",
    "https://dws.example.com#x",
    "https://dws.example.com:0",
    "https://dws.example.com:65536",
    "https://dws.example.com\\evil",
    "https://dws.example.com\r\nX-Auth-Token: x",
    "https://dws.example.com\n",
];

/// Every check of a kind of provider but those that compare with the old object.
pub fn provider_rows(kind: &str) -> Vec<Row> {
    let base = provider(kind, "rules");
    let url = "must be https://host or https://host:port in lower case with a host name, not an IP address, and without user info, \
               path, query or final slash (plain http only to 127.0.0.1 or [::1])";
    let urls = |place: &'static str| Row {
        object: base.clone(),
        place,
        check: Check::Rule(url.to_owned()),
        accepted: GOOD_URLS.iter().map(|url| patch_at(place, url)).collect(),
        refused: BAD_URLS.iter().map(|url| patch_at(place, url)).collect(),
    };
    let mut rows = vec![
        name_fits(&base),
        urls("spec.endpoint"),
        urls("spec.iamEndpoint"),
        urls("spec.stsEndpoint"),
        pattern(
            &base,
            "spec.region",
            ["eu-west-101", "my-kualalumpur-1", "eu-de"],
            [
                "",
                "EU-WEST-101",
                "-eu",
                "eu-",
                "eu.west",
                "..",
                "%2f",
                "a@b",
                "eu/west",
                "eu\r\n",
                "eu:443",
                "eu?",
                "eu#",
            ],
        ),
        pattern(
            &base,
            "spec.projectID",
            ["89cd04f168b84af6be287f71730fdb4b", "P1"],
            ["", "a-b", "a/b", "..", "%2f", "a@b", "a\r\nb", "a?b"],
        ),
        pattern(
            &base,
            "spec.projects[]",
            ["89cd04f168b84af6be287f71730fdb4b", "P1"],
            ["", "a-b", "a/b", "..", "%2f", "a@b", "a\r\nb", "a?b"],
        ),
        pattern(&base, "spec.caBundleSecretRef.name", ["ca", "ca.bundle-1"], BAD_NAMES),
        pattern(&base, "status.conditions[].type", ["Ready"], ["not ready", "Ready\n"]),
        pattern(
            &base,
            "status.conditions[].reason",
            ["Available"],
            ["it works", "Available\n"],
        ),
    ];
    let rate = |rate: Value| json!({"spec": {"rateLimit": {"requestsPerSecond": rate}}});
    rows.push(rule(
        &base,
        "spec.rateLimit.requestsPerSecond",
        "requestsPerSecond must be from 0.01 to 1000; 0.5 is one in two seconds, and leaving out rateLimit is no bound",
        [rate(json!(0.01)), rate(json!(1)), rate(json!(1000))],
        [rate(json!(0))],
    ));
    rows.extend(auth_rows(&base));
    if kind == "ClusterDwsProvider" {
        rows.extend(selector_rows(&base));
    }
    rows
}

fn selector_rows(base: &Value) -> Vec<Row> {
    let labels = |key: &str| json!({"spec": {"namespaceSelector": {"matchLabels": {key: "x"}}}});
    vec![
        rule(
            base,
            "spec.namespaceSelector.matchLabels",
            "matchLabels must have valid label keys, for example team or example.com/team",
            [labels("team"), labels("example.com/Team_1")],
            [labels("team!"), labels("a/b/c"), labels("")],
        ),
        rule(
            base,
            "spec.namespaceSelector.matchExpressions[]",
            "operators In and NotIn need values, Exists and DoesNotExist take none",
            [
                requirement("team", "In", &json!(["a"])),
                requirement("team", "NotIn", &json!(["a"])),
                requirement("team", "Exists", &json!(null)),
                requirement("team", "DoesNotExist", &json!([])),
            ],
            [
                requirement("team", "In", &json!(null)),
                requirement("team", "NotIn", &json!([])),
                requirement("team", "Exists", &json!(["a"])),
                requirement("team", "DoesNotExist", &json!(["a"])),
            ],
        ),
        pattern(
            base,
            "spec.namespaceSelector.matchLabels[]",
            ["", "Sales_1"],
            ["a b", "-a", "a/b"],
        ),
        pattern(
            base,
            "spec.namespaceSelector.matchExpressions[].key",
            ["team", "example.com/team"],
            ["", "a b", "a/b/c"],
        ),
        pattern(
            base,
            "spec.namespaceSelector.matchExpressions[].values[]",
            ["", "Sales_1"],
            ["a b", "-a", "a/b"],
        ),
        pattern(
            base,
            "spec.clusterIDs[]",
            [CLUSTER_ID],
            ["", "..", "4ca46bf1", "4CA46BF1-5C61-48FF-B4F3-0AD4E5E3BA90"],
        ),
    ]
}
