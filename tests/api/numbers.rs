//! The numbers of `rateLimit`, at both of their ends: a rate is no integer, and what is taken comes back as it was written.

use serde_json::{Value, json};

use crate::manifests::provider;
use crate::server::Server;

/// The field, what is taken, and what is refused with which words.
type Numbers = (&'static str, Vec<Value>, Vec<(Value, &'static str)>);

fn rows() -> Vec<Numbers> {
    vec![
        (
            "requestsPerSecond",
            vec![json!(0.01), json!(0.5), json!(1), json!(999.999), json!(1000)],
            vec![
                (json!(0.009), "should be greater than or equal to 0.01"),
                (json!(0), "requestsPerSecond must be from 0.01 to 1000"),
                (json!(-1), "requestsPerSecond must be from 0.01 to 1000"),
                (json!(1000.001), "should be less than or equal to 1000"),
                (json!(1e300), "should be less than or equal to 1000"),
                (json!("1"), "must be of type number: \"string\""),
                (json!("1/s"), "must be of type number: \"string\""),
                (json!(true), "must be of type number: \"boolean\""),
                (json!(null), "Required value"),
            ],
        ),
        (
            "burst",
            vec![json!(1), json!(1000)],
            vec![
                (json!(0), "should be greater than or equal to 1"),
                (json!(-1), "should be greater than or equal to 1"),
                (json!(1001), "should be less than or equal to 1000"),
                (json!(1.5), "must be of type integer: \"number\""),
                (json!("1"), "must be of type integer: \"string\""),
            ],
        ),
    ]
}

#[tokio::test]
async fn a_rate_limit_is_taken_within_its_bounds_only() {
    let server = Server::connect().await;
    for kind in ["DwsProvider", "ClusterDwsProvider"] {
        for (field, taken, refused) in rows() {
            let limited = |value: &Value| {
                let mut object = provider(kind, &server.unique("rate"));
                object["spec"]["rateLimit"] = json!({"requestsPerSecond": 2.5, "burst": 3});
                object["spec"]["rateLimit"][field] = value.clone();
                object
            };
            for value in &taken {
                let stored = server.try_create(&limited(value)).await.accepted();
                assert_eq!(stored["spec"]["rateLimit"][field], *value, "{kind}, {field}");
            }
            for (value, words) in &refused {
                let told = server.try_create(&limited(value)).await.refused();
                let place = format!("spec.rateLimit.{field}");
                assert!(
                    told.contains(words) && told.contains(&place),
                    "{kind}, {field}: {value}: {told}"
                );
            }
        }
        // The burst has a value of its own, the rate has not.
        let mut object = provider(kind, &server.unique("rate"));
        object["spec"]["rateLimit"] = json!({"requestsPerSecond": 1});
        let stored = server.try_create(&object).await.accepted();
        assert_eq!(stored["spec"]["rateLimit"], json!({"requestsPerSecond": 1}));
        object["spec"]["rateLimit"] = json!({"burst": 1});
        let told = server.try_create(&object).await.refused();
        assert!(
            told.contains("spec.rateLimit.requestsPerSecond: Required value"),
            "{kind}: {told}"
        );
    }
}
