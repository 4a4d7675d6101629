//! The stage over real topics in a folder: nothing dropped, nothing skipped, the same bytes again after a replay.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use classifier::Ruleset;
use classifier::stage::{Classifier, Config, StageError, Topics};
use engagement::{
    AccountNumber, Classified, DeadLetter, Hit, Kind, Request, Timestamp, from_wire, message_key, to_wire,
};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use stream::{Delivered, JournalConfig, Record, Topic, TopicConfig};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, oneshot};
use uuid::Uuid;

const WAIT: Duration = Duration::from_secs(30);
const AGENTS: [&str; 4] = [
    "Mozilla/5.0",
    "Barracuda Sentinel (EE)",
    "python-requests/2.32.3",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
];

static RULESET: LazyLock<Arc<Ruleset>> = LazyLock::new(|| Arc::new(Ruleset::builtin()));

/// The counters belong to the process, so the tests here take turns.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

fn open_topic(folder: &Path, name: &str, change: impl FnOnce(&mut JournalConfig)) -> Topic {
    let mut journal = JournalConfig {
        keep: Duration::ZERO,
        upkeep_every: Duration::from_millis(20),
        ..JournalConfig::new(name, folder.join(name))
    };
    change(&mut journal);
    let groups = vec!["classifier".to_owned(), "test".to_owned()];
    Topic::open(TopicConfig { name: name.to_owned(), journal, groups }).unwrap()
}

fn topics(folder: &Path) -> Topics {
    Topics {
        raw: open_topic(folder, "engagement.raw", |_| ()),
        classified: open_topic(folder, "engagement.classified", |_| ()),
        delivery: open_topic(folder, "delivery", |_| ()),
        neighbours: open_topic(folder, "engagement.neighbours", |_| ()),
        signals: open_topic(folder, "engagement.signals", |_| ()),
        dead_letter: open_topic(folder, "engagement.dead", |_| ()),
    }
}

fn config() -> Config {
    Config {
        batch_records: 7,
        retry_first: Duration::from_millis(1),
        retry_cap: Duration::from_millis(5),
        ..Config::default()
    }
}

/// A running stage.
struct Running {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), StageError>>,
}

fn start(topics: &Topics) -> Running {
    let (stop, stopped) = oneshot::channel();
    let stage = Classifier::build(config(), topics.clone(), RULESET.clone()).unwrap();
    let task = tokio::spawn(stage.run(async {
        let _ = stopped.await;
    }));
    Running { stop, task }
}

impl Running {
    async fn stop(self) -> Result<(), StageError> {
        let _ = self.stop.send(());
        tokio::time::timeout(WAIT, self.task).await.unwrap().unwrap()
    }
}

fn hit(number: u32) -> Hit {
    let agent = AGENTS[number as usize % AGENTS.len()];
    Hit {
        v: Hit::VERSION,
        event_id: Uuid::from_u128(u128::from(number)),
        account_number: AccountNumber(7),
        account: None,
        kind: if number.is_multiple_of(2) { Kind::Open } else { Kind::Click },
        received_at: Timestamp::from_millis(1_793_610_000_000 + i64::from(number)).unwrap(),
        message_id: format!("message-{}", number % 3),
        recipient_id: "r".to_owned(),
        campaign: String::new(),
        recipient_domain: "example.org".to_owned(),
        sent_at: Timestamp::from_millis(1_793_609_000_000).unwrap(),
        link_index: None,
        link_count: None,
        label: None,
        original: None,
        request: Request {
            method: "GET".to_owned(),
            ip: Some("203.0.113.7".parse().unwrap()),
            ua: agent.to_owned(),
            headers: Default::default(),
            trailing: None,
        },
    }
}

fn raw(number: u32) -> Record {
    let hit = hit(number);
    Record { key: message_key(hit.account_number, &hit.message_id), payload: to_wire(&hit).into() }
}

fn poison(payload: &'static [u8]) -> Record {
    Record { key: b"poison".to_vec(), payload: Bytes::from_static(payload) }
}

