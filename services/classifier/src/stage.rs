//! The stage: raw hits in, classified hits out, nothing dropped and nothing skipped.
//!
//! - A position moves only behind the durable outcome of everything before it, so a stop at any point costs repeats,
//!   never events.
//! - What the classified topic says is the stage's memory: at its start it reads back what it said of the messages that
//!   are still live, so a revision is never given to two different verdicts, whatever came in between: a crash, another
//!   order of hits and delivery events, a newer ruleset. Its own position there stays an hour of record times behind.
//! - What can't be read goes to the dead-letter topic and stops nothing; an append that is refused is tried again for
//!   as long as it takes, and nothing overtakes it.
//! - Consumed = classified + dead-lettered + repeated, on the counters; corrections are counted beside that.

mod kept;
mod live;
mod memory;
mod route;

use crate::metrics;
use crate::ruleset::Ruleset;
use engagement::{Classified, DeliveryEvent, from_wire};
use live::{Live, Said};
use memory::Memory;
use route::{Dead, Output, Routed};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stream::{AppendError, Consumer, Delivered, GroupError, ReadError, Record, Topic};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// How long a start waits for the next batch to read back before it takes what came for all there is.
const READ_BACK_PATIENCE: Duration = Duration::from_secs(2);
/// The same for what was just appended, which lies in memory.
const FOLLOW_PATIENCE: Duration = Duration::from_millis(100);

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
    /// So many messages at most have their windows open; about half a kilobyte each. Beyond it the windows of those that
    /// were hit longest ago close early (`trueopen_classifier_crowded_out_messages_total`): what comes later for
    /// them is judged without them.
    pub live_messages: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "classifier".to_owned(),
            batch_records: 512,
            batch_bytes: 1 << 20,
            retry_first: Duration::from_millis(50),
            retry_cap: Duration::from_secs(5),
            live_messages: 1_000_000,
        }
    }
}

/// The topics that the stage joins.
pub struct Topics {
    /// Hits as the tracker saw them.
    pub raw: Topic,
    /// Hits with their verdicts; the group reads back here what it said.
    pub classified: Topic,
    /// Delivery events.
    pub delivery: Topic,
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
    consumer: Consumer,
    delivery: Memory,
    memory: Memory,
    classified: Writer,
    dead_letter: Writer,
    live: Live,
    stopping: watch::Sender<bool>,
}

