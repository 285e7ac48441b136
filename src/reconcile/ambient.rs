//! What the operator is by where it runs, for the providers that may use it.
//!
//! Takes the operator's own settings and what a provider asks for; returns what a session authenticates with, or why not. A provider never
//! says where a token or a service of the node is: who may create a provider in a namespace must not be able to borrow the operator's
//! identity, nor to point it anywhere.

use std::path::PathBuf;
use std::time::Duration;

use crate::api::Reason;
use crate::api::data_source::ProviderKind;
use crate::api::provider_auth::{AssumeAgency, Auth, DURATION_MIN, OidcAuth};
use crate::api::rate_limit::RateLimit;
use crate::cloud::{Agency, AgencyBy, AgentUrl, Credentials, Oidc, OidcBy, PodIdentity, RateBound, ambient};
use crate::runtime::settings::ClusterArgs;

/// How long temporary access keys are asked for where a provider does not say: what an agency of the cloud allows by default.
const DURATION: Duration = Duration::from_hours(1);
/// The name of the operator's sessions in the cloud's audit log.
const SESSION_NAME: &str = "dws-operator";

/// The operator's own settings for these sources.
#[derive(Clone, Debug)]
pub struct Ambient {
    /// Whether providers of namespaces may use them too.
    pub in_namespaces: bool,
    /// `HC_CONTAINER_CREDENTIALS_FULL_URI` and `HC_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
    pub pod_identity: (Option<String>, Option<PathBuf>),
    /// `--oidc-token-file`.
    pub oidc_token_file: Option<PathBuf>,
    /// `--metadata-endpoint`.
    pub metadata_endpoint: String,
    /// `--allow-insecure-endpoints`.
    pub allow_insecure: bool,
}

/// Why a provider cannot have what it asks for: in one word, and for the user.
pub type Refusal = (Reason, String);

impl Ambient {
    /// From the flags.
    #[must_use]
    pub fn of(args: &ClusterArgs) -> Self {
        Self {
            in_namespaces: args.allow_ambient_credentials_in_namespaces,
            pod_identity: (args.pod_identity_uri.clone(), args.pod_identity_token_file.clone()),
            oidc_token_file: args.oidc_token_file.clone(),
            metadata_endpoint: args.metadata_endpoint.clone(),
            allow_insecure: args.allow_insecure_endpoints,
        }
    }

    /// The credentials of a provider that names one of these sources; none if it names none.
    ///
    /// # Errors
    /// If it may not use it, or the operator is not set up for it.
    pub fn credentials(&self, kind: ProviderKind, auth: &Auth) -> Result<Option<Credentials>, Refusal> {
        let invalid = |message: String| (Reason::InvalidSpec, message);
        let (source, credentials) = if auth.pod_identity.is_some() {
            ("podIdentity", self.pod_identity())
        } else if let Some(oidc) = &auth.oidc {
            ("oidc", self.oidc(oidc))
        } else if auth.node_agency.is_some() {
            ("nodeAgency", self.node_agency())
        } else {
            return Ok(None);
        };
        if kind == ProviderKind::DwsProvider && !self.in_namespaces {
            let message = format!(
                "auth.{source} is the operator's own identity, which a DwsProvider may not use: use a ClusterDwsProvider or another source, \
                 or start the operator with --allow-ambient-credentials-in-namespaces"
            );
            return Err((Reason::AccessDenied, message));
        }
        credentials
            .map(Some)
            .map_err(|why| invalid(format!("auth.{source}: {why}")))
    }

    fn pod_identity(&self) -> Result<Credentials, String> {
        let (Some(uri), Some(token_file)) = &self.pod_identity else {
            return Err(
                "the operator's pod has no HC_CONTAINER_CREDENTIALS_FULL_URI and HC_CONTAINER_AUTHORIZATION_TOKEN_FILE: associate an \
                 agency with the operator's ServiceAccount in CCE, and start the pod anew"
                    .to_owned(),
            );
        };
        let agent = AgentUrl::parse(uri).map_err(|error| format!("HC_CONTAINER_CREDENTIALS_FULL_URI: {error}"))?;
        Ok(Credentials::PodIdentity(PodIdentity {
            agent,
            token_file: token_file.clone(),
        }))
    }

    fn oidc(&self, oidc: &OidcAuth) -> Result<Credentials, String> {
        let token_file = self.oidc_token_file.clone();
        let token_file =
            token_file.ok_or("start the operator with --oidc-token-file and a projected ServiceAccount token")?;
        let by = match (&oidc.idp_id, &oidc.provider_urn, &oidc.agency_urn) {
            (Some(idp_id), None, None) => OidcBy::Iam { idp_id: idp_id.clone() },
            (None, Some(provider_urn), Some(agency_urn)) => OidcBy::Sts {
                provider_urn: provider_urn.clone(),
                agency_urn: agency_urn.clone(),
                session_name: session_name(oidc.session_name.as_ref()),
            },
            _ => return Err("set either providerURN and agencyURN, or idpID".to_owned()),
        };
        let duration = duration(oidc.duration_seconds);
        Ok(Credentials::Oidc(Oidc {
            token_file,
            by,
            duration,
        }))
    }

    fn node_agency(&self) -> Result<Credentials, String> {
        let endpoint = ambient::metadata_service(&self.metadata_endpoint, self.allow_insecure);
        endpoint
            .map(Credentials::NodeAgency)
            .map_err(|error| format!("--metadata-endpoint: {error}"))
    }
}

