//! Where a replacement is to be created: nothing is deleted for it before that place is known to be free.

use super::builder::*;
use super::tell::{Told, look, published, step, told};
use crate::api::Reason;
use crate::cloud::{FailureKind, JobState, Missing};
use crate::reconcile::plan::{
    Look, Observation, Occupant, Operation, OperationType, Rank, ReplacementPolicy, Rival, Step,
};

/// Ready, and to be replaced by one of another name in another DWS cluster.
fn edited() -> Observation {
    let o = with(later(ready(), seconds(3600)), |o| {
        o.object.generation = 2;
        o.object.spec.cluster_id = "cluster-1".to_owned();
        o.object.spec.data_source_name = "lake_1".to_owned();
        o.object.spec.replacement_policy = Some(ReplacementPolicy::Always);
        if let crate::reconcile::plan::Provider::Ready { coordinates, .. } = &mut o.provider {
            coordinates.cluster_id = "cluster-1".to_owned();
        }
    });
    listing(o, &[ours("id")])
}

fn object(deleting: bool) -> Occupant {
    Occupant::Object(Rival {
        name: "other/lake".to_owned(),
        deleting,
    })
}

fn item() -> Occupant {
    Occupant::Item {
        id: "theirs".to_owned(),
    }
}

#[test]
fn it_is_looked_at_first() {
    assert!(matches!(look(&edited()), Look::Site { at, .. } if at.cluster_id == "cluster-1"));
    assert_eq!(told(&free(edited())).reason, Some(Reason::Replacing));
}

#[test]
fn whoever_is_there_keeps_the_old_one_where_it_is() {
    for (occupant, reason) in [
        (object(false), Reason::DuplicateOwner),
        (object(true), Reason::WaitingForOwner),
        (item(), Reason::AlreadyExists),
    ] {
        let told = told(&with(edited(), |o| o.site = Some(Ok(occupant.clone()))));
        assert_eq!(
            (told.reason, told.status.operation),
            (Some(reason), None),
            "{occupant:?}"
        );
        assert_eq!(told.status.id.as_deref(), Some("id"));
        assert_eq!(told.wait, Some(seconds(600)), "it is looked at again");
    }
}

#[test]
fn whoever_comes_before_the_delete_is_sent_keeps_it_too() {
    let begun = published(free(edited()));
    let again = listing(later(begun, seconds(1)), &[ours("id")]);
    assert!(matches!(look(&again), Look::Site { .. }));
    let taken = with(again.clone(), |o| o.site = Some(Ok(item())));
    assert_eq!(told(&taken).reason, Some(Reason::AlreadyExists));
    let sent = step(&in_lane(free(again), Rank::Delete));
    assert!(matches!(sent, Step::Delete { id, at } if id == "id" && at.cluster_id == "cluster-0"));
}

#[test]
fn what_cannot_be_looked_at_is_not_free() {
    let failure = failure(FailureKind::Gone { what: Missing::Cluster });
    let told = told(&with(edited(), |o| o.site = Some(Err(failure))));
    assert_eq!(
        (told.reason, told.status.operation),
        (Some(Reason::WaitingForCluster), None)
    );
    assert!(told.status.retry.is_some());
}

fn missing(o: Observation) -> Observation {
    unlisted(o, FailureKind::Gone { what: Missing::Cluster })
}

/// The DWS cluster of the recorded one is gone, which two lists have said.
fn without_its_cluster(policy: ReplacementPolicy) -> Observation {
    let o = with(edited(), |o| {
        o.object.spec.replacement_policy = Some(policy);
        o.remote = crate::reconcile::plan::Remote::Unknown;
    });
    let o = missing(o);
    let first = told(&o);
    assert_eq!(
        (first.reason, first.status.plan),
        (Some(Reason::WaitingForCluster), None),
        "one answer proves nothing"
    );
    missing(later(o, seconds(600)))
}

#[test]
fn what_went_with_its_cluster_may_be_created_elsewhere() {
    for (policy, reason) in [
        (ReplacementPolicy::Never, Reason::Drifted),
        (ReplacementPolicy::OnApproval, Reason::ApprovalRequired),
    ] {
        let told = told(&free(without_its_cluster(policy)));
        assert_eq!(told.reason, Some(reason), "{policy:?}");
        assert_eq!(told.status.plan.expect("it is shown").because, ["clusterID"]);
    }
    let always = without_its_cluster(ReplacementPolicy::Always);
    assert!(matches!(look(&always), Look::Site { .. }));
    let shown = published(free(without_its_cluster(ReplacementPolicy::OnApproval)));
    let approved = with(shown, |o| {
        o.object.requests.approve = o.object.status.plan.as_ref().map(|plan| plan.id.clone());
    });
    for agreed in [free(always), approved] {
        assert_eq!(moved(agreed).status.id, None);
    }
}

/// What is told once the replacement that begins now has run over the DWS cluster that is gone.
fn moved(o: Observation) -> Told {
    let begun = published(o);
    assert_eq!(begun.object.status.conditions[0].reason, Reason::Replacing);
    let gone = missing(later(begun, seconds(600)));
    let told = told(&missing(later(gone, seconds(60))));
    assert_eq!(told.reason, Some(Reason::Creating));
    told
}

/// Neither an operation that goes on, nor a replacement that nobody sent anything for, hides that.
#[test]
fn an_operation_in_the_cluster_that_is_gone_is_no_reason_to_wait_for_it() {
    for type_ in [OperationType::Create, OperationType::Update, OperationType::Replace] {
        let o = with(without_its_cluster(ReplacementPolicy::Always), |o| {
            let mut operation = Operation::begun(type_, o.now, 1);
            operation.plan_id = (type_ == OperationType::Replace).then(|| "earlier".to_owned());
            o.object.status.operation = Some(operation);
            o.object.status.job_id = None;
        });
        let o = with(o, |o| {
            if type_ == OperationType::Update {
                o.object.status.job_id = Some("job".to_owned());
                o.memory.polled = None;
            }
        });
        let o = if type_ == OperationType::Update {
            job(o, JobState::Succeeded)
        } else {
            o
        };
        let o = if type_ == OperationType::Replace {
            let cancelled = published(free(o));
            assert_eq!(cancelled.object.status.operation, None, "it was another plan");
            cancelled
        } else {
            free(o)
        };
        assert_eq!(moved(o).status.id, None, "{type_:?}");
    }
}

#[test]
fn a_cluster_that_is_gone_is_no_reason_by_itself() {
    let o = with(without_its_cluster(ReplacementPolicy::Always), |o| {
        o.object.spec.cluster_id = "cluster-0".to_owned();
    });
    let told = told(&o);
    assert_eq!(
        (told.reason, told.status.id.as_deref()),
        (Some(Reason::WaitingForCluster), Some("id"))
    );
}
