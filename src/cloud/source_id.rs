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
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |part: &[u8]| {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    };
    let agency = config.agency.as_ref();
    let sts = config
        .sts_endpoint
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let (iam, ca) = (
        config.iam_endpoint.to_string(),
        config.ca_pem.as_deref().unwrap_or_default(),
    );
    // Where it is had from the node alone, the region and its endpoints make no difference.
    let is_of_node = matches!(
        config.credentials,
        Credentials::PodIdentity(_) | Credentials::NodeAgency(_)
    );
    if !is_of_node || agency.is_some() {
        let (region, project) = (
            config.region.as_bytes(),
            config.project_id.as_deref().unwrap_or_default(),
        );
        for text in [iam.as_bytes(), sts.as_bytes(), ca, region, project.as_bytes()] {
            part(text);
        }
    }
    match &config.credentials {
        Credentials::AccessKey(key) => {
            part(b"access key");
            key.secrets().iter().for_each(|text| part(text.as_bytes()));
        }
        Credentials::Password { domain, user, password } => {
            for text in ["password", domain, user, password.expose_secret()] {
                part(text.as_bytes());
            }
        }
        Credentials::PodIdentity(PodIdentity { agent, token_file }) => {
            part(b"pod identity");
            for text in [&agent.endpoint.to_string(), &agent.path] {
                part(text.as_bytes());
            }
            part(token_file.as_os_str().as_encoded_bytes());
        }
        Credentials::Oidc(oidc) => {
            part(oidc.token_file.as_os_str().as_encoded_bytes());
            part(&oidc.duration.as_secs().to_be_bytes());
            match &oidc.by {
                OidcBy::Sts {
                    provider_urn,
                    agency_urn,
                    session_name,
                } => {
                    for text in ["oidc sts", provider_urn, agency_urn, session_name] {
                        part(text.as_bytes());
                    }
                }
                OidcBy::Iam { idp_id } => {
                    part(b"oidc iam");
                    part(idp_id.as_bytes());
                }
            }
        }
        Credentials::NodeAgency(metadata) => {
            part(b"node agency");
            part(metadata.to_string().as_bytes());
        }
    }
    if let Some(Agency { by, duration }) = agency {
        part(&duration.as_secs().to_be_bytes());
        match by {
            AgencyBy::Sts {
                agency_urn,
                session_name,
            } => {
                for text in ["agency sts", agency_urn, session_name] {
                    part(text.as_bytes());
                }
            }
            AgencyBy::Iam {
                agency_name,
                domain_name,
            } => {
                for text in ["agency iam", agency_name, domain_name] {
                    part(text.as_bytes());
                }
            }
        }
    }
    let mut id = SourceId::default();
    id.copy_from_slice(context.finish().as_ref());
    id
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
        assert_eq!(key("one"), key("one"));
        assert_ne!(key("one"), key("two"));
        assert_ne!(key("one"), of(&config("http://127.0.0.1:1")));
    }
}
