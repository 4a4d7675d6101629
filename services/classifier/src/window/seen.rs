//! What the rules over neighbours see of one hit, and how a window keeps it.

use crate::facts::Facts;
use crate::matched::Matched;
use crate::signatures::Family;
use engagement::{Kind, Timestamp};
use std::net::IpAddr;

/// What the rules over neighbours see of one hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When it arrived.
    pub received_at: Timestamp,
    /// The agent, as a number that is the same for the same agent within one process.
    pub agent: u64,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// Which link of the mail: its place, or a number that tells it from the others where that is not known.
    pub link_index: Option<u16>,
    /// Whether `link_index` is a place.
    pub placed: bool,
    /// How many links the mail has.
    pub link_count: Option<u16>,
    /// What was asked for.
    pub kind: Kind,
    /// A proxy fetched it when a reader opened the mail, so its address is not the reader's.
    pub by_proxy: bool,
    /// Its address carries many people, so what else came from there says nothing of it.
    pub shared: bool,
    /// The request says that it is made ahead of the reader; a browser then asks for what nobody clicked.
    pub ahead: bool,
    /// A POST, which a mailbox provider's server sends at the reader's word.
    pub unsubscribes: bool,
    /// Whether readers of the recipient's domain load images before they click, where that was learned.
    pub images: Option<bool>,
}

impl Seen {
    pub(crate) fn new(facts: &Facts<'_>, matched: &Matched<'_>) -> Self {
        Self {
            received_at: facts.received_at,
            agent: matched.read().number(),
            ip: facts.ip,
            link_index: facts.link_index.or_else(|| facts.link_number()),
            placed: facts.link_index.is_some(),
            link_count: facts.link_count,
            kind: facts.kind,
            by_proxy: matched.agent(Family::GoogleImageProxy).is_some(),
            shared: crate::neighbours::shared(facts, matched),
            ahead: crate::rules::ahead(facts),
            unsubscribes: facts.unsubscribes(),
            images: matched.images(facts.recipient_domain),
        }
    }

    /// Whether both came from one address with one agent. Without an address nobody is the same.
    pub(super) fn same_client(&self, other: &Self) -> bool {
        self.ip.is_some() && self.same_address(other) && self.agent == other.agent
    }

    /// Whether both came from one address. An IPv4 client of a socket that listens on both families shows as
    /// ::ffff:a.b.c.d.
    pub(super) fn same_address(&self, other: &Self) -> bool {
        self.ip.map(|ip| ip.to_canonical()) == other.ip.map(|ip| ip.to_canonical())
    }

    /// Milliseconds between the two.
    pub(super) fn apart(&self, other: &Self) -> i64 {
        self.received_at.since(other.received_at).abs()
    }
}

/// The same in 32 bytes, without the agent, which the kept hit tells.
#[derive(Debug)]
pub(super) struct Packed {
    received_at: Timestamp,
    ip: Option<IpAddr>,
    link_index: u16,
    link_count: u16,
    /// The kind in the lowest two bits, then one bit for each of what is or is not so.
    bits: u16,
}

/// Kinds in the order of their bits.
const KINDS: [Kind; 4] = [Kind::Open, Kind::Click, Kind::Unsubscribe, Kind::Trap];
const BY_PROXY: u16 = 1 << 2;
const SHARED: u16 = 1 << 3;
const AHEAD: u16 = 1 << 4;
const UNSUBSCRIBES: u16 = 1 << 5;
const HAS_INDEX: u16 = 1 << 6;
const HAS_COUNT: u16 = 1 << 7;
const PLACED: u16 = 1 << 8;
const KNOWS_IMAGES: u16 = 1 << 9;
const IMAGES: u16 = 1 << 10;

impl Packed {
    pub(super) fn new(seen: &Seen) -> Self {
        let Seen { received_at, agent: _, ip, link_index, link_count, kind, .. } = *seen;
        let kind = match kind {
            Kind::Open => 0,
            Kind::Click => 1,
            Kind::Unsubscribe => 2,
            Kind::Trap => 3,
        };
        let so = [
            (seen.by_proxy, BY_PROXY),
            (seen.shared, SHARED),
            (seen.ahead, AHEAD),
            (seen.unsubscribes, UNSUBSCRIBES),
            (link_index.is_some(), HAS_INDEX),
            (link_count.is_some(), HAS_COUNT),
            (seen.placed, PLACED),
            (seen.images.is_some(), KNOWS_IMAGES),
            (seen.images == Some(true), IMAGES),
        ];
        let bits = so.iter().filter(|(so, _)| *so).fold(kind, |bits, (_, bit)| bits | bit);
        let (link_index, link_count) = (link_index.unwrap_or_default(), link_count.unwrap_or_default());
        Self { received_at, ip, link_index, link_count, bits }
    }

    pub(super) fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// Whether readers of its domain are known to load images.
    pub(super) fn images_expected(&self) -> bool {
        self.bits & IMAGES != 0
    }

    /// What was seen, all but the agent.
    pub(super) fn without_agent(&self) -> Seen {
        let is = |bit: u16| self.bits & bit != 0;
        Seen {
            received_at: self.received_at,
            agent: 0,
            ip: self.ip,
            link_index: is(HAS_INDEX).then_some(self.link_index),
            placed: is(PLACED),
            link_count: is(HAS_COUNT).then_some(self.link_count),
            kind: KINDS[usize::from(self.bits & 3)],
            by_proxy: is(BY_PROXY),
            shared: is(SHARED),
            ahead: is(AHEAD),
            unsubscribes: is(UNSUBSCRIBES),
            images: is(KNOWS_IMAGES).then_some(is(IMAGES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_what_was_seen() {
        assert_eq!(size_of::<Packed>(), 32);
        for bits in 0..IMAGES * 2 {
            if bits & (KNOWS_IMAGES | IMAGES) == IMAGES {
                continue;
            }
            let link = |bit: u16, link: u16| (bits & bit != 0).then_some(link);
            let seen = Seen {
                received_at: Timestamp::from_millis(1_795_219_200_123).unwrap(),
                agent: 0,
                ip: [None, Some("203.0.113.7"), Some("::ffff:203.0.113.7"), Some("2001:db8::7")]
                    [usize::from(bits >> 4 & 3)]
                .map(|ip| ip.parse().unwrap()),
                link_index: link(HAS_INDEX, u16::MAX),
                placed: bits & PLACED != 0,
                link_count: link(HAS_COUNT, 0),
                kind: KINDS[usize::from(bits & 3)],
                by_proxy: bits & BY_PROXY != 0,
                shared: bits & SHARED != 0,
                ahead: bits & AHEAD != 0,
                unsubscribes: bits & UNSUBSCRIBES != 0,
                images: (bits & KNOWS_IMAGES != 0).then_some(bits & IMAGES != 0),
            };
            let packed = Packed::new(&seen);
            assert_eq!((packed.bits, packed.without_agent()), (bits, seen));
        }
    }
}
