//! The ids of events: UUIDv7 (RFC 9562) whose random part is a counter and a number of the process.
//!
//! An id is never a secret here: whoever may ask for an event is told by a key. So it holds no more chance than keeps it
//! unique, and that is why it takes four bytes on disk and not sixteen: the time, which begins it; a counter within the
//! millisecond (RFC 9562, 6.2, method 1); and 62 bits that are drawn once a process, from the system's randomness.

use crate::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Bits of the counter.
const COUNTED: u32 = 12;
/// The bits of a process' number.
const OWN: u64 = (1 << 62) - 1;
const VERSION: u64 = 7 << 12;
const VARIANT: u64 = 1 << 63;

/// Makes the ids of one process.
#[derive(Debug)]
pub struct EventIds {
    own: u64,
    /// Milliseconds and counter of the last one.
    last: AtomicU64,
}

impl EventIds {
    /// Ids of a process, whose number is drawn at random; two with the same 62 bits may make the same id.
    #[must_use]
    pub const fn new(random: u64) -> Self {
        Self { own: random & OWN, last: AtomicU64::new(0) }
    }

    /// The next id, for an event of this time. Ids of one process rise: where the clock goes back, or a millisecond has more
    /// than 4,096 events, the id's time is ahead of the event's.
    pub fn next(&self, at: Timestamp) -> Uuid {
        let first = at.millis().unsigned_abs() << COUNTED;
        let above = |last: u64| first.max(last + 1);
        // Only this number goes from one thread to another.
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(above(last)));
        let (Ok(last) | Err(last)) = last;
        let next = above(last);
        let (millis, count) = (next >> COUNTED, next & ((1 << COUNTED) - 1));
        Uuid::from_u64_pair(millis << 16 | VERSION | count, VARIANT | self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_793_610_000_000 + millis).unwrap()
    }

    #[test]
    fn an_id_is_a_uuidv7_of_its_time() {
        let ids = EventIds::new(u64::MAX);
        let id = ids.next(at(7));
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!(seconds * 1000 + u64::from(nanos) / 1_000_000, at(7).millis().unsigned_abs());
        assert_ne!(id, EventIds::new(1).next(at(7)), "another process makes another");
    }

    #[test]
    fn ids_rise_whatever_the_clock_does() {
        let ids = EventIds::new(5);
        let mut last = ids.next(at(0));
        for millis in [0, 0, 1, -50, 2].into_iter().chain([3; 5000]).chain([4]) {
            let next = ids.next(at(millis));
            assert!(next > last, "{millis}");
            last = next;
        }
    }

    #[test]
    fn threads_never_share_one() {
        let ids = EventIds::new(9);
        let many = || -> Vec<Uuid> { (0..10_000).map(|number| ids.next(at(number / 3000))).collect() };
        let all: Vec<Vec<Uuid>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(many)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let different: HashSet<&Uuid> = all.iter().flatten().collect();
        assert_eq!(different.len(), 40_000);
    }
}
