//! What the stage knows of one partition: its live messages, and how far back a restart would have to read.

use super::live::{Live, SAID_BACK_MS, Said};
use super::revise::{LastSaid, Watch};
use super::route::Output;
use super::trail::Trail;
use super::waiting::DELIVERIES_BACK_MS;
use crate::in_force::InForce;
use engagement::{DeliveryEvent, Signal};
use std::time::Instant;
use stream::Assigned;

/// How far the reading back has come. Delivery events and signals first: what was said is put beside what was known, so that nothing
/// seems new that was known before.
#[derive(Debug)]
pub(super) enum Phase {
    /// Delivery events are read back.
    Deliveries,
    /// Signals are read back.
    Signals,
    /// What was said is read back; delivery events and signals that come meanwhile wait.
    Said { later: Vec<Later> },
    /// Records come, and are judged.
    Judging,
}

/// What waits for the reading back.
#[derive(Debug)]
pub(super) enum Later {
    Delivery(Box<DeliveryEvent>),
    Signal(Signal),
}

/// One partition that is this stage's.
pub(super) struct Part {
    pub(super) live: Live,
    pub(super) phase: Phase,
    /// Everything before it in the raw topic is dealt with.
    pub(super) position: u64,
    /// Records from here on were not there when the partition was assigned, so they are no repeats.
    new_from: u64,
    /// Where delivery events are read from again.
    pub(super) delivery: Trail,
    /// Where signals are read from again.
    pub(super) signals: Trail,
    /// Where what was said is read from again.
    pub(super) said: Trail,
    pub(super) assigned: Instant,
    /// How many verdicts were read back.
    pub(super) read_back: u64,
    /// What was said last and is durable.
    pub(super) last: Option<LastSaid>,
    /// What was spoken of since somebody asked, if somebody did.
    pub(super) watch: Option<Watch>,
}

impl Part {
    pub(super) fn new(assigned: Assigned, ruleset: InForce) -> Self {
        let mut part = Self {
            live: Live::new(ruleset, usize::MAX),
            phase: Phase::Deliveries,
            position: assigned.position,
            new_from: assigned.end,
            delivery: Trail::new(DELIVERIES_BACK_MS),
            signals: Trail::new(SAID_BACK_MS),
            said: Trail::new(SAID_BACK_MS),
            assigned: Instant::now(),
            read_back: 0,
            last: None,
            watch: None,
        };
        part.dealt_with(assigned.position);
        part
    }

    /// Notes that everything before a place of the raw topic is dealt with.
    pub(super) fn dealt_with(&mut self, next_offset: u64) {
        self.position = next_offset;
        self.live.expect_repeats(next_offset < self.new_from);
    }

    /// Notes that something is about to be said.
    pub(super) fn speaks(&mut self, output: &Output) {
        if self.watch.as_mut().is_some_and(|watch| !watch.note(output.names.event_id)) {
            self.watch = None;
        }
    }

    /// Takes a delivery event, or puts it aside until what was said is known; the verdicts that it corrects.
    pub(super) fn delivery(&mut self, event: DeliveryEvent) -> Vec<Said> {
        match &mut self.phase {
            Phase::Said { later } => {
                later.push(Later::Delivery(Box::new(event)));
                Vec::new()
            }
            Phase::Deliveries | Phase::Signals | Phase::Judging => self.live.delivery(&event),
        }
    }

    /// Takes a signal, or puts it aside until what was said is known; the verdicts that it corrects.
    pub(super) fn signal(&mut self, signal: Signal) -> Vec<Said> {
        match &mut self.phase {
            Phase::Said { later } => {
                later.push(Later::Signal(signal));
                Vec::new()
            }
            Phase::Deliveries | Phase::Signals | Phase::Judging => self.live.signal(signal),
        }
    }

    /// Begins to judge: the corrections of what was read back that are due by now.
    pub(super) fn judge(&mut self) -> Vec<Said> {
        let before = std::mem::replace(&mut self.phase, Phase::Judging);
        let mut said = Vec::new();
        if let Phase::Said { later } = before {
            for later in later {
                said.extend(match later {
                    Later::Delivery(event) => self.live.delivery(&event),
                    Later::Signal(signal) => self.live.signal(signal),
                });
            }
        }
        said.extend(self.live.review());
        said
    }
}
