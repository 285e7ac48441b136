//! The objects that users apply: data sources, providers and Secrets that the simulated cloud takes.

use dws_operator::api::data_source::{
    DataSourceType, DwsDataSource, DwsDataSourceSpec, ProviderKind, ProviderRef, SecretKeyRef, UserPwd,
};
use dws_operator::api::provider::{Access, DwsProvider, DwsProviderSpec, SecretRef};
use dws_operator::api::provider_auth::{AccessKeyAuth, Auth, PasswordAuth};
use k8s_openapi::api::core::v1::Secret;

/// A DWS cluster.
pub const CLUSTER: &str = "4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90";
/// The access key that the simulated cloud knows.
pub const ACCESS_KEY: &str = "AKEXAMPLE0000000TEST";
/// Its secret key.
pub const SECRET_KEY: &str = "SKexampleExampleSecretKey0123456789abcdEF";
/// The project of that key.
pub const PROJECT: &str = "89cd04f168b84af6be287f71730fdb4b";
/// The password of an MRS account.
pub const PASSWORD: &str = "Mrs-Passw0rd-1";
/// The n-th of many DWS clusters.
pub fn cluster(n: usize) -> String {
    format!("4ca46bf1-5c61-48ff-b4f3-{n:012}")
}

/// The same data source, on the n-th cluster.
pub fn on_cluster(n: usize, mut object: DwsDataSource) -> DwsDataSource {
    object.spec.cluster_id = cluster(n);
    object
}

/// The same data source, through the namespace's provider of this name.
pub fn uses(mut object: DwsDataSource, provider: &str) -> DwsDataSource {
    object.spec.provider_ref = Some(ProviderRef {
        kind: ProviderKind::DwsProvider,
        name: provider.to_owned(),
    });
    object
}

/// A Secret.
pub fn secret(name: &str, data: &[(&str, &str)]) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.string_data = Some(
        data.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    );
    secret
}

/// The provider `default`, with the access key of the Secret `dws-access-key`.
pub fn provider(endpoint: &str) -> DwsProvider {
    let secret_ref = SecretRef {
        name: "dws-access-key".to_owned(),
    };
    let access = access(
        endpoint,
        Auth {
            access_key: Some(AccessKeyAuth { secret_ref }),
            ..Auth::default()
        },
    );
    DwsProvider::new("default", DwsProviderSpec { access })
}

/// The same provider, whose project has to be looked up.
pub fn projectless(mut provider: DwsProvider) -> DwsProvider {
    provider.spec.access.project_id = None;
    provider
}

/// The provider `default`, with the IAM user whose password is in the Secret `iam-user`.
pub fn password_provider(endpoint: &str) -> DwsProvider {
    let password = PasswordAuth {
        domain_name: "example".to_owned(),
        user_name: "operator".to_owned(),
        secret_ref: SecretRef {
            name: "iam-user".to_owned(),
        },
    };
    let access = access(
        endpoint,
        Auth {
            password: Some(password),
            ..Auth::default()
        },
    );
    DwsProvider::new("default", DwsProviderSpec { access })
}

/// How to reach the simulated cloud.
pub fn access(endpoint: &str, auth: Auth) -> Access {
    Access {
        region: "eu-west-101".to_owned(),
        project_id: Some(PROJECT.to_owned()),
        projects: None,
        endpoint: Some(endpoint.to_owned()),
        iam_endpoint: Some(endpoint.to_owned()),
        ca_bundle_secret_ref: None,
        auth,
        ownership_marker: None,
        allow_import: None,
        sts_endpoint: Some(endpoint.to_owned()),
        rate_limit: None,
    }
}

/// An OBS data source, named in the cloud like the object.
pub fn obs(name: &str) -> DwsDataSource {
    DwsDataSource::new(
        name,
        DwsDataSourceSpec {
            cluster_id: CLUSTER.to_owned(),
            type_: DataSourceType::Obs,
            data_source_name: name.replace('-', "_"),
            data_source_id: None,
            user_name: "DWSAccessOBS".to_owned(),
            user_pwd: None,
            connect_info: Some("gaussdb".to_owned()),
            description: None,
            reboot: None,
            provider_ref: None,
            deletion_policy: None,
            management_policy: None,
            import: None,
            replacement_policy: None,
            resync_period: None,
            project_id: None,
        },
    )
}

/// An MRS data source, with the password of the Secret `mrs-account`.
pub fn mrs(name: &str) -> DwsDataSource {
    let mut object = obs(name);
    let spec = &mut object.spec;
    spec.type_ = DataSourceType::Mrs;
    spec.connect_info = None;
    spec.data_source_id = Some("0f3b7c52-9d1e-4a86-b1c4-2e5f60718293".to_owned());
    "dws_user".clone_into(&mut spec.user_name);
    spec.user_pwd = Some(UserPwd {
        secret_key_ref: SecretKeyRef {
            name: "mrs-account".to_owned(),
            key: "password".to_owned(),
        },
    });
    object
}
