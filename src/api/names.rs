//! The names that the operator puts on things: group, finalizer, annotation, and the ownership marker in the cloud.
//!
//! Everything here is text in, text out; who may use a name is decided elsewhere.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::data_source::{DwsDataSourceSpec, SecretVersion};
use super::text;

/// The API group.
pub const GROUP: &str = "dws.huaweicloud.com";

/// The finalizer that keeps a data source's object until the cloud is clean, and a provider until its last user is gone. The operator's.
pub const FINALIZER: &str = "dws.huaweicloud.com/finalizer";

/// The finalizer that keeps a Secret while data sources use a provider that names it (`--guard-secrets`). The operator's.
pub const SECRET_FINALIZER: &str = "dws.huaweicloud.com/secret-in-use";

/// The annotation of a provider that names the Secrets which may carry the finalizer of `--guard-secrets` because of it, separated by commas. The
/// operator's.
pub const GUARDED_ANNOTATION: &str = "dws.huaweicloud.com/guarded-secrets";

/// The name of the definition of data sources.
pub const DEFINITION: &str = "dwsdatasources.dws.huaweicloud.com";

/// The annotation that holds the intent of a create, as JSON: what was asked for, where, and by whom. The operator's; leave it alone.
pub const INTENT_ANNOTATION: &str = "dws.huaweicloud.com/create-intent";

/// The annotation of an install's Lease that tells which namespaces it watches, separated by commas, or `*` for all.
pub const WATCHED_ANNOTATION: &str = "dws.huaweicloud.com/watched-namespaces";

/// Whether a name of an annotation is one of the operator's group.
#[must_use]
pub fn is_own(annotation: &str) -> bool {
    annotation.split_once('/').is_some_and(|(group, _)| group == GROUP)
}

/// The annotation that asks for a look at the cloud at once, and ends a wait. Like all requests it holds a token, any text; a new token is a new
/// request.
pub const RECONCILE_ANNOTATION: &str = "dws.huaweicloud.com/reconcile-requested-at";

/// The annotation that asks for one restart of the DWS cluster.
pub const REBOOT_ANNOTATION: &str = "dws.huaweicloud.com/reboot-requested-at";

/// The annotation that asks to renew the credentials which the cloud took from the agency of an OBS source.
pub const REFRESH_ANNOTATION: &str = "dws.huaweicloud.com/refresh-requested-at";

/// The annotation that approves the plan whose id (`status.plan.id`) it holds.
pub const APPROVE_ANNOTATION: &str = "dws.huaweicloud.com/approve";

/// The annotation that pauses an object, or all objects of a Namespace: any value but `false`.
pub const PAUSED_ANNOTATION: &str = "dws.huaweicloud.com/paused";

/// The annotation of a Namespace that says what becomes of its data sources whose spec does not: `Delete` or `Retain`.
pub const DELETION_POLICY_ANNOTATION: &str = "dws.huaweicloud.com/deletion-policy";

/// The annotation that lets an object go that is being deleted, whatever the cloud holds of it; its value is the reason.
pub const FORCE_DELETE_ANNOTATION: &str = "dws.huaweicloud.com/force-delete";

const MARKER_PREFIX: &str = "[k8s:";
const MARKER_SUFFIX: &str = "]";
const MARKER_BYTES: usize = 10;
const PLAN_ID_BYTES: usize = 6;

/// Whether the annotations of an object or a Namespace ask for a pause.
#[must_use]
pub fn is_paused(annotations: Option<&BTreeMap<String, String>>) -> bool {
    let value = annotations.and_then(|annotations| annotations.get(PAUSED_ANNOTATION));
    value.is_some_and(|value| value != "false")
}

/// The ownership marker of the object with this uid: `[k8s:` and 20 hexadecimal digits of the uid's SHA-256 and `]`.
///
/// The cloud keeps it at the end of the description; only the object with this uid may change or delete what carries it.
#[must_use]
pub fn marker(uid: &str) -> String {
    let hash = digest(&SHA256, uid.as_bytes());
    let digits = text::hex(&hash.as_ref()[..MARKER_BYTES]);
    format!("{MARKER_PREFIX}{digits}{MARKER_SUFFIX}")
}

