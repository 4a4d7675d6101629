//! On the simulated disk: each fault by itself, and what it looks like from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{block_on, metric, read_all};
use crate::frame::SEGMENT_HEADER;
use crate::simulated::SimulatedDisk;
use crate::{AppendError, Config, Journal, Reason, Recovery};

/// A disk, a clock and the settings of one journal.
struct Bench {
    disk: SimulatedDisk,
    clock: Arc<AtomicU64>,
    config: Config,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let config = Config {
            segment_bytes: 1000,
            keep: Duration::ZERO,
            consumers: vec!["one".to_owned()],
            probe_after: Duration::ZERO,
            upkeep_every: Duration::from_secs(3600),
            ..Config::new(name, "unused")
        };
        Bench { disk: SimulatedDisk::new(), clock: Arc::new(AtomicU64::new(1_000_000)), config }
    }

    fn open(&self) -> (Journal, Recovery) {
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || clock.load(Ordering::Relaxed));
        Journal::open_on(self.config.clone(), Arc::new(self.disk.clone()), clock).unwrap()
    }

    fn segments(&self) -> Vec<String> {
        self.disk.names().into_iter().filter(|name| name.ends_with(".segment")).collect()
    }

    fn aside(&self) -> Vec<String> {
        self.disk.names().into_iter().filter(|name| name.starts_with("set-aside/")).collect()
    }

    fn counted(&self, metric_name: &str, reason: Option<&str>) -> f64 {
        let mut labels = vec![("journal", self.config.name.as_str())];
        labels.extend(reason.map(|reason| ("reason", reason)));
        metric(metric_name, &labels)
    }
}

fn fill(journal: &Journal, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(block_on(journal.append(record(number))), Ok(number));
    }
}

/// 68 bytes and a header of 32: ten make a segment.
fn record(number: u64) -> Vec<u8> {
    format!("{number:068}").into_bytes()
}

fn numbers(journal: &Journal) -> Vec<u64> {
    let all = read_all(journal);
    for (sequence, payload) in &all {
        assert_eq!(payload, &record(*sequence));
    }
    all.into_iter().map(|(sequence, _)| sequence).collect()
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    for (name, tail) in
        [("torn_frame", &[0xF7, b'j', b'r', b'n', 200, 0, 0, 0, 1][..]), ("torn_zeros", &[0; 300])]
    {
        let bench = Bench::new(name);
        fill(&bench.open().0, 0..5);
        let path = &bench.segments()[0];
        let whole = bench.disk.bytes(path);
        bench.disk.put(path, &[&whole, tail].concat());
        let (journal, recovery) = bench.open();
        assert_eq!((recovery.torn_bytes, recovery.end, recovery.set_aside), (tail.len() as u64, 5, 0));
        assert_eq!(numbers(&journal), [0, 1, 2, 3, 4]);
        assert_eq!(bench.disk.bytes(path), whole);
        assert_eq!(bench.aside(), [""; 0]);
        assert_eq!(bench.counted("trueopen_journal_torn_bytes_total", None), tail.len() as f64);
        fill(&journal, 5..6);
    }
}

#[test]
fn damage_in_the_middle_is_set_aside_once_and_the_rest_is_read() {
    let bench = Bench::new("damage");
    fill(&bench.open().0, 0..25);
    // One frame in the first segment, which a reader comes upon, and two in the last, which the start comes upon.
    for (index, first, count) in [(0, 3, 1), (2, 2, 2)] {
        let path = &bench.segments()[index];
        let mut bytes = bench.disk.bytes(path);
        for frame in first..first + count {
            bytes[SEGMENT_HEADER + frame * 100 + 40] ^= 0xFF;
        }
        bench.disk.put(path, &bytes);
    }
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.set_aside, recovery.end), (1, 25));
    assert_eq!(bench.aside().len(), 1);
    let expected: Vec<u64> = (0..25).filter(|number| ![3, 22, 23].contains(number)).collect();
    assert_eq!(numbers(&journal), expected);
    assert_eq!(numbers(&journal), expected);
    let lengths: Vec<usize> = bench.aside().iter().map(|path| bench.disk.bytes(path).len()).collect();
    assert_eq!(lengths, [100, 200]);
    drop(journal);
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.set_aside, numbers(&journal)), (0, expected), "a new segment came behind it");
    assert_eq!(bench.aside().len(), 2);
    assert_eq!(bench.counted("trueopen_journal_set_aside_total", Some("damaged")), 2.0);
}

