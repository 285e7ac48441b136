//! The CEL rules of the CRDs, with the sentences that users read when one refuses their object.
//!
//! A rule echoes the refused value, so none may stand on a field that could hold a secret.

use kube::core::{Reason, Rule};

use super::patterns;

/// The required fields of a data source's spec that only a new data source could bring about.
const FIXED_REQUIRED: [&str; 3] = ["clusterID", "type", "dataSourceName"];

/// The optional ones. The cloud knows no update for them.
const FIXED_OPTIONAL: [&str; 4] = ["dataSourceID", "userPwd", "connectInfo", "description"];

/// The required field that the cloud updates for the type OBS, and for no other.
const FIXED_BUT_OBS: &str = "userName";

/// The expression that a spec only reads.
const OBSERVES: &str = "(has(self.managementPolicy) && self.managementPolicy == 'Observe')";

/// The expression that an object with a status only observed so far: nothing in the cloud was made or taken over by it.
const ONLY_OBSERVED: &str = "(has(oldSelf.spec.managementPolicy) && oldSelf.spec.managementPolicy == 'Observe' && \
     !has(oldSelf.status.imported) && (!has(oldSelf.status.lastAttempt) || \
     (!has(oldSelf.status.lastAttempt.lateUntil) && oldSelf.status.lastAttempt.outcome in ['Rejected', 'Absent', 'Gone'])))";

/// The expression that a required field is as it was.
fn same(field: &str) -> String {
    format!("self.{field} == oldSelf.{field}")
}

/// The expression that an optional field is as it was. Comparing CEL's optionals would be shorter, but the API server
/// cannot estimate the cost of that and refuses the CRD.
fn same_or_absent(field: &str) -> String {
    format!(
        "(has(self.{field}) ? has(oldSelf.{field}) && {} : !has(oldSelf.{field}))",
        same(field)
    )
}

fn refuse(rule: impl Into<String>, message: &str, reason: Reason) -> Rule {
    Rule::new(rule).message(message).reason(reason)
}

/// On a root: the name fits into a label's value and leaves room for what Events append to it.
pub fn name_fits() -> Rule {
    refuse(
        format!("size(self.metadata.name) <= {}", patterns::OWN_NAME_MAX),
        "metadata.name must be at most 63 characters",
        Reason::FieldValueInvalid,
    )
}

/// On the root of a data source: what the cloud cannot change in place stays while it exists, unless the spec allows to replace it.
/// A failed create holds nothing worth protecting, so a correction of it is free, also while its record is being removed. What failed is told by
/// the operation: the conditions may speak of other trouble meanwhile.
pub fn fixed_while_it_exists() -> Rule {
    let unchanged: Vec<String> = FIXED_REQUIRED
        .map(|field| same(&format!("spec.{field}")))
        .into_iter()
        .chain(FIXED_OPTIONAL.map(|field| same_or_absent(&format!("spec.{field}"))))
        .collect();
    let agency = format!(
        "(self.spec.type == 'OBS' || {})",
        same(&format!("spec.{FIXED_BUT_OBS}"))
    );
    refuse(
        format!(
            "!has(oldSelf.status) || !has(oldSelf.status.id) || \
             (has(self.spec.replacementPolicy) && self.spec.replacementPolicy != 'Never') || \
             (has(oldSelf.spec.replacementPolicy) && oldSelf.spec.replacementPolicy != 'Never') || \
             {ONLY_OBSERVED} || \
             (has(oldSelf.status.operation) && ((oldSelf.status.operation.type == 'Replace' && !has(oldSelf.status.operation.planID)) || \
             (oldSelf.status.operation.type == 'Create' && has(oldSelf.status.operation.failedCode)))) || ({} && {agency})",
            unchanged.join(" && ")
        ),
        "this can only change by deleting the data source and creating it anew: set replacementPolicy to OnApproval or Always to let the \
         operator do that, or delete this object and create it again",
        Reason::FieldValueForbidden,
    )
    .field_path(".spec")
}

/// On the root of a data source: what an attempt left behind can only be found through the same provider.
pub fn provider_fixed_after_attempt() -> Rule {
    fixed_after_attempt(
        "spec.providerRef",
        "providerRef is fixed once a create was attempted: \
         to use another provider, delete this object and create it again",
    )
}

