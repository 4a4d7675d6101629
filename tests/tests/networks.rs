//! Networks that owners publish: a hit's autonomous system decides, and stays with the event.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, asn_database, wait_until};
use serde_json::Value;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

async fn fetch(url: &str, ip: &str) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response =
        client.get(url).header("user-agent", CHROME).header("x-forwarded-for", ip).send().await.unwrap();
    assert!(response.status().as_u16() < 400, "{}", response.status());
}

/// The hits of a timeline as (source, system), once there are so many.
async fn hits(system: &System, message: &str, count: usize) -> Vec<(String, Value)> {
    let read = || async {
        let timeline = system.api().timeline(message).await;
        if timeline.status() != 200 {
            return Vec::new();
        }
        let timeline: Value = timeline.json().await.unwrap();
        let hits = timeline["events"].as_array().unwrap().iter().filter(|event| event["record"] == "hit");
        let said = |hit: &Value| {
            (hit["verdict"]["source"].as_str().unwrap().to_owned(), hit["verdict"]["asn"].clone())
        };
        hits.map(said).collect()
    };
    wait_until(read, |hits: &Vec<_>| hits.len() == count).await
}

#[tokio::test]
async fn the_database_of_systems_is_in_use_and_the_system_stays_with_the_event() {
    let dir = tempfile::tempdir().unwrap();
    let asn = asn_database().display().to_string();
    let variables =
        [("TRUEOPEN_SIGNATURES__ASN", asn.as_str()), ("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1")];
    let system = System::start_with(&dir.path().join("data"), &variables);
    // Trellix scans from its own network; Deutsche Telekom's readers are readers.
    for (message, ip, said) in
        [("m-1", "38.109.230.1", ("trellix", 46484)), ("m-2", "2.160.0.1", ("chrome", 3320))]
    {
        let links = system.api().links(message, &["https://example.com/"]).await;
        fetch(links["links"][0]["tracked_url"].as_str().unwrap(), ip).await;
        assert_eq!(hits(&system, message, 1).await, [(said.0.to_owned(), Value::from(said.1))]);
    }
    system.stop();
}
