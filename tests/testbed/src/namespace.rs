//! A namespace of its own for each story, with the operator's identity, rights, proxy and recorder.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::TypeMeta;
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::audit::{AuditLog, Write};
use crate::kubeconfig::Access;
use crate::rbac::{self, Scope};
use crate::{ControlPlane, Proxy, StatusRecorder, background, manifests, wait};

/// The operator's ServiceAccount in every namespace.
const SERVICE_ACCOUNT: &str = "dws-operator";
/// How long the operator's token is valid: longer than any story.
const TOKEN_SECONDS: i64 = 6 * 60 * 60;
/// How long the apiserver may take to notice new rights.
const RIGHTS: Duration = Duration::from_secs(20);

/// A story's namespace. When it is dropped, its objects are removed, and every status that the operator wrote is held against
/// the rules, unless the story has failed already.
pub struct TestNamespace<'p> {
    plane: &'p ControlPlane,
    name: String,
    scope: Scope,
    token: String,
    admin: Client,
    audit: AuditLog,
    proxy: Proxy,
    recorder: StatusRecorder,
}

impl<'p> TestNamespace<'p> {
    /// Makes one for an operator that serves this namespace only; its name begins with `hint`.
    ///
    /// # Panics
    /// If the apiserver refuses something; the message says what.
    pub async fn create(plane: &'p ControlPlane, hint: &str) -> Self {
        Self::with_scope(plane, hint, Scope::Namespaced).await
    }

    /// Makes one for an operator that serves all namespaces. As such operators would get in each other's way, the control plane
    /// should be the story's own.
    ///
    /// # Panics
    /// If the apiserver refuses something; the message says what.
    pub async fn create_cluster_wide(plane: &'p ControlPlane, hint: &str) -> Self {
        Self::with_scope(plane, hint, Scope::ClusterWide).await
    }

    async fn with_scope(plane: &'p ControlPlane, hint: &str, scope: Scope) -> Self {
        Self::try_create(plane, hint, scope)
            .await
            .unwrap_or_else(|error| panic!("a namespace for {hint}: {error:#}"))
    }

    async fn try_create(plane: &'p ControlPlane, hint: &str, scope: Scope) -> Result<Self> {
        let admin = plane.admin();
        let name = format!("{hint}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        Api::all(admin.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .context("creating it")?;
        for object in rbac::render(scope, &name)? {
            manifests::apply(&admin, &object).await?;
        }
        let watched = (scope == Scope::Namespaced).then(|| name.clone());
        let recorder = StatusRecorder::start(plane.config(), watched).await?;
        let token = token(&admin, &name).await.context("the operator's token")?;
        let this = Self {
            plane,
            name,
            scope,
            token,
            admin,
            audit: plane.audit(),
            proxy: Proxy::start(plane),
            recorder,
        };
        this.recorder.follow(&this.proxy);
        this.wait_for_rights().await?;
        Ok(this)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which namespaces its operator serves.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// A client with every right.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.admin.clone()
    }

    /// A client with the operator's rights, past the proxy.
    ///
    /// # Panics
    /// If the control plane's kubeconfig cannot be used.
    #[must_use]
    pub fn operator_client(&self) -> Client {
        self.try_operator_client()
            .unwrap_or_else(|error| panic!("the operator's client: {error:#}"))
    }

    fn try_operator_client(&self) -> Result<Client> {
        let mut config = self.plane.config();
        config.auth_info = serde_json::from_value(json!({"token": self.token}))?;
        Ok(Client::try_from(config)?)
    }

    /// The administrator's view of one kind of object in this namespace.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.admin.clone(), &self.name)
    }

    /// The proxy that the operator goes through, unless it is started with another one.
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Another proxy, for a second operator whose calls are to be interfered with apart.
    ///
    /// # Panics
    /// If no port can be had on loopback.
    #[must_use]
    pub fn another_proxy(&self) -> Proxy {
        let proxy = Proxy::start(self.plane);
        self.recorder.follow(&proxy);
        proxy
    }