/// The id of the plan to replace the data source `id` by what this spec and this password ask for; the password is told by its HMAC, or by the
/// version of its Secret. To remove the record of a failed create is another plan. What only says what the operator may do does not count.
///
/// # Panics
/// Never: a spec is always JSON.
#[must_use]
pub fn plan_id(id: &str, spec: &DwsDataSourceSpec, password: Option<&SecretVersion>, is_failed: bool) -> String {
    let wanted = DwsDataSourceSpec {
        reboot: None,
        deletion_policy: None,
        management_policy: None,
        import: None,
        replacement_policy: None,
        resync_period: None,
        ..spec.clone()
    };
    let password = password.map(|version| version.hmac.as_ref().unwrap_or(&version.resource_version));
    let asked = serde_json::to_vec(&(id, wanted, password, is_failed)).expect("texts are valid JSON");
    text::hex(&digest(&SHA256, &asked).as_ref()[..PLAN_ID_BYTES])
}

/// The description with the marker of the object with this uid at its end: after a space, or alone if there is no
/// description or an empty one.
#[must_use]
pub fn mark(description: Option<&str>, uid: &str) -> String {
    match description {
        None | Some("") => marker(uid),
        Some(text) => format!("{text} {}", marker(uid)),
    }
}

/// Splits a description of the cloud into its text and the ownership marker at its end, if there is one.
/// It undoes [`mark`], for whatever uid.
#[must_use]
pub fn strip(description: &str) -> (&str, Option<&str>) {
    let Some(start) = description.rfind(MARKER_PREFIX) else {
        return (description, None);
    };
    let (text, marker) = description.split_at(start);
    let is_marker = marker
        .strip_prefix(MARKER_PREFIX)
        .and_then(|rest| rest.strip_suffix(MARKER_SUFFIX))
        .is_some_and(|hex| {
            hex.len() == 2 * MARKER_BYTES && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
    if is_marker {
        (text.strip_suffix(' ').unwrap_or(text), Some(marker))
    } else {
        (description, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UID: &str = "0f0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a";

    #[test]
    fn the_marker_is_the_head_of_the_sha256_of_the_uid() {
        // printf abc | sha256sum: ba7816bf 8f01cfea 4141 40de… (FIPS 180-2, appendix B.1)
        assert_eq!(marker("abc"), "[k8s:ba7816bf8f01cfea4141]");
    }

    #[test]
    fn any_value_but_false_pauses() {
        let annotated = |value: &str| BTreeMap::from([(PAUSED_ANNOTATION.to_owned(), value.to_owned())]);
        for (value, is_paused) in [
            ("true", true),
            ("", true),
            ("no", true),
            ("False", true),
            ("false", false),
        ] {
            assert_eq!(super::is_paused(Some(&annotated(value))), is_paused, "{value:?}");
        }
        assert!(!is_paused(Some(&BTreeMap::new())) && !is_paused(None));
    }

    #[test]
    fn a_space_comes_before_the_marker_only_after_a_description() {
        assert_eq!(mark(Some("sales lake"), UID), format!("sales lake {}", marker(UID)));
        assert_eq!(mark(None, UID), marker(UID));
        assert_eq!(mark(Some(""), UID), marker(UID));
    }

    #[test]
    fn what_only_looks_like_a_marker_is_text() {
        for text in [
            "",
            "sales lake",
            "[k8s:ba7816bf8f01cfea4141] and more",
            "[k8s:ba7816bf8f01cfea414]",
            "[k8s:ba7816bf8f01cfea41410]",
            "[k8s:BA7816BF8F01CFEA4141]",
            "[k8s:ba7816bf8f01cfeä4141]",
            "[k8s:]",
            "[k8s:",
        ] {
            assert_eq!(strip(text), (text, None));
        }
    }

    #[test]
    fn the_longest_description_with_its_marker_fits_into_the_clouds_256_characters() {
        let longest = "d".repeat(super::super::patterns::DESCRIPTION_MAX as usize);
        assert!(mark(Some(&longest), UID).len() <= 256);
    }

    proptest! {
        #[test]
        fn strip_undoes_mark(text in "[^\\p{Cc}]{0,64}", uid in "[0-9a-f-]{36}") {
            let marked = mark(Some(&text), &uid);
            let marker = marker(&uid);
            prop_assert_eq!(strip(&marked), (text.as_str(), Some(marker.as_str())));
        }
    }
}
