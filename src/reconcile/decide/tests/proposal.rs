//! The plan of a replacement, and who may carry it out.

use super::builder::*;
use super::tell::{look, published, told};
use crate::api::Reason;
use crate::reconcile::plan::{
    DataSourceType, Item, Look, Observation, OperationType, Password, ReplacementPolicy, SecretVersion,
};

/// Ready, with another database in the spec since, and this policy.
fn edited(policy: ReplacementPolicy) -> Observation {
    let o = with(later(ready(), seconds(3600)), |o| {
        o.object.generation = 2;
        o.object.spec.connect_info = Some("other".to_owned());
        o.object.spec.replacement_policy = Some(policy);
    });
    free(listing(o, &[ours("id")]))
}

fn plan_id(o: &Observation) -> String {
    o.object.status.plan.as_ref().expect("a plan").id.clone()
}

#[test]
fn the_policy_decides() {
    for (policy, reason) in [
        (ReplacementPolicy::Never, Reason::Drifted),
        (ReplacementPolicy::OnApproval, Reason::ApprovalRequired),
        (ReplacementPolicy::Always, Reason::Replacing),
    ] {
        let told = told(&edited(policy));
        assert_eq!(told.reason, Some(reason), "{policy:?}");
        assert_eq!(told.status.plan.expect("it is shown").because, ["connectInfo"]);
        let operation = told.status.operation;
        assert_eq!(operation.is_some(), policy == ReplacementPolicy::Always);
        assert_eq!(
            operation.and_then(|operation| operation.old_id).as_deref(),
            (reason == Reason::Replacing).then_some("id")
        );
    }
}

/// A list that leaves a field out hides no edit of it, be it set, changed or removed; and what the cloud fills by itself is none.
#[test]
fn what_the_list_is_silent_about_is_told_by_what_was_asked_for() {
    let silent = |spec: Option<&str>, asked: Option<&str>, listed: Option<&str>| {
        let o = with(edited(ReplacementPolicy::Never), |o| {
            o.object.spec.connect_info = Some("gaussdb".to_owned());
            o.object.spec.data_source_id = spec.map(str::to_owned);
            let requested = o.object.status.requested.as_mut().expect("it was created");
            requested.data_source_id = asked.map(str::to_owned);
        });
        let item = Item {
            data_source_id: listed.map(str::to_owned),
            ..ours("id")
        };
        told(&listing(o, &[item])).status.plan.map(|plan| plan.because)
    };
    let changed = Some(vec!["dataSourceID".to_owned()]);
    assert_eq!(silent(Some("new"), None, None), changed, "set");
    assert_eq!(silent(Some("new"), Some("old"), None), changed, "changed");
    assert_eq!(silent(None, Some("old"), Some("old")), changed, "removed");
    assert_eq!(silent(Some("old"), Some("old"), None), None);
    assert_eq!(silent(None, None, Some("filled")), None);
}

#[test]
fn an_approval_is_of_this_plan_and_fires_once() {
    let shown = published(edited(ReplacementPolicy::OnApproval));
    let id = plan_id(&shown);
    let approved = |id: &str| {
        let id = id.to_owned();
        with(shown.clone(), |o| o.object.requests.approve = Some(id))
    };
    assert_eq!(told(&approved("another")).reason, Some(Reason::ApprovalRequired));
    let begun = published(approved(&id));
    assert_eq!(begun.object.status.approved_plan.as_ref(), Some(&id));
    assert_eq!(
        begun.object.status.operation.as_ref().map(|operation| operation.type_),
        Some(OperationType::Replace)
    );
    let fired = with(approved(&id), |o| o.object.status.approved_plan = Some(id.clone()));
    assert_eq!(told(&fired).reason, Some(Reason::ApprovalRequired));
}

#[test]
fn the_id_changes_with_the_data_source_and_with_what_is_asked_for() {
    let first = plan_id(&published(edited(ReplacementPolicy::Never)));
    let of =
        |change: &dyn Fn(&mut Observation)| plan_id(&published(with(edited(ReplacementPolicy::Never), |o| change(o))));
    assert_eq!(
        of(&|o| o.object.spec.reboot = Some(true)),
        first,
        "what the operator may do does not count"
    );
    assert_ne!(of(&|o| o.object.spec.connect_info = Some("third".to_owned())), first);
    let other_id = with(edited(ReplacementPolicy::Never), |o| {
        o.object.status.id = Some("id-2".to_owned());
    });
    assert_ne!(plan_id(&published(listing(other_id, &[ours("id-2")]))), first);
}

