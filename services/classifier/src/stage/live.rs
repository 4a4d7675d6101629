//! The messages of one partition whose windows are open, and what each event that comes makes of their verdicts.
//!
//! Time is the progress of the times in the records, never a clock's: a message is held until the newest time seen has
//! gone on by [`HOLD_MS`] since the message was last touched. So hits that come late all at once, after an outage, find
//! their neighbours as they would have found them in time. At the bound on messages those touched longest ago leave.

use super::held::{Held, Key, Messages, Place, key};
use super::kept::{Keeper, KeptHit};
use super::waiting::Waiting;
use crate::facts::Facts;
use crate::in_force::InForce;
use crate::message::{DELIVERY_COUNTS_MS, Delivery, Message, Revised};
use crate::metrics;
use crate::neighbours::neighbours;
use crate::ruleset::Ruleset;
use crate::window::Seen;
use engagement::delivery::DeliveryType;
use engagement::{Classified, DeliveryEvent, Hit, Neighbour, Reason, Signal, Timestamp};
use std::collections::{HashMap, HashSet, VecDeque};
use uuid::Uuid;

/// How long a message is held after it was last touched, in the progress of record times: twice the window, so that
/// what lies in a window is held whatever the order in which it came.
pub(super) const HOLD_MS: i64 = DELIVERY_COUNTS_MS;

/// How far behind the newest record time verdicts are read back: for a message that is held, its window; and behind that
/// what had left the window and rules over it still look at.
pub(super) const SAID_BACK_MS: i64 = 2 * HOLD_MS;

/// How much later a touch must be than the last that was noted to be noted itself.
const TOUCH_MS: i64 = 60_000;

/// The reason that a verdict carries while it is not known what the hit's neighbours show: what is stored with it is the
/// queue of what is to be judged again.
pub(super) const LATE: &str = "late";

/// A verdict to be written: the first on a hit, or a correction.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    /// The hit with the verdict.
    pub(super) classified: Classified,
    /// It corrects an earlier one.
    pub(super) correction: bool,
}

/// All live messages.
pub(super) struct Live {
    ruleset: InForce,
    most: usize,
    /// The newest time in any record.
    newest: i64,
    keeper: Keeper,
    messages: Messages,
    /// Of messages that are not live; those of the others are with them.
    deliveries: Waiting,
    /// Signals about messages that are not live: not yet, at a start, or no more. Each with the end that was noted of it.
    early: HashMap<Key, Vec<(i64, Signal)>>,
    /// Until when a message is held, as it was noted at some touch; only the last note of each counts.
    ends: VecDeque<(i64, Place)>,
    early_ends: VecDeque<(i64, Key)>,
    /// What was said is being read back: how far its times have gone on. Nothing is let go for its age then.
    restored: Option<i64>,
    /// Events that were read back, while the raw topic may bring them again; `None` when it can't.
    read_back: Option<HashSet<Uuid>>,
}

impl Live {
    pub(super) fn new(ruleset: InForce, most: usize) -> Self {
        Self {
            ruleset,
            most: most.max(1),
            newest: i64::MIN,
            keeper: Keeper::default(),
            messages: Messages::default(),
            deliveries: Waiting::default(),
            early: HashMap::new(),
            ends: VecDeque::new(),
            early_ends: VecDeque::new(),
            restored: Some(i64::MIN),
            read_back: None,
        }
    }

    /// Changes how many messages are held at most. Those beyond leave with the next that comes.
    pub(super) fn hold_at_most(&mut self, most: usize) {
        self.most = most.max(1);
    }

    /// The newest time in any record so far, in milliseconds.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    /// The same, of what was read back so far while it is.
    pub(super) fn progress(&self) -> i64 {
        self.restored.unwrap_or(self.newest)
    }

    /// Whether the raw topic may bring events that are read back.
    pub(super) fn expect_repeats(&mut self, expected: bool) {
        self.read_back = expected.then(|| self.read_back.take().unwrap_or_default());
    }

    /// Takes a hit: its own verdict comes first, then those that it corrects. Of one that was read back and is closed by
    /// now, nothing more is said. `tell` gets what its neighbours in other messages should know of it.
    ///
    /// The hit's original goes with revision 1 and no other, so that nobody has to keep it for corrections: that revision is said
    /// only here, with the hit in hand, however often it comes.
    pub(super) fn hit(&mut self, hit: Hit, tell: impl FnMut(Neighbour)) -> Vec<Said> {
        let mut said = Vec::with_capacity(1);
        let seen_by = |seen: &Seen| {
            let (account, message) = (hit.account_number, &hit.message_id);
            neighbours(account, message, &hit.recipient_id, &hit.recipient_domain, seen).for_each(tell);
        };
        self.judge(&hit, seen_by, |revised| said.push(say(revised)));
        let is_first = |said: &&mut Said| {
            let Classified { hit: said_of, verdict, .. } = &said.classified;
            verdict.revision == 1 && said_of.event_id == hit.event_id
        };
        if hit.original.is_some()
            && let Some(first) = said.iter_mut().find(is_first)
        {
            first.classified.hit.original = hit.original;
        }
        said
    }