    /// Every version of the operator's objects.
    #[must_use]
    pub fn recorder(&self) -> &StatusRecorder {
        &self.recorder
    }

    /// All writes of the operator so far, in the order of their answers.
    ///
    /// # Panics
    /// If the audit log cannot be read.
    pub async fn operator_writes(&self) -> Vec<Write> {
        let user = format!("system:serviceaccount:{}:{SERVICE_ACCOUNT}", self.name);
        self.audit.writes(|write| write.user == user).await
    }

    /// How the operator reaches the apiserver through `proxy`.
    pub(crate) fn access(&self, proxy: &Proxy) -> Access {
        Access {
            server: proxy.kube_url().to_owned(),
            authority: proxy.kube_authority().to_owned(),
            token: self.token.clone(),
            namespace: self.name.clone(),
        }
    }

    /// The apiserver learns of roles and bindings by watches of its own.
    async fn wait_for_rights(&self) -> Result<()> {
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.try_operator_client()?);
        for (group, verb, resource, name) in [
            ("coordination.k8s.io", "update", "leases", "dws-operator"),
            ("dws.huaweicloud.com", "list", "dwsdatasources", ""),
            ("", "get", "secrets", ""),
        ] {
            let attributes = ResourceAttributes {
                namespace: Some(self.name.clone()),
                group: Some(group.to_owned()),
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                name: Some(name.to_owned()),
                ..ResourceAttributes::default()
            };
            let spec = SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..Default::default()
            };
            let review = SelfSubjectAccessReview {
                spec,
                ..Default::default()
            };
            wait::until(
                RIGHTS,
                &format!("the operator's right to {verb} {resource}"),
                async || match reviews.create(&PostParams::default(), &review).await {
                    Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => Ok(()),
                    answer => Err(answer.map(|review| review.status)),
                },
            )
            .await;
        }
        Ok(())
    }
}

impl Drop for TestNamespace<'_> {
    fn drop(&mut self) {
        let (config, name) = (self.plane.config(), self.name.clone());
        let cleaned = background::block_on(async move { clean(&Client::try_from(config)?, &name).await });
        if let Err(error) = cleaned {
            eprintln!("cleaning the namespace {}: {error:#}", self.name);
        }
        if !std::thread::panicking() {
            self.recorder.check();
        }
    }
}

async fn token(admin: &Client, namespace: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    let spec = TokenRequestSpec {
        expiration_seconds: Some(TOKEN_SECONDS),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest {
        spec,
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(SERVICE_ACCOUNT, &PostParams::default(), &request)
        .await?;
    Ok(answer.status.context("an answer without a token")?.token)
}

/// Removes what the story left: nobody else does, as there is no controller manager.
async fn clean(admin: &Client, namespace: &str) -> Result<()> {
    for kind in ["DwsDataSource", "DwsProvider"] {
        let types = TypeMeta {
            api_version: "dws.huaweicloud.com/v1alpha1".to_owned(),
            kind: kind.to_owned(),
        };
        let api: Api<DynamicObject> = manifests::api(admin, &types, Some(namespace))?;
        for name in api
            .list_metadata(&ListParams::default())
            .await?
            .iter()
            .map(ResourceExt::name_any)
        {
            let without_finalizers = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            api.patch(&name, &PatchParams::default(), &without_finalizers).await?;
            // With its finalizers gone an object that was being deleted is gone too.
            let _ = api.delete(&name, &DeleteParams::default()).await;
        }
    }
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), namespace);
    secrets
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await?;
    let bindings: Api<ClusterRoleBinding> = Api::all(admin.clone());
    for name in bindings
        .list_metadata(&ListParams::default())
        .await?
        .iter()
        .map(ResourceExt::name_any)
    {
        if name.ends_with(&format!(":{namespace}")) {
            bindings.delete(&name, &DeleteParams::default()).await?;
        }
    }
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    namespaces.delete(namespace, &DeleteParams::default()).await?;
    Ok(())
}
