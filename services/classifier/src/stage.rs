//! The stage: raw hits in, classified hits out, nothing dropped, nothing skipped and nothing said twice in two ways.
//!
//! - A batch's verdicts, its dead letters and the position behind it are made durable together ([`stream::Worker`]): over
//!   Kafka in one transaction; over the journal the position last, so a stop at any point costs repeats, never events.
//! - What the classified topic says is the stage's memory, one for each partition ([`part`]). When a partition is assigned,
//!   at a start or because the group changed, what was said of messages that are still live is read back, from two hours of
//!   record times behind. So an outage, another order of hits and delivery events or a newer ruleset end the same.
//! - One (event, revision) never says two things. Revisions are counted from what was read back, so two that differ would
//!   need an author whom the reader did not read. Over Kafka none is left: the partition's position is asked for with
//!   `require_stable`, which ends the waiting of every transaction of an earlier owner; only then is it looked up where
//!   the classified partition ends, open transactions included; only when all up to there is decided is it read, to that
//!   end. An earlier owner's later transactions are refused: each carries the group's generation and a position of every
//!   partition that it speaks for, corrections alone too. Two partitions share no message, so none else speaks of it.
//! - A partition's memory is dropped when it is revoked; work in hand for it is left out or refused whole.
//! - What can't be read goes to the dead-letter topic and stops nothing; what is refused is tried again for as long as it
//!   takes, and nothing overtakes it.
//! - Consumed = classified + dead-lettered + repeated, on the counters; corrections are counted beside that.

mod beside;
pub mod compare;
mod held;
mod kept;
mod live;
mod part;
#[cfg(test)]
mod replays;
mod revise;
mod route;
mod say;
mod shared;
mod texts;
mod trail;
mod waiting;
mod windows;

use crate::in_force::InForce;
use crate::metrics;
use beside::{Beside, ends};
use part::{Part, Phase};
use revise::Ask;
use route::{Output, Routed};
use say::Outcome;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use stream::{Assigned, Delivered, Followed, Follower, GroupError, News, ReadError, Topic, Worker};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

pub use revise::{LastSaid, Place, Revisions, Said};
pub use windows::Windows;

/// So many records of a topic at most, over all partitions, are read back at a start; beyond that the oldest are let go,
/// and a restart won't know them.
const MOST_READ_BACK: u64 = 5_000_000;

/// How the stage works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The consumer group under which it reads the raw topic.
    pub group: String,
    /// So many records at most are judged and made durable together, when so many wait. Over Kafka that is a transaction,
    /// whose end takes about ten milliseconds whatever its size; more would take longer to repeat after a stop.
    pub batch_records: usize,
    /// About so many bytes at most are judged and appended together; one longer record is taken alone.
    pub batch_bytes: usize,
    /// How long to wait after a refused append or a failed read before trying again. Doubles up to `retry_cap`; each
    /// try shows in `trueopen_classifier_append_retries_total` or `trueopen_classifier_read_retries_total`.
    pub retry_first: Duration,
    /// The longest wait between tries.
    pub retry_cap: Duration,
    /// So many messages at most have their windows open, shared evenly by the partitions; about half a kilobyte each.
    /// Beyond it the windows of those that were hit longest ago close early (`trueopen_classifier_crowded_out_messages_total`): what comes later for
    /// them is judged without them. As many messages' deliveries wait for a first hit, about 60 bytes each; beyond it the oldest
    /// are let go (`trueopen_classifier_crowded_out_deliveries_total`), and count for nothing.
    pub live_messages: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "classifier".to_owned(),
            batch_records: 4096,
            batch_bytes: 8 << 20,
            retry_first: Duration::from_millis(50),
            retry_cap: Duration::from_secs(5),
            live_messages: 1_000_000,
        }
    }
}

/// The topics that the stage joins.
#[derive(Clone)]
pub struct Topics {
    /// Hits as the tracker saw them.
    pub raw: Topic,
    /// Hits with their verdicts; the group reads back here what it said.
    pub classified: Topic,
    /// Delivery events.
    pub delivery: Topic,
    /// Hits keyed again by network and by domain, for the second stage.
    pub neighbours: Topic,
    /// What the second stage finds.
    pub signals: Topic,
    /// What could not be classified.
    pub dead_letter: Topic,
}

