//! The messages that are held, each under its key.

use super::kept::KeptHit;
use crate::message::Message;
use aws_lc_rs::digest;
use engagement::AccountNumber;
use hashbrown::HashTable;
use slab::Slab;
use smallvec::SmallVec;

/// A hash of a message's key: shorter than most, and of one length.
pub(super) type Key = [u8; 16];

pub(super) fn key(account: AccountNumber, message_id: &str) -> Key {
    // An id of a token has its room here without an allocation.
    let mut whole: SmallVec<[u8; 80]> = SmallVec::from_slice(&account.0.to_be_bytes());
    whole.extend_from_slice(message_id.as_bytes());
    let hash = digest::digest(&digest::SHA256, &whole);
    let mut key = Key::default();
    key.copy_from_slice(&hash.as_ref()[..16]);
    key
}

/// A message whose window is open.
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) message: Message<KeptHit>,
    /// Which ruleset last saw its hits.
    pub(super) seen_by: u64,
    /// Past this it is as if it were not here, whenever it is let go: what a restart would not know must not decide.
    pub(super) until: i64,
    /// What was last noted of that.
    pub(super) noted: i64,
}

/// Where a message is. Once it is gone, another may be there.
pub(super) type Place = u32;

/// All of them, one behind the other. Only the table of their places has room for more than there are.
#[derive(Default)]
pub(super) struct Messages {
    places: HashTable<Place>,
    held: Slab<Held>,
}

/// A key is a hash already.
fn hash(key: &Key) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Messages {
    pub(super) fn find(&self, key: &Key) -> Option<Place> {
        self.places.find(hash(key), |place| self.held[*place as usize].key == *key).copied()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Held> {
        self.at(self.find(key)?)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Held> {
        self.at_mut(self.find(key)?)
    }

    pub(super) fn at(&self, place: Place) -> Option<&Held> {
        self.held.get(place as usize)
    }

    pub(super) fn at_mut(&mut self, place: Place) -> Option<&mut Held> {
        self.held.get_mut(place as usize)
    }

    /// Puts a message in the place of the one of its key, or in a place of its own.
    pub(super) fn put(&mut self, held: Held) -> Place {
        let Self { places, held: all } = self;
        if let Some(place) = places.find(hash(&held.key), |place| all[*place as usize].key == held.key) {
            all[*place as usize] = held;
            return *place;
        }
        let key = held.key;
        let place =
            Place::try_from(all.insert(held)).expect("fewer than four billion messages fit into memory");
        places.insert_unique(hash(&key), place, |place| hash(&all[*place as usize].key));
        place
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Held> {
        let held = self.held.try_remove(place as usize)?;
        if let Ok(found) = self.places.find_entry(hash(&held.key), |other| *other == place) {
            found.remove();
        }
        Some(held)
    }

    /// Keeps some, and calls back with each of the others.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Held) -> bool, mut gone: impl FnMut(Held)) {
        let Self { places, held: all } = self;
        places.retain(|place| {
            let kept = all.get(*place as usize).is_some_and(&mut keep);
            if !kept && let Some(held) = all.try_remove(*place as usize) {
                gone(held);
            }
            kept
        });
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.held.iter_mut().map(|(_, held)| held)
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_until_it_is_removed() {
        let key = |number: u32| key(AccountNumber(number), "m");
        let held = |number, until| Held {
            key: key(number),
            message: Message::default(),
            seen_by: 0,
            until,
            noted: 0,
        };
        let mut messages = Messages::default();
        let places: Vec<_> = (0..100).map(|number| messages.put(held(number, i64::from(number)))).collect();
        assert_eq!(messages.put(held(7, 700)), places[7], "it takes the place of the one before");
        assert!(messages.remove(places[8]).is_some());
        assert!(messages.remove(places[8]).is_none());
        assert_eq!((messages.len(), messages.find(&key(8))), (99, None));
        assert_eq!(messages.put(held(100, 0)), places[8], "a place is used again");
        let mut gone = Vec::new();
        messages.retain(|held| held.until % 2 == 0, |held| gone.push(held.until));
        assert_eq!(messages.get(&key(7)).map(|held| held.until), Some(700));
        assert!(messages.get_mut(&key(9)).is_none() && messages.at(places[9]).is_none());
        assert_eq!((messages.len(), messages.all_mut().count(), gone.len()), (51, 51, 49));
    }
}
