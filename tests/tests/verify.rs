//! The recount: it passes over a simulated history, and names what is wrong once a row or a view was tampered with in the engine.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use std::path::Path;

/// A statement run in the engine, as its operator could, and the answer.
async fn execute(system: &System, data: &Path, statement: &str) -> String {
    let password = std::fs::read_to_string(data.join("clickhouse/engine.password")).unwrap();
    let request =
        reqwest::Client::new().post(system.told("ClickHouse")).basic_auth("default", Some(password.trim()));
    let response = request.body(statement.to_owned()).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{statement}: {text}");
    text.trim().to_owned()
}

/// Whether the recount agreed, and what it said.
fn verify(system: &System, more: &[&str]) -> (bool, String) {
    let output = system.command(&[&["verify"], more].concat()).output();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

const TRUST: (&str, &str) = ("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1/32");

/// The parameters that all views of reports have.
const COMMON: &str =
    "account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String}";
const PROVIDER: &str = "mailbox_provider = {mailbox_provider:String}";

/// A running system that the recipients of 300 and what was sent in the weeks before have answered to.
async fn played(data: &Path) -> System {
    let system = System::start_with(data, &[TRUST]);
    let api = system.told("reporting API");
    let arguments = ["simulate", "--recipients", "300", "--seed", "3", "--api", &api];
    let played = system.command(&arguments).env(TRUST.0, TRUST.1).output();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let table = String::from_utf8(played.stdout).unwrap();
    let hits = table.lines().find(|line| line.trim_end().ends_with("  hits")).unwrap().trim();
    let hits: u64 = hits.split(' ').next().unwrap().parse().unwrap();
    // Everything arrived: openings, clicks, and what came to the unsubscribe page, by verdicts of revision one or more.
    wait_until(|| system.metric("trueopen_loader_lag_records"), |lag| *lag == 0.0).await;
    let opened = |summary: &serde_json::Value| summary["opens"]["total"].as_u64().unwrap() > hits / 4;
    wait_until(|| async { system.api().summary("?suppress=none").await }, opened).await;
    system
}

async fn lie(system: &System, data: &Path, view: &str, says: &str, parameters: &str) {
    execute(system, data, &format!("RENAME TABLE {view} TO true_{view}")).await;
    execute(system, data, &format!("CREATE VIEW {view} AS SELECT {says} FROM true_{view}({parameters})"))
        .await;
}

#[tokio::test]
async fn a_tampered_row_or_view_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = played(&data).await;
    let summary = ["--account", "demo", "--report", "summary"];
    let agreed = wait_until(|| async { verify(&system, &summary) }, |(agreed, _)| *agreed).await.1;
    assert!(agreed.contains("demo: 1200 messages with ") && agreed.contains(" 0 differences"), "{agreed}");

    // One revision with two contents: a human who was none.
    execute(&system, &data, "SYSTEM STOP MERGES events").await;
    let forged = "INSERT INTO events SELECT * REPLACE ('human' AS actor)
        FROM (SELECT * FROM events WHERE actor = 'automated' LIMIT 1)";
    execute(&system, &data, forged).await;
    let (agreed, said) = verify(&system, &summary);
    assert!(!agreed && said.contains("has 2 contents under revision"), "{said}");
    execute(&system, &data, "SYSTEM START MERGES events").await;

    // A view that answers otherwise: Apple's prefetch no longer hides its reader, and belongs to no class.
    let lie = "CREATE OR REPLACE VIEW report_sources AS SELECT id, '' AS class, false AS masked FROM sources GROUP BY id";
    execute(&system, &data, lie).await;
    let (agreed, said) = verify(&system, &summary);
    assert!(!agreed && said.contains("suppress=apple: opens_total is"), "{said}");
    assert!(said.contains("by the events,") && said.contains(": masked is"), "{said}");

    // A table of providers that says otherwise than the file it is made of.
    let lie = "INSERT INTO mailbox_providers SELECT kind, name, version + 1, 'nobody' FROM mailbox_providers";
    execute(&system, &data, lie).await;
    let (agreed, said) = verify(&system, &["--account", "demo", "--report", "breakdown"]);
    assert!(!agreed && said.contains("by=mailbox_provider: gmail: sent is"), "{said}");

    // The figures of all messages.
    let parameters = [
        COMMON,
        PROVIDER,
        "suppress = {suppress:Array(String)}, by = {by:String}, edges = {edges:Array(Int64)}",
    ]
    .join(", ");
    self::lie(&system, &data, "report_totals", "* REPLACE (complained + 1 AS complained)", &parameters).await;
    let (agreed, said) = verify(&system, &summary);
    assert!(!agreed && said.contains("demo: summary cohort=sent from "), "{said}");
    assert!(said.contains(": complained is ") && said.contains(": rate_complaint is "), "{said}");

    let (found, said) = verify(&system, &["--account", "nobody"]);
    assert!(!found && said.contains("there is no account nobody"), "{said}");
    let (known, said) = verify(&system, &["--report", "weather"]);
    assert!(!known && said.contains("after-delivery"), "the reports there are: {said}");
    system.stop();
}
