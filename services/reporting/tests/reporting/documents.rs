//! The checked-in OpenAPI document is the one that is served.

use crate::world::World;
use std::path::Path;

#[test]
fn the_openapi_document_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/openapi.json");
    let current = serde_json::to_string_pretty(&reporting::openapi()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == current,
        "schema/openapi.json is not what the code declares; run the test with UPDATE_SCHEMA=1 and look at the difference"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_to_everybody() {
    let world = World::new().await;
    let response = world.send(reqwest::Method::GET, "/openapi.json", None, None).await;
    assert_eq!(response.status(), 200);
    let served: serde_json::Value = response.json().await.unwrap();
    assert_eq!(served, serde_json::to_value(reporting::openapi()).unwrap());
    assert_eq!(served["openapi"], "3.1.0");
}
