//! What a start or a reader may come upon on disk, and that it neither stops them nor vanishes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::bench::{Bench, fill, numbers, record};
use super::block_on;
use crate::frame::SEGMENT_HEADER;

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
fn what_a_start_finds_in_memory_only_is_made_durable_before_it_is_read() {
    for seed in 0..20 {
        let bench = Bench::new("unsynced");
        fill(&bench.open().0, 0..3);
        let path = &bench.segments()[0];
        let mut written = Vec::new();
        crate::frame::write(&mut written, 3, 9, &record(3));
        let length = bench.disk.bytes(path).len() as u64;
        let file = crate::storage::Storage::open(&bench.disk, path).unwrap();
        file.write_at(&written, length).unwrap();
        let (journal, _) = bench.open();
        assert_eq!(numbers(&journal), [0, 1, 2, 3]);
        bench.disk.power_off();
        drop(journal);
        bench.disk.power_on(seed);
        assert_eq!(numbers(&bench.open().0), [0, 1, 2, 3]);
    }
}

#[test]
fn numbering_does_not_fall_behind_a_position() {
    let bench = Bench::new("far_ahead");
    fill(&bench.open().0, 0..3);
    bench.disk.put("positions/one", &crate::positions::encode(1_000_000));
    let (journal, recovery) = bench.open();
    assert_eq!((recovery.positions_lost, journal.position("one")), (1, None));
    assert!(block_on(journal.append(record(0))).unwrap() >= 1_000_000);
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