/// On the root of a data source: what an attempt left behind can only be found in the same project.
pub fn project_fixed_after_attempt() -> Rule {
    fixed_after_attempt(
        "spec.projectID",
        "projectID is fixed once a create was attempted: \
         to use another project, delete this object and create it again",
    )
}

fn fixed_after_attempt(field: &str, message: &str) -> Rule {
    let never_attempted = "!has(oldSelf.status) || !(has(oldSelf.status.cloud) || has(oldSelf.status.lastAttempt))";
    refuse(
        format!("{never_attempted} || {ONLY_OBSERVED} || {}", same_or_absent(field)),
        message,
        Reason::FieldValueForbidden,
    )
    .field_path(format!(".{field}"))
}

/// On the spec of a data source.
pub fn mrs_needs_data_source_id() -> Rule {
    refuse(
        "self.type != 'MRS' || has(self.dataSourceID)",
        "type MRS needs dataSourceID: set it to the id of the MRS cluster",
        Reason::FieldValueRequired,
    )
    .field_path(".dataSourceID")
}

/// On the spec of a data source.
pub fn mrs_needs_password() -> Rule {
    refuse(
        format!("self.type != 'MRS' || has(self.userPwd) || {OBSERVES}"),
        "type MRS needs userPwd: name the Secret that holds the password of userName",
        Reason::FieldValueRequired,
    )
    .field_path(".userPwd")
}

/// On the spec of a data source.
pub fn obs_needs_connect_info() -> Rule {
    refuse(
        "self.type != 'OBS' || has(self.connectInfo)",
        "type OBS needs connectInfo: set it to the name of the database",
        Reason::FieldValueRequired,
    )
    .field_path(".connectInfo")
}

/// On the spec of a data source: a password is not sent where nothing needs it.
pub fn obs_takes_no_password() -> Rule {
    refuse(
        "self.type != 'OBS' || !has(self.userPwd)",
        "type OBS takes no password: remove userPwd, access is granted by the agency in userName",
        Reason::FieldValueForbidden,
    )
    .field_path(".userPwd")
}

/// On the spec of a data source: whoever takes something over says what shall become of it.
pub fn import_needs_deletion_policy() -> Rule {
    refuse(
        format!("!has(self.import) || has(self.deletionPolicy) || {OBSERVES}"),
        "import needs deletionPolicy: set it to Delete or Retain, or managementPolicy to Observe",
        Reason::FieldValueRequired,
    )
    .field_path(".deletionPolicy")
}

/// On the spec of a data source.
pub fn import_by_its_own_name() -> Rule {
    refuse(
        "!has(self.import) || !has(self.import.name) || self.import.name == self.dataSourceName",
        "import.name must be dataSourceName: the cloud cannot rename a data source",
        Reason::FieldValueInvalid,
    )
    .field_path(".import")
}

/// On an import.
pub fn one_import_key() -> Rule {
    refuse(
        "has(self.id) != has(self.name)",
        "set exactly one of id and name",
        Reason::FieldValueInvalid,
    )
}

/// On a resync period.
pub fn resync_is_off_or_slow() -> Rule {
    refuse(
        "duration(self) == duration('0s') || (duration(self) >= duration('10s') && duration(self) <= duration('8760h'))",
        "resyncPeriod must be 0s, for never, or from 10s to 8760h",
        Reason::FieldValueInvalid,
    )
}

/// On a rate. The API server compares an integer with the integer part of a minimum, so that 0 passes that of 0.01.
pub fn rate_is_positive() -> Rule {
    refuse(
        "self >= 0.01",
        "requestsPerSecond must be from 0.01 to 1000; 0.5 is one in two seconds, and leaving out rateLimit is no bound",
        Reason::FieldValueInvalid,
    )
}

/// On a description: nobody can write another object's ownership marker.
pub fn no_forged_marker() -> Rule {
    refuse(
        "!self.contains('[k8s:')",
        "description must not contain [k8s: because the operator's ownership marker begins with it",
        Reason::FieldValueInvalid,
    )
}

/// On a field of a provider.
pub fn region_fixed() -> Rule {
    refuse(
        "self == oldSelf",
        "region is fixed: create another provider for another region",
        Reason::FieldValueForbidden,
    )
}

