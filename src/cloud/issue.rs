//! Has credentials issued: how each source is exchanged for a token or a temporary access key.
//!
//! Takes a session's source and returns what IAM, STS or the node issue, or a failure that says what to do. It keeps nothing, and logs and
//! repeats no credential. The requests and answers are those of the API references of IAM and STS, of CCE and ECS, and of Huawei's Go and
//! Python SDKs.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::ambient::{self, Agency, AgencyBy, Oidc, OidcBy, PodIdentity};
use super::breaker::Pass;
use super::client::Session;
use super::codes;
use super::credentials::{Credentials, fits_a_header};
use super::errors::{Failure, FailureKind, MAX_MESSAGE};
use super::exchange::Turn;
use super::issued::{Bearer, Issued};
use super::judge::Success;
use super::login;
use super::observer::Operation;
use super::request::{self, Call, Proof, Target};
use crate::runtime::text::shorten;

const IDP_ID: HeaderName = HeaderName::from_static("x-idp-id");
const METADATA_TOKEN: HeaderName = HeaderName::from_static("x-metadata-token");
const METADATA_TTL: HeaderName = HeaderName::from_static("x-metadata-token-ttl-seconds");

/// How long a token of the metadata service is asked for, in seconds: the longest, as in the SDKs.
const METADATA_TTL_SECONDS: HeaderValue = HeaderValue::from_static("21600");

/// What a metadata service without the second version of its protocol answers to the request for a token.
const NO_METADATA_TOKENS: [u16; 3] = [404, 405, 503];

impl Session {
    /// Has a credential issued by the session's source, and by the agency that is assumed with it.
    pub(super) async fn issue(&self, pass: &Pass<'_>) -> Result<Issued, Failure> {
        let Some(agency) = &self.config.agency else {
            return self.issue_by_source(pass).await;
        };
        let bearer = match &self.config.credentials {
            Credentials::AccessKey(key) => Bearer::Key(key.clone()),
            _ => self.issue_by_source(pass).await?.bearer,
        };
        let key = match &bearer {
            // An agency is assumed with a signature, so a token is exchanged first.
            Bearer::Token { value, .. } => self.key_of(pass, value, agency.duration).await?.bearer,
            Bearer::Key(_) => bearer,
        };
        self.assume(pass, agency, &key).await
    }

    async fn issue_by_source(&self, pass: &Pass<'_>) -> Result<Issued, Failure> {
        match &self.config.credentials {
            Credentials::AccessKey(_) => Err(Failure::invalid("an access key is not exchanged for another")),
            Credentials::Password { domain, user, password } => self.log_in(pass, domain, user, password).await,
            Credentials::PodIdentity(pod) => self.pod_identity(pass, pod).await,
            Credentials::Oidc(oidc) => self.oidc(pass, oidc).await,
            Credentials::NodeAgency(_) => self.node_agency(pass).await,
        }
    }

    /// A password for a token.
    async fn log_in(
        &self,
        pass: &Pass<'_>,
        domain: &str,
        user: &str,
        password: &SecretString,
    ) -> Result<Issued, Failure> {
        let (region, project) = (&self.config.region, self.config.project_id.as_deref());
        let call = Call {
            query: Some(("nocatalog", "true")),
            body: login::body(domain, user, password, region, project),
            ..Call::new(Operation::Login, Target::At("/v3/auth/tokens"))
        };
        self.ask(pass, &call, Proof::Own, |success| Issued::token(&success.answer))
            .await
    }

    /// The identity of the pod: its token for an access key.
    async fn pod_identity(&self, pass: &Pass<'_>, pod: &PodIdentity) -> Result<Issued, Failure> {
        let token = ambient::token(&pod.token_file).await?;
        let call = Call {
            body: b"{}".to_vec(),
            headers: vec![(AUTHORIZATION, request::sensitive(&token)?)],
            secrets: vec![token.expose_secret()],
            ..Call::new(Operation::PodIdentity, Target::At(&pod.agent.path))
        };
        let issued = self.ask(pass, &call, Proof::Own, key).await;
        issued.map_err(|failure| {
            refused(
                failure,
                "check the pod identity association of the operator's ServiceAccount in CCE",
            )
        })
    }

    /// The token of the `ServiceAccount` for an access key.
    async fn oidc(&self, pass: &Pass<'_>, oidc: &Oidc) -> Result<Issued, Failure> {
        let token = ambient::token(&oidc.token_file).await?;
        match &oidc.by {
            OidcBy::Sts {
                provider_urn,
                agency_urn,
                session_name,
            } => {
                let body = json!({
                    "provider_urn": provider_urn,
                    "agency_urn": agency_urn,
                    "agency_session_name": session_name,
                    "id_token": token.expose_secret(),
                    "duration_seconds": oidc.duration.as_secs(),
                });
                let call = Call {
                    body: bytes(&body),
                    secrets: vec![token.expose_secret()],
                    ..Call::new(Operation::AssumeWithOidc, Target::At("/v5/agencies/assume-with-oidc"))
                };
                let issued = self.ask(pass, &call, Proof::Own, key).await;
                issued.map_err(|failure| {
                    refused(
                        failure,
                        "check providerURN, agencyURN, and that the agency trusts the operator's ServiceAccount",
                    )
                })
            }
            OidcBy::Iam { idp_id } => {
                let project = match &self.config.project_id {
                    Some(id) => json!({ "id": id }),
                    None => json!({ "name": self.config.region }),
                };
                let body = json!({"auth": {
                    "id_token": {"id": token.expose_secret()},
                    "scope": {"project": project},
                }});
                let call = Call {
                    body: bytes(&body),
                    headers: vec![(IDP_ID, request::plain(idp_id)?)],
                    secrets: vec![token.expose_secret()],
                    ..Call::new(Operation::IdToken, Target::At("/v3.0/OS-AUTH/id-token/tokens"))
                };
                let issued = self
                    .ask(pass, &call, Proof::Own, |success| Issued::token(&success.answer))
                    .await;
                let issued = issued.map_err(|failure| {
                    refused(
                        failure,
                        "check idpID and the conversion rules of the identity provider in IAM",
                    )
                })?;
                match issued.bearer {
                    Bearer::Token { value, .. } => self.key_of(pass, &value, oidc.duration).await,
                    Bearer::Key(_) => Ok(issued),
                }
            }
        }
    }

