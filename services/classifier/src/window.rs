//! What a message's hits show together: the window.
//!
//! A [`Window`] holds the hits of one message that are not older than `window_minutes` behind its newest, in the order of
//! (received_at, event id), at most `window_hits` of them: what leaves is closed and never judged again, and folds into
//! the counters of [`Folded`], which rules still read. What the rules
//! find around a hit is its [`Marks`], a function of the hits in the window and of what it was told of other messages'
//! hits ([`Told`]), and of nothing else; no rule looks further than the window reaches, so for hits that come in time the last marks of each are a function of the set of hits.

mod crowd;
mod folded;
mod rules;
mod told;

use crate::facts::Facts;
use crate::finding::Finding;
use crate::matched::Matched;
use crate::policy::Policy;
use crate::signatures::Family;
use crowd::Crowd;
use engagement::neighbour::Fact;
use engagement::{Kind, Timestamp};
use folded::Folded;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

pub(crate) use rules::told_by;
pub use rules::{WINDOW_RULES, WindowRule};
pub(crate) use told::Told;

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
}

impl Seen {
    pub(crate) fn new(facts: &Facts<'_>, matched: &Matched<'_>) -> Self {
        let mut hasher = DefaultHasher::new();
        facts.ua.hash(&mut hasher);
        Self {
            received_at: facts.received_at,
            agent: hasher.finish(),
            ip: facts.ip,
            link_index: facts.link_index.or_else(|| facts.link_number()),
            placed: facts.link_index.is_some(),
            link_count: facts.link_count,
            kind: facts.kind,
            by_proxy: matched.agent(Family::GoogleImageProxy).is_some(),
            shared: crate::neighbours::shared(facts, matched),
            ahead: crate::rules::ahead(facts),
            unsubscribes: facts.unsubscribes(),
        }
    }

    /// Whether both came from one address with one agent. Without an address nobody is the same.
    fn same_client(&self, other: &Self) -> bool {
        self.ip.is_some() && self.same_address(other) && self.agent == other.agent
    }

    /// Whether both came from one address. An IPv4 client of a socket that listens on both families shows as
    /// ::ffff:a.b.c.d.
    fn same_address(&self, other: &Self) -> bool {
        self.ip.map(|ip| ip.to_canonical()) == other.ip.map(|ip| ip.to_canonical())
    }

    /// Milliseconds between the two.
    fn apart(&self, other: &Self) -> i64 {
        self.received_at.since(other.received_at).abs()
    }
}

/// What the rules over neighbours find around one hit: a level for each, 0 where it finds nothing. Equal marks make equal
/// verdicts on the same hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks([u8; WINDOW_RULES.len()]);

impl Marks {
    /// The findings behind the marks; `doubted` says whether the hit alone shows a sign of a machine.
    pub(crate) fn findings<'a>(self, doubted: bool) -> impl Iterator<Item = Finding<'a>> {
        WINDOW_RULES.iter().zip(self.0).filter(|(_, level)| *level > 0).filter_map(move |(rule, level)| {
            (rule.say)(level, doubted).map(|finding| Finding { rule: rule.name, ..finding })
        })
    }
}

/// A hit among its neighbours, as a rule sees it.
pub(crate) struct Around<'a> {
    hits: &'a [Seen],
    at: usize,
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
        if self.hits.len() < 2 && self.told.is_empty() {
            return Marks::default();
        }
        Marks(std::array::from_fn(|index| (WINDOW_RULES[index].see)(self)))
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

/// One hit of a window, with what its keeper needs of it.
#[derive(Debug)]
pub(crate) struct Held<T> {
    /// Its marks as they were last found.
    pub(crate) marks: Marks,
    /// What the keeper put there.
    pub(crate) kept: T,
}

/// What can be ordered among hits of the same time.
pub trait Identified {
    /// The id of the event.
    type Id: Ord + ?Sized;
    /// The id of the event.
    fn id(&self) -> &Self::Id;
}

/// The live hits of one message.
#[derive(Debug)]
pub(crate) struct Window<T> {
    seen: Vec<Seen>,
    held: Vec<Held<T>>,
    folded: Folded,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { seen: Vec::new(), held: Vec::new(), folded: Folded::default() }
    }
}

impl<T: Identified> Window<T> {
    /// Puts a hit in its place. What is then too old, or too much, leaves and is closed.
    pub(crate) fn put(&mut self, seen: Seen, kept: T, policy: &Policy) -> Placed<T> {
        if let Some(newest) = self.seen.last()
            && newest.received_at.since(seen.received_at) > policy.window_ms()
        {
            self.folded.add(&seen);
            return Placed::Late(kept);
        }
        let order = |index: usize| (self.seen[index].received_at, self.held[index].kept.id());
        let own = (seen.received_at, kept.id());
        let mut place = self.seen.partition_point(|other| other.received_at < seen.received_at);
        while place < self.seen.len() && order(place) < own {
            place += 1;
        }
        if place < self.seen.len() && order(place) == own {
            return Placed::Repeat(place, kept);
        }
        let full = i64::try_from(self.seen.len()).unwrap_or(i64::MAX) >= policy.window_hits();
        if place == 0 && full {
            self.folded.add(&seen);
            return Placed::Late(kept);
        }
        // Most messages are hit once or twice: room is made for one at a time at first.
        if self.seen.len() < 4 {
            self.seen.reserve_exact(1);
            self.held.reserve_exact(1);
        }
        self.seen.insert(place, seen);
        self.held.insert(place, Held { marks: Marks::default(), kept });
        let leaving = self.leaving(policy).min(place);
        for seen in self.seen.drain(..leaving) {
            self.folded.add(&seen);
        }
        self.held.drain(..leaving);
        Placed::New(place - leaving)
    }

    /// How many of the oldest are past the window or too many.
    fn leaving(&self, policy: &Policy) -> usize {
        let Some(newest) = self.seen.last() else { return 0 };
        let old =
            self.seen.partition_point(|seen| newest.received_at.since(seen.received_at) > policy.window_ms());
        let most = usize::try_from(policy.window_hits()).unwrap_or(usize::MAX);
        old.max(self.seen.len().saturating_sub(most))
    }

    /// Finds the marks of every hit anew, and calls back with those whose marks changed, in order.
    pub(crate) fn mark(&mut self, told: &Told, policy: &Policy, mut changed: impl FnMut(usize)) {
        let crowds = Crowd::all(&self.seen, policy);
        for at in 0..self.seen.len() {
            let around = Around { hits: &self.seen, at, policy, crowds: &crowds, told, folded: &self.folded };
            let marks = around.marks();
            if marks != self.held[at].marks {
                self.held[at].marks = marks;
                changed(at);
            }
        }
    }

    /// What the rules see of the hit at a place.
    pub(crate) fn seen(&self, at: usize) -> &Seen {
        &self.seen[at]
    }

    /// The hit at a place.
    pub(crate) fn held(&self, at: usize) -> &Held<T> {
        &self.held[at]
    }

    /// The hit at a place, to change it.
    pub(crate) fn held_mut(&mut self, at: usize) -> &mut Held<T> {
        &mut self.held[at]
    }

    /// How many hits are open.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// How many hits left since the window was made.
    pub(crate) fn folded(&self) -> u32 {
        self.folded.hits()
    }

    /// Bytes on the heap, without what the kept values point to.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.seen.capacity() * size_of::<Seen>()
            + self.held.capacity() * size_of::<Held<T>>()
            + self.folded.heap_bytes()
    }
}
