//! Random lives on the simulated disk, against a model that knows only what was answered.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::{block_on, read_all, try_read_all};
use crate::simulated::SimulatedDisk;
use crate::{Append, AppendError, Config, Journal};

#[derive(Debug, Clone)]
enum Step {
    /// Appends handed over together and then awaited, so that they share groups.
    Append {
        count: usize,
        size: usize,
    },
    /// A batch with one answer.
    AppendAll {
        count: usize,
        size: usize,
    },
    /// Appends that nobody waits for.
    AppendAndForget {
        count: usize,
        size: usize,
    },
    FailSyncs(u32),
    FailWrites(u32),
    /// So many bytes more than now, or without limit.
    Room(Option<u64>),
    Upkeep,
    /// A consumer commits at this part of what is there.
    Commit {
        consumer: usize,
        permille: u64,
    },
    DropPosition {
        consumer: usize,
    },
    SpoilPosition {
        consumer: usize,
        byte: usize,
    },
    Wait {
        seconds: u64,
    },
    Close,
    PowerLoss {
        seed: u64,
    },
    PowerLossSoon {
        operations: u64,
    },
}

const CONSUMERS: [&str; 2] = ["one", "two"];

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![0..40usize, 0..400usize];
    prop_oneof![
        8 => (1..8usize, size.clone()).prop_map(|(count, size)| Step::Append { count, size }),
        2 => (0..8usize, size.clone()).prop_map(|(count, size)| Step::AppendAll { count, size }),
        3 => (1..8usize, size).prop_map(|(count, size)| Step::AppendAndForget { count, size }),
        2 => (1..4u32).prop_map(Step::FailSyncs),
        1 => (1..3u32).prop_map(Step::FailWrites),
        2 => proptest::option::of(0..2000u64).prop_map(Step::Room),
        3 => Just(Step::Upkeep),
        4 => (0..2usize, 0..=1000u64).prop_map(|(consumer, permille)| Step::Commit { consumer, permille }),
        1 => (0..2usize).prop_map(|consumer| Step::DropPosition { consumer }),
        1 => (0..2usize, 0..20usize).prop_map(|(consumer, byte)| Step::SpoilPosition { consumer, byte }),
        2 => (0..30u64).prop_map(|seconds| Step::Wait { seconds }),
        2 => Just(Step::Close),
        3 => any::<u64>().prop_map(|seed| Step::PowerLoss { seed }),
        2 => (1..12u64).prop_map(|operations| Step::PowerLossSoon { operations }),
    ]
}

struct Life {
    disk: SimulatedDisk,
    clock: Arc<AtomicU64>,
    journal: Option<Journal>,
    /// Every payload ever handed over; each is unique.
    submitted: HashSet<Vec<u8>>,
    /// What was promised.
    answered: BTreeMap<u64, Vec<u8>>,
    /// The furthest that each consumer ever committed.
    committed: [u64; 2],
}

impl Life {
    fn new(seed: u64) -> Life {
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let mut life = Life {
            disk: SimulatedDisk::new(),
            clock,
            journal: None,
            submitted: HashSet::new(),
            answered: BTreeMap::new(),
            committed: [0; 2],
        };
        // What a failed sync keeps is decided by this.
        life.disk.power_on(seed);
        life.open();
        life
    }

