//! The reports behind the dashboards' details, against what the seed's table says.

use crate::seed::seed;
use crate::world::World;
use reqwest::StatusCode;
use serde_json::{Value, json};

const DAY: &str = "from=2026-03-10&to=2026-03-11";

async fn rows(world: &World, report: &str, rest: &str) -> Vec<Value> {
    let path = format!("/v1/accounts/demo/reports/{report}?{DAY}{rest}");
    world.json(&path).await["rows"].as_array().unwrap_or_else(|| panic!("{path}")).clone()
}

async fn written(world: &World, path: &str, accept: &str) -> String {
    let request = reqwest::Client::new().get(format!("{}{path}", world.url)).bearer_auth(&world.admin);
    request.header("accept", accept).send().await.unwrap().text().await.unwrap()
}

fn sum(rows: &[Value], names: &[&str]) -> u64 {
    rows.iter().flat_map(|row| names.iter().map(|name| row[*name].as_u64().unwrap())).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_counted_once_however_they_are_grouped() {
    let world = World::new().await;
    seed().insert(&world).await;
    let all = rows(&world, "machines", "").await;
    assert_eq!(all.len(), 1);
    // m02, m03, m07, m12 twice, m13 twice, m14, m19, m20, m21, m22 twice, m27.
    let (hits, messages) = (14, 11);
    assert_eq!((&all[0]["hits"], &all[0]["messages"]), (&json!(hits), &json!(messages)), "{all:?}");
    assert_eq!((&all[0]["traps"], &all[0]["clicks"], &all[0]["opens"]), (&json!(1), &json!(3), &json!(7)));
    assert_eq!((&all[0]["source"], &all[0]["recipient_domain"]), (&json!(""), &json!("")));
    for by in ["source", "recipient_domain", "both"] {
        let groups = rows(&world, "machines", &format!("&by={by}")).await;
        assert_eq!(sum(&groups, &["hits"]), hits, "{by}");
        let named = |name: &str| groups.iter().all(|group| group[name] != "");
        assert_eq!((named("source"), named("recipient_domain")), (by != "recipient_domain", by != "source"));
        assert!(
            groups.windows(2).all(|pair| pair[0]["hits"].as_u64() >= pair[1]["hits"].as_u64()),
            "{groups:?}"
        );
    }
    let apple = &rows(&world, "machines", "&by=source").await[0];
    assert_eq!(
        (&apple["source"], &apple["class"], &apple["hits"]),
        (&json!("apple_mpp"), &json!("apple"), &json!(4))
    );
    // All four a minute after delivery.
    assert_eq!(apple["seconds_after_median"], 60.0);
    assert_eq!(sum(&rows(&world, "machines", "&recipient_domain=b.example").await, &["hits"]), 1);
    assert_eq!(rows(&world, "machines", "&campaign=none").await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hit_has_its_place_after_delivery_and_in_the_week() {
    let world = World::new().await;
    seed().insert(&world).await;
    let after = rows(&world, "after-delivery", "").await;
    let machines = ["scanners", "apple", "google", "other"];
    assert_eq!(sum(&after, &machines), 14, "{after:?}");
    let minute = after.iter().find(|row| row["from_seconds"] == 60).unwrap();
    assert_eq!((&minute["apple"], &minute["google"], &minute["other"]), (&json!(4), &json!(1), &json!(2)));
    let summary = world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}&suppress=none")).await;
    let hits = |of: &str, who: &str| summary[of][who]["total"].as_u64().unwrap();
    let hours = rows(&world, "hours", "").await;
    for who in ["human", "automated", "unknown"] {
        assert_eq!(sum(&hours, &[who]), hits("opens", who) + hits("clicks", who), "{who}");
    }
    // 10 March 2026 is a Tuesday; 10:05 there is 15:50 in Kathmandu.
    let human = |rows: &[Value], hour: u64| {
        let row = rows.iter().find(|row| row["hour"] == hour && row["weekday"] == 2);
        row.map_or(0, |row| row["human"].as_u64().unwrap())
    };
    assert_eq!(human(&hours, 10), 4, "m01 three times, m03: {hours:?}");
    assert_eq!(human(&rows(&world, "hours", "&tz=Asia/Kathmandu").await, 15), 4 + 1, "and m23 at 9:40");
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_refusals_and_times_to_delivery_are_told() {
    let world = World::new().await;
    seed().insert(&world).await;
    let corrections = rows(&world, "corrections", "").await;
    let said: Vec<_> = corrections
        .iter()
        .map(|row| (row["first_actor"].clone(), row["source"].clone(), row["hits"].clone()))
        .collect();
    assert_eq!(
        said,
        [(json!("human"), json!("scanner_burst"), json!(1)), (json!("unknown"), json!("outlook"), json!(1))]
    );
    let summary = world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}")).await;
    let bounced: u64 =
        summary["bounced"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    let refusals = rows(&world, "refusals", "").await;
    assert_eq!(sum(&refusals, &["messages"]), bounced);
    assert!(bounced >= 3 && refusals.iter().all(|row| row["bounce_class"] != ""), "{refusals:?}");
    let latency = rows(&world, "latency", "").await;
    let times = rows(&world, "delivery-times", "").await;
    assert_eq!(sum(&times, &["messages"]), latency[0]["messages"].as_u64().unwrap());
    assert!(times.len() > 1, "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_tables_too_and_take_no_other_parameter() {
    let world = World::new().await;
    seed().insert(&world).await;
    let path = |rest: &str| format!("/v1/accounts/demo/reports/{rest}");
    for (report, header) in [
        ("machines", "source,recipient_domain,class,hits"),
        ("after-delivery", "from_seconds,scanners,apple,google,other,unknown,human"),
        ("corrections", "first_actor,first_source,actor,source,hits"),
        ("hours", "weekday,hour,human,automated,unknown"),
        ("refusals", "bounce_class,bounce_reason,enhanced_code,smtp_code,messages,recipient_domains"),
        ("delivery-times", "from_seconds,messages"),
    ] {
        let json = rows(&world, report, "").await;
        let table = written(&world, &path(&format!("{report}?{DAY}")), "text/csv").await;
        assert!(table.starts_with(header), "{table}");
        assert_eq!(table.lines().count(), json.len() + 1, "{table}");
        let width = table.lines().next().unwrap().split(',').count();
        assert!(table.lines().all(|line| line.split(',').count() == width), "{table}");
        let lines = written(&world, &path(&format!("{report}?{DAY}")), "application/x-ndjson").await;
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, json, "{report}");
        for wrong in ["by=client", "tz=Mars/Olympus", "intervall=day"] {
            let answer = world.get(&path(&format!("{report}?{wrong}"))).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{report} {wrong}");
        }
    }
}