/// The next records of a topic, which must come before the wait is over.
async fn take(topic: &Topic, count: usize) -> Vec<Delivered> {
    let mut consumer = topic.consumer("test").unwrap();
    let mut all = Vec::new();
    while all.len() < count {
        let some = tokio::time::timeout(WAIT, consumer.next(count - all.len(), 1 << 20)).await;
        all.extend(some.expect("records arrive").unwrap());
    }
    all
}

fn payloads(delivered: &[Delivered]) -> Vec<Bytes> {
    delivered.iter().map(|one| one.record.as_ref().unwrap().payload.clone()).collect()
}

/// A counter over all its labels.
fn counter(name: &str) -> u64 {
    let families = prometheus::gather();
    let family = families.iter().find(|family| family.name() == name);
    family
        .map_or(0, |family| family.get_metric().iter().map(|one| one.get_counter().get_value() as u64).sum())
}

fn counts() -> [u64; 3] {
    ["consumed", "classified", "dead_lettered"]
        .map(|what| counter(&format!("trueopen_classifier_{what}_records_total")))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < WAIT, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn every_record_is_classified_or_set_aside_and_counted() {
    let _turn = turn().await;
    let folder = TempDir::new().unwrap();
    let topics = topics(folder.path());
    let before = counts();

    let newer = Bytes::from(to_wire(&Hit { v: Hit::VERSION + 1, ..hit(900) }));
    let mut expected = Vec::new();
    let mut bad = Vec::new();
    for number in 0..60 {
        let record = match number {
            3 => poison(b""),
            10 => poison(b"\xff\x00 no json"),
            11 => poison(br#"{"v":1,"received_at":"2026-11-02T09:00:00Z"}"#),
            25 => Record { key: b"newer".to_vec(), payload: newer.clone() },
            59 => poison(b"[1,2"),
            _ => raw(number),
        };
        if [3, 10, 11, 25, 59].contains(&number) {
            bad.push(record.clone());
        } else {
            let classified = to_wire(&RULESET.classify(hit(number)));
            expected.push(Record { key: record.key.clone(), payload: classified.into() });
        }
        topics.raw.append(record).await.unwrap();
    }

    let running = start(&topics);
    let classified = take(&topics.classified, expected.len()).await;
    let dead = take(&topics.dead_letter, bad.len()).await;
    running.stop().await.unwrap();

    // Order within the topic is kept, and so is each key.
    let found: Vec<Record> = classified.into_iter().map(|one| one.record.unwrap()).collect();
    assert_eq!(found, expected);
    let first: Classified = from_wire(&found[1].payload).unwrap();
    assert_eq!((first.verdict.source.as_str(), first.client.as_str()), ("barracuda", "Barracuda"));

    let letters: Vec<DeadLetter> =
        payloads(&dead).iter().map(|payload| from_wire(payload).unwrap()).collect();
    for (number, ((letter, record), delivered)) in letters.iter().zip(&bad).zip(&dead).enumerate() {
        assert_eq!(STANDARD.decode(&letter.original_base64).unwrap(), record.payload);
        assert_eq!((letter.topic.as_str(), letter.partition), ("engagement.raw", 0));
        assert_eq!(delivered.record.as_ref().unwrap().key, record.key);
        assert_eq!(letter.reason.contains("newer"), number == 3, "{}", letter.reason);
        assert_eq!(letter.at.is_some(), [2, 3].contains(&number), "{letter:?}");
    }
    let offsets: Vec<u64> = letters.iter().map(|letter| letter.offset).collect();
    assert!(offsets.is_sorted() && offsets[1] + 1 == offsets[2], "{offsets:?}");

    let after = counts();
    let [consumed, classified, dead_lettered] = std::array::from_fn(|index| after[index] - before[index]);
    assert_eq!((consumed, classified, dead_lettered), (60, 55, 5));
}

#[tokio::test]
async fn a_restart_without_a_position_gives_the_same_bytes_again() {
    let _turn = turn().await;
    let folder = TempDir::new().unwrap();
    let whole = 40;
    let bad = 4;
    {
        let topics = topics(folder.path());
        for number in 0..whole {
            topics.raw.append(raw(number)).await.unwrap();
            if number % 10 == 0 {
                topics.raw.append(poison(b"{}")).await.unwrap();
            }
        }
        let running = start(&topics);
        take(&topics.classified, whole as usize).await;
        take(&topics.dead_letter, bad).await;
        running.stop().await.unwrap();
        topics.raw.close().await;
        topics.classified.close().await;
        topics.delivery.close().await;
        topics.dead_letter.close().await;
    }
    // The position is a hint: losing it costs repeats.
    std::fs::remove_dir_all(folder.path().join("engagement.raw").join("positions")).unwrap();

    let topics = topics(folder.path());
    let running = start(&topics);
    let classified = payloads(&take(&topics.classified, 2 * whole as usize).await);
    let dead = payloads(&take(&topics.dead_letter, 2 * bad).await);
    running.stop().await.unwrap();
    assert_eq!(classified[..whole as usize], classified[whole as usize..]);
    assert_eq!(dead[..bad], dead[bad..]);
}

#[tokio::test]
async fn a_stop_in_the_middle_loses_nothing() {
    let _turn = turn().await;
    let folder = TempDir::new().unwrap();
    let topics = topics(folder.path());
    let whole = 200;
    topics.raw.append_all((0..whole).map(raw).collect()).await.unwrap();
    let mut consumer = topics.classified.consumer("test").unwrap();
    let mut seen = Vec::new();
    // Stopped again and again as soon as anything new came out.
    while seen.last() != Some(&(whole - 1)) {
        let running = start(&topics);
        let some = tokio::time::timeout(WAIT, consumer.next(1000, 1 << 20)).await.expect("records arrive");
        running.stop().await.unwrap();
        for payload in payloads(&some.unwrap()) {
            let classified: Classified = from_wire(&payload).unwrap();
            seen.push(u32::try_from(classified.hit.event_id.as_u128()).unwrap());
        }
    }
    // Repeats are allowed; gaps and a changed order are not.
    let mut reached = 0;
    for number in seen {
        assert!(number <= reached, "{number} came before {reached}");
        reached = reached.max(number + 1);
    }
    assert_eq!(reached, whole);
}

#[tokio::test]
async fn a_full_topic_is_waited_for_and_nothing_is_skipped() {
    let _turn = turn().await;
    let folder = TempDir::new().unwrap();
    let small = |journal: &mut JournalConfig| {
        journal.segment_bytes = 4096;
        journal.max_bytes = 24 << 10;
    };
    let topics = Topics {
        classified: open_topic(folder.path(), "engagement.classified", |journal| {
            small(journal);
            journal.segment_age = Duration::from_millis(20);
        }),
        ..topics_without_classified(folder.path())
    };
    let whole = 300;
    topics.raw.append_all((0..whole).map(raw).collect()).await.unwrap();
    // The other group of the classified topic reads nothing, so retention can't make room.
    let unread = topics.classified.consumer("classifier").unwrap();
    let mut consumer = topics.classified.consumer("test").unwrap();
    let before = counter("trueopen_classifier_append_retries_total");
    let running = start(&topics);
    let retries = || counter("trueopen_classifier_append_retries_total");
    until("the topic is full", || retries() > before + 3).await;
    // A stop does not wait for room.
    running.stop().await.unwrap();
    let before = retries();
    let running = start(&topics);
    until("the topic is found full again", || retries() > before + 3).await;

    let mut last = None;
    while last != Some(whole - 1) {
        let some = tokio::time::timeout(WAIT, consumer.next(1000, 1 << 20)).await.expect("records arrive");
        for one in some.unwrap() {
            let classified: Classified = from_wire(&one.record.unwrap().payload).unwrap();
            let number = u32::try_from(classified.hit.event_id.as_u128()).unwrap();
            // A refused append may have been taken in part, so records may repeat, but none may be left out.
            let next = last.map_or(0, |last: u32| last + 1);
            assert!(number <= next, "{number} came where {next} was due");
            last = last.max(Some(number));
            consumer.commit(one.partition, one.offset + 1).unwrap();
            unread.commit(one.partition, one.offset + 1).unwrap();
        }
    }
    running.stop().await.unwrap();
}

fn topics_without_classified(folder: &Path) -> Topics {
    let unused = folder.join("unused");
    Topics {
        raw: open_topic(folder, "engagement.raw", |_| ()),
        classified: open_topic(&unused, "engagement.classified", |_| ()),
        delivery: open_topic(folder, "delivery", |_| ()),
        neighbours: open_topic(folder, "engagement.neighbours", |_| ()),
        signals: open_topic(folder, "engagement.signals", |_| ()),
        dead_letter: open_topic(folder, "engagement.dead", |_| ()),
    }
}

#[tokio::test]
async fn what_is_too_long_is_set_aside_alone_and_cut_if_it_must_be() {
    let _turn = turn().await;
    let folder = TempDir::new().unwrap();
    let limit = 4000;
    let topics = Topics {
        raw: open_topic(folder.path(), "engagement.raw", |_| ()),
        classified: open_topic(folder.path(), "engagement.classified", |journal| {
            journal.max_record_bytes = limit;
        }),
        delivery: open_topic(folder.path(), "delivery", |_| ()),
        neighbours: open_topic(folder.path(), "engagement.neighbours", |_| ()),
        signals: open_topic(folder.path(), "engagement.signals", |_| ()),
        dead_letter: open_topic(folder.path(), "engagement.dead", |journal| journal.max_record_bytes = limit),
    };
    let long = |number: u32, bytes: usize| {
        let mut hit = hit(number);
        hit.request.ua = "x".repeat(bytes);
        Record { key: message_key(hit.account_number, &hit.message_id), payload: to_wire(&hit).into() }
    };
    // The second is refused with its verdict and fits as a dead letter only in part; so does the bad one.
    let huge = format!("{{\"v\":\"{}\"", "y".repeat(9000));
    let records =
        vec![raw(0), long(1, 3600), raw(2), Record { key: Vec::new(), payload: huge.clone().into() }, raw(4)];
    let original = records[1].payload.clone();
    let before = counter("trueopen_classifier_cut_dead_letters_total");
    topics.raw.append_all(records).await.unwrap();
    let running = start(&topics);

    let dead = payloads(&take(&topics.dead_letter, 2).await);
    let mut consumer = topics.classified.consumer("test").unwrap();
    let mut ids = Vec::new();
    while ids.last() != Some(&4) {
        let some = tokio::time::timeout(WAIT, consumer.next(10, 1 << 20)).await.expect("records arrive");
        ids.extend(
            payloads(&some.unwrap())
                .iter()
                .map(|payload| from_wire::<Classified>(payload).unwrap().hit.event_id.as_u128()),
        );
    }
    running.stop().await.unwrap();
    // The whole batch is tried first, so what stands before the long one may repeat.
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, [0, 2, 4]);
    let letters: Vec<DeadLetter> = dead.iter().map(|payload| from_wire(payload).unwrap()).collect();
    assert!(letters[0].reason.contains("its verdict makes"), "{}", letters[0].reason);
    assert!(letters[0].at.is_some());
    for (letter, whole) in letters.iter().zip([original, huge.into()]) {
        let kept = STANDARD.decode(&letter.original_base64).unwrap();
        assert!(kept.len() > 2000 && whole.starts_with(&kept), "{}", kept.len());
        assert!(letter.reason.contains(&format!("the first bytes of {}", whole.len())), "{}", letter.reason);
    }
    assert_eq!(counter("trueopen_classifier_cut_dead_letters_total") - before, 2);
}

#[tokio::test]
async fn it_ends_only_for_what_trying_again_cannot_mend() {
    let _turn = turn().await;
    let folder = TempDir::new().unwrap();
    let topics = topics(folder.path());
    let stranger = Config { group: "stranger".to_owned(), ..config() };
    assert!(matches!(
        Classifier::build(stranger, topics.clone(), RULESET.clone()),
        Err(StageError::Position(_))
    ));

    let running = start(&topics);
    topics.classified.clone().close().await;
    topics.raw.append(raw(0)).await.unwrap();
    let ended = tokio::time::timeout(WAIT, running.task).await.unwrap().unwrap();
    assert!(
        matches!(&ended, Err(StageError::Closed { topic }) if topic == "engagement.classified"),
        "{ended:?}"
    );

    // A raw topic that is closed and empty is the end of the work, not a failure.
    let folder = TempDir::new().unwrap();
    let topics = self::topics(folder.path());
    let running = start(&topics);
    topics.raw.clone().close().await;
    tokio::time::timeout(WAIT, running.task).await.unwrap().unwrap().unwrap();
}
