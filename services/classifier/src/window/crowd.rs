//! How many links of a mail were asked for at once.

use super::Seen;
use crate::policy::Policy;
use engagement::Kind;
use smallvec::{SmallVec, smallvec};

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
    /// The densest moment around each hit. Only moments that no longer one contains are looked at.
    pub(super) fn all(hits: &[Seen], policy: &Policy) -> SmallVec<[Self; 4]> {
        let mut densest = smallvec![Self::default(); hits.len()];
        let asked = hits.iter().filter(|seen| matches!(seen.kind, Kind::Click | Kind::Trap)).count();
        if asked < 2 {
            return densest;
        }
        let span = policy.burst_span_ms();
        let mut reached = 0;
        for (start, first) in hits.iter().enumerate() {
            let from = first.received_at;
            let end = start + hits[start..].partition_point(|seen| seen.received_at.since(from) <= span);
            if end <= reached {
                continue;
            }
            reached = end;
            let crowd = Self::of(&hits[start..end]);
            for (seen, densest) in hits[start..end].iter().zip(&mut densest[start..end]) {
                if !seen.ahead && !seen.unsubscribes && crowd.density() > densest.density() {
                    *densest = crowd;
                }
            }
        }
        densest
    }

    fn density(&self) -> (usize, bool, bool, bool) {
        (self.links, self.whole, self.in_order, self.pixel)
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
                        crowd.in_order &= seen.placed && highest.is_none_or(|highest| link > highest);
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
