//! A namespace of its own for each story, with the operator's identity, rights, proxy and recorder.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use crate::audit::{AuditLog, Request};
use crate::cleanup::clean;
use crate::kubeconfig::Access;
use crate::rbac::{self, Scope};
use crate::{AUDIT_LOG_VARIABLE, ControlPlane, Kubectl, Proxy, StatusRecorder, background, manifests};

/// The operator's ServiceAccount in every namespace.
const SERVICE_ACCOUNT: &str = "dws-operator";

/// A story's namespace. When it is dropped, its objects are removed, and every status that the operator wrote is held against
/// the rules, unless the story has failed already.
pub struct TestNamespace<'p> {
    plane: &'p ControlPlane,
    name: String,
    /// Where the operator's ServiceAccount and Lease are.
    home: String,
    scope: Scope,
    token: String,
    admin: Client,
    audit: Option<AuditLog>,
    proxy: Proxy,
    recorder: StatusRecorder,
}

impl<'p> TestNamespace<'p> {
    /// Makes one for an operator that serves this namespace only; its name begins with `hint`.
    ///
    /// # Panics
    /// If the apiserver refuses something; the message says what.
    pub async fn create(plane: &'p ControlPlane, hint: &str) -> Self {
        let name = unique(hint);
        Self::with(plane, &name, &name, Scope::Namespaced).await
    }

    /// Makes one for an operator that serves all namespaces. As such operators would get in each other's way, the control plane
    /// should be the story's own.
    ///
    /// # Panics
    /// If the apiserver refuses something; the message says what.
    pub async fn create_cluster_wide(plane: &'p ControlPlane, hint: &str) -> Self {
        let name = unique(hint);
        Self::with(plane, &name, &name, Scope::ClusterWide).await
    }

    /// Makes one for an operator that has a namespace of its own besides, as an installation has. Elsewhere one namespace is both.
    ///
    /// # Panics
    /// If the apiserver refuses something; the message says what.
    pub async fn create_apart(plane: &'p ControlPlane, hint: &str, scope: Scope) -> Self {
        let name = unique(hint);
        Self::with(plane, &name, &format!("{name}-operator"), scope).await
    }

    async fn with(plane: &'p ControlPlane, name: &str, home: &str, scope: Scope) -> Self {
        Self::try_create(plane, name, home, scope)
            .await
            .unwrap_or_else(|error| panic!("the namespace {name}: {error:#}"))
    }