#[test]
fn frames_of_a_newer_version_are_set_aside() {
    let bench = Bench::new("newer_frame");
    fill(&bench.open().0, 0..3);
    let path = &bench.segments()[0];
    let mut bytes = bench.disk.bytes(path);
    let mut newer = Vec::new();
    crate::frame::write_version(&mut newer, 2, 3, 9, b"from a later program");
    bytes.extend_from_slice(&newer);
    crate::frame::write(&mut bytes, 4, 9, &record(4));
    bench.disk.put(path, &bytes);
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.set_aside, recovery.end, recovery.torn_bytes), (1, 5, 0));
    assert_eq!(numbers(&journal), [0, 1, 2, 4]);
    assert!(block_on(journal.append(record(5))).unwrap() >= 5);
    assert_eq!(bench.disk.bytes(&bench.aside()[0]), newer);
    assert_eq!(bench.counted("trueopen_journal_set_aside_total", Some("unknown_version")), 1.0);
}

#[test]
fn a_segment_of_a_newer_version_is_set_aside_whole_and_its_numbers_are_not_used_again() {
    let bench = Bench::new("newer_segment");
    fill(&bench.open().0, 0..5);
    let mut newer = crate::frame::segment_header(2, 5, 5, 9).to_vec();
    newer.extend_from_slice(&[7; 400]);
    bench.disk.put("00000000000000000005.segment", &newer);
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.set_aside, recovery.end), (1, 5));
    assert_eq!(bench.disk.bytes(&bench.aside()[0]), newer);
    let next = block_on(journal.append(record(0))).unwrap();
    assert!(next >= 5 + 400 / 32, "{next}");
    assert_eq!(journal.end(), next + 1);
}

#[test]
fn a_damaged_header_costs_no_record() {
    let bench = Bench::new("header");
    fill(&bench.open().0, 0..15);
    for path in bench.segments() {
        let mut bytes = bench.disk.bytes(&path);
        bytes[9] ^= 1;
        bench.disk.put(&path, &bytes);
    }
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.set_aside, recovery.end), (2, 15));
    assert_eq!(numbers(&journal), (0..15).collect::<Vec<_>>());
}

#[test]
fn a_failed_sync_shuts_the_segment_until_a_probe_succeeds() {
    let bench = Bench::new("failed_sync");
    let (journal, _) = bench.open();
    fill(&journal, 0..3);
    bench.disk.fail_syncs(3);
    assert_eq!(block_on(journal.append(record(3))), Err(AppendError::Disabled));
    let Err(Reason::Failed { operation: "sync", .. }) = journal.healthy() else {
        panic!("{:?}", journal.healthy());
    };
    assert_eq!(journal.end(), 3, "readers never see what was not synced");
    let closed = bench.disk.bytes(&bench.segments()[0]);
    // Two probes fail before one succeeds.
    assert_eq!(block_on(journal.append(record(4))), Err(AppendError::Disabled));
    assert_eq!(block_on(journal.append(record(4))), Err(AppendError::Disabled));
    assert_eq!(block_on(journal.append(record(4))), Ok(4), "number 3 may reappear and isn't used again");
    assert_eq!(journal.healthy(), Ok(()));
    assert_eq!(bench.disk.bytes(&bench.segments()[0]), closed, "nothing more was written there");
    assert_eq!(numbers(&journal), [0, 1, 2, 4]);
    assert_eq!(bench.counted("trueopen_journal_shut_total", None), 1.0);
    assert_eq!(bench.counted("trueopen_journal_refused_total", Some("disabled")), 3.0);
}

#[test]
fn an_idle_journal_finds_out_by_itself_that_the_disk_is_well_again() {
    let bench = Bench::new("idle_probe");
    let (journal, _) = bench.open();
    bench.disk.fail_writes(1);
    assert_eq!(block_on(journal.append(record(0))), Err(AppendError::Disabled));
    assert!(matches!(journal.healthy(), Err(Reason::Failed { operation: "write", .. })));
    block_on(journal.upkeep());
    assert_eq!(journal.healthy(), Ok(()));
}

