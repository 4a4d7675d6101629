//! When a message was delivered, as far as we were told. Most messages are delivered once.

use super::DELIVERY_COUNTS_MS;
use engagement::Timestamp;
use smallvec::SmallVec;

/// So many deliveries of one message are known at most; of more the last.
const MOST: usize = 8;

/// One delivery of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// When the receiving server took it.
    pub at: Timestamp,
    /// When we were told.
    pub heard: Timestamp,
}

/// What is known of a message's deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Deliveries(SmallVec<[Delivery; 1]>);

const _: () = assert!(size_of::<Deliveries>() == 24, "one has its room without an allocation");

impl Deliveries {
    /// Takes a delivery; says whether it is news.
    pub(crate) fn take(&mut self, delivery: Delivery) -> bool {
        match self.0.iter_mut().find(|known| known.at == delivery.at) {
            Some(known) if known.heard >= delivery.heard => return false,
            Some(known) => known.heard = delivery.heard,
            None => {
                if self.0.len() >= MOST {
                    self.0.remove(0);
                }
                self.0.push(delivery);
            }
        }
        true
    }

    /// The earliest of those that count for a hit.
    pub(crate) fn of_hit_at(&self, hit_at: Timestamp) -> Option<Timestamp> {
        let counts = |delivery: &&Delivery| {
            hit_at.since(delivery.at).abs() <= DELIVERY_COUNTS_MS
                && hit_at.since(delivery.heard) <= DELIVERY_COUNTS_MS
        };
        self.0.iter().filter(counts).map(|delivery| delivery.at).min()
    }

    /// All that are known.
    pub(crate) fn all(&self) -> impl Iterator<Item = Delivery> {
        self.0.iter().copied()
    }

    /// When the last was heard of.
    pub(crate) fn heard(&self) -> Option<Timestamp> {
        self.0.iter().map(|delivery| delivery.heard).max()
    }

    /// The same without those heard of before a time, in milliseconds.
    pub(crate) fn since(mut self, heard: i64) -> Self {
        self.0.retain(|delivery| delivery.heard.millis() >= heard);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        if self.0.spilled() { self.0.capacity() * size_of::<Delivery>() } else { 0 }
    }
}
