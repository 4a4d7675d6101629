//! The second stage: neighbour records in, signals out.
//!
//! - What it remembers of a partition is its own input: the position stays an hour of record times behind, so a start or a
//!   new owner reads that hour again and says again what it makes known. A signal that repeats changes nothing.
//! - Signals and the position behind what they need no more are made durable together ([`stream::Worker`]).
//! - What can't be read goes to the dead-letter topic and stops nothing; what is refused is tried again for as long as it
//!   takes.
//! - Consumed = compared + late + dead-lettered, on the counters; what was read back counts again.

use super::live::HOLD_MS;
use super::route::{Dead, read};
use super::trail::Trail;
use super::{StageError, ends};
use crate::in_force::InForce;
use crate::metrics;
use crate::neighbours::{Neighbours, Taken};
use engagement::{Neighbour, Signal, message_key, to_wire};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use stream::{AppendError, Assigned, Delivered, FinishError, News, Output, ReadError, Record, Topic, Worker};
use tokio::sync::watch;
use tracing::{info, warn};

/// So many records at most, over all partitions, are read back at a start; beyond that the oldest are let go, and what
/// comes late misses them.
const MOST_READ_BACK: u64 = 2_000_000;

/// How the stage works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The consumer group under which it reads the neighbours topic.
    pub group: String,
    /// So many records at most are compared and made durable together.
    pub batch_records: usize,
    /// About so many bytes at most.
    pub batch_bytes: usize,
    /// How long to wait after a refused append or a failed read before trying again. Doubles up to `retry_cap`; each try
    /// shows in `trueopen_classifier_append_retries_total` or `trueopen_classifier_read_retries_total`.
    pub retry_first: Duration,
    /// The longest wait between tries.
    pub retry_cap: Duration,
    /// So many hits at most are held to be compared with, shared evenly by the partitions; about 200 bytes each. Beyond it
    /// the networks and domains that were touched longest ago are let go
    /// (`trueopen_classifier_neighbours_crowded_out_total`): what comes late for them finds no neighbours.
    pub live_hits: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "neighbours".to_owned(),
            batch_records: 4096,
            batch_bytes: 4 << 20,
            retry_first: Duration::from_millis(50),
            retry_cap: Duration::from_secs(5),
            live_hits: 1_000_000,
        }
    }
}

/// The topics that the stage joins.
#[derive(Clone)]
pub struct Topics {
    /// Hits keyed by network and by domain.
    pub neighbours: Topic,
    /// What they show, keyed by message.
    pub signals: Topic,
    /// What could not be read.
    pub dead_letter: Topic,
}

/// The stage, ready to run.
pub struct Comparer {
    config: Config,
    name: String,
    worker: Worker,
    signals: Topic,
    dead_letter: Topic,
    ruleset: InForce,
    parts: BTreeMap<u32, Part>,
}

/// One partition that is this stage's.
struct Part {
    neighbours: Neighbours,
    trail: Trail,
    /// Where a restart begins.
    position: u64,
    /// So many grounds that were crowded out are counted, and so many hits that left full ones.
    crowded_out: u64,
    folded: u64,
}

impl Comparer {
    /// Takes the group's place in the topic.
    ///
    /// # Errors
    /// [`StageError::Position`] when the neighbours topic has no such consumer group.
    pub fn build(config: Config, topics: Topics, ruleset: impl Into<InForce>) -> Result<Self, StageError> {
        metrics::prepare_compare();
        Ok(Self {
            name: topics.neighbours.name().to_owned(),
            worker: topics.neighbours.worker(&config.group)?,
            signals: topics.signals,
            dead_letter: topics.dead_letter,
            ruleset: ruleset.into(),
            parts: BTreeMap::new(),
            config,
        })
    }

