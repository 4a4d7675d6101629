//! Reports of delivery: mailbox providers, reasons of bounces, time to delivery.

use crate::seed::Seed;
use crate::world::World;
use serde_json::{Value, json};

const DAY: &str = "from=2026-03-10&to=2026-03-11";

fn row<'a>(answer: &'a Value, key: &str) -> &'a Value {
    answer["rows"].as_array().unwrap().iter().find(|row| row["key"] == key).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_come_from_the_server_then_the_domain_and_a_corrected_table_corrects_history() {
    let world = World::new().await;
    let mut seed = Seed::default();
    for (message, domain, host) in [
        ("a", "clinic.example", "aspmx.l.google.com"),
        ("b", "gmail.com", ""),
        ("c", "clinic.example", "mx.clinic.example"),
        ("d", "", ""),
    ] {
        seed.delivery(message, "delivered", "09:00:00");
        let told = seed.deliveries.last_mut().unwrap();
        told.recipient_domain = domain.to_owned();
        told.mx_host = host;
    }
    seed.hit("a", "open", ("human", "chrome"), "10:00:00").recipient_domain = "clinic.example".to_owned();
    seed.insert(&world).await;
    let path = format!("/v1/accounts/demo/reports/breakdown?{DAY}&by=mailbox_provider");
    let answer = world.json(&path).await;
    for (key, opens) in [("google_workspace", 1), ("gmail", 0), ("clinic.example", 0), ("unknown", 0)] {
        let row = row(&answer, key);
        assert_eq!(
            (&row["delivered"], &row["opens"]["human"]["unique"]),
            (&json!(1), &json!(opens)),
            "{key}"
        );
    }
    let summary = world
        .json(&format!("/v1/accounts/demo/reports/summary?{DAY}&mailbox_provider=google_workspace"))
        .await;
    assert_eq!((&summary["delivered"], &summary["opens"]["unique"]), (&json!(1), &json!(1)));
    let client = world.connection.client();
    // Somebody's table said otherwise; the next migration puts it right, in both directions.
    for statement in [
        "INSERT INTO mailbox_providers VALUES ('mx', 'aspmx.l.google.com', 9999999999999, 'wrong')",
        "INSERT INTO mailbox_providers VALUES ('mx', 'clinic.example', 9999999999999, 'wrong')",
    ] {
        client.query(statement).execute().await.unwrap();
    }
    assert_eq!(row(&world.json(&path).await, "wrong")["delivered"], 2);
    store::migrate(&client).await.unwrap();
    assert_eq!(world.json(&path).await["rows"], answer["rows"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_are_broken_down_by_reason_and_the_timeline_says_it() {
    let world = World::new().await;
    let mut seed = Seed::default();
    for (message, class, reason) in [
        ("a", "hard", "no_such_user"),
        ("b", "hard", "no_such_user"),
        ("c", "soft", "mailbox_full"),
        ("d", "", ""),
    ] {
        seed.bounced(message, class, "09:00:00");
        seed.deliveries.last_mut().unwrap().bounce_reason = reason;
    }
    seed.delivery("e", "delivered", "09:00:00");
    seed.insert(&world).await;
    let answer = world.json(&format!("/v1/accounts/demo/reports/breakdown?{DAY}&by=bounce_reason")).await;
    assert_eq!(answer["rows"].as_array().unwrap().len(), 3, "a message that did not bounce has no reason");
    assert_eq!(row(&answer, "no_such_user")["bounced"]["hard"], 2);
    assert_eq!(row(&answer, "mailbox_full")["bounced"]["soft"], 1);
    assert_eq!(row(&answer, "undetermined")["bounced"]["undetermined"], 1);
    let timeline = world.json("/v1/accounts/demo/messages/c/timeline").await;
    assert_eq!(timeline["events"][0]["bounce_reason"], "mailbox_full");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_is_from_sent_to_delivered_and_guesses_nothing() {
    let world = World::new().await;
    let mut seed = Seed::default();
    for (message, minutes) in [("a", 1), ("b", 2), ("c", 3), ("d", 10)] {
        seed.delivery(message, "sent", "09:00:00");
        seed.delivery(message, "deferred", "09:00:30");
        seed.delivery(message, "delivered", &format!("09:{minutes:02}:00"));
        // Told twice: the first time counts.
        seed.delivery(message, "delivered", "09:50:00");
    }
    seed.delivery("never sent", "delivered", "09:00:00");
    seed.delivery("never arrived", "sent", "09:00:00");
    for told in &mut seed.deliveries {
        told.mx_host =
            if told.message_id == "d" { "mx.icloud.example" } else { "gmail-smtp-in.l.google.com" };
    }
    seed.insert(&world).await;
    let latency = |rest: &str| {
        let path = format!("/v1/accounts/demo/reports/latency?{DAY}{rest}");
        let world = &world;
        async move { world.json(&path).await["rows"].clone() }
    };
    let all = json!([{"key": "", "messages": 4, "p50": 150.0, "p90": 474.0, "p99": 587.4, "slowest": 600.0}]);
    assert_eq!(latency("").await, all);
    assert_eq!(latency("&cohort=sent").await, all);
    let rows = latency("&by=mailbox_provider").await;
    assert_eq!((&rows[0]["key"], &rows[0]["p50"]), (&json!("gmail"), &json!(120.0)));
    assert_eq!(latency("&mailbox_provider=gmail").await[0]["messages"], 3);
    assert_eq!(latency("&mailbox_provider=yahoo").await, json!([]));
}
