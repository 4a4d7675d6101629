//! What the hits of different messages of one account show together.
//!
//! Hits are gathered again on two grounds: their client's network, and their recipient's domain. On each, the number of
//! distinct readers within reach of each second gives that second a level, and each hit there that is told of a higher
//! level gets a [`Signal`] under its message's key. Levels are functions of the set of hits on a ground, count distinct
//! readers, and only rise, so the last signals are the same whatever the order, the batches and the partitions; repeats
//! change nothing. Time is the records' own.
//!
//! Bounds: a ground looks back over [`NEIGHBOURS_HOLD_MS`] behind its newest hit, and over so many hits at most; what
//! comes later is counted and gets no signal. Of all grounds those touched longest ago leave first when too many hits
//! are held.

mod client;
mod domain;
mod emit;
mod level;

use crate::policy::Policy;
use crate::ruleset::Ruleset;
use client::ClientGround;
use domain::DomainGround;
use engagement::neighbour::{Fact, Ground, Hashed, Neighbour, Signal};
use engagement::{AccountNumber, Timestamp};
use std::collections::{HashMap, VecDeque};

pub use emit::neighbours;
pub(crate) use emit::{address_of, shared};

/// How far behind the newest hit of its ground a hit may come and still be seen among its neighbours; a ground that
/// nothing touches is let go after twice as much. In the progress of record times.
pub const NEIGHBOURS_HOLD_MS: i64 = 1_800_000;

/// So many hits at most on one ground; beyond it the oldest leave, which only hits that come late could miss.
const MOST_ON_A_GROUND: usize = 4096;

/// The text of what decides here, which the ruleset's version hashes.
pub(crate) const DECIDING_CODE: [&str; 6] = [
    include_str!("neighbours.rs"),
    include_str!("neighbours/client.rs"),
    include_str!("neighbours/domain.rs"),
    include_str!("neighbours/emit.rs"),
    include_str!("neighbours/level.rs"),
    include_str!("../consumer_domains.toml"),
];

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is among its neighbours.
    InTime,
    /// It came too late: it gets no signal and makes none.
    Late,
}

/// The grounds of all accounts in some partitions.
#[derive(Debug)]
pub struct Neighbours {
    most: usize,
    grounds: HashMap<Key, Held>,
    /// Until when a ground is held, as was said at some touch; only the last word of each counts.
    ends: VecDeque<(i64, Key)>,
    newest: i64,
    hits: usize,
    crowded_out: u64,
    folded: u64,
}

type Key = (AccountNumber, Ground, Hashed);

#[derive(Debug)]
struct Held {
    ground: AnyGround,
    /// The newest second of a hit.
    newest: i64,
    until: i64,
}

#[derive(Debug)]
enum AnyGround {
    Client(ClientGround),
    Domain(Box<DomainGround>),
}

/// A rise to be told: to which message, what, about which second and address, how much.
struct Told<'a> {
    message_id: &'a str,
    fact: Fact,
    second: i64,
    address: Option<Hashed>,
    level: u8,
}

/// How much later a touch must be than the last that was noted to be noted itself.
const TOUCH_MS: i64 = 60_000;

