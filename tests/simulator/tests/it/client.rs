//! A client with a signer of its own, and the bodies that most tests send.

use aws_lc_rs::{digest, hmac};
use dws_simulator::{Admin, DEFAULT_ACCESS_KEY, DEFAULT_PROJECT, DEFAULT_SECRET_KEY, Settings, Simulator};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

pub(crate) const CLUSTER: &str = "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90";
pub(crate) const OTHER_CLUSTER: &str = "a07cb2f7-b17e-4d95-923b-a33d0c884d37";
/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How a request proves who sends it.
#[derive(Clone)]
pub(crate) enum Credential {
    Key {
        access: String,
        secret: String,
        token: Option<String>,
    },
    Token(String),
    None,
}

impl Credential {
    pub(crate) fn key(access: &str, secret: &str) -> Self {
        Self::Key {
            access: access.to_owned(),
            secret: secret.to_owned(),
            token: None,
        }
    }
}

/// A client of one simulator.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) credential: Credential,
    /// What the client's clock is ahead by, in seconds.
    pub(crate) skew: i64,
}

/// A simulator and a client with the default key.
pub(crate) async fn simulator(settings: Settings) -> (Simulator, Admin, Client) {
    let simulator = Simulator::start(settings).await.unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let client = Client {
        http,
        url: simulator.url(),
        credential: Credential::key(DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY),
        skew: 0,
    };
    let admin = simulator.admin();
    (simulator, admin, client)
}

/// Settings whose jobs are done at the first look.
pub(crate) fn instant() -> Settings {
    Settings {
        job_duration: Duration::ZERO,
        ..Settings::default()
    }
}

/// Settings whose jobs run until a test ends them.
pub(crate) fn slow() -> Settings {
    Settings {
        job_duration: Duration::from_hours(1),
        ..Settings::default()
    }
}

pub(crate) fn sources_path(cluster: &str) -> String {
    format!("/v1.0/{DEFAULT_PROJECT}/clusters/{cluster}/ext-data-sources")
}

pub(crate) fn obs(name: &str) -> Value {
    json!({
        "type": "OBS",
        "data_source_name": name,
        "user_name": "DWSAccessOBS",
        "connect_info": "gaussdb",
        "description": "description",
    })
}

pub(crate) fn mrs(name: &str, password: &str) -> Value {
    json!({
        "type": "MRS",
        "data_source_name": name,
        "user_name": "dws_user",
        "user_pwd": password,
        "data_source_id": "0f3b8a52-0f4d-4a3f-9d4e-0a1b2c3d4e5f",
    })
}

/// Status, and the error code in either of its usual fields.
pub(crate) async fn verdict(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let code = body["error_code"]
        .as_str()
        .or(body["errCode"].as_str())
        .unwrap_or_default();
    (status, code.to_owned())
}

/// The body of a success.
pub(crate) async fn success(response: Response) -> Value {
    let status = response.status();
    let body = response.text().await.unwrap();
    assert!(status.is_success(), "{status} {body}");
    serde_json::from_str(&body).unwrap()
}

impl Client {
    pub(crate) async fn try_call(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Response> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = self.signed_headers(&method, path, &body);
        self.http
            .request(method, format!("{}{path}", self.url))
            .headers(headers)
            .body(body)
            .send()
            .await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        self.try_call(method, path, body).await.unwrap()
    }

    pub(crate) async fn create(&self, cluster: &str, body: &Value) -> Response {
        self.call(Method::POST, &sources_path(cluster), Some(body)).await
    }

    pub(crate) async fn list(&self, cluster: &str, type_: &str) -> Value {
        success(
            self.call(Method::GET, &format!("{}?type={type_}", sources_path(cluster)), None)
                .await,
        )
        .await
    }

    pub(crate) async fn update(&self, cluster: &str, id: &str, body: &Value) -> Response {
        self.call(Method::PUT, &format!("{}/{id}", sources_path(cluster)), Some(body))
            .await
    }

    pub(crate) async fn delete(&self, cluster: &str, id: &str) -> Response {
        self.call(Method::DELETE, &format!("{}/{id}", sources_path(cluster)), None)
            .await
    }

    pub(crate) async fn job(&self, job_id: &str) -> Response {
        self.call(Method::GET, &format!("/v1.0/{DEFAULT_PROJECT}/job/{job_id}"), None)
            .await
    }

    /// A create that must be accepted; returns the id and the job's.
    pub(crate) async fn created(&self, cluster: &str, body: &Value) -> (String, String) {
        let body = success(self.create(cluster, body).await).await;
        (text(&body, "id"), text(&body, "job_id"))
    }

    /// The headers that authenticate a request.
    pub(crate) fn signed_headers(&self, method: &Method, path: &str, body: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/json;charset=UTF-8"),
        );
        match &self.credential {
            Credential::None => {}
            Credential::Token(token) => put(&mut headers, "x-auth-token", token),
            Credential::Key { access, secret, token } => {
                let date = self.date();
                put(&mut headers, "x-sdk-date", &date);
                if let Some(token) = token {
                    put(&mut headers, "x-security-token", token);
                }
                let (signed, canonical) = canonical(method, path, body, &headers, &self.url);
                let to_sign = format!("SDK-HMAC-SHA256\n{}\n{}", date, sha256(&canonical));
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
                let value = format!("SDK-HMAC-SHA256 Access={access}, SignedHeaders={signed}, Signature={signature}");
                put(&mut headers, "authorization", &value);
            }
        }
        headers
    }

    fn date(&self) -> String {
        let now = Timestamp::from_second(Timestamp::now().as_second() + self.skew).unwrap();
        now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

/// The signed headers and the canonical request. Paths and queries of the tests need no encoding and no sorting.
fn canonical(method: &Method, path: &str, body: &str, headers: &HeaderMap, url: &str) -> (String, String) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let host = url.strip_prefix("http://").unwrap();
    let mut pairs: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    pairs.push(("host", host));
    pairs.sort_unstable();
    let signed = pairs.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut lines = String::new();
    for (name, value) in &pairs {
        writeln!(lines, "{name}:{value}").unwrap();
    }
    let request = format!("{method}\n{path}/\n{query}\n{lines}\n{signed}\n{}", sha256(body));
    (signed, request)
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

pub(crate) fn text(body: &Value, key: &str) -> String {
    body[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {body}"))
        .to_owned()
}

/// The names in a list.
pub(crate) fn names(list: &Value) -> Vec<String> {
    list["data_sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| text(item, "name"))
        .collect()
}
