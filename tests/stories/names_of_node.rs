//! An allowed name that leads to the node's own services, by the machine's real resolver: the operator does not call it.
//!
//! The operator runs with an `/etc/hosts` of its own, in a mount namespace. Where the machine does not let a process have one, the story says so and
//! shows nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use dws_operator::api::DwsDataSource;
use dws_simulator::DEFAULT_PASSWORD;
use kube::Api;
use serde_json::json;

use crate::world::{
    ACCESS_KEY, SECRET_KEY, World, message, obs, on_cluster, password_provider, provider, secret, uses,
};

/// What `/etc/hosts` says: the name, its addresses, and whether one of them may be called.
const HOSTS: [(&str, &[&str], bool); 5] = [
    ("metadata", &["169.254.169.254"], false),
    ("pod-identity", &["169.254.170.23", "fe80::a9fe:aa17"], false),
    ("mapped", &["::ffff:169.254.169.254"], false),
    ("nobody", &["0.0.0.0"], false),
    ("mixed", &["169.254.169.254", "127.0.0.1"], true),
];

fn host(name: &str) -> String {
    format!("{name}.dws.example.com")
}

/// A program that runs the operator with this `/etc/hosts`; none if this machine does not allow that.
fn with_hosts(folder: &Path, hosts: &str) -> Option<PathBuf> {
    let file = folder.join("hosts");
    std::fs::write(&file, hosts).unwrap();
    let inside = format!("mount --bind '{}' /etc/hosts && exec \"$0\" \"$@\"", file.display());
    let unshare = ["--map-root-user", "--mount", "sh", "-c", &inside];
    let tried = Command::new("unshare").args(unshare).arg("true").output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("NOT RUN: this machine gives a process no mount namespace of its own: {tried:?}");
        return None;
    }
    let program = folder.join("operator");
    let operator = env!("CARGO_BIN_EXE_dws-operator");
    let script = format!(
        "#!/bin/sh\nexec unshare --map-root-user --mount sh -c '{}' '{operator}' \"$@\"\n",
        inside.replace('\'', "'\\''")
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    Some(program)
}

/// For DWS and for IAM, in each notation; a name that also leads elsewhere is called there only.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_the_node_is_not_called() {
    let folder = tempfile::tempdir().unwrap();
    let lines = HOSTS.iter().flat_map(|(name, addresses, _)| {
        let host = host(name);
        addresses.iter().map(move |address| format!("{address} {host}\n"))
    });
    let hosts = format!("127.0.0.1 localhost\n{}", lines.collect::<String>());
    let Some(program) = with_hosts(folder.path(), &hosts) else {
        return;
    };
    let world = World::new("names").await;
    // Only a listener on this machine can be reached, and its certificate is for another name.
    let (listener, _) = world.namespace.proxy().cloud_over_tls(&world.simulator_url());
    let port = listener.rsplit_once(':').unwrap().1.to_owned();
    let access_key = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
    world.create(&secret("dws-access-key", &access_key)).await;
    world
        .create(&secret("iam-user", &[("password", DEFAULT_PASSWORD)]))
        .await;
    let _operator = world
        .operator()
        .binary(program)
        .args(["--allow-endpoint-domain=example.com"])
        .start()
        .await;
    let refused = |host: &str| format!("{host} resolves to no address that an endpoint of the cloud can have");
    for (n, (name, _, is_reached)) in HOSTS.into_iter().enumerate() {
        let host = host(name);
        let url = format!("https://{host}:{port}");
        let mut by_key = provider(&url);
        by_key.metadata.name = Some(name.to_owned());
        let mut by_password = password_provider(&world.endpoint);
        let iam = format!("{name}-iam");
        by_password.metadata.name = Some(iam.clone());
        by_password.spec.access.iam_endpoint = Some(url);
        for (m, (provider, object)) in [(by_key, name), (by_password, iam.as_str())].into_iter().enumerate() {
            world.create(&provider).await;
            world.create(&uses(on_cluster(2 * n + m, obs(object)), object)).await;
            let words = if is_reached {
                "certificate".to_owned()
            } else {
                refused(&host)
            };
            let told = world
                .until(object, &words, |object| message(object).contains(&words))
                .await;
            assert!(!message(&told).contains(SECRET_KEY));
        }
    }
    assert!(world.cloud.log().is_empty(), "nothing is sent");
    // Put right, it is called.
    for (name, ..) in HOSTS {
        world.patch_provider(name, json!({"endpoint": world.endpoint})).await;
        world.ready(name).await;
    }
    let api: Api<DwsDataSource> = world.api();
    let object = api.get("metadata-iam").await.unwrap();
    assert!(
        message(&object).contains(&refused(&host("metadata"))),
        "{}",
        message(&object)
    );
}