impl Neighbours {
    /// No hits yet, and room for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            grounds: HashMap::new(),
            ends: VecDeque::new(),
            newest: i64::MIN,
            hits: 0,
            crowded_out: 0,
            folded: 0,
        }
    }

    /// Changes how many hits are held at most. Those beyond leave with the next that comes.
    pub fn hold_at_most(&mut self, most: usize) {
        self.most = most.max(1);
    }

    /// Takes a hit, and calls back with what it makes known: of itself, and of those before it.
    pub fn take(&mut self, record: &Neighbour, ruleset: &Ruleset, mut say: impl FnMut(Signal)) -> Taken {
        let policy = ruleset.policy();
        self.newest = self.newest.max(record.received_at.millis());
        self.let_go();
        let key = (record.account_number, record.ground, record.of);
        let second = record.received_at.millis().div_euclid(1000);
        let end = self.newest.saturating_add(2 * NEIGHBOURS_HOLD_MS);
        let held = self.grounds.entry(key).or_insert_with(|| Held {
            ground: match record.ground {
                Ground::Client => AnyGround::Client(ClientGround::default()),
                Ground::Domain => AnyGround::Domain(Box::default()),
            },
            newest: second,
            until: i64::MIN,
        });
        if end > held.until.saturating_add(TOUCH_MS) {
            held.until = end;
            self.ends.push_back((end, key));
        }
        let hold = NEIGHBOURS_HOLD_MS / 1000;
        if held.newest - second > hold {
            return Taken::Late;
        }
        held.newest = held.newest.max(second);
        self.hits -= held.len();
        let tell = |told: Told<'_>| say(told.signal(record.account_number));
        match &mut held.ground {
            AnyGround::Client(ground) => ground.take(record, second, policy, tell),
            AnyGround::Domain(ground) => ground.take(record, second, policy, tell),
        }
        self.folded += held.forget_before(held.newest - hold) as u64;
        self.hits += held.len();
        self.crowd_out(key);
        Taken::InTime
    }

    /// How many hits are held.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.hits
    }

    /// How many grounds were let go before their time because too many hits were held.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    /// How many hits left their ground before their time because it had too many.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let grounds: usize = self.grounds.values().map(Held::heap_bytes).sum();
        let entry = size_of::<(Key, Held)>() + 1;
        grounds + self.grounds.capacity() * entry + self.ends.capacity() * size_of::<(i64, Key)>()
    }

    /// The newest time in any record so far, in milliseconds.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.newest
    }

    fn let_go(&mut self) {
        while self.ends.front().is_some_and(|(end, _)| end.saturating_add(TOUCH_MS) < self.newest) {
            self.let_first_go();
        }
    }

    /// Lets grounds go while too many hits are held, but not the one just touched.
    fn crowd_out(&mut self, touched: Key) {
        while self.hits > self.most && self.grounds.len() > 1 {
            let Some((end, key)) = self.ends.front().copied() else { return };
            if key == touched {
                // It is the one touched last, so its place is at the end.
                self.ends.pop_front();
                self.ends.push_back((end, key));
                if self.ends.iter().all(|(_, key)| *key == touched) {
                    return;
                }
            } else if self.let_first_go() {
                self.crowded_out += 1;
            }
        }
    }

    /// Lets the ground go that was touched longest ago, unless it was touched since; says whether it went.
    fn let_first_go(&mut self) -> bool {
        let Some((end, key)) = self.ends.pop_front() else { return false };
        if self.grounds.get(&key).is_none_or(|held| held.until != end) {
            return false;
        }
        if let Some(held) = self.grounds.remove(&key) {
            self.hits -= held.len();
        }
        true
    }
}

impl Held {
    fn len(&self) -> usize {
        match &self.ground {
            AnyGround::Client(ground) => ground.len(),
            AnyGround::Domain(ground) => ground.len(),
        }
    }

    /// Lets go of what is older; of the oldest beyond the bound as well, and says how many those were.
    fn forget_before(&mut self, second: i64) -> usize {
        match &mut self.ground {
            AnyGround::Client(ground) => ground.forget_before(second, MOST_ON_A_GROUND),
            AnyGround::Domain(ground) => ground.forget_before(second, MOST_ON_A_GROUND),
        }
    }

    fn heap_bytes(&self) -> usize {
        match &self.ground {
            AnyGround::Client(ground) => ground.heap_bytes(),
            AnyGround::Domain(ground) => size_of::<DomainGround>() + ground.heap_bytes(),
        }
    }
}

impl Told<'_> {
    fn signal(self, account_number: AccountNumber) -> Signal {
        let second = Timestamp::from_millis(self.second.saturating_mul(1000));
        Signal {
            v: Signal::VERSION,
            account_number,
            message_id: self.message_id.to_owned(),
            fact: self.fact,
            second: second.expect("the second of a time in range, which begins and ends on whole seconds"),
            address: self.address,
            level: self.level,
        }
    }
}

/// What reach and levels a policy gives the facts about seconds.
fn reach(policy: &Policy) -> i64 {
    policy.fanout_reach_seconds()
}
