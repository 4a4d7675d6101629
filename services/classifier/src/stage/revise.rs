//! Verdicts on closed windows that come from outside the stage: a reclassification's.
//!
//! Whoever judges stored events again reads their revisions from a store that is behind. So it first asks where the stage
//! is ([`Revisions::begin`]): which partitions are the stage's, and what was said last in each. Once that is stored, so is
//! all that was said before. What it then hands in ([`Revisions::say`]) is written by the stage itself, fenced like all
//! that it says, and refused for an event whose window is open, or of which the stage has said anything since it was
//! asked. So the revision that was read is the highest there is, and no other author writes the next.

use super::live::Said as LiveSaid;
use super::part::{Part, Phase};
use super::route::Output;
use super::say::Outcome;
use super::{Classifier, Interrupt};
use crate::metrics;
use engagement::{AccountNumber, Classified, Timestamp};
use std::collections::HashSet;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// So many requests wait at most.
const WAITING: usize = 4;
/// So many events at most are noted that the stage spoke of since it was asked; beyond it the asker begins again.
const MOST_SPOKEN: usize = 4_000_000;

/// A handle by which verdicts on closed windows are handed to a running stage. One user at a time.
#[derive(Debug, Clone)]
pub struct Revisions(mpsc::Sender<Ask>);

/// A partition that is the stage's, as it was when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub partition: u32,
    /// How many there are.
    pub partitions: u32,
    /// What was said last there, if anything that is still in the topic: all that was said before it is stored once it is.
    pub last: Option<LastSaid>,
    epoch: u64,
}

/// What names a verdict that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSaid {
    /// The account's number.
    pub account_number: AccountNumber,
    /// The sender's id of the message.
    pub message_id: String,
    /// When the hit arrived.
    pub received_at: Timestamp,
    /// The event.
    pub event_id: Uuid,
    /// The verdict's revision.
    pub revision: u32,
}

/// What became of a verdict that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is durable in the classified topic.
    Durable,
    /// It was left: the event's window is open, or the stage has spoken of it.
    Open,
}

/// What is asked of the stage.
#[derive(Debug)]
pub(super) enum Ask {
    Begin(oneshot::Sender<Vec<Place>>),
    Say { partition: u32, epoch: u64, verdicts: Vec<Classified>, answer: oneshot::Sender<Option<Vec<Said>>> },
}

/// What the stage spoke of since it was asked.
#[derive(Debug)]
pub(super) struct Watch {
    epoch: u64,
    spoken: HashSet<Uuid>,
}

impl LastSaid {
    pub(super) fn of(classified: &Classified) -> Self {
        let Classified { hit, verdict, .. } = classified;
        Self {
            account_number: hit.account_number,
            message_id: hit.message_id.clone(),
            received_at: hit.received_at,
            event_id: hit.event_id,
            revision: verdict.revision,
        }
    }
}

impl Watch {
    /// Notes an event; says whether there was room.
    pub(super) fn note(&mut self, event: Uuid) -> bool {
        self.spoken.insert(event);
        self.spoken.len() <= MOST_SPOKEN
    }
}

impl Revisions {
    pub(super) fn channel() -> (Self, mpsc::Receiver<Ask>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// The partitions in which the stage judges now; `None` when it has ended. Earlier answers are void.
    pub async fn begin(&self) -> Option<Vec<Place>> {
        let (answer, places) = oneshot::channel();
        self.0.send(Ask::Begin(answer)).await.ok()?;
        places.await.ok()
    }

    /// Hands in verdicts on events of a partition, each under the next revision after the highest that is stored; what
    /// became of each, in order. `None`: the partition is no longer the stage's, or began again since [`Revisions::begin`],
    /// and it is not known what was written.
    pub async fn say(&self, place: &Place, verdicts: Vec<Classified>) -> Option<Vec<Said>> {
        let (answer, said) = oneshot::channel();
        let Place { partition, epoch, .. } = *place;
        self.0.send(Ask::Say { partition, epoch, verdicts, answer }).await.ok()?;
        said.await.ok()?
    }
}

impl Classifier {
    /// A handle by which verdicts on closed windows are handed in while the stage runs.
    #[must_use]
    pub fn revisions(&self) -> Revisions {
        self.revisions.clone()
    }

    pub(super) async fn answer(&mut self, ask: Ask) -> Result<(), Interrupt> {
        // Whoever asked and went away needs no answer.
        match ask {
            Ask::Begin(answer) => {
                let _ = answer.send(self.places());
            }
            Ask::Say { partition, epoch, verdicts, answer } => {
                let said = self.revise(partition, epoch, verdicts).await?;
                let _ = answer.send(said);
            }
        }
        Ok(())
    }

    fn places(&mut self) -> Vec<Place> {
        self.epoch += 1;
        let (epoch, partitions) = (self.epoch, self.classified.partitions());
        let judging = self.parts.iter_mut().filter(|(_, part)| matches!(part.phase, Phase::Judging));
        judging
            .map(|(partition, part)| {
                part.watch = Some(Watch { epoch, spoken: HashSet::new() });
                Place { partition: *partition, partitions, last: part.last.clone(), epoch }
            })
            .collect()
    }

    async fn revise(
        &mut self,
        partition: u32,
        epoch: u64,
        verdicts: Vec<Classified>,
    ) -> Result<Option<Vec<Said>>, Interrupt> {
        let Some((part, watch)) = self.watched(partition, epoch) else { return Ok(None) };
        let mut said = Vec::with_capacity(verdicts.len());
        let mut outputs = Vec::with_capacity(verdicts.len());
        for classified in verdicts {
            let hit = &classified.hit;
            if watch.spoken.contains(&hit.event_id) || part.live.holds(hit) {
                said.push(Said::Open);
                continue;
            }
            said.push(Said::Durable);
            let classified = Classified { reclassified: true, ..classified };
            outputs.push(Output::new(LiveSaid { classified, correction: true }, partition, None));
        }
        let revised = outputs.len() as u64;
        if self.say_of(outputs).await? == Outcome::Undone || self.watched(partition, epoch).is_none() {
            return Ok(None);
        }
        metrics::RECLASSIFIED.inc_by(revised);
        Ok(Some(said))
    }

    /// A partition that is still the stage's as it was when it was asked.
    fn watched(&self, partition: u32, epoch: u64) -> Option<(&Part, &Watch)> {
        let part = self.parts.get(&partition).filter(|_| self.worker.owns(partition))?;
        let watch = part.watch.as_ref().filter(|watch| watch.epoch == epoch)?;
        matches!(part.phase, Phase::Judging).then_some((part, watch))
    }
}
