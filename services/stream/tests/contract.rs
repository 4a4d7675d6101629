//! The contract of a topic, held to every backing. A backing is a way to open one topic twice.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use stream::{AppendError, Delivered, GroupError, JournalConfig, ReadError, Record, Topic, TopicConfig};
use tempfile::TempDir;

/// Where a topic lives. Opening it again, after it was closed or dropped, finds what was there.
trait Backing {
    fn new() -> Self;
    fn open(&self, groups: &[&str]) -> Topic;
}

struct OverJournal(TempDir);

impl Backing for OverJournal {
    fn new() -> OverJournal {
        OverJournal(TempDir::new().unwrap())
    }

    fn open(&self, groups: &[&str]) -> Topic {
        let journal = JournalConfig {
            segment_bytes: 4096,
            keep: Duration::ZERO,
            max_record_bytes: 10_000,
            ..JournalConfig::new("", self.0.path().join("topic"))
        };
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Topic::open(TopicConfig { name: "contract".to_owned(), journal, groups }).unwrap()
    }
}

fn record(key: u64, number: u64) -> Record {
    Record { key: format!("key {key}").into_bytes(), payload: Bytes::from(format!("{number}")) }
}

async fn take(consumer: &mut stream::Consumer, count: usize) -> Vec<Delivered> {
    let mut all = Vec::new();
    while all.len() < count {
        let wait = Duration::from_secs(30);
        let some = tokio::time::timeout(wait, consumer.next(count - all.len(), 1 << 20)).await;
        all.extend(some.expect("records arrive").unwrap());
    }
    all
}

async fn delivers_everything_in_the_order_of_each_key<B: Backing>() {
    let backing = B::new();
    let topic = backing.open(&["group"]);
    let mut expected: HashMap<Vec<u8>, Vec<Record>> = HashMap::new();
    for number in 0..50 {
        let one = record(number % 3, number);
        topic.append(one.clone()).await.unwrap();
        expected.entry(one.key.clone()).or_default().push(one);
    }
    let batch: Vec<_> = (50..3000).map(|number| record(number % 3, number)).collect();
    topic.append_all(batch.clone()).await.unwrap();
    for one in batch {
        expected.entry(one.key.clone()).or_default().push(one);
    }
    let mut consumer = topic.consumer("group").unwrap();
    let mut found: HashMap<Vec<u8>, Vec<Record>> = HashMap::new();
    for delivered in take(&mut consumer, 3000).await {
        let one = delivered.record.unwrap();
        found.entry(one.key.clone()).or_default().push(one);
    }
    assert_eq!(found, expected);
    topic.append_all(Vec::new()).await.unwrap();
}

async fn a_group_goes_on_where_it_committed<B: Backing>() {
    let backing = B::new();
    let topic = backing.open(&["one", "two"]);
    topic.append_all((0..100).map(|number| record(number, number)).collect()).await.unwrap();
    let mut consumer = topic.consumer("one").unwrap();
    assert_eq!(consumer.lag(), 100);
    let first = take(&mut consumer, 60).await;
    commit(&consumer, &first[..40]);
    assert_eq!(consumer.lag(), 60);
    consumer.rewind();
    let again = take(&mut consumer, 60).await;
    assert_eq!(again[..20], first[40..], "what was not committed comes again");
    drop(consumer);
    topic.close().await;

    let topic = backing.open(&["one", "two"]);
    let mut consumer = topic.consumer("one").unwrap();
    assert_eq!(take(&mut consumer, 60).await, again);
    let mut other = topic.consumer("two").unwrap();
    assert_eq!(take(&mut other, 100).await[40..], again, "groups are independent");
    consumer.rewind_to_oldest();
    assert_eq!(take(&mut consumer, 100).await[..60], first);
}

async fn a_waiting_consumer_is_woken_and_hears_of_the_close<B: Backing>() {
    let backing = B::new();
    let topic = backing.open(&["group"]);
    let mut consumer = topic.consumer("group").unwrap();
    let waiting = tokio::spawn(async move {
        let first = consumer.next(10, 1000).await.unwrap();
        (first, consumer.next(10, 1000).await)
    });
    topic.append(record(1, 1)).await.unwrap();
    topic.clone().close().await;
    let (first, second) = waiting.await.unwrap();
    assert_eq!(first[0].record, Ok(record(1, 1)));
    assert!(matches!(second, Err(ReadError::Closed)));
    let refused = topic.append(record(1, 1)).await.unwrap_err();
    assert!(matches!(refused, AppendError::Closed { .. }) && !refused.is_transient());
}

async fn mistakes_have_answers<B: Backing>() {
    let backing = B::new();
    let topic = backing.open(&["group"]);
    assert!(matches!(topic.consumer("other"), Err(GroupError::Unknown { .. })));
    let consumer = topic.consumer("group").unwrap();
    assert!(matches!(consumer.commit(0, 1), Err(GroupError::NoSuchOffset { .. })));
    assert!(matches!(consumer.commit(99, 0), Err(GroupError::NoSuchOffset { .. })));
    let large = Record { key: Vec::new(), payload: Bytes::from(vec![0; 20_000]) };
    let refused = topic.append(large).await.unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { .. }) && !refused.is_transient());
    assert_eq!(topic.healthy(), Ok(()));
}

fn commit(consumer: &stream::Consumer, done: &[Delivered]) {
    for delivered in done {
        consumer.commit(delivered.partition, delivered.offset + 1).unwrap();
    }
}

macro_rules! contract {
    ($name:ident, $backing:ty: $($case:ident),* $(,)?) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                super::$case::<$backing>().await;
            })*
        }
    };
}

contract! {
    over_journal, super::OverJournal:
    delivers_everything_in_the_order_of_each_key,
    a_group_goes_on_where_it_committed,
    a_waiting_consumer_is_woken_and_hears_of_the_close,
    mistakes_have_answers,
}

/// What a later program, or a fault, put into the journal reaches the consumer with its bytes.
#[tokio::test]
async fn bytes_that_are_no_record_are_delivered_as_such() {
    let folder = TempDir::new().unwrap();
    let config = JournalConfig {
        consumers: vec!["group".to_owned()],
        ..JournalConfig::new("contract", folder.path().join("topic"))
    };
    let (journal, _) = journal::Journal::open(config).unwrap();
    journal.append(b"\x07from the future".to_vec()).await.unwrap();
    let topic = Topic::over_journal("contract", journal);
    topic.append(record(1, 1)).await.unwrap();
    let mut consumer = topic.consumer("group").unwrap();
    let delivered = take(&mut consumer, 2).await;
    let undecodable = delivered[0].record.clone().unwrap_err();
    assert_eq!(undecodable.bytes, &b"\x07from the future"[..]);
    assert_eq!(delivered[1].record, Ok(record(1, 1)));
    consumer.commit(0, delivered[1].offset + 1).unwrap();
    assert_eq!(consumer.lag(), 0);
}
