//! Faults of the disk while the journal runs, each by itself, and the bounds that need a turned clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bench::{Bench, fill, numbers, record};
use super::{block_on, read_all};
use crate::{AppendError, Journal, Reason};

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
        bench.disk.power_on(seed);
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
        bench.disk.power_on(seed);
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

/// As a `kill -9` leaves it: no note of a clean end, and the owner gone in the midst.
#[test]
fn a_start_after_a_kill_skips_the_numbers_of_a_lost_group() {
    for seed in 0..100 {
        let bench = Bench::new("killed");
        bench.disk.power_on(seed);
        let (journal, _) = bench.open();
        fill(&journal, 0..1);
        let used = bench.disk.bytes(&bench.segments()[0]).len() as u64;
        bench.disk.set_capacity(Some(used + 500));
        bench.disk.fail_syncs(1);
        let batch = vec![b"refused".repeat(20); 5];
        assert_eq!(block_on(journal.append_all(batch)), Err(AppendError::Disabled));
        bench.disk.set_capacity(None);
        let (next_life, _) = bench.open();
        let first = block_on(next_life.append(b"answered".to_vec())).unwrap();
        bench.disk.power_off();
        drop((journal, next_life));
        bench.disk.power_on(seed);
        let all = read_all(&bench.open().0);
        assert_eq!(all.last(), Some(&(first, b"answered".to_vec())));
        assert!(all.is_sorted_by(|one, next| one.0 < next.0), "{all:?}");
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