/// Why the stage ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A position could not be taken or moved.
    #[error("a topic's position: {0}")]
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
    worker: Worker,
    delivery: Follower,
    signals: Follower,
    said: Follower,
    classified: Topic,
    neighbours: Topic,
    dead_letter: Topic,
    ruleset: InForce,
    parts: BTreeMap<u32, Part>,
    revisions: Revisions,
    asks: mpsc::Receiver<Ask>,
    /// How often it was asked where the stage is.
    epoch: u64,
    stopping: watch::Sender<bool>,
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

/// What came.
enum Next {
    News(Result<News, ReadError>),
    Delivery(Result<Followed, ReadError>),
    Signals(Result<Followed, ReadError>),
    Said(Result<Followed, ReadError>),
    Ask(Option<Ask>),
}

impl Classifier {
    /// Takes the group's place in the topics.
    ///
    /// # Errors
    /// [`StageError::Position`] when the raw, the classified, the delivery or the signals topic has no such consumer group.
    pub fn build(config: Config, topics: Topics, ruleset: impl Into<InForce>) -> Result<Self, StageError> {
        metrics::prepare_stage();
        let (revisions, asks) = Revisions::channel();
        Ok(Self {
            revisions,
            asks,
            epoch: 0,
            worker: topics.raw.worker(&config.group)?,
            raw_name: topics.raw.name().to_owned(),
            delivery: topics.delivery.follower(&config.group)?,
            signals: topics.signals.follower(&config.group)?,
            said: topics.classified.follower(&config.group)?,
            classified: topics.classified,
            neighbours: topics.neighbours,
            dead_letter: topics.dead_letter,
            ruleset: ruleset.into(),
            parts: BTreeMap::new(),
            config,
            stopping: watch::Sender::new(false),
        })
    }

