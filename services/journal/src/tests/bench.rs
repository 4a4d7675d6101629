//! A journal on a simulated disk, and what can be seen of it from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{block_on, metric, read_all};
use crate::simulated::SimulatedDisk;
use crate::{Config, Journal, Recovery};

/// A disk, a clock and the settings of one journal.
pub(crate) struct Bench {
    pub(crate) disk: SimulatedDisk,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) config: Config,
}

impl Bench {
    pub(crate) fn new(name: &str) -> Bench {
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

    pub(crate) fn open(&self) -> (Journal, Recovery) {
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || clock.load(Ordering::Relaxed));
        Journal::open_on(self.config.clone(), Arc::new(self.disk.clone()), clock).unwrap()
    }

    pub(crate) fn segments(&self) -> Vec<String> {
        self.disk.names().into_iter().filter(|name| name.ends_with(".segment")).collect()
    }

    pub(crate) fn aside(&self) -> Vec<String> {
        self.disk.names().into_iter().filter(|name| name.starts_with("set-aside/")).collect()
    }

    pub(crate) fn counted(&self, metric_name: &str, reason: Option<&str>) -> f64 {
        let mut labels = vec![("journal", self.config.name.as_str())];
        labels.extend(reason.map(|reason| ("reason", reason)));
        metric(metric_name, &labels)
    }
}

pub(crate) fn fill(journal: &Journal, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(block_on(journal.append(record(number))), Ok(number));
    }
}

/// 68 bytes and a header of 32: ten make a segment.
pub(crate) fn record(number: u64) -> Vec<u8> {
    format!("{number:068}").into_bytes()
}

pub(crate) fn numbers(journal: &Journal) -> Vec<u64> {
    let all = read_all(journal);
    for (sequence, payload) in &all {
        assert_eq!(payload, &record(*sequence));
    }
    all.into_iter().map(|(sequence, _)| sequence).collect()
}
