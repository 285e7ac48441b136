//! What exists already is taken over.

use super::builder::*;
use super::tell::{look, published, step, told};
use crate::api::data_source::DeletionPolicy;
use crate::api::{Reason, names};
use crate::reconcile::decide::decide;
use crate::reconcile::plan::{
    DataSourceType, Grant, Import, ImportPolicy, ImportRecord, Item, Look, Observation, Plan, Provider, Rank,
    Reconfigure, Remote, Rival, Step,
};

const OTHER_UID: &str = "7b0c9f0e-2b4f-4f0b-9a53-6f3e1d2c4b5a";

/// What a spec imports.
fn import(id: Option<&str>, policy: Option<ImportPolicy>) -> Import {
    Import {
        id: id.map(str::to_owned),
        name: id.is_none().then(|| "lake_0".to_owned()),
        policy,
    }
}

/// A new object that imports by name, or by id.
fn importing(id: Option<&str>, policy: Option<ImportPolicy>) -> Observation {
    with(observation(), |o| {
        o.object.spec.import = Some(import(id, policy));
        o.object.spec.deletion_policy = Some(DeletionPolicy::Delete);
    })
}

/// The same with the finalizer in place and this list just read.
fn sees(o: Observation, items: &[Item]) -> Observation {
    listing(with(o, |o| o.object.finalizer = true), items)
}

/// The object after it took over `theirs`.
fn imported() -> Observation {
    published(sees(importing(Some("theirs"), None), &[foreign("theirs")]))
}

fn other(is_leaving: bool) -> Rival {
    Rival {
        name: "other/lake".to_owned(),
        deleting: is_leaving,
    }
}

#[test]
fn what_fits_is_taken_over_behind_the_finalizer() {
    for id in [Some("theirs"), None] {
        let o = importing(id, None);
        assert!(matches!(look(&o), Look::List { .. }), "{id:?}");
        assert_eq!(
            step(&listing(o.clone(), &[foreign("theirs")])),
            Step::PutFinalizer,
            "{id:?}"
        );
        let told = told(&sees(o, &[foreign("theirs")]));
        let status = &told.status;
        assert_eq!(told.reason, Some(Reason::Available), "{id:?}");
        assert_eq!(
            (status.id.as_deref(), status.cloud.as_ref()),
            (Some("theirs"), Some(&coordinates()))
        );
        let record = ImportRecord {
            uid: UID.to_owned(),
            id: "theirs".to_owned(),
            name: "LAKE_0".to_owned(),
            type_: DataSourceType::Obs,
        };
        assert_eq!(status.imported, Some(record));
        // It asks for no restart of its own, whatever the spec says of reboot.
        assert_eq!((status.reboot_generation, &status.last_attempt), (Some(1), &None));
        assert_eq!(told.notes[0].reason, "Imported");
    }
}

#[test]
fn what_is_absent_is_waited_for_or_created() {
    for id in [Some("theirs"), None] {
        for policy in [None, Some(ImportPolicy::Required)] {
            let told = told(&sees(importing(id, policy), &[]));
            assert_eq!(
                (told.reason, told.wait),
                (Some(Reason::ExternallyDeleted), Some(seconds(600)))
            );
            assert!(told.firm, "it is looked at again in its own time");
        }
        let o = sees(importing(id, Some(ImportPolicy::IfExists)), &[]);
        assert_eq!(look(&o), Look::Lane(Rank::Create), "{id:?}");
    }
}

#[test]
fn what_is_being_deleted_is_not_there_to_be_imported() {
    let leaving = in_state(foreign("theirs"), crate::cloud::ConfigureStatus::Deleting);
    let required = told(&sees(importing(None, None), std::slice::from_ref(&leaving)));
    assert_eq!(required.reason, Some(Reason::ExternallyDeleted));
    assert!(required.status.conditions[0].message.contains("is being deleted"));
    // The create that follows waits until the name is free.
    let o = sees(importing(None, Some(ImportPolicy::IfExists)), &[leaving]);
    let told = told(&in_lane(o, Rank::Create));
    assert_eq!(told.reason, Some(Reason::Creating));
    assert!(told.status.conditions[0].message.contains("still deleting"));
}

