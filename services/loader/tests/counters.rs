//! Nothing vanishes uncounted. Alone in its binary: the counters are the process's.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod given;

use given::{delivery, given, hit, hits, support};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Every counter and gauge of the loader, by name and labels.
fn numbers() -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for family in prometheus::gather() {
        for metric in family.get_metric() {
            let labels: Vec<_> = metric.get_label().iter().map(|label| label.value().to_owned()).collect();
            let value = metric.get_counter().get_value() + metric.get_gauge().get_value();
            let name = family.name().strip_prefix("trueopen_loader_").unwrap_or_default().to_owned();
            found.insert(format!("{name} {}", labels.join(" ")).trim().to_owned(), value);
        }
    }
    found
}

fn sum(numbers: &BTreeMap<String, f64>, name: &str, topic: &str) -> f64 {
    let is_meant = |key: &str| key.starts_with(name) && key.split(' ').any(|label| label == topic);
    numbers.iter().filter(|(key, _)| is_meant(key)).map(|(_, value)| value).sum()
}

#[tokio::test]
async fn consumed_is_loaded_and_dead_lettered() {
    let given = given().await;
    given
        .connection
        .client()
        .query_raw("ALTER TABLE events ADD CONSTRAINT no_poison CHECK campaign != 'poison'")
        .execute()
        .await
        .unwrap();
    let mut records = hits(50);
    records.push(hit(Uuid::now_v7(), "m", "poison", given::now(), 1));
    records.push("{".to_owned());
    records.push(hit(Uuid::now_v7(), "m", "c", given::now(), 1).replacen("\"v\":1", "\"v\":2", 1));
    given.hits(&records).await;
    given.deliveries(&[delivery("a", "sent", "m"), "null".to_owned()]).await;
    let running = given.start();
    given.loaded().await;
    let classified = "engagement.classified";
    // A position moves before its records are counted.
    support::until("the counters", || async {
        let numbers = numbers();
        [classified, "delivery"].iter().all(|topic| sum(&numbers, "waiting_records", topic) == 0.0)
    })
    .await;

    let numbers = numbers();
    for (topic, consumed) in [(classified, 53.0), ("delivery", 2.0)] {
        let of = |name| sum(&numbers, name, topic);
        assert_eq!(of("consumed_records_total"), consumed, "{numbers:?}");
        assert_eq!(
            of("consumed_records_total"),
            of("loaded_records_total") + of("dead_lettered_records_total") + of("waiting_records"),
            "{numbers:?}"
        );
    }
    assert_eq!(sum(&numbers, "loaded_records_total", classified), 50.0);
    // Labels stand in the order of their names: reason, topic.
    for reason in ["refused", "malformed", "newer"] {
        assert_eq!(
            numbers[&format!("dead_lettered_records_total {reason} {classified}")],
            1.0,
            "{numbers:?}"
        );
    }
    assert_eq!(sum(&numbers, "dead_lettered_records_total", "delivery"), 1.0);
    running.stop().await;
}
