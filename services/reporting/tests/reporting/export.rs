//! Events one by one, visits by label, and the window before.

use crate::seed::Seed;
use crate::world::{World, escaped};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DAY: &str = "from=2026-03-10&to=2026-03-11";

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_on_one_page_under_its_highest_revision() {
    let world = World::new().await;
    let mut seed = Seed::default();
    for number in 0..7 {
        let message = format!("m{number}");
        seed.delivery(&message, "sent", "09:00:00");
        seed.delivery(&message, "delivered", "09:00:10");
        seed.hit(&message, "open", ("automated", "apple_mpp"), "09:01:00");
        seed.hit(&message, "click", ("human", "chrome"), "10:00:00");
        seed.corrected(("automated", "scanner_burst"));
    }
    seed.delivery("outside", "sent", "11. 09:00:00");
    seed.hit("outside", "open", ("human", "chrome"), "11. 09:00:00");
    seed.insert(&world).await;
    // Stored twice: still one event.
    seed.insert(&world).await;
    for limit in [1, 3, 14, 15, 100] {
        let mut ids = BTreeSet::new();
        let (mut cursor, mut events) = (String::new(), Vec::new());
        loop {
            let page = world.json(&format!("/v1/accounts/demo/events?{DAY}&limit={limit}{cursor}")).await;
            let found = page["events"].as_array().unwrap().clone();
            assert!(found.len() <= limit);
            events.extend(found);
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={}", escaped(next));
        }
        ids.extend(events.iter().map(|event| format!("{} {}", event["record"], event["event_id"])));
        assert_eq!((events.len(), ids.len()), (28, 28), "limit {limit}");
        let clicks: Vec<&Value> = events.iter().filter(|event| event["type"] == "click").collect();
        assert!(clicks.iter().all(|click| click["revision"] == 2 && click["source"] == "scanner_burst"));
    }
    let only = world.json(&format!("/v1/accounts/demo/events?{DAY}&record=delivery&limit=100")).await;
    assert_eq!(only["events"].as_array().unwrap().len(), 14);
    let request = reqwest::Client::new().get(format!("{}/v1/accounts/demo/events?{DAY}&limit=2", world.url));
    let response = request.bearer_auth(&world.admin).header("accept", "text/csv").send().await.unwrap();
    assert!(response.headers().contains_key("trueopen-next-cursor"));
    let text = response.text().await.unwrap();
    assert!(
        text.lines().count() == 3 && text.starts_with("record,type,at,message_id,event_id,revision,"),
        "{text}"
    );
    for wrong in ["cursor=AAAA", "record=mail", "limit=0", "limit=10001", "campagne=x"] {
        assert_eq!(world.get(&format!("/v1/accounts/demo/events?{wrong}")).await.status(), 400, "{wrong}");
    }
    let audit = world.json("/v1/accounts/demo/audit?limit=1").await;
    assert_eq!(audit["entries"][0]["action"], "events.read");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_return_on_another_day_are_told_from_those_who_click_twice() {
    let world = World::new().await;
    let mut seed = Seed::default();
    for (message, label, who, times) in [
        ("a", "pricing", ("human", "chrome"), vec!["09:00:00", "09:05:00", "11. 09:00:00"]),
        ("b", "pricing", ("human", "chrome"), vec!["09:00:00", "22:59:00"]),
        ("c", "pricing", ("automated", "barracuda"), vec!["09:00:00", "11. 09:00:00"]),
        ("c", "security", ("unknown", "generic_client"), vec!["09:00:00", "11. 09:00:00"]),
        ("d", "security", ("human", "chrome"), vec!["22:30:00", "23:30:00"]),
    ] {
        for time in times {
            seed.hit(message, "click", who, time).link = (Some(0), label);
        }
    }
    // Without labels: another link on another day is no return, the same one is.
    for (message, place, time) in
        [("e", 3, "09:00:00"), ("e", 4, "11. 09:00:00"), ("f", 4, "09:00:00"), ("f", 4, "11. 09:00:00")]
    {
        seed.hit(message, "click", ("human", "chrome"), time).link = (Some(place), "");
    }
    seed.insert(&world).await;
    let visits = |rest: &'static str| {
        let world = &world;
        async move {
            world.json(&format!("/v1/accounts/demo/reports/visits?from=2026-03-10&to=2026-03-13{rest}")).await
                ["rows"]
                .clone()
        }
    };
    let pricing =
        json!({"label": "pricing", "index": null, "clicks": 5, "visits": 3, "messages": 2, "returning": 1});
    let security = |visits, returning| json!({"label": "security", "index": null, "clicks": 2, "visits": visits, "messages": 1, "returning": returning});
    let plain = |index: u16, visits, messages, returning| json!({"label": "", "index": index, "clicks": visits, "visits": visits, "messages": messages, "returning": returning});
    let expected = json!([plain(4, 3, 2, 1), pricing, plain(3, 1, 1, 0), security(1, 0)]);
    assert_eq!(visits("").await, expected);
    assert_eq!(visits("&suppress=none").await, expected, "a scanner pays no visit");
    // Midnight lies elsewhere: half past eleven is the next day in Berlin.
    assert_eq!(visits("&tz=Europe/Berlin").await[2], security(2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_compares_with_the_window_before() {
    let world = World::new().await;
    let mut seed = Seed::default();
    seed.delivery("a", "delivered", "09:00:00");
    seed.delivery("b", "delivered", "11. 09:00:00");
    seed.delivery("c", "delivered", "11. 10:00:00");
    seed.insert(&world).await;
    let summary =
        world.json("/v1/accounts/demo/reports/summary?from=2026-03-11&to=2026-03-12&compare=previous").await;
    assert_eq!((&summary["delivered"], &summary["previous"]["delivered"]), (&json!(2), &json!(1)));
    assert_eq!(summary["previous"]["from"], "2026-03-10T00:00:00.000Z");
    let alone = world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}")).await;
    assert_eq!(alone.get("previous"), None);
}