    fn open(&mut self) {
        let config = Config {
            segment_bytes: 700,
            segment_age: Duration::from_secs(20),
            keep: Duration::from_secs(10),
            max_bytes: 20_000,
            max_record_bytes: 350,
            consumers: CONSUMERS.map(str::to_owned).to_vec(),
            probe_after: Duration::ZERO,
            upkeep_every: Duration::from_secs(3600),
            ..Config::new("model", "unused")
        };
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || clock.load(Ordering::Relaxed));
        match Journal::open_on(config, Arc::new(self.disk.clone()), clock) {
            Ok((journal, _)) => self.journal = Some(journal),
            Err(error) => assert!(self.disk.is_off(), "a start failed: {error}"),
        }
    }

    fn payload(&mut self, size: usize) -> Vec<u8> {
        let mut payload = format!("{:08}", self.submitted.len()).into_bytes();
        payload.resize(payload.len() + size, b'.');
        self.submitted.insert(payload.clone());
        payload
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().expect("it is open while the power is on")
    }

    fn answer(&mut self, sequence: u64, payload: Vec<u8>) {
        let before = self.answered.insert(sequence, payload);
        assert_eq!(before, None, "number {sequence} was given twice");
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append { count, size } => {
                let payloads: Vec<_> = (0..count).map(|_| self.payload(size)).collect();
                let appends: Vec<Append> =
                    payloads.iter().map(|one| self.journal().append(one.clone())).collect();
                for (append, payload) in appends.into_iter().zip(payloads) {
                    match block_on(append) {
                        Ok(sequence) => self.answer(sequence, payload),
                        Err(AppendError::TooLarge { .. }) => assert!(payload.len() > 350),
                        Err(AppendError::Full | AppendError::Disabled) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Step::AppendAll { count, size } => {
                let payloads: Vec<_> = (0..count).map(|_| self.payload(size)).collect();
                if let Ok(first) = block_on(self.journal().append_all(payloads.clone())) {
                    for (index, payload) in payloads.into_iter().enumerate() {
                        self.answer(first + index as u64, payload);
                    }
                }
            }
            Step::AppendAndForget { count, size } => {
                for _ in 0..count {
                    let payload = self.payload(size);
                    drop(self.journal().append(payload));
                }
            }
            Step::FailSyncs(count) => self.disk.fail_syncs(count),
            Step::FailWrites(count) => self.disk.fail_writes(count),
            Step::Room(room) => {
                let used: usize = self.disk.names().iter().map(|name| self.disk.bytes(name).len()).sum();
                self.disk.set_capacity(room.map(|room| used as u64 + room));
            }
            Step::Upkeep => block_on(self.journal().upkeep()),
            Step::Commit { consumer, permille } => {
                let (start, end) = (self.journal().start(), self.journal().end());
                let position = start + (end - start) * permille / 1000;
                self.journal().commit(CONSUMERS[consumer], position).unwrap();
                self.committed[consumer] = self.committed[consumer].max(position);
            }
            Step::DropPosition { consumer } => {
                let path = format!("positions/{}", CONSUMERS[consumer]);
                self.restart(|disk| {
                    if disk.names().contains(&path) {
                        disk.put(&path, b"");
                    }
                });
            }
            Step::SpoilPosition { consumer, byte } => {
                let path = format!("positions/{}", CONSUMERS[consumer]);
                self.restart(|disk| {
                    let mut bytes = disk.bytes(&path);
                    if let Some(byte) = bytes.get_mut(byte) {
                        *byte ^= 0x40;
                        disk.put(&path, &bytes);
                    }
                });
            }
            Step::Wait { seconds } => {
                self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
            }
            Step::Close => self.restart(|_| {}),
            Step::PowerLoss { seed } => {
                self.disk.power_off();
                self.power_on(seed);
            }
            Step::PowerLossSoon { operations } => self.disk.power_off_after(operations),
        }
        let mut seed = 77;
        while self.disk.is_off() {
            // The loss that was planned has come.
            self.power_on(seed);
            seed += 1;
        }
    }

    fn restart(&mut self, meanwhile: impl FnOnce(&SimulatedDisk)) {
        block_on(self.journal.take().expect("it is open").close());
        meanwhile(&self.disk);
        self.open();
    }

    fn power_on(&mut self, seed: u64) {
        self.journal = None;
        self.disk.power_on(seed);
        self.open();
    }

    /// What was promised is there, once and in order; what else is there was at least handed over, and is there once.
    fn check(&self, found: Vec<(u64, Vec<u8>)>) {
        let journal = self.journal();
        let start = journal.start();
        let slowest = self.committed.iter().min().copied().unwrap_or(0);
        let mut seen = HashSet::new();
        for pair in found.windows(2) {
            assert!(pair[0].0 < pair[1].0, "out of order: {} then {}", pair[0].0, pair[1].0);
        }
        for (sequence, payload) in &found {
            assert!(self.submitted.contains(payload), "{sequence} was never handed over");
            assert!(seen.insert(payload), "{sequence} is there twice");
        }
        let found: BTreeMap<u64, Vec<u8>> = found.into_iter().collect();
        for (sequence, payload) in &self.answered {
            if *sequence < start {
                assert!(
                    *sequence < slowest,
                    "{sequence} was dropped, yet the slowest consumer stands at {slowest}"
                );
            } else {
                assert_eq!(found.get(sequence), Some(payload), "{sequence} was promised");
            }
        }
        assert!(journal.stats().bytes <= 20_000 + 1000, "the quota holds: {:?}", journal.stats());
    }
}

proptest! {
    #[test]
    fn every_promise_is_kept(seed in any::<u64>(), steps in proptest::collection::vec(step(), 1..60)) {
        let mut life = Life::new(seed);
        for step in &steps {
            life.step(step);
            life.check_if_readable();
        }
        // Whatever happened: when the disk is well again, the journal takes and keeps records.
        life.disk.set_capacity(None);
        life.disk.power_off();
        life.power_on(5);
        life.check(read_all(life.journal()));
        life.committed_by_all();
        life.step(&Step::Wait { seconds: 100 });
        life.step(&Step::Upkeep);
        prop_assert_eq!(life.journal().healthy(), Ok(()));
        let payload = life.payload(10);
        let sequence = block_on(life.journal().append(payload.clone()));
        prop_assert!(sequence.is_ok(), "{sequence:?}");
        life.answer(sequence.unwrap_or_default(), payload);
        life.check(read_all(life.journal()));
    }
}

impl Life {
    fn check_if_readable(&self) {
        // Damage that can't be set aside now holds readers up rather than being passed over; and a power loss may come
        // in the middle, when forgotten appends use up the operations that were left.
        if let Ok(found) = try_read_all(self.journal()) {
            self.check(found);
        }
    }

    fn committed_by_all(&mut self) {
        let end = self.journal().end();
        for (consumer, name) in CONSUMERS.iter().enumerate() {
            self.journal().commit(name, end).unwrap();
            self.committed[consumer] = end;
        }
    }
}
