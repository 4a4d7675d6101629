//! The contract of a topic, held to every backing. A backing is a way to open a topic twice.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

mod fencing;
mod follower;
mod lost;
mod worker;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acceptance::Broker;
use bytes::Bytes;
use stream::{
    AppendError, Cluster, Delivered, GroupError, JournalConfig, KafkaConfig, ReadError, Record, Topic,
    TopicConfig, TopicSpec,
};
use tempfile::TempDir;

/// Where a topic lives. Opening it again, after it was closed or dropped, finds what was there.
trait Backing: Sized {
    /// `None` where what it needs can't be had; that is said and counted.
    fn new() -> Option<Self>;
    async fn open_beside(&self, name: &str, groups: &[&str]) -> Topic;

    async fn open(&self, groups: &[&str]) -> Topic {
        self.open_beside("topic", groups).await
    }
}

struct OverJournal(TempDir);

impl Backing for OverJournal {
    fn new() -> Option<OverJournal> {
        Some(OverJournal(TempDir::new().unwrap()))
    }

    async fn open_beside(&self, name: &str, groups: &[&str]) -> Topic {
        let journal = JournalConfig {
            segment_bytes: 4096,
            keep: Duration::ZERO,
            max_record_bytes: 10_000,
            ..JournalConfig::new("", self.0.path().join(name))
        };
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Topic::open(TopicConfig { name: name.to_owned(), journal, groups }).unwrap()
    }
}

/// A topic of its own on the one broker of this process.
struct OverKafka<const PARTITIONS: u32> {
    broker: String,
    name: String,
}

impl<const PARTITIONS: u32> Backing for OverKafka<PARTITIONS> {
    fn new() -> Option<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("contract-{}", MADE.fetch_add(1, Ordering::Relaxed));
        Some(Self { broker: Broker::shared()?, name })
    }

    async fn open_beside(&self, name: &str, groups: &[&str]) -> Topic {
        self.open_as("one", &[], name, groups).await
    }
}

