//! What a message's hits show together: the window.
//!
//! A [`Window`] holds the hits of one message in the order of (received_at, event id), at most `window_hits` of them. Those not
//! older than `window_minutes` behind its newest are open; older ones are closed and never judged again, but stay for as
//! long again, so that each open hit has all its neighbours; then, or when too many come, they fold into
//! the counters of [`Folded`], which rules still read. What the rules
//! find around a hit is its [`Marks`], a function of the hits in the window and of what it was told of other messages'
//! hits ([`Told`]), and of nothing else; no rule looks further than the window reaches, so for hits that come in time the last marks of each are a function of the set of hits.

mod crowd;
mod folded;
mod marks;
mod rules;
mod seen;
mod told;

use crate::message::Kept;
use crate::policy::Policy;
use crowd::Crowd;
use engagement::Kind;
use engagement::neighbour::Fact;
use folded::Folded;
use smallvec::SmallVec;

pub use marks::Marks;
pub(crate) use rules::told_by;
pub use rules::{WINDOW_RULES, WindowRule};
use seen::Packed;
pub use seen::Seen;
pub(crate) use told::Told;

/// A hit among its neighbours, as a rule sees it.
pub(crate) struct Around<'a> {
    hits: &'a [Seen],
    at: usize,
    /// Whether the trap link is among what was asked for.
    trap: bool,
    policy: &'a Policy,
    crowds: &'a [Crowd],
    told: &'a Told,
    folded: &'a Folded,
}

impl<'a> Around<'a> {
    /// The densest moment that the hit belongs to.
    fn crowd(&self) -> &'a Crowd {
        &self.crowds[self.at]
    }

    /// How much of a fact other messages' hits show around it.
    fn told(&self, fact: Fact) -> u8 {
        self.told.level(fact, self.own())
    }

    fn marks(&self) -> Marks {
        Marks::new(|rule| (rule.see)(self))
    }

    /// The hit itself.
    fn own(&self) -> &'a Seen {
        &self.hits[self.at]
    }

    /// The other hits that arrived within so many milliseconds before or after it.
    fn others(&self, within_ms: i64) -> impl Iterator<Item = &'a Seen> {
        let own = self.own();
        let others =
            self.hits.iter().enumerate().filter(|(index, _)| *index != self.at).map(|(_, seen)| seen);
        others.filter(move |seen| seen.apart(own) <= within_ms)
    }
}

/// What became of a hit that was put into a window.
#[derive(Debug)]
pub(crate) enum Placed<T> {
    /// It is at this place now.
    New(usize),
    /// It was there already, at this place.
    Repeat(usize, T),
    /// The window is past it, or full of newer ones: it is judged alone, and folded into the counters.
    Late(T),
}

/// One hit of a window, with what was said of it and what its keeper needs of it.
#[derive(Debug)]
pub(crate) struct Held<T> {
    seen: Packed,
    /// What its keeper needs of it.
    pub(crate) kept: T,
    /// What was said last of it.
    pub(crate) said: Said,
    /// Its marks as they were last found.
    pub(crate) marks: Marks,
}

/// What was said last of a hit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    /// A hash of the verdict and the client, without the revision; in two halves, so that it needs no room beside it.
    halves: [u32; 2],
    /// The revision; 0 before the first.
    pub(crate) revision: u32,
}

impl<T: Kept> Held<T> {
    /// What rules see of it.
    pub(crate) fn seen(&self) -> Seen {
        let seen = self.seen.without_agent();
        Seen { agent: self.kept.agent_number(&seen), ..seen }
    }
}

impl Said {
    pub(crate) fn new(hash: u64, revision: u32) -> Self {
        Self { halves: [(hash >> 32) as u32, hash as u32], revision }
    }

    /// The hash of the verdict and the client.
    pub(crate) fn hash(self) -> u64 {
        u64::from(self.halves[0]) << 32 | u64::from(self.halves[1])
    }
}

/// What can be ordered among hits of the same time.
pub trait Identified {
    /// The id of the event.
    type Id: Ord + ?Sized;
    /// The id of the event.
    fn id(&self) -> &Self::Id;
}

/// The live hits of one message, in as little memory as they need: of a million messages most have one or two.
#[derive(Debug)]
pub(crate) struct Window<T> {
    hits: Box<[Held<T>]>,
    folded: Folded,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { hits: Box::default(), folded: Folded::default() }
    }
}

