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

#[tokio::test(flavor = "multi_thread")]
async fn the_page_to_try_it_needs_no_network() {
    let world = World::new().await;
    let page = async |path: &str| {
        let response = world.send(reqwest::Method::GET, path, None, None).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    };
    let html = page("/docs").await;
    let files: Vec<_> =
        html.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css")).collect();
    assert!(files.len() >= 3, "{html}");
    for file in files {
        let name = file.strip_prefix("./").unwrap_or(file);
        assert!(!name.contains("//"), "{file} comes from elsewhere");
        assert!(!page(&format!("/docs/{name}")).await.is_empty());
    }
    assert!(page("/docs/swagger-initializer.js").await.contains("/openapi.json"));
}
