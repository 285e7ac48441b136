//! What is only observed is shown and never written to.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::Reason;
use crate::api::data_source::ManagementPolicy;
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{
    DataSourceType, Import, Item, JobState, Look, Observation, Operation, OperationType, Plan, Provider, Rank,
    Requests, Step,
};

/// The same object, told to observe.
fn observes(o: Observation) -> Observation {
    with(o, |o| {
        o.object.spec.management_policy = Some(ManagementPolicy::Observe);
        o.object.generation += 1;
    })
}

/// The same object, told to manage.
fn manages(o: Observation) -> Observation {
    with(o, |o| {
        o.object.spec.management_policy = None;
        o.object.generation += 1;
    })
}

/// A new object that observes what has its name.
fn observer() -> Observation {
    observes(observation())
}

/// The same after it saw `theirs`.
fn seen() -> Observation {
    let o = listing(observer(), &[foreign("theirs")]);
    later(with(published(o), |o| o.memory.outcome = None), seconds(7200))
}

fn by_id(o: Observation, id: &str) -> Observation {
    with(o, |o| {
        o.object.spec.import = Some(Import {
            id: Some(id.to_owned()),
            name: None,
            policy: None,
        });
    })
}

#[test]
fn what_has_the_name_or_the_id_is_shown_without_a_finalizer() {
    for o in [observer(), by_id(observer(), "theirs")] {
        assert!(matches!(look(&o), Look::List { .. }));
        let told = told(&listing(o, &[foreign("theirs")]));
        let status = &told.status;
        assert_eq!(
            (told.reason, status.id.as_deref()),
            (Some(Reason::Available), Some("theirs"))
        );
        assert!(status.observed.is_some() && status.imported.is_none() && status.last_attempt.is_none());
        assert_eq!(told.notes, []);
    }
}

#[test]
fn no_password_is_read_and_nobody_is_a_rival() {
    let o = with(observer(), |o| {
        o.object.spec.type_ = DataSourceType::Mrs;
        o.object.spec.connect_info = None;
        o.object.spec.user_pwd = Some(user_pwd());
    });
    let item = Item {
        type_: Some(DataSourceType::Mrs),
        ..foreign("theirs")
    };
    let o = with(listing(o, &[item]), |o| {
        o.owner = Some(crate::reconcile::plan::Rival {
            name: "other/lake".to_owned(),
            deleting: false,
        });
    });
    assert_eq!(told(&o).reason, Some(Reason::Available));
}

#[test]
fn what_differs_is_told() {
    let item = Item {
        user_name: Some("another".to_owned()),
        ..foreign("theirs")
    };
    let told = told(&listing(observer(), &[item]));
    assert_eq!((told.reason, &told.status.plan), (Some(Reason::Drifted), &None));
    assert!(
        told.status.conditions[0]
            .message
            .contains("userName (\"another\" in the cloud")
    );
    // What has the id has to be what the spec says it is.
    let pond = Item {
        name: "pond".to_owned(),
        ..foreign("theirs")
    };
    let told = super::tell::told(&listing(by_id(observer(), "theirs"), &[pond]));
    assert_eq!((told.reason, told.status.id), (Some(Reason::InvalidSpec), None));
}

#[test]
fn what_is_not_there_is_looked_for_again() {
    let o = listing(observer(), &[]);
    let first = told(&o);
    assert_eq!(
        (first.reason, first.wait),
        (Some(Reason::ExternallyDeleted), Some(seconds(600)))
    );
    let found = listing(later(published(o), seconds(601)), &[foreign("theirs")]);
    assert_eq!(told(&found).reason, Some(Reason::Available));
}

