//! The account that the simulator knows: access keys, IAM users and projects.
//!
//! Values only. Secrets enter through the constructors, the settings file or the admin endpoint, and never leave: no type
//! here can be printed or serialised with its secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::trust::{Agency, IdentityProvider};

/// The access key of the default account.
pub const DEFAULT_ACCESS_KEY: &str = "AKEXAMPLE0000000TEST";
/// The secret key of the default account. It is an example and opens nothing.
pub const DEFAULT_SECRET_KEY: &str = "SKexampleExampleSecretKey0123456789abcdEF";
/// The id of the default account's project.
pub const DEFAULT_PROJECT: &str = "89cd04f168b84af6be287f71730fdb4b";
/// The region of the default account, which is also the name of its project.
pub const DEFAULT_REGION: &str = "eu-west-101";
/// The domain of the default IAM user.
pub const DEFAULT_DOMAIN: &str = "example";
/// The name of the default IAM user.
pub const DEFAULT_USER: &str = "operator";
/// The password of the default IAM user. It is an example and opens nothing.
pub const DEFAULT_PASSWORD: &str = "Example-Passw0rd";

/// Everything that can log in, and the projects it can log in to.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// The access keys, permanent and temporary.
    pub access_keys: Vec<AccessKey>,
    /// The IAM users.
    pub users: Vec<User>,
    /// Project ids by project name, as `GET /v3/projects?name=` answers: none, one or several.
    pub projects: BTreeMap<String, Vec<String>>,
    /// Project ids that the DWS paths accept although no name leads to them.
    pub hidden_projects: BTreeSet<String>,
    /// The token that the pod identity agent takes; none if no agency is associated with the pod's `ServiceAccount`.
    pub pod_token: Option<String>,
    /// The OIDC identity providers.
    pub identity_providers: Vec<IdentityProvider>,
    /// Whether the node has an agency, whose keys the metadata service gives.
    pub node_agency: bool,
    /// The agencies that can be assumed.
    pub agencies: Vec<Agency>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            access_keys: vec![AccessKey::permanent(DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY)],
            users: vec![User {
                domain: DEFAULT_DOMAIN.to_owned(),
                name: DEFAULT_USER.to_owned(),
                password: DEFAULT_PASSWORD.to_owned(),
            }],
            projects: BTreeMap::from([(DEFAULT_REGION.to_owned(), vec![DEFAULT_PROJECT.to_owned()])]),
            hidden_projects: BTreeSet::new(),
            pod_token: None,
            identity_providers: Vec::new(),
            node_agency: false,
            agencies: Vec::new(),
        }
    }
}

impl Account {
    /// The key with this access id.
    #[must_use]
    pub fn access_key(&self, access: &str) -> Option<&AccessKey> {
        self.access_keys.iter().find(|key| key.access == access)
    }

    /// The user with this name in this domain.
    #[must_use]
    pub fn user(&self, domain: &str, name: &str) -> Option<&User> {
        self.users
            .iter()
            .find(|user| user.domain == domain && user.name == name)
    }

    /// Whether a project of this id exists.
    #[must_use]
    pub fn has_project(&self, id: &str) -> bool {
        self.hidden_projects.contains(id) || self.projects.values().flatten().any(|known| known == id)
    }

    /// Adds a key, or replaces the one with the same access id.
    pub fn put_access_key(&mut self, key: AccessKey) {
        self.access_keys.retain(|known| known.access != key.access);
        self.access_keys.push(key);
    }

    /// Adds a user, or replaces the one with the same domain and name.
    pub fn put_user(&mut self, user: User) {
        self.users
            .retain(|known| known.domain != user.domain || known.name != user.name);
        self.users.push(user);
    }

    /// Sets what `GET /v3/projects?name=` answers for a name. Ids that drop out stay valid in the DWS paths, as a project
    /// that the caller may not list.
    pub fn set_projects(&mut self, name: &str, ids: Vec<String>) {
        if let Some(before) = self.projects.insert(name.to_owned(), ids) {
            self.hidden_projects.extend(before);
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("projects", &self.projects)
            .finish_non_exhaustive()
    }
}

/// An access key with its secret.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The access key id (AK).
    pub access: String,
    /// The secret key (SK).
    pub secret: String,
    /// The token that must come with a temporary key, as `X-Security-Token`. A permanent key has none.
    #[serde(default)]
    pub security_token: Option<String>,
    /// The only project that the key may use; none for every project of the account.
    #[serde(default)]
    pub project: Option<String>,
}

impl AccessKey {
    /// A permanent key for every project of the account.
    #[must_use]
    pub fn permanent(access: &str, secret: &str) -> Self {
        Self {
            access: access.to_owned(),
            secret: secret.to_owned(),
            security_token: None,
            project: None,
        }
    }

    /// A temporary key for every project of the account.
    #[must_use]
    pub fn temporary(access: &str, secret: &str, security_token: &str) -> Self {
        Self {
            security_token: Some(security_token.to_owned()),
            ..Self::permanent(access, secret)
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("access", &self.access)
            .field("temporary", &self.security_token.is_some())
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

/// An IAM user who can ask for tokens.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The domain (account) name.
    pub domain: String,
    /// The user name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("domain", &self.domain)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
