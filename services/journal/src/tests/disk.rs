//! On the real disk: what an ordinary life looks like.

use std::time::Duration;

use tempfile::TempDir;

use super::{block_on, metric, read_all};
use crate::{AppendError, CommitError, Config, Journal, OpenError, ReadError};

fn config(folder: &TempDir) -> Config {
    Config {
        segment_bytes: 4096,
        keep: Duration::ZERO,
        consumers: vec!["one".to_owned(), "two".to_owned()],
        upkeep_every: Duration::from_secs(3600),
        ..Config::new("disk", folder.path().join("journal"))
    }
}

fn record(number: u64) -> Vec<u8> {
    format!("record {number} {}", "x".repeat((number % 300) as usize)).into_bytes()
}

#[test]
fn what_is_answered_is_read_in_order_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let (journal, recovery) = Journal::open(config(&folder)).unwrap();
    assert_eq!(recovery, crate::Recovery::default());
    for number in 0..100 {
        assert_eq!(block_on(journal.append(record(number))), Ok(number));
    }
    let batch = (100..200).map(record).collect();
    assert_eq!(block_on(journal.append_all(batch)), Ok(100));
    let expected: Vec<_> = (0..200).map(|number| (number, record(number))).collect();
    assert_eq!(read_all(&journal), expected);
    assert!(journal.stats().segments > 2, "{:?}", journal.stats());
    block_on(journal.close());

    let (journal, recovery) = Journal::open(config(&folder)).unwrap();
    assert_eq!((recovery.end, recovery.torn_bytes, recovery.set_aside), (200, 0, 0));
    assert_eq!(read_all(&journal), expected);
    assert_eq!(block_on(journal.append(record(200))), Ok(200));
    let mut reader = journal.reader(150);
    assert_eq!(reader.try_next(1, 1).unwrap()[0].sequence, 150);
    assert_eq!(reader.position(), 151);
}

