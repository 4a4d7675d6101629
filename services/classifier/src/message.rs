//! The verdicts on one message's hits over time.
//!
//! A hit gets revision 1 at once. Whenever a later hit, a delivery event or a signal changes the verdict on a hit whose window is
//! open, that hit gets the next revision. A verdict that does not change is not said again, so for one order of hits,
//! delivery events and signals the revisions are the same every time; and because marks and facts are functions of what is known and
//! not of its order, so is the last verdict whatever the order, for hits that come while the window is open.

mod deliveries;

use crate::facts::Facts;
use crate::hash::hasher;
use crate::ruleset::{Judgement, Ruleset};
use crate::window::{Identified, Marks, Placed, Said, Seen, Told, Window};
use engagement::{Signal, Verdict};
use std::hash::{Hash as _, Hasher as _};

pub(crate) use deliveries::Deliveries;
pub use deliveries::Delivery;

/// So far from a hit, before or after it, a delivery counts; and so long after we heard of it. What is not remembered for
/// longer must not decide for longer either: else a restart would end with other verdicts.
pub const DELIVERY_COUNTS_MS: i64 = 3_600_000;

/// What is kept of a hit so that it can be judged again.
pub trait Kept: Identified {
    /// The hit as rules see it. Whatever `seen` holds is not kept twice.
    fn facts<'a>(&'a self, seen: &Seen) -> Facts<'a>;

    /// The number of its agent, where nothing else of it is asked for; `seen` is without it.
    fn agent_number(&self, seen: &Seen) -> u64 {
        self.facts(seen).agent_number()
    }
}

/// A verdict that is new: the first on a hit, or a correction.
#[derive(Debug)]
pub struct Revised<'a, T> {
    /// The hit as it was kept.
    pub kept: &'a T,
    /// What the rules over neighbours see of it.
    pub seen: &'a Seen,
    /// The judgement, with its revision.
    pub judgement: Judgement,
    /// The hit is not the one that was put in: its earlier verdict is corrected.
    pub correction: bool,
    /// The hit came when its window was closed, so it was judged alone.
    pub late: bool,
}

/// The live hits of one message, and what was said of each.
#[derive(Debug)]
pub struct Message<T> {
    window: Window<T>,
    delivered: Deliveries,
    told: Told,
}

impl<T> Default for Message<T> {
    fn default() -> Self {
        Self { window: Window::default(), delivered: Deliveries::default(), told: Told::default() }
    }
}

