//! What tells the source of a session's credentials from others.
//!
//! Takes the configuration of a session and returns a digest, from which no secret can be read. Sessions with the same one share what is issued.

use aws_lc_rs::digest;
use secrecy::ExposeSecret;

use super::ambient::{Agency, AgencyBy, OidcBy, PodIdentity};
use super::client::SessionConfig;
use super::credential_cache::SourceId;
use super::credentials::Credentials;

/// A digest of all that decides which credential is issued, secrets included.
pub fn of(config: &SessionConfig) -> SourceId {
    let mut parts = Parts::default();
    let agency = config.agency.as_ref();
    // Where it is had from the node alone, the region and its endpoints make no difference.
    let is_of_node = matches!(
        config.credentials,
        Credentials::PodIdentity(_) | Credentials::NodeAgency(_)
    );
    if !is_of_node || agency.is_some() {
        let sts = config.sts_endpoint.as_ref().map(ToString::to_string);
        parts.text(&config.iam_endpoint.to_string());
        parts.text(&sts.unwrap_or_default());
        parts.text(&config.region);
        parts.text(config.project_id.as_deref().unwrap_or_default());
        parts.bytes(config.ca_pem.as_deref().unwrap_or_default());
    }
    parts.credentials(&config.credentials);
    if let Some(agency) = agency {
        parts.agency(agency);
    }
    parts.digest()
}

/// A digest of credentials, whatever they are used for. It has their secrets in it: whoever only knows the name of an access key does not share
/// what those have who know its secret.
pub fn of_credentials(credentials: &Credentials) -> SourceId {
    let mut parts = Parts::default();
    parts.credentials(credentials);
    parts.digest()
}

/// Parts of what is digested, each with its length, so that no two lists of them are the same bytes.
struct Parts(digest::Context);

impl Default for Parts {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Parts {
    fn bytes(&mut self, part: &[u8]) {
        self.0.update(&part.len().to_be_bytes());
        self.0.update(part);
    }

    fn text(&mut self, part: &str) {
        self.bytes(part.as_bytes());
    }

    fn texts<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) {
        parts.into_iter().for_each(|part| self.text(part));
    }

    fn credentials(&mut self, credentials: &Credentials) {
        match credentials {
            Credentials::AccessKey(key) => {
                self.text("access key");
                self.texts(key.secrets());
            }
            Credentials::Password { domain, user, password } => {
                self.texts(["password", domain, user, password.expose_secret()]);
            }
            Credentials::PodIdentity(PodIdentity { agent, token_file }) => {
                self.texts(["pod identity", &agent.endpoint.to_string(), &agent.path]);
                self.bytes(token_file.as_os_str().as_encoded_bytes());
            }
            Credentials::Oidc(oidc) => {
                self.bytes(oidc.token_file.as_os_str().as_encoded_bytes());
                self.bytes(&oidc.duration.as_secs().to_be_bytes());
                match &oidc.by {
                    OidcBy::Sts {
                        provider_urn,
                        agency_urn,
                        session_name,
                    } => self.texts(["oidc by sts", provider_urn, agency_urn, session_name]),
                    OidcBy::Iam { idp_id } => self.texts(["oidc by iam", idp_id]),
                }
            }
            Credentials::NodeAgency(metadata) => self.texts(["node agency", &metadata.to_string()]),
        }
    }

    fn agency(&mut self, Agency { by, duration }: &Agency) {
        self.bytes(&duration.as_secs().to_be_bytes());
        match by {
            AgencyBy::Sts {
                agency_urn,
                session_name,
            } => self.texts(["agency by sts", agency_urn, session_name]),
            AgencyBy::Iam {
                agency_name,
                domain_name,
            } => self.texts(["agency by iam", agency_name, domain_name]),
        }
    }

    fn digest(self) -> SourceId {
        let mut id = SourceId::default();
        id.copy_from_slice(self.0.finish().as_ref());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{REGION, config};
    use super::*;
    use crate::cloud::AccessKey;
    use crate::cloud::ambient::metadata_service;

    fn node(region: &str) -> SessionConfig {
        SessionConfig {
            credentials: Credentials::NodeAgency(metadata_service("http://169.254.169.254", false).unwrap()),
            region: region.to_owned(),
            ..config("http://127.0.0.1:1")
        }
    }

    fn agency(name: &str) -> Agency {
        let by = AgencyBy::Iam {
            agency_name: name.to_owned(),
            domain_name: "d".to_owned(),
        };
        let duration = std::time::Duration::from_hours(1);
        Agency { by, duration }
    }

    #[test]
    fn what_the_node_gives_is_the_same_in_every_region() {
        assert_eq!(of(&node(REGION)), of(&node("cn-north-4")));
        let assuming = |region, name| {
            of(&SessionConfig {
                agency: Some(agency(name)),
                ..node(region)
            })
        };
        assert_eq!(assuming(REGION, "a"), assuming(REGION, "a"));
        assert_ne!(assuming(REGION, "a"), assuming(REGION, "b"));
        assert_ne!(assuming(REGION, "a"), assuming("cn-north-4", "a"));
        assert_ne!(assuming(REGION, "a"), of(&node(REGION)));
    }

    #[test]
    fn another_secret_is_another_source() {
        let key = |secret: &str| {
            of(&SessionConfig {
                credentials: Credentials::AccessKey(AccessKey {
                    access: "AK".into(),
                    secret: secret.into(),
                    security_token: None,
                }),
                agency: Some(agency("a")),
                ..config("http://127.0.0.1:1")
            })
        };
        let of_key = |secret: &str| {
            of_credentials(&Credentials::AccessKey(AccessKey {
                access: "AK".into(),
                secret: secret.into(),
                security_token: None,
            }))
        };
        assert_eq!(of_key("one"), of_key("one"));
        assert_ne!(
            of_key("one"),
            of_key("guessed"),
            "who knows the name of a key knows no more of it"
        );
        assert_eq!(key("one"), key("one"));
        assert_ne!(key("one"), key("two"));
        assert_ne!(key("one"), of(&config("http://127.0.0.1:1")));
    }
}