#[test]
fn what_is_gone_is_told_after_two_lists_and_found_again_under_any_id() {
    let o = published(listing(seen(), &[]));
    assert_eq!(
        o.object.status.conditions[0].reason,
        Reason::Available,
        "one list proves nothing"
    );
    let o = published(listing(later(o, seconds(61)), &[]));
    assert_eq!(o.object.status.conditions[0].reason, Reason::ExternallyDeleted);
    for id in ["theirs", "anew"] {
        let told = told(&listing(later(o.clone(), seconds(601)), &[foreign(id)]));
        assert_eq!(
            (told.reason, told.status.id.as_deref()),
            (Some(Reason::Available), Some(id))
        );
    }
    // Of what is observed by its id another one is not the same.
    let o = by_id(o, "theirs");
    let told = told(&listing(later(o, seconds(601)), &[foreign("anew")]));
    assert_eq!(told.reason, Some(Reason::ExternallyDeleted));
}

#[test]
fn an_edit_leads_to_where_the_spec_says() {
    let o = with(seen(), |o| {
        o.object.generation += 1;
        o.object.spec.data_source_name = "pond".to_owned();
        if let Provider::Ready { coordinates, .. } = &mut o.provider {
            coordinates.cluster_id = "cluster-1".to_owned();
        }
    });
    assert!(matches!(look(&o), Look::List { at, .. } if at.cluster_id == "cluster-1"));
    let pond = Item {
        name: "pond".to_owned(),
        ..foreign("another")
    };
    let told = told(&listing(o, &[pond, foreign("theirs")]));
    assert_eq!(
        (told.reason, told.status.id.as_deref()),
        (Some(Reason::Available), Some("another"))
    );
    assert_eq!(told.status.cloud.map(|at| at.cluster_id), Some("cluster-1".to_owned()));
}

#[test]
fn a_provider_that_allows_no_imports_shows_nothing_and_is_asked_at_once_when_it_does() {
    let o = with(seen(), |o| {
        if let Provider::Ready { imports, .. } = &mut o.provider {
            *imports = false;
        }
    });
    let o = published(o);
    assert_eq!(o.object.status.conditions[0].reason, Reason::AccessDenied);
    let o = with(later(o, seconds(1)), |o| {
        if let Provider::Ready { imports, .. } = &mut o.provider {
            *imports = true;
        }
    });
    assert!(matches!(look(&o), Look::List { .. }));
}