    /// Judges until `shutdown` ends or the raw topic is closed and empty. A batch in hand is finished first, unless its
    /// outcome is being refused: then it is left for the next start.
    ///
    /// # Errors
    /// [`StageError`]: only what trying again can't mend.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), StageError> {
        let stopping = self.stopping.clone();
        let work = self.work();
        tokio::pin!(shutdown, work);
        let ended = tokio::select! {
            biased;
            () = &mut shutdown => {
                stopping.send_replace(true);
                work.await
            }
            ended = &mut work => ended,
        };
        match ended {
            Ok(()) | Err(Interrupt::Stopped) => Ok(()),
            Err(Interrupt::Failed(error)) => Err(error),
        }
    }

    /// Deals with what comes until a stop is asked for.
    async fn work(&mut self) -> Result<(), Interrupt> {
        let mut stopping = self.stopping.subscribe();
        info!(ruleset = self.ruleset.current().version(), group = %self.config.group, "classifier running");
        let mut wait = self.config.retry_first;
        let (mut delivery_open, mut signals_open, mut said_open) = (true, true, true);
        let (records, bytes) = (self.config.batch_records, self.config.batch_bytes);
        loop {
            let next = tokio::select! {
                biased;
                _ = stopping.wait_for(|asked| *asked) => return Ok(()),
                next = async {
                    tokio::select! {
                        news = self.worker.next(records, bytes) => Next::News(news),
                        read = self.delivery.next(records, bytes), if delivery_open => Next::Delivery(read),
                        read = self.signals.next(records, bytes), if signals_open => Next::Signals(read),
                        read = self.said.next(records, bytes), if said_open => Next::Said(read),
                        ask = self.asks.recv() => Next::Ask(ask),
                    }
                } => next,
            };
            match next {
                Next::News(Ok(news)) => {
                    wait = self.config.retry_first;
                    match news {
                        News::Assigned(partitions) => self.take_over(&partitions),
                        News::Revoked(partitions) => self.let_go(&partitions),
                        News::Records(batch) => self.process(&batch).await?,
                    }
                }
                Next::Delivery(Ok(followed)) => self.process_beside(Beside::Deliveries, &followed).await?,
                Next::Signals(Ok(followed)) => self.process_beside(Beside::Signals, &followed).await?,
                Next::Said(Ok(followed)) => self.read_back(followed).await?,
                Next::Ask(ask) => {
                    // There is always a sender: the stage's own.
                    if let Some(ask) = ask {
                        self.answer(ask).await?;
                    }
                }
                Next::News(Err(ReadError::Closed)) => return Ok(()),
                Next::Delivery(Err(ReadError::Closed)) => delivery_open = false,
                Next::Signals(Err(ReadError::Closed)) => signals_open = false,
                Next::Said(Err(ReadError::Closed)) => said_open = false,
                Next::News(Err(ReadError::Backing(reason)))
                | Next::Delivery(Err(ReadError::Backing(reason)))
                | Next::Signals(Err(ReadError::Backing(reason)))
                | Next::Said(Err(ReadError::Backing(reason))) => {
                    metrics::READ_RETRIES.inc();
                    warn!(topic = %self.raw_name, %reason, "can't read, trying again");
                    self.pause(&mut wait).await?;
                }
            }
            let reading = |part: &Part| !matches!(part.phase, Phase::Judging);
            let closed = !delivery_open || !signals_open || !said_open;
            if closed && self.parts.values().any(reading) {
                // What is closed can't be read back, and nothing is judged without.
                return Ok(());
            }
        }
    }

    /// Begins to read back what has to be known of partitions.
    fn take_over(&mut self, partitions: &[Assigned]) {
        for assigned in partitions {
            self.parts.insert(assigned.partition, Part::new(*assigned, self.ruleset.clone()));
        }
        self.share();
        let numbers: Vec<u32> = partitions.iter().map(|assigned| assigned.partition).collect();
        self.delivery.assign(&numbers);
    }

    /// Forgets partitions.
    fn let_go(&mut self, partitions: &[u32]) {
        self.parts.retain(|partition, _| !partitions.contains(partition));
        self.delivery.release(partitions);
        self.signals.release(partitions);
        self.said.release(partitions);
        self.share();
    }

    /// Shares what may be held by the partitions there are.
    fn share(&mut self) {
        let count = self.parts.len().max(1);
        for part in self.parts.values_mut() {
            part.live.hold_at_most(self.config.live_messages / count);
        }
        self.show();
    }

    /// So many records of a topic are read back for one partition at most.
    fn most_read_back(&self) -> u64 {
        MOST_READ_BACK / self.parts.len().max(1) as u64
    }

    fn show(&self) {
        let live: usize = self.parts.values().map(|part| part.live.messages()).sum();
        metrics::LIVE.set(i64::try_from(live).unwrap_or(i64::MAX));
    }

    /// Makes the outcome of a batch durable together with the position behind it, then counts it.
    async fn process(&mut self, batch: &[Delivered]) -> Result<(), Interrupt> {
        let started = Instant::now();
        let (mut outputs, mut dead) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut neighbours = Vec::new();
        for delivered in batch {
            let source = delivered.partition;
            let Some(part) = self.parts.get_mut(&source) else { continue };
            match route::route(delivered, &self.raw_name) {
                Routed::Hit(hit) => {
                    let said = part.live.hit(*hit, |neighbour| neighbours.push((source, neighbour)));
                    outputs.extend(said.into_iter().map(|said| Output::new(said, source, Some(delivered))));
                }
                Routed::Dead(letter) => dead.push(letter),
            }
        }
        let ends = ends(batch);
        let positions: Vec<_> = ends.iter().map(|(partition, next, _)| (*partition, *next)).collect();
        if self.say(outputs, dead, neighbours, &positions).await? == Outcome::Undone {
            return Ok(());
        }
        for (partition, next, records) in ends {
            let Some(part) = self.parts.get_mut(&partition).filter(|_| self.worker.owns(partition)) else {
                continue;
            };
            part.dealt_with(next);
            metrics::CONSUMED.inc_by(records);
        }
        metrics::BATCH_SECONDS.observe(started.elapsed().as_secs_f64());
        metrics::LAG.set(i64::try_from(self.worker.lag()).unwrap_or(i64::MAX));
        Ok(())
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
