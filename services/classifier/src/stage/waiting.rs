//! Deliveries of messages that are not live: not yet, or no more. They wait for a hit for as long as they may count.
//!
//! There are as many as mails are sent in hours, so what each takes is bare: no note of its end, which is when it was heard
//! of and so much later. Whoever asks looks at that; what is past it leaves when everything is looked through. There is room for
//! as many messages' as may be live; beyond it those heard of longest ago leave, and are counted.

use super::held::Key;
use super::live::SAID_BACK_MS;
use crate::message::{DELIVERY_COUNTS_MS, Deliveries, Delivery};
use crate::metrics;
use hashbrown::HashMap;

/// How far behind the newest record time delivery events are read back: for a hit whose window is held, what counts for it.
pub(super) const DELIVERIES_BACK_MS: i64 = SAID_BACK_MS + DELIVERY_COUNTS_MS;

/// How often everything is looked through, in record times.
const LOOK_MS: i64 = 600_000;
/// With more than were allowed, this part of them leaves, those heard of longest ago.
const LEAVING: usize = 8;

/// What is known of deliveries, by message.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    known: HashMap<Key, Deliveries>,
    looked: i64,
}

impl Waiting {
    /// Takes a delivery, which has room among `most` messages.
    pub(super) fn take(&mut self, key: Key, delivery: Delivery, newest: i64, most: usize) {
        self.known.entry(key).or_default().take(delivery);
        self.bound(newest, most);
    }

    /// Takes what is known of the deliveries of a message that is let go.
    pub(super) fn put(&mut self, key: Key, deliveries: Deliveries, newest: i64, most: usize) {
        let deliveries = deliveries.since(newest.saturating_sub(DELIVERIES_BACK_MS));
        if deliveries.is_empty() {
            return;
        }
        let known = self.known.entry(key).or_default();
        // Those that came meanwhile are the later ones.
        let later = std::mem::replace(known, deliveries);
        for delivery in later.all() {
            known.take(delivery);
        }
        self.bound(newest, most);
    }

    /// What is known of a message's deliveries, which are with the message from now on.
    pub(super) fn remove(&mut self, key: &Key, newest: i64) -> Deliveries {
        let known = self.known.remove(key).unwrap_or_default();
        known.since(newest.saturating_sub(DELIVERIES_BACK_MS))
    }

    fn bound(&mut self, newest: i64, most: usize) {
        let is_due = newest.saturating_sub(self.looked) >= LOOK_MS;
        if !is_due && self.known.len() <= most {
            return;
        }
        self.looked = newest;
        let mut from = newest.saturating_sub(DELIVERIES_BACK_MS);
        self.known.retain(|_, deliveries| is_since(deliveries, from));
        if self.known.len() > most {
            let heard = |deliveries: &Deliveries| deliveries.heard().map_or(i64::MIN, |heard| heard.millis());
            let mut times: Vec<i64> = self.known.values().map(heard).collect();
            // All that were heard of at one time go together, so that something always does.
            let leaving = times.len() - most + most / LEAVING;
            from = times.select_nth_unstable(leaving - 1).1.saturating_add(1);
            self.known.retain(|_, deliveries| is_since(deliveries, from));
            metrics::DELIVERIES_CROWDED_OUT.inc_by((times.len() - self.known.len()) as u64);
        }
        if self.known.capacity() / 4 > self.known.len() {
            self.known.shrink_to(self.known.len() * 2);
        }
    }
}

fn is_since(deliveries: &Deliveries, from: i64) -> bool {
    deliveries.heard().is_some_and(|heard| heard.millis() >= from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::Timestamp;

    const START: i64 = 1_793_610_000_000;

    fn delivery(at: i64) -> Delivery {
        let at = Timestamp::from_millis(START + at).unwrap();
        Delivery { at, heard: at }
    }

    fn key(number: u8) -> Key {
        [number; 16]
    }

    #[test]
    fn a_delivery_waits_for_as_long_as_it_may_count() {
        let mut waiting = Waiting::default();
        waiting.take(key(1), delivery(1000), START + 1000, 10);
        waiting.take(key(1), delivery(2000), START + 2000, 10);
        let end = START + DELIVERIES_BACK_MS + 1000;
        let all = waiting.remove(&key(1), end);
        assert_eq!(all.all().collect::<Vec<_>>(), [delivery(1000), delivery(2000)]);
        assert!(waiting.remove(&key(1), end).is_empty(), "it is with the message now");
        waiting.put(key(1), all, end + 1, 10);
        assert_eq!(waiting.remove(&key(1), end + 1).all().collect::<Vec<_>>(), [delivery(2000)]);
    }

    #[test]
    fn many_that_are_heard_of_at_once_are_bounded_too() {
        let mut waiting = Waiting::default();
        for number in 0..100 {
            waiting.take(key(number), delivery(0), START, 16);
            assert!(waiting.known.len() <= 16, "{number}");
        }
    }

    #[test]
    fn what_came_while_its_message_was_there_is_the_later() {
        let mut waiting = Waiting::default();
        waiting.take(key(1), delivery(3000), START + 3000, 10);
        let mut before = Deliveries::default();
        before.take(delivery(1000));
        waiting.put(key(1), before, START + 3000, 10);
        assert_eq!(
            waiting.remove(&key(1), START + 3000).all().collect::<Vec<_>>(),
            [delivery(1000), delivery(3000)]
        );
    }

    #[test]
    fn too_many_leave_the_oldest_first_and_old_ones_leave_by_themselves() {
        let mut waiting = Waiting::default();
        for number in 0..17 {
            let at = i64::from(number) * 1000;
            waiting.take(key(number), delivery(at), START + at, 16);
        }
        // One more than there is room for, and an eighth.
        assert_eq!(waiting.known.len(), 14);
        assert!(
            waiting.remove(&key(2), START + 17_000).is_empty()
                && !waiting.remove(&key(3), START + 17_000).is_empty()
        );
        let later = 17_000 + DELIVERIES_BACK_MS;
        waiting.take(key(99), delivery(later), START + later, 16);
        assert_eq!(waiting.known.len(), 1);
    }
}