/// Whatever is recorded or asked for, and whatever the list shows: an object that observes writes nothing to the cloud.
#[test]
fn nothing_is_written() {
    let operations = [
        None,
        Some((OperationType::Create, false)),
        Some((OperationType::Create, true)),
        Some((OperationType::Update, false)),
        Some((OperationType::Replace, false)),
        Some((OperationType::Delete, false)),
    ];
    let differs = Item {
        user_name: Some("another".to_owned()),
        ..ours("id")
    };
    let lists = [
        vec![],
        vec![ours("id")],
        vec![differs],
        vec![ours("id"), ours("surplus")],
        vec![ours("another")],
        vec![foreign("theirs")],
        vec![in_state(ours("id"), crate::cloud::ConfigureStatus::Failed)],
    ];
    let bases: [fn() -> Observation; 4] = [observation, creating, ready, seen];
    for base in bases.map(|base| Box::new(base())) {
        for operation in operations {
            for items in &lists {
                for is_leaving in [false, true] {
                    let o = with(observes(later((*base).clone(), seconds(3600))), |o| {
                        o.object.spec.reboot = Some(true);
                        o.object.requests = Requests {
                            reconcile: Some("now".to_owned()),
                            reboot: Some("now".to_owned()),
                            refresh: Some("now".to_owned()),
                            approve: o.object.status.plan.as_ref().map(|plan| plan.id.clone()),
                        };
                        o.object.status.operation = operation.map(|(type_, is_failed)| Operation {
                            failed_code: is_failed.then(|| "code".to_owned()),
                            reboot: true,
                            ..Operation::begun(type_, o.now, 1)
                        });
                        o.memory.unsent_update = Some(o.now);
                        o.object.status.job_id = None;
                        o.object.deleting = is_leaving;
                    });
                    for rank in [Rank::Create, Rank::Delete] {
                        let mut o = listing(in_lane(o.clone(), rank), items);
                        for _ in 0..8 {
                            match decide(&o) {
                                Plan::Act(Step::Post { .. } | Step::Update { .. } | Step::Delete { .. }) => {
                                    panic!("it writes: {:#?} for {o:#?}", decide(&o));
                                }
                                Plan::Act(Step::RecordIntent(_)) => panic!("it is about to create: {o:#?}"),
                                Plan::Act(_) | Plan::Look(_) => break,
                                Plan::Report(_) => o = published(o),
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn an_object_that_goes_leaves_all_as_it_is() {
    let goes = deleting(observes(ready()));
    assert!(matches!(step(&goes), Step::DropFinalizer { note: Some(note) }
        if note.reason == "Retained" && note.text.contains("managementPolicy Observe")));
}

#[test]
fn what_it_owned_it_goes_on_managing() {
    // A create job, a failed create, and a replacement whose delete was sent.
    let replacing = with(later(ready(), seconds(60)), |o| {
        o.object.status.operation = Some(Operation {
            old_id: Some("id".to_owned()),
            plan_id: Some("plan".to_owned()),
            ..Operation::begun(OperationType::Replace, o.now, 1)
        });
    });
    let cases = [Box::new(creating()), Box::new(ready()), Box::new(replacing)];
    for case in cases {
        let o = *case;
        let before = o.object.status.clone();
        let runs = |o| in_lane(job(listing(o, &[ours("id")]), JobState::Running), Rank::Resume);
        let o = published(runs(later(observes(o), seconds(1))));
        let status = &o.object.status;
        assert_eq!((&status.id, &status.last_attempt), (&before.id, &before.last_attempt));
        let rests = before
            .operation
            .as_ref()
            .is_some_and(|operation| operation.type_ == OperationType::Replace);
        assert!(!rests || status.operation == before.operation, "the replacement rests");
        let o = runs(later(manages(o), seconds(1)));
        assert!(!matches!(decide(&o), Plan::Act(Step::Post { .. } | Step::PutFinalizer)));
    }
    // What went away meanwhile is told while it observes, and created again when it manages.
    let o = published(listing(later(observes(ready()), seconds(7200)), &[]));
    let o = published(listing(later(o, seconds(61)), &[]));
    assert_eq!(o.object.status.conditions[0].reason, Reason::ExternallyDeleted);
    assert_eq!(o.object.status.id.as_deref(), Some("id"));
    let o = published(listing(later(manages(o), seconds(61)), &[]));
    assert_eq!(
        (&o.object.status.id, o.object.status.conditions[0].reason),
        (&None, Reason::Recovering)
    );
}

#[test]
fn what_it_only_saw_it_does_not_manage() {
    let o = published(manages(seen()));
    assert_eq!((&o.object.status.id, &o.object.status.cloud), (&None, &None));
    let o = in_lane(listing(later(o, seconds(1)), &[foreign("theirs")]), Rank::Create);
    let refused = told(&o);
    assert_eq!(refused.reason, Some(Reason::AlreadyExists));
    let advice = "set spec.import to {id: theirs} and deletionPolicy to Delete or Retain";
    assert!(refused.status.conditions[0].message.contains(advice));
    let o = with(by_id(o, "theirs"), |o| o.object.finalizer = true);
    let taken = told(&o);
    assert_eq!(taken.reason, Some(Reason::Available));
    assert!(taken.status.imported.is_some());
}

#[test]
fn its_own_is_found_by_the_marker_though_every_record_is_lost() {
    let o = published(listing(observer(), &[ours("id")]));
    assert_eq!(o.object.status.id.as_deref(), Some("id"));
    let o = published(later(manages(o), seconds(1)));
    let o = in_lane(listing(o, &[ours("id")]), Rank::Create);
    assert_eq!(step(&o), Step::PutFinalizer);
    let o = with(o, |o| o.object.finalizer = true);
    let told = told(&o);
    assert_eq!(
        (told.reason, told.status.id.as_deref()),
        (Some(Reason::Available), Some("id"))
    );
    assert!(told.status.last_attempt.is_some_and(|last| last.has_created()));
}