impl<T: Kept> Message<T> {
    /// Takes a hit, and calls back with its verdict and then with those that it corrects. A hit that is there already
    /// gets the verdict that holds, under the revision it has.
    pub fn hit(&mut self, seen: Seen, kept: T, ruleset: &Ruleset, mut say: impl FnMut(Revised<'_, T>)) {
        match self.window.put(seen, kept, ruleset.policy()) {
            Placed::Late(kept) => {
                let facts = self.with_delivery(kept.facts(&seen));
                let judgement = ruleset.judge_among(&facts, Marks::default());
                say(Revised { kept: &kept, seen: &seen, judgement, correction: false, late: true });
                for index in self.mark(ruleset) {
                    self.say(index, ruleset, false, true, &mut say);
                }
            }
            // The marks of hits that were restored are not known yet, so a repeat may find some too.
            Placed::New(at) | Placed::Repeat(at, _) => {
                let changed = self.mark(ruleset);
                self.say(at, ruleset, true, false, &mut say);
                for index in changed.into_iter().filter(|index| *index != at) {
                    self.say(index, ruleset, false, true, &mut say);
                }
            }
        }
    }

    /// Takes a delivery, which counts for hits within [`DELIVERY_COUNTS_MS`] of it; of several the earliest. Calls back
    /// with the verdicts that it corrects.
    pub fn delivered(&mut self, delivery: Delivery, ruleset: &Ruleset, say: impl FnMut(Revised<'_, T>)) {
        if self.delivered.take(delivery) {
            self.review(ruleset, say);
        }
    }

    /// No hits yet, and what is known of the deliveries.
    pub(crate) fn of(delivered: Deliveries) -> Self {
        Self { delivered, ..Self::default() }
    }

    /// What is known of the deliveries.
    pub(crate) fn into_deliveries(self) -> Deliveries {
        self.delivered
    }

    /// Takes what other messages' hits show of this one's. Calls back with the verdicts that it corrects.
    pub fn signal(&mut self, signal: &Signal, ruleset: &Ruleset, mut say: impl FnMut(Revised<'_, T>)) {
        if !self.told.take(signal) {
            return;
        }
        for index in self.mark(ruleset) {
            self.say(index, ruleset, false, true, &mut say);
        }
    }

    /// Sees every hit as this ruleset sees it, after one of which nothing is known any more. Who calls this judges them again.
    pub(crate) fn see_again(&mut self, ruleset: &Ruleset) {
        self.window.see_again(|kept, seen| ruleset.see(&kept.facts(seen)));
    }

    /// Judges every open hit again, and calls back with the verdicts that are other than was said last.
    pub fn review(&mut self, ruleset: &Ruleset, mut say: impl FnMut(Revised<'_, T>)) {
        self.mark(ruleset);
        for index in self.window.first_open(ruleset.policy())..self.live() {
            self.say(index, ruleset, false, true, &mut say);
        }
    }

    /// Takes a hit with a verdict that was said before, for a start: nothing is judged and nothing is said. Of several
    /// verdicts on a hit the one of the highest revision counts.
    pub fn restore(&mut self, seen: Seen, kept: T, client: &str, verdict: &Verdict, ruleset: &Ruleset) {
        let (Placed::New(at) | Placed::Repeat(at, _)) = self.window.put(seen, kept, ruleset.policy()) else {
            return;
        };
        let known = self.window.said_mut(at);
        if known.revision < verdict.revision {
            *known = Said::new(hash(client, verdict), verdict.revision);
        }
    }

    /// The hits whose window is open, and those that are still neighbours of such.
    #[must_use]
    pub fn live(&self) -> usize {
        self.window.all().len()
    }

    /// The hits that left because the window was past them or too many came.
    #[must_use]
    pub fn folded(&self) -> u32 {
        self.window.folded()
    }

    /// Whether the window holds a hit.
    #[must_use]
    pub fn holds(&self, id: &T::Id) -> bool {
        self.kept().any(|kept| kept.id() == id)
    }

    /// The kept hits, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &T> {
        self.window.all().iter().map(|held| &held.kept)
    }

    /// Bytes on the heap, without what the kept hits point to.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.window.heap_bytes() + self.delivered.heap_bytes() + self.told.heap_bytes()
    }

    /// Finds the marks of all hits anew; returns the places of those that changed.
    fn mark(&mut self, ruleset: &Ruleset) -> Vec<usize> {
        let mut changed = Vec::new();
        self.window.mark(&self.told, ruleset.policy(), |index| changed.push(index));
        changed
    }

    fn with_delivery<'a>(&self, facts: Facts<'a>) -> Facts<'a> {
        let delivered_at = self.delivered.of_hit_at(facts.received_at);
        Facts { delivered_at: delivered_at.or(facts.delivered_at), ..facts }
    }

    /// Judges the hit at a place, and says so if it must or if the verdict is another than was said last.
    fn say(
        &mut self,
        at: usize,
        ruleset: &Ruleset,
        must: bool,
        correction: bool,
        say: &mut impl FnMut(Revised<'_, T>),
    ) {
        let held = self.window.held(at);
        let (seen, said) = (held.seen(), held.said);
        let facts = self.with_delivery(held.kept.facts(&seen));
        let mut judgement = ruleset.judge_among(&facts, held.marks);
        let hash = hash(&judgement.client, &judgement.verdict);
        let changed = said.revision == 0 || said.hash() != hash;
        if !changed && !must {
            return;
        }
        let revision = said.revision.saturating_add(u32::from(changed));
        *self.window.said_mut(at) = Said::new(hash, revision);
        judgement.verdict.revision = revision;
        let kept = &self.window.held(at).kept;
        say(Revised { kept, seen: &seen, judgement, correction, late: false });
    }
}

/// What was said, as a number that differs when the verdict or the client does; the revision is left out.
fn hash(client: &str, verdict: &Verdict) -> u64 {
    let mut hasher = hasher();
    (client, verdict.actor, &verdict.source, verdict.confidence.to_bits(), &verdict.ruleset)
        .hash(&mut hasher);
    for reason in &verdict.reasons {
        (&reason.rule, &reason.source, reason.confidence.to_bits(), &reason.evidence).hash(&mut hasher);
    }
    hasher.finish()
}