#[test]
fn each_difference_in_what_cannot_change_is_told() {
    type Change = fn(&mut Item);
    let cases: [(&str, Change); 4] = [
        (
            "dataSourceName (\"pond\" in the cloud, \"lake_0\" in the spec)",
            |item| "pond".clone_into(&mut item.name),
        ),
        ("type (\"MRS\" in the cloud, \"OBS\" in the spec)", |item| {
            item.type_ = Some(DataSourceType::Mrs);
        }),
        (
            "connectInfo (\"other\" in the cloud, \"gaussdb\" in the spec)",
            |item| {
                item.connect_info = Some("other".to_owned());
            },
        ),
        ("description (\"theirs\" in the cloud, \"\" in the spec)", |item| {
            item.description = Some("theirs".to_owned());
        }),
    ];
    for (text, change) in cases {
        let mut item = foreign("theirs");
        change(&mut item);
        let told = told(&sees(importing(Some("theirs"), None), &[item]));
        assert_eq!(
            (told.reason, &told.status.id),
            (Some(Reason::InvalidSpec), &None),
            "{text}"
        );
        assert!(
            told.status.conditions[0].message.contains(text),
            "{:?}",
            told.status.conditions
        );
    }
}

#[test]
fn the_agency_is_updated_once_it_is_taken_over() {
    let mut item = foreign("theirs");
    item.user_name = Some("another".to_owned());
    let o = published(sees(importing(None, None), std::slice::from_ref(&item)));
    assert_eq!(o.object.status.conditions[0].reason, Reason::Updating);
    let o = listing(in_lane(later(o, seconds(1)), Rank::Create), &[item]);
    let change = Reconfigure {
        agency: Some("agency".to_owned()),
        reboot: false,
    };
    assert!(matches!(step(&o), Step::Update { id, change: sent, .. } if id == "theirs" && sent == change));
}

#[test]
fn a_provider_that_allows_no_imports_is_asked_nothing() {
    let o = with(importing(Some("theirs"), None), |o| {
        if let Provider::Ready { imports, .. } = &mut o.provider {
            *imports = false;
        }
    });
    let told = told(&o);
    assert_eq!(told.reason, Some(Reason::AccessDenied));
    assert!(told.status.conditions[0].message.contains("allowImport"));
}

#[test]
fn what_another_living_object_holds_is_never_taken_over() {
    for (is_leaving, reason) in [(false, Reason::DuplicateOwner), (true, Reason::WaitingForOwner)] {
        // By its name, or by the marker or the id of what is listed, whatever its name says.
        let by_name = with(importing(Some("theirs"), None), |o| o.rival = Some(other(is_leaving)));
        let by_item = with(importing(Some("theirs"), None), |o| o.owner = Some(other(is_leaving)));
        let status_of = with(importing(Some("theirs"), None), |o| {
            o.owner = Some(other(is_leaving));
            o.object.status = ready().object.status;
            o.object.status.id = Some("theirs".to_owned());
        });
        for o in [by_name, by_item, status_of] {
            let told = told(&sees(o, &[foreign("theirs")]));
            assert_eq!(told.reason, Some(reason));
            assert_eq!(told.status.imported, None);
            assert!(told.status.conditions[0].message.contains("other/lake"));
        }
    }
}

#[test]
fn of_two_that_took_over_the_same_the_younger_one_rests_and_deletes_nothing() {
    for is_by_name in [true, false] {
        let o = with(later(imported(), seconds(7200)), |o| {
            if is_by_name {
                o.rival = Some(other(false));
            } else {
                o.owner = Some(other(false));
            }
        });
        let told = told(&listing(o.clone(), &[foreign("theirs")]));
        assert_eq!(told.reason, Some(Reason::DuplicateOwner), "by name: {is_by_name}");
        let step = step(&listing(deleting(o), &[foreign("theirs")]));
        assert!(matches!(step, Step::DropFinalizer { note: Some(note) } if note.reason == "Retained"));
    }
}

#[test]
fn what_was_taken_over_and_is_gone_is_not_created() {
    let o = with(later(imported(), seconds(7200)), |o| o.memory.synced = None);
    let o = published(listing(o, &[]));
    assert_eq!(
        o.object.status.conditions[0].reason,
        Reason::Available,
        "one list proves nothing"
    );
    // Whoever has the name by now.
    for items in [vec![], vec![foreign("another")]] {
        let o = listing(later(o.clone(), seconds(61)), &items);
        let told = told(&o);
        assert_eq!(told.reason, Some(Reason::ExternallyDeleted));
        assert_eq!(told.status.id.as_deref(), Some("theirs"), "the id is kept");
        assert_eq!(told.wait, Some(seconds(600)));
        let back = listing(later(published(o), seconds(601)), &[foreign("theirs")]);
        assert_eq!(super::tell::told(&back).reason, Some(Reason::Available));
    }
}

