//! The figures of the made-up sending in `seed`, against what was worked out by hand.

use crate::facts::{insert_deliveries, insert_hits};
use crate::seed::{Seed, seed};
use crate::world::{DEMO, OTHER, World, close, escaped};
use serde_json::{Value, json};

const DAY: &str = "from=2026-03-10&to=2026-03-11";

/// What `sent` to `messages_without_delivery` are: by event, then by sending.
///
/// By event:
/// sent: all but m07 (nothing known of sending), m08 (the 9th), m10 (dropped), m25 (the 5th): 28 - 4 = 24.
/// delivered: m01 m02 m03 m04 m06 m08 m11 m12 m13 m14 m15 m16 m19 m20 m21 m22 m23 m26 m27 m28: 20. m05 bounced later, m17
/// at the same moment, m24 is accepted on the 11th. With tracking: 19, without m04.
/// bounced: hard m09 (its last), soft m16, block m17, undetermined m18; m05 only on the 12th.
/// unsubscribed: m11 and m12; without delivery: m07.
///
/// By sending, window the 10th: everything but m08, m10 (never sent) and m25, whenever it happened. sent stays 24.
/// delivered: without m08, with m24: 20, with tracking 19. bounced hard: m05 too. dropped: none of them.
fn delivery_figures(cohort: &str) -> Value {
    let by_event = cohort == "event";
    json!({
        "sent": 24, "delivered": 20, "deferred": 1, "dropped": i32::from(by_event),
        "bounced": {"hard": if by_event { 1 } else { 2 }, "soft": 1, "block": 1, "undetermined": 1},
        "complained": 1, "unsubscribed": 2, "messages_without_delivery": 1
    })
}

/// `opens` by event. Hits: human m01 m01 m15 m23 m25; Apple m02 m03 m21 m22; Google m19; Barracuda m22; new bot m27; unknown
/// m07 m21. Human messages: m01 m15 m23 m25 and, by its click, m03.
fn opens_by_event(total: u64, unique: u64) -> Value {
    json!({
        "total": total, "unique": unique,
        "human": {"total": 5, "unique": 5}, "automated": {"total": 7, "unique": 6}, "unknown": {"total": 2, "unique": 2},
        "by_source": {
            "apple_mpp": {"total": 4, "unique": 4}, "google_prefetch": {"total": 1, "unique": 1},
            "barracuda": {"total": 1, "unique": 1}, "brand_new_bot": {"total": 1, "unique": 1},
            "yahoo_proxy": {"total": 1, "unique": 1}, "webkit_bare": {"total": 1, "unique": 1},
            "chrome": {"total": 2, "unique": 1}, "outlook": {"total": 1, "unique": 1},
            "thunderbird": {"total": 1, "unique": 1}, "apple_mail": {"total": 1, "unique": 1}
        }
    })
}

/// `opens` by sending: m24's human open and m26's Apple open count, m25's human open does not.
fn opens_by_sending(total: u64, unique: u64) -> Value {
    json!({
        "total": total, "unique": unique,
        "human": {"total": 5, "unique": 5}, "automated": {"total": 8, "unique": 7}, "unknown": {"total": 2, "unique": 2},
        "by_source": {
            "apple_mpp": {"total": 5, "unique": 5}, "google_prefetch": {"total": 1, "unique": 1},
            "barracuda": {"total": 1, "unique": 1}, "brand_new_bot": {"total": 1, "unique": 1},
            "yahoo_proxy": {"total": 1, "unique": 1}, "webkit_bare": {"total": 1, "unique": 1},
            "chrome": {"total": 2, "unique": 1}, "outlook": {"total": 2, "unique": 2},
            "thunderbird": {"total": 1, "unique": 1}
        }
    })
}

/// `clicks`, the same by event and by sending: human m01 m03; Barracuda m07; burst m14; library m20; unknown m28. Unsubscribe
/// and trap links are no clicks.
fn clicks(total: u64, unique: u64) -> Value {
    json!({
        "total": total, "unique": unique,
        "human": {"total": 2, "unique": 2}, "automated": {"total": 3, "unique": 3}, "unknown": {"total": 1, "unique": 1},
        "by_source": {
            "chrome": {"total": 1, "unique": 1}, "safari": {"total": 1, "unique": 1},
            "barracuda": {"total": 1, "unique": 1}, "scanner_burst": {"total": 1, "unique": 1},
            "http_library": {"total": 1, "unique": 1}, "generic_client": {"total": 1, "unique": 1}
        }
    })
}

