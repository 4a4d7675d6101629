//! What clients of one network did in the mails of different readers.

use super::level::{HIGHEST, Readers, SEVERAL, level};
use super::{Told, reach};
use crate::policy::Policy;
use engagement::Kind;
use engagement::neighbour::{Fact, Hashed, Neighbour};

/// The hits of one account from one network, in the order of their seconds.
#[derive(Debug, Default)]
pub(super) struct ClientGround {
    touches: Vec<Touch>,
}

/// What one address did in one second to one message.
#[derive(Debug)]
struct Touch {
    second: i64,
    address: u64,
    reader: u64,
    message_id: Box<str>,
    /// It followed something, which is what is counted; a loaded image is only told.
    follows: bool,
    told_address: u8,
    told_network: u8,
}

impl ClientGround {
    pub(super) fn len(&self) -> usize {
        self.touches.len()
    }

    /// Lets go of what is older, and of the oldest beyond so many; how many those were.
    pub(super) fn forget_before(&mut self, second: i64, most: usize) -> usize {
        let old = self.touches.partition_point(|touch| touch.second < second);
        self.touches.drain(..old);
        let over = self.touches.len().saturating_sub(most);
        self.touches.drain(..over);
        over
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let ids: usize = self.touches.iter().map(|touch| touch.message_id.len()).sum();
        ids + self.touches.capacity() * size_of::<Touch>()
    }

    pub(super) fn take(
        &mut self,
        record: &Neighbour,
        second: i64,
        policy: &Policy,
        mut tell: impl FnMut(Told<'_>),
    ) {
        let Some(Hashed(address)) = record.address else { return };
        let Hashed(reader) = record.reader;
        let follows = record.kind != Kind::Open;
        let cell = self.range(second, second);
        let same = |touch: &Touch| touch.address == address && *touch.message_id == *record.message_id;
        let known = self.touches[cell.clone()].iter().position(same).map(|at| cell.start + at);
        let mut readers = Readers::up_to(policy.fanout_many_readers());
        let mut counted = false;
        for touch in
            self.touches[cell.clone()].iter().filter(|touch| touch.follows && touch.address == address)
        {
            readers.add(touch.reader);
            counted |= touch.reader == reader;
        }
        match known {
            Some(at) if self.touches[at].follows || !follows => return,
            Some(at) => self.touches[at].follows = true,
            // Whoever is here now is at the highest level, and adds nothing to anybody's.
            None if readers.enough() => {
                let told = |fact, level| Told {
                    message_id: &record.message_id,
                    fact,
                    second,
                    address: record.address,
                    level,
                };
                return tell(told(Fact::Address, HIGHEST));
            }
            None => {
                if self.touches.len() < 4 {
                    self.touches.reserve_exact(1);
                }
                let touch = Touch {
                    second,
                    address,
                    reader,
                    message_id: record.message_id.as_str().into(),
                    follows,
                    told_address: 0,
                    told_network: 0,
                };
                self.touches.insert(cell.end, touch);
            }
        }
        let reach = if follows && !counted { reach(policy) } else { 0 };
        for second in second - reach..=second + reach {
            self.raise(second, address, policy, &mut tell);
        }
    }

    /// Tells those of a second who are not told of its levels yet. Only one address has something new; the network's
    /// level concerns all.
    fn raise(&mut self, second: i64, address: u64, policy: &Policy, tell: &mut impl FnMut(Told<'_>)) {
        let cell = self.range(second, second);
        if cell.is_empty() {
            return;
        }
        let near = self.range(second - reach(policy), second + reach(policy));
        let mut by_address = Readers::up_to(policy.fanout_many_readers());
        let mut by_network = Readers::up_to(policy.fanout_many_readers());
        for touch in self.touches[near].iter().filter(|touch| touch.follows) {
            by_network.add(touch.reader);
            if touch.address == address && by_address.add(touch.reader) {
                break;
            }
        }
        let address_level = level(by_address.count(), policy);
        // Those of one address are of the network too.
        let network_level = level(by_network.count(), policy);
        for touch in &mut self.touches[cell] {
            let mut told = |fact, level| {
                let address = Some(Hashed(touch.address));
                tell(Told { message_id: &touch.message_id, fact, second, address, level });
            };
            if touch.address == address && touch.told_address < address_level {
                told(Fact::Address, address_level);
                touch.told_address = address_level;
            }
            // A network says something where an address does not say as much.
            let more = network_level >= SEVERAL && network_level > touch.told_network.max(touch.told_address);
            if more {
                told(Fact::Network, network_level);
                touch.told_network = network_level;
            }
        }
    }

    /// The touches from a second to another.
    fn range(&self, from: i64, to: i64) -> std::ops::Range<usize> {
        let start = self.touches.partition_point(|touch| touch.second < from);
        let end = start + self.touches[start..].partition_point(|touch| touch.second <= to);
        start..end
    }
}