#[test]
fn a_full_disk_refuses_takes_back_and_recovers() {
    let bench = Bench::new("full_disk");
    let (journal, _) = bench.open();
    fill(&journal, 0..3);
    let before = bench.disk.bytes(&bench.segments()[0]);
    bench.disk.set_capacity(Some(before.len() as u64 + 60));
    assert_eq!(block_on(journal.append(record(3))), Err(AppendError::Full));
    assert_eq!(journal.healthy(), Err(Reason::DiskFull));
    assert_eq!(bench.disk.bytes(&bench.segments()[0]), before, "the part that fitted was taken back");
    block_on(journal.upkeep());
    assert_eq!(journal.healthy(), Err(Reason::DiskFull));
    bench.disk.set_capacity(None);
    block_on(journal.upkeep());
    assert_eq!(journal.healthy(), Ok(()), "without demand");
    fill(&journal, 3..4);
    assert_eq!(numbers(&journal), [0, 1, 2, 3]);
}

/// Found by the model: the cut must be on disk before the numbers of what was cut are used again elsewhere.
#[test]
fn what_was_taken_back_stays_away_after_a_power_loss() {
    for seed in 0..100 {
        let bench = Bench::new("taken_back");
        let (journal, _) = bench.open();
        fill(&journal, 0..3);
        let used = bench.disk.bytes(&bench.segments()[0]).len() as u64;
        bench.disk.set_capacity(Some(used + 250));
        let refused = vec![b"refused".repeat(9), b"refused".repeat(9), b"refused".repeat(30)];
        assert_eq!(block_on(journal.append_all(refused)), Err(AppendError::Full));
        bench.disk.set_capacity(None);
        bench.clock.fetch_add(3_600_000, Ordering::Relaxed);
        block_on(journal.upkeep());
        assert_eq!(bench.segments().len(), 2);
        fill(&journal, 3..6);
        bench.disk.power_off();
        drop(journal);
        bench.disk.power_on(seed);
        assert_eq!(numbers(&bench.open().0), [0, 1, 2, 3, 4, 5]);
    }
}

/// Found by the model: the cut of what was written fails to sync, so it shows and isn't there.
#[test]
fn numbers_of_a_lost_group_are_not_used_again_after_a_restart() {
    for seed in 0..100 {
        let bench = Bench::new("lost_group");
        let (journal, _) = bench.open();
        fill(&journal, 0..1);
        let used = bench.disk.bytes(&bench.segments()[0]).len() as u64;
        bench.disk.set_capacity(Some(used + 500));
        bench.disk.fail_syncs(1);
        let batch = vec![b"refused".repeat(20); 5];
        assert_eq!(block_on(journal.append_all(batch)), Err(AppendError::Disabled));
        drop(journal);
        bench.disk.set_capacity(None);
        let (journal, recovery) = bench.open();
        assert_eq!(recovery.end, 1);
        let first = block_on(journal.append(b"answered".to_vec())).unwrap();
        assert_eq!((journal.unread(0), journal.stats().records), (2, 2), "skipped numbers are no records");
        bench.disk.power_off();
        drop(journal);
        bench.disk.power_on(seed);
        let all = read_all(&bench.open().0);
        assert_eq!(all.last(), Some(&(first, b"answered".to_vec())));
        assert!(all.is_sorted_by_key(|(sequence, _)| *sequence));
    }
}

#[test]
fn a_start_on_a_full_disk_serves_readers_and_recovers() {
    let bench = Bench::new("full_start");
    fill(&bench.open().0, 0..15);
    bench.disk.set_capacity(Some(0));
    let (journal, _) = bench.open();
    assert_eq!(journal.healthy(), Err(Reason::DiskFull));
    assert_eq!(block_on(journal.append(record(15))), Err(AppendError::Full));
    assert_eq!(numbers(&journal), (0..15).collect::<Vec<_>>());
    bench.disk.set_capacity(None);
    fill(&journal, 15..16);
    assert_eq!(journal.healthy(), Ok(()));
}

#[test]
fn a_position_beyond_the_end_becomes_the_oldest_and_its_numbers_are_not_used_again() {
    let mut bench = Bench::new("ahead");
    bench.config.keep = Duration::from_secs(60);
    let (journal, _) = bench.open();
    fill(&journal, 0..30);
    journal.commit("one", 27).unwrap();
    block_on(journal.close());
    // The last segments are lost, as after a restore from an older copy.
    for path in &bench.segments()[1..] {
        crate::storage::Storage::remove(&bench.disk, path).unwrap();
    }
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.positions_lost, recovery.end, journal.position("one")), (1, 10, None));
    assert_eq!(bench.counted("trueopen_journal_clamped_positions_total", None), 1.0);
    let next = block_on(journal.append(record(0))).unwrap();
    assert!(next >= 27, "else a consumer at 27 would skip new records");
    assert_eq!(journal.reader(next + 2).position(), 0);
    assert_eq!(bench.counted("trueopen_journal_clamped_positions_total", None), 2.0);
}

