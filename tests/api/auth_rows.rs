//! The checks of a provider's credentials.

use serde_json::{Value, json};

use crate::manifests::{
    access_key, assume_agency_by_name, assume_agency_by_urn, merged, oidc_by_iam, oidc_by_sts, password,
};
use crate::rows::{BAD_NAMES, Row, pattern, rule};

const BAD_URNS: [&str; 4] = ["", "iam::d agency", "a\r\nb", "ä"];

/// This source of credentials instead of the access key.
fn only(source: &Value) -> Value {
    json!({"spec": {"auth": merged(&json!({"accessKey": null}), source)}})
}

/// This agency on top of the access key.
fn assuming(agency: &Value) -> Value {
    json!({"spec": {"auth": {"assumeAgency": agency}}})
}

/// Every check of `auth`.
pub fn auth_rows(base: &Value) -> Vec<Row> {
    let mut rows = rules(base);
    rows.extend(patterns(base));
    rows
}

fn rules(base: &Value) -> Vec<Row> {
    vec![
        rule(
            base,
            "spec.auth",
            "set exactly one of accessKey, password, podIdentity, oidc and nodeAgency",
            [
                password(),
                oidc_by_sts(),
                oidc_by_iam(),
                json!({"podIdentity": {}}),
                json!({"nodeAgency": {}}),
            ]
            .map(|source| json!({"spec": {"auth": merged(&json!({"accessKey": null}), &source)}})),
            [
                json!({"spec": {"auth": {"accessKey": null}}}),
                json!({"spec": {"auth": {"accessKey": null, "assumeAgency": assume_agency_by_urn()}}}),
                json!({"spec": {"auth": merged(&access_key(), &password())}}),
                json!({"spec": {"auth": merged(&access_key(), &json!({"podIdentity": {}}))}}),
                json!({"spec": {"auth": {"accessKey": null, "podIdentity": {}, "nodeAgency": {}}}}),
            ],
        ),
        rule(
            base,
            "spec.auth.oidc",
            "set either providerURN and agencyURN (STS), or idpID (IAM); sessionName is for STS only",
            [oidc_by_sts(), oidc_by_iam()].map(|source| only(&source)),
            [
                json!({"oidc": {}}),
                json!({"oidc": {"providerURN": "p"}}),
                json!({"oidc": {"agencyURN": "a"}}),
                merged(&oidc_by_sts(), &oidc_by_iam()),
                json!({"oidc": {"idpID": "idp", "sessionName": "session"}}),
            ]
            .map(|source| only(&source)),
        ),
        rule(
            base,
            "spec.auth.assumeAgency",
            "set either agencyName and domainName (IAM), or agencyURN (STS); sessionName is for STS only",
            [assume_agency_by_urn(), assume_agency_by_name()].map(|agency| assuming(&agency)),
            [
                json!({}),
                json!({"agencyName": "a"}),
                json!({"domainName": "d"}),
                merged(&assume_agency_by_urn(), &assume_agency_by_name()),
                json!({"agencyName": "a", "domainName": "d", "sessionName": "session"}),
            ]
            .map(|agency| assuming(&agency)),
        ),
    ]
}

fn patterns(base: &Value) -> Vec<Row> {
    vec![
        pattern(base, "spec.auth.accessKey.secretRef.name", ["key", "key.1"], BAD_NAMES),
        pattern(base, "spec.auth.password.secretRef.name", ["key", "key.1"], BAD_NAMES),
        pattern(
            base,
            "spec.auth.password.domainName",
            ["domain", "Example Ltd ä"],
            ["", "a\r\nb", "a\u{0}"],
        ),
        pattern(
            base,
            "spec.auth.password.userName",
            ["user", "user@example.com"],
            ["", "a\r\nb", "a\u{0}"],
        ),
        pattern(base, "spec.auth.oidc.providerURN", ["iam::d:oidcProvider:p"], BAD_URNS),
        pattern(base, "spec.auth.oidc.agencyURN", ["iam::d:agency:path/a"], BAD_URNS),
        pattern(
            base,
            "spec.auth.oidc.idpID",
            ["cce-1_a"],
            ["", "a b", "a\r\nX-Auth-Token: x", "a/b"],
        ),
        pattern(
            base,
            "spec.auth.oidc.sessionName",
            ["dws-operator", "a@b"],
            ["", "a", "a b", "a/b"],
        ),
        pattern(base, "spec.auth.assumeAgency.agencyURN", ["iam::d:agency:a"], BAD_URNS),
        pattern(
            base,
            "spec.auth.assumeAgency.sessionName",
            ["dws-operator"],
            ["", "a", "a b"],
        ),
        pattern(base, "spec.auth.assumeAgency.agencyName", ["Agency 1"], ["", "a\r\nb"]),
        pattern(
            base,
            "spec.auth.assumeAgency.domainName",
            ["Example Ltd ä"],
            ["", "a\r\nb"],
        ),
    ]
}
