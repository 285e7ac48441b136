//! The shapes and lengths of the strings in the API, by name.
//!
//! Patterns are written for the API server (RE2): `^` and `$` are the ends of the whole text, never of a line, so that no
//! pattern lets a line break through. What the cloud documents loosely is bounded here and judged by the cloud.

/// A UUID in lower case, as the cloud writes cluster ids.
pub const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/// The name of a data source (`data_source_name` of the create request).
pub const DATA_SOURCE_NAME: &str = "^[A-Za-z0-9_]{1,64}$";

/// An account or an agency (`user_name`). The create request documents 3 to 20 of `[A-Za-z0-9_]`, IAM gives agencies
/// longer names with `-` and `.`: the cloud decides.
pub const USER_NAME: &str = "^[A-Za-z0-9_.-]{1,64}$";

/// The id of the service behind a data source (`data_source_id`).
pub const REMOTE_ID: &str = "^[A-Za-z0-9_-]{1,64}$";

/// A description: the create request takes none of `!<>'=&`, and a control character has no place in one line.
pub const DESCRIPTION: &str = r"^[^!<>'=&\p{Cc}]*$";

/// The most characters of a description: the cloud's 256, less the 27 of the ownership marker, less some reserve.
pub const DESCRIPTION_MAX: u32 = 224;

/// A word of the cloud without a documented charset, in one line.
pub const ONE_LINE: &str = r"^[^\p{Cc}]+$";

/// A region. It becomes one label of a host name.
pub const REGION: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

/// A project id. IAM gives 32 hexadecimal digits; private clouds differ.
pub const PROJECT_ID: &str = "^[A-Za-z0-9]{1,64}$";

/// The base URL of a service: `https`, or `http` to the loopback addresses, a lower-case host and an optional port;
/// nothing else, so that no part of it can be taken for user info, a path or a query. The last label of a host name begins with a
/// letter: one that is a number makes the host an IP address, which no certificate of the cloud names.
pub const ENDPOINT: &str = concat!(
    r"^(https://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?",
    r"|http://(127\.0\.0\.1|\[::1\]))",
    "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?$"
);

/// A name of a Kubernetes object: a DNS subdomain (RFC 1123).
pub const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// The most characters of the names of this group's own objects, so that each fits into a label's value and Events can append to it.
pub const OWN_NAME_MAX: u32 = 63;

/// A key within a Secret.
pub const SECRET_KEY: &str = "^[-._a-zA-Z0-9]+$";

/// The key of a label: an optional DNS prefix and a name.
pub const LABEL_KEY: &str = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";

/// The value of a label; it may be empty.
pub const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// A duration as Go and Kubernetes write it, for example `1h30m`.
pub const DURATION: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";

/// The type or the reason of a condition, in the charset of `metav1.Condition`.
pub const CONDITION_WORD: &str = "^[A-Za-z]+$";

/// The URN of an agency or an identity provider in IAM, for example `iam::DOMAIN:agency:NAME`.
pub const URN: &str = "^[!-~]+$";

/// The name of a session of STS (`agency_session_name`).
pub const SESSION_NAME: &str = "^[A-Za-z0-9_+=,.@-]{2,64}$";
