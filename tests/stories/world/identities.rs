//! What the operator is by where it runs, as the simulated cloud knows it: its pod, its `ServiceAccount`, its node; and agencies.

use std::path::PathBuf;
use std::time::Duration;

use dws_operator::api::provider::{DwsProvider, DwsProviderSpec, ProviderStatus};
use dws_operator::api::{ConditionType, Reason};
use dws_simulator::{Agency, Call, IdentityProvider, Issuer};
use dws_testbed::{OperatorBuilder, wait};
use jiff::Timestamp;
use kube::Api;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::objects::access;
use super::{ACCESS_KEY, SOON, World};

/// The URN of the agency that all sources of these stories may assume.
pub const AGENCY: &str = "iam::example:agency:dws";

/// The files and tokens of an operator's pod.
pub struct Identities {
    /// The identity provider that stands for the operator's Kubernetes cluster.
    pub provider: IdentityProvider,
    /// Who signs that cluster's tokens.
    issuer: Issuer,
    /// The token for the pod identity agent.
    pub pod_token: String,
    folder: TempDir,
}

impl Identities {
    /// An operator that the cloud knows by its pod, its `ServiceAccount` and its node, and an agency that trusts each of them.
    pub fn of(world: &World<'_>) -> Self {
        let issuer = Issuer::rs256("of-this-cluster");
        let provider = IdentityProvider {
            id: "cce".to_owned(),
            urn: "iam::example:oidcProvider:cce".to_owned(),
            // A cluster that has just rotated its keys publishes the old one, too.
            keys: vec![Issuer::rs256("of-yesterday").jwk(), issuer.jwk()],
            audience: "huawei".to_owned(),
            subject: "system:serviceaccount:dws-operator:dws-operator".to_owned(),
        };
        let pod_token = format!("pod-{}", Uuid::new_v4().simple());
        let identities = Identities {
            provider,
            issuer,
            pod_token,
            folder: tempfile::tempdir().expect("a folder"),
        };
        world.cloud.put_identity_provider(identities.provider.clone());
        world.cloud.set_pod_token(Some(&identities.pod_token));
        world.cloud.set_node_agency(true);
        let trusts = [ACCESS_KEY, "pod", "node", "service-account/cce", "example/operator"];
        world.cloud.put_agency(Agency {
            urn: AGENCY.to_owned(),
            name: "dws".to_owned(),
            domain: "example".to_owned(),
            trusts: trusts.map(str::to_owned).to_vec(),
        });
        std::fs::write(identities.pod_token_file(), &identities.pod_token).expect("a file");
        identities.rotate();
        identities
    }

    /// Replaces the token of the `ServiceAccount` as Kubernetes does, by a file that is whole at once; returns it.
    pub fn rotate(&self) -> String {
        self.write_token(Duration::from_hours(1))
    }

    /// The same, with a token that has expired.
    pub fn rotate_too_late(&self) -> String {
        self.write_token(Duration::ZERO)
    }

    fn write_token(&self, lifetime: Duration) -> String {
        let token = self.provider.token(&self.issuer, Timestamp::now() + lifetime);
        let next = self.folder.path().join("next");
        std::fs::write(&next, format!("{token}\n")).expect("a file");
        std::fs::rename(next, self.token_file()).expect("a file");
        token
    }

    /// The file of the `ServiceAccount` token.
    pub fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    fn pod_token_file(&self) -> PathBuf {
        self.folder.path().join("pod-token")
    }

    /// The operator with the settings of its pod.
    pub fn given_to<'n>(&self, world: &World<'_>, operator: OperatorBuilder<'n>) -> OperatorBuilder<'n> {
        let file = |path: PathBuf| path.to_str().expect("text").to_owned();
        operator
            .env(
                "HC_CONTAINER_CREDENTIALS_FULL_URI",
                &format!("{}/pod-identity/credentials", world.endpoint),
            )
            .env("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file(self.pod_token_file()))
            .args([
                format!("--oidc-token-file={}", file(self.token_file())),
                format!("--metadata-endpoint={}", world.endpoint),
            ])
    }

    /// The exchange of the `ServiceAccount` token in STS.
    pub fn oidc(&self) -> Value {
        json!({"oidc": {"providerURN": self.provider.urn, "agencyURN": AGENCY}})
    }
}

/// The flag that lets providers of namespaces use what the operator is.
pub const IN_NAMESPACES: &str = "--allow-ambient-credentials-in-namespaces";

/// A provider with these credentials.
pub fn provider_by(endpoint: &str, name: &str, auth: &Value) -> DwsProvider {
    let auth = serde_json::from_value(auth.clone()).expect("credentials");
    let access = access(endpoint, auth);
    DwsProvider::new(name, DwsProviderSpec { access })
}

impl World<'_> {
    /// The status of a provider.
    pub async fn provider_status(&self, name: &str) -> ProviderStatus {
        let providers: Api<DwsProvider> = self.api();
        let provider = providers.get(name).await.expect("the provider exists");
        provider.status.unwrap_or_default()
    }

    /// Waits until a provider is as described.
    pub async fn provider_until(&self, name: &str, what: &str, is: impl Fn(&ProviderStatus) -> bool) -> ProviderStatus {
        wait::until(SOON, &format!("the provider {name}: {what}"), async || {
            let status = self.provider_status(name).await;
            if is(&status) { Ok(status) } else { Err(status) }
        })
        .await
    }

    /// Waits until a provider is Stalled for this reason, and gives the message.
    pub async fn provider_stalled(&self, name: &str, reason: Reason) -> String {
        let stalled = |status: &ProviderStatus| {
            let mut conditions = status.conditions.iter();
            conditions
                .find(|c| c.type_ == ConditionType::Stalled && c.reason == reason)
                .map(|c| c.message.clone())
        };
        let status = self
            .provider_until(name, &format!("Stalled, {reason}"), |status| stalled(status).is_some())
            .await;
        stalled(&status).expect("it was seen")
    }

    /// Waits until the cloud has had so many calls of a kind.
    pub async fn calls_made(&self, call: Call, count: usize) {
        let made = |log: &[dws_simulator::LogEntry]| log.iter().filter(|entry| entry.call == call).count() >= count;
        self.cloud.wait_log(SOON, made).await.expect("the calls are made");
    }
}