#[test]
fn no_segment_goes_before_the_positions_are_on_disk() {
    let bench = Bench::new("positions_first");
    let (journal, _) = bench.open();
    fill(&journal, 0..25);
    journal.commit("one", 25).unwrap();
    let before = bench.segments();
    bench.disk.fail_syncs(100);
    block_on(journal.upkeep());
    assert_eq!(bench.segments(), before);
    bench.disk.fail_syncs(0);
    block_on(journal.upkeep());
    assert_eq!(bench.segments().len(), 1);
}

#[test]
fn a_full_disk_does_not_keep_retention_from_making_room() {
    let bench = Bench::new("full_retention");
    let (journal, _) = bench.open();
    fill(&journal, 0..5);
    journal.commit("one", 1).unwrap();
    block_on(journal.upkeep());
    fill(&journal, 5..25);
    let used: usize = bench.disk.names().iter().map(|path| bench.disk.bytes(path).len()).sum();
    bench.disk.set_capacity(Some(used as u64 + 10));
    assert_eq!(block_on(journal.append(record(25))), Err(AppendError::Full));
    journal.commit("one", 25).unwrap();
    block_on(journal.upkeep());
    assert_eq!(bench.segments().len(), 1, "the position was overwritten in place");
    fill(&journal, 25..26);
}

#[test]
fn damage_that_cannot_be_set_aside_holds_the_reader_up() {
    let bench = Bench::new("aside_full");
    fill(&bench.open().0, 0..15);
    let path = &bench.segments()[0];
    let mut bytes = bench.disk.bytes(path);
    bytes[SEGMENT_HEADER + 120] ^= 1;
    bench.disk.put(path, &bytes);
    let (journal, _) = bench.open();
    bench.disk.set_capacity(Some(0));
    let mut reader = journal.reader(0);
    assert_eq!(reader.try_next(100, 1000).unwrap().len(), 1);
    assert!(reader.try_next(100, 1000).is_err());
    assert_eq!(reader.position(), 1);
    bench.disk.set_capacity(None);
    assert_eq!(reader.try_next(100, 10_000).unwrap()[0].sequence, 2);
    assert_eq!(bench.aside().len(), 1);
}

#[test]
fn what_is_set_aside_is_bounded_by_age_and_bytes() {
    let mut bench = Bench::new("aside_bounds");
    bench.config.set_aside_bytes = 250;
    bench.config.set_aside_keep = Duration::from_secs(60);
    fill(&bench.open().0, 0..9);
    let path = &bench.segments()[0];
    let mut bytes = bench.disk.bytes(path);
    for frame in [1, 3, 5] {
        bytes[SEGMENT_HEADER + frame * 100 + 50] ^= 1;
    }
    bench.disk.put(path, &bytes);
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.set_aside, bench.aside().len()), (3, 3));
    block_on(journal.upkeep());
    assert_eq!(bench.aside().len(), 2);
    bench.clock.fetch_add(61_000, Ordering::Relaxed);
    block_on(journal.upkeep());
    assert_eq!(bench.aside(), [""; 0]);
    assert_eq!(bench.counted("trueopen_journal_set_aside_dropped_total", Some("quota")), 1.0);
    assert_eq!(bench.counted("trueopen_journal_set_aside_dropped_total", Some("age")), 2.0);
}

#[test]
fn an_old_quiet_segment_is_closed_and_dropped() {
    let bench = Bench::new("quiet");
    let (journal, _) = bench.open();
    fill(&journal, 0..1);
    journal.commit("one", 1).unwrap();
    block_on(journal.upkeep());
    assert_eq!((journal.start(), journal.stats().records), (0, 1));
    bench.clock.fetch_add(3_600_000, Ordering::Relaxed);
    assert_eq!(journal.stats().oldest_age_seconds, 3600);
    block_on(journal.upkeep());
    assert_eq!((journal.start(), journal.stats().records, bench.segments().len()), (1, 0, 1));
    bench.clock.fetch_add(3_600_000, Ordering::Relaxed);
    block_on(journal.upkeep());
    assert_eq!(bench.segments().len(), 1, "an empty one stays");
}

