//! Headline panels and tables show the API's figures, under each suppression.

use super::{WINDOW, answer, ask, assert_same, expansions, load, reports, seeded};
use crate::world::{DEMO, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Dashboard, panel, column and what [`said`] has there.
pub(super) const HEADLINES: &[(&str, &str, usize, &str)] = &[
    ("deliverability", "Mails sent", 0, "/sent"),
    ("deliverability", "Delivered", 0, "/rates/delivery"),
    ("deliverability", "Bounced", 0, "/rates/bounce"),
    ("deliverability", "Called spam", 0, "/rates/complaint"),
    ("deliverability", "Delayed at first", 0, "/deferred"),
    ("deliverability", "Unsubscribed", 0, "/rates/unsubscribe"),
    ("engagement", "Opened by people", 0, "/opens/human/unique"),
    ("engagement", "Clicked by people", 0, "/clicks/human/unique"),
    ("engagement", "Open rate", 0, "/rates/open"),
    ("engagement", "Click rate", 0, "/rates/click"),
    ("engagement", "Clicks per open", 0, "/rates/click_to_open"),
    ("engagement", "Opens made by machines", 0, "/automated_share"),
    ("engagement", "How many really read it", 0, "/rates/open_low"),
    ("engagement", "How many really read it", 1, "/rates/open_estimate"),
    ("engagement", "How many really read it", 2, "/rates/open_high"),
    ("campaign", "From sent to clicked", 0, "/sent"),
    ("campaign", "From sent to clicked", 1, "/delivered"),
    ("campaign", "From sent to clicked", 2, "/opens/human/unique"),
    ("campaign", "From sent to clicked", 3, "/clicks/human/unique"),
    ("campaign", "Delivered", 0, "/rates/delivery"),
    ("campaign", "Open rate", 0, "/rates/open"),
    ("campaign", "Click rate", 0, "/rates/click"),
    ("campaign", "Unsubscribed", 0, "/rates/unsubscribe"),
    ("campaign", "How many really read it", 0, "/rates/open_low"),
    ("scanners", "Hits by machines", 0, "/machines/hits"),
    ("scanners", "Recipient domains with scanners", 0, "/machines/scanned_domains"),
    ("scanners", "Links no reader can see, followed", 0, "/machines/traps"),
    ("scanners", "Unsubscribes asked by machines", 0, "/suspects"),
];

#[tokio::test(flavor = "multi_thread")]
async fn headline_panels_show_what_the_api_says_under_each_suppression() {
    let world = seeded().await;
    for suppress in
        ["account", "none", "all", "apple", "google", "scanners", "other", "apple,scanners", "google,other"]
    {
        compare_headlines(&world, &[("suppress", suppress), ("cohort", "event")]).await;
    }
    compare_headlines(&world, &[("suppress", "none"), ("cohort", "sent"), ("campaign", "c1")]).await;
    compare_headlines(
        &world,
        &[("suppress", "scanners"), ("cohort", "sent"), ("recipient_domain", "b.example")],
    )
    .await;
}

/// What the API says: its summary, and beside it the machines of all sources, the share of opens that are theirs, and how
/// many suspect unsubscribes are in force.
async fn said(world: &World, query: &str, chosen: &[(&str, &str)]) -> Value {
    let mut said = world.json(&format!("/v1/accounts/demo/reports/summary?{query}")).await;
    let total = |who: &str| said["opens"][who]["total"].as_f64().unwrap();
    let opens = total("human") + total("automated") + total("unknown");
    said["automated_share"] = if opens > 0.0 { json!(total("automated") / opens) } else { Value::Null };
    let machines = world.json(&format!("/v1/accounts/demo/reports/machines?{query}")).await;
    said["machines"] = match machines["rows"].as_array().unwrap().first() {
        Some(row) => row.clone(),
        None => json!({"hits": 0, "scanned_domains": 0, "traps": 0}),
    };
    let filters = chosen.iter().filter(|(name, _)| !["suppress", "cohort"].contains(name));
    let filters: String = filters.map(|(name, value)| format!("&{name}={value}")).collect();
    let path = format!("/v1/accounts/demo/unsubscribes?{WINDOW}&suspect=true{filters}");
    let asked = world.json(&path).await["unsubscribes"].as_array().unwrap().clone();
    said["suspects"] = asked.iter().filter(|one| one["reversed_at"].is_null()).count().into();
    said
}

/// Compares what the dashboards show with the API.
async fn compare_headlines(world: &World, chosen: &[(&str, &str)]) {
    let query: String = chosen.iter().map(|(name, value)| format!("&{name}={value}")).collect();
    let query = format!("{WINDOW}{query}");
    let report = async |path: &str| world.json(&format!("/v1/accounts/demo/reports/{path}")).await;
    let said = said(world, &query, chosen).await;
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for dashboard in reports() {
        if !HEADLINES.iter().any(|(name, ..)| *name == dashboard.name) {
            continue;
        }
        let variables = load(world, &dashboard, chosen).await;
        for (_, title, column, pointer) in HEADLINES.iter().filter(|(name, ..)| *name == dashboard.name) {
            let statement =
                expansions::expanded(&variables.interpolate(dashboard.panel(title).statements()[0]));
            if !known.contains_key(&statement) {
                known.insert(statement.clone(), ask(world, &statement).await);
            }
            let shown = &known[&statement]["data"][0][*column];
            assert_same(shown, said.pointer(pointer).unwrap(), &format!("{query}: {title} {column}"));
        }
        if dashboard.name == "deliverability" {
            for (title, by) in [
                ("How each recipient domain treats the mail", "recipient_domain"),
                ("How each mailbox provider treats the mail", "mailbox_provider"),
            ] {
                let shown = answer(world, &variables, dashboard.panel(title).statements()[0]).await;
                let said = report(&format!("breakdown?{query}&by={by}")).await;
                compare_groups(&shown, &said, &format!("{query}: {by}"));
            }
        }
        if dashboard.name == "campaign" {
            let panel = dashboard.panel("Who came back to a link");
            let shown = answer(world, &variables, panel.statements()[0]).await;
            compare_visits(&shown, &report(&format!("visits?{query}")).await, &query);
        }
        if dashboard.name == "engagement" {
            let panel = dashboard.panel("True against raw open rate");
            let shown = answer(world, &variables, panel.statements()[0]).await;
            // Rates over time are of the mail sent in each bucket, whatever the other panels count.
            let sent = query.replace("cohort=event", "cohort=sent");
            compare_hours(&shown, &report(&format!("timeseries?{sent}&interval=hour")).await, &sent);
        }
    }
    assert_eq!(DEMO.0, 1, "the account that the dashboards choose first");
}

fn compare_groups(shown: &Value, said: &Value, what: &str) {
    let (shown, said) = (shown["data"].as_array().unwrap(), said["rows"].as_array().unwrap());
    assert_eq!(shown.len(), said.len(), "{what}");
    for row in shown {
        let key = row[0].as_str().unwrap();
        let group = said.iter().find(|group| group["key"] == key || (key == "unknown" && group["key"] == ""));
        let group = group.unwrap_or_else(|| panic!("{what}: the API has no {key}: {said:?}"));
        let pointers = [
            "/sent",
            "/rates/delivery",
            "/rates/bounce",
            "/deferred",
            "/rates/complaint",
            "/rates/open_low",
            "/clicks/human/unique",
        ];
        for (column, pointer) in pointers.iter().enumerate() {
            assert_same(
                &row[column + 1],
                group.pointer(pointer).unwrap(),
                &format!("{what}: {key} {pointer}"),
            );
        }
    }
}

/// Mails, returning, visits and clicks of each label.
fn compare_visits(shown: &Value, said: &Value, what: &str) {
    let (shown, said) = (shown["data"].as_array().unwrap(), said["rows"].as_array().unwrap());
    assert_eq!(shown.len(), said.len(), "{what}");
    for (row, said) in shown.iter().zip(said) {
        let figures = ["messages", "returning", "visits", "clicks"];
        for (column, figure) in figures.iter().enumerate() {
            assert_same(&row[column + 1], &said[*figure], &format!("{what}: {} {figure}", row[0]));
        }
    }
}

/// Each hour in which there is something, with the API's rates of it.
fn compare_hours(shown: &Value, said: &Value, what: &str) {
    let shown = shown["data"].as_array().unwrap();
    assert!(!shown.is_empty(), "{what}");
    for row in shown {
        let start = format!("{}Z", row[0].as_str().unwrap().replace(' ', "T"));
        let hour =
            said["rows"].as_array().unwrap().iter().find(|hour| hour["from"] == start.as_str()).unwrap();
        assert_same(&row[1], &hour["rates"]["open"], &format!("{what}: {start} open"));
        assert_same(&row[2], &hour["rates"]["open_low"], &format!("{what}: {start} open_low"));
    }
}