#[test]
fn what_was_taken_over_follows_the_deletion_policy() {
    let goes = deleting(later(imported(), seconds(60)));
    let o = in_lane(listing(goes.clone(), &[foreign("theirs")]), Rank::Delete);
    assert!(matches!(step(&o), Step::Delete { id, .. } if id == "theirs"));
    let stays = with(goes, |o| o.object.spec.deletion_policy = Some(DeletionPolicy::Retain));
    assert!(matches!(step(&stays), Step::DropFinalizer { note: Some(note) } if note.reason == "Retained"));
}

/// A spec that asks for another name or type has no effect yet: what was taken over stays known by its own.
#[test]
fn what_was_taken_over_is_known_whatever_the_spec_says_later() {
    let o = with(later(imported(), seconds(7200)), |o| {
        o.object.generation += 1;
        o.object.spec.data_source_name = "pond".to_owned();
        o.object.spec.type_ = DataSourceType::LakeFormation;
        o.object.spec.replacement_policy = Some(crate::reconcile::plan::ReplacementPolicy::OnApproval);
    });
    assert!(matches!(look(&o), Look::List { type_, .. } if type_ == DataSourceType::Obs));
    let told = told(&listing(o.clone(), &[foreign("theirs")]));
    assert_eq!(told.reason, Some(Reason::ApprovalRequired));
    let because = told.status.plan.map(|plan| plan.because);
    assert_eq!(because, Some(vec!["dataSourceName".to_owned(), "type".to_owned()]));
    let goes = in_lane(listing(deleting(o), &[foreign("theirs")]), Rank::Delete);
    assert!(matches!(step(&goes), Step::Delete { id, .. } if id == "theirs"));
}

#[test]
fn an_import_that_was_carried_out_is_no_more_than_a_line() {
    for spec in [None, Some(import(Some("another"), None)), Some(import(None, None))] {
        let o = with(later(imported(), seconds(7200)), |o| o.object.spec.import = spec);
        let told = told(&listing(o, &[foreign("theirs")]));
        assert_eq!(
            (told.reason, told.status.id.as_deref()),
            (Some(Reason::Available), Some("theirs"))
        );
    }
}

/// A status is no consent: the provider's own counts, each time, and with it whom it is lent to.
#[test]
fn without_the_consent_of_its_provider_nothing_is_done_to_it() {
    let lent = |o: &mut Observation, found: Grant| {
        if let Provider::Ready { grant, .. } = &mut o.provider {
            *grant = found;
        }
    };
    let forbidden = |o: &mut Observation| {
        if let Provider::Ready { imports, .. } = &mut o.provider {
            *imports = false;
        }
    };
    let unasked = with(later(imported(), seconds(7200)), |o| lent(o, Grant::Unasked));
    assert_eq!(look(&unasked), Look::Grant);
    for refuse in [&forbidden as &dyn Fn(&mut Observation), &|o: &mut Observation| {
        lent(o, Grant::Refused("it is not lent".to_owned()));
    }] {
        let o = with(later(imported(), seconds(7200)), |o| refuse(o));
        let edited = with(o.clone(), |o| o.object.spec.user_name = "another".to_owned());
        for o in [o.clone(), edited, deleting(o)] {
            let told = told(&in_lane(listing(o, &[foreign("theirs")]), Rank::Delete));
            assert_eq!(
                (told.reason, told.status.id.as_deref()),
                (Some(Reason::AccessDenied), Some("theirs"))
            );
        }
        // Nor where creates carry no marker, so that a name would do.
        let unmarked = with(later(imported(), seconds(7200)), |o| {
            if let Provider::Ready { marker, .. } = &mut o.provider {
                *marker = false;
            }
            refuse(o);
        });
        let told = told(&in_lane(
            listing(deleting(unmarked), &[foreign("theirs")]),
            Rank::Delete,
        ));
        assert_eq!(told.reason, Some(Reason::AccessDenied));
    }
}

/// An edited status leads to no other DWS cluster than the spec's, which is the one that the provider consents to.
#[test]
fn what_is_recorded_elsewhere_is_not_taken_over_by_the_import_of_a_spec() {
    let forged = |cluster: &str| {
        let o = with(later(ready(), seconds(3600)), |o| {
            o.object.intent = None;
            o.object.spec.import = Some(import(Some("id"), None));
            o.object.spec.deletion_policy = Some(DeletionPolicy::Delete);
            o.object.generation = 2;
            let place = o.object.status.cloud.as_mut().expect("a place");
            cluster.clone_into(&mut place.cluster_id);
        });
        told(&listing(o, &[foreign("id")]))
    };
    assert_eq!(forged("cluster-0").reason, Some(Reason::Available));
    let elsewhere = forged("cluster-1");
    assert_eq!(
        (elsewhere.reason, elsewhere.status.imported),
        (Some(Reason::Ambiguous), None)
    );
}

