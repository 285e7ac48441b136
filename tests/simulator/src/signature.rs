//! Verification of `SDK-HMAC-SHA256` request signatures, written from the rules of the API signing guide.
//!
//! Takes a received request, its `Authorization` header and the secret key; returns whether the signature holds.
//! Never looks keys up and never signs.

use aws_lc_rs::{digest, hmac};
use axum::http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write as _;
use std::time::Duration;

const ALGORITHM: &str = "SDK-HMAC-SHA256";
const DATE: &str = "x-sdk-date";
const CONTENT_HASH: &str = "x-sdk-content-sha256";
/// The largest difference between `X-Sdk-Date` and the gateway's clock.
const MAX_SKEW: Duration = Duration::from_mins(15);
/// RFC 3986: letters, digits and `-_.~` stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request as it came off the wire.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) method: &'a str,
    /// The raw path.
    pub(crate) path: &'a str,
    /// The raw query, without the `?`; empty if there is none.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// A parsed `Authorization` header.
pub(crate) struct Authorization<'a> {
    pub(crate) access: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// `X-Sdk-Date` is absent, unreadable or not among the signed headers.
    Date,
    /// `X-Sdk-Date` is too far from now.
    Skew,
    /// A header that `SignedHeaders` names is absent.
    HeaderAbsent,
    /// `X-Sdk-Content-Sha256` is not the hash of the body.
    ContentHash,
    /// The signature is another one.
    Mismatch,
}

impl<'a> Authorization<'a> {
    /// Reads `SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…`.
    pub(crate) fn parse(header: &'a str) -> Option<Self> {
        let mut fields = header
            .strip_prefix(ALGORITHM)?
            .strip_prefix(' ')?
            .split(',')
            .map(str::trim);
        let access = fields.next()?.strip_prefix("Access=")?;
        let signed = fields.next()?.strip_prefix("SignedHeaders=")?.split(';').collect();
        let signature = fields.next()?.strip_prefix("Signature=")?;
        fields.next().is_none().then_some(Self {
            access,
            signed,
            signature,
        })
    }

    /// Checks the signature of a request.
    pub(crate) fn verify(&self, request: &Received<'_>, secret: &str, now: Timestamp) -> Result<(), Flaw> {
        if !self.signed.contains(&DATE) {
            return Err(Flaw::Date);
        }
        let date = header(request.headers, DATE).ok_or(Flaw::Date)?;
        let signed_at = DateTime::strptime("%Y%m%dT%H%M%SZ", &date)
            .and_then(|date| date.to_zoned(TimeZone::UTC))
            .map_err(|_| Flaw::Date)?
            .timestamp();
        if now.duration_since(signed_at).unsigned_abs() > MAX_SKEW {
            return Err(Flaw::Skew);
        }
        let canonical = self.canonical_request(request)?;
        let to_sign = format!("{ALGORITHM}\n{date}\n{}", sha256_hex(canonical.as_bytes()));
        let signature = decode_hex(self.signature).ok_or(Flaw::Mismatch)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::verify(&key, to_sign.as_bytes(), &signature).map_err(|_| Flaw::Mismatch)
    }

    fn canonical_request(&self, request: &Received<'_>) -> Result<String, Flaw> {
        let mut names = self.signed.clone();
        names.sort_unstable();
        let mut headers = String::new();
        for name in &names {
            let value = header(request.headers, name).ok_or(Flaw::HeaderAbsent)?;
            headers.push_str(name);
            headers.push(':');
            headers.push_str(value.trim());
            headers.push('\n');
        }
        Ok(format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            request.method,
            canonical_uri(request.path),
            canonical_query(request.query),
            names.join(";"),
            content_hash(request)?,
        ))
    }
}

fn canonical_uri(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut uri = decoded.split('/').map(encode).collect::<Vec<_>>().join("/");
    if !uri.ends_with('/') {
        uri.push('/');
    }
    uri
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| {
            (
                percent_decode_str(name).decode_utf8_lossy(),
                percent_decode_str(value).decode_utf8_lossy(),
            )
        })
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

fn content_hash(request: &Received<'_>) -> Result<String, Flaw> {
    let actual = sha256_hex(request.body);
    match header(request.headers, CONTENT_HASH) {
        Some(stated) if !request.body.is_empty() => match stated.as_str() {
            "UNSIGNED-PAYLOAD" => Ok(stated),
            hash if hash == actual => Ok(stated),
            _ => Err(Flaw::ContentHash),
        },
        _ => Ok(actual),
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The lower-case hex SHA-256 of some bytes.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in digest::digest(&digest::SHA256, bytes).as_ref() {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

/// Lower-case hex only: the rules state that case.
fn decode_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "signature_vectors.rs"]
mod vectors;