    /// A token for an access key.
    async fn key_of(&self, pass: &Pass<'_>, token: &SecretString, duration: Duration) -> Result<Issued, Failure> {
        let body = json!({"auth": {"identity": {
            "methods": ["token"],
            "token": {"id": token.expose_secret(), "duration_seconds": duration.as_secs()},
        }}});
        let call = Call {
            body: bytes(&body),
            secrets: vec![token.expose_secret()],
            ..Call::new(
                Operation::SecurityToken,
                Target::At("/v3.0/OS-CREDENTIAL/securitytokens"),
            )
        };
        let issued = self.ask(pass, &call, Proof::Own, key).await;
        issued.map_err(|failure| {
            refused(
                failure,
                "check that the user or identity provider may get temporary access keys",
            )
        })
    }

    /// The agency of the node, from the metadata service; from one of the first version where there is no second.
    async fn node_agency(&self, pass: &Pass<'_>) -> Result<Issued, Failure> {
        let call = Call {
            headers: vec![(METADATA_TTL, METADATA_TTL_SECONDS)],
            ..Call::new(Operation::MetadataToken, Target::At("/meta-data/latest/api/token"))
        };
        let token = match self.ask(pass, &call, Proof::Own, metadata_token).await {
            Ok(token) => Some(token),
            Err(failure)
                if failure
                    .status
                    .is_some_and(|status| NO_METADATA_TOKENS.contains(&status)) =>
            {
                None
            }
            Err(failure) => {
                return Err(refused(
                    failure,
                    "check that pods may reach the metadata service of the node",
                ));
            }
        };
        let mut call = Call::new(Operation::MetadataKey, Target::At("/openstack/latest/securitykey"));
        if let Some(token) = &token {
            call.headers.push((METADATA_TOKEN, request::sensitive(token)?));
            call.secrets.push(token.expose_secret());
        }
        let issued = self.ask(pass, &call, Proof::Own, key).await;
        issued.map_err(|failure| {
            refused(
                failure,
                "set an agency for the node in ECS, or for the node pool in CCE",
            )
        })
    }

    /// An access key for one of an agency.
    async fn assume(&self, pass: &Pass<'_>, agency: &Agency, with: &Bearer) -> Result<Issued, Failure> {
        let seconds = agency.duration.as_secs();
        let (operation, path, body) = match &agency.by {
            AgencyBy::Sts {
                agency_urn,
                session_name,
            } => (
                Operation::AssumeInSts,
                "/v5/agencies/assume",
                json!({"agency_urn": agency_urn, "agency_session_name": session_name, "duration_seconds": seconds}),
            ),
            AgencyBy::Iam {
                agency_name,
                domain_name,
            } => (
                Operation::AssumeInIam,
                "/v3.0/OS-CREDENTIAL/securitytokens",
                json!({"auth": {"identity": {"methods": ["assume_role"], "assume_role": {
                    "agency_name": agency_name, "domain_name": domain_name, "duration_seconds": seconds,
                }}}}),
            ),
        };
        let call = Call {
            body: bytes(&body),
            ..Call::new(operation, Target::At(path))
        };
        let issued = self.ask(pass, &call, Proof::Bearer(with), key).await;
        issued.map_err(|failure| {
            let advice = if failure.code.as_deref().is_some_and(codes::refuses_key) {
                "correct the access key that the agency is assumed with"
            } else {
                "check assumeAgency, the account that the agency trusts, and the permission to assume agencies"
            };
            refused(failure, advice)
        })
    }

    async fn ask<T>(
        &self,
        pass: &Pass<'_>,
        call: &Call<'_>,
        proof: Proof<'_>,
        read: impl Fn(&Success<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        self.send(pass, call, "", proof, &Turn::default(), &read).await
    }
}

fn key(success: &Success<'_>) -> Option<Issued> {
    Issued::key(&success.answer, &success.body)
}

/// The token that the metadata service answers with as it is.
fn metadata_token(success: &Success<'_>) -> Option<SecretString> {
    let text = std::str::from_utf8(&success.answer.body).ok()?.trim();
    (!text.is_empty() && fits_a_header(text)).then(|| SecretString::from(text))
}

/// Whatever a source is refused for, its credentials are what does not work, and somebody has to do something about it.
fn refused(failure: Failure, advice: &str) -> Failure {
    let kind = match failure.kind {
        FailureKind::CredentialsRejected | FailureKind::Rejected { .. } | FailureKind::Gone { .. }
            if failure.status.is_some() =>
        {
            FailureKind::CredentialsRejected
        }
        kind => return Failure { kind, ..failure },
    };
    let message = shorten(&format!("{advice}: {}", failure.message), MAX_MESSAGE);
    Failure {
        kind,
        message,
        ..failure
    }
}

fn bytes(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}