#[test]
fn a_reader_overtaken_by_retention_goes_on_at_the_oldest() {
    let bench = Bench::new("overtaken");
    let (journal, _) = bench.open();
    fill(&journal, 0..35);
    let mut reader = journal.reader(2);
    journal.commit("one", 25).unwrap();
    block_on(journal.upkeep());
    assert_eq!(reader.try_next(1, 1000).unwrap()[0].sequence, 20);
    assert_eq!(bench.counted("trueopen_journal_clamped_positions_total", None), 1.0);
}

#[test]
fn nothing_vanishes_uncounted() {
    let mut bench = Bench::new("equation");
    bench.config.max_record_bytes = 100;
    bench.config.max_bytes = 5000;
    let (journal, _) = bench.open();
    let mut offered = 0;
    let mut answers = [0; 2];
    for round in 0..40 {
        if round == 20 {
            bench.disk.fail_syncs(4);
        }
        let batch: Vec<Vec<u8>> = vec![vec![1; if round % 7 == 6 { 101 } else { 60 }]; round % 3 + 1];
        offered += batch.len();
        let count = batch.len();
        answers[usize::from(block_on(journal.append_all(batch)).is_err())] += count;
    }
    block_on(journal.clone().close());
    offered += 1;
    assert_eq!(block_on(journal.append(vec![1])), Err(AppendError::Closed));
    answers[1] += 1;
    let refused: Vec<f64> = ["full", "too_large", "busy", "disabled", "closed"]
        .map(|reason| bench.counted("trueopen_journal_refused_total", Some(reason)))
        .to_vec();
    let appended = bench.counted("trueopen_journal_appended_total", None);
    assert_eq!((appended, refused.iter().sum::<f64>()), (answers[0] as f64, answers[1] as f64));
    assert_eq!(appended + refused.iter().sum::<f64>(), offered as f64);
    for (index, reason) in ["full", "too_large", "disabled"].into_iter().zip([0, 1, 3]) {
        assert!(refused[reason] > 0.0, "{index} never happened: {refused:?}");
    }
}

#[test]
fn a_segment_that_cannot_be_read_stops_no_start_and_is_not_passed_over() {
    for index in 0..3 {
        let bench = Bench::new("unreadable");
        fill(&bench.open().0, 0..25);
        let path = &bench.segments()[index];
        bench.disk.set_unreadable(Some(path));
        let (journal, recovery) = bench.open();
        assert!(recovery.unreadable > 0 && recovery.torn_bytes == 0, "{recovery:?}");
        assert!(journal.stats().bytes < 10_000, "{:?}", journal.stats());
        let next = block_on(journal.append(record(0))).unwrap();
        assert!(next >= 25);
        let mut reader = journal.reader(0);
        let mut found = Vec::new();
        let failed = loop {
            match reader.try_next(100, 1 << 20) {
                Ok(entries) => found.extend(entries.iter().map(|entry| entry.sequence)),
                Err(_) if found.len() == index * 10 => break true,
                Err(error) => panic!("{error} after {found:?}"),
            }
        };
        assert!(failed);
        bench.disk.set_unreadable(None);
        while reader.position() <= next {
            found.extend(reader.try_next(100, 1 << 20).unwrap().iter().map(|entry| entry.sequence));
        }
        assert_eq!(found, (0..25).chain([next]).collect::<Vec<_>>());
    }
}

#[test]
fn an_owner_that_ends_by_itself_is_a_failure_that_shows() {
    let bench = Bench::new("panic");
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let clock = Arc::new(move || {
        assert!(!breaks.load(Ordering::Relaxed), "the clock breaks, for a test");
        1
    });
    let (journal, _) = Journal::open_on(bench.config.clone(), Arc::new(bench.disk.clone()), clock).unwrap();
    fill(&journal, 0..1);
    broken.store(true, Ordering::Relaxed);
    assert_eq!(block_on(journal.append(record(1))), Err(AppendError::Closed));
    assert_eq!(block_on(journal.append(record(1))), Err(AppendError::Closed));
    assert_eq!(journal.healthy(), Err(Reason::OwnerEnded));
    assert_eq!(numbers(&journal), [0]);
}