/// A topic that is written to, and its label in metrics.
struct Writer {
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

/// What came.
enum Next {
    Raw(Result<Vec<Delivered>, ReadError>),
    Delivery(Result<Vec<Delivered>, ReadError>),
}

impl Classifier {
    /// Takes the group's place in the topics.
    ///
    /// # Errors
    /// [`StageError::Position`] when the raw, the classified or the delivery topic has no such consumer group.
    pub fn build(config: Config, topics: Topics, ruleset: Arc<Ruleset>) -> Result<Self, StageError> {
        Ok(Self {
            consumer: topics.raw.consumer(&config.group)?,
            raw_name: topics.raw.name().to_owned(),
            delivery: Memory::new(topics.delivery.consumer(&config.group)?),
            memory: Memory::new(topics.classified.consumer(&config.group)?),
            classified: Writer { topic: topics.classified, label: "classified" },
            dead_letter: Writer { topic: topics.dead_letter, label: "dead_letter" },
            live: Live::new(ruleset, config.live_messages),
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

    /// Remembers, then judges what comes until a stop is asked for.
    async fn work(&mut self) -> Result<(), Interrupt> {
        let mut stopping = self.stopping.subscribe();
        let mut repeats = self.consumer.lag();
        self.live.expect_repeats(repeats > 0);
        self.remember().await?;
        let ruleset = self.live.ruleset().version();
        info!(ruleset, group = %self.config.group, live = self.live.messages(), "classifier running");
        let mut wait = self.config.retry_first;
        let mut deliveries = true;
        loop {
            let (records, bytes) = (self.config.batch_records, self.config.batch_bytes);
            let next = tokio::select! {
                biased;
                _ = stopping.wait_for(|asked| *asked) => return Ok(()),
                next = async {
                    tokio::select! {
                        raw = self.consumer.next(records, bytes) => Next::Raw(raw),
                        delivery = self.delivery.next(records, bytes), if deliveries => Next::Delivery(delivery),
                    }
                } => next,
            };
            match next {
                Next::Raw(Ok(batch)) => {
                    wait = self.config.retry_first;
                    self.process(&batch).await?;
                    repeats = repeats.saturating_sub(batch.len() as u64);
                    self.live.expect_repeats(repeats > 0);
                }
                Next::Delivery(Ok(batch)) => {
                    wait = self.config.retry_first;
                    self.process_deliveries(&batch).await?;
                }
                Next::Raw(Err(ReadError::Closed)) => return Ok(()),
                Next::Delivery(Err(ReadError::Closed)) => deliveries = false,
                Next::Raw(Err(ReadError::Backing(reason)))
                | Next::Delivery(Err(ReadError::Backing(reason))) => {
                    self.unreadable(&reason, &mut wait).await?;
                }
            }
        }
    }

    /// Reads back what is live: deliveries, then what was said of hits; then judges again what these together change.
    async fn remember(&mut self) -> Result<(), Interrupt> {
        let started = Instant::now();
        let (mut wait, mut read) = (self.config.retry_first, 0);
        let (records, bytes) = (self.config.batch_records, self.config.batch_bytes);
        while let Some(batch) = self.delivery.next_there(records, bytes, READ_BACK_PATIENCE).await {
            let Some(batch) = self.readable(batch, &mut wait).await? else { continue };
            for event in batch.iter().filter_map(payload::<DeliveryEvent>) {
                self.live.delivery(&event);
            }
            self.delivery.hold(&batch, self.live.newest())?;
        }
        while let Some(batch) = self.memory.next_there(records, bytes, READ_BACK_PATIENCE).await {
            let Some(batch) = self.readable(batch, &mut wait).await? else { continue };
            for classified in batch.iter().filter_map(payload::<Classified>) {
                self.live.restore(classified);
                read += 1;
            }
            self.memory.hold(&batch, self.live.newest())?;
        }
        let said = self.live.review();
        let (corrections, seconds) = (said.len(), started.elapsed().as_secs_f64());
        info!(verdicts = read, live = self.live.messages(), corrections, seconds, "read back what was said");
        let outputs = said.into_iter().map(|said| Output::new(said, None)).collect();
        self.say(outputs, Vec::new()).await?;
        Ok(())
    }

    /// A batch, or a wait before the next try; between batches a stop is heard.
    async fn readable(
        &mut self,
        batch: Result<Vec<Delivered>, ReadError>,
        wait: &mut Duration,
    ) -> Result<Option<Vec<Delivered>>, Interrupt> {
        if *self.stopping.borrow() {
            return Err(Interrupt::Stopped);
        }
        match batch {
            Ok(batch) => Ok(Some(batch)),
            Err(ReadError::Closed) => Err(Interrupt::Stopped),
            Err(ReadError::Backing(reason)) => self.unreadable(&reason, wait).await.map(|()| None),
        }
    }

    async fn unreadable(&self, reason: &str, wait: &mut Duration) -> Result<(), Interrupt> {
        metrics::READ_RETRIES.inc();
        warn!(topic = %self.raw_name, %reason, "can't read, trying again");
        self.pause(wait).await
    }

    /// Makes the outcome of a batch durable, then moves the position behind it, then counts it.
    async fn process(&mut self, batch: &[Delivered]) -> Result<(), Interrupt> {
        let started = Instant::now();
        let (mut outputs, mut dead) = (Vec::with_capacity(batch.len()), Vec::new());
        for delivered in batch {
            match route::route(delivered, &self.raw_name) {
                Routed::Hit(hit) => {
                    let said: Vec<Said> = self.live.hit(*hit);
                    outputs.extend(said.into_iter().map(|said| Output::new(said, Some(delivered))));
                }
                Routed::Dead(letter) => dead.push(letter),
            }
        }
        self.say(outputs, dead).await?;
        for (partition, next_offset) in ends(batch) {
            self.consumer.commit(partition, next_offset)?;
        }
        metrics::CONSUMED.inc_by(batch.len() as u64);
        metrics::BATCH_SECONDS.observe(started.elapsed().as_secs_f64());
        metrics::LAG.set(i64::try_from(self.consumer.lag()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Makes durable what a batch of delivery events corrects. What is no delivery event is the loader's to set aside.
    async fn process_deliveries(&mut self, batch: &[Delivered]) -> Result<(), Interrupt> {
        let mut outputs = Vec::new();
        for event in batch.iter().filter_map(payload::<DeliveryEvent>) {
            outputs.extend(self.live.delivery(&event).into_iter().map(|said| Output::new(said, None)));
        }
        self.say(outputs, Vec::new()).await?;
        self.delivery.hold(batch, self.live.newest())?;
        Ok(())
    }

    /// Appends verdicts and dead letters, and counts them once they are durable.
    async fn say(&mut self, outputs: Vec<Output>, mut dead: Vec<Dead>) -> Result<(), Interrupt> {
        let refused = self.append_classified(&outputs).await?;
        for (index, reason) in &refused {
            let output = &outputs[*index];
            dead.push(output.too_large(&self.raw_name, self.classified.topic.name(), reason.clone()));
        }
        // In the order of the raw topic, like everything else.
        dead.sort_by_key(Dead::place);
        self.append_dead(&dead).await?;
        for (index, output) in outputs.iter().enumerate() {
            let set_aside = refused.iter().any(|(refused, _)| *refused == index);
            match (set_aside, output.correction) {
                (false, false) => {
                    metrics::CLASSIFIED.inc();
                    metrics::VERDICTS.with_label_values(&[output.actor.as_str(), &output.source]).inc();
                }
                (false, true) => metrics::CORRECTIONS.inc(),
                (true, false) => {}
                (true, true) => metrics::CORRECTIONS_SET_ASIDE.inc(),
            }
        }
        for letter in dead.iter().filter(|letter| letter.is_of(&self.raw_name)) {
            metrics::DEAD_LETTERED.with_label_values(&[letter.label]).inc();
            warn!(reason = letter.label, "record set aside in the dead-letter topic");
        }
        metrics::LIVE.set(i64::try_from(self.live.messages()).unwrap_or(i64::MAX));
        self.follow().await
    }

    /// Reads what was just appended, so that the position there can follow.
    async fn follow(&mut self) -> Result<(), Interrupt> {
        let (records, bytes) = (self.config.batch_records, self.config.batch_bytes);
        // What can't be read is tried again behind the next batch.
        while let Some(Ok(batch)) = self.memory.next_there(records, bytes, FOLLOW_PATIENCE).await {
            self.memory.hold(&batch, self.live.newest())?;
        }
        Ok(())
    }

    /// Appends verdicts in order. Returns those that the topic refuses for their length.
    async fn append_classified(&mut self, outputs: &[Output]) -> Result<Vec<(usize, String)>, Interrupt> {
        let mut refused = Vec::new();
        let records: Vec<Record> = outputs.iter().map(|output| output.record.clone()).collect();
        if records.is_empty() || self.append_verdicts(&records).await?.is_none() {
            return Ok(refused);
        }
        // One of them is too long, and the answer doesn't say which: each goes alone, in order, so only it stays out.
        for (index, record) in records.iter().enumerate() {
            if let Some(refusal) = self.append_verdicts(std::slice::from_ref(record)).await? {
                let reason =
                    format!("its verdict makes {} bytes of at most {}", refusal.bytes, refusal.limit);
                refused.push((index, reason));
            }
        }
        Ok(refused)
    }

    /// Appends to the classified topic. When it is full, what keeps it full may be what a restart would read back: that
    /// is given up, for verdicts in time go before corrections.
    async fn append_verdicts(&mut self, records: &[Record]) -> Result<Option<TooLarge>, Interrupt> {
        match self.classified.topic.append_all(records.to_vec()).await {
            Ok(()) => return Ok(None),
            Err(AppendError::Full { .. }) => {
                self.follow().await?;
                if self.memory.forget()? {
                    metrics::FORGOTTEN.inc();
                    warn!("the classified topic is full: what a restart would read back there is given up");
                }
            }
            Err(_) => {}
        }
        self.append(&self.classified, records).await
    }

    /// Appends the dead letters of a batch; one that is too long is cut to fit.
    async fn append_dead(&self, dead: &[Dead]) -> Result<(), Interrupt> {
        let records: Vec<Record> = dead.iter().map(|dead| dead.record()).collect();
        if records.is_empty() || self.append(&self.dead_letter, &records).await?.is_none() {
            return Ok(());
        }
        for (dead, record) in dead.iter().zip(records) {
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
    async fn append(&self, output: &Writer, records: &[Record]) -> Result<Option<TooLarge>, Interrupt> {
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

/// One past the last record of each partition. A batch is in order, so the last record of each is the furthest.
fn ends(batch: &[Delivered]) -> Vec<(u32, u64)> {
    let mut ends: Vec<(u32, u64)> = Vec::new();
    for delivered in batch {
        match ends.iter_mut().find(|(partition, _)| *partition == delivered.partition) {
            Some(end) => end.1 = delivered.offset + 1,
            None => ends.push((delivered.partition, delivered.offset + 1)),
        }
    }
    ends
}

/// What a record says, if it can be read.
fn payload<T: serde::de::DeserializeOwned>(delivered: &Delivered) -> Option<T> {
    from_wire(&delivered.record.as_ref().ok()?.payload).ok()
}