    /// Compares until `shutdown` ends or the topic is closed and empty. A batch in hand is finished first, unless its
    /// outcome is being refused: then it is left for the next start.
    ///
    /// # Errors
    /// [`StageError`]: only what trying again can't mend.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), StageError> {
        let stopping = watch::Sender::new(false);
        let work = self.work(stopping.subscribe());
        tokio::pin!(shutdown, work);
        tokio::select! {
            biased;
            () = &mut shutdown => {
                stopping.send_replace(true);
                work.await
            }
            ended = &mut work => ended,
        }
    }

    async fn work(&mut self, mut stopping: watch::Receiver<bool>) -> Result<(), StageError> {
        let mut wait = self.config.retry_first;
        loop {
            let news = tokio::select! {
                biased;
                _ = stopping.wait_for(|asked| *asked) => return Ok(()),
                news = self.worker.next(self.config.batch_records, self.config.batch_bytes) => news,
            };
            match news {
                Ok(news) => {
                    wait = self.config.retry_first;
                    match news {
                        News::Assigned(partitions) => self.take_over(&partitions),
                        News::Revoked(partitions) => {
                            self.parts.retain(|partition, _| !partitions.contains(partition));
                        }
                        News::Records(batch) => {
                            if !self.process(&batch, &mut stopping).await? {
                                return Ok(());
                            }
                        }
                    }
                }
                Err(ReadError::Closed) => return Ok(()),
                Err(ReadError::Backing(reason)) => {
                    metrics::READ_RETRIES.inc();
                    warn!(topic = %self.name, %reason, "can't read, trying again");
                    if !self.pause(&mut wait, &mut stopping).await {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take_over(&mut self, partitions: &[Assigned]) {
        for Assigned { partition, position, end } in partitions.iter().copied() {
            info!(partition, records = end.saturating_sub(position), "neighbours are read back");
            let part = Part {
                neighbours: Neighbours::new(usize::MAX),
                trail: Trail::new(HOLD_MS),
                position,
                crowded_out: 0,
                folded: 0,
            };
            self.parts.insert(partition, part);
            self.worker.start(partition);
        }
        let most = self.config.live_hits / self.parts.len().max(1);
        for part in self.parts.values_mut() {
            part.neighbours.hold_at_most(most);
        }
    }

    /// Makes durable what a batch makes known; `false` when a stop came before that.
    async fn process(
        &mut self,
        batch: &[Delivered],
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<bool, StageError> {
        let started = Instant::now();
        let (mut outputs, mut dead) = (Vec::new(), Vec::new());
        let (mut compared, mut late) = (0, 0);
        let ruleset = self.ruleset.current();
        for delivered in batch {
            let source = delivered.partition;
            let Some(part) = self.parts.get_mut(&source) else { continue };
            match read::<Neighbour>(delivered, &self.name) {
                Ok(record) => {
                    match part.neighbours.take(&record, &ruleset, |signal| outputs.push((source, signal))) {
                        Taken::InTime => compared += 1,
                        Taken::Late => late += 1,
                    }
                }
                Err(letter) => dead.push(*letter),
            }
        }
        let most = MOST_READ_BACK / self.parts.len().max(1) as u64;
        let mut positions = Vec::new();
        let mut any = !outputs.is_empty() || !dead.is_empty();
        for (partition, next, records) in ends(batch) {
            let Some(part) = self.parts.get_mut(&partition) else { continue };
            part.trail.pass(part.neighbours.newest(), next, records);
            let moved = part.trail.begin(part.neighbours.newest(), most);
            any |= moved.is_some();
            part.position = moved.unwrap_or(part.position);
            positions.push((partition, part.position));
        }
        let signals = outputs.len() as u64;
        // Most batches make nothing known, and where a restart begins moves once a second of record times.
        if any && !self.finish(&outputs, &dead, &positions, stopping).await? {
            return Ok(false);
        }
        metrics::NEIGHBOURS.with_label_values(&["compared"]).inc_by(compared);
        metrics::NEIGHBOURS.with_label_values(&["late"]).inc_by(late);
        metrics::NEIGHBOURS.with_label_values(&["dead_lettered"]).inc_by(dead.len() as u64);
        metrics::SIGNALS.inc_by(signals);
        metrics::COMPARE_SECONDS.observe(started.elapsed().as_secs_f64());
        metrics::COMPARE_LAG.set(i64::try_from(self.worker.waiting()).unwrap_or(i64::MAX));
        self.show();
        Ok(true)
    }

    /// Writes, trying again for as long as topics refuse for now; `false` when a stop came before that.
    async fn finish(
        &mut self,
        signals: &[(u32, Signal)],
        dead: &[Dead],
        positions: &[(u32, u64)],
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<bool, StageError> {
        let (topic, letters) = (self.signals.clone(), self.dead_letter.clone());
        let signal = |(source, signal): &(u32, Signal)| {
            let key = message_key(signal.account_number, &signal.message_id);
            Output { topic: &topic, source: *source, record: Record { key, payload: to_wire(signal).into() } }
        };
        let mut outputs: Vec<_> = signals.iter().map(signal).collect();
        for dead in dead {
            let (record, _cut) = dead.fitted(&letters)?;
            outputs.push(Output { topic: &letters, source: dead.partition(), record });
        }
        let mut wait = self.config.retry_first;
        let mut warned = false;
        loop {
            let refused = match self.worker.finish(&outputs, positions).await {
                // Undone: the partitions begin again, and so does what is remembered of them.
                Ok(_) | Err(FinishError::Undone) => return Ok(true),
                Err(FinishError::Position(error)) => return Err(error.into()),
                Err(FinishError::Refused(AppendError::Closed { topic })) => {
                    return Err(StageError::Closed { topic });
                }
                Err(FinishError::Refused(refused)) => refused,
            };
            metrics::RETRIES.with_label_values(&["signals", refused.reason()]).inc();
            if !warned {
                warn!(reason = refused.reason(), "signals are refused, trying again");
                warned = true;
            }
            if !self.pause(&mut wait, stopping).await {
                return Ok(false);
            }
        }
    }

    fn show(&mut self) {
        let hits: usize = self.parts.values().map(|part| part.neighbours.hits()).sum();
        metrics::NEIGHBOURS_HELD.set(i64::try_from(hits).unwrap_or(i64::MAX));
        for part in self.parts.values_mut() {
            let crowded_out = part.neighbours.crowded_out();
            metrics::NEIGHBOURS_CROWDED_OUT.inc_by(crowded_out - part.crowded_out);
            part.crowded_out = crowded_out;
            let folded = part.neighbours.folded();
            metrics::NEIGHBOURS_FOLDED.inc_by(folded - part.folded);
            part.folded = folded;
        }
    }

    /// Waits before the next try; `false` at once when a stop is asked for.
    async fn pause(&self, wait: &mut Duration, stopping: &mut watch::Receiver<bool>) -> bool {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|asked| *asked) => return false,
            () = tokio::time::sleep(*wait) => {}
        }
        *wait = wait.saturating_mul(2).min(self.config.retry_cap);
        true
    }
}
