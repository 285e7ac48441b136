//! From a provider object and its Secrets to a session.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, ResourceExt};
use serde::de::DeserializeOwned;

use super::grants::Grants;
use super::kubernetes::{Kubernetes, KubernetesError};
use super::providers::ProviderId;
use crate::api::data_source::ProviderKind;
use crate::api::provider::{Access as AccessSpec, OwnershipMarker};
use crate::api::{ClusterDwsProvider, DwsProvider, Reason};
use crate::cloud::{
    BreakerState, Credentials, EndpointPolicy, Failure, FailureKind, Fence, Limits, Observer, Session, SessionConfig,
    Timeouts,
};

/// The key of a CA bundle's Secret.
const CA_KEY: &str = "ca.crt";

/// How a provider stands.
#[derive(Clone)]
pub enum Standing {
    /// It does not exist.
    Absent,
    /// It cannot be used.
    Broken {
        /// Why, in one word.
        reason: Reason,
        /// Why, for the user.
        message: String,
        /// Whether it lacks a Secret.
        secret: bool,
    },
    /// It can be used.
    Connected(Connected),
}

/// A provider that can be used.
#[derive(Clone)]
pub struct Connected {
    /// The way to the cloud.
    pub session: Arc<Session>,
    /// The DWS endpoint.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
    /// Whether creates carry the ownership marker.
    pub marker: bool,
    /// To whom it is lent; a provider of a namespace belongs to all of it.
    pub grants: Option<Grants>,
    /// Changes whenever the provider or one of its Secrets changes.
    pub version: String,
}

impl Standing {
    /// Changes whenever the standing does.
    #[must_use]
    pub fn version(&self) -> String {
        match self {
            Standing::Absent => "absent".to_owned(),
            Standing::Broken { reason, message, .. } => format!("{reason:?}: {message}"),
            Standing::Connected(connected) => connected.version.clone(),
        }
    }

    fn broken(reason: Reason, message: impl Into<String>) -> Self {
        Standing::Broken {
            reason,
            message: message.into(),
            secret: false,
        }
    }

    fn from_failure(failure: &Failure) -> Self {
        let (reason, advice) = match failure.kind {
            FailureKind::CredentialsRejected => (
                Reason::CredentialsRejected,
                "the cloud refuses the credentials; correct the Secret",
            ),
            FailureKind::Rejected { .. } => (
                Reason::AccessDenied,
                "the project cannot be looked up; set projectID, or allow the credentials to list projects",
            ),
            _ => (Reason::Retrying, "the project cannot be looked up now; trying again"),
        };
        Standing::broken(reason, format!("{advice}: {}", failure.message))
    }
}

/// Makes sessions.
pub struct Access {
    /// The Kubernetes API.
    pub kubernetes: Kubernetes,
    /// Where the Secrets of providers of the cluster are.
    pub namespace: String,
    /// Which hosts may be called.
    pub policy: EndpointPolicy,
    /// Whether `HTTPS_PROXY` and its kin are obeyed.
    pub use_proxy_env: bool,
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// Shared by all sessions.
    pub limits: Arc<Limits>,
    /// Whether a write may start.
    pub fence: Arc<dyn Fence>,
    /// Told of each call.
    pub observer: Arc<dyn Observer>,
}

/// A provider object, whichever its kind.
struct Given {
    access: AccessSpec,
    grants: Option<Grants>,
    /// Where its Secrets are.
    namespace: String,
    version: String,
}

impl Access {
    /// How a provider stands now. A session that was made of the same versions before is used on.
    pub async fn stand(&self, id: &ProviderId, before: Option<&Connected>) -> Standing {
        match self.given(id).await {
            Ok(Some(given)) => self.connect(&given, before).await.unwrap_or_else(|standing| standing),
            Ok(None) => Standing::Absent,
            Err(standing) => standing,
        }
    }

