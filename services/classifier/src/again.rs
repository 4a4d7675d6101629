//! Judging the stored hits of one message again, with today's rules.
//!
//! Hits come in the order of (received_at, event id), each as its highest revision left it; what is kept of them is the
//! window and nothing else, however many there are. An event is said again only when its verdict or its client is
//! another: the ruleset's version alone is no change, nor is the network's name in newer data, so a second run right after the first says nothing. What a hit's
//! neighbours in its message would have shown can't be told where the evidence of one of them is gone, so such a hit is left as well.
//! What other messages' hits show of it is worked out anew ([`Comparing`]), from all hits of the account around it.

mod compared;

use crate::facts::Facts;
use crate::message::{Delivery, Kept, Message};
use crate::ruleset::{Judgement, Ruleset};
use crate::window::{Identified, Seen};
use engagement::{Classified, Hit, Timestamp, Verdict};
use std::collections::VecDeque;
use uuid::Uuid;

pub(crate) use compared::reach_ms;
pub use compared::{Compared, Comparing, Full};

/// A hit with what was last said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The hit, with its evidence.
    pub hit: Hit,
    /// The client family that was read off its agent.
    pub client: String,
    /// The verdict of the highest revision.
    pub verdict: Verdict,
}

/// What judging one stored hit again came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Today's rules say what was said.
    Same(Timestamp),
    /// They say something else: the event under its next revision, and the verdict that held before.
    Changed {
        /// The event as it is to be written.
        now: Box<Classified>,
        /// The verdict that held.
        before: Box<Verdict>,
    },
    /// It, or a hit that may be its neighbour, has no evidence any more.
    Expired(Timestamp),
}

impl Outcome {
    /// When the hit arrived.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        match self {
            Self::Same(at) | Self::Expired(at) => *at,
            Self::Changed { now, .. } => now.hit.received_at,
        }
    }
}

/// One message whose stored hits are judged again.
pub struct Again<'a> {
    ruleset: &'a Ruleset,
    compared: &'a Compared,
    message: Message<AgainHit>,
    /// The hits whose verdict may still change, in order, with the last judgement on each.
    open: VecDeque<Open>,
    /// When the last hit without evidence arrived.
    expired_at: Option<Timestamp>,
}

struct Open {
    stored: Stored,
    judgement: Option<Judgement>,
    beside_expired: bool,
}

/// A hit in the window.
#[derive(Debug)]
struct AgainHit(Hit);

impl Identified for AgainHit {
    type Id = Uuid;
    fn id(&self) -> &Uuid {
        &self.0.event_id
    }
}

impl Kept for AgainHit {
    fn facts<'a>(&'a self, _seen: &Seen) -> Facts<'a> {
        Facts::from(&self.0)
    }
}

impl<'a> Again<'a> {
    /// A message, with what delivery events said of it, and what the account's hits around its own show of each other.
    #[must_use]
    pub fn new(ruleset: &'a Ruleset, deliveries: &[Delivery], compared: &'a Compared) -> Self {
        let mut message = Message::default();
        for delivery in deliveries {
            message.delivered(*delivery, ruleset, |_| ());
        }
        Self { ruleset, compared, message, open: VecDeque::new(), expired_at: None }
    }

    /// Takes the next hit, and calls back with those whose verdict can't change any more.
    pub fn hit(&mut self, stored: Stored, mut done: impl FnMut(Outcome)) {
        let at = stored.hit.received_at;
        let window = self.ruleset.policy().window_ms();
        let beside_expired = self.expired_at.is_some_and(|expired| at.since(expired) <= window);
        for signal in self.compared.of(&stored.hit, &stored.verdict) {
            // Of hits before this one it says nothing that theirs did not.
            self.message.signal(&signal, self.ruleset, |_| ());
        }
        let seen = self.ruleset.see(&Facts::from(&stored.hit));
        let kept = AgainHit(stored.hit.clone());
        self.open.push_back(Open { stored, judgement: None, beside_expired });
        let open = &mut self.open;
        self.message.hit(seen, kept, self.ruleset, |revised| {
            // Most that is said is said of the newest.
            let id = &revised.kept.0.event_id;
            if let Some(open) = open.iter_mut().rev().find(|open| open.stored.hit.event_id == *id) {
                open.judgement = Some(revised.judgement);
            }
        });
        let oldest = self.message.kept().next().map(|kept| (kept.0.received_at, kept.0.event_id));
        while let Some(front) = self.open.front() {
            if oldest
                .is_some_and(|oldest| (front.stored.hit.received_at, front.stored.hit.event_id) >= oldest)
            {
                break;
            }
            if let Some(closed) = self.open.pop_front() {
                done(closed.outcome());
            }
        }
    }

    /// Takes a hit whose evidence is gone: it can't be judged, nor can those that it may be a neighbour of.
    pub fn expired(&mut self, received_at: Timestamp, mut done: impl FnMut(Outcome)) {
        let window = self.ruleset.policy().window_ms();
        self.expired_at = Some(received_at);
        for open in &mut self.open {
            open.beside_expired |= received_at.since(open.stored.hit.received_at) <= window;
        }
        done(Outcome::Expired(received_at));
    }

    /// Ends the message: calls back with all that is left.
    pub fn end(self, done: impl FnMut(Outcome)) {
        self.open.into_iter().map(Open::outcome).for_each(done);
    }
}

impl Open {
    fn outcome(self) -> Outcome {
        let Self { stored, judgement, beside_expired } = self;
        let at = stored.hit.received_at;
        let Some(mut judgement) = judgement.filter(|_| !beside_expired) else { return Outcome::Expired(at) };
        if is_same(&stored, &judgement) {
            return Outcome::Same(at);
        }
        judgement.verdict.revision = stored.verdict.revision.saturating_add(1);
        let now = Classified { reclassified: true, ..judgement.classified(stored.hit) };
        Outcome::Changed { now: Box::new(now), before: Box::new(stored.verdict) }
    }
}

/// Whether a judgement says what was said. A stored confidence has 24 bits.
fn is_same(stored: &Stored, judgement: &Judgement) -> bool {
    let (before, now) = (&stored.verdict, &judgement.verdict);
    stored.client == judgement.client
        && before.actor == now.actor
        && before.source == now.source
        && before.confidence as f32 == now.confidence as f32
        && before.reasons == now.reasons
}