impl<T: Kept> Window<T> {
    /// Puts a hit in its place. What is then too old, or too much, leaves and is closed.
    pub(crate) fn put(&mut self, seen: Seen, kept: T, policy: &Policy) -> Placed<T> {
        let newest = self.hits.last().map(|held| held.seen.received_at());
        if newest.is_some_and(|newest| newest.since(seen.received_at) > policy.window_ms()) {
            self.folded.add(&seen);
            return Placed::Late(kept);
        }
        let own = (seen.received_at, kept.id());
        let place =
            match self.hits.binary_search_by(|held| (held.seen.received_at(), held.kept.id()).cmp(&own)) {
                Ok(place) => return Placed::Repeat(place, kept),
                Err(place) => place,
            };
        let most = usize::try_from(policy.window_hits()).unwrap_or(usize::MAX);
        if place == 0 && self.hits.len() >= most {
            self.folded.add(&seen);
            return Placed::Late(kept);
        }
        let held = Held { seen: Packed::new(&seen), kept, said: Said::default(), marks: Marks::default() };
        let mut hits = std::mem::take(&mut self.hits).into_vec();
        hits.reserve_exact(1);
        hits.insert(place, held);
        let newest = newest.unwrap_or(seen.received_at).max(seen.received_at);
        let old = hits.partition_point(|held| newest.since(held.seen.received_at()) > 2 * policy.window_ms());
        let leaving = old.max(hits.len().saturating_sub(most)).min(place);
        for held in hits.drain(..leaving) {
            self.folded.add(&held.seen.without_agent());
        }
        self.hits = hits.into_boxed_slice();
        Placed::New(place - leaving)
    }

    /// The place of the first hit that is open.
    pub(crate) fn first_open(&self, policy: &Policy) -> usize {
        let Some(newest) = self.hits.last().map(|held| held.seen.received_at()) else { return 0 };
        self.hits.partition_point(|held| newest.since(held.seen.received_at()) > policy.window_ms())
    }

    /// Finds the marks of every open hit anew, and calls back with those whose marks changed, in order.
    pub(crate) fn mark(&mut self, told: &Told, policy: &Policy, mut changed: impl FnMut(usize)) {
        let alone = self.hits.len() < 2 && told.is_empty();
        if alone && !self.hits.iter().any(|held| held.seen.images_expected()) {
            // There is nothing around it, and nothing is missing. Marks that it had when others were there go with them.
            for (at, held) in self.hits.iter_mut().enumerate() {
                if std::mem::take(&mut held.marks) != Marks::default() {
                    changed(at);
                }
            }
            return;
        }
        let seen: SmallVec<[Seen; 4]> = self.hits.iter().map(Held::seen).collect();
        let crowds = Crowd::all(&seen, policy);
        let trap = seen.iter().any(|seen| seen.kind == Kind::Trap);
        let open = self.first_open(policy);
        for (at, held) in self.hits.iter_mut().enumerate().skip(open) {
            let around =
                Around { hits: &seen, at, trap, policy, crowds: &crowds, told, folded: &self.folded };
            let marks = around.marks();
            if marks != held.marks {
                held.marks = marks;
                changed(at);
            }
        }
    }

    /// Sees every hit anew: another ruleset may see something else in it.
    pub(crate) fn see_again(&mut self, see: impl Fn(&T, &Seen) -> Seen) {
        for held in &mut self.hits {
            held.seen = Packed::new(&see(&held.kept, &held.seen()));
        }
    }

    /// The hit at a place.
    pub(crate) fn held(&self, at: usize) -> &Held<T> {
        &self.hits[at]
    }

    /// What was said of the hit at a place, to change it.
    pub(crate) fn said_mut(&mut self, at: usize) -> &mut Said {
        &mut self.hits[at].said
    }

    /// All hits, oldest first.
    pub(crate) fn all(&self) -> &[Held<T>] {
        &self.hits
    }

    /// How many hits left since the window was made.
    pub(crate) fn folded(&self) -> u32 {
        self.folded.hits()
    }

    /// Bytes on the heap, without what the kept values point to.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val::<[Held<T>]>(&self.hits) + self.folded.heap_bytes()
    }
}
