//! From a journal into a real broker, which goes away meanwhile.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

use acceptance::Broker;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};
use stream::{
    Cluster, Consumer, ForwardConfig, Forwarder, JournalConfig, KafkaConfig, Record, Topic, TopicConfig,
    TopicSpec,
};

fn spec(name: &str) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions: 4,
        replication: 1,
        settings: BTreeMap::new(),
        at_least: BTreeMap::new(),
        same_partitions: None,
    }
}

async fn open(cluster: &Cluster, specs: &[TopicSpec]) -> Vec<Topic> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match cluster.open(specs, &["reader"]).await {
            Ok(topics) => return topics,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn record(number: u32) -> Record {
    Record { key: vec![u8::try_from(number % 5).unwrap()], payload: Bytes::from(number.to_string()) }
}

/// Reads until every one of these numbers came; the first time of each, in the order in which it came.
async fn read(consumer: &mut Consumer, numbers: std::ops::Range<u32>) -> HashMap<Vec<u8>, Vec<u32>> {
    let mut seen = BTreeSet::new();
    let mut of_key: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
    while seen.len() < numbers.len() {
        let some = tokio::time::timeout(Duration::from_secs(60), consumer.next(1000, 1 << 20)).await;
        for delivered in some.expect("records arrive").unwrap() {
            let record = delivered.record.unwrap();
            let number = std::str::from_utf8(&record.payload).unwrap().parse().unwrap();
            // The group commits nothing, so a broker that comes back begins with it anew.
            if numbers.contains(&number) && seen.insert(number) {
                of_key.entry(record.key).or_default().push(number);
            }
        }
    }
    assert!(seen.into_iter().eq(numbers));
    of_key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_in_order_whatever_the_broker_does() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut broker) = Broker::start(&folder.path().join("kafka")) else { return };
    let mut config =
        KafkaConfig { append_limit: Duration::from_secs(2), ..KafkaConfig::new(broker.address()) };
    config.settings.insert("session.timeout.ms".to_owned(), "3000".to_owned());
    config.settings.insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
    let cluster = Cluster::new(config).unwrap();
    let specs = [spec("target"), spec("dead")];
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = cluster.create_missing(&specs).await {
        assert!(error.is_transient() && Instant::now() < deadline, "{error}");
    }
    let topics = open(&cluster, &specs).await;
    let journal = Topic::open(TopicConfig {
        name: "source".to_owned(),
        journal: JournalConfig::new("", folder.path().join("journal")),
        groups: vec!["forwarder".to_owned()],
    })
    .unwrap();
    let set_aside =
        Box::new(|_: &_, reason: &str| Record { key: Vec::new(), payload: Bytes::from(reason.to_owned()) });
    let from = journal.consumer("forwarder").unwrap();
    let forwarder =
        Forwarder::new(from, topics[0].clone(), topics[1].clone(), set_aside, ForwardConfig::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(forwarder.run(async { _ = stopped.await }));

    journal.append_all((0..500).map(record).collect()).await.unwrap();
    let mut consumer = topics[0].consumer("reader").unwrap();
    let first = read(&mut consumer, 0..500).await;
    assert_eq!(first.len(), 5);

    broker.kill();
    journal.append_all((500..1000).map(record).collect()).await.unwrap();
    // Long enough for appends to be given up and made again.
    let unhealthy = Instant::now() + Duration::from_secs(30);
    while topics[0].healthy().is_ok() {
        assert!(Instant::now() < unhealthy, "nobody noticed that the broker is away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let waiting = journal.consumer("forwarder").unwrap();
    assert!(waiting.lag() >= 500, "nothing is confirmed while the broker is away");
    broker.restart();
    // A record that is too long to go on is set aside, and stops nothing.
    journal.append(Record { key: b"long".to_vec(), payload: vec![b'x'; 1_000_001].into() }).await.unwrap();
    journal.append(record(1000)).await.unwrap();
    let of_key = read(&mut consumer, 500..1001).await;
    for numbers in of_key.values() {
        assert!(numbers.is_sorted(), "out of order: {numbers:?}");
    }
    let mut dead = topics[1].consumer("reader").unwrap();
    let letters =
        tokio::time::timeout(Duration::from_secs(60), dead.next(10, 1 << 20)).await.unwrap().unwrap();
    let reason = letters[0].record.clone().unwrap().payload;
    assert!(String::from_utf8_lossy(&reason).contains("exceeds the limit"), "{reason:?}");
    while waiting.lag() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
