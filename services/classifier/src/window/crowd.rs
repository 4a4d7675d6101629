//! How many links of a mail were asked for at once.

use super::Seen;
use crate::policy::Policy;
use engagement::Kind;

/// The most links that are told apart; a mail has no more places in a token's sixteen bits that matter here.
const LINKS: usize = 1024;

/// The densest moment that a hit belongs to: what was asked for within `burst_span_ms` of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Crowd {
    /// Distinct links, the trap among them.
    pub(super) links: usize,
    /// The links were asked for in the order of the mail.
    pub(super) in_order: bool,
    /// Every link of the mail is among them.
    pub(super) whole: bool,
    /// So is the pixel.
    pub(super) pixel: bool,
}

impl Crowd {
    /// The densest moment around the hit at a place.
    pub(super) fn around(hits: &[Seen], at: usize, policy: &Policy) -> Self {
        let own = &hits[at];
        if own.ahead || own.unsubscribes {
            return Self::default();
        }
        let span = policy.burst_span_ms();
        let first = hits.partition_point(|seen| own.received_at.since(seen.received_at) > span);
        let mut densest = Self::default();
        for start in first..=at {
            let from = hits[start].received_at;
            let end = start + hits[start..].partition_point(|seen| seen.received_at.since(from) <= span);
            if end <= at {
                continue;
            }
            let crowd = Self::of(&hits[start..end]);
            if (crowd.links, crowd.whole, crowd.in_order, crowd.pixel)
                > (densest.links, densest.whole, densest.in_order, densest.pixel)
            {
                densest = crowd;
            }
        }
        densest
    }

    fn of(hits: &[Seen]) -> Self {
        let mut known = [0_u64; LINKS / 64];
        let mut crowd = Self { in_order: true, ..Self::default() };
        let mut trap = false;
        let mut highest = None;
        let mut count = None;
        for seen in hits.iter().filter(|seen| !seen.ahead && !seen.unsubscribes) {
            match (seen.kind, seen.link_index) {
                (Kind::Open, _) => crowd.pixel = true,
                (Kind::Trap, _) => trap = true,
                (Kind::Click, Some(link)) => {
                    count = count.max(seen.link_count);
                    let place = usize::from(link) % LINKS;
                    let bit = 1 << (place % 64);
                    if known[place / 64] & bit == 0 {
                        known[place / 64] |= bit;
                        crowd.links += 1;
                        crowd.in_order &= highest.is_none_or(|highest| link > highest);
                        highest = Some(link);
                    }
                }
                (Kind::Click | Kind::Unsubscribe, _) => {}
            }
        }
        crowd.in_order &= crowd.links >= 3;
        crowd.whole = crowd.links >= 2 && count.is_some_and(|count| crowd.links >= usize::from(count));
        crowd.links += usize::from(trap);
        crowd
    }
}