/// Over: sent 24, delivered 20, delivered with tracking 19. Surely read: m01 m03 m15 m23 m25 (by sending m24 in its place).
/// At most read: m02 m07 m21 too, whose only opens are masked or unknown, by sending m26 too; not m22, which Barracuda
/// opened. Fewer than 100 messages with a reader to be seen: no estimate.
fn rates(cohort: &str, opens: u64, clicks: u64, clicked_and_opened: u64) -> Value {
    let over = |part: u64, whole: u64| part as f64 / whole as f64;
    let (bounced, high) = if cohort == "event" { (4, 8) } else { (5, 9) };
    json!({
        "delivery": over(20, 24), "bounce": over(bounced, 24), "complaint": over(1, 20), "open": over(opens, 19),
        "open_low": over(5, 19), "open_high": over(high, 19), "open_estimate": null, "click": over(clicks, 19),
        "click_to_open": over(clicked_and_opened, opens), "unsubscribe": over(2, 20)
    })
}

/// The answers of the whole table under five suppressions and both cohorts.
async fn check(world: &World, when: &str) {
    // suppress, opens, unique opens, clicks, unique clicks, clicked and opened
    for (suppress, list, opens, unique_opens, click, unique_clicks, both) in [
        // All 14 opens, of m01 m02 m03 m07 m15 m19 m21 m22 m23 m25 m27. Clicked and opened: m01 m03 m07.
        ("none", vec![], 14, 11, 6, 6, 3),
        // Human 5 and unknown 2, of m01 m07 m15 m21 m23 m25 and, implied, m03. Clicks: m01 m03 m28.
        ("all", vec!["apple", "google", "scanners", "other"], 7, 7, 3, 3, 2),
        // The account's setting, all suppressed by default.
        ("account", vec!["apple", "google", "scanners", "other"], 7, 7, 3, 3, 2),
        // Without four Apple opens; only m02 has nothing else.
        ("apple", vec!["apple"], 10, 10, 6, 6, 3),
        // Without Barracuda and the new bot; only m27 has nothing else. Clicks: m01 m03 m28.
        ("other,scanners", vec!["scanners", "other"], 12, 10, 3, 3, 2),
    ] {
        let mut expected = delivery_figures("event");
        expected["account"] = json!("demo");
        expected["from"] = json!("2026-03-10T00:00:00.000Z");
        expected["to"] = json!("2026-03-11T00:00:00.000Z");
        expected["cohort"] = json!("event");
        expected["suppress"] = json!(list);
        expected["opens"] = opens_by_event(opens, unique_opens);
        expected["clicks"] = clicks(click, unique_clicks);
        expected["rates"] = rates("event", unique_opens, unique_clicks, both);
        let answer =
            world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}&suppress={suppress}")).await;
        assert!(close(&answer, &expected), "{when}: by event, suppress={suppress}\n{answer}\n{expected}");
    }
    for (suppress, list, opens, unique_opens, click, unique_clicks, both) in [
        // As by event, with m24 for m25 and with m26.
        ("none", vec![], 15, 12, 6, 6, 3),
        ("all", vec!["apple", "google", "scanners", "other"], 7, 7, 3, 3, 2),
        // Without five Apple opens: m02 and m26 have nothing else.
        ("apple", vec!["apple"], 10, 10, 6, 6, 3),
    ] {
        let mut expected = delivery_figures("sent");
        expected["account"] = json!("demo");
        expected["from"] = json!("2026-03-10T00:00:00.000Z");
        expected["to"] = json!("2026-03-11T00:00:00.000Z");
        expected["cohort"] = json!("sent");
        expected["suppress"] = json!(list);
        expected["opens"] = opens_by_sending(opens, unique_opens);
        expected["clicks"] = clicks(click, unique_clicks);
        expected["rates"] = rates("sent", unique_opens, unique_clicks, both);
        let query = format!("{DAY}&cohort=sent&suppress={suppress}");
        let answer = world.json(&format!("/v1/accounts/demo/reports/summary?{query}")).await;
        assert!(close(&answer, &expected), "{when}: by sending, suppress={suppress}\n{answer}\n{expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_as_worked_out_by_hand() {
    let world = World::new().await;
    let seed = seed();
    seed.insert(&world).await;
    // The neighbour's mail has the same ids and is nobody else's business.
    let client = world.connection.client();
    insert_hits(&client, OTHER, &seed.hits).await;
    insert_deliveries(&client, OTHER, &seed.deliveries).await;
    check(&world, "once").await;

    // Everything again, backwards: what is known did not change.
    let mut again = seed.clone();
    again.hits.reverse();
    again.deliveries.reverse();
    again.insert(&world).await;
    check(&world, "twice").await;

    for table in ["events", "deliveries"] {
        client.query(&format!("OPTIMIZE TABLE {table} FINAL")).execute().await.unwrap();
    }
    check(&world, "merged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_groups_are_of_whole_messages() {
    let world = World::new().await;
    seed().insert(&world).await;
    // c2 and b.example: m20 and m23, though no delivery event of m23 says so.
    for filter in ["campaign=c2", "recipient_domain=B.Example"] {
        let answer =
            world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}&suppress=none&{filter}")).await;
        assert_eq!((&answer["sent"], &answer["delivered"]), (&json!(2), &json!(2)), "{filter}");
        assert_eq!((&answer["opens"]["total"], &answer["opens"]["unique"]), (&json!(1), &json!(1)));
        assert_eq!((&answer["clicks"]["total"], &answer["clicks"]["unique"]), (&json!(1), &json!(1)));
        assert_eq!(answer["rates"]["open"], json!(0.5));
    }
    // Of m15, the delivery events' campaign counts, not its token's.
    let wrong = world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}&campaign=wrong")).await;
    assert_eq!((&wrong["sent"], &wrong["rates"]["open"]), (&json!(0), &Value::Null));

    // A group's figures are those of its filter.
    for (by, keys) in [("recipient_domain", ["a.example", "b.example"]), ("campaign", ["c1", "c2"])] {
        for rest in ["suppress=none", "suppress=all", "suppress=apple&cohort=sent"] {
            let path = format!("/v1/accounts/demo/reports/breakdown?{DAY}&by={by}&{rest}");
            let answer = world.json(&path).await;
            assert_eq!((&answer["by"], &answer["truncated"]), (&json!(by), &json!(false)));
            let rows = answer["rows"].as_array().unwrap();
            assert_eq!(rows.iter().map(|row| row["key"].as_str().unwrap()).collect::<Vec<_>>(), keys);
            for row in rows {
                let filter = format!("{by}={}", escaped(row["key"].as_str().unwrap()));
                let path = format!("/v1/accounts/demo/reports/summary?{DAY}&{rest}&{filter}");
                let mut alone = world.json(&path).await;
                for name in ["account", "from", "to", "cohort", "suppress"] {
                    alone.as_object_mut().unwrap().remove(name);
                }
                let mut row = row.clone();
                row.as_object_mut().unwrap().remove("key");
                assert_eq!(row, alone, "{by} {filter} {rest}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_and_clients_have_the_figures_of_their_hits() {
    let world = World::new().await;
    seed().insert(&world).await;
    let rows = |answer: &Value| {
        let rows = answer["rows"].as_array().unwrap().clone();
        move |key: &str| rows.iter().find(|row| row["key"] == key).cloned().unwrap_or_default()
    };
    let path = format!("/v1/accounts/demo/reports/breakdown?{DAY}&by=source");
    let none = world.json(&format!("{path}&suppress=none")).await;
    let summary = world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}&suppress=none")).await;
    // Each source's own hits are what the summary says of it.
    let row = rows(&none);
    for kind in ["opens", "clicks"] {
        for (source, count) in summary[kind]["by_source"].as_object().unwrap() {
            assert_eq!(&row(source)[kind]["by_source"][source], count, "{kind} {source}");
        }
    }
    assert_eq!(row("apple_mpp")["opens"]["total"], 4);
    assert_eq!(row("barracuda")["clicks"]["unique"], 1);
    assert_eq!(row("scanner_trap"), Value::Null, "a trap is neither an open nor a click");
    assert_eq!(row("unknown"), Value::Null);
    // m03 by Safari: no open that Safari made, one that its click implies.
    assert_eq!((&row("safari")["opens"]["total"], &row("safari")["opens"]["unique"]), (&json!(0), &json!(1)));
    assert_eq!(row("safari").get("sent"), None, "a message has no source");

    let all = world.json(&format!("{path}&suppress=all")).await;
    let row = rows(&all);
    assert_eq!(
        (&row("apple_mpp")["opens"]["total"], &row("apple_mpp")["opens"]["unique"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(row("apple_mpp")["opens"]["automated"], json!({"total": 4, "unique": 4}));
    assert_eq!(row("brand_new_bot")["opens"]["total"], 0);

    let clients = world.json(&format!("/v1/accounts/demo/reports/breakdown?{DAY}&by=client")).await;
    let row = rows(&clients);
    assert_eq!(row("Chrome")["opens"]["human"], json!({"total": 2, "unique": 1}));
    assert_eq!(row("Safari")["clicks"]["human"], json!({"total": 1, "unique": 1}));

    // Addresses of one client lie in France, of the others nobody knows where.
    let locate = "ALTER TABLE events UPDATE country = 'FR' WHERE client = 'Chrome'";
    world.connection.client().query(locate).with_setting("mutations_sync", "1").execute().await.unwrap();
    let countries = world.json(&format!("/v1/accounts/demo/reports/breakdown?{DAY}&by=country")).await;
    let row = rows(&countries);
    assert_eq!(row("FR")["opens"]["human"], json!({"total": 2, "unique": 1}));
    assert_eq!(row("FR")["opens"]["by_source"], json!({"chrome": {"total": 2, "unique": 1}}));
    assert_eq!(row("")["clicks"]["human"], json!({"total": 1, "unique": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setting_decides_the_next_answer_over_all_history() {
    let world = World::new().await;
    seed().insert(&world).await;
    let summary = || async { world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}")).await };
    let put = |apple: bool| {
        world.give(
            reqwest::Method::PUT,
            "/v1/accounts/demo/settings",
            json!({"suppress": {"apple": apple, "google": true, "scanners": true, "other": true}}),
        )
    };
    let first = summary().await;
    assert_eq!((&first["opens"]["total"], &first["opens"]["unique"]), (&json!(7), &json!(7)));
    assert_eq!(put(false).await.0, 200);
    let second = summary().await;
    assert_eq!(second["suppress"], json!(["google", "scanners", "other"]));
    // Four Apple opens more, m02 and m22 more messages.
    assert_eq!((&second["opens"]["total"], &second["opens"]["unique"]), (&json!(11), &json!(9)));
    assert_eq!(put(true).await.0, 200);
    assert_eq!(summary().await, first);
    // Another process' change counts at once too.
    let (mut settings, _) = world.accounts.settings(DEMO).await.unwrap();
    settings.suppress.apple = false;
    world.accounts.put_settings(DEMO, settings).await.unwrap();
    assert_eq!(summary().await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_moves_figures_and_withdraws_an_implied_open() {
    let world = World::new().await;
    let mut seed = Seed::default();
    seed.delivery("m", "delivered", "09:00:00");
    seed.hit("m", "click", ("human", "chrome"), "09:05:00");
    seed.insert(&world).await;
    let counts = || async {
        let answer = world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}")).await;
        let (opens, clicks) = (&answer["opens"], &answer["clicks"]);
        [&opens["unique"], &opens["human"]["unique"], &clicks["unique"], &clicks["automated"]["total"]]
            .map(|count| count.as_u64().unwrap())
    };
    assert_eq!(counts().await, [1, 1, 1, 0]);
    seed.corrected(("automated", "scanner_burst"));
    seed.insert(&world).await;
    assert_eq!(counts().await, [0, 0, 0, 1]);
    // The first verdict arriving once more changes nothing.
    seed.hits.truncate(1);
    seed.insert(&world).await;
    assert_eq!(counts().await, [0, 0, 0, 1]);
    // Back to human, as revision 3.
    seed.hits[0].revision = 2;
    seed.corrected(("human", "chrome"));
    seed.insert(&world).await;
    assert_eq!(counts().await, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_estimate_speaks_from_a_hundred_messages_on() {
    let world = World::new().await;
    let mut seed = Seed::default();
    // 120 delivered: 20 masked, of which 10 clicked; 25 of the other 100 opened.
    for number in 0..120 {
        let message = format!("m{number}");
        seed.delivery(&message, "delivered", "09:00:00");
        if number < 20 {
            // The mask holds outside the window too.
            seed.hit(&message, "open", ("automated", "apple_mpp"), "11. 09:01:00");
            if number < 10 {
                seed.hit(&message, "click", ("human", "safari"), "10:00:00");
            }
        } else if number < 45 {
            seed.hit(&message, "open", ("human", "outlook"), "10:00:00");
        }
    }
    seed.insert(&world).await;
    let rates =
        || async { world.json(&format!("/v1/accounts/demo/reports/summary?{DAY}")).await["rates"].clone() };
    assert_eq!(rates().await["open_estimate"], json!(0.25));
    assert!(close(&rates().await["open_low"], &json!(35.0 / 120.0)));
    // One more bounces later: 99 are too few.
    let mut bounce = Seed::default();
    bounce.bounced("m119", "hard", "11. 09:00:00");
    bounce.deliveries[0].event_id = "later".to_owned();
    bounce.insert(&world).await;
    assert_eq!(rates().await["open_estimate"], Value::Null);
    assert!(close(&rates().await["open_low"], &json!(35.0 / 119.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_at_all_is_zeros_and_nulls() {
    let world = World::new().await;
    let answer = world.json("/v1/accounts/demo/reports/summary?suppress=none").await;
    let zero = json!({"total": 0, "unique": 0});
    let none =
        json!({"total": 0, "unique": 0, "human": zero, "automated": zero, "unknown": zero, "by_source": {}});
    let rates = [
        "delivery",
        "bounce",
        "complaint",
        "open",
        "open_low",
        "open_high",
        "open_estimate",
        "click",
        "click_to_open",
        "unsubscribe",
    ];
    let rates: serde_json::Map<_, _> = rates.map(|name| (name.to_owned(), Value::Null)).into_iter().collect();
    let mut expected = json!({
        "account": "demo", "cohort": "event", "suppress": [],
        "sent": 0, "delivered": 0, "deferred": 0, "dropped": 0,
        "bounced": {"hard": 0, "soft": 0, "block": 0, "undetermined": 0},
        "complained": 0, "unsubscribed": 0, "messages_without_delivery": 0,
        "opens": none, "clicks": none, "rates": rates
    });
    expected["from"] = answer["from"].clone();
    expected["to"] = answer["to"].clone();
    assert_eq!(answer, expected);
    let rows = world.json("/v1/accounts/demo/reports/breakdown?by=source").await;
    assert_eq!(rows["rows"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_by_link_are_of_place_and_label() {
    let world = World::new().await;
    let mut seed = Seed::default();
    for (message, link, who) in [
        ("m1", (Some(0), "offer"), ("human", "chrome")),
        ("m1", (Some(0), "offer"), ("human", "chrome")),
        ("m1", (Some(1), "pricing"), ("human", "chrome")),
        ("m2", (Some(0), "offer"), ("automated", "barracuda")),
        ("m2", (Some(1), "pricing"), ("automated", "barracuda")),
        ("m2", (Some(10), ""), ("unknown", "generic_client")),
        // An open has no link, and counts nowhere here.
        ("m3", (None, ""), ("human", "chrome")),
    ] {
        let kind = if link.0.is_some() { "click" } else { "open" };
        seed.hit(message, kind, who, "10:00:00").link = link;
    }
    seed.insert(&world).await;
    let answer = world.json(&format!("/v1/accounts/demo/reports/breakdown?{DAY}&by=link")).await;
    let shown: Vec<_> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let clicks = &row["clicks"];
            let figures = [&clicks["total"], &clicks["unique"], &clicks["automated"]["total"]];
            (row["key"].as_str().unwrap(), row["index"].clone(), figures.map(|count| count.as_u64().unwrap()))
        })
        .collect();
    let expected =
        [("0 offer", json!(0), [2, 1, 1]), ("1 pricing", json!(1), [1, 1, 1]), ("10", json!(10), [1, 1, 0])];
    assert_eq!(shown, expected);
    let request =
        reqwest::Client::new().get(format!("{}/v1/accounts/demo/reports/breakdown?{DAY}&by=link", world.url));
    let text = request
        .bearer_auth(&world.admin)
        .header("accept", "text/csv")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("link,index,label,clicks_total,clicks_unique,"), "{text}");
    assert!(lines.len() == 4 && lines[1].starts_with("0 offer,0,offer,2,1,"), "{text}");
}
