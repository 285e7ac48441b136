//! Calls to the Kubernetes API: bounded in number and in time.

use std::future::Future;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use tokio::sync::Semaphore;

/// How long one call may take. Its client sends it once; whoever calls decides whether to call again.
const DEADLINE: Duration = Duration::from_secs(10);

/// The Kubernetes API. Calls to the cloud are bounded elsewhere, so that slow ones never block these.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    slots: Arc<Semaphore>,
}

/// Why a call to Kubernetes failed.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// The API server said so.
    #[error("{}", said(.0))]
    Api(#[from] kube::Error),
    /// It did not answer in time.
    #[error("the API server did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
}

/// The API server's own words, without the rest of its answer; or what kept it from answering, down to the cause.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        kube::Error::Service(error) => causes(error.as_ref()),
        other => other.to_string(),
    }
}

/// An error and its causes; each tells only its own part.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

impl KubernetesError {
    /// The HTTP status, if the API server gave one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }
}

impl KubernetesError {
    /// Whether the namespace ends, or has ended, and takes nothing new.
    #[must_use]
    pub fn is_end_of_namespace(&self) -> bool {
        let Self::Api(kube::Error::Api(status)) = self else {
            return false;
        };
        let details = status.details.as_ref();
        let ends = details.is_some_and(|details| {
            details
                .causes
                .iter()
                .any(|cause| cause.reason == "NamespaceTerminating")
        });
        let has_ended = status.code == 404 && details.is_some_and(|details| details.kind == "namespaces");
        ends || has_ended
    }
}

impl Kubernetes {
    /// With at most this many calls at the same time.
    #[must_use]
    pub fn new(client: Client, concurrency: NonZeroU16) -> Self {
        Kubernetes {
            client,
            slots: Arc::new(Semaphore::new(usize::from(concurrency.get()))),
        }
    }

    /// The client, for watches, which hold no slot.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The objects of a namespace.
    #[must_use]
    pub fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Objects of the whole cluster.
    #[must_use]
    pub fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// Makes one call.
    ///
    /// # Errors
    /// What the API server says, or that it does not answer.
    pub async fn call<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, KubernetesError> {
        // The semaphore is never closed, so that there always is a permit in the end.
        let _slot = self.slots.acquire().await;
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(result) => Ok(result?),
            Err(_elapsed) => Err(KubernetesError::Deadline),
        }
    }
}
