use clap::{CommandFactory, FromArgMatches};

use super::*;

/// The command line alone: what is in the environment of whoever runs the tests does not count.
pub(crate) fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
    let command = Cli::command().mut_subcommands(|sub| sub.mut_args(|arg| arg.env(None::<&'static str>)));
    let arguments = ["dws-operator"].iter().chain(arguments);
    let cli = Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)?;
    Ok(cli.command)
}

fn run(arguments: &[&str]) -> RunArgs {
    match parse(&[&["run"], arguments].concat()).unwrap() {
        Command::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_has_its_twin() {
    for command in ["run", "check"] {
        let cli = Cli::command();
        for flag in cli
            .find_subcommand(command)
            .unwrap()
            .get_arguments()
            .filter(|flag| !flag.is_hide_set())
        {
            let name = flag.get_id().as_str().to_uppercase();
            let twin = flag.get_env().map(|env| env.to_str().unwrap().to_owned());
            assert_eq!(twin, Some(format!("DWS_OPERATOR_{name}")));
            assert_eq!(flag.get_long(), Some(flag.get_id().as_str().replace('_', "-").as_str()));
        }
    }
}

#[test]
fn defaults() {
    let run = run(&[]);
    assert_eq!(run.timings, Timings::default());
    assert_eq!(
        run.cluster.allow_endpoint_domain,
        ["myhuaweicloud.com", "myhuaweicloud.cn", "myhuaweicloud.eu"]
    );
    assert!(run.cluster.watch_namespace.is_empty());
    assert!(run.leader_elect && !run.cluster.allow_insecure_endpoints && !run.cluster.use_proxy_env);
    assert_eq!(
        (run.concurrency.get(), run.resync_period),
        (16, Duration::from_mins(30))
    );
    assert_eq!(run.log_format, LogFormat::Json);
}

#[test]
fn flags() {
    let run = run(&[
        "--watch-namespace=a,b",
        "--watch-namespace=c",
        "--allow-endpoint-domain=example.test",
        "--allow-insecure-endpoints",
        "--leader-elect=false",
        "--resync-period=0s",
        "--lease=6s",
        "--ready-failures=3",
        "--health-address=127.0.0.1:0",
    ]);
    assert_eq!(run.cluster.watch_namespace, ["a", "b", "c"]);
    assert_eq!(run.cluster.allow_endpoint_domain, ["example.test"]);
    assert!(run.cluster.allow_insecure_endpoints && !run.leader_elect);
    assert_eq!(
        (run.resync_period, run.timings.lease, run.timings.ready_failures),
        (Duration::ZERO, Duration::from_secs(6), 3)
    );
}

#[test]
fn wrong_values_are_refused() {
    for argument in [
        "--watch-namespace=Analytics",
        "--watch-namespace=",
        "--allow-endpoint-domain=https://example.test",
        "--allow-endpoint-domain=com",
        "--allow-endpoint-domain=*.example.test",
        "--identity=two words",
        "--concurrency=0",
        "--lease=45",
        "--resync-period=-1s",
        "--log-format=xml",
    ] {
        assert!(parse(&["run", argument]).is_err(), "{argument}");
    }
}

#[test]
fn the_namespace_is_the_first_that_is_named() {
    let args = run(&["--pod-namespace=pod"]).cluster;
    assert_eq!(args.namespace(Some("context")).as_deref(), Ok("pod"));
    assert_eq!(
        ClusterArgs {
            namespace: Some("flag".into()),
            ..args.clone()
        }
        .namespace(None)
        .as_deref(),
        Ok("flag")
    );
    let none = ClusterArgs {
        pod_namespace: None,
        ..args
    };
    assert_eq!(none.namespace(Some("context")).as_deref(), Ok("context"));
    assert!(none.namespace(None).unwrap_err().contains("--namespace"));
}

#[test]
fn the_identity_is_the_first_that_is_named() {
    assert_eq!(
        run(&["--pod-name=pod-0", "--identity=me"]).identity().as_deref(),
        Ok("me")
    );
    assert_eq!(run(&["--pod-name=pod-0"]).identity().as_deref(), Ok("pod-0"));
    assert_eq!(
        run(&[]).identity().unwrap(),
        rustix::system::uname().nodename().to_str().unwrap()
    );
}