/// The agency that a provider assumes.
///
/// # Errors
/// If it names none, or more than one.
pub fn agency(assume: &AssumeAgency) -> Result<Agency, Refusal> {
    let by = match (&assume.agency_urn, &assume.agency_name, &assume.domain_name) {
        (Some(agency_urn), None, None) => AgencyBy::Sts {
            agency_urn: agency_urn.clone(),
            session_name: session_name(assume.session_name.as_ref()),
        },
        (None, Some(agency_name), Some(domain_name)) => AgencyBy::Iam {
            agency_name: agency_name.clone(),
            domain_name: domain_name.clone(),
        },
        _ => {
            let message = "auth.assumeAgency: set either agencyName and domainName, or agencyURN";
            return Err((Reason::InvalidSpec, message.to_owned()));
        }
    };
    let duration = duration(assume.duration_seconds);
    Ok(Agency { by, duration })
}

/// Whether STS is asked for a provider's credentials.
#[must_use]
pub fn needs_sts(auth: &Auth) -> bool {
    let by_oidc = auth.oidc.as_ref().is_some_and(|oidc| oidc.agency_urn.is_some());
    by_oidc
        || auth
            .assume_agency
            .as_ref()
            .is_some_and(|assume| assume.agency_urn.is_some())
}

/// The bound of a provider's rate limit.
#[must_use]
pub fn rate(limit: &RateLimit) -> RateBound {
    let thousandths = limit.requests_per_second.thousandths().max(1);
    RateBound {
        interval: Duration::from_secs(1000) / thousandths,
        burst: limit.burst.unwrap_or(1).max(1).unsigned_abs(),
    }
}

fn duration(seconds: Option<i32>) -> Duration {
    seconds.map_or(DURATION, |seconds| {
        Duration::from_secs(seconds.max(DURATION_MIN).unsigned_abs().into())
    })
}

fn session_name(given: Option<&String>) -> String {
    given.cloned().unwrap_or_else(|| SESSION_NAME.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ambient() -> Ambient {
        Ambient {
            in_namespaces: false,
            pod_identity: (Some("http://169.254.170.23/v1".to_owned()), Some("/token".into())),
            oidc_token_file: Some("/token".into()),
            metadata_endpoint: "http://169.254.169.254".to_owned(),
            allow_insecure: false,
        }
    }

    fn auth(source: Value) -> Auth {
        serde_json::from_value(source).unwrap()
    }

    fn sources() -> [Auth; 4] {
        [
            json!({"podIdentity": {}}),
            json!({"oidc": {"idpID": "cce"}}),
            json!({"oidc": {"providerURN": "p", "agencyURN": "a"}}),
            json!({"nodeAgency": {}}),
        ]
        .map(auth)
    }

    #[test]
    fn a_provider_of_a_namespace_has_none_unless_the_operator_says_so() {
        let (strict, open) = (
            ambient(),
            Ambient {
                in_namespaces: true,
                ..ambient()
            },
        );
        for auth in sources() {
            let refused = strict.credentials(ProviderKind::DwsProvider, &auth);
            let (reason, message) = refused.err().unwrap();
            assert_eq!(reason, Reason::AccessDenied);
            assert!(
                message.contains("--allow-ambient-credentials-in-namespaces"),
                "{message}"
            );
            assert!(matches!(
                strict.credentials(ProviderKind::ClusterDwsProvider, &auth),
                Ok(Some(_))
            ));
            assert!(matches!(
                open.credentials(ProviderKind::DwsProvider, &auth),
                Ok(Some(_))
            ));
        }
        let key = auth(json!({"accessKey": {"secretRef": {"name": "key"}}}));
        assert!(matches!(strict.credentials(ProviderKind::DwsProvider, &key), Ok(None)));
    }

    #[test]
    fn an_operator_that_is_not_set_up_says_what_to_do() {
        let bare = Ambient {
            pod_identity: (None, None),
            oidc_token_file: None,
            metadata_endpoint: "http://127.0.0.1:1".to_owned(),
            ..ambient()
        };
        let says = [
            "HC_CONTAINER_",
            "--oidc-token-file",
            "--oidc-token-file",
            "--allow-insecure-endpoints",
        ];
        for (auth, words) in sources().iter().zip(says) {
            let (reason, message) = bare.credentials(ProviderKind::ClusterDwsProvider, auth).err().unwrap();
            assert_eq!(reason, Reason::InvalidSpec);
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn sts_is_for_agencies_by_urn() {
        let by = |auth_: Value| needs_sts(&auth(auth_));
        assert!(!by(json!({"oidc": {"idpID": "cce"}})) && !by(json!({"podIdentity": {}})));
        assert!(!by(
            json!({"podIdentity": {}, "assumeAgency": {"agencyName": "a", "domainName": "d"}})
        ));
        assert!(by(json!({"podIdentity": {}, "assumeAgency": {"agencyURN": "a"}})));
        assert!(by(json!({"oidc": {"providerURN": "p", "agencyURN": "a"}})));
    }

    #[test]
    fn a_rate_becomes_an_interval() {
        let of = |limit: Value| rate(&serde_json::from_value(limit).unwrap());
        let bound = of(json!({"requestsPerSecond": 0.5}));
        assert_eq!((bound.interval, bound.burst), (Duration::from_secs(2), 1));
        let bound = of(json!({"requestsPerSecond": 4, "burst": 8}));
        assert_eq!((bound.interval, bound.burst), (Duration::from_millis(250), 8));
    }
}
