//! The second stage over real topics: what can't be read is set aside and counted, and a start says again what it knew.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

use classifier::Ruleset;
use classifier::stage::compare::{Comparer, Config, Topics};
use engagement::neighbour::{Fact, Ground, Hashed, Neighbour, Signal};
use engagement::{AccountNumber, DeadLetter, Kind, Timestamp, from_wire, message_key, to_wire};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stream::{JournalConfig, Record, Topic, TopicConfig};
use tempfile::TempDir;
use tokio::sync::oneshot;

const WAIT: Duration = Duration::from_secs(30);
const START: i64 = 1_793_610_000_000;

fn topics(folder: &Path) -> Topics {
    let open = |name: &str, group: &str| {
        let journal = JournalConfig::new(name, folder.join(name));
        Topic::open(TopicConfig { name: name.to_owned(), journal, groups: vec![group.to_owned()] }).unwrap()
    };
    Topics {
        neighbours: open("engagement.neighbours", "neighbours"),
        signals: open("engagement.signals", "test"),
        dead_letter: open("deadletter", "test"),
    }
}

fn record(number: u64, at: i64) -> Record {
    let neighbour = Neighbour {
        v: Neighbour::VERSION,
        account_number: AccountNumber(7),
        ground: Ground::Client,
        of: Hashed(1),
        address: Some(Hashed(2)),
        message_id: format!("m{number}"),
        reader: Hashed(number),
        kind: Kind::Click,
        link_index: None,
        link_count: None,
        received_at: Timestamp::from_millis(START + at).unwrap(),
    };
    Record { key: neighbour.key(), payload: to_wire(&neighbour).into() }
}

/// The highest level told to each message, once so many signals came from a start to a stop.
async fn run(topics: &Topics, signals: usize) -> BTreeMap<String, u8> {
    let stage = Comparer::build(Config::default(), topics.clone(), Arc::new(Ruleset::builtin())).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(stage.run(async {
        let _ = stopped.await;
    }));
    let mut consumer = topics.signals.consumer("test").unwrap();
    let (mut told, mut count) = (BTreeMap::new(), 0);
    while count < signals {
        let batch = tokio::time::timeout(WAIT, consumer.next(100, 1 << 20)).await.expect("signals").unwrap();
        for delivered in batch {
            let record = delivered.record.unwrap();
            let signal: Signal = from_wire(&record.payload).unwrap();
            assert_eq!(record.key, message_key(AccountNumber(7), &signal.message_id));
            assert_eq!((signal.fact, signal.address), (Fact::Address, Some(Hashed(2))));
            let level = told.entry(signal.message_id).or_default();
            *level = signal.level.max(*level);
            consumer.commit(delivered.partition, delivered.offset + 1).unwrap();
            count += 1;
        }
    }
    stop.send(()).unwrap();
    tokio::time::timeout(WAIT, task).await.unwrap().unwrap().unwrap();
    told
}

/// The value of a metric with a label.
fn metric(outcome: &str) -> f64 {
    let all = prometheus::gather();
    let family = all.iter().find(|family| family.name() == "trueopen_classifier_neighbour_records_total");
    let metrics = family.unwrap().get_metric().iter();
    let mut of = metrics.filter(|metric| metric.get_label().iter().any(|label| label.value() == outcome));
    of.next().map_or(0.0, |metric| metric.get_counter().get_value())
}

#[tokio::test]
async fn what_cannot_be_read_is_set_aside_and_a_start_says_again_what_it_knew() {
    let folder = TempDir::new().unwrap();
    let topics = topics(folder.path());
    let strange = |payload: &'static str| Record { key: b"k".to_vec(), payload: payload.into() };
    topics.neighbours.append(record(1, 0)).await.unwrap();
    topics.neighbours.append(strange("no record")).await.unwrap();
    topics.neighbours.append(strange("{\"v\":999}")).await.unwrap();
    // Half an hour and more behind the newest of its network: too late.
    topics.neighbours.append_all(vec![record(2, 0), record(3, 1_900_000), record(4, 10)]).await.unwrap();
    topics.neighbours.append_all((10..13).map(|number| record(number, 1_900_000)).collect()).await.unwrap();
    // Of four readers three are told when the third comes, and the fourth when it comes.
    let first = run(&topics, 4).await;
    let few = ["m10", "m11", "m12", "m3"].map(|message| (message.to_owned(), 1));
    assert_eq!(first, BTreeMap::from(few));
    assert_eq!((metric("compared"), metric("late"), metric("dead_lettered")), (6.0, 1.0, 2.0));

    let mut dead = topics.dead_letter.consumer("test").unwrap();
    let letters = tokio::time::timeout(WAIT, dead.next(10, 1 << 20)).await.unwrap().unwrap();
    let reasons = letters.into_iter().map(|letter| {
        let letter: DeadLetter = from_wire(&letter.record.unwrap().payload).unwrap();
        assert_eq!(letter.topic, "engagement.neighbours");
        letter.reason
    });
    let reasons: Vec<_> = reasons.collect();
    assert!(reasons.len() == 2 && reasons[1].contains("newer"), "{reasons:?}");

    // A start reads back the last hour, and what comes then finds the neighbours from before.
    topics.neighbours.append(record(13, 1_901_000)).await.unwrap();
    let second = run(&topics, 5).await;
    let five = ["m10", "m11", "m12", "m13", "m3"].map(|message| (message.to_owned(), 1));
    assert_eq!(second, BTreeMap::from(five));
    let Topics { neighbours, signals, dead_letter } = topics;
    for topic in [neighbours, signals, dead_letter] {
        topic.close().await;
    }
}
