use clap::Parser as _;
use proptest::prelude::*;

use super::*;
use crate::reconcile::setup;
use crate::runtime::settings::{Cli, Command};

/// What the operator does without a flag.
fn policy() -> EndpointPolicy {
    match Cli::try_parse_from(["dws-operator", "check"]).unwrap().command {
        Command::Check(args) => setup::endpoint_policy(&args),
        other => panic!("{other:?}"),
    }
}

fn check(text: &str) -> Result<String, EndpointError> {
    policy().check(text).map(|endpoint| endpoint.to_string())
}

#[test]
fn endpoints_of_the_table_are_found() {
    let policy = policy();
    for (region, dws) in [
        ("cn-north-4", "https://dws.cn-north-4.myhuaweicloud.com"),
        ("tr-west-1", "https://dws.tr-west-1.myhuaweicloud.cn"),
        ("eu-west-101", "https://dws.eu-west-101.myhuaweicloud.eu"),
    ] {
        assert_eq!(policy.dws(region).unwrap().to_string(), dws);
        let iam = dws.replacen("dws", "iam", 1);
        assert_eq!(policy.iam(region).unwrap().to_string(), iam);
    }
    let regions: usize = REGIONS.iter().map(|(_, regions)| regions.len()).sum();
    assert_eq!(regions, 31);
    assert!(
        REGIONS
            .iter()
            .flat_map(|(_, r)| *r)
            .all(|region| policy.dws(region).is_ok())
    );
}

#[test]
fn unknown_region_needs_an_endpoint() {
    let error = policy().dws("eu-nowhere-1").unwrap_err();
    assert!(error.to_string().contains("set endpoint"));
}

#[test]
fn policy_also_rules_the_endpoints_of_regions() {
    let policy = EndpointPolicy {
        allowed_domains: vec!["example.com".to_owned()],
        allow_insecure: false,
    };
    assert!(matches!(policy.dws("cn-north-4"), Err(EndpointError::Domain(_))));
}

#[test]
fn hosts_of_allowed_domains_are_taken() {
    for text in [
        "https://dws.cn-north-4.myhuaweicloud.com",
        "https://dws.cn-north-4.myhuaweicloud.com/",
        "https://DWS.CN-NORTH-4.MyHuaweiCloud.com",
        "https://myhuaweicloud.eu:8443",
    ] {
        assert!(check(text).is_ok(), "{text}");
    }
}

#[test]
fn everything_else_is_refused() {
    use EndpointError::{Address, Domain, Excess, InsecureElsewhere, InsecureNotAllowed, Malformed, Scheme};
    let at = |host: &str| host.to_owned();
    for (text, error) in [
        ("dws.cn-north-4.myhuaweicloud.com", Malformed),
        ("", Malformed),
        ("https://", Malformed),
        ("https://user@dws.myhuaweicloud.com", Excess),
        ("https://@dws.myhuaweicloud.com", Excess),
        ("https://dws.myhuaweicloud.com/path", Excess),
        ("https://dws.myhuaweicloud.com/?q", Excess),
        ("https://dws.myhuaweicloud.com/#f", Excess),
        ("ftp://dws.myhuaweicloud.com", Scheme),
        ("https://evilmyhuaweicloud.com", Domain(at("evilmyhuaweicloud.com"))),
        (
            "https://myhuaweicloud.com.evil.org",
            Domain(at("myhuaweicloud.com.evil.org")),
        ),
        ("https://myhuaweicloud.com.", Domain(at("myhuaweicloud.com."))),
        ("https://169.254.169.254", Address(at("169.254.169.254"))),
        ("https://0xa9fea9fe", Address(at("169.254.169.254"))),
        ("https://[fe80::1]", Address(at("[fe80::1]"))),
        ("https://127.0.0.1", Address(at("127.0.0.1"))),
        ("http://dws.myhuaweicloud.com", InsecureElsewhere),
        ("http://127.0.0.1:8080", InsecureNotAllowed),
    ] {
        assert_eq!(check(text), Err(error), "{text}");
    }
}

#[test]
fn plain_http_goes_to_the_local_machine_only() {
    let policy = EndpointPolicy {
        allow_insecure: true,
        ..policy()
    };
    assert_eq!(
        policy.check("http://127.0.0.1:8080").unwrap().authority(),
        "127.0.0.1:8080"
    );
    assert_eq!(policy.check("http://[::1]").unwrap().authority(), "[::1]");
    for text in [
        "http://127.0.0.2",
        "http://localhost",
        "http://169.254.169.254",
        "http://0.0.0.0",
    ] {
        assert_eq!(policy.check(text), Err(EndpointError::InsecureElsewhere), "{text}");
    }
}

#[test]
fn empty_domain_allows_nothing() {
    let policy = EndpointPolicy {
        allowed_domains: vec![String::new(), ".".to_owned()],
        allow_insecure: false,
    };
    assert!(policy.check("https://example.com").is_err());
}

#[test]
fn errors_name_the_flag_that_helps() {
    let text = |endpoint| check(endpoint).unwrap_err().to_string();
    assert!(text("https://dws.example.com").contains("--allow-endpoint-domain"));
    assert!(text("http://127.0.0.1").contains("--allow-insecure-endpoints"));
}

proptest! {
    #[test]
    fn whatever_passes_is_https_to_an_allowed_domain(text in "(https?://)?[a-z0-9.@:/\\[\\]%#?-]{0,40}(myhuaweicloud\\.(com|cn|eu))?[a-z./@:]{0,6}") {
        if let Ok(endpoint) = policy().check(&text) {
            let host = endpoint.host();
            let labels: Vec<&str> = host.rsplit('.').take(2).collect();
            prop_assert_eq!(endpoint.url.scheme(), "https");
            prop_assert_eq!(labels[1], "myhuaweicloud");
        }
    }
}
