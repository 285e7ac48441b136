//! The error codes of DWS and of the API gateway, in one table.
//!
//! Takes a code and its message and returns what they say; the HTTP status is none of its business.
//! Sources: the error code pages of DWS (2018 to 2025), of APIG and of "API signing", and what the
//! Terraform provider for Huawei Cloud has met.

/// What a code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The cluster is busy with another operation.
    Busy,
    /// An object of that name exists.
    Exists,
    /// The request is wrong.
    Invalid,
    /// The caller may not do this.
    Denied,
    /// The DWS cluster does not exist.
    ClusterGone,
    /// The credentials are wrong, expired or locked.
    BadCredentials,
    /// Too many calls.
    Throttled,
    /// The gateway could not check the credentials; it passed nothing on.
    Unavailable,
    /// DWS failed, at a point that nobody knows.
    ServerFailure,
}

use Meaning::{BadCredentials, Busy, ClusterGone, Denied, Exists, Invalid, ServerFailure, Throttled, Unavailable};

const TABLE: &[(&str, Meaning)] = &[
    // A parameter is wrong, or the cluster id is no UUID.
    ("DWS.0001", Invalid),
    ("DWS.0005", ServerFailure),
    // The request is empty.
    ("DWS.0006", Invalid),
    // Another operation is running on the instance, or it is faulty.
    ("DWS.0011", Busy),
    // Not found or no permission: it does not say which.
    ("DWS.0015", Denied),
    // The account is restricted; the account is frozen.
    ("DWS.0020", Denied),
    ("DWS.0021", Denied),
    ("DWS.0022", ClusterGone),
    // The quota of snapshots.
    ("DWS.0030", Invalid),
    ("DWS.0031", Exists),
    ("DWS.0032", Denied),
    ("DWS.0047", ClusterGone),
    // The quota of instances.
    ("DWS.1112", Invalid),
    ("DWS.3027", ClusterGone),
    // The tenant may not use this cluster.
    ("DWS.5045", Denied),
    // Agency, database, user name, password; a function that the version of the database lacks.
    ("DWS.5130", Invalid),
    ("DWS.5172", Invalid),
    ("DWS.5198", Invalid),
    ("DWS.5199", Invalid),
    ("DWS.5206", Invalid),
    // The state of the cluster forbids the operation; it comes with 403, also just after another one.
    ("DWS.7023", Busy),
    ("DWS.9999", ServerFailure),
    // No such API: the endpoint is not that of DWS.
    ("APIGW.0101", Invalid),
    ("APIGW.0301", BadCredentials),
    ("APIGW.0302", Denied),
    ("APIGW.0303", BadCredentials),
    ("APIGW.0305", BadCredentials),
    ("APIGW.0307", BadCredentials),
    ("APIGW.0308", Throttled),
    // The project is not available.
    ("APIGW.0310", Denied),
    ("APIGW.0613", Unavailable),
];

/// The codes of a gateway that refuses the key or token itself.
const REFUSED_KEY: &[&str] = &["APIGW.0301", "APIGW.0307"];

/// Codes of a busy cluster that DWS.9999 has been seen to carry in its text.
const BUSY: &[&str] = &["DWS.7023", "DWS.0011"];

/// Words of a message that speak of a busy cluster.
const BUSY_WORDS: &[&str] = &["busy", "later", "another operation", "in progress"];

/// What the code says, if it is a known one.
pub fn meaning(code: &str, message: &str) -> Option<Meaning> {
    // Older pages explain DWS.5046 as a busy cluster, current ones as a missing network card.
    if code == "DWS.5046" {
        let message = message.to_ascii_lowercase();
        let busy = BUSY_WORDS.iter().any(|word| message.contains(word));
        return Some(if busy { Busy } else { Invalid });
    }
    let (_, meaning) = TABLE.iter().find(|(known, _)| *known == code)?;
    if *meaning == ServerFailure && BUSY.iter().any(|busy| message.contains(busy)) {
        return Some(Busy);
    }
    Some(*meaning)
}

/// Whether the code is one of the table: the cloud's own word, which tells nothing of a secret that happens to look like it.
pub fn is_documented(code: &str) -> bool {
    TABLE.iter().any(|(known, _)| *known == code)
}

/// Whether the code is one of DWS itself, so that DWS has seen the request.
pub fn is_dws(code: &str) -> bool {
    code.starts_with("DWS.")
}

/// Whether the gateway refused the key or token itself.
pub fn refuses_key(code: &str) -> bool {
    REFUSED_KEY.contains(&code)
}

/// The code in the form of the table, if the text looks like a code at all.
pub fn normalised(code: &str) -> Option<String> {
    let code = code.trim();
    let plausible = (1..=64).contains(&code.len())
        && code.starts_with(|first: char| first.is_ascii_alphabetic())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !plausible {
        return None;
    }
    // Some sites write the prefix of the gateway's codes in this older form.
    Some(match code.strip_prefix("APIG.") {
        Some(number) => format!("APIGW.{number}"),
        None => code.to_owned(),
    })
}