/// What was taken over in one DWS cluster needs the provider's leave for that one; to go on in another one takes that too.
#[test]
fn the_provider_is_asked_for_the_cluster_that_holds_it() {
    let o = imported();
    assert_eq!(o.granted_clusters(), ["cluster-0"]);
    let edited = with(o, |o| o.object.spec.cluster_id = "cluster-1".to_owned());
    assert_eq!(edited.granted_clusters(), ["cluster-0", "cluster-1"]);
    assert_eq!(deleting(edited).granted_clusters(), ["cluster-0"]);
}

/// What a status says counts for the object that it was written for.
#[test]
fn a_record_of_another_object_gives_no_right() {
    let copied = |o: Observation| {
        with(o, |o| {
            o.object.status.imported.as_mut().expect("it was taken over").uid = OTHER_UID.to_owned();
            o.object.spec.import = None;
        })
    };
    let o = copied(later(imported(), seconds(7200)));
    let o = published(o);
    assert_eq!(o.object.status.id, None, "what was never its own is forgotten");
    let o = listing(later(o, seconds(1)), &[foreign("theirs")]);
    let told = told(&in_lane(o, Rank::Create));
    assert_eq!(told.reason, Some(Reason::AlreadyExists));
    let advice = "set spec.import to {id: theirs} and deletionPolicy to Delete or Retain";
    assert!(told.status.conditions[0].message.contains(advice));
    // Neither does it with everything that the operator wrote for the other one.
    let restored = with(
        listing(
            later(ready(), seconds(3600)),
            &[Item {
                id: "id".into(),
                ..foreign("id")
            }],
        ),
        |o| {
            o.object.intent = None;
        },
    );
    let told = super::tell::told(&restored);
    assert_eq!(told.reason, Some(Reason::Ambiguous));
    assert!(
        told.status.conditions[0]
            .message
            .contains("set spec.import to {id: id}")
    );
    let goes = in_lane(listing(deleting(restored.clone()), &[foreign("id")]), Rank::Delete);
    assert!(!matches!(
        decide(&goes),
        Plan::Act(Step::Delete { .. } | Step::DropFinalizer { .. })
    ));
    let taken = with(restored, |o| {
        o.object.spec.import = Some(import(Some("id"), None));
        o.object.generation += 1;
    });
    let told = super::tell::told(&taken);
    assert_eq!(told.reason, Some(Reason::Available));
    assert_eq!(told.status.imported.map(|record| record.uid), Some(UID.to_owned()));
}

/// What carries the marker of another object is not this one's by an id alone, also where markers are not written.
#[test]
fn an_edited_id_never_reaches_what_another_object_made() {
    for marker in [true, false] {
        let theirs = Item {
            description: Some(names::marker(OTHER_UID)),
            ..ours("id")
        };
        let o = with(later(ready(), seconds(3600)), |o| {
            if let Provider::Ready { marker: marks, .. } = &mut o.provider {
                *marks = marker;
            }
        });
        let lives = listing(o.clone(), std::slice::from_ref(&theirs));
        assert_eq!(told(&lives).reason, Some(Reason::Ambiguous), "marker: {marker}");
        let goes = in_lane(listing(deleting(o), &[theirs]), Rank::Delete);
        assert!(!matches!(
            decide(&goes),
            Plan::Act(Step::Delete { .. } | Step::DropFinalizer { .. })
        ));
    }
}

#[test]
fn an_id_under_another_name_or_type_is_not_what_was_taken_over() {
    type Change = fn(&mut Item);
    let changes: [Change; 2] = [
        |item| "pond".clone_into(&mut item.name),
        |item| item.type_ = Some(DataSourceType::LakeFormation),
    ];
    for change in changes {
        let mut item = foreign("theirs");
        change(&mut item);
        let goes = in_lane(listing(deleting(later(imported(), seconds(60))), &[item]), Rank::Delete);
        assert!(!matches!(decide(&goes), Plan::Act(Step::Delete { .. })));
        assert!(matches!(goes.remote, Remote::Listed { .. }));
    }
}