#[test]
fn a_waiting_reader_is_woken_and_hears_of_the_end() {
    let folder = TempDir::new().unwrap();
    let (journal, _) = Journal::open(config(&folder)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut reader = journal.reader(0);
        let reading = tokio::spawn(async move {
            let mut sequences = Vec::new();
            loop {
                match reader.next(7, 1 << 20).await {
                    Ok(entries) => sequences.extend(entries.iter().map(|entry| entry.sequence)),
                    Err(ReadError::Closed) => return sequences,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        for number in 0..500 {
            journal.append(record(number)).await.unwrap();
        }
        journal.clone().close().await;
        assert_eq!(reading.await.unwrap(), (0..500).collect::<Vec<_>>());
        assert_eq!(journal.append(record(0)).await, Err(AppendError::Closed));
    });
}

#[test]
fn a_dropped_call_of_next_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let (journal, _) = Journal::open(config(&folder)).unwrap();
    block_on(journal.append_all((0..300).map(record).collect())).unwrap();
    block_on(async {
        let mut reader = journal.reader(0);
        let mut sequences: Vec<u64> = Vec::new();
        while sequences.len() < 300 {
            // The first poll starts the read on another thread and is dropped at once.
            tokio::select! {
                biased;
                entries = reader.next(11, 1 << 20) => sequences.extend(entries.unwrap().iter().map(|e| e.sequence)),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(sequences, (0..300).collect::<Vec<_>>());
    });
}

#[test]
fn limits_of_next_are_kept() {
    let folder = TempDir::new().unwrap();
    let (journal, _) = Journal::open(config(&folder)).unwrap();
    block_on(journal.append_all(vec![vec![1; 100]; 10])).unwrap();
    let mut reader = journal.reader(0);
    assert_eq!(reader.try_next(3, 1000).unwrap().len(), 3);
    assert_eq!(reader.try_next(10, 250).unwrap().len(), 2);
    assert_eq!(reader.try_next(10, 5).unwrap().len(), 1, "the first alone may be longer");
    assert_eq!(reader.position(), 6);
}

#[test]
fn one_owner_at_a_time() {
    let folder = TempDir::new().unwrap();
    let (journal, _) = Journal::open(config(&folder)).unwrap();
    assert!(matches!(Journal::open(config(&folder)), Err(OpenError::Locked)));
    drop(journal);
    assert!(Journal::open(config(&folder)).is_ok());
}

#[test]
fn segments_go_when_every_registered_consumer_is_past_them() {
    let folder = TempDir::new().unwrap();
    let (journal, _) = Journal::open(config(&folder)).unwrap();
    for number in 0..200 {
        block_on(journal.append(record(number))).unwrap();
    }
    let before = journal.stats();
    journal.commit("one", 200).unwrap();
    block_on(journal.upkeep());
    assert_eq!(journal.stats(), before, "the second consumer has read nothing");
    journal.commit("two", 100).unwrap();
    block_on(journal.upkeep());
    assert!(journal.start() > 0 && journal.start() <= 100, "{}", journal.start());
    journal.commit("two", 200).unwrap();
    block_on(journal.upkeep());
    assert_eq!(journal.stats().segments, 1);
    assert_eq!(journal.reader(3).position(), journal.start(), "what is gone is clamped to the oldest");
    drop(journal);
    let (journal, _) = Journal::open(config(&folder)).unwrap();
    assert_eq!((journal.position("one"), journal.position("two")), (Some(200), Some(200)));
    assert_eq!(journal.commit("three", 1), Err(CommitError::UnknownConsumer));
    assert_eq!(journal.commit("one", 201), Err(CommitError::BeyondEnd { position: 201, end: 200 }));
}

#[test]
fn what_was_read_is_not_unread_though_a_restart_would_begin_before_it() {
    let folder = TempDir::new().unwrap();
    let config = Config { name: "reads-ahead".to_owned(), ..config(&folder) };
    let (journal, _) = Journal::open(config).unwrap();
    for number in 0..200 {
        block_on(journal.append(record(number))).unwrap();
    }
    let unread = |consumer| {
        block_on(journal.upkeep());
        let labels = [("journal", "reads-ahead"), ("consumer", consumer)];
        metric("trueopen_journal_unread_records", &labels)
    };
    journal.commit("one", 50).unwrap();
    journal.commit("two", 200).unwrap();
    assert_eq!((unread("one"), unread("two")), (150.0, 0.0));
    journal.note_read("one", 180);
    assert_eq!(unread("one"), 20.0);
    journal.note_read("one", u64::MAX);
    assert_eq!(unread("one"), 0.0, "it waits for nothing");
    assert_eq!(journal.position("one"), Some(50));
    assert!(journal.start() <= 50, "retention waits for what is committed");
    // It reads again: only what it has noted since counts.
    journal.note_read("one", 190);
    assert_eq!(unread("one"), 10.0);
}

#[test]
fn keep_holds_segments_that_everybody_has_passed() {
    let folder = TempDir::new().unwrap();
    let config = Config { keep: Duration::from_secs(3600), consumers: Vec::new(), ..config(&folder) };
    let (journal, _) = Journal::open(config).unwrap();
    for number in 0..200 {
        block_on(journal.append(record(number))).unwrap();
    }
    let before = journal.stats();
    block_on(journal.upkeep());
    assert_eq!(journal.stats(), before);
}

#[test]
fn the_quota_refuses_and_recovers() {
    let folder = TempDir::new().unwrap();
    let config = Config { max_bytes: 20_000, consumers: vec!["one".to_owned()], ..config(&folder) };
    let (journal, _) = Journal::open(config).unwrap();
    let mut answered = 0;
    while let Ok(_sequence) = block_on(journal.append(vec![7; 1000])) {
        answered += 1;
    }
    assert_eq!(block_on(journal.append(vec![7; 1000])), Err(AppendError::Full));
    assert!(journal.stats().bytes <= 20_000);
    assert_eq!(journal.healthy(), Err(crate::Reason::QuotaReached));
    journal.commit("one", answered).unwrap();
    assert_eq!(block_on(journal.append(vec![7; 1000])), Ok(answered), "retention makes room on demand");
    assert_eq!(journal.healthy(), Ok(()));
}

#[test]
fn bounds_at_the_door() {
    let folder = TempDir::new().unwrap();
    let config = Config { max_record_bytes: 10, queue_records: 0, ..config(&folder) };
    let (journal, _) = Journal::open(config).unwrap();
    assert_eq!(block_on(journal.append(vec![0; 11])), Err(AppendError::TooLarge { bytes: 11, limit: 10 }));
    assert_eq!(block_on(journal.append(vec![0; 10])), Err(AppendError::Busy));
}