    async fn try_create(plane: &'p ControlPlane, name: &str, home: &str, scope: Scope) -> Result<Self> {
        let admin = plane.admin();
        for name in BTreeSet::from([name, home]) {
            create(&admin, name).await?;
        }
        for object in rbac::render(scope, name, home)? {
            manifests::apply(&admin, &object).await?;
        }
        let watched = (scope == Scope::Namespaced).then(|| name.to_owned());
        let recorder = StatusRecorder::start(plane.config(), watched).await?;
        let token = rbac::token(&admin, home, SERVICE_ACCOUNT)
            .await
            .context("the operator's token")?;
        let this = Self {
            plane,
            name: name.to_owned(),
            home: home.to_owned(),
            scope,
            token,
            admin,
            audit: plane.audit()?,
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

    /// The namespace of the operator: this one, unless the operator was made apart.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.home
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

    /// Gives the operator the rights in a folder of `deploy/rbac` that only a flag needs, and waits until it has them: `verb` on Secrets is one of them.
    ///
    /// # Panics
    /// If there is no such folder, or the apiserver refuses what is in it.
    pub async fn grant(&self, extra: &str, verb: &str) {
        let objects = rbac::render_extra(self.scope, extra, &self.name, &self.home);
        for object in objects.unwrap_or_else(|error| panic!("{extra}: {error:#}")) {
            let applied = manifests::apply(&self.admin, &object).await;
            applied.unwrap_or_else(|error| panic!("{extra}: {error:#}"));
        }
        let right = ResourceAttributes {
            namespace: Some(self.name.clone()),
            verb: Some(verb.to_owned()),
            resource: Some("secrets".to_owned()),
            ..ResourceAttributes::default()
        };
        rbac::until_allowed(&self.operator_client().await, right).await;
    }

    /// A client with the operator's rights, through the proxy.
    ///
    /// # Panics
    /// If the control plane's kubeconfig cannot be used.
    pub async fn operator_client(&self) -> Client {
        self.try_operator_client()
            .await
            .unwrap_or_else(|error| panic!("the operator's client: {error:#}"))
    }

    async fn try_operator_client(&self) -> Result<Client> {
        let config = self.access(&self.proxy).config().await?;
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

    /// The administrator's `kubectl` in this namespace.
    ///
    /// # Panics
    /// If it is not built, or no folder can be made for it.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.plane.kubeconfig(), &self.name).unwrap_or_else(|error| panic!("kubectl: {error:#}"))
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
    /// If the audit log cannot be read, or is not known.
    pub async fn operator_writes(&self) -> Vec<Request> {
        let mut requests = self.operator_requests().await;
        requests.retain(Request::is_write);
        requests
    }

    /// All requests of the operator so far, and of others that used its identity, in the order of their answers.
    ///
    /// # Panics
    /// If the audit log cannot be read, or is not known.
    pub async fn operator_requests(&self) -> Vec<Request> {
        let user = format!("system:serviceaccount:{}:{SERVICE_ACCOUNT}", self.home);
        let audit = self.audit.as_ref().unwrap_or_else(|| {
            panic!("requests are counted in the audit log of the control plane, and {AUDIT_LOG_VARIABLE} is not set")
        });
        audit.requests(|request| request.user == user).await
    }

    /// How the operator reaches the apiserver through `proxy`.
    pub(crate) fn access(&self, proxy: &Proxy) -> Access {
        Access {
            server: proxy.kube_url().to_owned(),
            authority: proxy.kube_authority().to_owned(),
            token: self.token.clone(),
            namespace: self.home.clone(),
        }
    }

    /// The flags of the operator and of its checks that say where it is and what it serves.
    pub(crate) fn flags(&self, kubeconfig: &Path) -> Vec<String> {
        let mut flags = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--namespace={}", self.home),
            "--allow-insecure-endpoints".to_owned(),
        ];
        if self.scope == Scope::Namespaced {
            flags.push(format!("--watch-namespace={}", self.name));
        }
        flags
    }

    async fn wait_for_rights(&self) -> Result<()> {
        let operator = self.try_operator_client().await?;
        for (namespace, group, verb, resource, name) in [
            (&self.home, "coordination.k8s.io", "update", "leases", "dws-operator"),
            (&self.name, "dws.huaweicloud.com", "list", "dwsdatasources", ""),
            (&self.name, "", "get", "secrets", ""),
        ] {
            let right = ResourceAttributes {
                namespace: Some(namespace.clone()),
                group: Some(group.to_owned()),
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                name: Some(name.to_owned()),
                ..ResourceAttributes::default()
            };
            rbac::until_allowed(&operator, right).await;
        }
        Ok(())
    }
}

impl Drop for TestNamespace<'_> {
    fn drop(&mut self) {
        for name in BTreeSet::from([&self.name, &self.home]) {
            remove(self.plane, name);
        }
        if !std::thread::panicking() {
            self.recorder.check();
        }
    }
}

/// A namespace without an operator, removed with what is in it when the value is dropped.
pub struct PlainNamespace<'p> {
    plane: &'p ControlPlane,
    name: String,
}

impl<'p> PlainNamespace<'p> {
    /// Makes one; its name begins with `hint`.
    ///
    /// # Panics
    /// If the apiserver refuses it.
    pub async fn create(plane: &'p ControlPlane, hint: &str) -> Self {
        let name = unique(hint);
        create(&plane.admin(), &name)
            .await
            .unwrap_or_else(|error| panic!("the namespace {name}: {error:#}"));
        Self { plane, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for PlainNamespace<'_> {
    fn drop(&mut self) {
        remove(self.plane, &self.name);
    }
}

async fn create(admin: &Client, name: &str) -> Result<()> {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    let namespaces = Api::all(admin.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .context("creating it")?;
    Ok(())
}

/// Removes a namespace with what is in it; blocks until that is done.
fn remove(plane: &ControlPlane, name: &str) {
    let (config, namespace) = (plane.config(), name.to_owned());
    let removed = background::block_on(async move { clean(&Client::try_from(config)?, &namespace).await });
    if let Err(error) = removed {
        eprintln!("cleaning the namespace {name}: {error:#}");
    }
}

/// A name that no other namespace has.
fn unique(hint: &str) -> String {
    format!("{hint}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8])
}