    /// The labels of a namespace.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, KubernetesError> {
        let namespaces = self.kubernetes.all::<Namespace>();
        Ok(self
            .kubernetes
            .call(namespaces.get(name))
            .await?
            .metadata
            .labels
            .unwrap_or_default())
    }

    async fn given(&self, id: &ProviderId) -> Result<Option<Given>, Standing> {
        let version = |object: &dyn Fn() -> (Option<String>, Option<i64>)| {
            let (uid, generation) = object();
            format!("{}/{}", uid.unwrap_or_default(), generation.unwrap_or_default())
        };
        match id.kind {
            ProviderKind::DwsProvider => {
                let Some(object) = self
                    .get(self.kubernetes.within::<DwsProvider>(&id.namespace), &id.name)
                    .await?
                else {
                    return Ok(None);
                };
                Ok(Some(Given {
                    version: version(&|| (object.uid(), object.metadata.generation)),
                    access: object.spec.access,
                    grants: None,
                    namespace: id.namespace.clone(),
                }))
            }
            ProviderKind::ClusterDwsProvider => {
                let Some(object) = self.get(self.kubernetes.all::<ClusterDwsProvider>(), &id.name).await? else {
                    return Ok(None);
                };
                let namespaces = object.spec.namespace_selector.clone().try_into().map_err(|error| {
                    Standing::broken(
                        Reason::InvalidSpec,
                        format!("namespaceSelector cannot be read: {error}"),
                    )
                })?;
                Ok(Some(Given {
                    version: version(&|| (object.uid(), object.metadata.generation)),
                    access: object.spec.access,
                    grants: Some(Grants {
                        namespaces,
                        cluster_ids: object.spec.cluster_ids,
                    }),
                    namespace: self.namespace.clone(),
                }))
            }
        }
    }

    async fn connect(&self, given: &Given, before: Option<&Connected>) -> Result<Standing, Standing> {
        let access = &given.access;
        let (secret, credentials) = self.credentials(given).await?;
        let ca = match &access.ca_bundle_secret_ref {
            None => None,
            Some(reference) => {
                let secret = self.secret(&given.namespace, &reference.name).await?;
                let pem = secret
                    .data
                    .as_ref()
                    .and_then(|data| data.get(CA_KEY))
                    .map(|pem| pem.0.clone());
                let missing = || {
                    Standing::broken(
                        Reason::InvalidSpec,
                        format!("Secret {} has no key {CA_KEY}", reference.name),
                    )
                };
                Some((self::version(&secret), pem.ok_or_else(missing)?))
            }
        };
        let version = format!(
            "{}/{secret}/{}",
            given.version,
            ca.as_ref().map_or("", |(version, _)| version)
        );
        let same = before
            .filter(|before| before.version == version)
            .map(|before| Arc::clone(&before.session));
        let invalid = |error: String| Standing::broken(Reason::InvalidSpec, error);
        let endpoint = match &access.endpoint {
            Some(endpoint) => self.policy.check(endpoint),
            None => self.policy.dws(&access.region),
        };
        let endpoint = endpoint.map_err(|error| invalid(format!("endpoint: {error}")))?;
        let session = if let Some(session) = same {
            session
        } else {
            let iam_endpoint = match &access.iam_endpoint {
                Some(endpoint) => self.policy.check(endpoint),
                None => self.policy.iam(&access.region),
            };
            let config = SessionConfig {
                endpoint: endpoint.clone(),
                iam_endpoint: iam_endpoint.map_err(|error| invalid(format!("iamEndpoint: {error}")))?,
                region: access.region.clone(),
                project_id: access.project_id.clone(),
                ca_pem: ca.map(|(_, pem)| pem),
                credentials,
                timeouts: self.timeouts,
                use_proxy_env: self.use_proxy_env,
                limits: Arc::clone(&self.limits),
                fence: Arc::clone(&self.fence),
                observer: Arc::clone(&self.observer),
            };
            Arc::new(Session::connect(config).map_err(|error| invalid(error.to_string()))?)
        };
        let project_id = session
            .find_project()
            .await
            .map_err(|failure| Standing::from_failure(&failure))?;
        Ok(Standing::Connected(Connected {
            session,
            endpoint: endpoint.to_string(),
            project_id,
            marker: access.ownership_marker != Some(OwnershipMarker::None),
            grants: given.grants.clone(),
            version,
        }))
    }

    async fn credentials(&self, given: &Given) -> Result<(String, Credentials), Standing> {
        let auth = &given.access.auth;
        let reference = match (&auth.access_key, &auth.password) {
            (Some(key), None) => &key.secret_ref,
            (None, Some(password)) => &password.secret_ref,
            _ => {
                return Err(Standing::broken(
                    Reason::InvalidSpec,
                    "auth needs exactly one of accessKey and password",
                ));
            }
        };
        let secret = self.secret(&given.namespace, &reference.name).await?;
        let data = secret.data.clone().unwrap_or_default();
        let credentials = match &auth.password {
            Some(password) => Credentials::password(&password.domain_name, &password.user_name, &data),
            None => Credentials::access_key(&data),
        };
        let credentials = credentials
            .map_err(|error| Standing::broken(Reason::InvalidSpec, format!("Secret {}: {error}", reference.name)))?;
        Ok((version(&secret), credentials))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, Standing> {
        let secret = self.get(self.kubernetes.within::<Secret>(namespace), name).await?;
        secret.ok_or_else(|| Standing::Broken {
            reason: Reason::WaitingForSecret,
            message: format!("Secret {name} does not exist; create it in namespace {namespace}."),
            secret: true,
        })
    }

    async fn get<K: Clone + DeserializeOwned + Debug>(&self, api: Api<K>, name: &str) -> Result<Option<K>, Standing> {
        let unreadable = |error| Standing::broken(Reason::Retrying, format!("{name} cannot be read: {error}"));
        self.kubernetes.call(api.get_opt(name)).await.map_err(unreadable)
    }
}

/// Changes whenever a Secret does.
fn version(secret: &Secret) -> String {
    format!(
        "{}/{}",
        secret.uid().unwrap_or_default(),
        secret.resource_version().unwrap_or_default()
    )
}

impl Connected {
    /// Whether the cloud refused the credentials the last time they were used.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.session.breaker() == BreakerState::Rejected
    }
}
