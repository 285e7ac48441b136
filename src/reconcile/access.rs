//! From a provider object and its Secrets to a session.
//!
//! Takes the name of a provider and returns how it stands, and what was found of it. What cannot be read now is told apart from what is wrong: it is no news about
//! the provider.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::ObjectMeta;
use kube::{Api, ResourceExt};
use serde::de::DeserializeOwned;

use super::ambient::{Ambient, Refusal, agency, needs_sts, rate};
use super::grants::Grants;
use super::kubernetes::{Kubernetes, KubernetesError};
use super::protection::Found;
use super::providers::ProviderId;
use super::secrets::SecretName;
use super::standing::{Connected, Opened, Standing};
use crate::api::data_source::ProviderKind;
use crate::api::provider::{Access as AccessSpec, OwnershipMarker};
use crate::api::{ClusterDwsProvider, DwsProvider, Reason};
use crate::cloud::{
    Credentials, Endpoint, EndpointPolicy, Failure, Fence, Limits, Observer, Session, SessionConfig, Timeouts, ambient,
};

/// The key of a CA bundle's Secret.
const CA_KEY: &str = "ca.crt";

/// Makes sessions.
pub struct Access {
    /// The Kubernetes API.
    pub kubernetes: Kubernetes,
    /// Where the Secrets of providers of the cluster are.
    pub namespace: String,
    /// Which hosts may be called.
    pub policy: EndpointPolicy,
    /// What the operator is by where it runs.
    pub ambient: Ambient,
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

/// What reading a provider brought.
pub struct Stood {
    /// How it stands.
    pub standing: Standing,
    /// What was found of the object itself; none if it does not exist or could not be read.
    pub found: Option<Found>,
}

/// A provider object, whichever its kind.
struct Given {
    found: Found,
    kind: ProviderKind,
    access: AccessSpec,
    grants: Option<Grants>,
    /// Where its Secrets are.
    namespace: String,
    version: String,
}

impl Access {
    /// How a provider stands now. The session that was opened last is used on if it was made of the same versions, and replaced if not.
    pub async fn stand(&self, id: &ProviderId, opened: &mut Option<Opened>) -> Stood {
        let (standing, found) = match self.given(id).await {
            Ok(Some(given)) => {
                let standing = self.connect(&given, opened).await;
                (standing.unwrap_or_else(|standing| standing), Some(given.found))
            }
            Ok(None) => (Standing::Absent, None),
            Err(standing) => (standing, None),
        };
        Stood { standing, found }
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
        let found = |metadata: &ObjectMeta, access: &AccessSpec, namespace: &str| Found {
            metadata: ObjectMeta {
                managed_fields: None,
                ..metadata.clone()
            },
            secrets: access
                .secret_names()
                .map(|name| SecretName::new(namespace, name))
                .collect(),
        };
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
                    kind: id.kind,
                    version: version(&|| (object.uid(), object.metadata.generation)),
                    found: found(&object.metadata, &object.spec.access, &id.namespace),
                    access: object.spec.access,
                    grants: None,
                    namespace: id.namespace.clone(),
                }))
            }
            ProviderKind::ClusterDwsProvider => {
                let Some(object) = self.get(self.kubernetes.all::<ClusterDwsProvider>(), &id.name).await? else {
                    return Ok(None);
                };
                let namespaces = object
                    .spec
                    .namespace_selector
                    .clone()
                    .try_into()
                    .map_err(|error| invalid(format!("namespaceSelector cannot be read: {error}")))?;
                Ok(Some(Given {
                    kind: id.kind,
                    version: version(&|| (object.uid(), object.metadata.generation)),
                    found: found(&object.metadata, &object.spec.access, &self.namespace),
                    access: object.spec.access,
                    grants: Some(Grants {
                        provider: id.to_string(),
                        namespaces,
                        cluster_ids: object.spec.cluster_ids,
                    }),
                    namespace: self.namespace.clone(),
                }))
            }
        }
    }

    async fn connect(&self, given: &Given, opened: &mut Option<Opened>) -> Result<Standing, Standing> {
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
                let missing = || invalid(format!("Secret {} has no key {CA_KEY}", reference.name));
                Some((self::version(&secret), pem.ok_or_else(missing)?))
            }
        };
        let version = format!(
            "{}/{secret}/{}",
            given.version,
            ca.as_ref().map_or("", |(version, _)| version)
        );
        let endpoint = match &access.endpoint {
            Some(endpoint) => self.policy.check(endpoint),
            None => self.policy.dws(&access.region),
        };
        let endpoint = endpoint.map_err(|error| invalid(format!("endpoint: {error}")))?;
        let token_file = credentials.token_file().map(ambient::file_version);
        let known = opened
            .take()
            .filter(|known| known.is_of(&version, token_file.as_deref()));
        let opened = opened.insert(if let Some(known) = known {
            known
        } else {
            let session = self.open(access, endpoint.clone(), credentials, ca.map(|(_, pem)| pem))?;
            Opened::new(session, version, token_file)
        });
        let version = opened.version();
        let project_id = opened.find_project().await.map_err(Standing::without_project)?;
        Ok(Standing::Connected(Connected {
            session: opened.session(),
            endpoint: endpoint.to_string(),
            project_id,
            marker: access.ownership_marker != Some(OwnershipMarker::None),
            // Through a provider that is lent, one namespace could reach what is another's.
            imports: access.allow_import.unwrap_or(given.grants.is_none()),
            grants: given.grants.clone(),
            version,
            projects: access.projects.clone().unwrap_or_default(),
            elsewhere: opened.elsewhere(),
        }))
    }

    fn open(
        &self,
        access: &AccessSpec,
        endpoint: Endpoint,
        credentials: Credentials,
        ca_pem: Option<Vec<u8>>,
    ) -> Result<Session, Standing> {
        let iam_endpoint = match &access.iam_endpoint {
            Some(endpoint) => self.policy.check(endpoint),
            None => self.policy.iam(&access.region),
        };
        let sts_endpoint = match &access.sts_endpoint {
            Some(endpoint) => Some(self.policy.check(endpoint)),
            None => needs_sts(&access.auth).then(|| self.policy.sts(&access.region)),
        };
        let agency = access
            .auth
            .assume_agency
            .as_ref()
            .map(agency)
            .transpose()
            .map_err(broken)?;
        let config = SessionConfig {
            endpoint,
            iam_endpoint: iam_endpoint.map_err(|error| invalid(format!("iamEndpoint: {error}")))?,
            sts_endpoint: sts_endpoint
                .transpose()
                .map_err(|error| invalid(format!("stsEndpoint: {error}")))?,
            agency,
            rate: access.rate_limit.as_ref().map(rate),
            region: access.region.clone(),
            project_id: access.project_id.clone(),
            ca_pem,
            credentials,
            timeouts: self.timeouts,
            use_proxy_env: self.use_proxy_env,
            limits: Arc::clone(&self.limits),
            fence: Arc::clone(&self.fence),
            observer: Arc::clone(&self.observer),
        };
        Session::connect(config).map_err(|error| invalid(error.to_string()))
    }

    async fn credentials(&self, given: &Given) -> Result<(String, Credentials), Standing> {
        let auth = &given.access.auth;
        let ambient = self.ambient.credentials(given.kind, auth).map_err(broken)?;
        let reference = match (&auth.access_key, &auth.password, ambient) {
            (Some(key), None, None) => &key.secret_ref,
            (None, Some(password), None) => &password.secret_ref,
            (None, None, Some(ambient)) => return Ok((String::new(), ambient)),
            _ => {
                return Err(invalid(
                    "auth needs exactly one of accessKey, password, podIdentity, oidc and nodeAgency",
                ));
            }
        };
        let secret = self.secret(&given.namespace, &reference.name).await?;
        let data = secret.data.clone().unwrap_or_default();
        let credentials = match &auth.password {
            Some(password) => Credentials::password(&password.domain_name, &password.user_name, &data),
            None => Credentials::access_key(&data),
        };
        let credentials = credentials.map_err(|error| invalid(format!("Secret {}: {error}", reference.name)))?;
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
        let unreadable = |error| Standing::Unreached {
            failure: Failure::transient(format!("{name} cannot be read: {error}")),
        };
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

fn invalid(message: impl Into<String>) -> Standing {
    broken((Reason::InvalidSpec, message.into()))
}

fn broken((reason, message): Refusal) -> Standing {
    Standing::Broken {
        reason,
        message,
        secret: false,
    }
}