/// On the spec of a provider: to add, change or remove the project could move its data sources out of sight.
pub fn project_fixed() -> Rule {
    refuse(
        same_or_absent("projectID"),
        "projectID is fixed, set or not: create another provider for another project",
        Reason::FieldValueForbidden,
    )
    .field_path(".projectID")
}

/// On the spec of a provider: with the other marker it would not know its data sources again. Unset is Description.
pub fn marker_fixed() -> Rule {
    let marker = |of: &str| format!("(has({of}.ownershipMarker) ? {of}.ownershipMarker : 'Description')");
    refuse(
        format!("{} == {}", marker("self"), marker("oldSelf")),
        "ownershipMarker is fixed: create another provider for data sources with another marker",
        Reason::FieldValueForbidden,
    )
    .field_path(".ownershipMarker")
}

/// On a URL of a provider.
pub fn endpoint_is_a_bare_url() -> Rule {
    refuse(
        format!("self.matches(r'{}')", patterns::ENDPOINT),
        "must be https://host or https://host:port in lower case with a host name, not an IP address, and without user info, path, \
         query or final slash (plain http only to 127.0.0.1 or [::1])",
        Reason::FieldValueInvalid,
    )
}

/// On the credentials of a provider.
pub fn one_credential() -> Rule {
    refuse(
        "[has(self.accessKey), has(self.password), has(self.podIdentity), has(self.oidc), has(self.nodeAgency)].exists_one(set, set)",
        "set exactly one of accessKey, password, podIdentity, oidc and nodeAgency",
        Reason::FieldValueInvalid,
    )
}

/// On `oidc`.
pub fn one_way_of_oidc() -> Rule {
    refuse(
        "has(self.idpID) ? !has(self.providerURN) && !has(self.agencyURN) && !has(self.sessionName) \
         : has(self.providerURN) && has(self.agencyURN)",
        "set either providerURN and agencyURN (STS), or idpID (IAM); sessionName is for STS only",
        Reason::FieldValueInvalid,
    )
}

/// On `assumeAgency`.
pub fn one_way_of_agency() -> Rule {
    refuse(
        "has(self.agencyURN) ? !has(self.agencyName) && !has(self.domainName) \
         : has(self.agencyName) && has(self.domainName) && !has(self.sessionName)",
        "set either agencyName and domainName (IAM), or agencyURN (STS); sessionName is for STS only",
        Reason::FieldValueInvalid,
    )
}

/// On the labels of a selector.
pub fn label_keys_are_valid() -> Rule {
    refuse(
        format!(
            "self.all(key, key.size() <= 317 && key.matches(r'{}'))",
            patterns::LABEL_KEY
        ),
        "matchLabels must have valid label keys, for example team or example.com/team",
        Reason::FieldValueInvalid,
    )
}

/// On one requirement of a selector.
pub fn operator_fits_values() -> Rule {
    refuse(
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        "operators In and NotIn need values, Exists and DoesNotExist take none",
        Reason::FieldValueInvalid,
    )
    .field_path(".values")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::DwsDataSourceSpec;

    /// The fields that may change at any time: they say what the operator may do, not what the cloud shall hold.
    const FREE: [&str; 6] = [
        "reboot",
        "deletionPolicy",
        "managementPolicy",
        "import",
        "replacementPolicy",
        "resyncPeriod",
    ];

    #[test]
    fn every_field_is_fixed_or_free_or_has_a_rule_of_its_own() {
        let schema = serde_json::to_value(schemars::schema_for!(DwsDataSourceSpec)).unwrap();
        let required: BTreeSet<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field.as_str().unwrap())
            .collect();
        let optional: BTreeSet<&str> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .filter(|field| !required.contains(field))
            .collect();
        let set = |fields: &[&'static str]| -> BTreeSet<&str> { fields.iter().copied().collect() };
        assert_eq!(&set(&FIXED_REQUIRED) | &set(&[FIXED_BUT_OBS]), required);
        assert_eq!(
            &(&set(&FIXED_OPTIONAL) | &set(&FREE)) | &set(&["providerRef", "projectID"]),
            optional
        );
    }
}
