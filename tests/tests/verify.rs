//! The recount: it passes over a simulated campaign, and fails once a row or a view was tampered with in the engine.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use std::path::Path;

/// A statement run in the engine, as its operator could.
async fn execute(system: &System, data: &Path, statement: &str) {
    let password = std::fs::read_to_string(data.join("clickhouse/engine.password")).unwrap();
    let request =
        reqwest::Client::new().post(system.told("ClickHouse")).basic_auth("default", Some(password.trim()));
    let response = request.body(statement.to_owned()).send().await.unwrap();
    let status = response.status();
    assert!(status.is_success(), "{statement}: {}", response.text().await.unwrap());
}

/// Whether the recount agreed, and what it said.
fn verify(system: &System, more: &[&str]) -> (bool, String) {
    let output = system.command(&[&["verify"], more].concat()).output();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn the_recount_agrees_until_something_is_tampered_with() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let trust = ("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1/32");
    let system = System::start_with(&data, &[trust]);
    let api = system.told("reporting API");
    let arguments = ["simulate", "--recipients", "300", "--seed", "3", "--api", &api];
    let played = system.command(&arguments).env(trust.0, trust.1).output();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let table = String::from_utf8(played.stdout).unwrap();
    let hits: u64 = table
        .lines()
        .find(|line| line.trim_end().ends_with("  hits"))
        .unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    // Everything arrived: openings, clicks, and what came to the unsubscribe page, by verdicts of revision one or more.
    wait_until(|| system.metric("trueopen_loader_lag_records"), |lag| *lag == 0.0).await;
    let opened = |summary: &serde_json::Value| summary["opens"]["total"].as_u64().unwrap() > hits / 4;
    wait_until(|| async { system.api().summary("?suppress=none").await }, opened).await;
    let agreed = wait_until(|| async { verify(&system, &[]) }, |(agreed, _)| *agreed).await.1;
    assert!(agreed.contains("demo: 1200 messages recounted for 36 reports, 0 differences"), "{agreed}");

    // One revision with two contents: a human who was none.
    execute(&system, &data, "SYSTEM STOP MERGES events").await;
    let forged = "INSERT INTO events SELECT * REPLACE ('human' AS actor)
        FROM (SELECT * FROM events WHERE actor = 'automated' LIMIT 1)";
    execute(&system, &data, forged).await;
    let (agreed, said) = verify(&system, &["--account", "demo"]);
    assert!(!agreed && said.contains("has 2 contents under revision"), "{said}");
    execute(&system, &data, "SYSTEM START MERGES events").await;

    // A view that answers otherwise: Apple's prefetch no longer hides its reader, and belongs to no class.
    let lie = "CREATE OR REPLACE VIEW report_sources AS SELECT id, '' AS class, false AS masked FROM sources GROUP BY id";
    execute(&system, &data, lie).await;
    let (agreed, said) = verify(&system, &["--account", "demo"]);
    assert!(!agreed && said.contains("suppress=apple: opens_total is"), "{said}");
    assert!(said.contains("by the events,") && said.contains(": masked is"), "{said}");

    // A table of providers that says otherwise than the file it is made of.
    let lie = "INSERT INTO mailbox_providers SELECT kind, name, version + 1, 'nobody' FROM mailbox_providers";
    execute(&system, &data, lie).await;
    let (agreed, said) = verify(&system, &["--account", "demo"]);
    assert!(!agreed && said.contains("by=mailbox_provider: gmail: sent is"), "{said}");

    let (found, said) = verify(&system, &["--account", "nobody"]);
    assert!(!found && said.contains("there is no account nobody"), "{said}");
    system.stop();
}
