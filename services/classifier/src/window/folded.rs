//! What a window keeps of the hits that left it because too many came: counters that rules still read.

use super::Seen;
use engagement::{Kind, Timestamp};

/// The hits of one message that left its window, of which most have none.
#[derive(Debug, Default)]
pub(crate) struct Folded(Option<Box<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    hits: u32,
    opens: Times,
    opens_by_proxy: Times,
    traps: Times,
}

/// When something happened first and last. More can't be kept of what has no bound; repeats change nothing.
#[derive(Debug, Default)]
struct Times(Option<(Timestamp, Timestamp)>);

impl Times {
    fn add(&mut self, at: Timestamp) {
        let (first, last) = self.0.unwrap_or((at, at));
        self.0 = Some((first.min(at), last.max(at)));
    }

    /// Whether it happened, first or last, so many milliseconds before a time.
    fn before(&self, at: Timestamp, millis: std::ops::RangeInclusive<i64>) -> bool {
        self.0.is_some_and(|(first, last)| {
            millis.contains(&at.since(first)) || millis.contains(&at.since(last))
        })
    }
}

impl Folded {
    /// Takes a hit that leaves.
    pub(super) fn add(&mut self, seen: &Seen) {
        let counters = self.0.get_or_insert_default();
        counters.hits = counters.hits.saturating_add(1);
        match seen.kind {
            Kind::Open if !seen.ahead => {
                counters.opens.add(seen.received_at);
                if seen.by_proxy {
                    counters.opens_by_proxy.add(seen.received_at);
                }
            }
            Kind::Trap => counters.traps.add(seen.received_at),
            Kind::Open | Kind::Click | Kind::Unsubscribe => {}
        }
    }

    /// How many hits left.
    pub(super) fn hits(&self) -> u32 {
        self.0.as_ref().map_or(0, |counters| counters.hits)
    }

    /// Whether the pixel was asked for within so many milliseconds of a time.
    pub(super) fn opened(&self, at: Timestamp, within_ms: i64) -> bool {
        self.0.as_ref().is_some_and(|counters| counters.opens.before(at, -within_ms..=within_ms))
    }

    /// Whether a reader's proxy asked for the pixel so many milliseconds before a time.
    pub(super) fn opened_by_proxy(&self, at: Timestamp, millis: std::ops::RangeInclusive<i64>) -> bool {
        self.0.as_ref().is_some_and(|counters| counters.opens_by_proxy.before(at, millis))
    }

    /// Whether the trap link was followed within so many milliseconds of a time.
    pub(super) fn trapped(&self, at: Timestamp, within_ms: i64) -> bool {
        self.0.as_ref().is_some_and(|counters| counters.traps.before(at, -within_ms..=within_ms))
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |_| size_of::<Counters>())
    }
}
