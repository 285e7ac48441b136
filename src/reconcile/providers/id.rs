//! Which provider, whatever it is like.

use super::super::context::Member;
use crate::api::data_source::{ProviderKind, ProviderRef};

/// The name of the provider that is used where none is named.
const DEFAULT: &str = "default";

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId {
    /// Its kind.
    pub kind: ProviderKind,
    /// Its namespace; empty for the cluster kind.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ProviderId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl ProviderId {
    /// The provider that a reference in a namespace names.
    #[must_use]
    pub fn of(reference: &ProviderRef, namespace: &str) -> Self {
        let namespace = match reference.kind {
            ProviderKind::DwsProvider => namespace,
            ProviderKind::ClusterDwsProvider => "",
        };
        ProviderId {
            kind: reference.kind,
            namespace: namespace.to_owned(),
            name: reference.name.clone(),
        }
    }

    pub(super) fn default_of(kind: ProviderKind, namespace: &str) -> Self {
        Self::of(
            &ProviderRef {
                kind,
                name: DEFAULT.to_owned(),
            },
            namespace,
        )
    }

    /// Both that are used where none is named: the namespace's own first.
    #[must_use]
    pub fn defaults(namespace: &str) -> [Self; 2] {
        [ProviderKind::DwsProvider, ProviderKind::ClusterDwsProvider].map(|kind| Self::default_of(kind, namespace))
    }

    /// Whether an object uses this provider, by its reference or by default.
    #[must_use]
    pub fn serves(&self, member: &Member, reference: Option<&ProviderRef>) -> bool {
        match reference {
            Some(reference) => *self == Self::of(reference, &member.namespace),
            None => {
                self.name == DEFAULT
                    && (self.kind == ProviderKind::ClusterDwsProvider || self.namespace == member.namespace)
            }
        }
    }
}
