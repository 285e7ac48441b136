//! The API server, as far as one object needs it.

use std::collections::VecDeque;
use std::time::Duration;

use super::schedule::{Event, Schedule, StatusFault};
use crate::api::DwsDataSourceSpec;
use crate::api::data_source::DataSourceType;
use crate::reconcile::decide::tests::builder;
use crate::reconcile::plan::{DwsDataSourceStatus, Intent, ManagementPolicy, Object, OperationType, ReplacementPolicy};

/// The object and its resourceVersion.
pub struct Kubernetes {
    object: Option<Object>,
    version: u64,
    earlier_intent: Option<Intent>,
    status_faults: VecDeque<StatusFault>,
}

/// A write that failed.
#[derive(Debug)]
pub enum WriteError {
    /// The object had changed.
    Conflict,
    /// It is gone.
    Gone,
    /// Nobody knows.
    Unavailable,
}

impl Kubernetes {
    pub fn new(schedule: &Schedule) -> Self {
        let object = Object {
            spec: DwsDataSourceSpec {
                reboot: schedule.reboot.then_some(true),
                ..builder::spec()
            },
            ..builder::object()
        };
        Kubernetes {
            object: Some(object),
            version: 1,
            earlier_intent: None,
            status_faults: schedule.statuses.clone().into(),
        }
    }

    pub fn exists(&self) -> bool {
        self.object.is_some()
    }

    pub fn read(&self) -> Option<(Object, u64)> {
        self.object.clone().map(|object| (object, self.version))
    }

    pub fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    pub fn status(&self) -> Option<&DwsDataSourceStatus> {
        self.object.as_ref().map(|object| &object.status)
    }

    pub fn recorded_id(&self) -> Option<String> {
        self.status()?.id.clone()
    }

    pub fn name(&self) -> Option<(String, String, DataSourceType)> {
        let spec = &self.object.as_ref()?.spec;
        Some((spec.cluster_id.clone(), spec.data_source_name.clone(), spec.type_))
    }

    fn change(&mut self, change: impl FnOnce(&mut Object)) {
        if let Some(object) = &mut self.object {
            let before = object.clone();
            change(object);
            if *object != before {
                self.version += 1;
            }
            if object.deleting && !object.finalizer {
                self.object = None;
            }
        }
    }

    /// A write to the metadata, guarded by the resourceVersion that was read.
    pub fn write_metadata(&mut self, version: u64, change: impl FnOnce(&mut Object)) -> Result<(), WriteError> {
        if self.object.is_none() {
            return Err(WriteError::Gone);
        }
        if self.version != version {
            return Err(WriteError::Conflict);
        }
        self.earlier_intent = self.object.as_ref().and_then(|object| object.intent.clone());
        self.change(change);
        Ok(())
    }

    /// A write to the status, guarded by the resourceVersion that was read.
    pub fn write_status(&mut self, version: u64, status: &DwsDataSourceStatus) -> Result<(), WriteError> {
        if self.object.is_none() {
            return Err(WriteError::Gone);
        }
        if self.version != version {
            return Err(WriteError::Conflict);
        }
        let fault = self.status_faults.pop_front().unwrap_or(StatusFault::Fine);
        if !matches!(fault, StatusFault::Lost) {
            self.change(|object| object.status = status.clone());
        }
        match fault {
            StatusFault::Fine => Ok(()),
            StatusFault::Lost | StatusFault::AnswerLost => Err(WriteError::Unavailable),
        }
    }

    pub fn happen(&mut self, event: Event, _now: Duration) {
        let earlier = self.earlier_intent.clone();
        self.change(|object| match event {
            Event::Rename(name) if editable(object) => {
                edit(object, |spec| spec.data_source_name = format!("lake_{name}"));
            }
            Event::Move(cluster) if editable(object) => {
                edit(object, |spec| spec.cluster_id = format!("cluster-{cluster}"));
            }
            Event::Agency(name) => edit(object, |spec| spec.user_name = format!("agency_{name}")),
            Event::ReplaceAlways(always) => edit(object, |spec| {
                spec.replacement_policy = Some(if always {
                    ReplacementPolicy::Always
                } else {
                    ReplacementPolicy::OnApproval
                });
            }),
            Event::Approve => {
                if let Some(plan) = &object.status.plan {
                    object.requests.approve = Some(plan.id.clone());
                }
            }
            Event::Observe(observes) => edit(object, |spec| {
                spec.management_policy = observes.then_some(ManagementPolicy::Observe);
            }),
            Event::Reconcile(token) => object.requests.reconcile = Some(token.to_string()),
            Event::Reboot(token) => object.requests.reboot = Some(token.to_string()),
            Event::Refresh(token) => object.requests.refresh = Some(token.to_string()),
            Event::Delete if !object.deleting => {
                object.deleting = true;
                object.generation += 1;
            }
            Event::Pause(paused) => object.annotations.paused = paused,
            Event::ForceDelete(reason) => object.annotations.force_delete = Some(reason.to_owned()),
            Event::StripAnnotation => object.intent = None,
            Event::RestoreAnnotation => object.intent = earlier,
            Event::StripFinalizer => object.finalizer = false,
            Event::WipeStatus => object.status = DwsDataSourceStatus::default(),
            _ => {}
        });
    }
}

/// The rule of the CRD: what exists in the cloud and did not fail cannot be edited.
fn editable(object: &Object) -> bool {
    let operation = object.status.operation.as_ref();
    let failed = operation.is_some_and(|operation| match operation.type_ {
        OperationType::Replace => operation.plan_id.is_none(),
        OperationType::Create => operation.failed_code.is_some(),
        OperationType::Delete | OperationType::Update => false,
    });
    let policy = object.spec.replacement_policy.unwrap_or_default();
    object.status.id.is_none() || failed || policy != ReplacementPolicy::Never
}

fn edit(object: &mut Object, change: impl FnOnce(&mut DwsDataSourceSpec)) {
    let before = object.spec.clone();
    change(&mut object.spec);
    object.generation += i64::from(object.spec != before);
}
