//! A data source is created exactly once, with the body that the cloud documents, and becomes Ready when its job has succeeded.

use dws_operator::api::names;
use dws_simulator::Call;
use serde_json::json;

use crate::world::{PASSWORD, World, mrs, obs};

/// The body is that of the documentation (dws-api §1) plus the ownership marker.
#[tokio::test(flavor = "multi_thread")]
async fn the_body_is_the_documented_one_with_the_marker() {
    let world = World::new("create").await;
    world.with_provider().await;
    world.with_password().await;
    let _operator = world.operator().start().await;
    let mut source1 = obs("source1");
    source1.spec.description = Some("description".to_owned());
    let source1 = world.create(&source1).await;
    let lake = world.create(&mrs("lake")).await;
    world.ready("source1").await;
    world.ready("lake").await;

    let posts = world.calls(Call::Create);
    assert_eq!(posts.len(), 2);
    let body = |name: &str| posts.iter().find(|post| post.name.as_deref() == Some(name)).unwrap().body.clone().unwrap();
    let uid = |object: &dws_operator::api::DwsDataSource| object.metadata.uid.clone().unwrap();
    assert_eq!(
        body("source1"),
        json!({
            "type": "OBS", "data_source_name": "source1", "user_name": "DWSAccessOBS", "connect_info": "gaussdb",
            "description": names::mark(Some("description"), &uid(&source1)),
        })
    );
    assert_eq!(
        body("lake"),
        json!({
            "type": "MRS", "data_source_name": "lake", "user_name": "dws_user",
            "data_source_id": "0f3b7c52-9d1e-4a86-b1c4-2e5f60718293", "user_pwd": world.cloud.digest(PASSWORD),
            "description": names::marker(&uid(&lake)),
        })
    );
}
