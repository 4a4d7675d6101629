//! What the owner, the readers and the handles of one journal have in common.
//!
//! Invariants: a segment's `limit` only grows, and every byte below it is synced. The owner raises the limit, then
//! announces the new end, then answers. A segment is never written again once a younger one is in the catalogue.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::config::Config;
use crate::error::Reason;
use crate::metrics::Metrics;
use crate::positions::Positions;
use crate::queue::Queue;
use crate::set_aside::SetAside;
use crate::storage::Storage;

/// Milliseconds since 1970. A function, so that tests can turn the clock.
pub(crate) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

pub(crate) fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// One segment file.
pub(crate) struct Segment {
    pub(crate) base: u64,
    /// One past the last record before it; the numbers from there to the base were skipped.
    pub(crate) previous_end: u64,
    pub(crate) created_ms: u64,
    /// Readers may read up to here.
    pub(crate) limit: AtomicU64,
    /// What the file takes on disk; more than `limit` after a failed write or sync.
    pub(crate) bytes: AtomicU64,
}

impl Segment {
    pub(crate) fn new(base: u64, previous_end: u64, created_ms: u64, length: u64) -> Arc<Segment> {
        let (limit, bytes) = (AtomicU64::new(length), AtomicU64::new(length));
        Arc::new(Segment { base, previous_end, created_ms, limit, bytes })
    }

    pub(crate) fn path(&self) -> String {
        path(self.base)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Acquire)
    }
}

const SUFFIX: &str = ".segment";

/// A segment's file name: its base in 20 digits, so that names sort as numbers do.
pub(crate) fn path(base: u64) -> String {
    format!("{base:020}{SUFFIX}")
}

/// The base in a segment's file name.
pub(crate) fn parse_path(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// The segments, oldest first. The last one is being written, unless the journal is shut.
#[derive(Default)]
pub(crate) struct Catalogue {
    pub(crate) segments: VecDeque<Arc<Segment>>,
}

impl Catalogue {
    /// The segment in which a sequence is, or would be: the last whose base is not above it, else the first.
    pub(crate) fn holding(&self, sequence: u64) -> Option<Arc<Segment>> {
        let after = self.segments.partition_point(|segment| segment.base <= sequence);
        self.segments.get(after.saturating_sub(1)).cloned()
    }

    /// The segment behind the one with this base.
    pub(crate) fn after(&self, base: u64) -> Option<Arc<Segment>> {
        let after = self.segments.partition_point(|segment| segment.base <= base);
        self.segments.get(after).cloned()
    }

    /// How many records there are from a position to the end, without the numbers that were skipped.
    pub(crate) fn records(&self, position: u64, end: u64) -> u64 {
        let between = self.segments.iter().filter(|segment| segment.base > position && segment.base <= end);
        let skipped: u64 =
            between.map(|segment| segment.base.saturating_sub(segment.previous_end.max(position))).sum();
        end.saturating_sub(position).saturating_sub(skipped)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes.load(Ordering::Relaxed)).sum()
    }
}

/// When records were appended, sampled once a second at most: enough for ages.
#[derive(Default)]
pub(crate) struct Times(VecDeque<(u64, u64)>);

impl Times {
    /// Samples beyond this are thinned to every second one.
    const MOST: usize = 8192;

    pub(crate) fn note(&mut self, sequence: u64, time_ms: u64) {
        if self.0.back().is_some_and(|(_, last)| time_ms < last.saturating_add(1000)) {
            return;
        }
        self.0.push_back((sequence, time_ms));
        if self.0.len() > Times::MOST {
            let mut index = 0;
            self.0.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    pub(crate) fn of(&self, sequence: u64) -> Option<u64> {
        let after = self.0.partition_point(|(sampled, _)| *sampled <= sequence);
        self.0.get(after.checked_sub(1)?).map(|(_, time)| *time)
    }

    fn forget_before(&mut self, sequence: u64) {
        while self.0.len() > 1 && self.0[1].0 <= sequence {
            self.0.pop_front();
        }
    }
}

/// The common state.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) queue: Queue,
    pub(crate) positions: Positions,
    pub(crate) set_aside: SetAside,
    /// One past the newest durable record. Its sender is the owner's: it closes when the owner ends.
    pub(crate) end: watch::Receiver<u64>,
    pub(crate) catalogue: Mutex<Catalogue>,
    pub(crate) times: Mutex<Times>,
    /// Why nothing can be written now.
    pub(crate) condition: Mutex<Option<Reason>>,
}

impl Shared {
    pub(crate) fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    pub(crate) fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn condition(&self) -> Option<Reason> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_condition(&self, reason: Option<Reason>) -> Option<Reason> {
        self.metrics.writable.set(i64::from(reason.is_none()));
        std::mem::replace(&mut *self.condition.lock().unwrap_or_else(PoisonError::into_inner), reason)
    }

    pub(crate) fn end(&self) -> u64 {
        *self.end.borrow()
    }

    /// The oldest sequence that is still there.
    pub(crate) fn start(&self) -> u64 {
        let first = self.catalogue().segments.front().map(|segment| segment.base);
        // A fresh segment's base may lie above the end, after numbers were skipped.
        first.map_or_else(|| self.end(), |base| base.min(self.end()))
    }

    /// How many records a consumer at a position has not committed.
    pub(crate) fn unread(&self, position: u64) -> u64 {
        let end = self.end();
        let position = position.max(self.start());
        self.catalogue().records(position, end)
    }

    /// Seconds since the first record at or behind a position was appended; 0 when there is none.
    pub(crate) fn unread_age_seconds(&self, position: u64) -> u64 {
        if position >= self.end() {
            return 0;
        }
        let sampled = self.times().of(position);
        let time = sampled.or_else(|| self.catalogue().holding(position).map(|segment| segment.created_ms));
        time.map_or(0, |time| self.now_ms().saturating_sub(time) / 1000)
    }

    pub(crate) fn forget_times_before(&self, sequence: u64) {
        self.times().forget_before(sequence);
    }
}