#[test]
fn who_takes_the_edit_back_keeps_the_data_source() {
    let begun = published(edited(ReplacementPolicy::OnApproval));
    let id = plan_id(&begun);
    let begun = published(with(begun, |o| o.object.requests.approve = Some(id)));
    let back = with(later(begun, seconds(1)), |o| {
        o.object.generation = 3;
        o.object.spec.connect_info = Some("gaussdb".to_owned());
    });
    let cancelled = published(listing(back, &[ours("id")]));
    assert_eq!(
        (
            cancelled.object.status.operation.as_ref(),
            cancelled.object.status.approved_plan.as_ref()
        ),
        (None, None)
    );
    let told = told(&cancelled);
    assert_eq!(
        (told.reason, told.status.id.as_deref(), told.status.plan),
        (Some(Reason::Available), Some("id"), None)
    );
}

fn version(resource_version: &str, hmac: Option<&str>) -> SecretVersion {
    SecretVersion {
        uid: "s".to_owned(),
        resource_version: resource_version.to_owned(),
        key: "password".to_owned(),
        hmac: hmac.map(str::to_owned),
    }
}

/// An MRS source, Ready, made with one password; the Secret holds another version now.
fn with_passwords(then: SecretVersion, now: SecretVersion) -> Observation {
    let item = Item {
        type_: Some(DataSourceType::Mrs),
        ..ours("id")
    };
    let o = with(later(ready(), seconds(3600)), |o| {
        o.object.spec.type_ = DataSourceType::Mrs;
        o.object.spec.user_pwd = Some(user_pwd());
        let intent = o.object.intent.as_mut().expect("it was created");
        intent.type_ = DataSourceType::Mrs;
        o.object.status.secret = Some(then);
    });
    let o = listing(o, &[item]);
    assert_eq!(look(&o), Look::Password);
    with(o, |o| o.password = Password::Present { version: now })
}

#[test]
fn a_password_is_told_by_its_hmac_and_a_missing_one_is_a_new_baseline() {
    for (then, now, is_rotated) in [
        (version("1", Some("k:a")), version("2", Some("k:b")), true),
        (version("1", Some("k:a")), version("2", Some("k:a")), false),
        (version("1", Some("k:a")), version("2", Some("l:b")), false),
        (version("1", None), version("2", Some("k:b")), false),
        (version("1", Some("k:a")), version("2", None), false),
        (version("1", None), version("2", None), false),
    ] {
        let told = told(&with_passwords(then.clone(), now.clone()));
        let expected = if is_rotated { Reason::Drifted } else { Reason::Available };
        assert_eq!(told.reason, Some(expected), "{then:?}, {now:?}");
        let key = |version: &SecretVersion| version.hmac.as_ref().map(|hmac| hmac[..1].to_owned());
        let is_new = now.hmac.is_some() && key(&then) != key(&now);
        assert_eq!(told.status.secret, Some(if is_new { now } else { then }));
    }
}

/// A replacement that was begun, and its data source.
fn begun() -> Observation {
    let o = published(edited(ReplacementPolicy::Always));
    assert_eq!(o.object.status.replacement_generation, Some(2));
    free(listing(later(o, seconds(1)), &[ours("id")]))
}

#[test]
fn who_tightens_the_policy_stops_what_was_not_sent() {
    for policy in [None, Some(ReplacementPolicy::OnApproval)] {
        let o = with(begun(), |o| {
            o.object.generation = 3;
            o.object.spec.replacement_policy = policy;
        });
        assert_eq!(told(&o).status.operation, None, "{policy:?}");
    }
    assert_eq!(look(&begun()), Look::Lane(crate::reconcile::plan::Rank::Delete));
}

#[test]
fn nothing_is_deleted_once_something_stands_in_the_way_of_the_new_one() {
    let o = with(begun(), |o| {
        if let crate::reconcile::plan::Provider::Ready { grant, .. } = &mut o.provider {
            *grant = crate::reconcile::plan::Grant::Refused("not lent".to_owned());
        }
    });
    assert_eq!(told(&o).reason, Some(Reason::AccessDenied));
}

#[test]
fn a_generation_is_replaced_once() {
    let o = with(edited(ReplacementPolicy::Always), |o| {
        o.object.status.replacement_generation = Some(2);
    });
    let shown = told(&o);
    assert_eq!(
        (shown.reason, shown.status.operation),
        (Some(Reason::ApprovalRequired), None)
    );
    let approved = with(published(o), |o| {
        let id = o.object.status.plan.as_ref().map(|plan| plan.id.clone());
        o.object.requests.approve = id;
    });
    assert_eq!(told(&approved).reason, Some(Reason::Replacing));
}

#[test]
fn a_rotation_that_nobody_can_look_at_stays_told() {
    let rotated = published(with_passwords(version("1", Some("k:a")), version("2", Some("k:b"))));
    assert_eq!(
        rotated.object.status.plan.as_ref().map(|plan| plan.because.clone()),
        Some(vec!["userPwd".to_owned()])
    );
    let gone = with(rotated, |o| o.password = Password::Absent);
    assert_eq!(told(&gone).reason, Some(Reason::Drifted));
}
