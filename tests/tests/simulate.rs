//! A made-up campaign against a running system: what the closing table says was done is what the reports show.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{Program, System, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

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

/// What makes each dashboard tell something: mailings of the weeks before with readers by day who return, a scanner that falls
/// for the trap and unsubscribes, each as often as the table says.
async fn the_weeks_before_are_there(system: &System, table: &str) {
    let api = system.api();
    let report = async |path: &str| api.json(&format!("/v1/accounts/demo/{path}")).await;
    let (opens, clicks) = (counted(table, "opens of them"), counted(table, "clicks in them"));
    assert!(opens > 50 && clicks > 10, "{table}");
    let of = |campaigns: &Value, figure: &str| -> u64 {
        let rows = campaigns["rows"].as_array().unwrap().iter();
        let earlier = rows.filter(|row| row["key"].as_str().unwrap().starts_with("simulated-7-mailing-"));
        earlier.map(|row| row.pointer(figure).unwrap().as_u64().unwrap()).sum()
    };
    let campaigns = wait_until(
        || report("reports/breakdown?by=campaign&suppress=none"),
        |rows| of(rows, "/opens/total") == opens && of(rows, "/clicks/total") == clicks,
    )
    .await;
    assert_eq!(campaigns["rows"].as_array().unwrap().len(), 4);
    assert_eq!(of(&campaigns, "/messages_without_delivery"), 0, "{campaigns}");
    let days = report("reports/timeseries?interval=day").await;
    let days = days["rows"].as_array().unwrap().iter();
    assert!(days.filter(|day| day["opens"]["human"]["total"].as_u64() > Some(0)).count() >= 7);
    let hours = report("reports/hours").await;
    let hours = hours["rows"].as_array().unwrap();
    let night = hours.iter().filter(|cell| cell["hour"].as_u64() < Some(5)).count();
    assert!(hours.len() > 30 && night < hours.len() / 5, "{hours:?}");
    let visits = report("reports/visits").await;
    let returning: u64 =
        visits["rows"].as_array().unwrap().iter().map(|row| row["returning"].as_u64().unwrap()).sum();
    let told = counted(table, "readers who returned");
    assert!(told > 0 && (told..=2 * told).contains(&returning), "{told}: {visits}");
    let machines = report("reports/machines").await;
    assert_eq!(machines["rows"][0]["traps"], counted(table, "the link that no reader can see"), "{machines}");
    let asked = report("unsubscribes?suspect=true").await;
    let asked = asked["unsubscribes"].as_array().unwrap().len() as u64;
    // A reader's that comes in the midst of a scan is flagged too.
    let pressed = counted(table, "scanner: unsubscribed");
    assert!(pressed >= 1 && (pressed..=pressed + 3).contains(&asked), "{pressed}: {asked}");
    // The door through which the past came in is shut again.
    assert_eq!(report("webhooks").await["webhooks"], json!([]));
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

    the_weeks_before_are_there(&system, &table).await;

    // Played again, the same campaign is the same messages: what was told replaces what was told, hits are more hits.
    // An account that takes SparkPost's webhooks keeps its secret, and hears nothing of the past.
    let own = json!({"secret": "own:0123456789abcdef", "opens_and_clicks": false});
    let put = system.api().send(Method::PUT, "/v1/accounts/demo/webhooks/sparkpost", &own).await;
    assert!(put.0.is_success(), "{put:?}");
    let put =
        system.api().send(Method::PUT, "/v1/accounts/demo/settings", &json!({"trap_links": true})).await;
    assert!(put.0.is_success(), "{put:?}");
    let again = simulate(&system, &[]).output();
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && said.contains("this machine's address"), "{said}");
    assert!(said.contains("no earlier mailings: the account takes SparkPost's webhooks"), "{said}");
    assert!(!said.contains("made here for the run") && table.contains("made here for the run"), "{said}");
    let webhooks = system.api().json("/v1/accounts/demo/webhooks").await;
    assert_eq!(webhooks["webhooks"][0]["opens_and_clicks"], false, "{webhooks}");
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