    /// Judges a hit among those of its message, as [`Self::hit`] does; calls back first with what is seen of it.
    pub(super) fn judge(
        &mut self,
        hit: &Hit,
        seen_by: impl FnOnce(&Seen),
        mut say: impl FnMut(Revised<'_, KeptHit>),
    ) {
        let ruleset = self.ruleset.current();
        let key = key(hit.account_number, &hit.message_id);
        if self.read_back.as_ref().is_some_and(|read_back| read_back.contains(&hit.event_id)) {
            let held = self.messages.get(&key);
            if !held.is_some_and(|held| held.message.holds(&hit.event_id)) {
                metrics::REPEATED.inc();
                return;
            }
        }
        // Its neighbours may have been let go of already.
        let late = self.newest.saturating_sub(hit.received_at.millis()) > HOLD_MS
            && self.messages.get(&key).is_none_or(|held| held.until < self.newest);
        let place = self.touch(key, hit.received_at, &ruleset);
        let Some(held) = self.messages.at_mut(place) else { return };
        let anew = held.see_by(&ruleset);
        let agent = self.keeper.agent(&hit.request.ua, &ruleset);
        let seen = ruleset.see(&Facts { agent: Some(&agent), ..Facts::from(hit) });
        seen_by(&seen);
        let kept = self.keeper.keep(hit, agent, late, held.message.kept().next());
        held.message.hit(seen, kept, &ruleset, |revised| {
            if revised.late || (late && !revised.correction) {
                metrics::LATE.inc();
            }
            say(revised);
        });
        if anew {
            held.message.review(&ruleset, say);
        }
    }

    /// Whether an event's window is open here.
    pub(super) fn holds(&self, hit: &Hit) -> bool {
        let held = self.messages.get(&key(hit.account_number, &hit.message_id));
        let here = |held: &&Held| held.until >= self.progress() || self.restored.is_some();
        held.filter(here).is_some_and(|held| held.message.holds(&hit.event_id))
    }

    /// Takes a delivery event: the verdicts that it corrects.
    pub(super) fn delivery(&mut self, event: &DeliveryEvent) -> Vec<Said> {
        let ruleset = self.ruleset.current();
        let mut said = Vec::new();
        if event.kind != DeliveryType::Delivered {
            return said;
        }
        self.newest = self.newest.max(event.received_at.millis());
        let key = key(event.account_number, &event.message_id);
        let delivery = Delivery { at: event.at, heard: event.received_at };
        let newest = self.newest;
        if let Some(held) = self.messages.get_mut(&key).filter(|held| held.until >= newest) {
            let anew = held.see_by(&ruleset);
            held.message.delivered(delivery, &ruleset, |revised| said.push(say(revised)));
            if anew {
                held.message.review(&ruleset, |revised| said.push(say(revised)));
            }
        } else {
            self.deliveries.take(key, delivery, newest, self.most);
        }
        said
    }

    /// Takes what was found among the neighbours of a message's hits: the verdicts that it corrects.
    pub(super) fn signal(&mut self, signal: Signal) -> Vec<Said> {
        let ruleset = self.ruleset.current();
        let mut said = Vec::new();
        self.newest = self.newest.max(signal.second.millis());
        let key = key(signal.account_number, &signal.message_id);
        let newest = self.newest;
        if let Some(held) = self.messages.get_mut(&key).filter(|held| held.until >= newest) {
            let anew = held.see_by(&ruleset);
            held.message.signal(&signal, &ruleset, |revised| said.push(say(revised)));
            if anew {
                held.message.review(&ruleset, |revised| said.push(say(revised)));
            }
            return said;
        }
        let end = self.newest.saturating_add(SAID_BACK_MS);
        self.early.entry(key).or_default().push((end, signal));
        self.early_ends.push_back((end, key));
        while self.early_ends.len() > self.most
            || self.early_ends.front().is_some_and(|(end, _)| *end < self.newest)
        {
            let Some((end, key)) = self.early_ends.pop_front() else { break };
            self.forget_early(key, end);
        }
        said
    }

    /// Lets go of the signals about a message whose end this was; those that came later stay.
    fn forget_early(&mut self, key: Key, end: i64) {
        let Some(signals) = self.early.get_mut(&key) else { return };
        let before = signals.len();
        signals.retain(|(until, _)| *until > end);
        metrics::SIGNALS_UNMATCHED.inc_by((before - signals.len()) as u64);
        if signals.is_empty() {
            self.early.remove(&key);
        }
    }

    /// Takes a verdict that was written before this start.
    pub(super) fn restore(&mut self, classified: Classified) {
        let ruleset = self.ruleset.current();
        let Classified { hit, client, mut verdict, reclassified, .. } = classified;
        if let Some(read_back) = &mut self.read_back {
            read_back.insert(hit.event_id);
        }
        if reclassified && !self.holds(&hit) {
            // It was closed when that was said, and its neighbours are not read back with it.
            return;
        }
        // The reason is the stage's own, not the rules'.
        let reasons = verdict.reasons.len();
        verdict.reasons.retain(|reason| reason.rule != LATE);
        let late = verdict.reasons.len() < reasons;
        let key = key(hit.account_number, &hit.message_id);
        // What was judged again when it was closed is no sign of life.
        if !reclassified {
            self.touch(key, hit.received_at, &ruleset);
        }
        let Some(held) = self.messages.get_mut(&key) else { return };
        held.see_by(&ruleset);
        let agent = self.keeper.agent(&hit.request.ua, &ruleset);
        let seen = ruleset.see(&Facts { agent: Some(&agent), ..Facts::from(&hit) });
        let kept = self.keeper.keep(&hit, agent, late, held.message.kept().next());
        held.message.restore(seen, kept, &client, &verdict, &ruleset);
    }

    /// Judges everything that is live again, after a start: what the verdicts written before did not know yet.
    pub(super) fn review(&mut self) -> Vec<Said> {
        let ruleset = self.ruleset.current();
        let mut said = Vec::new();
        self.restored = None;
        // Of what is not held any more some was not read back, so it would look other than it did.
        let newest = self.newest;
        let Self { messages, deliveries, most, .. } = self;
        let gone = |held: Held| deliveries.put(held.key, held.message.into_deliveries(), newest, *most);
        messages.retain(|held| held.until >= newest, gone);
        for held in self.messages.all_mut() {
            self.early.remove(&held.key);
            held.see_by(&ruleset);
            held.message.review(&ruleset, |revised| said.push(say(revised)));
        }
        // In an order that does not hang on the hash map's.
        said.sort_by_key(|said| (said.classified.hit.received_at, said.classified.hit.event_id));
        said
    }

    /// How many messages are live.
    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Notes that a message was heard of, and lets go of those that were not for long.
    /// It is at this place then, unless there is no room even for one.
    fn touch(&mut self, key: Key, at: Timestamp, ruleset: &Ruleset) -> Place {
        let at = at.millis();
        self.newest = self.newest.max(at);
        self.restored = self.restored.map(|so_far| so_far.max(at));
        let (now, restoring) = (self.progress(), self.restored.is_some());
        let end = now.saturating_add(HOLD_MS);
        let gone = |held: &Held| held.until < now && !restoring;
        let mut known = self.messages.find(&key);
        if let Some(place) = known.filter(|place| self.messages.at(*place).is_some_and(gone)) {
            self.let_go(place);
            known = None;
        }
        let place = known.unwrap_or_else(|| {
            let mut message = Message::of(self.deliveries.remove(&key, self.newest));
            for (_, signal) in self.early.get(&key).into_iter().flatten() {
                message.signal(signal, ruleset, |_| ());
            }
            // A message that is restored may be let go by the review: then they are for its next.
            if !restoring {
                self.early.remove(&key);
            }
            self.messages.put(Held { key, message, seen_by: ruleset.number(), until: end, noted: i64::MIN })
        });
        if let Some(held) = self.messages.at_mut(place) {
            held.until = end;
            // A message that is asked for all the time is not noted each time.
            if end > held.noted.saturating_add(TOUCH_MS) {
                held.noted = end;
                self.ends.push_back((end, place));
            }
        }
        let past = |end: i64| end.saturating_add(TOUCH_MS) < now && !restoring;
        while self.messages.len() > self.most || self.ends.front().is_some_and(|(end, _)| past(*end)) {
            let Some((end, place)) = self.ends.pop_front() else { break };
            if self.messages.at(place).is_some_and(|held| held.noted == end) {
                self.let_go(place);
                if end >= now {
                    metrics::CROWDED_OUT.inc();
                }
            }
        }
        place
    }

    /// Lets a message go; what is known of its deliveries stays for as long as it may count.
    fn let_go(&mut self, place: Place) {
        if let Some(held) = self.messages.remove(place) {
            self.deliveries.put(held.key, held.message.into_deliveries(), self.newest, self.most);
        }
    }
}

impl Held {
    /// Has a ruleset see the message's hits, if another did; says whether that was so, and they are to be judged again.
    fn see_by(&mut self, ruleset: &Ruleset) -> bool {
        let anew = self.seen_by != ruleset.number();
        if anew {
            self.seen_by = ruleset.number();
            self.message.see_again(ruleset);
        }
        anew
    }
}

fn say(revised: Revised<'_, KeptHit>) -> Said {
    let hit = revised.kept.hit(revised.seen);
    let mut judgement = revised.judgement;
    if revised.late || revised.kept.late() {
        judgement.verdict.reasons.push(Reason {
            rule: LATE.into(),
            source: "unknown".into(),
            confidence: 0.0,
            evidence: "came when the window of its neighbours was closed: to be judged again with them"
                .to_owned(),
        });
    }
    Said { classified: judgement.classified(hit), correction: revised.correction }
}
