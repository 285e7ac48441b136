//! The signature `SDK-HMAC-SHA256` of Huawei Cloud's API gateway.
//!
//! Takes the parts of a request and returns the value of its `Authorization` header. It never sends
//! anything and never keeps the key. The rules are those of the API gateway's developer guide
//! ("Signing SDKs and demo"); the test vectors come from the official Python SDK.

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, HeaderValue, Method, header::InvalidHeaderValue};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use secrecy::{ExposeSecret, SecretString};

use crate::api::text::hex;

/// The header that carries the time of signing.
pub const DATE_HEADER: &str = "x-sdk-date";

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parts of a request that are signed.
pub struct Unsigned<'a> {
    /// The HTTP method.
    pub method: &'a Method,
    /// The path as on the wire.
    pub path: &'a str,
    /// The query as unencoded pairs; on the wire it is [`canonical_query`] of them.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers to sign, `Host` and [`DATE_HEADER`] among them. Names with `_` are left out.
    pub headers: &'a HeaderMap,
    /// The exact bytes of the body.
    pub body: &'a [u8],
}

/// The value of [`DATE_HEADER`]: UTC, to the second.
#[must_use]
pub fn date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The query as it is signed and sent: sorted, every pair with its `=`.
#[must_use]
pub fn canonical_query(pairs: &[(&str, &str)]) -> String {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let encoded: Vec<String> = sorted
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name.as_bytes()), encode(value.as_bytes())))
        .collect();
    encoded.join("&")
}

/// The value of the `Authorization` header, marked as sensitive.
///
/// # Errors
/// If the access key cannot stand in a header.
pub fn authorization(
    access: &str,
    secret: &SecretString,
    request: &Unsigned<'_>,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let date = request.headers.get(DATE_HEADER).map_or_else(String::new, trimmed);
    let to_sign = format!("{ALGORITHM}\n{date}\n{}", creq_hash(request));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    let signed = signed_names(request.headers).join(";");
    let mut value = HeaderValue::from_str(&format!(
        "{ALGORITHM} Access={access}, SignedHeaders={signed}, Signature={signature}"
    ))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The SHA-256 of the canonical request, as hex.
fn creq_hash(request: &Unsigned<'_>) -> String {
    sha256(canonical_request(request).as_bytes())
}

fn canonical_request(request: &Unsigned<'_>) -> String {
    let names = signed_names(request.headers);
    let line = |name: &&str| {
        let value = request.headers.get(*name).map_or_else(String::new, trimmed);
        [name, ":", &value, "\n"].concat()
    };
    let headers: String = names.iter().map(line).collect();
    [
        request.method.as_str(),
        &canonical_path(request.path),
        &canonical_query(request.query),
        &headers,
        &names.join(";"),
        &sha256(request.body),
    ]
    .join("\n")
}

/// The path with each segment encoded anew and a `/` at the end, which the wire does not have.
fn canonical_path(path: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let segments: Vec<String> = decoded.split(|byte| *byte == b'/').map(encode).collect();
    let mut canonical = segments.join("/");
    if !canonical.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

/// The names of the headers to sign, in lower case and sorted.
fn signed_names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| !name.contains('_'))
        .collect();
    names.sort_unstable();
    names
}

fn trimmed(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
}

fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests;
