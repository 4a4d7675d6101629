//! The stage: raw hits in, classified hits out, nothing dropped and nothing skipped.
//!
//! - A position moves only behind the durable outcome of everything before it, so a stop at any point costs repeats,
//!   never events.
//! - The same raw record becomes the same bytes under one ruleset, so repeats are harmless.
//! - What can't be read goes to the dead-letter topic and stops nothing; an append that is refused is tried again for
//!   as long as it takes, and nothing overtakes it.
//! - Consumed = classified + dead-lettered, on the counters.

mod route;

use crate::metrics;
use crate::ruleset::Ruleset;
use route::{Dead, Routed};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stream::{AppendError, Consumer, Delivered, GroupError, ReadError, Record, Topic};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// How the stage works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The consumer group under which it reads the raw topic.
    pub group: String,
    /// So many records at most are judged and appended together. More would take longer to repeat after a stop.
    pub batch_records: usize,
    /// About so many bytes at most are judged and appended together; one longer record is taken alone.
    pub batch_bytes: usize,
    /// How long to wait after a refused append or a failed read before trying again. Doubles up to `retry_cap`; each
    /// try shows in `trueopen_classifier_append_retries_total` or `trueopen_classifier_read_retries_total`.
    pub retry_first: Duration,
    /// The longest wait between tries.
    pub retry_cap: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "classifier".to_owned(),
            batch_records: 512,
            batch_bytes: 1 << 20,
            retry_first: Duration::from_millis(50),
            retry_cap: Duration::from_secs(5),
        }
    }
}

/// The topics that the stage joins.
pub struct Topics {
    /// Hits as the tracker saw them.
    pub raw: Topic,
    /// Hits with their verdicts.
    pub classified: Topic,
    /// What could not be classified.
    pub dead_letter: Topic,
}

/// Why the stage ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A position could not be taken or moved.
    #[error("the raw topic's position: {0}")]
    Position(#[from] GroupError),
    /// A topic was closed under it.
    #[error("topic {topic} was closed")]
    Closed {
        /// The topic.
        topic: String,
    },
    /// The dead-letter topic refuses even an empty dead letter, so nothing could be set aside there.
    #[error("topic {topic} takes no records longer than {limit} bytes, too few for a dead letter")]
    TooSmall {
        /// The topic.
        topic: String,
        /// Its limit in bytes.
        limit: usize,
    },
}

/// The stage, ready to run.
pub struct Classifier {
    config: Config,
    raw_name: String,
    consumer: Consumer,
    classified: Output,
    dead_letter: Output,
    ruleset: Arc<Ruleset>,
    stopping: watch::Sender<bool>,
}

/// A topic that is written to, and its label in metrics.
struct Output {
    topic: Topic,
    label: &'static str,
}

/// Why work ended before its outcome was durable.
enum Interrupt {
    /// A stop was asked for while something was being tried again, or there is nothing more to come.
    Stopped,
    /// It failed for good.
    Failed(StageError),
}

impl<E: Into<StageError>> From<E> for Interrupt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Classifier {
    /// Takes the group's place in the raw topic.
    ///
    /// # Errors
    /// [`StageError::Position`] when the raw topic has no such consumer group.
    pub fn build(config: Config, topics: Topics, ruleset: Arc<Ruleset>) -> Result<Self, StageError> {
        Ok(Self {
            consumer: topics.raw.consumer(&config.group)?,
            raw_name: topics.raw.name().to_owned(),
            classified: Output { topic: topics.classified, label: "classified" },
            dead_letter: Output { topic: topics.dead_letter, label: "dead_letter" },
            ruleset,
            config,
            stopping: watch::Sender::new(false),
        })
    }

