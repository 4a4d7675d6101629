//! A made-up campaign against a running system: what the closing table says was done is what the reports show.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{Program, System, wait_until};
use serde_json::Value;

const RECIPIENTS: &str = "400";

fn simulate(system: &System, more: &[&str]) -> Program {
    let api = system.told("reporting API");
    system.command(&[&["simulate", "--recipients", RECIPIENTS, "--seed", "7", "--api", &api], more].concat())
}

/// What the closing table counts under the lines that a name is part of.
fn counted(table: &str, name: &str) -> u64 {
    let lines = table.lines().filter(|line| line.contains(name));
    lines.map(|line| line.split_whitespace().next().unwrap().parse::<u64>().unwrap_or(0)).sum()
}

#[tokio::test]
async fn a_campaign_is_played_and_shows_in_the_reports() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start_with(&data, &[("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1/32")]);
    let played = simulate(&system, &[]).env("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1/32").output();
    let table = String::from_utf8(played.stdout).unwrap();
    assert!(played.status.success(), "{table}\n{}", String::from_utf8_lossy(&played.stderr));
    assert!(!table.contains("this machine's address"), "{table}");

    let query = "?campaign=simulated-7&suppress=none";
    let opens = counted(&table, ": pixel");
    let clicks = counted(&table, ": links");
    assert!(opens > 100 && clicks > 50, "{table}");
    let summary = wait_until(
        || async { system.api().summary(query).await },
        |summary| summary["opens"]["total"] == opens && summary["clicks"]["total"] == clicks,
    )
    .await;
    assert_eq!(summary["delivered"], counted(&table, " delivered"), "{table}");
    assert_eq!(summary["deferred"], counted(&table, " deferred"));
    assert_eq!(summary["unsubscribed"], counted(&table, ": unsubscribed"));
    let bounced: u64 =
        summary["bounced"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(bounced, counted(&table, "bounced: "));
    assert_eq!(summary["messages_without_delivery"], 0);
    // The tracker believed the addresses, and the classifier knew who came.
    for (kind, source) in [
        ("opens", "apple_mpp"),
        ("opens", "google_proxy"),
        ("clicks", "barracuda"),
        ("clicks", "microsoft_safelinks"),
    ] {
        assert!(
            summary[kind]["by_source"][source]["total"].as_u64().is_some_and(|count| count > 0),
            "{summary}"
        );
    }
    let domains = system.api().json("/v1/accounts/demo/reports/breakdown?by=recipient_domain").await;
    assert!(domains["rows"].as_array().unwrap().len() > 60);

    // Played again, the same campaign is the same messages: what was told replaces what was told, hits are more hits.
    let again = simulate(&system, &[]).output();
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && said.contains("this machine's address"), "{said}");
    let second = wait_until(
        || async { system.api().summary(query).await },
        |summary| summary["opens"]["total"] == 2 * opens && summary["clicks"]["total"] == 2 * clicks,
    )
    .await;
    for figure in ["sent", "delivered", "deferred", "bounced", "complained", "unsubscribed"] {
        assert_eq!(second[figure], summary[figure], "{figure}");
    }
    assert_eq!(second["opens"]["unique"], summary["opens"]["unique"]);

    for (more, named) in [
        (vec!["--tracker", "http://192.0.2.1:8080"], "--tracker http://192.0.2.1:8080"),
        (vec!["--key", "to_wrong"], "401"),
        (vec!["--account", "nobody"], "404"),
    ] {
        let refused = simulate(&system, &more).output();
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && error.contains(named), "{error}");
    }
    let key: Value = std::fs::read_to_string(data.join("admin.key")).unwrap().trim().into();
    assert!(!table.contains(key.as_str().unwrap()));
    system.stop();
}
