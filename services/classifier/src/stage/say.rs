//! The stage's outcome made durable: verdicts, dead letters, neighbour records and positions together.

use super::route::{Dead, Output};
use super::{Classifier, Interrupt, StageError};
use crate::metrics;
use engagement::{Neighbour, to_wire};
use stream::{AppendError, FinishError, Finished, Record};
use tracing::{error, info, warn};

/// What became of what was to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is durable, except what was due to partitions that have gone: that is left out.
    Durable,
    /// It can't be known. The partitions begin again, and what is remembered of them is dropped.
    Undone,
}

/// A dead letter as it is written.
struct Letter {
    dead: Dead,
    record: Record,
    /// It was too long for its topic: its bytes, and the limit.
    cut: Option<(usize, usize)>,
}

impl Classifier {
    /// Makes verdicts durable that no record of the raw topic brought.
    pub(super) async fn say_of(&mut self, outputs: Vec<Output>) -> Result<Outcome, Interrupt> {
        if outputs.is_empty() {
            return Ok(Outcome::Durable);
        }
        let mut positions: Vec<(u32, u64)> = Vec::new();
        for output in &outputs {
            if !positions.iter().any(|(partition, _)| *partition == output.partition)
                && let Some(part) = self.parts.get(&output.partition)
            {
                positions.push((output.partition, part.position));
            }
        }
        self.say(outputs, Vec::new(), Vec::new(), &positions).await
    }

    /// Makes verdicts, dead letters and neighbour records durable with the positions behind them, and counts them then.
    pub(super) async fn say(
        &mut self,
        outputs: Vec<Output>,
        mut dead: Vec<Dead>,
        neighbours: Vec<(u32, Neighbour)>,
        positions: &[(u32, u64)],
    ) -> Result<Outcome, Interrupt> {
        for output in &outputs {
            if let Some(part) = self.parts.get_mut(&output.partition) {
                part.speaks(output);
            }
        }
        let mut verdicts = Vec::with_capacity(outputs.len());
        for output in outputs {
            match self.classified.takes(&output.record) {
                Err(AppendError::TooLarge { bytes, limit, .. }) => {
                    let reason = format!("its verdict makes {bytes} bytes of at most {limit}");
                    dead.push(output.too_large(&self.raw_name, self.classified.name(), reason));
                }
                _ => verdicts.push(output),
            }
        }
        // In the order of the raw topic, like everything else.
        dead.sort_by_key(Dead::place);
        let letters = dead.into_iter().map(|dead| self.letter(dead)).collect::<Result<Vec<_>, _>>()?;
        let Some(finished) = self.finish(&verdicts, &letters, &neighbours, positions).await? else {
            return Ok(Outcome::Undone);
        };
        let (places, letter_places) = finished.offsets.split_at(verdicts.len());
        for (output, place) in verdicts.iter().zip(places) {
            self.count(output, *place);
        }
        for (letter, place) in letters.iter().zip(letter_places) {
            if place.is_none() {
                continue;
            }
            if let Some((bytes, limit)) = letter.cut {
                metrics::CUT.inc();
                error!(bytes, limit, "dead letter was cut to fit its topic");
            }
            if letter.dead.is_of(&self.raw_name) {
                metrics::DEAD_LETTERED.with_label_values(&[letter.dead.label]).inc();
                warn!(reason = letter.dead.label, "record set aside in the dead-letter topic");
            } else {
                metrics::CORRECTIONS_SET_ASIDE.inc();
            }
        }
        let most = self.most_read_back();
        for (partition, _) in positions {
            let Some(part) = self.parts.get_mut(partition) else { continue };
            if let Some(begin) = part.said.begin(part.live.newest(), most) {
                self.said.commit(*partition, begin)?;
            }
        }
        self.show();
        Ok(Outcome::Durable)
    }

    /// Counts a verdict that is durable, and notes where it is.
    fn count(&mut self, output: &Output, place: Option<u64>) {
        let (Some(place), Some(part)) = (place, self.parts.get_mut(&output.partition)) else { return };
        part.said.pass(part.live.newest(), place + 1, 1);
        part.last = Some(output.names.clone());
        if output.correction {
            metrics::CORRECTIONS.inc();
            return;
        }
        metrics::CLASSIFIED.inc();
        metrics::VERDICTS.with_label_values(&[output.actor.as_str(), &output.source]).inc();
    }

    /// A dead letter as its topic takes it.
    fn letter(&self, dead: Dead) -> Result<Letter, StageError> {
        let (record, cut) = dead.fitted(&self.dead_letter)?;
        Ok(Letter { dead, record, cut })
    }

    /// Writes, trying again for as long as topics refuse for now. `None`: it can't be known whether it was written.
    async fn finish(
        &mut self,
        verdicts: &[Output],
        letters: &[Letter],
        neighbours: &[(u32, Neighbour)],
        positions: &[(u32, u64)],
    ) -> Result<Option<Finished>, Interrupt> {
        let (classified, dead_letter) = (self.classified.clone(), self.dead_letter.clone());
        let told = self.neighbours.clone();
        let verdicts = verdicts.iter().map(|one| (&classified, one.partition, one.record.clone()));
        let letters = letters.iter().map(|one| (&dead_letter, one.dead.partition(), one.record.clone()));
        let neighbours = neighbours.iter().map(|(source, neighbour)| {
            let record = Record { key: neighbour.key(), payload: to_wire(neighbour).into() };
            (&told, *source, record)
        });
        let all = verdicts.chain(letters).chain(neighbours);
        let outputs: Vec<_> =
            all.map(|(topic, source, record)| stream::Output { topic, source, record }).collect();
        let mut wait = self.config.retry_first;
        let mut warned = false;
        loop {
            let refused = match self.worker.finish(&outputs, positions).await {
                Ok(finished) => {
                    if warned {
                        info!("outcomes are taken again");
                    }
                    return Ok(Some(finished));
                }
                Err(FinishError::Refused(refused)) => refused,
                Err(FinishError::Undone) => {
                    warn!("whether a batch was written can't be known, its partitions begin again");
                    return Ok(None);
                }
                Err(FinishError::Position(error)) => return Err(StageError::from(error).into()),
            };
            match &refused {
                AppendError::Closed { topic } => {
                    return Err(StageError::Closed { topic: topic.clone() }.into());
                }
                AppendError::Full { topic } if topic == self.classified.name() => self.forget(),
                _ => {}
            }
            metrics::RETRIES.with_label_values(&[self.label(&refused), refused.reason()]).inc();
            if !warned {
                warn!(topic = self.label(&refused), reason = refused.reason(), "refused, trying again");
                warned = true;
            }
            self.pause(&mut wait).await?;
        }
    }

    /// When the classified topic is full, what keeps it full may be what a restart would read back: that is given up, for
    /// verdicts in time go before corrections.
    fn forget(&mut self) {
        let mut any = false;
        for part in self.parts.values_mut() {
            any |= part.said.forget();
        }
        self.said.forget();
        if any {
            metrics::FORGOTTEN.inc();
            warn!("the classified topic is full: what a restart would read back there is given up");
        }
    }

    /// Which topic refused, as a metric's label.
    fn label(&self, refused: &AppendError) -> &'static str {
        let (AppendError::Full { topic }
        | AppendError::TooLarge { topic, .. }
        | AppendError::Busy { topic }
        | AppendError::Disabled { topic }
        | AppendError::Closed { topic }) = refused;
        if topic == self.classified.name() {
            "classified"
        } else if topic == self.dead_letter.name() {
            "dead_letter"
        } else if topic == self.neighbours.name() {
            "neighbours"
        } else {
            "raw"
        }
    }
}