impl<const PARTITIONS: u32> OverKafka<PARTITIONS> {
    /// Opens a topic as a process of this name would, with some settings of librdkafka.
    async fn open_as(&self, instance: &str, settings: &[(&str, &str)], name: &str, groups: &[&str]) -> Topic {
        let mut config = KafkaConfig::new(&self.broker);
        // Its own of each test: a name for transactions is good for one at a time.
        config.instance = Some(format!("{}-{instance}", self.name));
        let settings = settings.iter().chain(&[("message.max.bytes", "10000")]);
        config.settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let cluster = Cluster::new(config).unwrap();
        let spec = TopicSpec {
            name: format!("{}-{name}", self.name),
            partitions: PARTITIONS,
            replication: 1,
            settings: BTreeMap::new(),
            at_least: [("min.insync.replicas".to_owned(), 1)].into(),
            same_partitions: None,
        };
        cluster.create_missing(std::slice::from_ref(&spec)).await.unwrap();
        // A topic that was just made takes a moment to show everywhere.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match cluster.open(std::slice::from_ref(&spec), groups).await {
                Ok(mut topics) => return topics.remove(0),
                Err(error) => assert!(error.is_transient() && Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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

/// Waits until the lag is so large, reading on meanwhile: a consumer that nobody asks hears nothing from Kafka.
async fn lag_becomes(consumer: &mut stream::Consumer, expected: u64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while consumer.lag() != expected {
        assert!(Instant::now() < deadline, "the lag is {}, not {expected}", consumer.lag());
        let _ = tokio::time::timeout(Duration::from_millis(50), consumer.next(1000, 1 << 20)).await;
    }
}

async fn delivers_everything_in_the_order_of_each_key<B: Backing>() {
    let Some(backing) = B::new() else { return };
    let topic = backing.open(&["group"]).await;
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
    let Some(backing) = B::new() else { return };
    let topic = backing.open(&["one", "two"]).await;
    topic.append_all((0..100).map(|number| record(number, number)).collect()).await.unwrap();
    let mut consumer = topic.consumer("one").unwrap();
    let first = take(&mut consumer, 60).await;
    lag_becomes(&mut consumer, 100).await;
    commit(&consumer, &first[..40]);
    lag_becomes(&mut consumer, 60).await;
    consumer.rewind();
    let again = take(&mut consumer, 60).await;
    assert_eq!(again[..20], first[40..], "what was not committed comes again");
    drop(consumer);
    topic.close().await;

    let topic = backing.open(&["one", "two"]).await;
    let mut consumer = topic.consumer("one").unwrap();
    assert_eq!(take(&mut consumer, 60).await, again);
    let mut other = topic.consumer("two").unwrap();
    assert_eq!(take(&mut other, 100).await[40..], again, "groups are independent");
    consumer.rewind_to_oldest();
    assert_eq!(take(&mut consumer, 100).await[..60], first);
}

async fn a_waiting_consumer_is_woken_and_hears_of_the_close<B: Backing>() {
    let Some(backing) = B::new() else { return };
    let topic = backing.open(&["group"]).await;
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
    let Some(backing) = B::new() else { return };
    let topic = backing.open(&["group"]).await;
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

use follower::a_follower_says_when_it_has_read_to_the_end;
use worker::{a_worker_writes_and_moves_on_together, what_is_no_position_is_not_finished};

macro_rules! contract {
    ($name:ident, $backing:ty: $($case:ident),* $(,)?) => {
        mod $name {
            // Two threads: a consumer that leaves its group waits for a broker.
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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
    a_worker_writes_and_moves_on_together,
    what_is_no_position_is_not_finished,
    a_follower_says_when_it_has_read_to_the_end,
}

contract! {
    over_kafka, super::OverKafka<1>:
    delivers_everything_in_the_order_of_each_key,
    a_group_goes_on_where_it_committed,
    a_waiting_consumer_is_woken_and_hears_of_the_close,
    mistakes_have_answers,
    a_worker_writes_and_moves_on_together,
    what_is_no_position_is_not_finished,
    a_follower_says_when_it_has_read_to_the_end,
}

contract! {
    over_kafka_with_partitions, super::OverKafka<3>:
    delivers_everything_in_the_order_of_each_key,
    a_waiting_consumer_is_woken_and_hears_of_the_close,
    mistakes_have_answers,
    a_worker_writes_and_moves_on_together,
    what_is_no_position_is_not_finished,
    a_follower_says_when_it_has_read_to_the_end,
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

/// Reads and commits until told to stop; what it read.
async fn member(
    mut consumer: stream::Consumer,
    mut stop: tokio::sync::watch::Receiver<bool>,
    seen: Arc<Mutex<Vec<u64>>>,
) -> HashSet<u32> {
    let mut partitions = HashSet::new();
    loop {
        let batch = tokio::select! {
            _ = stop.wait_for(|asked| *asked) => return partitions,
            batch = consumer.next(50, 1 << 20) => batch.unwrap(),
        };
        for delivered in &batch {
            partitions.insert(delivered.partition);
            let payload = delivered.record.clone().unwrap().payload;
            seen.lock().unwrap().push(std::str::from_utf8(&payload).unwrap().parse().unwrap());
        }
        commit(&consumer, &batch);
    }
}

/// Members of a group over Kafka share its partitions; one that joins or leaves costs repeats at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_and_nothing_is_skipped() {
    let Some(backing) = OverKafka::<4>::new() else { return };
    let topic = backing.open(&["group"]).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let start = |stop: &tokio::sync::watch::Sender<bool>| {
        let consumer = topic.consumer("group").unwrap();
        tokio::spawn(member(consumer, stop.subscribe(), Arc::clone(&seen)))
    };
    let has_seen = async |numbers: std::ops::Range<u64>| {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let seen: HashSet<u64> = seen.lock().unwrap().iter().copied().collect();
            if numbers.clone().all(|number| seen.contains(&number)) {
                return;
            }
            assert!(Instant::now() < deadline, "only {} of {numbers:?} came", seen.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (stop_first, stop_second) =
        (tokio::sync::watch::Sender::new(false), tokio::sync::watch::Sender::new(false));
    let first = start(&stop_first);
    topic.append_all((0..1000).map(|number| record(number, number)).collect()).await.unwrap();
    has_seen(0..1000).await;
    // The second takes over some partitions while records go on; then the first leaves and the second has all.
    let second = start(&stop_second);
    for number in 1000..2000 {
        topic.append(record(number, number)).await.unwrap();
    }
    has_seen(1000..2000).await;
    stop_first.send_replace(true);
    assert_eq!(first.await.unwrap().len(), 4, "the first had all partitions before the second came");
    topic.append_all((2000..3000).map(|number| record(number, number)).collect()).await.unwrap();
    has_seen(2000..3000).await;
    stop_second.send_replace(true);
    assert_eq!(second.await.unwrap().len(), 4, "the second took over all partitions");
    let repeats = seen.lock().unwrap().len() - 3000;
    assert!(repeats < 1500, "{repeats} repeats: positions were not handed over");
    topic.close().await;
}
