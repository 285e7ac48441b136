//! Whether the definition of data sources is being deleted, and with it all objects.
//!
//! Read only when an object is being deleted, metadata only, and anew for each decision. RBAC: `get` on that one definition, in the whole
//! cluster; an operator for single namespaces cannot have it and takes the definition for one that stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::kubernetes::Kubernetes;
use super::plan::DefinitionView;
use super::reading::Reading;
use crate::api::names::DEFINITION;
use crate::runtime::clock::Clock;

/// The definition of data sources.
pub struct Definition {
    kubernetes: Kubernetes,
    clock: Clock,
    /// Whether this process may read it.
    is_read: bool,
    reading: Reading<DefinitionView>,
    is_told: AtomicBool,
}

impl Definition {
    /// Of which nothing is known yet.
    #[must_use]
    pub fn new(kubernetes: Kubernetes, clock: Clock, is_read: bool) -> Self {
        Definition {
            kubernetes,
            clock,
            is_read,
            reading: Reading::default(),
            is_told: AtomicBool::new(false),
        }
    }

    /// Whether it stays, read at uptime `since` or later.
    pub async fn view(&self, since: Duration) -> DefinitionView {
        if !self.is_read {
            return DefinitionView::Stays;
        }
        self.reading.since(self.clock, since, self.read()).await
    }

    async fn read(&self) -> DefinitionView {
        let api = self.kubernetes.all::<CustomResourceDefinition>();
        let found = match self.kubernetes.call(api.get_metadata_opt(DEFINITION)).await {
            Ok(found) => found,
            // `check` tells of the missing right; without it the operator does as if there were no such danger.
            Err(error) if error.code() == Some(403) => return DefinitionView::Stays,
            Err(error) => return DefinitionView::Unreadable(error.to_string()),
        };
        if found.is_some_and(|found| found.metadata.deletion_timestamp.is_none()) {
            self.is_told.store(false, Ordering::Relaxed);
            return DefinitionView::Stays;
        }
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                definition = DEFINITION,
                "the definition is being deleted, and with it every object: they are let go, and nothing is deleted in the cloud"
            );
        }
        DefinitionView::Leaving
    }
}