    /// Judges until `shutdown` ends or the raw topic is closed and empty. A batch in hand is finished first, unless its
    /// appends are being refused: then it is left for the next start.
    ///
    /// # Errors
    /// [`StageError`]: only what trying again can't mend.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), StageError> {
        info!(ruleset = self.ruleset.version(), group = %self.config.group, "classifier running");
        tokio::pin!(shutdown);
        let mut wait = self.config.retry_first;
        loop {
            let next = tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                next = self.consumer.next(self.config.batch_records, self.config.batch_bytes) => next,
            };
            let handled = self.handle(next, &mut wait);
            tokio::pin!(handled);
            let ended = tokio::select! {
                biased;
                () = &mut shutdown => {
                    self.stopping.send_replace(true);
                    handled.await.and(Err(Interrupt::Stopped))
                }
                ended = &mut handled => ended,
            };
            match ended {
                Ok(()) => {}
                Err(Interrupt::Stopped) => return Ok(()),
                Err(Interrupt::Failed(error)) => return Err(error),
            }
        }
    }

    async fn handle(
        &self,
        next: Result<Vec<Delivered>, ReadError>,
        wait: &mut Duration,
    ) -> Result<(), Interrupt> {
        match next {
            Ok(batch) => {
                *wait = self.config.retry_first;
                self.process(&batch).await
            }
            Err(ReadError::Closed) => Err(Interrupt::Stopped),
            Err(ReadError::Backing(reason)) => {
                metrics::READ_RETRIES.inc();
                warn!(topic = %self.raw_name, %reason, "can't read, trying again");
                self.pause(wait).await
            }
        }
    }

    /// Makes the outcome of a batch durable, then moves the position behind it, then counts it.
    async fn process(&self, batch: &[Delivered]) -> Result<(), Interrupt> {
        let started = Instant::now();
        let routed: Vec<Routed> =
            batch.iter().map(|delivered| route::route(delivered, &self.raw_name, &self.ruleset)).collect();
        let routed = self.append_classified(batch, routed).await?;
        self.append_dead(&routed).await?;
        // The batch is in order, so the last record of each partition is the furthest.
        let mut ends: Vec<(u32, u64)> = Vec::new();
        for delivered in batch {
            match ends.iter_mut().find(|(partition, _)| *partition == delivered.partition) {
                Some(end) => end.1 = delivered.offset + 1,
                None => ends.push((delivered.partition, delivered.offset + 1)),
            }
        }
        for (partition, next_offset) in ends {
            self.consumer.commit(partition, next_offset)?;
        }
        count(&routed);
        metrics::BATCH_SECONDS.observe(started.elapsed().as_secs_f64());
        metrics::LAG.set(i64::try_from(self.consumer.lag()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Appends the verdicts of a batch in order. A verdict that the topic refuses for its length comes back as dead.
    async fn append_classified(
        &self,
        batch: &[Delivered],
        mut routed: Vec<Routed>,
    ) -> Result<Vec<Routed>, Interrupt> {
        let records: Vec<Record> = routed.iter().filter_map(Routed::classified).cloned().collect();
        if records.is_empty() || self.append(&self.classified, &records).await?.is_none() {
            return Ok(routed);
        }
        // One of them is too long, and the answer doesn't say which: each goes alone, in order, so only it stays out.
        for (delivered, routed) in batch.iter().zip(&mut routed) {
            let Some(record) = routed.classified() else { continue };
            if let Some(refusal) = self.append(&self.classified, std::slice::from_ref(record)).await? {
                let reason =
                    format!("its verdict makes {} bytes of at most {}", refusal.bytes, refusal.limit);
                *routed = Routed::Dead(route::too_large(delivered, &self.raw_name, reason));
            }
        }
        Ok(routed)
    }

    /// Appends the dead letters of a batch; one that is too long is cut to fit.
    async fn append_dead(&self, routed: &[Routed]) -> Result<(), Interrupt> {
        let dead: Vec<&Dead> = routed.iter().filter_map(Routed::dead).collect();
        let records: Vec<Record> = dead.iter().map(|dead| dead.record()).collect();
        if records.is_empty() || self.append(&self.dead_letter, &records).await?.is_none() {
            return Ok(());
        }
        for (dead, record) in dead.into_iter().zip(records) {
            let Some(refusal) = self.append(&self.dead_letter, &[record]).await? else { continue };
            let too_small = || StageError::TooSmall {
                topic: self.dead_letter.topic.name().to_owned(),
                limit: refusal.limit,
            };
            let cut = dead.cut_to_fit(refusal.bytes, refusal.limit).ok_or_else(too_small)?;
            if self.append(&self.dead_letter, &[cut]).await?.is_some() {
                return Err(too_small().into());
            }
            metrics::CUT.inc();
            error!(bytes = refusal.bytes, limit = refusal.limit, "dead letter was cut to fit its topic");
        }
        Ok(())
    }

    /// Appends records, trying again for as long as the topic refuses for now. Returns the refusal when one of them is
    /// longer than the topic takes.
    async fn append(&self, output: &Output, records: &[Record]) -> Result<Option<TooLarge>, Interrupt> {
        let mut wait = self.config.retry_first;
        let mut warned = false;
        loop {
            let refused = match output.topic.append_all(records.to_vec()).await {
                Ok(()) => {
                    if warned {
                        info!(topic = output.label, "appends are taken again");
                    }
                    return Ok(None);
                }
                Err(refused) => refused,
            };
            match refused {
                AppendError::TooLarge { bytes, limit, .. } => return Ok(Some(TooLarge { bytes, limit })),
                AppendError::Closed { topic } => return Err(StageError::Closed { topic }.into()),
                AppendError::Full { .. } | AppendError::Busy { .. } | AppendError::Disabled { .. } => {
                    metrics::RETRIES.with_label_values(&[output.label, refused.reason()]).inc();
                    if !warned {
                        warn!(
                            topic = output.label,
                            reason = refused.reason(),
                            "append refused, trying again"
                        );
                        warned = true;
                    }
                    self.pause(&mut wait).await?;
                }
            }
        }
    }

    /// Waits before the next try, or ends at once when a stop is asked for.
    async fn pause(&self, wait: &mut Duration) -> Result<(), Interrupt> {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|asked| *asked) => return Err(Interrupt::Stopped),
            () = tokio::time::sleep(*wait) => {}
        }
        *wait = wait.saturating_mul(2).min(self.config.retry_cap);
        Ok(())
    }
}

/// A record that is longer than a topic takes.
struct TooLarge {
    bytes: usize,
    limit: usize,
}

/// Counts a batch whose outcome is durable.
fn count(routed: &[Routed]) {
    for routed in routed {
        match routed {
            Routed::Classified { actor, source, .. } => {
                metrics::CLASSIFIED.inc();
                metrics::VERDICTS.with_label_values(&[actor.as_str(), source]).inc();
            }
            Routed::Dead(dead) => {
                metrics::DEAD_LETTERED.with_label_values(&[dead.label]).inc();
                warn!(reason = dead.label, "record set aside in the dead-letter topic");
            }
        }
    }
    metrics::CONSUMED.inc_by(routed.len() as u64);
}
