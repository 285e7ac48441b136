//! What becomes of the data source when its object is deleted: the object's own policy, else that of its Namespace, else that of the operator.

use super::super::plan::{DeletionPolicy, NamespaceView, Observation, Plan, PolicyWord};
use super::draft::Draft;
use super::remains;
use crate::api::Reason;
use crate::api::conditions::Verdict;
use crate::api::names::DELETION_POLICY_ANNOTATION;

/// A deletion policy.
#[derive(Debug)]
pub struct Policy {
    /// What it says.
    pub word: DeletionPolicy,
    /// Who says so, as the subject of "… asks".
    pub whose: String,
}

/// The policy that counts for the object, else the verdict on why nobody knows it. What cannot be read is never guessed.
pub fn of(o: &Observation) -> Result<Policy, Verdict> {
    if o.observes() {
        return Ok(Policy {
            word: DeletionPolicy::Retain,
            whose: "managementPolicy Observe".to_owned(),
        });
    }
    if let Some(word) = o.object.spec.deletion_policy {
        let whose = format!("deletionPolicy {word}");
        return Ok(Policy { word, whose });
    }
    let wait = |message| Err(Verdict::Reconciling(Reason::Deleting, message));
    match &o.around.namespace {
        NamespaceView::Read {
            deletion_policy: None, ..
        } => {
            let word = o.around.operator.deletion_policy;
            let whose = format!("the operator's --deletion-policy={word}");
            Ok(Policy { word, whose })
        }
        NamespaceView::Read {
            name,
            deletion_policy: Some(PolicyWord::Known(word)),
            ..
        } => Ok(Policy {
            word: *word,
            whose: format!("{DELETION_POLICY_ANNOTATION}: {word} of Namespace {name}"),
        }),
        NamespaceView::Read {
            name,
            deletion_policy: Some(PolicyWord::Unknown(value)),
            ..
        } => Err(Verdict::Stalled(
            Reason::InvalidSpec,
            format!(
                "The annotation {DELETION_POLICY_ANNOTATION} of Namespace {name} is {value:?}, which is neither Delete nor Retain; nothing is deleted until it is corrected or removed, or this object has a deletionPolicy."
            ),
        )),
        NamespaceView::Forbidden(why) => Err(Verdict::Stalled(
            Reason::AccessDenied,
            format!(
                "The operator may not read the Namespace, which may say what becomes of the data source ({why}); apply its roles of deploy/rbac, or set this object's deletionPolicy."
            ),
        )),
        NamespaceView::Unreadable(why) => wait(format!(
            "The Namespace, which may say what becomes of the data source, cannot be read now: {why}"
        )),
    }
}

impl Observation {
    /// Why what was created for the object must stay if the object is gone: only the certain wish to delete it deletes it, and no pause.
    pub(in super::super) fn kept(&self) -> Option<String> {
        if self.pause().is_some() {
            return Some("since a pause was asked for".to_owned());
        }
        match of(self) {
            Ok(Policy {
                word: DeletionPolicy::Delete,
                ..
            }) => None,
            Ok(Policy { whose, .. }) => Some(format!("as {whose} asks")),
            Err(_) => Some("since it is not known what was to become of it".to_owned()),
        }
    }
}

/// The same for an object that is being deleted. Where nothing is known to be in the cloud, it makes no difference.
pub fn decide(o: &Observation) -> Result<Policy, Plan> {
    let unknown = match of(o) {
        Ok(policy) => return Ok(policy),
        Err(verdict) => verdict,
    };
    if remains::known(o).is_none() {
        return Ok(Policy {
            word: DeletionPolicy::Delete,
            whose: "nothing in the cloud".to_owned(),
        });
    }
    // What a Namespace says anew wakes its objects.
    let wait = match &unknown {
        Verdict::Stalled(..) => o.timings.stalled_recheck,
        _ => o.timings.secret_recheck,
    };
    Err(Draft::new(o).verdict(&unknown).wait(wait))
}
