//! What the stored hits of an account show of each other, for hits that are judged again.
//!
//! [`Comparing`] takes the hits of a stretch in the order of their times, as the second stage took them when they came,
//! and keeps what it finds; [`Compared`] says it of one hit after another, in any order. In that order no hit is late, so
//! what an outage hid from the verdict of then is found. Of the hits without evidence nothing can be found: around
//! those the earlier verdict's findings count as well, and so they do where the same rules made them.

use crate::facts::Facts;
use crate::hash::hasher;
use crate::neighbours::{Neighbours, address_of, neighbours};
use crate::policy::Policy;
use crate::ruleset::Ruleset;
use crate::window::told_by;
use engagement::neighbour::{Fact, Hashed, Signal};
use engagement::{Hit, Timestamp, Verdict};
use std::hash::{Hash as _, Hasher as _};

/// So many hits at most are held to be compared with, about 200 bytes each; those touched longest ago leave, and in the order of
/// time that is behind their reach unless so many come within it.
const MOST_HITS: usize = 500_000;

/// There is more to keep than was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more is found among the hits than may be kept at once")]
pub struct Full;

/// Finds out what hits show of each other.
#[derive(Debug)]
pub struct Comparing<'a> {
    ruleset: &'a Ruleset,
    neighbours: Neighbours,
    found: Vec<Found>,
    most: usize,
    gaps: Vec<Gap>,
}

/// What was found, for any of the hits that were compared.
#[derive(Debug, Default)]
pub struct Compared {
    /// In order, the highest level of each alone.
    found: Vec<Found>,
    gaps: Vec<Gap>,
    /// What was compared by.
    ruleset: String,
}

/// A fact about some hits of a message. Its id stands as a number: two messages whose numbers agree would have to be hit in
/// one second as well to be taken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    message: u64,
    second: i64,
    fact: Fact,
    address: Option<Hashed>,
    level: u8,
}

/// A time around hits that nothing is known of, in milliseconds, both ends in it.
#[derive(Debug, Clone, Copy)]
struct Gap {
    from: i64,
    to: i64,
}

/// How far apart two messages' hits may lie to show something of each other, in milliseconds: so much more has to be
/// compared on either side than is judged.
pub(crate) fn reach_ms(policy: &Policy) -> i64 {
    // A second and a minute count whole, wherever a hit lies in them; a sweep's second may be one beside it.
    let seconds = policy.fanout_reach_seconds() + 2;
    let minutes = policy.images_reach_minutes() + 1;
    (seconds * 1000).max(minutes * 60_000)
}

impl<'a> Comparing<'a> {
    /// Nothing yet, and room for so many facts, of 48 bytes each.
    #[must_use]
    pub fn new(ruleset: &'a Ruleset, most: usize) -> Self {
        Self { ruleset, neighbours: Neighbours::new(MOST_HITS), found: Vec::new(), most, gaps: Vec::new() }
    }

    /// Takes the next hit; one that is there already changes nothing.
    ///
    /// # Errors
    /// [`Full`]: the hit is taken, but a shorter stretch should be compared, or more be allowed.
    pub fn hit(&mut self, hit: &Hit) -> Result<(), Full> {
        let seen = self.ruleset.see(&Facts::from(hit));
        let records =
            neighbours(hit.account_number, &hit.message_id, &hit.recipient_id, &hit.recipient_domain, &seen);
        for record in records {
            self.neighbours.take(&record, self.ruleset, |signal| self.found.push(Found::of(&signal)));
        }
        if self.found.len() > self.most {
            highest_alone(&mut self.found);
            // So that it is not sorted again at each hit.
            if self.found.len() > self.most / 4 * 3 {
                return Err(Full);
            }
        }
        Ok(())
    }

    /// Makes room for twice as much, after [`Full`]: nothing that was found is lost.
    pub fn allow_more(&mut self) {
        self.most = self.most.saturating_mul(2);
    }

    /// Takes the next hit whose evidence is gone.
    pub fn expired(&mut self, received_at: Timestamp) {
        let (at, reach) = (received_at.millis(), reach_ms(self.ruleset.policy()));
        match self.gaps.last_mut().filter(|gap| gap.to >= at - reach) {
            Some(gap) => gap.to = gap.to.max(at + reach),
            None => self.gaps.push(Gap { from: at - reach, to: at + reach }),
        }
    }

    /// What was found.
    #[must_use]
    pub fn end(mut self) -> Compared {
        highest_alone(&mut self.found);
        Compared { found: self.found, gaps: self.gaps, ruleset: self.ruleset.version().to_owned() }
    }
}

impl Compared {
    /// What other messages' hits show of a hit, on which this verdict was given.
    pub(super) fn of(&self, hit: &Hit, verdict: &Verdict) -> Vec<Signal> {
        let message = number(&hit.message_id);
        let second = hit.received_at.millis().div_euclid(1000);
        let first = self.found.partition_point(|found| (found.message, found.second) < (message, second));
        let about = |found: &&Found| (found.message, found.second) == (message, second);
        let found = self.found[first..].iter().take_while(about);
        let signal = |fact, address, level| Signal {
            v: Signal::VERSION,
            account_number: hit.account_number,
            message_id: hit.message_id.clone(),
            fact,
            second: hit.received_at.plus_millis(-hit.received_at.millis().rem_euclid(1000)),
            address,
            level,
        };
        let mut signals: Vec<Signal> =
            found.map(|found| signal(found.fact, found.address, found.level)).collect();
        // What these rules found once stays true: hits are added to, and never taken away but with their evidence. Some may
        // not be stored yet.
        if verdict.ruleset == self.ruleset || self.has_gap_at(hit.received_at.millis()) {
            let told = verdict.reasons.iter().filter_map(told_by);
            signals.extend(told.map(|(fact, level)| {
                let of_address = matches!(fact, Fact::Address | Fact::Network);
                let address = hit.request.ip.filter(|_| of_address);
                signal(fact, address.map(|ip| address_of(hit.account_number, ip)), level)
            }));
        }
        signals
    }

    fn has_gap_at(&self, at: i64) -> bool {
        let next = self.gaps.partition_point(|gap| gap.to < at);
        self.gaps.get(next).is_some_and(|gap| gap.from <= at)
    }
}

impl Found {
    fn of(signal: &Signal) -> Self {
        Self {
            message: number(&signal.message_id),
            second: signal.second.millis().div_euclid(1000),
            fact: signal.fact,
            address: signal.address,
            level: signal.level,
        }
    }

    fn subject(&self) -> (u64, i64, Fact, Option<Hashed>) {
        (self.message, self.second, self.fact, self.address)
    }
}

/// Puts them in order, and leaves of each the highest level.
fn highest_alone(found: &mut Vec<Found>) {
    found.sort_unstable_by(|left, right| {
        left.subject().cmp(&right.subject()).then(right.level.cmp(&left.level))
    });
    found.dedup_by_key(|found| found.subject());
}

fn number(message_id: &str) -> u64 {
    let mut hasher = hasher();
    message_id.hash(&mut hasher);
    hasher.finish()
}
