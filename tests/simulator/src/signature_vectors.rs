//! Vectors made with Huawei's own Python SDK (`huaweicloudsdkcore` 3.1.219); V0 is the example of the official guide.

use super::*;
use axum::http::{HeaderName, HeaderValue};

const ACCESS: &str = "AKEXAMPLE0000000TEST";
const SECRET: &str = "SKexampleExampleSecretKey0123456789abcdEF";
const TOKEN: &str = "ggpjbi1ub3J0aC00EXAMPLE/token+with=chars";
const PROJECT: &str = "89cd04f168b84af6be287f71730fdb4b";
const HOST: &str = "dws.eu-west-101.myhuaweicloud.eu";
const DATE_VALUE: &str = "20260102T030405Z";
const SOURCES: &str =
    "/v1.0/89cd04f168b84af6be287f71730fdb4b/clusters/4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90/ext-data-sources";
const SOURCE: &str = "/v1.0/89cd04f168b84af6be287f71730fdb4b/clusters/4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90/ext-data-sources/d303f19c-fbd1-4716-ae04-07d1ff358f22";
const JSON: (&str, &str) = ("content-type", "application/json");
const JSON_UTF8: (&str, &str) = ("content-type", "application/json;charset=UTF-8");
const IN_PROJECT: (&str, &str) = ("x-project-id", PROJECT);
const WITH_TOKEN: (&str, &str) = ("x-security-token", TOKEN);
const BODY_1: &str = r#"{"type":"OBS","data_source_name":"source1","user_name":"DWSAccessOBS","connect_info":"gaussdb","description":"description"}"#;
const BODY_7: &str = r#"{"reconfigure":{"agency":"DWSAccessOBS2"}}"#;
const BODY_10: &str =
    r#"{"type":"OBS","data_source_name":"s1","user_name":"agency1","connect_info":"gaussdb","description":"数据源 é"}"#;

const PLAIN: &str = "host;x-sdk-date";
const FULL: &str = "content-type;host;x-project-id;x-sdk-date";
const TEMPORARY: &str = "content-type;host;x-project-id;x-sdk-date;x-security-token";

struct Vector {
    method: &'static str,
    path: &'static str,
    query: &'static str,
    host: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
    signed: &'static str,
    canonical_hash: &'static str,
    signature: &'static str,
}

impl Vector {
    fn new(method: &'static str, path: &'static str, canonical_hash: &'static str, signature: &'static str) -> Self {
        Self {
            method,
            path,
            query: "",
            host: HOST,
            headers: Vec::new(),
            body: "",
            signed: PLAIN,
            canonical_hash,
            signature,
        }
    }

    fn headers(mut self, signed: &'static str, headers: &[(&'static str, &'static str)]) -> Self {
        self.signed = signed;
        self.headers = headers.to_vec();
        self
    }

    fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    fn query(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    fn check(&self, access: &str, secret: &str, date: &'static str) {
        let mut headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        headers.insert("host", HeaderValue::from_static(self.host));
        headers.insert(DATE, HeaderValue::from_static(date));
        let authorization = format!(
            "SDK-HMAC-SHA256 Access={access}, SignedHeaders={}, Signature={}",
            self.signed, self.signature
        );
        let parsed = Authorization::parse(&authorization).unwrap();
        assert_eq!(parsed.access, access);

        let now = at(date);
        let mut request = Received {
            method: self.method,
            path: self.path,
            query: self.query,
            headers: &headers,
            body: self.body.as_bytes(),
        };
        let canonical = parsed.canonical_request(&request).unwrap();
        assert_eq!(sha256_hex(canonical.as_bytes()), self.canonical_hash, "{canonical}");
        assert_eq!(parsed.verify(&request, secret, now), Ok(()));

        assert_eq!(parsed.verify(&request, "another", now), Err(Flaw::Mismatch));
        request.body = b"tampered";
        assert_eq!(parsed.verify(&request, secret, now), Err(Flaw::Mismatch));
    }
}

fn at(date: &str) -> Timestamp {
    DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .unwrap()
        .to_zoned(TimeZone::UTC)
        .unwrap()
        .timestamp()
}

#[test]
fn the_guides_example_holds() {
    Vector {
        query: "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
        host: "service.region.example.com",
        ..Vector::new(
            "GET",
            "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs",
            "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a",
            "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
        )
    }
    .headers("content-type;host;x-sdk-date", &[JSON])
    .check(
        "QTWAOYTTINDUT2QVKYUC",
        "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc",
        "20191115T033655Z",
    );
}

#[test]
fn the_sdks_signatures_hold() {
    let vectors = [
        Vector::new(
            "POST",
            SOURCES,
            "bbfae0ee1364d625d318ab70968e02bc3b938d6094864bef24e5146f29092062",
            "890615627774924bd717148739f79745dce635a6dbd1c3dbeafa39dab5fefee5",
        )
        .headers(FULL, &[JSON_UTF8, IN_PROJECT])
        .body(BODY_1),
        Vector::new(
            "POST",
            SOURCES,
            "2a8e6b2e367797f3627d7de12d79614314bbdae2419fba9cbc9559467fa686fd",
            "bd06e6cbef8da0a5ac5280fd50fd2f75dddd37bdb71ecf2a965c160cd87ba1d0",
        )
        .headers(TEMPORARY, &[JSON_UTF8, IN_PROJECT, WITH_TOKEN])
        .body(BODY_1),
        Vector::new(
            "GET",
            SOURCES,
            "1e0fca6f5c43e816d6dff7226c6ea32b76765b51a3d6c76e4aa284b021e85355",
            "f15cac6ae8b3ff27908749c62c7f12fb2c8198c51e627d7f69b46eff598e2f7d",
        )
        .headers(FULL, &[JSON, IN_PROJECT])
        .query("Zeta=&limit=10&name=a%20b%2Fc%2Bd%3D%C3%A9~%2A&type=OBS"),
        Vector::new(
            "DELETE",
            SOURCE,
            "4f3047febc04f66f2be5fb783b6ad3011e8b5b9723895431e8aa4b139acb2fc7",
            "a2085e6d731e508496d40b528e81a2e920d901912b52c3cc41e339007230d5bf",
        )
        .headers(FULL, &[JSON, IN_PROJECT]),
        Vector::new(
            "DELETE",
            SOURCE,
            "b10e2eef6eab20b86142c45148cde849920a738a741d4089a0e00316732806e4",
            "720d96bbd96b12262cbbd6a16ef4fc395dda0b6a67c0cc3295f4b5f5f27f59ee",
        )
        .headers(TEMPORARY, &[JSON, IN_PROJECT, WITH_TOKEN]),
        Vector::new(
            "GET",
            "/v1.0/89cd04f168b84af6be287f71730fdb4b/job/2c9081c88418ed420184197c8bc80001",
            "9f0c07cd76f0752034eab57580a39caf37b1cb6dfd55ec30f4221377d34e8747",
            "ea9db469400c3e750388ac8d876587d8521e6792e0026a1c0c9681e7c31d7938",
        ),
        Vector::new(
            "PUT",
            SOURCE,
            "e3d973cd3fbfa30ff64e80b7f373437c6131abc6cb5de4c3aa3d9afb34f87e6e",
            "27c910c9d1c858d9296eaba82c5ebc67eacebe4722a25ffb8f42c24ad60dd475",
        )
        .headers(FULL, &[JSON_UTF8, IN_PROJECT])
        .body(BODY_7),
        Vector {
            host: "iam.eu-west-101.myhuaweicloud.eu",
            ..Vector::new(
                "GET",
                "/v3/projects",
                "ea4bf1425bd5ba4bd091a3e3a0c415243e1b2cbefc5bd71319dbfb53f1091eb1",
                "3c50d67307634897fcc7fc3e859d61e3c7f88ed635b2e72cb9238819bc6fe0d9",
            )
        }
        .query("name=eu-west-101"),
        Vector::new(
            "GET",
            "/v1.0/a%20b/c:d/é/",
            "093bacb68e69cee37f7c4671e27f15352769e3aa266e4a1e489e961eda722429",
            "89155a1e34ec9c55179952dea6510c8d892a727460ed57c864e11b77fffb5ce2",
        ),
        Vector::new(
            "POST",
            SOURCES,
            "e85516aa590d49e5fbeb2b9ddd60e076c8c7893c6f226c9e66e70e89fd8ae49a",
            "cb8ecb8fb5566ab022d497cce724be97c5c81143afaf2f76a5e068cc3a22f75f",
        )
        .headers(FULL, &[JSON_UTF8, IN_PROJECT])
        .body(BODY_10),
        Vector::new(
            "GET",
            SOURCES,
            "66a67f5decf4842673647aa4a43b248157cbeddc77cb6e668af2d3971ddc8a90",
            "a4cc5bfe069671ea1d228f3ddf4da089618a12d6aa54d07304ec9825d81b0741",
        )
        .headers(
            "content-type;host;user-agent;x-project-id;x-sdk-date",
            &[
                JSON,
                IN_PROJECT,
                ("user-agent", "  dws-operator/0.1  "),
                ("x_custom", "not signed"),
            ],
        )
        .query("type=MRS"),
    ];
    for vector in vectors {
        vector.check(ACCESS, SECRET, DATE_VALUE);
    }
}

fn verdict(signed: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Flaw> {
    let authorization = format!("SDK-HMAC-SHA256 Access={ACCESS}, SignedHeaders={signed}, Signature=00");
    let request = Received {
        method: "GET",
        path: "/",
        query: "",
        headers,
        body,
    };
    Authorization::parse(&authorization)
        .unwrap()
        .verify(&request, SECRET, now)
}

#[test]
fn flaws_are_told_apart() {
    let dated = HeaderMap::from_iter([(HeaderName::from_static(DATE), HeaderValue::from_static(DATE_VALUE))]);
    let now = at(DATE_VALUE);
    assert_eq!(verdict("host", &dated, b"", now), Err(Flaw::Date));
    assert_eq!(verdict(DATE, &HeaderMap::new(), b"", now), Err(Flaw::Date));
    assert_eq!(verdict("host;x-sdk-date", &dated, b"", now), Err(Flaw::HeaderAbsent));
    assert_eq!(verdict(DATE, &dated, b"", now), Err(Flaw::Mismatch));
    assert_eq!(verdict(DATE, &dated, b"", at("20260102T031905Z")), Err(Flaw::Mismatch));
    assert_eq!(verdict(DATE, &dated, b"", at("20260102T031906Z")), Err(Flaw::Skew));
    assert_eq!(verdict(DATE, &dated, b"", at("20260102T024904Z")), Err(Flaw::Skew));

    let mut hashed = dated.clone();
    hashed.insert(CONTENT_HASH, HeaderValue::from_static("00"));
    assert_eq!(verdict(DATE, &hashed, b"body", now), Err(Flaw::ContentHash));
    hashed.insert(CONTENT_HASH, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
    assert_eq!(verdict(DATE, &hashed, b"body", now), Err(Flaw::Mismatch));

    for malformed in [
        "",
        "SDK-HMAC-SHA256",
        "Basic abc",
        "SDK-HMAC-SHA256 Access=a, Signature=b",
    ] {
        assert!(Authorization::parse(malformed).is_none(), "{malformed}");
    }
}
