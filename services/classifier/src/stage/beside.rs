//! What is read beside the raw topic: delivery events, signals, and what was said before a partition was assigned.
//!
//! Each is read back from where its [`super::trail::Trail`] begins, one after the other ([`super::part::Phase`]). The
//! position that is kept in a topic is where a restart would have to begin, so it moves behind what is durable only.

use super::part::{Part, Phase};
use super::route::Output;
use super::say::Outcome;
use super::trail::Trail;
use super::{Classifier, Interrupt, LastSaid};
use crate::metrics;
use engagement::{Classified, DeliveryEvent, Signal, from_wire};
use serde::de::DeserializeOwned;
use stream::{Delivered, Followed, Follower};
use tracing::info;

/// What corrects verdicts from beside the raw topic.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beside {
    /// Delivery events.
    Deliveries,
    /// What the second stage found.
    Signals,
}

impl Beside {
    /// The verdicts that a record corrects. What is no delivery event is the loader's to set aside; a signal that can't be
    /// read is of a newer program or nobody's, and it only adds evidence: nothing waits for either.
    fn corrects(self, part: &mut Part, delivered: &Delivered) -> Vec<super::live::Said> {
        match self {
            Self::Deliveries => payload::<DeliveryEvent>(delivered).map(|event| part.delivery(event)),
            Self::Signals => payload::<Signal>(delivered).map(|signal| part.signal(signal)).or_else(|| {
                metrics::SIGNALS_UNREADABLE.inc();
                None
            }),
        }
        .unwrap_or_default()
    }

    fn trail(self, part: &mut Part) -> &mut Trail {
        match self {
            Self::Deliveries => &mut part.delivery,
            Self::Signals => &mut part.signals,
        }
    }
}

impl Classifier {
    /// Makes durable what a batch corrects, then notes where a restart would read on.
    pub(super) async fn process_beside(
        &mut self,
        beside: Beside,
        followed: &Followed,
    ) -> Result<(), Interrupt> {
        let mut outputs = Vec::new();
        for delivered in &followed.records {
            let source = delivered.partition;
            // Nobody may say anything of a partition that has gone; whoever has it reads this as well.
            let Some(part) = self.parts.get_mut(&source).filter(|_| self.worker.owns(source)) else {
                continue;
            };
            let said = beside.corrects(part, delivered);
            outputs.extend(said.into_iter().map(|said| Output::new(said, source, None)));
        }
        if self.say_of(outputs).await? == Outcome::Undone {
            return Ok(());
        }
        let most = self.most_read_back();
        for (partition, next, records) in ends(&followed.records) {
            let Some(part) = self.parts.get_mut(&partition) else { continue };
            let newest = part.live.newest();
            let trail = beside.trail(part);
            trail.pass(newest, next, records);
            if let Some(begin) = trail.begin(newest, most) {
                self.follower(beside).commit(partition, begin)?;
            }
        }
        for partition in &followed.reached {
            self.reached(beside, *partition);
        }
        Ok(())
    }

    fn follower(&mut self, beside: Beside) -> &mut Follower {
        match beside {
            Beside::Deliveries => &mut self.delivery,
            Beside::Signals => &mut self.signals,
        }
    }

    /// What a topic held when the partition was assigned is read back: the next topic's turn.
    fn reached(&mut self, beside: Beside, partition: u32) {
        let Some(part) = self.parts.get_mut(&partition) else { return };
        match (beside, &part.phase) {
            (Beside::Deliveries, Phase::Deliveries) => {
                part.phase = Phase::Signals;
                self.signals.assign(&[partition]);
            }
            (Beside::Signals, Phase::Signals) => {
                part.phase = Phase::Said { later: Vec::new() };
                self.said.assign(&[partition]);
            }
            _ => {}
        }
    }

    /// Takes what was said by whoever had a partition before, and begins to judge where that was all.
    pub(super) async fn read_back(&mut self, followed: Followed) -> Result<(), Interrupt> {
        let most = self.most_read_back();
        for delivered in &followed.records {
            let Some(part) = self.parts.get_mut(&delivered.partition) else { continue };
            if let Some(classified) = payload::<Classified>(delivered) {
                part.last = Some(LastSaid::of(&classified));
                part.live.restore(classified);
                part.read_back += 1;
            }
        }
        for (partition, next, records) in ends(&followed.records) {
            let Some(part) = self.parts.get_mut(&partition) else { continue };
            part.said.pass(part.live.progress(), next, records);
            if let Some(begin) = part.said.begin(part.live.newest(), most) {
                self.said.commit(partition, begin)?;
            }
        }
        for partition in followed.reached {
            // What is said from now on is known without being read.
            self.said.release(&[partition]);
            let Some(part) = self.parts.get_mut(&partition) else { continue };
            let said = part.judge();
            let (corrections, seconds) = (said.len(), part.assigned.elapsed().as_secs_f64());
            let (verdicts, live) = (part.read_back, part.live.messages());
            info!(partition, verdicts, live, corrections, seconds, "read back what was said");
            let outputs = said.into_iter().map(|said| Output::new(said, partition, None)).collect();
            if self.say_of(outputs).await? == Outcome::Durable {
                self.worker.start(partition);
            }
        }
        Ok(())
    }
}

/// For each partition: one past its last record, and how many there are. A batch is in order within a partition.
pub(super) fn ends(batch: &[Delivered]) -> Vec<(u32, u64, u64)> {
    let mut ends: Vec<(u32, u64, u64)> = Vec::new();
    for delivered in batch {
        match ends.iter_mut().find(|(partition, _, _)| *partition == delivered.partition) {
            Some((_, next, count)) => (*next, *count) = (delivered.offset + 1, *count + 1),
            None => ends.push((delivered.partition, delivered.offset + 1, 1)),
        }
    }
    ends
}

/// What a record says, if it can be read.
fn payload<T: DeserializeOwned>(delivered: &Delivered) -> Option<T> {
    from_wire(&delivered.record.as_ref().ok()?.payload).ok()
}
