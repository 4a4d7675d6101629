//! What a message was told of the hits of other messages.

use super::Seen;
use crate::neighbours::address_of;
use engagement::neighbour::{Fact, Hashed, Signal};
use engagement::{AccountNumber, Timestamp};

/// So many facts at most are kept of a message: as many as there are kinds of them for each hit of its window. Beyond it the
/// oldest go.
const MOST: usize = 256;

/// The signals of one message, of which most have none.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<Box<Facts>>);

#[derive(Debug)]
struct Facts {
    account_number: AccountNumber,
    facts: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    second: Timestamp,
    address: Option<Hashed>,
    fact: Fact,
    level: u8,
}

impl Told {
    /// Takes a signal; says whether it is news.
    pub(crate) fn take(&mut self, signal: &Signal) -> bool {
        let told = self.0.get_or_insert_with(|| {
            Box::new(Facts { account_number: signal.account_number, facts: Vec::new() })
        });
        let same = |known: &&mut Known| {
            (known.second, known.address, known.fact) == (signal.second, signal.address, signal.fact)
        };
        if let Some(known) = told.facts.iter_mut().find(same) {
            let news = known.level < signal.level;
            known.level = known.level.max(signal.level);
            return news;
        }
        let Signal { second, address, fact, level, .. } = *signal;
        let place = told.facts.partition_point(|known| known.second <= second);
        told.facts.insert(place, Known { second, address, fact, level });
        if told.facts.len() > MOST {
            told.facts.remove(0);
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The level of a fact around a hit; 0 for nothing.
    pub(super) fn level(&self, fact: Fact, seen: &Seen) -> u8 {
        let Some(told) = &self.0 else { return 0 };
        let second = seen.received_at.millis().div_euclid(1000);
        let mut own = None;
        let about = |known: &&Known| {
            known.fact == fact
                && known.second.millis().div_euclid(1000) == second
                && known.address.is_none_or(|address| {
                    let ip_of = || seen.ip.map(|ip| address_of(told.account_number, ip));
                    *own.get_or_insert_with(ip_of) == Some(address)
                })
        };
        told.facts.iter().filter(about).map(|known| known.level).max().unwrap_or(0)
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let bytes = |told: &Facts| size_of::<Facts>() + told.facts.capacity() * size_of::<Known>();
        self.0.as_deref().map_or(0, bytes)
    }
}
